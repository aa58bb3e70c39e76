#!/usr/bin/env python3
"""Writes ec.txt: frames of EC TCP as this script packs them, with the text to be read in them.

Neither the bytes nor the text come from the code under test, and the table of points is written
out once more here. Needs nothing but Python:

    python3 tests/golden/make_ec.py        (in the top folder; overwrites the file)
"""

import datetime
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))

# type, address, name, scale, unit
POINTS = """
1 1 vehicle_connected 1
1 2 gun_seated 1
1 3 gun_cover 1
1 4 vehicle_communication 1
1 5 parking_space_occupied 1
1 6 card_reader_fault 1
1 7 emergency_stop 1
1 8 surge_arrester_fault 1
1 9 insulation_fault 1
1 10 gun_not_connected_alarm 1
1 11 transaction_store_full_alarm 1
1 12 meter_fault 1
1 17 battery_reversed_fault 1
1 18 smoke_alarm 1
1 19 bms_communication_fault 1
1 20 dc_meter_fault 1
1 21 dc_output_overcurrent 1
2 1 ac_input_voltage_alarm 1
2 2 charger_overtemperature 1
2 3 ac_current_overload 1
2 4 output_relay_state 1
2 9 charging_mode 1
2 10 battery_soc_alarm 1
2 11 battery_module_overtemperature 1
2 12 output_connector_overtemperature 1
2 13 battery_connector_state 1
2 14 battery_charge_overcurrent 1
2 15 dc_bus_voltage_alarm 1
2 16 bms_voltage_alarm 1
3 1 charger_state 1
3 2 ground_lock_state 1
3 3 output_voltage 10 V
3 4 output_current 100 A
3 5 soc 1 %
3 6 charging_time 1 min
3 7 remaining_time 1 min
3 17 battery_type 1
3 18 battery_rated_capacity 1 Ah
3 19 battery_made_year 1 year
3 20 battery_made_month_day 1
3 21 battery_cycles 1
3 22 cell_max_voltage 10 V
3 23 battery_max_current 100 A
3 24 battery_nominal_energy 10 kWh
3 25 battery_max_total_voltage 10 V
3 26 battery_max_temperature 10 degC
3 33 cell_highest_voltage_and_group 1
3 34 battery_highest_temperature 10 degC
3 35 battery_lowest_temperature 10 degC
3 36 battery_total_voltage 10 V
3 41 input_voltage_a 10 V
3 42 input_voltage_b 10 V
3 43 input_voltage_c 10 V
3 44 input_current_a 100 A
3 45 input_current_b 100 A
3 46 input_current_c 100 A
3 47 output_max_voltage 10 V
3 48 output_min_voltage 10 V
3 49 output_max_current 100 A
3 50 internal_temperature 10 degC
4 1 active_energy_total 1000 kWh
4 2 charged_amount 100 yuan
4 3 unit_price 1000 yuan/kWh
4 4 charged_energy 1000 kWh
"""

POINTS = [line.split() for line in POINTS.strip().splitlines()]
POINTS = [(int(p[0]), int(p[1]), p[2], int(p[3]), (p[4:] or [""])[0]) for p in POINTS]
BY_NAME = {point[2]: point for point in POINTS}

# Meanings of the values that the vectors use; the names of the points that have none are absent.
MEANINGS = {
    "vehicle_connected": ["no", "yes"],
    "gun_seated": ["not seated", "seated"],
    "gun_cover": ["open", "closed"],
    "vehicle_communication": ["not established", "established"],
    "parking_space_occupied": ["empty", "occupied"],
    "emergency_stop": ["normal", "pressed"],
    "gun_not_connected_alarm": ["normal", "alarm"],
    "transaction_store_full_alarm": ["normal", "alarm"],
    "meter_fault": ["normal", "alarm"],
    "smoke_alarm": ["normal", "alarm"],
    "dc_output_overcurrent": ["normal", "overcurrent"],
    "charging_mode": ["untrusted", "constant voltage", "constant current"],
    "battery_soc_alarm": ["normal", "high", "low"],
    "battery_connector_state": ["normal", "abnormal", "untrusted"],
    "output_relay_state": ["normal", "normal (the source lists both)", "untrusted"],
    "charger_state": {0: "offline", 2: "standby", 3: "charging", 17: "waiting to charge"},
    "ground_lock_state": ["unknown", "down", "up", "moving", "fault"],
    "battery_type": {3: "LFP", 7: "polymer Li-ion"},
}
OVER_UNDER = ["normal", "over", "under"]
OVER_UNTRUSTED = ["normal", "over", "untrusted"]
for name in ["ac_input_voltage_alarm", "ac_current_overload", "dc_bus_voltage_alarm",
             "bms_voltage_alarm"]:
    MEANINGS[name] = OVER_UNDER
for name in ["charger_overtemperature", "battery_module_overtemperature",
             "output_connector_overtemperature", "battery_charge_overcurrent"]:
    MEANINGS[name] = OVER_UNTRUSTED
for name in ["card_reader_fault", "surge_arrester_fault", "insulation_fault",
             "battery_reversed_fault", "bms_communication_fault", "dc_meter_fault"]:
    MEANINGS[name] = ["normal", "fault"]


class Frame:
    """One frame: what the reader calls it, its command, its bytes, and the lines of its fields."""

    def __init__(self, name, command, sent, fields):
        self.name, self.command, self.sent, self.fields = name, command, sent, fields

    def text(self, at):
        first = f"EC {self.name} {self.command} at byte {at}, {len(self.sent)} bytes"
        return [first] + ["    " + field for field in self.fields]


