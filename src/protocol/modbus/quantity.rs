//! What registers of meters say, in which unit, and what cannot be.

use std::{fmt, ops::RangeInclusive};

/// A phase. Meters for one phase, and for direct current, have L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The first.
    L1,
    /// The second.
    L2,
    /// The third.
    L3,
}

impl Phase {
    /// All, in the order in which [`crate::domain::reading::Values`] has them.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];

    /// Its place among them.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::L1 => 0,
            Self::L2 => 1,
            Self::L3 => 2,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "l{}", self.index() + 1)
    }
}

/// How a power factor says that the current leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactorForm {
    /// Not at all, or by a sign of its own: the number is the power factor.
    Plain,
    /// In four quadrants: a size of 1 to 2 means leading, and the power factor is 2 less the size.
    /// Which of the two it was is not kept.
    FourQuadrants,
}

/// What a register says. Where a profile has several registers of one quantity, the quantity is
/// their sum, as with tariffs or phases; with one of them missing it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Energy taken from the grid, in Wh.
    EnergyImport,
    /// Energy given back, in Wh.
    EnergyExport,
    /// Active power in W; negative: towards the grid.
    Power,
    /// Active power taken from the grid, in W, where a meter has a register for each direction.
    /// The power is this less [`Self::PowerExport`].
    PowerImport,
    /// Active power given back, in W, where a meter has a register for each direction.
    PowerExport,
    /// Active power of a phase in W. In a profile without a total the total is their sum.
    PhasePower(Phase),
    /// Reactive power in var.
    Reactive,
    /// Voltage to neutral in V.
    Voltage(Phase),
    /// Current in A.
    Current(Phase),
    /// Frequency in Hz.
    Frequency,
    /// Power factor.
    PowerFactor(FactorForm),
}

/// Nothing that a meter hangs on has more. 1000 V in low voltage, 1500 V for direct current.
pub const MAX_VOLTAGE_DV: u32 = 20_000;

/// Direct-current meters without load show a little less than nought; that is read as nought.
pub const MAX_NEGATIVE_VOLTAGE_DV: u32 = 50;

/// Of a phase; the bars of a 6 MVA transformer carry less.
pub const MAX_CURRENT_CA: i32 = 1_000_000;

/// Three phases of the above.
pub const MAX_POWER_W: i64 = 60_000_000;

/// That power for twenty years. A number of the wrong kind or word order is mostly above.
pub const MAX_ENERGY_WH: u64 = 10_000_000_000_000;

/// Around 50 and 60 Hz, with room for an island on a generator. 0 stands for direct current and
/// for a dead line.
pub const FREQUENCY_CHZ: RangeInclusive<u32> = 4_000..=7_000;

/// A power factor of 1, and what the rounding of meters puts on top of it; read as 1.
pub const MAX_FACTOR_MILLI: i32 = 1_010;

impl Quantity {
    /// Decimal places that values of the domain have: in 10^-places of the unit.
    #[must_use]
    pub const fn places(self) -> i32 {
        match self {
            Self::EnergyImport | Self::EnergyExport => 0,
            Self::Power | Self::PowerImport | Self::PowerExport => 0,
            Self::PhasePower(_) | Self::Reactive => 0,
            Self::Voltage(_) => 1,
            Self::Current(_) | Self::Frequency => 2,
            Self::PowerFactor(_) => 3,
        }
    }

    /// The unit, without a prefix.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::EnergyImport | Self::EnergyExport => "Wh",
            Self::Power | Self::PowerImport | Self::PowerExport | Self::PhasePower(_) => "W",
            Self::Reactive => "var",
            Self::Voltage(_) => "V",
            Self::Current(_) => "A",
            Self::Frequency => "Hz",
            Self::PowerFactor(_) => "1",
        }
    }
}

impl fmt::Display for Quantity {
    /// As profiles name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnergyImport => write!(f, "energy_import"),
            Self::EnergyExport => write!(f, "energy_export"),
            Self::Power => write!(f, "power"),
            Self::PowerImport => write!(f, "power_import"),
            Self::PowerExport => write!(f, "power_export"),
            Self::PhasePower(phase) => write!(f, "power_{phase}"),
            Self::Reactive => write!(f, "reactive"),
            Self::Voltage(phase) => write!(f, "voltage_{phase}"),
            Self::Current(phase) => write!(f, "current_{phase}"),
            Self::Frequency => write!(f, "frequency"),
            Self::PowerFactor(_) => write!(f, "power_factor"),
        }
    }
}
