//! What a slave says that it has not.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    metering::time::Micros,
    protocol::modbus::{Block, Table},
};

/// How long a value that the slave refused is not asked for, and requests are cut: a meter does
/// not grow registers, but its firmware may be changed.
const REFUSED_US: u64 = 3_600_000_000;

/// The same for a value that was read before: the meter has it, and is perhaps just starting.
const REFUSED_AGAIN_US: u64 = 60_000_000;

/// What a slave says that it has not, each with the moment until which it is believed. Bounded by
/// the number of values and of the registers around them.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// Where a request must be cut, to find the value that is refused.
    cuts: BTreeMap<(Table, u16), Micros>,
    /// Values that are not asked for.
    absent: BTreeMap<Block, Micros>,
    /// Registers that nobody wants and that no request reaches over any more.
    unwanted: BTreeMap<Block, Micros>,
    /// Values that were read once.
    known: BTreeSet<Block>,
}

impl Refusals {
    /// These values were read.
    pub fn read(&mut self, values: impl IntoIterator<Item = Block>) {
        self.known.extend(values);
    }

    /// A request for these values was refused as a whole. Registers that nobody wants are the
    /// first suspects, then one half of the values, then a single one.
    pub fn refused(&mut self, block: Block, values: &[Block], now: Micros) {
        let until = now.plus(REFUSED_US);
        let layout = Layout::of(block, values);
        if !layout.unwanted.is_empty() {
            self.unwanted.extend(layout.unwanted.into_iter().map(|registers| (registers, until)));
        } else if let Some(seam) = layout.seams.get(layout.seams.len() / 2) {
            self.cuts.insert(*seam, until);
        } else {
            for value in values {
                let again = self.known.contains(value);
                let us = if again { REFUSED_AGAIN_US } else { REFUSED_US };
                self.absent.insert(*value, now.plus(us));
            }
            // It is found; no request reaches over it any more.
            self.cuts.clear();
        }
    }

    /// Everything was refused, so that this says nothing about the values.
    pub fn forget(&mut self) {
        self.cuts.clear();
        self.absent.clear();
        self.unwanted.clear();
    }

    /// What has lasted long enough is forgotten.
    pub fn expire(&mut self, now: Micros) {
        self.cuts.retain(|_, until| *until > now);
        self.absent.retain(|_, until| *until > now);
        self.unwanted.retain(|_, until| *until > now);
    }

    /// Where requests must be cut.
    pub fn cuts(&self) -> Vec<(Table, u16)> {
        self.cuts.keys().copied().collect()
    }

    /// Registers that no request reaches over.
    pub fn closed(&self) -> Vec<Block> {
        self.absent.keys().chain(self.unwanted.keys()).copied().collect()
    }

    /// Whether this value is asked for.
    pub fn has(&self, value: Block) -> bool {
        !self.absent.contains_key(&value)
    }
}

/// What lies between the values of a request, and around them.
struct Layout {
    /// Registers that belong to no value.
    unwanted: Vec<Block>,
    /// Where two values meet, and neither is cut.
    seams: Vec<(Table, u16)>,
}

impl Layout {
    fn of(block: Block, values: &[Block]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let mut layout = Self { unwanted: Vec::new(), seams: Vec::new() };
        let mut end = u32::from(block.start);
        for (at, value) in sorted.iter().enumerate() {
            let start = u32::from(value.start);
            layout.unwanted.extend(span(block.table, end, start));
            if at > 0 && start == end {
                layout.seams.push((block.table, value.start));
            }
            end = end.max(value.end());
        }
        layout.unwanted.extend(span(block.table, end, block.end()));
        layout
    }
}

fn span(table: Table, start: u32, end: u32) -> Option<Block> {
    let count = u16::try_from(end.checked_sub(start)?).ok().filter(|count| *count > 0)?;
    Some(Block { table, start: u16::try_from(start).ok()?, count })
}
