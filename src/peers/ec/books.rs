//! What an EC server has read and stored.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::message::Record;
use crate::domain::time::Mono;

/// What was read under one trade number, stored or not.
#[derive(Debug, Clone)]
struct Copies {
    count: u64,
    /// The first of them: the frame, whole.
    first: Bytes,
    /// Another one had other bytes.
    altered: bool,
}

/// The books of a server: the last copy of a record wins.
#[derive(Debug, Clone, Default)]
pub struct Books {
    stored: BTreeMap<String, Record>,
    copies: BTreeMap<String, Copies>,
    dropped: BTreeMap<String, Record>,
    /// Read and not yet stored, with the time they are.
    pending: Vec<(Mono, Record)>,
}

impl Books {
    /// The records that are stored.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.stored.values()
    }

    /// A stored record by its trade number.
    #[must_use]
    pub fn record(&self, trade: &str) -> Option<&Record> {
        self.stored.get(trade)
    }

    /// The records that were dropped in silence.
    pub fn dropped(&self) -> impl Iterator<Item = &Record> {
        self.dropped.values()
    }

    /// Copies read, of all records.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copies.values().map(|copies| copies.count).sum()
    }

    /// Trade numbers of which two copies differ.
    #[must_use]
    pub fn altered(&self) -> Vec<String> {
        let altered = self.copies.iter().filter(|(_, copies)| copies.altered);
        altered.map(|(trade, _)| trade.clone()).collect()
    }

    /// Notes a record that was read, which is stored at the given time; the how manieth copy it is.
    pub(crate) fn note(&mut self, record: Record, bytes: &Bytes, stored_at: Mono) -> u64 {
        let copies = self.copies.entry(record.trade.clone()).or_insert_with(|| Copies {
            count: 0,
            first: bytes.clone(),
            altered: false,
        });
        copies.count += 1;
        copies.altered |= copies.first != *bytes;
        let copy = copies.count;
        if record.is_dropped() {
            self.dropped.insert(record.trade.clone(), record);
        } else {
            self.pending.push((stored_at, record));
        }
        copy
    }

    /// Stores what is due.
    pub(crate) fn store(&mut self, now: Mono) {
        for (_, record) in self.pending.extract_if(.., |(at, _)| *at <= now) {
            self.stored.insert(record.trade.clone(), record);
        }
    }

    /// Forgets what is not stored, as a restart does.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
    }
}
