//! Answers that a slave still owes.
//!
//! A slave that did not answer in time may answer later, and an answer says neither which
//! register it begins with nor which request it belongs to. It says how many registers it has. So
//! as long as an answer is owed, no request to that slave asks for as many.

use std::collections::BTreeMap;

use crate::{
    metering::{frame, time::Micros},
    protocol::modbus::{Block, Table},
};

/// How long a late answer is reckoned with. Slaves take a second at the most, converters and
/// what lies between them some more; until then a few requests are cut another way, which costs
/// little.
const OWED_US: u64 = 60_000_000;

/// How long it is reckoned with where there is no other count to ask for, and the slave cannot be
/// read at all meanwhile.
pub const OWED_ALONE_US: u64 = 5_000_000;

/// The answers that a slave owes, by table and count. There are at most as many as there are
/// counts.
#[derive(Debug, Clone, Default)]
pub struct Debts(BTreeMap<(Table, u16), Debt>);

#[derive(Debug, Clone, Copy)]
struct Debt {
    since: Micros,
    /// Whether an answer like it has come late. Who knows whether it was this one: it is still
    /// reckoned with, as long as that costs little.
    was_heard: bool,
}

impl Debts {
    /// An answer of so many registers did not come.
    pub fn owe(&mut self, table: Table, count: u16, now: Micros) {
        self.0.insert((table, count), Debt { since: now, was_heard: false });
    }

    /// All that a late answer may still come to.
    pub fn all(&self, now: Micros) -> Vec<(Table, u16)> {
        self.those(|debt| now.since(debt.since) < OWED_US)
    }

    /// What must be reckoned with even if there is no other count.
    pub fn pressing(&self, now: Micros) -> Vec<(Table, u16)> {
        self.those(|debt| debt.is_pressing(now))
    }

    fn those(&self, which: impl Fn(&Debt) -> bool) -> Vec<(Table, u16)> {
        self.0.iter().filter(|(_, debt)| which(debt)).map(|(owed, _)| *owed).collect()
    }

    /// Whether a request for so many registers was not answered, and no answer like it has come.
    pub fn has(&self, table: Table, count: u16) -> bool {
        self.0.get(&(table, count)).is_some_and(|debt| !debt.was_heard)
    }

    /// Whether an answer of so many registers was owed, and one has come.
    pub fn came(&self, table: Table, count: u16) -> bool {
        self.0.get(&(table, count)).is_some_and(|debt| debt.was_heard)
    }

    /// When the next debt presses no more.
    pub fn next_alone(&self, now: Micros) -> Option<Micros> {
        let pressing = self.0.values().filter(|debt| debt.is_pressing(now));
        pressing.map(|debt| debt.since.plus(OWED_ALONE_US)).min()
    }

    /// This came in place of an answer, and then nothing more. With its head and as long as it, it
    /// was the answer, disturbed.
    pub fn hear_disturbed(&mut self, address: u8, heard: &[u8], block: Block) {
        if let Some(debt) = self.0.get_mut(&(block.table, block.count)) {
            debt.was_heard |= frame::looks_like_answer(heard, address, block.table, block.count);
        }
    }

    /// Looks for late answers in these bytes, and forgets old debts.
    pub fn hear(&mut self, address: u8, heard: &[u8], now: Micros) {
        self.0.retain(|(table, count), debt| {
            debt.was_heard |= frame::has_answer(heard, address, *table, *count);
            now.since(debt.since) < OWED_US
        });
    }
}

impl Debt {
    fn is_pressing(&self, now: Micros) -> bool {
        !self.was_heard && now.since(self.since) < OWED_ALONE_US
    }
}
