"""The peers against each other through mosquitto and the proxy, without the program: if this fails,
the suite is at fault and not the controller."""

import threading

import pytest

import backend as backend_module
import piles as piles_module
import proxy as proxy_module
import reflection
import wire
from waiting import until

CODE = "3101150012000001"
# printf '31011500120000017\0\0\0\0\0\x6b\x49\xd2\x00' | sha256sum | cut -c1-20 | xxd -r -p | base32
ORDER_TAIL = "KL5WPOILUSBQF455"


@pytest.fixture(params=wire.REVISIONS)
def pair(cloud, request):
    revision = request.param
    proxy = proxy_module.Proxy(cloud)
    backend = backend_module.Backend(cloud, revision).open()
    assert backend.subscribed.wait(10)
    backend.device = CODE
    pile = piles_module.Pile(proxy.port, CODE, "any", "ZD1", revision, answer_s=0.5).open()
    try:
        yield pile.wait_ready(), backend, proxy
        assert not backend.errors, backend.errors
    finally:
        pile.close()
        backend.close()
        proxy.close()


def test_an_order_from_start_to_stop(pair):
    pile, backend, _ = pair
    pile.ask_for_tariff()
    until(lambda: pile.tariffs, "tariff")
    assert pile.authorize("CARD1").status == pile.pb.AS_Accepted
    order = pile.whole_order()
    assert order.answered_by == "stop"
    assert order.transaction_id.startswith("BT")
    assert backend.settled() == {"1"}
    until(lambda: backend.infos, "charging information")


@pytest.mark.parametrize("kind", ["cut", "stall", "half-open"])
def test_an_outage_leaves_the_order_to_a_transaction(pair, kind):
    pile, backend, proxy = pair
    first = pile.begin()
    assert pile.announce(first)
    proxy.outage(kind)
    pile.finish(first)
    outcome = []
    reporter = threading.Thread(target=lambda: outcome.append(pile.report(first, 40)))
    reporter.start()
    reporter.join(1.5)
    assert reporter.is_alive(), "it was answered through an outage"
    proxy.heal()
    reporter.join(45)
    assert outcome == ["transaction"]
    assert backend.settled() == {"1"}
    backend.check_copies()


def test_commands_are_answered(pair):
    pile, backend, _ = pair
    make, pb = backend.wire.make, backend.pb
    start = make(
        "RemoteStartTransactionReq", connectorId="1", IdData={"id": "C"}, transactionId="R1"
    )
    sequence = backend.command(pb.ID_RemoteStartTransactionReq, start)
    assert backend.wait_answer(sequence, pb.RemoteStartTransactionConf).status == 0
    until(lambda: pile.orders and pile.orders[0].start_answered, "start")
    stop = make("RemoteStopTransactionReq", connectorID="1", transactionId="R1")
    sequence = backend.command(pb.ID_RemoteStopTransactionReq, stop)
    assert backend.wait_answer(sequence, pb.RemoteStopTransactionConf).status == 0
    until(lambda: backend.settled() == {"1"}, "stop")


def test_configuration_is_read_and_written(pair):
    _, backend, _ = pair
    pb = backend.pb
    request = backend.wire.make(
        "ChangeConfigurationReq", configurationKey=[{"key": "Volume", "value": "9"}]
    )
    sequence = backend.command(pb.ID_ChangeConfigurationReq, request)
    conf = backend.wait_answer(sequence, pb.ChangeConfigurationConf)
    assert conf.status == pb.CFS_RebootRequired
    request = backend.wire.make("GetConfigurationReq", keys=[{"key": "Volume"}])
    sequence = backend.command(pb.ID_GetConfigurationReq, request)
    conf = backend.wait_answer(sequence, pb.GetConfigurationConf)
    assert [(item.key, item.value) for item in conf.values] == [("Volume", "9")]


@pytest.mark.parametrize("name", ["StopTransactionReq", "TransactionReq", "ChargingInfoReq"])
def test_differences_are_found(name):
    sent = reflection.fill(wire.V1_0, name)
    same = reflection.fill(wire.V1_10, name)
    assert reflection.differences(sent, sent) == []
    assert len(reflection.differences(sent, wire.V1_10.kind(name)())) >= 5
    same.cost.CopyFrom(wire.parse(wire.pb.Cost, sent.cost.SerializeToString()))
    assert not [d for d in reflection.differences(sent, same) if d.startswith("cost")]
    same.cost.bills[0].electric += 1
    found = reflection.differences(sent, same)
    assert [d.split(":")[0] for d in found if d.startswith("cost")] == ["cost.bills.electric"]
    assert "cost.bills.electric" not in str(
        reflection.differences(sent, same, ["cost.bills.electric"])
    )


@pytest.mark.parametrize("revision", wire.REVISIONS)
def test_a_message_of_the_other_revision_is_refused(revision):
    mine, other = wire.WIRES[revision], wire.WIRES[{"1.0": "1.10", "1.10": "1.0"}[revision]]
    sealed = other.seal(1, 2, other.pb.BootNotificationReq(partNumber="P"), 3)
    with pytest.raises(Exception, match="unknown to"):
        mine.unseal(sealed)


def test_the_order_id_is_that_of_the_design():
    assert wire.order_id(CODE, 7, 0x6B49D200) == CODE + ORDER_TAIL
