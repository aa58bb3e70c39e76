"""Nonsense at the doors and at the uplink disturbs nobody else."""

import random
import socket
import time

import pytest

import wire
from controller import pile_code, pile_password, pile_serial
from piles import Gone, Pile, Unanswered
from waiting import until
from wire import pb


@pytest.fixture
def good(site):
    """A site with a pile that works; checked once more when the test is over."""
    site.run(piles=2).wait_uplink()
    pile = site.pile(1)
    yield site, pile
    order = pile.whole_order()
    site.backend.wait_settled([order.id])
    assert len(pile.boots) == 1, "the good pile was thrown out"


def error_of(pile, payload):
    """The ErrorCode that a raw APDU is answered with."""
    answers = []
    original = pile.on_message

    def on_message(topic, data):
        apdu = wire.unseal(data)
        if apdu.messageId == pb.ID_MessageError:
            answers.append(apdu)
        else:
            original(topic, data)

    pile.on_message = on_message
    try:
        pile.publish(f"/U/C/{pile.code}", payload)
        apdu = until(lambda: answers, "MessageError", 10)[0]
    finally:
        pile.on_message = original
    return apdu.sequenceId, wire.parse(pb.MessageError, apdu.payload).error


def test_what_does_not_decode_is_answered_with_the_right_code(good):
    site, _ = good
    pile = site.pile(2)
    # What is no envelope has no sequence id to answer to.
    sequence, error = error_of(pile, b"\xff\xff\xff\xff")
    assert (sequence, error) == (0, pb.EC_ProtocolError)
    sequence, error = error_of(pile, wire.seal(pb.ID_StartTransactionReq, 9001, b"\xff\xff"))
    assert (sequence, error) == (9001, pb.EC_ProtocolError)
    sequence, error = error_of(pile, wire.seal(pb.ID_GetLogReq, 9002, b""))
    assert (sequence, error) == (9002, pb.EC_NotSupported)


def test_random_payloads_disturb_nobody(good):
    site, pile = good
    noise = site.pile(2)
    # Some noise looks like an envelope of revision 1.0, and is answered in it.
    noise.on_message = lambda topic, payload: None
    rng = random.Random(5)
    for number in range(300):
        payload = rng.randbytes(rng.randrange(0, 200))
        if number % 3 == 0:
            code = rng.choice(list(wire.ANSWER))
            payload = wire.seal(code, number, payload)
        try:
            noise.publish(f"/U/{rng.choice('CM')}/{noise.code}", payload, qos=rng.choice([0, 2]))
        except Gone:
            noise.subscribed.wait(10)
        if number % 50 == 0:
            pile.whole_order()
    assert site.controller.healthz() == 200


def refused(site, code, password):
    pile = Pile(site.controller.port, code, password, "INTRUDER")
    pile.open()
    try:
        until(lambda: pile.refusals, "a refusal", 10)
        assert not pile.subscribed.is_set()
        return pile.refusals[0]
    finally:
        pile.close()


def test_unknown_piles_and_wrong_passwords_are_refused(good):
    site, _ = good
    for code, password in [
        (pile_code(1), "wrong"),
        (pile_code(1), ""),
        (pile_code(1), pile_password(2)),
        (pile_code(99), pile_password(1)),
        ("", ""),
    ]:
        reason = refused(site, code, password)
        assert reason in ("Not authorized", "Bad user name or password"), reason


def test_another_piles_topics_are_closed(good):
    site, pile = good
    intruder = site.pile(2)
    # To publish as another pile ends the connection or is dropped; it never counts as the other.
    request = pb.TransactionReq(
        recordId="666", connectorId="1", timeStart=1_700_000_000, timeStop=1_700_000_100
    )
    intruder.publish(f"/U/C/{pile.code}", wire.seal(pb.ID_TransactionReq, 1, request))
    time.sleep(1)
    assert wire.order_id(pile.code, 666, 1_700_000_000) not in site.controller.orders()
    # To listen to another pile gives nothing.
    spy = Pile(site.controller.port, pile_code(2), pile_password(2), pile_serial(2))
    spy.filters = [(f"/D/C/{pile.code}/#", 2), ("#", 2)]
    heard = []
    spy.on_message = lambda topic, payload: heard.append(topic)
    spy.on_up = lambda: None
    intruder.close()
    spy.open()
    pile.whole_order()
    time.sleep(0.5)
    spy.close()
    assert not heard, heard


def test_senseless_orders_are_recorded_and_answered(good):
    site, pile = good
    order = pile.begin(offline=True)
    pile.finish(order)
    # The meter falls and the end lies before the start.
    order.meter_stop = order.meter_start - 50
    order.stop = order.start - 1000
    assert pile.report(order), "a pile is never made to forget money"
    assert "senseless" in site.controller.orders()[order.id]["flags"]


def test_raw_tcp_noise_disturbs_nobody(good):
    site, pile = good
    rng = random.Random(6)
    silent = [socket.create_connection(("127.0.0.1", site.controller.port)) for _ in range(20)]
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", site.controller.port)) as door:
            try:
                door.sendall(rng.randbytes(rng.randrange(1, 500)))
            except OSError:
                pass
    # A packet that says it is far too long.
    with socket.create_connection(("127.0.0.1", site.controller.port)) as door:
        door.sendall(b"\x10\xff\xff\xff\x7f" + b"A" * 1000)
    pile.whole_order()
    for door in silent:
        door.close()


def test_nonsense_from_the_cloud_disturbs_nobody(good):
    site, pile = good
    rng = random.Random(7)
    for number in range(100):
        payload = rng.randbytes(rng.randrange(0, 100))
        if number % 2:
            payload = wire.seal(rng.choice([*wire.ANSWER, *wire.ANSWER.values()]), number, payload)
        site.backend.publish(f"/D/C/{site.backend.device}", payload)
    order = pile.whole_order()
    site.backend.wait_settled([order.id])
    assert site.controller.healthz() == 200


def test_a_request_before_boot_is_answered(site):
    site.run().wait_uplink()
    pile = Pile(site.controller.port, pile_code(1), pile_password(1), pile_serial(1))
    pile.on_up = lambda: None
    site.piles.append(pile)
    pile.open()
    assert pile.subscribed.wait(10)
    pile.ready.set()
    order = pile.begin(offline=True)
    pile.finish(order)
    try:
        assert pile.report(order), "an order before boot is recorded and answered"
    except Unanswered:
        raise AssertionError("not answered") from None
    assert order.id in site.controller.orders()
