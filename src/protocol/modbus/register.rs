//! One value of a meter: where it stands, and how it is made.

use std::ops::RangeInclusive;

use super::{
    decimal::Decimal,
    kind::{Kind, WordOrder},
    quantity::Quantity,
    readout::{Block, Table},
};

/// A value of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// What it says.
    pub quantity: Quantity,
    /// Where it stands; as many registers as the kind takes.
    pub block: Block,
    /// How the number is laid out.
    pub kind: Kind,
    /// In which order its words stand.
    pub words: WordOrder,
    /// What the number is multiplied with, into the quantity's unit without a prefix.
    pub scale: Scale,
    /// Bits that mean "no value": the words joined, the most significant first.
    pub absent: Vec<u64>,
    /// What follows if it has no value, or cannot be read.
    pub need: Need,
    /// How far the source is trusted.
    pub confidence: Confidence,
    /// Who says so.
    pub source: String,
}

/// What follows if a register has no value, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The reading cannot be used.
    Required,
    /// The reading is without this quantity.
    Optional,
}

/// How far the source of a register is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Inferred.
    Low,
    /// One source says so.
    Medium,
    /// Two independent sources say so.
    High,
}

/// What a register's number is multiplied with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// A number of the profile.
    pub decimal: Decimal,
    /// And ten to the power of a register.
    pub exponent: Option<Exponent>,
    /// And registers, such as the ratios of voltage and current transformers.
    pub factors: Vec<Factor>,
}

impl Scale {
    /// A number only.
    #[must_use]
    pub const fn fixed(decimal: Decimal) -> Self {
        Self { decimal, exponent: None, factors: Vec::new() }
    }
}

/// A register that holds a power of ten; a bias is in the scale's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exponent {
    /// Its table.
    pub table: Table,
    /// Its address.
    pub address: u16,
    /// [`Kind::I16`] or [`Kind::U16`].
    pub kind: Kind,
}

/// A register that others are multiplied with. Nought there is a fault: a ratio that was never
/// set would make every value nought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    /// Where it stands.
    pub block: Block,
    /// How the number is laid out.
    pub kind: Kind,
    /// In which order its words stand.
    pub words: WordOrder,
    /// What it is multiplied with itself.
    pub scale: Decimal,
}

impl Exponent {
    /// Its register as a block.
    #[must_use]
    pub const fn block(&self) -> Block {
        Block { table: self.table, start: self.address, count: 1 }
    }
}

/// Powers of ten that a scale can have; from nano to tera with room. Anything else is no exponent.
pub(super) const EXPONENTS: RangeInclusive<i32> = -12..=12;

/// Registers that a value and its exponent may span together to be read in one request.
pub(super) const MAX_TOGETHER: u32 = 32;

impl Register {
    /// The registers that are read together. A value and its exponent must be of one moment where
    /// they stand near each other: of two moments they can be wrong by a power of ten.
    #[must_use]
    pub fn together(&self) -> Block {
        let Some(exponent) = self.scale.exponent.map(|exponent| exponent.block()) else {
            return self.block;
        };
        let start = self.block.start.min(exponent.start);
        let span = self.block.end().max(exponent.end()) - u32::from(start);
        match u16::try_from(span) {
            Ok(count) if span <= MAX_TOGETHER && exponent.table == self.block.table => {
                Block { table: self.block.table, start, count }
            }
            _ => self.block,
        }
    }
}
