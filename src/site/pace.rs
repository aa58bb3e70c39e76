//! How fast a backlog may go: so many orders in a second, at most.

use crate::domain::time::Mono;

/// What may go at once after a rest: one second's worth.
const BURST_US: u64 = 1_000_000;

/// A token bucket; what was sent moves the moment for the next one.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two orders, rounded up; `None`: no limit.
    step_us: Option<u64>,
    /// When the bucket is full again.
    full_at_us: u64,
    blocked_until: Option<Mono>,
}

impl Pace {
    pub(super) fn new(max_per_s: Option<u32>) -> Self {
        let step_us = max_per_s.map(|most| BURST_US.div_ceil(u64::from(most.max(1))));
        Self { step_us, full_at_us: 0, blocked_until: None }
    }

    /// Whether one more may go now; if not, [`Pace::blocked_until`] says when.
    pub(super) fn allows(&mut self, now: Mono) -> bool {
        let Some(step_us) = self.step_us else { return true };
        let now_us = now.0.saturating_mul(1000);
        let next_us = self.full_at_us.saturating_add(step_us).saturating_sub(BURST_US);
        let is_blocked = next_us > now_us;
        self.blocked_until = is_blocked.then(|| Mono(next_us.div_ceil(1000)));
        !is_blocked
    }

    /// One has gone.
    pub(super) fn took(&mut self, now: Mono) {
        if let Some(step_us) = self.step_us {
            let now_us = now.0.saturating_mul(1000);
            self.full_at_us = self.full_at_us.max(now_us).saturating_add(step_us);
        }
    }

    /// Nothing waits for it any more.
    pub(super) fn relax(&mut self) {
        self.blocked_until = None;
    }

    /// When something that was not allowed may go; `None`: nothing waits.
    pub(super) const fn blocked_until(&self) -> Option<Mono> {
        self.blocked_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pace: &mut Pace, now: Mono) -> u32 {
        let mut sent = 0;
        while sent < 1000 && pace.allows(now) {
            pace.took(now);
            sent += 1;
        }
        sent
    }

    #[test]
    fn a_second_s_worth_goes_at_once_and_then_one_after_the_other() {
        let mut pace = Pace::new(Some(4));
        assert_eq!(sent(&mut pace, Mono(5_000)), 4);
        assert_eq!(pace.blocked_until(), Some(Mono(5_250)));
        assert_eq!(sent(&mut pace, Mono(5_249)), 0);
        assert_eq!(sent(&mut pace, Mono(5_250)), 1);
        assert_eq!(sent(&mut pace, Mono(60_000)), 4, "a long rest saves up no more");
    }

    #[test]
    fn no_limit_is_no_limit_and_an_odd_one_is_never_exceeded() {
        assert_eq!(sent(&mut Pace::new(None), Mono(0)), 1000);
        let mut pace = Pace::new(Some(3));
        let all: u32 = (0..10_000).map(|ms| sent(&mut pace, Mono(ms))).sum();
        assert_eq!(all, 3 + 29, "a burst, and then three in a second");
    }
}
