"""The uplink queue of JCPP: every message on its event, and records that a broker acknowledges."""

import contextlib
import time

import pytest

import jcpp
import sites as sites_module
import uplinks
from controller import pile_code
from jcpp import DECIMAL, status
from proxy import Proxy
from test_commands import remote_start
from waiting import until
from wire import pb

REVISIONS = {2: "1.0"}


def queue(port, **keys):
    values = {"heartbeat_s": 1, "keep_alive_s": 5} | keys
    return uplinks.table("queue", "jcpp", f"mqtt://127.0.0.1:{port}", **values)


@contextlib.contextmanager
def far_side(directory):
    """A broker of its own, its line, and a consumer."""
    broker = sites_module.Broker(directory)
    line = Proxy(broker.port)
    consumer = jcpp.Consumer(broker.port)
    try:
        broker.start()
        assert consumer.open().subscribed.wait(20)
        yield broker, line, consumer
    finally:
        consumer.close()
        line.close()
        broker.stop()


@pytest.fixture
def far(tmp_path):
    with far_side(tmp_path) as far:
        yield far


def check(consumer):
    assert not consumer.errors, consumer.errors[:3]
    contents = {}
    for heard in list(consumer.heard):
        assert heard.queue.protocolName and heard.id.int
        first = contents.setdefault(heard.id, heard.payload)
        assert first == heard.payload, f"one id, two contents: {heard.kind}"
    for copies in consumer.records().values():
        assert len({heard.payload for heard in copies}) == 1


def test_every_event_has_its_message(site, far):
    _, line, consumer = far
    backend = site.backend
    # Gives no tariff until it is told to.
    backend._SetTariffReq = lambda *_: None
    site.run(piles=2, revisions=REVISIONS, extra=queue(line.port)).wait_uplink()
    uplinks.wait_online(site.controller, "queue")
    pile = site.pile(1)
    code = pile.code

    def comes(kind, **fields):
        found = lambda: consumer.of(kind, pileCode=code, **fields)
        return until(found, f"{kind} {fields}")[-1].body

    comes("LoginRequest")
    comes("TimeSyncResponse")
    until(lambda: len(consumer.of("HeartBeatRequest", pileCode=code)) > 2, "heartbeats")
    pile.ask_for_tariff()
    comes("QueryPricingRequest")
    backend.command(pb.ID_SetTariffReq, backend.tariff())
    comes("SetPricingResponse", pricingId=77, success=True)
    pile.ask_for_tariff()
    comes("VerifyPricingRequest", pricingId=77)

    pile.telemetry(1, 1)
    comes("GunRunStatusProto", gunNo="01", GunRunStatus=status("IDLE"))
    pile.telemetry(1, 3)
    comes("GunRunStatusProto", gunNo="01", GunRunStatus=status("CHARGING"))
    pile.warn(1, 64)
    until(
        lambda: any(h.body.faultMessages for h in consumer.of("GunRunStatusProto", gunNo="01")),
        "the warning as a fault message",
    )
    pile.authorize("CARD9")
    assert comes("StartChargeRequest", cardNo="CARD9").startType == "card"

    order = pile.begin(card="CARD9")
    assert pile.announce(order)
    pile.inform(order)
    progress = comes("ChargingProgressProto", tradeNo=order.id)
    assert progress.gunNo == "01"
    assert DECIMAL.fullmatch(progress.totalChargingEnergyKWh)
    assert float(progress.totalChargingEnergyKWh) == 0.1
    pile.finish(order)
    assert pile.report(order)
    record = comes("TransactionRecordRequest", tradeNo=order.id)
    assert record.gunNo == "01"
    assert (record.startTs, record.endTs) == (order.start * 1000, order.stop * 1000)
    assert DECIMAL.fullmatch(record.totalEnergyKWh)
    assert round(float(record.totalEnergyKWh) * 1000) == order.energy_wh
    assert round(float(record.totalAmountYuan) * 100) == order.cost_fen
    assert record.detail.peakValley.flatEnergyKWh == record.totalEnergyKWh

    backend.command(pb.ID_RemoteStartTransactionReq, remote_start("1", "TX-1", code))
    assert comes("RemoteStartChargingResponse", gunNo="01").success
    running = lambda: [o for o in pile.orders if o.start_answered and not o.stop]
    started = until(running, "the pile starts")[0]
    stop = pb.RemoteStopTransactionReq(connectorID="1", transactionId="TX-1")
    backend.command(pb.ID_RemoteStopTransactionReq, stop)
    assert comes("RemoteStopChargingResponse", gunNo="01").success
    comes("TransactionRecordRequest", tradeNo=started.id)
    pile.accept_remote_start = False
    backend.command(pb.ID_RemoteStartTransactionReq, remote_start("2", "TX-2", code))
    refused = comes("RemoteStartChargingResponse", gunNo="02")
    assert not refused.success and refused.failReason

    # An order's record belongs to no connection of the pile.
    news = [h for h in consumer.heard if h.pile == code and h.kind != "TransactionRecordRequest"]
    assert len({h.session for h in news}) == 1, "one connection of the pile, one session"

    old = site.pile(2)
    until(lambda: consumer.of("LoginRequest", pileCode=old.code), "the other pile")
    pile.close()
    gone = comes("SessionCloseEventProto")
    assert gone.reason == jcpp.ENUMS["SessionCloseReason"]["ON_CHANNEL_INACTIVE"]
    comes("GunRunStatusProto", gunNo="01", GunRunStatus=status("UNKNOWN"))
    check(consumer)


