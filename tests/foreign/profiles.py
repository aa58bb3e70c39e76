"""Profiles of meters as their files have them, and registers that fit a profile: worked out from
the TOML alone, apart from the program under test."""

import fractions
import pathlib
import struct
import tomllib

import registers

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "meters"
BLUEPRINT = "blueprint"

Fraction = fractions.Fraction

# What a meter at work might show, in units without a prefix.
VALUES = {
    "energy_import": Fraction(12_345_500),
    "energy_export": Fraction(67_250),
    "power": Fraction(5_432),
    "power_import": Fraction(5_432),
    "power_export": Fraction(0),
    "power_l1": Fraction(1_800),
    "power_l2": Fraction(1_900),
    "power_l3": Fraction(1_732),
    "reactive": Fraction(250),
    "voltage_l1": Fraction(2305, 10),
    "voltage_l2": Fraction(2315, 10),
    "voltage_l3": Fraction(2290, 10),
    "current_l1": Fraction(1_250, 100),
    "current_l2": Fraction(1_275, 100),
    "current_l3": Fraction(1_300, 100),
    "frequency": Fraction(4_998, 100),
    "power_factor": Fraction(950, 1000),
}

# The key in JSON, its place in a list, and what the unit is multiplied with.
KEYS = {
    "energy_import": ("energy_import_wh", None, 1),
    "energy_export": ("energy_export_wh", None, 1),
    "power": ("power_w", None, 1),
    "voltage_l1": ("voltage_dv", 0, 10),
    "voltage_l2": ("voltage_dv", 1, 10),
    "voltage_l3": ("voltage_dv", 2, 10),
    "current_l1": ("current_ca", 0, 100),
    "current_l2": ("current_ca", 1, 100),
    "current_l3": ("current_ca", 2, 100),
    "frequency": ("frequency_chz", None, 100),
    "power_factor": ("power_factor_milli", None, 1000),
}

PREFIXES = {"k": 1000, "M": 1_000_000, "m": Fraction(1, 1000)}
UNITS = ("Wh", "W", "var", "V", "A", "Hz", "1")


def shipped():
    """The names of the package's profiles."""
    names = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    return [name for name in names if name != BLUEPRINT]


def load(name):
    return tomllib.loads((SHIPPED / f"{name}.toml").read_text(), parse_float=Fraction)


class Meter:
    """A meter of this profile at work: registers, and what the site has to say of them."""

    FACTORS = {"vt": 2, "ct": 40, "multiplier": 10}

    def __init__(self, profile, times=1):
        """`times`: so many times the usual values."""
        self.profile = profile
        self.times = Fraction(times)
        self._values = {}
        self._between = {}
        self._exponents = {}
        exact = {}
        self.factors = {name: self._factor(name) for name in profile.get("factors", {})}
        for name, parts in profile["values"].items():
            parts = parts if isinstance(parts, list) else [parts]
            share = VALUES[name] * self._share_of(name) / len(parts)
            exact[name] = sum(self._put(name, part, share) for part in parts)
        self.exact = exact
        self.image = {**self._between, **self._values}

    def _share_of(self, name):
        # Voltages, frequencies and factors are what they are.
        return self.times if name.startswith(("energy", "power_l", "current")) else 1

    def expected(self):
        """Values by (key, place in a list)."""
        exact = dict(self.exact)
        if "power" not in exact and "power_import" in exact:
            exact["power"] = exact["power_import"] - exact.get("power_export", 0)
        phases = [exact[name] for name in ("power_l1", "power_l2", "power_l3") if name in exact]
        if "power" not in exact and phases:
            # Of what is shown.
            exact["power"] = sum(rounded(phase) for phase in phases)
        found = {}
        for name, value in exact.items():
            if name in KEYS:
                key, place, factor = KEYS[name]
                found[key, place] = rounded(value * factor)
        return found

    def differences(self, values):
        """What the site says otherwise."""
        found = {}
        for (key, place), wanted in self.expected().items():
            has = values.get(key)
            if place is not None:
                has = has[place] if has and len(has) > place else None
            if has != wanted:
                found[key, place] = (has, wanted)
        return found

    def _function(self, part):
        return part.get("function", self.profile["function"])

    def _order(self, part):
        return part.get("word_order", self.profile.get("word_order", "big"))

    def _kind(self, part):
        return part.get("type") or self.profile["type"]

    def _factor(self, name):
        part = self.profile["factors"][name]
        scale = number(part.get("scale", 1))
        raw = self._write(part, Fraction(self.FACTORS[name]) / scale)
        return raw * scale

    def _put(self, name, part, value):
        """Writes it as near as the register allows; what then stands there, in the unit."""
        scale = unit_of(part["unit"]) * number(part.get("scale", 1))
        for factor in part.get("factors", []):
            scale *= self.factors[factor]
        if "exponent" in part:
            own = part["exponent"]
            where = {"function": self._function(part), "type": "i16", **own}
            fitting = self._fitting(part, value / scale)
            exponent = self._exponents.setdefault(own["address"], fitting)
            self._write(where, Fraction(exponent))
            # The two are read together.
            for address in range(*sorted((own["address"], part["address"]))):
                self._between[self._function(part), address] = 0
            scale *= Fraction(10) ** exponent
        return self._write(part, value / scale) * scale

    def _fitting(self, part, raw):
        """The power of ten that leaves most digits; with room, as several values may share it."""
        most = 1 << 8 * struct.calcsize(registers.FORMATS[self._kind(part)]) - 3
        return next(e for e in range(-4, 12) if raw / Fraction(10) ** e < most)

    def _write(self, part, raw):
        words, stands = encoded(self._kind(part), raw, self._order(part))
        for at, word in enumerate(words):
            place = (self._function(part), part["address"] + at)
            assert self._values.setdefault(place, word) == word, f"two values at {place}"
        return stands


def encoded(kind, raw, order):
    """Words, and the number that these are exactly."""
    if kind in ("f32", "f64"):
        words = registers.words(kind, float(raw), order)
        return words, as_float(kind, float(raw))
    if kind.startswith("bcd"):
        count = int(kind[3:]) // 16
        whole = rounded(raw)
        digits = f"{whole:0{count * 4}d}"
        words = [int(digits[at : at + 4], 16) for at in range(0, len(digits), 4)]
        return words if order == "big" else words[::-1], Fraction(whole)
    if kind in ("t5", "t6"):
        # Two decimal places, 24 bits.
        whole = rounded(raw * 100)
        assert 0 <= whole < 1 << 23
        both = (-2 & 0xFF) << 24 | whole
        return registers.words("u32", both, order), Fraction(whole, 100)
    if kind == "t7":
        # Taken from the grid, inductive.
        whole = rounded(raw * 10_000)
        return registers.words("u32", whole, order), Fraction(whole, 10_000)
    whole = rounded(raw)
    return registers.words(kind, whole, order), Fraction(whole)


def as_float(kind, value):
    form = registers.FORMATS[kind]
    return Fraction(struct.unpack(form, struct.pack(form, value))[0])


def number(value):
    return Fraction(value)


def unit_of(unit):
    """What makes it the unit without a prefix."""
    if unit in UNITS:
        return Fraction(1)
    assert unit[1:] in UNITS, unit
    return Fraction(PREFIXES[unit[0]])


def rounded(value):
    """Half away from zero."""
    whole = (abs(Fraction(value)) + Fraction(1, 2)).__floor__()
    return whole if value >= 0 else -whole
