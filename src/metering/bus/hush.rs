//! Waiting for silence after a fault.

use crate::metering::{line::Line, time::Micros};

/// How long a line is listened to that does not fall silent; then it is tried all the same, and
/// those who are asked meanwhile are not blamed.
const BABBLE_US: u64 = 2_000_000;

/// The most bytes that are kept of what is heard, to find late answers in: three of the longest.
const KEPT_BYTES: usize = 768;

/// Waiting for silence.
#[derive(Debug)]
pub(super) struct Hush {
    /// When it began.
    pub since: Micros,
    /// Since when nothing was heard.
    pub quiet_since: Micros,
    /// Whose fault it was.
    pub seat: Option<usize>,
    heard: Vec<u8>,
}

/// How it stands.
pub(super) enum Silence {
    /// Listen on.
    Until(Micros),
    /// It is silent.
    Fell,
    /// It does not fall silent.
    Babble,
}

impl Hush {
    pub(super) const fn new(now: Micros, seat: Option<usize>) -> Self {
        Self { since: now, quiet_since: now, seat, heard: Vec::new() }
    }

    /// Takes what was heard; returns all that was heard so far.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Micros) -> &[u8] {
        self.quiet_since = now;
        let room = KEPT_BYTES.saturating_sub(self.heard.len());
        self.heard.extend(bytes.iter().take(room));
        &self.heard
    }

    /// What was heard, or the begin of it.
    pub(super) fn heard(&self) -> &[u8] {
        &self.heard
    }

    pub(super) fn silence(&self, line: &Line, now: Micros) -> Silence {
        let silent = self.quiet_since.plus(line.quarantine_us.into());
        let babble = self.since.plus(BABBLE_US);
        if now >= silent {
            Silence::Fell
        } else if now >= babble {
            Silence::Babble
        } else {
            Silence::Until(silent.min(babble))
        }
    }
}
