#!/usr/bin/env python3
"""Writes peaq.txt: every message of the gateway with every field, what the site publishes for what
happens in it, and what it is asked and answers, as Python's protobuf encodes them. What happens is
written once more in `src/protocol/peaq/tests`. Needs protobuf and grpcio-tools:

    python3 -B tests/golden/make_peaq.py        (in the top folder; overwrites the file)
"""

import os

# The other implementation does not write the rows of a map in the order of their keys.
os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"

from protobuf_text import block, encoded, filled, load, quoted, written

events = load("peaq_event", "peaq_gateway")
import peaq_gateway_pb2 as g

E = events.EventType
CLIENT = "site-1"
KEY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def event(kind, field, data):
    return events.Event(event_id=E.Value(kind), **{field: data})


def heading(message):
    if message.DESCRIPTOR.name == "ChargePointState":
        return f"peaq state of {quoted(message.id)}"
    names = {number: name for name, number in E.items()}
    return f"peaq event {names.get(message.event_id, 'unknown')} {message.event_id}"


KINDS = {
    "boot_notification_request_data": "BOOT_NOTIFICATION_REQUEST",
    "log_data": "LOG",
    "authorize_request_data": "AUTHORIZE_REQUEST",
    "authorize_response_data": "AUTHORIZE_RESPONSE",
    "check_availability_request_data": "CHECK_AVAILABILITY_REQUEST",
    "check_availability_response_data": "CHECK_AVAILABILITY_RESPONSE",
    "start_transaction_request_data": "START_TRANSACTION_REQUEST",
    "start_transaction_response_data": "START_TRANSACTION_RESPONSE",
    "ev_charge_status_data": "EV_CHARGE_STATUS",
    "stop_transaction_request_data": "STOP_TRANSACTION_REQUEST",
    "stop_transaction_response_data": "STOP_TRANSACTION_RESPONSE",
    "notify_charge_point_state_change_data": "NOTIFY_CHARGE_POINT_STATE_CHANGE",
}


def every_message():
    for field in events.Event.DESCRIPTOR.oneofs[0].fields:
        message = events.Event(event_id=E.Value(KINDS[field.name]))
        getattr(message, field.name).SetInParent()
        filled(getattr(message, field.name))
        yield f"every-{field.name}", message
    state = g.ChargePointState()
    filled(state)
    yield "every-state", state
    yield "every-empty-event", events.Event(event_id=E.Value("LOG"))
    yield "every-unknown-event", events.Event(event_id=99)


def response(text="", error=False):
    return g.Response(error=error, message=text)


def told():
    boot = g.BootNotificationRequestData(
        charge_box_serial_number="3101150012000001", charge_point_model="SITEPILOT-1",
        Charge_point_serial_number="ZD240117001", Charge_point_vendor="ACME", firmware_version="3.1",
    )
    yield "booted", event("BOOT_NOTIFICATION_REQUEST", "boot_notification_request_data", boot)
    change = g.NotifyChargePointStateChangeData(charge_point_client_id=CLIENT)
    yield "changed", event("NOTIFY_CHARGE_POINT_STATE_CHANGE", "notify_charge_point_state_change_data", change)
    offered = g.EVChargingStatusData(current_offered=123.45, current_unit="A", voltage_offered=400.5, voltage_unit="V")
    yield "progress", event("EV_CHARGE_STATUS", "ev_charge_status_data", offered)
    phases = g.EVChargingStatusData(current_offered=16.02, current_unit="A")
    yield "progress-phases", event("EV_CHARGE_STATUS", "ev_charge_status_data", phases)
    at = "2026-11-18T11:06:40Z"
    stands = g.LogData(current_time=at, resp=response("pile 3101150012000001 gun 1: warning 1030 stands", True))
    yield "warning", event("LOG", "log_data", stands)
    over = g.LogData(resp=response("pile 3101150012000001: warning 1030 is over"))
    yield "warning-over", event("LOG", "log_data", over)


def info(**fields):
    return g.TransactionInfo(**fields)


