//! When a slave is asked: its own grid of moments, and back-off.

use crate::metering::time::Micros;

/// What each failure in a row adds to the back-off.
const BACK_OFF_US: u64 = 2_000_000;

/// The longest back-off.
const BACK_OFF_MOST_US: u64 = 300_000_000;

/// Failures in a row from which a slave is backed off; after the first one it is asked again in
/// its own next slot.
const BACK_OFF_FROM: u32 = 2;

/// When a slave is asked.
#[derive(Debug, Clone)]
pub struct Slot {
    interval_us: u64,
    due: Micros,
    failures: u32,
    failing_since: Option<Micros>,
    retry: Option<Micros>,
    has_answered: bool,
}

impl Slot {
    /// Due now, and then once in each interval.
    pub fn new(interval_ms: u32, now: Micros) -> Self {
        Self {
            interval_us: u64::from(interval_ms.max(1)) * 1000,
            due: now,
            failures: 0,
            failing_since: None,
            retry: None,
            has_answered: false,
        }
    }

    /// When it is to be asked.
    pub fn ready(&self) -> Micros {
        self.retry.map_or(self.due, |retry| retry.max(self.due))
    }

    /// Until when it is left alone.
    pub fn backed_off(&self, now: Micros) -> Option<Micros> {
        self.retry.filter(|retry| *retry > now)
    }

    /// Whether it answered when it was last asked.
    pub fn is_living(&self) -> bool {
        self.has_answered && self.failures == 0
    }

    /// Whether it has failed so often that it is backed off.
    pub fn is_doubted(&self) -> bool {
        self.failures >= BACK_OFF_FROM
    }

    /// A reading begins; the slots that have passed are used up by it. So slots stay on their
    /// grid, and a stall is followed by one reading, not by all that were missed.
    pub fn begin(&mut self, now: Micros) {
        if self.due <= now {
            let missed = now.since(self.due) / self.interval_us;
            self.due = self.due.plus((missed + 1).saturating_mul(self.interval_us));
        }
    }

    /// It answered.
    pub fn answered(&mut self) {
        self.has_answered = true;
        self.failures = 0;
        self.failing_since = None;
        self.retry = None;
    }

    /// It did not.
    pub fn failed(&mut self, now: Micros) {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        let back_off = BACK_OFF_US.saturating_mul(self.failures.into()).min(BACK_OFF_MOST_US);
        self.retry = self.is_doubted().then(|| now.plus(back_off));
    }

    /// Its last failure was the line's.
    pub fn forgive(&mut self) {
        self.failures = self.failures.saturating_sub(1);
        self.retry = None;
    }

    /// Somebody answered on a line where the last answer was at `last`: slaves that fell silent
    /// after it did so together, and are asked again at once.
    pub fn revive(&mut self, last: Micros) {
        if self.failing_since.is_some_and(|since| since >= last) {
            self.retry = None;
        }
    }

    /// The port was gone: nothing is held against the slave.
    pub fn reset(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.retry = None;
    }
}
