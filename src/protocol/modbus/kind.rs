//! How a number is laid out in registers.

use super::{number::Number, register::EXPONENTS};

/// The order of the registers of one number. The two bytes of a register stand most significant
/// first, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordOrder {
    /// The most significant word first.
    Big,
    /// The least significant word first: "words swapped".
    Little,
}

/// How a number is laid out in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 16 bits with sign.
    I16,
    /// 16 bits.
    U16,
    /// 32 bits with sign.
    I32,
    /// 32 bits.
    U32,
    /// 64 bits with sign.
    I64,
    /// 64 bits.
    U64,
    /// A floating-point number of 32 bits; infinities and what is no number are "no value".
    F32,
    /// A floating-point number of 64 bits; infinities and what is no number are "no value".
    F64,
    /// Decimal digits, four in each of so many registers, 1 to 4.
    Bcd(u16),
    /// A decimal exponent of 8 bits with sign, then 24 bits: value × 10^exponent.
    T5,
    /// A decimal exponent of 8 bits with sign, then 24 bits with sign: value × 10^exponent.
    T6,
    /// A power factor: a byte of direction (0 taken from the grid, 255 given back), a byte of its
    /// character (0 inductive, 255 capacitive; not kept), then 16 bits in 0.0001.
    T7,
}

/// Decimal digits in a register.
const DIGITS_PER_WORD: u32 = 4;

const BITS_PER_WORD: u32 = 16;

/// Bits of the fraction and of the exponent of a floating-point number.
#[derive(Clone, Copy)]
struct Float {
    fraction: u32,
    exponent: u32,
}

const SINGLE: Float = Float { fraction: 23, exponent: 8 };
const DOUBLE: Float = Float { fraction: 52, exponent: 11 };

impl Kind {
    /// How many registers it takes.
    #[must_use]
    pub const fn registers(self) -> u16 {
        match self {
            Self::I16 | Self::U16 => 1,
            Self::I32 | Self::U32 | Self::F32 | Self::T5 | Self::T6 | Self::T7 => 2,
            Self::I64 | Self::U64 | Self::F64 => 4,
            Self::Bcd(words) => words,
        }
    }

    /// The number in these bits; `None`: the kind's own mark for "no value".
    pub(super) fn number(self, bits: u64) -> Result<Option<Number>, String> {
        let whole = |number| Ok(Some(Number::whole(number)));
        match self {
            Self::U16 | Self::U32 | Self::U64 => whole(i128::from(bits)),
            Self::I16 => whole(signed(bits, 16)),
            Self::I32 => whole(signed(bits, 32)),
            Self::I64 => whole(signed(bits, 64)),
            Self::F32 => Ok(SINGLE.number(bits)),
            Self::F64 => Ok(DOUBLE.number(bits)),
            Self::Bcd(_) => bcd(bits).map(Some),
            Self::T5 => powered(i128::from(low(bits, 24)), bits).map(Some),
            Self::T6 => powered(signed(low(bits, 24), 24), bits).map(Some),
            Self::T7 => packed_factor(bits).map(Some),
        }
    }

    /// The bits of the nearest number, or of the greatest or the least of its kind where it does
    /// not fit.
    pub(super) fn bits(self, number: Number) -> u64 {
        let whole = |(least, most)| within(number, least, most);
        match self {
            Self::F32 => SINGLE.bits(number),
            Self::F64 => DOUBLE.bits(number),
            Self::Bcd(_) => in_bcd(self.bounds().map_or(0, whole)),
            Self::T5 => packed(number, 0, (1 << 24) - 1),
            Self::T6 => packed(number, -(1 << 23), (1 << 23) - 1),
            Self::T7 => packed_factor_of(number),
            Self::I16 | Self::U16 | Self::I32 | Self::U32 | Self::I64 | Self::U64 => {
                let width = u32::from(self.registers()) * BITS_PER_WORD;
                low(self.bounds().map_or(0, whole), width)
            }
        }
    }

