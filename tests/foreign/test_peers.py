"""The peers against each other through mosquitto and the proxy, without the program: if this fails,
the suite is at fault and not the controller."""

import threading

import pytest

import backend as backend_module
import piles as piles_module
import proxy as proxy_module
import wire
from waiting import until
from wire import pb

CODE = "3101150012000001"
# printf '31011500120000017\0\0\0\0\0\x6b\x49\xd2\x00' | sha256sum | cut -c1-20 | xxd -r -p | base32
ORDER_TAIL = "KL5WPOILUSBQF455"


@pytest.fixture
def pair(cloud):
    proxy = proxy_module.Proxy(cloud)
    backend = backend_module.Backend(cloud).open()
    assert backend.subscribed.wait(10)
    backend.device = CODE
    pile = piles_module.Pile(proxy.port, CODE, "any", "ZD1", answer_s=0.5).open()
    try:
        yield pile.wait_ready(), backend, proxy
    finally:
        pile.close()
        backend.close()
        proxy.close()


def test_an_order_from_start_to_stop(pair):
    pile, backend, _ = pair
    pile.ask_for_tariff()
    until(lambda: pile.tariffs, "tariff")
    assert pile.authorize("CARD1").idInfo.status == pb.AS_Accepted
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
    start = pb.RemoteStartTransactionReq(
        connectorId="1", IdData=pb.IdToken(id="C"), transactionId="R1"
    )
    sequence = backend.command(pb.ID_RemoteStartTransactionReq, start)
    assert backend.wait_answer(sequence, pb.RemoteStartTransactionConf).status == 0
    until(lambda: pile.orders and pile.orders[0].start_answered, "start")
    stop = pb.RemoteStopTransactionReq(connectorID="1", transactionId="R1")
    sequence = backend.command(pb.ID_RemoteStopTransactionReq, stop)
    assert backend.wait_answer(sequence, pb.RemoteStopTransactionConf).status == 0
    until(lambda: backend.settled() == {"1"}, "stop")


def test_the_order_id_is_that_of_the_design():
    assert wire.order_id(CODE, 7, 0x6B49D200) == CODE + ORDER_TAIL

