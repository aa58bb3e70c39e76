"""Meters by foreign slaves: the site says what they were given, and never anything else."""

import json
import random
import time

import pytest

import meters
from line import Line
from meters import Meters, sdm630, sdm630_values
from slaves import PYMODBUS, Slave
from waiting import until

PROFILE = "eastron-sdm630"
# A gigawatt: what these meters count between two readings no site carries.
QUICK = {"poll_interval_ms": 200, "max_power_w": 1_000_000_000}
BUS = {"timeout_ms": 200, "turnaround_ms": 5}
# For slaves that tell the frames of others from their own by silence, on a machine that is busy.
SHARED = {"turnaround_ms": 30}
FIRST = {
    "voltage": (230.1, 229.9, 231.5),
    "current": (16.0, 15.5, 0.04),
    "power_total": 7345.6,
    "frequency": 49.98,
    "factor_total": 0.987,
    "import_kwh": 12345.67,
    "export_kwh": 89.5,
}
SECOND = {
    "voltage": (225.0, 228.8, 232.25),
    "current": (3.1, 2.0, 1.9),
    "power_total": -1500.5,
    "frequency": 50.03,
    "factor_total": -0.5,
    "import_kwh": 12345.75,
    "export_kwh": 89.625,
}


class Bench:
    """A site whose meters are foreign slaves."""

    def __init__(self, site, directory, libmodbus):
        self.site = site
        self.directory = directory
        self.libmodbus = libmodbus
        self.meters = None
        self._opened = []
        self._config = []

    def line(self, name="line"):
        line = Line(self.directory, name)
        self._opened.append(line)
        return line

    def slave(self, maker="libmodbus", **options):
        program = PYMODBUS if maker == "pymodbus" else [self.libmodbus]
        slave = Slave(program, **options)
        self._opened.insert(0, slave)
        return slave.start()

    def bus(self, name, slave, **more):
        self._config.append(meters.bus_of(name, slave, **{**BUS, **more}))

    def meter(self, name, bus, slave, profile=PROFILE, **more):
        more = {**QUICK, **more}
        self._config.append(meters.meter(name, bus, profile, slave.address, **more))

    def profile(self, name, text):
        folder = self.directory / "meters"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(text)

    def run(self, **options):
        self.site.run(extra="\n".join(self._config), **options)
        self.meters = Meters(self.site.controller)
        return self.meters

    def close(self):
        for thing in self._opened:
            thing.close()


@pytest.fixture
def bench(site, libmodbus_slave):
    bench = Bench(site, site.directory, libmodbus_slave)
    yield bench
    bench.close()


def one_meter(bench, maker="libmodbus", framing="tcp", **more):
    """A site meter, read: its slave, and what the site says of meters."""
    line = bench.line() if framing == "rtu" else None
    slave = bench.slave(maker, line=line, framing=framing).give(sdm630(**FIRST))
    bench.bus("one", slave)
    bench.meter("incomer", "one", slave, **more)
    found = bench.run()
    found.wait_values("incomer", sdm630_values(**FIRST))
    return slave, found


@pytest.mark.parametrize(
    ("maker", "framing"),
    [
        ("pymodbus", "rtu"),
        ("pymodbus", "tcp"),
        ("pymodbus", "rtu-over-tcp"),
        ("libmodbus", "rtu"),
        ("libmodbus", "tcp"),
    ],
)
def test_the_site_says_what_the_meter_says(bench, maker, framing):
    slave, found = one_meter(bench, maker, framing)
    meter = found.one("incomer")
    assert (meter["bus"], meter["address"], meter["profile"]) == ("one", 1, PROFILE)
    assert meter["age_ms"] < 5000
    shown = found.read("incomer")
    assert sdm630_values(**FIRST).items() <= shown["values"].items()
    # What changes is followed, in every value.
    slave.give(sdm630(**SECOND))
    found.wait_values("incomer", sdm630_values(**SECOND))
    assert bench.site.controller.stop() == 0, bench.site.controller.tail()


