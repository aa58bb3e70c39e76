"""One pile, one backend, nothing goes wrong."""

import time

import wire
from controller import pile_code
from waiting import until
from wire import pb


def test_a_session_from_card_to_settled(site):
    site.run(piles=2).wait_uplink()
    # The second pile's connectors are 3 and 4 for everybody else.
    pile = site.pile(2)
    boot = pile.boots[-1]
    assert boot.interval > 0
    assert abs(boot.currentTime - time.time()) < 300
    pile.ask_for_tariff()
    until(lambda: any(t.tariffid == 77 for t in pile.tariffs), "the cloud's tariff at the pile")
    assert pile.authorize("CARD1").status == pb.AS_Accepted

    order = pile.begin(connector=1, card="CARD1")
    conf = pile.announce(order)
    assert conf.idInfo.status == pb.AS_Accepted
    assert conf.transactionId == order.id, "towards piles the transaction id is the order id"
    pile.inform(order)
    pile.telemetry(1, 3)
    infos = site.backend.infos
    until(lambda: any(m.recordId == order.id for _, m in infos), "information at the backend")
    _, info = next(pair for pair in infos if pair[1].recordId == order.id)
    assert (info.connectorId, info.evseId) == ("3", pile_code(2))
    until(
        lambda: any(m.connectorId == "3" for _, m in site.backend.telemetry),
        "telemetry at the backend",
    )
    pile.finish(order)
    assert pile.report(order) == "stop"

    site.backend.wait_settled([order.id])
    starts = site.backend.of_kind(pb.ID_StartTransactionReq)
    assert {(c.record, c.message.connectorId, c.message.evseId) for c in starts} == {
        (order.id, "3", pile_code(2))
    }
    stop = site.backend.of_kind(pb.ID_StopTransactionReq)[-1].message
    assert stop.meterStop == order.meter_stop
    assert stop.cost.totalcost == order.cost_fen
    site.controller.wait_settled([order.id])
    row = site.controller.orders()[order.id]
    assert row["pile"] == pile_code(2)
    assert row["energy_wh"] == order.energy_wh
    assert row["cost_fen"] == order.cost_fen
    assert row["state"] == "settled"
    assert [o["id"] for o in site.controller.listed("--state", "settled")] == [order.id]
    assert not pile.unknown


def test_the_registration_happens_once_and_survives_a_restart(site):
    site.run().wait_uplink()
    assert len(site.backend.registrations) == 1
    request = site.backend.registrations[0]
    assert (request.partNumber, request.serialNumber) == ("SITEPILOT-1", "SP-000123")
    assert site.controller.stop() == 0, site.controller.tail()
    site.controller.start()
    site.wait_uplink(boots=2)
    assert len(site.backend.registrations) == 1
    assert site.backend.boots[-1].deviceCode in ("", site.backend.device)


def test_a_blocked_card_is_refused(site):
    site.backend.blocked_cards.add("BAD")
    site.run().wait_uplink()
    pile = site.pile(1)
    until(
        lambda: pile.authorize("BAD").status == pb.AS_Blocked,
        "the backend's refusal at the pile",
        20,
    )


def test_the_same_start_twice_is_one_order(site):
    site.run().wait_uplink()
    pile = site.pile(1)
    order = pile.begin()
    first = pile.announce(order)
    second = pile.announce(order)
    assert first.transactionId == second.transactionId == order.id
    pile.finish(order)
    assert pile.report(order)
    site.backend.wait_settled([order.id])
    assert list(site.controller.orders()) == [order.id]


def test_an_answered_order_reported_again_is_one_order(site):
    site.run().wait_uplink()
    pile = site.pile(1)
    order = pile.whole_order()
    site.backend.wait_settled([order.id])
    conf = pile.ask(
        pb.ID_TransactionReq, pile.transaction_request(order), pb.TransactionConf
    )
    assert conf.status == 0
    assert conf.recordId in ("", str(order.record))
    site.controller.wait_settled([order.id])
    assert list(site.controller.orders()) == [order.id]
    assert wire.order_id(pile.code, order.record, order.start) == order.id
