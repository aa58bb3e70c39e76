//! In which order the requests of a reading go out.
//!
//! An answer that comes twice, the second time while the next one is awaited, fits the next
//! request if that one has the same count. So neighbours have different ones, where it can be
//! helped.

use std::collections::BTreeMap;

use crate::{
    metering::plan::{Rules, unlike},
    protocol::modbus::{Block, Table},
};

/// Puts requests into an order in which neighbours have different counts,
/// the first one another than the request `before`. Where there is none, a
/// request reaches a register further than need be, if the slave allows it.
#[must_use]
pub fn varied(blocks: Vec<Block>, before: Option<Block>, rules: &Rules<'_>) -> Vec<Block> {
    let mut by_count: BTreeMap<(Table, u16), Vec<Block>> = BTreeMap::new();
    for block in blocks.into_iter().rev() {
        by_count.entry((block.table, block.count)).or_default().push(block);
    }
    let mut ordered: Vec<Block> = Vec::new();
    let mut last = before.map(|before| (before.table, before.count));
    while let Some((shape, block)) = next(&mut by_count, last) {
        let block = if last == Some(shape) { unlike(block, rules).unwrap_or(block) } else { block };
        last = Some((block.table, block.count));
        ordered.push(block);
    }
    end_alone(&mut ordered);
    ordered
}

/// Puts one to the end that has a count of its own, if that leaves no neighbours alike: when it is
/// answered, every answer before was what it seemed.
fn end_alone(ordered: &mut Vec<Block>) {
    let shape = |block: &Block| (block.table, block.count);
    let is_alone = |one: &Block| ordered.iter().filter(|it| shape(it) == shape(one)).count() == 1;
    let parts = |at: usize| {
        let [before, behind] = [at - 1, at + 1].map(|at| ordered.get(at).map(shape));
        before != behind
    };
    if ordered.last().is_none_or(is_alone) {
        return;
    }
    // The first one is known to differ from the request before.
    let found = (1..ordered.len()).find(|at| is_alone(&ordered[*at]) && parts(*at));
    if let Some(at) = found {
        let block = ordered.remove(at);
        ordered.push(block);
    }
}

/// The first of those that are left and are most in number, but for those of the last one's shape.
fn next(
    by_count: &mut BTreeMap<(Table, u16), Vec<Block>>,
    last: Option<(Table, u16)>,
) -> Option<((Table, u16), Block)> {
    let most =
        |(shape, left): &(&(Table, u16), &mut Vec<Block>)| (Some(**shape) != last, left.len());
    let (shape, left) =
        by_count.iter_mut().filter(|(_, left)| !left.is_empty()).max_by_key(most)?;
    left.pop().map(|block| (*shape, block))
}
