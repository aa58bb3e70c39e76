//! Which registers are read together.
//!
//! A request costs the line its own bytes, the frame around its answer and the silences; a
//! register that nobody wants costs two bytes. The plan is the cheapest one there is: values are
//! sorted by address, and for each number of them the cheapest way to read that many is built on
//! the cheapest ways to read fewer.

use crate::{
    metering::slave::Limits,
    protocol::modbus::{Block, Table},
};

/// The most registers of a request in Modbus.
pub const MAX_REGISTERS: u16 = 125;

/// What a plan costs and what it must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// What one request may span.
    pub limits: &'a Limits,
    /// A request and its answer without registers.
    pub request_us: u64,
    /// A register of the answer.
    pub register_us: u64,
    /// More registers that no request reaches over.
    pub closed: &'a [Block],
    /// Registers that no request has in it together with the register before.
    pub cuts: &'a [(Table, u16)],
    /// Counts that no request may have.
    pub owed: &'a [(Table, u16)],
}

impl Rules<'_> {
    /// The most registers of a request.
    #[must_use]
    pub fn most(&self) -> u16 {
        self.limits.max_registers.clamp(1, MAX_REGISTERS)
    }

    /// What a request costs, in this order: time, requests, registers.
    fn cost(&self, block: Block) -> Cost {
        let registers = u64::from(block.count);
        Cost(self.request_us + registers * self.register_us, 1, registers)
    }

    /// Whether a request may reach over registers that nobody wants.
    fn bridges(&self, gap: Gap) -> bool {
        let blocks = || self.limits.unreadable.iter().chain(self.closed);
        gap.end - gap.start <= u32::from(self.limits.max_gap)
            && !blocks().any(|block| gap.meets(*block))
    }

    fn cuts(&self, block: Block) -> bool {
        self.cuts.iter().any(|(table, at)| {
            *table == block.table && block.start < *at && u32::from(*at) < block.end()
        })
    }

    fn owes(&self, block: Block) -> bool {
        self.owed.contains(&(block.table, block.count))
    }
}

/// Registers that nobody wants.
#[derive(Debug, Clone, Copy)]
struct Gap {
    table: Table,
    start: u32,
    end: u32,
}

impl Gap {
    fn meets(self, block: Block) -> bool {
        block.table == self.table && u32::from(block.start) < self.end && self.start < block.end()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost(u64, u64, u64);

impl Cost {
    const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1, self.2 + other.2)
    }
}

/// The cheapest requests that read all values, in the order of address; `None`: there are none
/// that keep to the rules. No value is cut.
#[must_use]
pub fn plan(wanted: &[Block], rules: &Rules<'_>) -> Option<Vec<Block>> {
    let mut values = wanted.to_vec();
    values.sort_unstable_by_key(|value| (value.table, value.start, value.end()));
    values.dedup();
    // The cheapest way to read the first so many values, and the last request of it.
    let mut best: Vec<Option<(Cost, usize, Option<Block>)>> = vec![None; values.len() + 1];
    best[0] = Some((Cost::default(), 0, None));
    for first in 0..values.len() {
        let Some((before, ..)) = best[first] else { continue };
        for (behind, block) in spans(&values, first, rules) {
            let Some(block) = unowed(block, rules) else { continue };
            let cost = before.plus(rules.cost(block));
            if best[behind].is_none_or(|(known, ..)| cost < known) {
                best[behind] = Some((cost, first, Some(block)));
            }
        }
    }
    let mut blocks = Vec::new();
    let mut at = values.len();
    while at > 0 {
        let (_, first, block) = best[at]?;
        blocks.extend(block);
        at = first;
    }
    blocks.reverse();
    Some(blocks)
}

/// The requests that begin with a value, each with the place of the value behind it.
fn spans<'a>(
    values: &'a [Block],
    first: usize,
    rules: &'a Rules<'_>,
) -> impl Iterator<Item = (usize, Block)> + 'a {
    let Block { table, start, .. } = values[first];
    let mut end = u32::from(start);
    values.iter().enumerate().skip(first).map_while(move |(at, value)| {
        let gap = Gap { table, start: end, end: u32::from(value.start) };
        let joins = value.table == table && (gap.end <= gap.start || rules.bridges(gap));
        end = end.max(value.end());
        let count = u16::try_from(end - u32::from(start)).ok()?;
        let block = Block { table, start, count };
        (joins && count <= rules.most() && !rules.cuts(block)).then_some((at + 1, block))
    })
}

/// The request, or one that reaches as little further as gives it a count that is not owed.
fn unowed(block: Block, rules: &Rules<'_>) -> Option<Block> {
    if rules.owes(block) { unlike(block, rules) } else { Some(block) }
}

/// A request that reaches as little further as gives it another count, none that is owed.
#[must_use]
pub fn unlike(block: Block, rules: &Rules<'_>) -> Option<Block> {
    let further = |more: u16| {
        let count = block.count.checked_add(more)?;
        let behind = Block { count, ..block };
        let before = block.start.checked_sub(more).map(|start| Block { start, count, ..block });
        [Some(behind), before].into_iter().flatten().find(|longer| allowed(*longer, block, rules))
    };
    (1..=rules.limits.max_gap).find_map(further)
}

/// Whether a request may be `longer` than what is wanted of it.
fn allowed(longer: Block, block: Block, rules: &Rules<'_>) -> bool {
    let before = Gap { table: block.table, start: longer.start.into(), end: block.start.into() };
    let behind = Gap { table: block.table, start: block.end(), end: longer.end() };
    longer.end() <= u32::from(u16::MAX) + 1
        && longer.count <= rules.most()
        && !rules.cuts(longer)
        && !rules.owes(longer)
        && [before, behind].into_iter().all(|gap| gap.start == gap.end || rules.bridges(gap))
}
