//! Quantities: integers with their unit in the type.

use std::fmt;

/// Energy in Wh, the finest unit any of the wires carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Energy(u64);

impl Energy {
    /// From Wh.
    #[must_use]
    pub const fn from_wh(wh: u64) -> Self {
        Self(wh)
    }

    /// In Wh.
    #[must_use]
    pub const fn wh(self) -> u64 {
        self.0
    }

    /// Rounded half up to whole 10 Wh, the resolution of a recorded order.
    #[must_use]
    pub const fn rounded_10_wh(self) -> Self {
        Self((self.0.saturating_add(5)) / 10 * 10)
    }

    /// The difference to an earlier reading of the same meter; `None` if the meter fell.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Option<Self> {
        match self.0.checked_sub(earlier.0) {
            Some(wh) => Some(Self(wh)),
            None => None,
        }
    }

    /// The sum, or the greatest energy where it does not fit.
    #[must_use]
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl fmt::Display for Energy {
    /// In kWh with two places, rounded half up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tens = self.rounded_10_wh().0 / 10;
        write!(f, "{}.{:02} kWh", tens / 100, tens % 100)
    }
}

/// Money in 0.1 fen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// From 0.1 fen.
    #[must_use]
    pub const fn from_tenth_fen(tenth_fen: i64) -> Self {
        Self(tenth_fen)
    }

    /// From fen.
    #[must_use]
    pub fn from_fen(fen: i32) -> Self {
        Self(i64::from(fen) * 10)
    }

    /// In 0.1 fen.
    #[must_use]
    pub const fn tenth_fen(self) -> i64 {
        self.0
    }

    /// The sum, or the greatest or least money where it does not fit.
    #[must_use]
    pub const fn saturating_add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// In fen, rounded half up.
    #[must_use]
    pub const fn fen(self) -> i64 {
        (self.0.saturating_add(5)).div_euclid(10)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::saturating_add)
    }
}
