"""Piles of both revisions at the same site, under a cloud of either: no field is lost that both
sides have."""

import pytest

import reflection
import wire
from backend import EXPIRY
from controller import pile_code
from reflection import differences
from waiting import until
from wire import fields

REVISIONS = {1: "1.0", 2: "1.10"}
each_pile = pytest.mark.parametrize("number", REVISIONS, ids=REVISIONS.get)
# Ids are the site's towards the cloud and the pile's own towards it: docs/protocols.md.
IDS = ("recordid", "transactionid", "connectorid", "evseid")


@pytest.fixture(scope="module", params=wire.REVISIONS, ids=lambda revision: f"cloud-{revision}")
def site(sites, request):
    """One controller for all tests below; what its peers say is complete."""
    with sites(request.param) as site:
        site.backend.thorough = True
        site.run(piles=len(REVISIONS), revisions=REVISIONS).wait_uplink()
        for number in REVISIONS:
            site.pile(number).thorough = True
        yield site
        assert not site.backend.errors, site.backend.errors
        for pile in site.piles:
            assert not pile.unknown, pile.unknown


def the(pile, site):
    return site.piles[pile - 1]


def outside(number, connector=1):
    """The site-wide number of a connector."""
    return str(2 * (number - 1) + connector)


def last(backend, name, record):
    """What arrived last of an order."""
    found = until(
        lambda: [m for m in backend.heard[name] if m.recordId == record], f"{name} of {record}"
    )
    return found[-1]


def check_ids(message, order, number):
    assert str(message.connectorId) == outside(number, order.connector)
    assert getattr(message, "evseId", pile_code(number)) == pile_code(number)


def test_the_controller_registers_itself_and_boots(site):
    backend = site.backend
    (request,) = backend.registrations
    assert (request.partNumber, request.serialNumber) == ("SITEPILOT-1", "SP-000123")
    assert (request.vendorId, request.registrationCode) == ("ACME", "CODE")
    assert backend.registered_as in ("SP-000123", "SITEPILOT-1-SP-000123")
    boot = backend.boots[-1]
    assert (boot.partNumber, boot.serialNumber) == ("SITEPILOT-1", "SP-000123")
    assert boot.deviceCode in ("", backend.device)


@each_pile
def test_the_tariff_arrives_whole(site, number):
    pile = the(number, site)
    pile.ask_for_tariff()
    tariff = until(lambda: [t for t in pile.tariffs if t.tariffid == 77], "the cloud's tariff")[-1]
    assert not differences(site.backend.said["SetTariffReq"], tariff)


@each_pile
def test_a_card_is_asked_about_and_answered_whole(site, number):
    pile, backend = the(number, site), site.backend
    conf = pile.ask_card(f"CARD{number}")
    heard = backend.heard["AuthorizeReq"][-1]
    assert not differences(pile.card_said, heard)
    assert not differences(backend.said["AuthorizeConf"], conf, IDS)
    card = conf.idinfo if pile.wire is wire.V1_0 else conf.idInfo
    assert (card.status, card.expiryDate) == (pile.pb.AS_Accepted, EXPIRY)


@each_pile
def test_an_order_on_line(site, number):
    pile, backend = the(number, site), site.backend
    order = pile.begin(connector=2, card=f"CARD{number}")
    conf = pile.announce(order)
    assert conf.transactionId == order.id
    start = last(backend, "StartTransactionReq", order.id)
    assert not differences(order.said["StartTransactionReq"], start, IDS)
    check_ids(start, order, number)
    assert not differences(backend.said["StartTransactionConf"], conf, IDS)

    pile.inform(order)
    info = last(backend, "ChargingInfoReq", order.id)
    # The two lists of states are not the same: compared below.
    assert not differences(order.said["ChargingInfoReq"], info, [*IDS, "status"])
    assert info.status == backend.pb.CHS_Charging
    check_ids(info, order, number)

    pile.finish(order)
    assert pile.report(order) == "stop"
    stop = last(backend, "StopTransactionReq", order.id)
    assert not differences(order.said["StopTransactionReq"], stop, IDS)
    assert stop.transactionId == start.transactionId or stop.transactionId
    assert getattr(stop, "connectorId", "") in ("", outside(number, 2))
    site.controller.wait_settled([order.id])


@each_pile
def test_telemetry_and_warnings(site, number):
    pile, backend = the(number, site), site.backend
    said = pile.telemetry(1, 2)
    heard = until(
        lambda: [m for m in backend.heard["TelemetryReq"] if str(m.connectorId) == outside(number)],
        "telemetry",
    )[-1]
    assert not differences(said, heard, IDS)
    said = pile.warn(1, 4000 + number)
    heard = until(
        lambda: [m for m in backend.heard["WarningReq"] if m.code == said.code], "the warning"
    )[-1]
    assert not differences(said, heard, IDS)
    assert str(heard.connectorId) == outside(number)