def test_what_a_battery_says_is_told(site, far):
    _, line, consumer = far
    site.run(revisions={1: "1.0"}, extra=queue(line.port)).wait_uplink()
    uplinks.wait_online(site.controller, "queue")
    pile = site.pile(1)
    order = pile.begin()
    assert pile.announce(order)
    # Voltages and currents in 0.01 V and 0.01 A.
    battery = {
        "BMSVersion": "1.1",
        "batType": 3,
        "ratedCapacity": 180,
        "VIN": "LSVAA4182E2123456",
        "allowedCellVol": 420,
        "allowedCurrent": 25_000,
        "requestVoltage": 75_000,
        "requestCurrent": 12_000,
        "voltage": 70_150,
        "soc": 42,
    }
    pile.inform(order, BMSCharging=battery)

    def told(kind):
        return until(lambda: consumer.of(kind, tradeNo=order.id), kind)[-1].body

    handshake = told("BmsHandshakeProto")
    assert (handshake.carVinCode, handshake.bmsBatteryType) == (battery["VIN"], 3)
    config = told("BmsParamConfigReportProto")
    assert (config.maxSingleCellVoltage, config.maxChargeCurrent) == ("4.20", "250.00")
    assert (config.currentBatteryVoltage, config.soc) == ("701.50", "42")
    told("BmsDemandChargerOutputProto")
    told("BmsChargingInfoProto")
    assert told("ChargingProgressProto").soc == 42
    check(consumer)


def test_a_record_is_confirmed_by_the_broker_alone_and_keeps_its_id(site, far):
    broker, line, consumer = far
    site.run(extra=queue(line.port)).wait_uplink()
    uplinks.wait_online(site.controller, "queue")
    pile = site.pile(1)
    first = pile.whole_order()
    site.controller.wait_settled([first.id])
    # What is published arrives, and no acknowledgement comes back.
    line.deafen()
    order = pile.whole_order()
    until(lambda: order.id in consumer.records(), "the record at the consumer")

    def states():
        return uplinks.deliveries(site.controller)[order.id]

    until(lambda: states()["cloud"] == "confirmed", "the cloud alone has confirmed it")
    assert states()["queue"] == "sent"
    assert site.controller.orders()[order.id]["state"] == "recorded"
    line.cut()
    broker.kill()
    time.sleep(0.5)
    meanwhile = pile.whole_order()
    before = consumer.generation
    broker.start()
    # A broker without a reader acknowledges all the same.
    until(lambda: consumer.generation > before and consumer.subscribed.is_set(), "the consumer")
    line.heal()
    until(lambda: len(consumer.records()[order.id]) == 2, "the record again")
    site.controller.wait_settled([order.id, meanwhile.id])
    copies = consumer.records()
    assert len({(c.id, c.payload) for c in copies[order.id]}) == 1
    assert len(copies[first.id]) == len(copies[meanwhile.id]) == 1
    check(consumer)


def test_ids_of_records_are_the_same_after_a_crash(site, far):
    _, line, consumer = far
    site.run(extra=queue(line.port)).wait_uplink()
    uplinks.wait_online(site.controller, "queue")
    pile = site.pile(1)
    line.deafen()
    orders = [pile.whole_order() for _ in range(3)]
    wanted = {order.id for order in orders}
    until(lambda: wanted <= set(consumer.records()), "the records at the consumer")
    site.controller.kill()
    line.heal()
    site.controller.start()
    until(lambda: all(len(c) >= 2 for c in consumer.records().values()), "all of them again")
    site.controller.wait_settled(wanted)
    assert consumer.records()[orders[0].id][0].body.pileCode == pile_code(1)
    check(consumer)
