//! Exact numbers: what a register holds, times scales, before the one rounding.

use super::decimal::Decimal;

/// `over` / `under` × 2^`twos` × 10^`tens`; `under` is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    over: i128,
    under: u128,
    twos: i32,
    tens: i32,
}

/// What stands above the line fits 127 bits.
const MOST: u128 = i128::MAX.unsigned_abs();

impl Number {
    pub(super) const fn whole(number: i128) -> Self {
        Self::new(number, 0, 0)
    }

    /// `number` × 2^`twos` × 10^`tens`.
    pub(super) const fn new(number: i128, twos: i32, tens: i32) -> Self {
        Self { over: number, under: 1, twos, tens }
    }

    pub(super) fn decimal(decimal: Decimal) -> Self {
        Self::new(i128::from(decimal.digits()), 0, i32::from(decimal.exponent()))
    }

    pub(super) const fn is_zero(self) -> bool {
        self.over == 0
    }

    pub(super) const fn is_negative(self) -> bool {
        self.over < 0
    }

    pub(super) const fn is_positive(self) -> bool {
        self.over > 0
    }

    /// `None`: too many digits.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            over: self.over.checked_mul(other.over)?,
            under: self.under.checked_mul(other.under)?,
            twos: self.twos.checked_add(other.twos)?,
            tens: self.tens.checked_add(other.tens)?,
        })
    }

    /// Divided by `other`; `None`: too many digits, or `other` is nought.
    pub(super) fn divided(self, other: Self) -> Option<Self> {
        let over = self.over.checked_mul(i128::try_from(other.under).ok()?)?;
        if other.over == 0 {
            return None;
        }
        Some(Self {
            over: if other.over < 0 { over.checked_neg()? } else { over },
            under: self.under.checked_mul(other.over.unsigned_abs())?,
            twos: self.twos.checked_sub(other.twos)?,
            tens: self.tens.checked_sub(other.tens)?,
        })
    }

    pub(super) fn times_ten_to(self, power: i32) -> Option<Self> {
        Some(Self { tens: self.tens.checked_add(power)?, ..self })
    }

    pub(super) fn times_two_to(self, power: i32) -> Option<Self> {
        Some(Self { twos: self.twos.checked_add(power)?, ..self })
    }

    pub(super) fn abs(self) -> Option<Self> {
        Some(Self { over: self.over.checked_abs()?, ..self })
    }

    /// The exponent of two of its size, give or take 2.
    pub(super) fn size_in_twos(self) -> i32 {
        let bits = |number: u128| 128 - i32::try_from(number.leading_zeros()).unwrap_or(128);
        // log2 of 10, times 65536.
        let tens = i64::from(self.tens) * 217_706 / 65_536;
        let tens = i32::try_from(tens).unwrap_or(i32::MAX);
        (bits(self.over.unsigned_abs()) - bits(self.under))
            .saturating_add(self.twos)
            .saturating_add(tens)
    }

    /// The nearest whole number, halves away from nought; `None`: too great.
    pub(super) fn rounded(self) -> Option<i128> {
        if self.over == 0 {
            return Some(0);
        }
        let shift = self.over.trailing_zeros();
        let twos = i32::try_from(shift).ok()?.checked_add(self.twos)?.checked_add(self.tens)?;
        let mut over = (self.over >> shift).unsigned_abs();
        over = raised(over, 2, twos)?;
        over = raised(over, 5, self.tens).filter(|over| *over <= MOST)?;
        // Past 128 bits it is more than twice as much as anything above the line.
        let under = raised(self.under, 2, twos.checked_neg()?)
            .and_then(|under| raised(under, 5, self.tens.checked_neg()?));
        let nearest = under.map_or(0, |under| halves_up(over, under));
        let nearest = i128::try_from(nearest).ok()?;
        Some(if self.over < 0 { -nearest } else { nearest })
    }
}

/// `number` × `base`^`power`; unchanged where the power is negative.
fn raised(number: u128, base: u128, power: i32) -> Option<u128> {
    let power = u32::try_from(power).unwrap_or(0);
    number.checked_mul(base.checked_pow(power)?)
}

fn halves_up(over: u128, under: u128) -> u128 {
    let (whole, rest) = (over / under, over % under);
    whole + u128::from(rest >= under - rest)
}