def test_nothing_but_reading_goes_over_the_line(bench):
    slave, _ = one_meter(bench, framing="rtu")
    time.sleep(1)
    requests = slave.line.requests()
    assert len(requests) >= 16 and len(requests) % 8 == 0
    asked = [requests[at : at + 8] for at in range(0, len(requests), 8)]
    assert {(request[0], request[1]) for request in asked} == {(1, 4)}


def test_a_killed_slave_is_stale_and_good_at_once_when_it_is_back(bench):
    slave, found = one_meter(bench, "pymodbus", stale_after_ms=3000)
    slave.kill()
    stale = found.wait_quality("incomer", "stale")
    assert stale["age_ms"] >= 3000
    assert sdm630_values(**FIRST).items() <= stale["values"].items(), "the last ones, and called so"
    slave.give(sdm630(**SECOND))
    slave.start()
    # It is asked more and more seldom; a few failures back off by seconds, not by minutes.
    found.wait_values("incomer", sdm630_values(**SECOND), timeout=60)
    ages = watch_ages(found, "incomer", 2)
    assert max(ages) < 2000, "one good answer ends the back-off"


def watch_ages(found, name, seconds):
    ages, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        ages.append(found.one(name)["age_ms"])
        time.sleep(0.05)
    return ages


def test_a_dead_meter_does_not_hold_up_another_on_its_line(bench):
    line = bench.line()
    alive = bench.slave("pymodbus", line=line, address=1).give(sdm630(**FIRST))
    dead = bench.slave("libmodbus", line=line, address=2).give(sdm630(**SECOND))
    bench.bus("one", alive, **SHARED)
    bench.meter("alive", "one", alive)
    bench.meter("dead", "one", dead, measures=("3101150012000001", 1), stale_after_ms=2000)
    found = bench.run()
    found.wait_values("alive", sdm630_values(**FIRST))
    found.wait_values("dead", sdm630_values(**SECOND))
    dead.kill()
    # A time-out is 200 ms. Whoever waits for the dead one's back-off waits 2, 4, 6 seconds.
    assert max(watch_ages(found, "alive", 10)) < 2500
    assert found.one("dead")["quality"] == "stale"
    dead.start()
    found.wait_quality("dead", "good", 60)
    assert max(watch_ages(found, "alive", 2)) < 2500


def test_an_adapter_is_pulled_and_put_back(bench):
    slave, found = one_meter(bench, framing="rtu", stale_after_ms=2000)
    slave.line.unplug()
    found.wait_quality("incomer", "stale")
    slave.give(sdm630(**SECOND))
    slave.line.plug()
    found.wait_values("incomer", sdm630_values(**SECOND), timeout=60)


def test_a_meter_that_refuses_is_no_meter_that_says_zero(bench):
    slave, found = one_meter(bench, stale_after_ms=2000)
    slave.tell("exception 6")
    stale = found.wait_quality("incomer", "stale")
    assert sdm630_values(**FIRST).items() <= stale["values"].items()
    slave.tell("exception 0")
    slave.give(sdm630(**SECOND))
    found.wait_values("incomer", sdm630_values(**SECOND), timeout=60)


@pytest.mark.parametrize("more", [1, -1])
def test_an_answer_of_another_length_is_not_used(bench, more):
    slave, found = one_meter(bench, "pymodbus", framing="rtu", stale_after_ms=2000)
    slave.tell(f"words {more}")
    slave.give(sdm630(**SECOND))
    stale = found.wait_quality("incomer", "stale")
    assert sdm630_values(**FIRST).items() <= stale["values"].items()
    slave.tell("words 0")
    found.wait_values("incomer", sdm630_values(**SECOND), timeout=60)


