//! How long to wait before the next attempt.

use std::time::Duration;

/// The first wait is about that long: a backend that was restarted is back by then.
const FIRST: Duration = Duration::from_secs(1);

/// Waits do not grow beyond this: after an outage of any length the site is back within a minute.
const LONGEST: Duration = Duration::from_secs(60);

/// Doubling waits with jitter, so that the sites of one backend do not come back all at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: between half of the full time and the full time.
    pub(super) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        jittered(full)
    }
}

/// Between half of a time and the whole of it.
pub(super) fn jittered(full: Duration) -> Duration {
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[10..].iter().all(|wait| (LONGEST / 2..=LONGEST).contains(wait)), "{waits:?}");
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