class Noise:
    """Bytes that are in no frame."""

    def __init__(self, sent):
        self.sent = sent

    def text(self, at):
        return [f"no frame at byte {at}, {len(self.sent)} bytes"]


def frame(command, body=b""):
    return b"EC" + struct.pack(">hH", 2 + len(body), command) + body


def string(text):
    return struct.pack(">H", len(text)) + text.encode("ascii")


def scaled(raw, scale):
    places = len(str(scale)) - 1
    if places == 0:
        return str(raw)
    return f"{raw // scale}.{raw % scale:0{places}d}"


def meaning(name, raw):
    known = MEANINGS.get(name, {})
    if isinstance(known, list):
        known = dict(enumerate(known))
    return known.get(raw, "")


def moment(unix_s):
    at = datetime.datetime.fromtimestamp(unix_s, datetime.timezone.utc)
    return f"{unix_s} {at.strftime('%Y-%m-%dT%H:%M:%SZ')}"


def heartbeat():
    return [Frame("heartbeat", 101, frame(101), [])]


def record(organisation, pile, gun, trade, start, end, energy, amount, service):
    body = struct.pack(">I", organisation) + string(pile) + struct.pack(">B", gun) + string(trade)
    body += struct.pack(">5I", start, end, energy, amount, service)
    return [Frame("consumption record", 1005, frame(1005, body), [
        f"organisation: {organisation}",
        f"pile: {pile}",
        f"gun: {gun}",
        f"trade number: {trade}",
        f"start: {moment(start)}",
        f"end: {moment(end)}",
        f"energy: {scaled(energy, 1000)} kWh",
        f"amount: {scaled(amount, 100)} yuan",
        f"service fee: {scaled(service, 100)} yuan",
    ])]


def data(organisation, pile, gun, kind, values):
    """`values`: pairs of a point's name, or of its type and address, and a raw value."""
    body = struct.pack(">I", organisation) + string(pile)
    body += struct.pack(">BBH", gun, {"ac": 14, "dc": 5}[kind], len(values))
    fields = [
        f"organisation: {organisation}",
        f"pile: {pile}",
        f"gun: {gun}",
        f"pile type: {kind.upper()}",
    ]
    for of, raw in values:
        number, address, name, scale, unit = BY_NAME.get(of) or (*of, "unknown", 1, "")
        body += struct.pack(">HB" + {1: "B", 2: "B", 3: "H", 4: "I"}[number], address, number, raw)
        shown = [scaled(raw, scale), unit, meaning(name, raw)]
        fields.append(f"{number}/{address} {name}: " + " ".join(part for part in shown if part))
    return [Frame("real-time data", 1001, frame(1001, body), fields)]


def every_point():
    """Every point once, each with another value of those that it can have."""
    values = []
    for index, (number, _, name, _, _) in enumerate(POINTS):
        known = MEANINGS.get(name)
        raw = {1: 1, 2: 2, 3: 1000 + 7 * index, 4: 70000 + 11 * index}[number]
        if isinstance(known, dict):
            raw = list(known)[-1]
        elif known is not None:
            raw = index % len(known)
        values.append((name, raw))
    return values


def unknown(command, body=b""):
    return [Frame("unknown command", command, frame(command, body), [body.hex()] if body else [])]


PILE = "3101150012000001"
TRADE = PILE + "ABCDEFGHIJKLMNOP"
RECORD = record(1000, PILE, 2, TRADE, 1795000000, 1795003600, 24680, 4322, 1200)

VECTORS = [
    ("heartbeat", heartbeat()),
    ("record", RECORD),
    ("record-largest", record(4294967295, "Z" * 16, 255, "9" * 32, *[4294967295] * 5)),
    ("record-smallest", record(0, "", 0, "", 0, 0, 0, 0, 0)),
    ("data-none", data(1000, PILE, 1, "ac", [])),
    ("data-every-point", data(1000, PILE, 1, "dc", every_point())),
    ("data-idle-ac", data(1000, PILE, 1, "ac", [
        ("charger_state", 2), ("vehicle_connected", 0), ("input_voltage_a", 2301),
        ("active_energy_total", 4294967295)])),
    ("data-charging-dc", data(1000, PILE, 2, "dc", [
        ("charger_state", 3), ("output_voltage", 3805), ("output_current", 40005), ("soc", 80),
        ("charged_energy", 5), ("charged_amount", 9)])),
    ("data-points-nobody-knows", data(1000, PILE, 1, "dc", [
        ((1, 99), 1), ((2, 65535), 255), ((3, 99), 65535), ((4, 99), 4294967295)])),
    ("unknown-command", unknown(7, b"\x01\x02")),
    ("unknown-command-without-body", unknown(65535)),
    ("several", heartbeat() + RECORD + heartbeat()),
    ("out-of-step", [Noise(b"\x00EEC\x80\x00")] + RECORD + [Noise(b"EC\x00\x01E")]),
    ("cut", heartbeat() + [Noise(RECORD[0].sent[:-1])]),
    ("frame-in-a-cut-one", [Noise(b"EC\x10\x00")] + heartbeat()),
]

with open(os.path.join(HERE, "ec.txt"), "w", encoding="utf-8") as file:
    for name, parts in VECTORS:
        sent, text = b"", []
        for part in parts:
            text += part.text(len(sent))
            sent += part.sent
        file.write(f"== {name}\nsource: tests/golden/make_ec.py, Python struct\n")
        file.write(f"hex: {sent.hex()}\n" + "\n".join(text) + "\n\n")
