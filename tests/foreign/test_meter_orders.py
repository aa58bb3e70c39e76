"""Orders at a connector with a foreign meter: what is billed, and what the cloud is told."""

import json
import time

import pytest

import wire
from controller import pile_code
from meters import sdm630
from test_meters import Bench
from waiting import until

VOLTAGE = (230.0, 231.0, 232.5)
CURRENT = (16.0, 15.5, 15.75)


@pytest.fixture(params=wire.REVISIONS, ids=lambda revision: f"cloud-{revision}")
def bench(sites, request, libmodbus_slave):
    """A cloud of either revision."""
    with sites(request.param) as site:
        bench = Bench(site, site.directory, libmodbus_slave)
        yield bench
        bench.close()
        assert not site.backend.errors, site.backend.errors


def charging(energy_kwh, power_kw=10.5):
    return sdm630(
        import_kwh=energy_kwh, power_total=power_kw * 1000, voltage=VOLTAGE, current=CURRENT
    )


def metered(bench, pile_revision="1.10", **more):
    """A pile whose first connector has a meter; the site has one as well."""
    connector = bench.slave("pymodbus", framing="tcp").give(charging(500.0, 0))
    incomer = bench.slave("libmodbus", framing="tcp").give(charging(90_000.0, 55))
    bench.bus("one", connector)
    bench.bus("two", incomer)
    bench.meter("first", "one", connector, measures=(pile_code(1), 1), report_interval_s=5, **more)
    bench.meter("incomer", "two", incomer, report_interval_s=5)
    found = bench.run(piles=1, revisions={1: pile_revision})
    found.wait_values("first", {"energy_import_wh": 500_000})
    found.wait_values("incomer", {"energy_import_wh": 90_000_000})
    bench.site.wait_uplink()
    return bench.site.pile(1), connector, found


def last(backend, name, record):
    return until(
        lambda: [m for m in backend.heard[name] if m.recordId == record], f"{name} of {record}"
    )[-1]


def shown(site, order):
    return json.loads(site.controller.command("orders", "show", order.id, "--json").stdout)


@pytest.mark.parametrize("pile_revision", wire.REVISIONS)
def test_the_meter_is_billed_and_the_pile_stands_beside_it(bench, pile_revision):
    pile, connector, found = metered(bench, pile_revision)
    backend = bench.site.backend
    order = pile.begin(connector=1)
    assert pile.announce(order)
    connector.give(charging(506.2))
    found.wait_values("first", {"energy_import_wh": 506_200})
    # What it stands at when the pile stops is read after the stop.
    connector.give(charging(512.34, 0))
    pile.finish(order, energy=1240)
    assert pile.report(order) == "stop"
    backend.wait_settled([order.id])

    start = last(backend, "StartTransactionReq", order.id)
    stop = last(backend, "StopTransactionReq", order.id)
    assert (start.meterStart, stop.meterStop) == (50_000, 51_234)
    assert list(stop.elecData) == [123], "12.34 kWh in units of 100 Wh"
    bench.site.controller.wait_settled([order.id])
    row = bench.site.controller.orders()[order.id]
    assert row["energy_wh"] == 12_340
    assert row["cost_fen"] == order.cost_fen, "the price is the pile's business"
    metering = shown(bench.site, order)["metering"]
    assert metering["meter"] == "first"
    assert metering["pile_start_wh"] == order.meter_start * 10
    assert metering["pile_stop_wh"] == order.meter_stop * 10
    # 12.40 beside 12.34 is within 3 %.
    assert not [a for a in found.alarms() if "meter" in a["name"]]
    bench.site.controller.verify()


def test_without_a_meter_nothing_changes(bench):
    pile, _, _ = metered(bench)
    order = pile.whole_order(connector=2, energy=321)
    bench.site.backend.wait_settled([order.id])
    stop = last(bench.site.backend, "StopTransactionReq", order.id)
    assert stop.meterStop == order.meter_stop
    assert list(stop.elecData) == [1], "the pile's"
    row = bench.site.controller.orders()[order.id]
    assert row["energy_wh"] == order.energy_wh
    assert not shown(bench.site, order).get("metering")


def test_a_pile_that_counts_otherwise_is_told_of(bench):
    pile, connector, found = metered(bench)
    order = pile.begin(connector=1)
    assert pile.announce(order)
    connector.give(charging(510.0, 0))
    # A fifth more than the meter.
    pile.finish(order, energy=1200)
    assert pile.report(order) == "stop"
    bench.site.backend.wait_settled([order.id])
    assert bench.site.controller.orders()[order.id]["energy_wh"] == 10_000
    (alarm,) = until(
        lambda: [a for a in found.alarms() if "disagree" in a["name"].replace("-", "_")],
        "the alarm",
    )
    assert "10.0" in alarm["text"] and "12.0" in alarm["text"], alarm


def test_with_a_silent_meter_the_pile_is_billed(bench):
    pile, connector, found = metered(bench, stale_after_ms=2000)
    backend = bench.site.backend
    order = pile.begin(connector=1)
    assert pile.announce(order)
    connector.give(charging(505.0))
    found.wait_values("first", {"energy_import_wh": 505_000})
    connector.kill()
    found.wait_quality("first", "stale")
    pile.finish(order, energy=777)
    before = time.monotonic()
    assert pile.report(order)
    assert time.monotonic() - before < 10, "a dead meter holds nobody up"
    backend.wait_settled([order.id])
    row = bench.site.controller.orders()[order.id]
    assert row["energy_wh"] == order.energy_wh == 7770


def test_the_meters_telemetry_reaches_the_cloud(bench):
    _, connector, found = metered(bench)
    connector.give(charging(501.0))
    found.wait_values("first", {"energy_import_wh": 501_000})
    backend = bench.site.backend
    wanted = {
        (backend.pb.CP_Connector, "1"): {142: 1050, 134: 50_100},
        (backend.pb.CP_Meter, ""): {142: 5500, 134: 9_000_000},
    }
    phases = {136: 2300, 137: 2310, 138: 2325, 139: 160, 140: 155, 141: 157}

    def told(component, connector_id):
        for _, message in reversed(backend.telemetry):
            values = {value.measurand: value for value in message.values}
            if message.component == component and 134 in values:
                if component == backend.pb.CP_Meter or str(message.connectorId) == connector_id:
                    return message, values
        return None, {}

    for (component, connector_id), expected in wanted.items():

        def arrived():
            values = told(component, connector_id)[1]
            return all(at in values and values[at].value == v for at, v in expected.items())

        until(arrived, f"telemetry of {component}: {expected}; got {told(component, connector_id)}")
        values = told(component, connector_id)[1]
        assert set(phases) <= set(values)
        assert values[136].value == phases[136]


def test_an_order_over_a_crash_keeps_its_meter(bench):
    pile, connector, found = metered(bench)
    order = pile.begin(connector=1)
    assert pile.announce(order)
    bench.site.controller.kill()
    connector.give(charging(508.0, 0))
    bench.site.controller.start()
    found.wait_values("first", {"energy_import_wh": 508_000})
    pile.wait_ready()
    pile.finish(order, energy=810)
    assert pile.report(order)
    bench.site.backend.wait_settled([order.id])
    assert bench.site.controller.orders()[order.id]["energy_wh"] == 8000
    bench.site.controller.verify()
