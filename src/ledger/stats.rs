//! Figures of the store, for the status page and the metrics.

use std::{
    fs,
    thread::{self, ThreadId},
};

use super::reader::Counts;

/// Figures of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Numbers of orders.
    pub counts: Counts,
    /// Bytes that the writing thread has given to the disk since the ledger was opened, or since it
    /// was handed to that thread; `None` where the kernel does not count them.
    pub written_bytes: Option<u64>,
    /// The same for the day of the last question, as far as this run goes back.
    pub written_today_bytes: Option<u64>,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
    /// The ballast is given up.
    pub is_full: bool,
}

/// A day.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Counts bytes per day.
#[derive(Debug)]
pub(super) struct Written {
    by: ThreadId,
    at_open: Option<u64>,
    day: i64,
    at_day: Option<u64>,
}

impl Written {
    pub(super) fn new() -> Self {
        let now = by_this_thread();
        Self { by: thread::current().id(), at_open: now, day: 0, at_day: now }
    }

    /// Bytes since the ledger was opened, and since the day began or was first asked about.
    pub(super) fn at(&mut self, unix_ms: i64) -> (Option<u64>, Option<u64>) {
        let (now, day) = (by_this_thread(), unix_ms.div_euclid(DAY_MS));
        if self.by != thread::current().id() {
            // The ledger was handed to a thread that was made for it: the kernel counts for each
            // thread by itself, and this one has written nothing else.
            *self = Self { by: thread::current().id(), at_open: Some(0), day, at_day: Some(0) };
        }
        if self.day == 0 {
            self.day = day;
        } else if day != self.day {
            (self.day, self.at_day) = (day, now);
        }
        let since = |then: Option<u64>| Some(now?.saturating_sub(then?));
        (since(self.at_open), since(self.at_day))
    }
}

/// Bytes this thread has caused to be written to disk, in whole pages of memory: what the flash
/// sees, but for the file system's own journal.
fn by_this_thread() -> Option<u64> {
    let io = fs::read_to_string("/proc/thread-self/io").ok()?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?;
    line.trim().parse().ok()
}
