"""Every shipped profile, and one of every kind of number: registers made by hand from the TOML,
served by a foreign slave, and compared in all values."""

import tomllib

import pytest

import profiles
from controller import pile_code
from profiles import Fraction, Meter
from test_meters import Bench
from waiting import until

KINDS = {
    "i16": "scale = 10",
    "u16": "scale = 10",
    "i32": "scale = 0.1",
    "u32": "scale = 0.1",
    "i64": "scale = 0.001",
    "u64": "scale = 0.001",
    "f32": "",
    "f64": "",
    "bcd32": "scale = 0.1",
    "bcd64": "scale = 0.01",
    "t5": "",
    "t6": "",
}


@pytest.fixture(scope="module")
def bench(sites, libmodbus_slave):
    """One site for all: a bus and a slave for each profile."""
    with sites() as site:
        bench = Bench(site, site.directory, libmodbus_slave)
        yield bench
        bench.close()


def of_every_kind():
    """Name and text of profiles that nobody ships: each kind in both word orders."""
    for kind, scale in KINDS.items():
        for order in ("big", "little"):
            scaled = f", {scale}" if scale else ""
            energy = f", {scale}, factors = ['vt', 'ct']" if scale else ", factors = ['vt', 'ct']"
            yield f"kind-{kind}-{order}", f"""
manufacturer = "Foreign"
model = "{kind}"
verified = true
sources = ["nobody"]
function = {3 if order == "big" else 4}
type = "{kind}"
word_order = "{order}"
max_registers = 20
[factors]
vt = {{ address = 200, type = "u16" }}
ct = {{ address = 201, type = "u16" }}
[values]
energy_import = {{ address = 1000, unit = "kWh"{energy} }}
power = {{ address = 20, unit = "W"{scaled} }}
voltage_l1 = {{ address = 40, unit = "V", type = "u16", scale = 0.1 }}
frequency = {{ address = 41, unit = "Hz", type = "i16", exponent = {{ address = 42 }} }}
"""


@pytest.fixture(scope="module")
def found(bench):
    """Every profile's meter as slave and expectation, and the site running."""
    own = dict(of_every_kind())
    for name, text in own.items():
        bench.profile(name, text)
    parsed = {name: tomllib.loads(text, parse_float=Fraction) for name, text in own.items()}
    parsed |= {name: profiles.load(name) for name in profiles.shipped()}
    meters = {name: Meter(profile) for name, profile in parsed.items()}
    slaves = {}
    for at, (name, meter) in enumerate(meters.items()):
        slaves[name] = bench.slave("libmodbus", framing="tcp").give(meter.image)
        measures = (pile_code(at // 2 + 1), at + 1)
        bench.bus(name, slaves[name])
        bench.meter(name, name, slaves[name], profile=name, measures=measures)
    return bench.run(piles=(len(meters) + 1) // 2), meters, slaves


ALL = [*dict(of_every_kind()), *profiles.shipped()]


def settle(site, name, meter):
    """Waits until the site says what the meter shows."""

    def differences():
        one = site.one(name)
        if one["quality"] != "good":
            return {"quality": one}
        return meter.differences(one["values"])

    try:
        until(lambda: not differences(), name, timeout=15, every=0.1)
    except AssertionError:
        raise AssertionError(f"{name}: {differences()}") from None


@pytest.mark.parametrize("name", ALL)
def test_every_value_of_a_profile(found, name):
    site, meters, slaves = found
    settle(site, name, meters[name])
    # And what it says a while later.
    later = Meter(meters[name].profile, times=Fraction(1001, 1000))
    slaves[name].give(later.image)
    settle(site, name, later)


def test_a_value_that_the_meter_marks_as_none_is_none(found):
    site, meters, slaves = found
    name = "abb-b23-b24"
    profile = meters[name].profile
    marked = {key: part for key, part in profile["values"].items() if "absent" in part}
    for key in ("frequency", "energy_export", "current_l2"):
        (mark, *_) = marked[key]["absent"]
        digits = mark.removeprefix("0x")
        words = [int(digits[at : at + 4], 16) for at in range(0, len(digits), 4)]
        part = marked[key]
        start = (profile["function"], part["address"])
        slaves[name].give({(start[0], start[1] + at): word for at, word in enumerate(words)})
        where, place, _ = profiles.KEYS[key]

        def is_none():
            value = site.one(name)["values"].get(where)
            return value is None if place is None else value[place] is None

        until(is_none, f"{key} without a value")
        assert site.one(name)["quality"] == "good"


def test_there_are_shipped_profiles():
    assert len(profiles.shipped()) >= 10
