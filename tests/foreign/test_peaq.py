"""A gateway of peaq: what it is told, what it may ask, and what it may not."""

import pytest

import peaq
import uplinks
from controller import pile_code
from waiting import until

CLIENT = "SP-000123"
CONSUMER = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


@pytest.fixture
def gateway(cloud):
    """With a broker of its own."""
    gateway = peaq.Gateway(cloud, CLIENT).open()
    assert gateway.subscribed.wait(20)
    yield gateway
    gateway.close()


def run(site, gateway, **keys):
    table = uplinks.table(
        "gateway", "peaq", f"mqtt://127.0.0.1:{gateway.port}",
        client_id=CLIENT, model="S1", vendor="ACME", **keys,
    )
    site.run(extra=table).wait_uplink()
    uplinks.wait_online(site.controller, "gateway")
    pile = site.pile(1)
    pile.telemetry(1, 1)
    pile.telemetry(2, 1)
    until(lambda: shown(gateway, 1) == shown(gateway, 2) == "Available", "both connectors")
    return pile


def shown(gateway, connector):
    """The state of a connector in the newest snapshot."""
    if not gateway.states:
        return None
    return gateway.states[-1].connectors[connector].status


def test_a_gateway_hears_of_boots_states_warnings_and_charging(site, gateway):
    pile = run(site, gateway)
    boot = until(lambda: gateway.of("boot_notification_request"), "the boot")[0]
    assert boot.charge_box_serial_number == pile.code
    assert (boot.charge_point_model, boot.Charge_point_vendor) == ("S1", "ACME")
    changes = len(gateway.of("notify_charge_point_state_change"))
    pile.telemetry(1, 3)
    until(lambda: shown(gateway, 1) == "Charging", "the state in the snapshot")
    assert len(gateway.of("notify_charge_point_state_change")) > changes
    assert shown(gateway, 2) == "Available"
    order = pile.begin()
    assert pile.announce(order)
    pile.inform(order)
    charging = until(lambda: gateway.of("ev_charge_status"), "how the charge goes on")[-1]
    assert (charging.voltage_offered, charging.voltage_unit) == (220.0, "V")
    until(lambda: gateway.states[-1].transactions, "the order in the snapshot")
    pile.warn(1, 64)
    log = until(lambda: [d for d in gateway.of("log") if "64" in d.resp.message], "the warning")
    assert log[0].resp.error
    pile.finish(order)
    assert pile.report(order)

    def ended():
        found = [t for t in gateway.states[-1].transactions.values() if t.end_time]
        return found and found[0]

    info = until(ended, "the order in the snapshot, ended")
    assert info.end_meter - info.start_meter == order.energy_wh
    # It is nobody's settlement: the gateway confirms nothing and is owed nothing.
    site.controller.wait_settled([order.id])
    assert set(uplinks.deliveries(site.controller)[order.id]) == {"cloud"}
    assert not gateway.errors, gateway.errors


def test_the_snapshot_is_there_for_who_comes_later(site, gateway):
    pile = run(site, gateway)
    late = peaq.Gateway(gateway.port, CLIENT)
    late.client_id = "LATE"
    late.open()
    try:
        state = until(lambda: late.states and late.states[-1], "the retained snapshot")
        assert state.id == CLIENT
        assert sorted(state.connectors) == [1, 2]
        assert state.status == "Available"
        assert not late.events, "events are not kept"
        pile.close()
        until(lambda: shown(late, 1) == shown(late, 2) == "Unavailable", "the pile is gone")
        assert not late.errors, late.errors
    finally:
        late.close()


def test_a_gateway_that_may_command_starts_and_stops(site, gateway):
    pile = run(site, gateway, commands=True)
    answer = gateway.ask("check_availability", connector_id=1)
    assert not answer.resp.error, answer
    assert gateway.ask("check_availability", connector_id=9).resp.error, "no such connector"
    answer = gateway.ask("authorize", consumer_public_key=CONSUMER)
    assert not answer.resp.error and answer.consumer_public_key == CONSUMER
    until(lambda: CONSUMER in gateway.states[-1].auth_list, "the consumer in the snapshot")

    answer = gateway.ask("start_transaction", connector_id=1, consumer_public_key=CONSUMER)
    assert not answer.resp.error, answer
    order = until(lambda: pile.orders and pile.orders[0], "the pile starts")
    assert (order.connector, order.card) == (1, CONSUMER)
    until(lambda: order.start_answered, "the start is answered")
    assert order.transaction_id == order.id
    assert gateway.ask("check_availability", connector_id=1).resp.error, "it is taken"

    answer = gateway.ask("stop_transaction", connector_id=1, consumer_public_key=CONSUMER)
    assert not answer.resp.error, answer
    assert answer.transaction_info.connector_id == 1
    until(lambda: order.answered_by, "the pile stops")
    site.controller.wait_settled([order.id])
    answer = gateway.ask("stop_transaction", connector_id=1, consumer_public_key=CONSUMER)
    assert answer.resp.error and answer.resp.message, "nothing runs there"
    pile.accept_remote_start = False
    answer = gateway.ask("start_transaction", connector_id=2, consumer_public_key=CONSUMER)
    assert answer.resp.error and answer.resp.message, "the pile does not want to"
    assert not gateway.errors, gateway.errors


def test_a_gateway_that_may_not_command_is_refused(site, gateway):
    pile = run(site, gateway)
    for name, fields in [
        ("authorize", {"consumer_public_key": CONSUMER}),
        ("start_transaction", {"connector_id": 1, "consumer_public_key": CONSUMER}),
        ("stop_transaction", {"connector_id": 1, "consumer_public_key": CONSUMER}),
    ]:
        answer = gateway.ask(name, **fields)
        assert answer.resp.error and answer.resp.message, name
    assert not pile.orders and not pile.commands[1:], "nothing reached the pile but its tariff"
    assert pile.code == pile_code(1)
    # What is no request harms nobody.
    gateway.publish(f"peaq/{CLIENT}/request", b"\xff\xff nonsense", qos=1)
    answer = gateway.ask("start_transaction", connector_id=1, consumer_public_key=CONSUMER)
    assert answer.resp.error
    assert not gateway.errors, gateway.errors