def test_a_meter_without_a_register_has_the_others(bench):
    line = bench.line()
    slave = bench.slave("libmodbus", line=line).give(sdm630(**FIRST))
    # Export and frequency: an SDM72 for an SDM630.
    slave.drop(4, 70, 2)
    slave.drop(4, 74, 2)
    bench.bus("one", slave)
    bench.meter("incomer", "one", slave)
    found = bench.run()
    meter = found.wait_quality("incomer", "good", 60)
    kept = {k: v for k, v in sdm630_values(**FIRST).items() if k not in ABSENT}
    assert kept.items() <= meter["values"].items()
    assert not set(ABSENT) & {k for k, v in meter["values"].items() if v is not None}


ABSENT = ("energy_export_wh", "frequency_chz")


def test_a_disturbed_line_brings_no_wrong_value(bench):
    slave, found = one_meter(bench, "pymodbus", framing="rtu")
    chance = random.Random(4)
    disturbed = []

    def disturb(said):
        if chance.random() < 0.85:
            return said
        disturbed.append(said)
        kind = chance.randrange(4)
        at = chance.randrange(len(said))
        flipped = said[:at] + bytes([said[at] ^ 1 << chance.randrange(8)]) + said[at + 1 :]
        return [flipped, said[:at], said + bytes([0xFF]), bytes([0]) + said][kind]

    slave.line.disturb = disturb
    allowed = [sdm630_values(**FIRST), sdm630_values(**SECOND)]
    slave.give(sdm630(**SECOND))
    end = time.monotonic() + 15
    while time.monotonic() < end:
        values = found.one("incomer")["values"]
        for key in allowed[0]:
            assert values[key] in (allowed[0][key], allowed[1][key]), key
        time.sleep(0.05)
    slave.line.disturb = None
    found.wait_values("incomer", sdm630_values(**SECOND), timeout=60)
    assert disturbed


def test_an_energy_that_falls_is_not_used_until_the_operator_says_so(bench):
    slave, found = one_meter(bench)
    slave.give(sdm630(**{**SECOND, "import_kwh": 17.5}))
    meter = found.wait_quality("incomer", "implausible")
    assert meter["values"]["energy_import_wh"] == sdm630_values(**FIRST)["energy_import_wh"]
    assert any("incomer" in alarm["text"] for alarm in found.alarms()), found.alarms()
    bench.site.controller.command("meters", "replaced", "incomer")
    found.wait_values("incomer", {"energy_import_wh": 17500})
    until(lambda: not any("implausible" in a["name"] for a in found.alarms()), "the alarm ends")


def test_an_energy_that_leaps_is_not_used(bench):
    slave, found = one_meter(bench, max_power_w=100_000)
    slave.give(sdm630(**{**FIRST, "import_kwh": 22_000.0}))
    meter = found.wait_quality("incomer", "implausible")
    assert meter["values"]["energy_import_wh"] == sdm630_values(**FIRST)["energy_import_wh"]
    # A disturbed reading, not a new meter.
    slave.give(sdm630(**FIRST))
    found.wait_values("incomer", sdm630_values(**FIRST))


def test_a_scan_finds_addresses_and_names_profiles(bench):
    line = bench.line()
    first = bench.slave("pymodbus", line=line, address=1).give(sdm630(**FIRST))
    bench.slave("libmodbus", line=line, address=5).give(sdm630(**SECOND))
    bench.bus("one", first, **SHARED)
    bench.meter("incomer", "one", first)
    found = bench.run()
    found.wait_values("incomer", sdm630_values(**FIRST))
    arguments = ["--bus", "one", "--addresses", "1-8", "--json"]
    done = bench.site.controller.command("meters", "scan", *arguments)
    scanned = json.loads(done.stdout)["found"]
    assert [(row["address"], row["name"]) for row in scanned] == [(1, "incomer"), (5, None)]
    for row in scanned:
        assert PROFILE in [guess["profile"] for guess in row["profiles"]], row
    # The bus is given back.
    slave_values = {**SECOND, "import_kwh": 12346.0}
    first.give(sdm630(**slave_values))
    found.wait_values("incomer", sdm630_values(**slave_values))
