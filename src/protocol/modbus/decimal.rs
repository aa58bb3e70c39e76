//! Decimal numbers of profiles and configs: scales and ratios.

use std::{fmt, str::FromStr};

/// An exact decimal number: digits × 10^exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: i64,
    exponent: i8,
}

/// Why a text is no decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no decimal number of at most 12 digits on either side of the point, such as 0.001")]
pub struct NoDecimal;

/// Digits on either side of the point. No scale or ratio of a meter has half as many, and the
/// products stay within 128 bits.
const MAX_PLACES: usize = 12;

impl Decimal {
    /// 1.
    pub const ONE: Self = Self { digits: 1, exponent: 0 };

    /// Digits × 10^exponent.
    #[must_use]
    pub const fn new(digits: i64, exponent: i8) -> Self {
        Self { digits, exponent }
    }

    /// The digits, with the sign.
    #[must_use]
    pub const fn digits(self) -> i64 {
        self.digits
    }

    /// The power of ten they are multiplied with.
    #[must_use]
    pub const fn exponent(self) -> i8 {
        self.exponent
    }

    /// A thousand times as much, as of a value given in kilo units.
    #[must_use]
    pub const fn kilo(self) -> Self {
        Self { digits: self.digits, exponent: self.exponent.saturating_add(3) }
    }

    /// The product, or `None` if it has too many digits.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            digits: self.digits.checked_mul(other.digits)?,
            exponent: self.exponent.checked_add(other.exponent)?,
        })
    }

    /// Whether it is above nought.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.digits > 0
    }

    /// Whether it is nought.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }
}

impl FromStr for Decimal {
    type Err = NoDecimal;

    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, broken) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        for part in [whole, broken] {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            if part.is_empty() || part.len() > MAX_PLACES || !digits {
                return Err(NoDecimal);
            }
        }
        let broken = broken.trim_end_matches('0');
        let digits: i128 = format!("{whole}{broken}").parse().map_err(|_| NoDecimal)?;
        let digits = i64::try_from(digits * sign).map_err(|_| NoDecimal)?;
        let places = i8::try_from(broken.len()).map_err(|_| NoDecimal)?;
        Ok(Self { digits, exponent: -places })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let places = usize::from(self.exponent.unsigned_abs());
        if self.exponent >= 0 {
            let noughts = if self.digits == 0 { 0 } else { places };
            return write!(f, "{sign}{digits}{}", "0".repeat(noughts));
        }
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, broken) = digits.split_at(digits.len() - places);
        write!(f, "{sign}{whole}.{broken}")
    }
}