    /// Whether the number fits with its sign and all digits before the point.
    pub(super) fn holds(self, number: Number) -> bool {
        let within = |(least, most)| number.rounded().is_some_and(|it| least <= it && it <= most);
        match self {
            Self::T5 => !number.is_negative(),
            Self::T7 => number
                .times_ten_to(4)
                .and_then(Number::rounded)
                .is_some_and(|size| size.unsigned_abs() <= u128::from(u16::MAX)),
            _ => self.bounds().is_none_or(within),
        }
    }

    /// The least and the greatest number, of whole ones.
    fn bounds(self) -> Option<(i128, i128)> {
        match self {
            Self::U16 => Some((0, u16::MAX.into())),
            Self::U32 => Some((0, u32::MAX.into())),
            Self::U64 => Some((0, u64::MAX.into())),
            Self::I16 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::I32 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::I64 => Some((i64::MIN.into(), i64::MAX.into())),
            Self::Bcd(words) => {
                Some((0, 10_i128.pow(u32::from(words.min(4)) * DIGITS_PER_WORD) - 1))
            }
            Self::F32 | Self::F64 | Self::T5 | Self::T6 | Self::T7 => None,
        }
    }

    /// The kind's own mark for "no value".
    pub(super) const fn none(self) -> Option<u64> {
        match self {
            Self::F32 => Some(0x7FC0_0000),
            Self::F64 => Some(0x7FF8_0000_0000_0000),
            Self::I16 | Self::U16 | Self::I32 | Self::U32 | Self::I64 | Self::U64 => None,
            Self::Bcd(_) | Self::T5 | Self::T6 | Self::T7 => None,
        }
    }
}

/// The words of a number as its bits, at most four words.
pub(super) fn joined(words: &[u16], order: WordOrder) -> u64 {
    let join = |bits: u64, word: &u16| bits << 16 | u64::from(*word);
    match order {
        WordOrder::Big => words.iter().fold(0, join),
        WordOrder::Little => words.iter().rev().fold(0, join),
    }
}

/// The lowest `count` words of these bits, in this order.
pub(super) fn split(bits: u64, count: u16, order: WordOrder) -> Vec<u16> {
    let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
    let all = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
    let mut words = all[4 - usize::from(count.min(4))..].to_vec();
    if order == WordOrder::Little {
        words.reverse();
    }
    words
}

const fn low(bits: u64, width: u32) -> u64 {
    bits & (u64::MAX >> (64 - width))
}

fn signed(bits: u64, width: u32) -> i128 {
    let number = i128::from(bits);
    if number >> (width - 1) == 0 { number } else { number - (1 << width) }
}

