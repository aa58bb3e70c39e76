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

/// A register that holds a power of ten; a bias is in the scale's number. It is read in one request
/// with the value where [`super::Profile::max_gap`] reaches from one to the other.
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

impl Register {
    /// The registers that are read together. A value and its exponent must be of one moment where
    /// a request can have both: of two moments they can be wrong by a power of ten.
    pub(super) fn together(&self, reach: &Reach) -> Block {
        let exponent = self.scale.exponent.map(|exponent| exponent.block());
        let joined = exponent.and_then(|exponent| reach.joined(self.block, exponent));
        joined.unwrap_or(self.block)
    }
}

/// How far requests to a meter reach.
pub(super) struct Reach<'a> {
    pub(super) max_registers: u16,
    pub(super) max_gap: u16,
    pub(super) unreadable: &'a [Block],
}

impl Reach<'_> {
    /// One block for both, if a request can have them with what is between.
    fn joined(&self, one: Block, other: Block) -> Option<Block> {
        let (first, second) = if one.start <= other.start { (one, other) } else { (other, one) };
        let gap = u32::from(second.start).saturating_sub(first.end());
        let count = first.end().max(second.end()) - u32::from(first.start);
        let count = u16::try_from(count).ok().filter(|count| *count <= self.max_registers)?;
        let joined = Block { count, ..first };
        let barred = self.unreadable.iter().any(|block| overlap(joined, *block));
        let near = gap <= u32::from(self.max_gap) && first.table == second.table;
        (near && !barred).then_some(joined)
    }
}

fn overlap(one: Block, other: Block) -> bool {
    let before = |a: Block, b: Block| a.end() <= u32::from(b.start);
    one.table == other.table && !before(one, other) && !before(other, one)
}