def state():
    made = g.ChargePointState(id=CLIENT, status="Available", current_transaction_id=42)
    for number, status, order in [(12, "Charging", 42), (13, "Preparing", 0), (14, "Unavailable", 0), (15, "SuspendedEV", 0)]:
        made.connectors[number].CopyFrom(g.ConnectorInfo(id=number, status=status, current_transaction=order))
    offered = g.EVChargingStatusData(current_offered=123.45, current_unit="A", voltage_offered=400.5, voltage_unit="V")
    made.transactions[42].CopyFrom(info(id=42, id_tag=KEY, connector_id=12, start_time="2026-11-18T10:06:40Z", start_meter=1042200, progress=offered))
    made.transactions[41].CopyFrom(info(id=41, connector_id=12, start_time="2026-11-18T10:06:40Z", end_time="2026-11-18T11:06:40Z", start_meter=1042200, end_meter=1054540))
    for key, number in [(KEY, 42), ("another", 0)]:
        tag = g.LocalAuthorizationData(idTag=key, idTagInfo=g.IdTagInfo(status="Accepted"))
        made.auth_list[key].CopyFrom(g.ConsumerAuthData(public_key=key, transaction_id=number, auth_data=tag))
    return made


def asked(client=CLIENT, connector=12, key=KEY):
    yield "authorize", event("AUTHORIZE_REQUEST", "authorize_request_data", g.AuthorizeRequestData(charge_point_client_id=client, consumer_public_key=key))
    yield "availability", event("CHECK_AVAILABILITY_REQUEST", "check_availability_request_data", g.CheckAvailabilityRequestData(charge_point_client_id=client, connector_id=connector))
    more = dict(charge_point_client_id=client, connector_id=connector, consumer_public_key=key)
    yield "start", event("START_TRANSACTION_REQUEST", "start_transaction_request_data", g.StartTransactionRequestData(**more))
    yield "stop", event("STOP_TRANSACTION_REQUEST", "stop_transaction_request_data", g.StopTransactionRequestData(**more))


def answers(text="", error=False, key=KEY, order=None):
    resp = response(text, error)
    yield "authorize", event("AUTHORIZE_RESPONSE", "authorize_response_data", g.AuthorizeResponseData(consumer_public_key=key, resp=resp))
    yield "availability", event("CHECK_AVAILABILITY_RESPONSE", "check_availability_response_data", g.CheckAvailabilityResponseData(resp=resp))
    yield "start", event("START_TRANSACTION_RESPONSE", "start_transaction_response_data", g.StartTransactionResponseData(consumer_public_key=key, resp=resp))
    yield "stop", event("STOP_TRANSACTION_RESPONSE", "stop_transaction_response_data", g.StopTransactionResponseData(consumer_public_key=key, transaction_info=order, resp=resp))


def of(prefix, messages):
    return [(f"{prefix}-{name}", message) for name, message in messages]


def refused():
    """Requests that do not reach the site, each followed by its answer."""
    wrong = 'charge_point_client_id: wanted "site-1", found "site-2"'
    yield from of("client", asked(client="site-2"))
    yield from of("client-refused", answers(wrong, True))
    for connector in (0, -1, 10_000):
        name = f"connector{connector}"
        yield from of(name, asked(connector=connector))[1:]
        yield from of(f"{name}-refused", answers(f"connector_id: wanted 1 to 9999, found {connector}", True))[1:]
    no_key = 'consumer_public_key: card number must have 1 to 130 characters, found 0: ""'
    for n, (name, message) in enumerate(of("keyless", asked(key=""))):
        if n != 1:
            yield name, message
            yield of("keyless-refused", answers(no_key, True, key=""))[n]
    disagrees = "event_id: wanted 25 (AUTHORIZE_REQUEST) for its data, found 29"
    message = list(asked())[0][1]
    message.event_id = E.Value("START_TRANSACTION_REQUEST")
    yield "disagrees", message
    yield "disagrees-refused", list(answers(disagrees, True))[0][1]
    yield "empty", events.Event(event_id=E.Value("STOP_TRANSACTION_REQUEST"))
    yield "empty-refused", list(answers("data: none", True, key=""))[3][1]


def main():
    order = info(id=42, id_tag=KEY, connector_id=12, start_time="2026-11-18T10:06:40Z", start_meter=1042200)
    vectors = [
        *every_message(), *told(), ("state", state()), ("state-nothing", g.ChargePointState(id=CLIENT, status="Unavailable")),
        *of("asked", asked()), *of("granted", answers(order=order)), *of("denied", answers("no", True)), *refused(),
    ]
    written("peaq.txt", [block("make_peaq.py", name, encoded(message), heading(message), message) for name, message in vectors])


main()