/// The nearest whole number between these as bits in two's complement.
fn within(number: Number, least: i128, most: i128) -> u64 {
    let edge = if number.is_negative() { least } else { most };
    let whole = number.rounded().unwrap_or(edge).clamp(least, most);
    let [.., a, b, c, d, e, f, g, h] = whole.to_be_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn bcd(bits: u64) -> Result<Number, String> {
    let mut number = 0;
    for place in (0..16).rev() {
        let digit = bits >> (place * 4) & 0xF;
        if digit > 9 {
            return Err(format!("{bits:#x} is no number of decimal digits"));
        }
        number = number * 10 + i128::from(digit);
    }
    Ok(Number::whole(number))
}

fn in_bcd(mut number: u64) -> u64 {
    let mut bits = 0;
    for place in 0..16 {
        bits |= (number % 10) << (place * 4);
        number /= 10;
    }
    bits
}

/// The decimal exponent in the top byte of 32 bits.
fn power(bits: u64) -> i32 {
    let [.., top, _, _, _] = bits.to_be_bytes();
    i8::from_be_bytes([top]).into()
}

/// A value with the exponent in the top byte: one beyond what anything measures is none, and would
/// make a nought of the value.
fn powered(value: i128, bits: u64) -> Result<Number, String> {
    let power = power(bits);
    if value != 0 && !EXPONENTS.contains(&power) {
        return Err("a number out of all bounds".into());
    }
    Ok(Number::new(value, 0, power))
}

/// The finest exponent with which the number fits 24 bits. Finer than 10^-4 nothing measures.
fn packed(number: Number, least: i128, most: i128) -> u64 {
    const FINEST: i32 = -4;
    let scaled = |exponent: i32| number.times_ten_to(-exponent);
    let fits = |exponent: &i32| {
        let whole = scaled(*exponent).and_then(Number::rounded);
        whole.is_some_and(|whole| (least..=most).contains(&whole))
    };
    let last = i32::from(i8::MAX);
    let exponent = (FINEST..last).find(fits).unwrap_or(last);
    let value = scaled(exponent).map_or(0, |scaled| within(scaled, least, most));
    let [.., top] = exponent.to_be_bytes();
    u64::from(top) << 24 | low(value, 24)
}

fn packed_factor(bits: u64) -> Result<Number, String> {
    let [.., direction, character, high, low] = bits.to_be_bytes();
    let size = i128::from(u16::from_be_bytes([high, low]));
    if !matches!(character, 0 | 0xFF) {
        return Err(format!("{bits:#010x} is no power factor"));
    }
    match direction {
        0 => Ok(Number::new(size, 0, -4)),
        0xFF => Ok(Number::new(-size, 0, -4)),
        _ => Err(format!("{bits:#010x} is no power factor")),
    }
}

fn packed_factor_of(number: Number) -> u64 {
    let size = number.times_ten_to(4).and_then(Number::abs);
    let size = size.map_or(0, |size| within(size, 0, u16::MAX.into()));
    if number.is_negative() { size | 0xFF00_0000 } else { size }
}

impl Float {
    /// What the exponent's field is above the power of two of the fraction's lowest bit.
    fn bias(self) -> i32 {
        let half = (1_i32 << (self.exponent - 1)) - 1;
        half.saturating_add_unsigned(self.fraction)
    }

    fn number(self, bits: u64) -> Option<Number> {
        let fraction = low(bits, self.fraction);
        let field = low(bits >> self.fraction, self.exponent);
        if field == low(u64::MAX, self.exponent) {
            return None;
        }
        let leading = u64::from(field != 0) << self.fraction;
        let whole = i128::from(leading | fraction);
        let negative = bits >> (self.fraction + self.exponent) & 1 == 1;
        let twos = i32::try_from(field.max(1)).ok()? - self.bias();
        Some(Number::new(if negative { -whole } else { whole }, twos, 0))
    }

    fn bits(self, number: Number) -> u64 {
        let sign = u64::from(number.is_negative()) << (self.fraction + self.exponent);
        let greatest = low(u64::MAX, self.fraction + self.exponent) - (1 << self.fraction);
        let size = if number.is_zero() { Some(0) } else { self.size(number) };
        sign | size.unwrap_or(greatest)
    }

    /// The bits of the size of a number that is not nought; `None`: too great.
    fn size(self, number: Number) -> Option<u64> {
        let number = number.abs()?;
        let width = i32::try_from(self.fraction).ok()? + 1;
        let least = 1 - self.bias();
        let most = i32::try_from(low(u64::MAX, self.exponent)).ok()? - 1 - self.bias();
        // The estimate is off by 2 at most, and rounding may carry.
        let first = (number.size_in_twos() - width - 3).max(least);
        for twos in first..=most.min(first + 8) {
            let Some(whole) = number.times_two_to(-twos)?.rounded() else { continue };
            let whole = u64::try_from(whole).ok()?;
            if whole >> width == 0 {
                let field = u64::try_from(twos + self.bias()).ok()?;
                let field = if whole >> self.fraction == 0 { 0 } else { field };
                return Some(field << self.fraction | low(whole, self.fraction));
            }
        }
        None
    }
}