@each_pile
def test_remote_start_and_stop(site, number):
    pile, backend = the(number, site), site.backend
    pb, transaction = backend.pb, f"CLOUD-TX-{number}"
    request = reflection.fill(
        backend.wire,
        "RemoteStartTransactionReq",
        connectorId=outside(number),
        evseId=pile_code(number),
        IdData={"id": "APP1", "expiryDate": EXPIRY},
        transactionId=transaction,
    )
    sequence = backend.command(pb.ID_RemoteStartTransactionReq, request)
    assert backend.wait_answer(sequence, pb.RemoteStartTransactionConf).status == 0
    order = until(lambda: running(pile, "APP1"), "the pile starts")
    heard = [pile.wire.read(apdu) for apdu in pile.commands]
    heard = [m for m in heard if isinstance(m, pile.pb.RemoteStartTransactionReq)][-1]
    assert not differences(request, heard, IDS)
    assert str(heard.connectorId) == "1"
    assert order.transaction_id == order.id, "the backend's id is never shown to a pile"
    assert last(backend, "StartTransactionReq", order.id).transactionId == transaction

    request = backend.wire.make(
        "RemoteStopTransactionReq", connectorID=outside(number), transactionId=transaction
    )
    sequence = backend.command(pb.ID_RemoteStopTransactionReq, request)
    assert backend.wait_answer(sequence, pb.RemoteStopTransactionConf).status == 0
    until(lambda: order.answered_by, "the pile stops")
    backend.wait_settled([order.id])
    assert last(backend, "StopTransactionReq", order.id).transactionId == transaction


def running(pile, card):
    return next((o for o in pile.orders if o.card == card and o.start_answered), None)


@each_pile
def test_a_reservation_reaches_its_pile_whole(site, number):
    pile, backend = the(number, site), site.backend
    pb = backend.pb
    request = reflection.fill(
        backend.wire,
        "ReserveNowReq",
        id=70 + number,
        connector_id=outside(number, 2),
        evse_id=pile_code(number),
    )
    sequence = backend.command(pb.ID_ReserveNowReq, request)
    answer = backend.wait_answer(sequence, pb.ReserveNowConf)
    assert answer.status == pb.ReserveNowConf.Occupied
    # The two kinds of card have no more than a number in common.
    assert not differences(request, pile.reservations[-1], ["connector_id", "evse_id", "idtoken"])
    assert str(pile.reservations[-1].connector_id) == "2"


def test_orders_of_an_outage(site):
    backend, numbers = site.backend, list(REVISIONS)
    boots, attempts = len(backend.boots), site.proxy.connections
    site.proxy.cut()
    until(lambda: site.proxy.connections > attempts, "the controller notices and tries again")
    live, kept = {}, {}
    for number in numbers:
        pile = the(number, site)
        live[number] = pile.whole_order(connector=1, card=f"CARD{number}")
        # One that the pile kept itself.
        kept[number] = pile.finish(pile.begin(connector=2, card=f"CARD{number}", offline=True))
        assert pile.report(kept[number]) == "transaction"
    site.proxy.heal()
    site.wait_uplink(boots + 1)
    ids = [order.id for orders in (live, kept) for order in orders.values()]
    backend.wait_settled(ids)
    for number in numbers:
        # What both start and stop say, the stop says last, but for the card; their times have
        # other names.
        both = set(fields(live[number].said["StopTransactionReq"])) - {"iddata"}
        check_replay(backend, live[number], "StartTransactionReq", both, number)
        check_replay(backend, live[number], "StopTransactionReq", ["timestamp", "iddata"], number)
        check_replay(backend, kept[number], "TransactionReq", [], number)
    backend.check_copies()
    site.controller.wait_settled(ids)
    rows = site.controller.orders()
    for order in [*live.values(), *kept.values()]:
        assert rows[order.id]["energy_wh"] == order.energy_wh
        assert rows[order.id]["cost_fen"] == order.cost_fen
    site.controller.verify()


def check_replay(backend, order, name, apart_from, number):
    replay = last(backend, "TransactionReq", order.id)
    assert not differences(order.said[name], replay, [*IDS, *apart_from])
    assert (replay.timeStart, replay.timeStop) == (order.start, order.stop)
    assert (replay.meterStart, replay.meterStop) == (order.meter_start, order.meter_stop)
    check_ids(replay, order, number)
