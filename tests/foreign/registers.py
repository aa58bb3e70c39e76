"""Values to registers, by the rules of the Modbus world and nothing of the program under test."""

import fractions
import struct

FORMATS = {
    "i16": ">h",
    "u16": ">H",
    "i32": ">i",
    "u32": ">I",
    "i64": ">q",
    "u64": ">Q",
    "f32": ">f",
    "f64": ">d",
}


def words(kind, raw, order="big"):
    """The words of a raw value, the first register first."""
    data = struct.pack(FORMATS[kind], raw)
    found = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return found if order == "big" else found[::-1]


def raw(kind, value, scale):
    """What a register holds whose unit is `scale` of the value's; exact, but for floats."""
    exact = fractions.Fraction(value) / fractions.Fraction(scale)
    if kind.startswith("f"):
        return float(exact)
    assert exact.denominator == 1, f"{value} is no multiple of {scale}"
    return int(exact)


def image(function, address, kind, raw_value, order="big"):
    """Words by (function, address), as slaves are given them."""
    found = words(kind, raw_value, order)
    return {(function, address + at): word for at, word in enumerate(found)}
