"""A site's meters: config, what the site says of them, and a map of registers from a manual."""

import fractions
import json
import struct

import registers
from waiting import until


def serial_bus(name, line, baud=9600, parity="none", stops=1, **more):
    serial = f'{{ port = "{line.port}", baud = {baud}, parity = "{parity}", stop_bits = {stops} }}'
    return _table("bus", {"name": name, **more}, f"serial = {serial}")


def tcp_bus(name, port, framing="tcp", **more):
    tcp = f'{{ address = "127.0.0.1:{port}", framing = "{framing}" }}'
    return _table("bus", {"name": name, **more}, f"tcp = {tcp}")


def bus_of(name, slave, **more):
    """The bus on which this slave is."""
    if slave.line:
        baud, parity, stops = slave.serial
        parity = {"N": "none", "E": "even", "O": "odd"}[parity]
        return serial_bus(name, slave.line, baud, parity, stops, **more)
    framing = {"tcp": "tcp", "rtu-over-tcp": "rtu"}[slave.framing]
    return tcp_bus(name, slave.tcp_port, framing, **more)


def meter(name, bus, profile, address=1, measures="site", **more):
    """`measures`: the site, or (pile code, the pile's own number of the connector)."""
    if measures != "site":
        pile, connector = measures
        more["measures"] = {"pile": pile, "connector": connector}
    else:
        more["measures"] = "site"
    values = {"name": name, "bus": bus, "address": address, "profile": profile, **more}
    return _table("meter", values)


def _table(kind, values, *lines):
    lines = [*lines, *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join([f"[[{kind}]]", *lines, ""])


def _toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


class Meters:
    """What a running controller says of its meters."""

    def __init__(self, controller):
        self.controller = controller

    def all(self):
        status, body = self.controller.get("/api/v1/meters")
        assert status == 200, body
        return {meter["name"]: meter for meter in json.loads(body)}

    def one(self, name):
        return self.all()[name]

    def read(self, name):
        """`meters read NAME --json`."""
        return json.loads(self.controller.command("meters", "read", name, "--json").stdout)

    def wait(self, name, wanted, what, timeout=30):
        """The first state of the meter of which `wanted` holds."""

        def found():
            meter = self.one(name)
            return meter if wanted(meter) else None

        try:
            return until(found, f"{name}: {what}", timeout, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; at last {self.one(name)}") from None

    def wait_quality(self, name, quality, timeout=30):
        return self.wait(name, lambda m: m["quality"] == quality, quality, timeout)

    def wait_values(self, name, values, timeout=30):
        """Until these are its values, at least."""
        return self.wait(
            name,
            lambda m: m["quality"] == "good" and values.items() <= m["values"].items(),
            f"{values}",
            timeout,
        )

    def alarms(self):
        _, body = self.controller.get("/api/v1/status")
        return json.loads(body)["alarms"]


def rounded(value):
    """Half away from zero."""
    value = fractions.Fraction(value)
    whole = (abs(value) + fractions.Fraction(1, 2)).__floor__()
    return whole if value >= 0 else -whole


def as_f32(value):
    """What is left of a number in four bytes; exact."""
    return fractions.Fraction(struct.unpack(">f", struct.pack(">f", value))[0])


# Eastron SDM630, protocol V2.0: input registers, floats, high word first.
SDM630 = {
    "voltage": (0, 2, 4),
    "current": (6, 8, 10),
    "power": (12, 14, 16),
    "power_total": 52,
    "reactive_total": 60,
    "factor_total": 62,
    "frequency": 70,
    "import_kwh": 72,
    "export_kwh": 74,
}


def sdm630(**values):
    """Registers of an SDM630, in the meter's own units; what is not named reads 0."""
    found = {(4, at): 0 for at in range(400)} if not values.pop("only", False) else {}
    for name, value in values.items():
        places = SDM630[name]
        each = zip(places, value) if isinstance(places, tuple) else [(places, value)]
        for address, one in each:
            found |= registers.image(4, address, "f32", one)
    return found


def sdm630_values(**values):
    """What the site has to say of the same."""
    found = {}
    for name, key, factor in (
        ("import_kwh", "energy_import_wh", 1000),
        ("export_kwh", "energy_export_wh", 1000),
        ("power_total", "power_w", 1),
        ("frequency", "frequency_chz", 100),
        ("factor_total", "power_factor_milli", 1000),
    ):
        if name in values:
            found[key] = rounded(as_f32(values[name]) * factor)
    for name, key, factor in (("voltage", "voltage_dv", 10), ("current", "current_ca", 100)):
        if name in values:
            found[key] = [rounded(as_f32(value) * factor) for value in values[name]]
    return found
