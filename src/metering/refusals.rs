//! What a slave says that it has not.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    metering::time::Micros,
    protocol::modbus::{Block, Table},
};

/// How long a value that the slave refused is not asked for, and requests are cut: a meter does
/// not grow registers, but its firmware may be changed.
pub const REFUSED_US: u64 = 3_600_000_000;

/// The same for a value that was read before: the meter has it, and is perhaps just starting.
pub const REFUSED_AGAIN_US: u64 = 60_000_000;

/// Where a request must be cut, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Registers that nobody wants lie before it.
    Gap,
    /// To find the value that is refused.
    Half,
}

/// What a slave says that it has not. Bounded by the number of values.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    cuts: BTreeMap<(Table, u16), (Cut, Micros)>,
    absent: BTreeMap<Block, Micros>,
    /// Registers before or behind values, which a request was longer by than need be.
    unstretched: BTreeMap<Block, Micros>,
    /// Values that were read once.
    known: BTreeSet<Block>,
}

impl Refusals {
    /// These values were read.
    pub fn read(&mut self, values: impl IntoIterator<Item = Block>) {
        self.known.extend(values);
    }

    /// This request for these values was refused as a whole. Registers beyond them are the first
    /// suspects, then registers between them, then one half of the values, then a single one.
    pub fn refused(&mut self, request: Block, values: &[Block], now: Micros) {
        let until = now.plus(REFUSED_US);
        let beyond = beyond(request, values);
        if !beyond.is_empty() {
            self.unstretched.extend(beyond.into_iter().map(|block| (block, until)));
            return;
        }
        let places = seams(values);
        let gaps: Vec<(Table, u16)> =
            places.iter().filter(|seam| seam.gap > 0).map(|seam| seam.at).collect();
        if !gaps.is_empty() {
            self.cuts.extend(gaps.into_iter().map(|at| (at, (Cut::Gap, until))));
        } else if let Some(seam) = places.get(places.len() / 2) {
            self.cuts.insert(seam.at, (Cut::Half, until));
        } else {
            for value in values {
                let again = self.known.contains(value);
                let us = if again { REFUSED_AGAIN_US } else { REFUSED_US };
                self.absent.insert(*value, now.plus(us));
            }
            // It is found; no request reaches over it any more.
            self.cuts.retain(|_, (cut, _)| *cut == Cut::Gap);
        }
    }

    /// Everything was refused, so that this says nothing about the values.
    pub fn forget(&mut self) {
        self.cuts.clear();
        self.absent.clear();
        self.unstretched.clear();
    }

    /// What has lasted long enough is forgotten.
    pub fn expire(&mut self, now: Micros) {
        self.cuts.retain(|_, (_, until)| *until > now);
        self.absent.retain(|_, until| *until > now);
        self.unstretched.retain(|_, until| *until > now);
    }

    /// Where requests must be cut.
    pub fn cuts(&self) -> Vec<(Table, u16)> {
        self.cuts.keys().copied().collect()
    }

    /// Registers that no request reaches over: values that are not asked for, and what is not
    /// there beside values that are.
    pub fn closed(&self) -> Vec<Block> {
        self.absent.keys().chain(self.unstretched.keys()).copied().collect()
    }

    /// Whether this value is asked for.
    pub fn has(&self, value: Block) -> bool {
        !self.absent.contains_key(&value)
    }
}

/// The registers of a request before its first value and behind its last one.
fn beyond(request: Block, values: &[Block]) -> Vec<Block> {
    let Some(first) = values.iter().map(|value| value.start).min() else { return Vec::new() };
    let behind = values.iter().map(|value| value.end()).max().unwrap_or_else(|| request.end());
    let between = |start: u32, end: u32| {
        let start_at = u16::try_from(start).ok()?;
        let count = u16::try_from(end.checked_sub(start)?).ok().filter(|count| *count > 0)?;
        Some(Block { table: request.table, start: start_at, count })
    };
    let before = between(request.start.into(), first.into());
    [before, between(behind, request.end())].into_iter().flatten().collect()
}

/// A place between two values of one request, which cuts neither.
struct Seam {
    at: (Table, u16),
    /// Registers before it that belong to no value.
    gap: u32,
}

fn seams(values: &[Block]) -> Vec<Seam> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let mut end = sorted.first().map_or(0, |value| value.end());
    let mut seams = Vec::new();
    for value in sorted.iter().skip(1) {
        let start = u32::from(value.start);
        if start >= end {
            seams.push(Seam { at: (value.table, value.start), gap: start - end });
        }
        end = end.max(value.end());
    }
    seams
}
