//! What an uplink has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by the link, read by metrics.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) connected: AtomicU64,
    pub(super) login_refused: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) undecodable: AtomicU64,
    pub(super) unsendable: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) left_out: AtomicU64,
    pub(super) silent: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times the link came up.
    pub connected: u64,
    /// Times the backend refused the login or the registration.
    pub login_refused: u64,
    /// Messages handed to the link.
    pub sent: u64,
    /// Messages that came.
    pub received: u64,
    /// Messages that came and were none.
    pub undecodable: u64,
    /// Messages that could not be written, or were too large.
    pub unsendable: u64,
    /// Messages dropped for want of room, or because the link went down before their turn.
    pub shed: u64,
    /// Values left out of messages because the wire has no room for them.
    pub left_out: u64,
    /// Times the far side fell silent on a link that stood.
    pub silent: u64,
}

impl Counters {
    /// The counters now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            connected: read(&self.connected),
            login_refused: read(&self.login_refused),
            sent: read(&self.sent),
            received: read(&self.received),
            undecodable: read(&self.undecodable),
            unsendable: read(&self.unsendable),
            shed: read(&self.shed),
            left_out: read(&self.left_out),
            silent: read(&self.silent),
        }
    }
}

pub(super) fn one(counter: &AtomicU64) {
    many(counter, 1);
}

pub(super) fn many(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
