//! How often something may happen: token buckets without a clock of their own.

use crate::domain::time::Mono;

/// So many at once, and so many more every minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once, after a quiet time.
    pub burst: u32,
    /// In the long run.
    pub per_minute: u32,
}

impl Rate {
    /// More than anybody has.
    pub const UNLIMITED: Self = Self { burst: u32::MAX, per_minute: u32::MAX };

    /// `per_s` a second, and at once what comes together in `burst_s` seconds.
    #[must_use]
    pub const fn per_second(per_s: u32, burst_s: u32) -> Self {
        Self { burst: per_s.saturating_mul(burst_s), per_minute: per_s.saturating_mul(60) }
    }

    fn burst_parts(self) -> u64 {
        u64::from(self.burst) * PARTS
    }
}

/// Parts of a token: in one millisecond a rate gives back as many parts as it gives tokens in a
/// minute, so that no division rounds anything away.
const PARTS: u64 = 60_000;

/// What has been taken and has not come back yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    debt: u64,
    at: Mono,
}

impl Bucket {
    fn debt(&self, rate: Rate, now: Mono) -> u64 {
        let back = now.since_ms(self.at).saturating_mul(rate.per_minute.into());
        self.debt.saturating_sub(back)
    }

    /// Takes so many, whether they are there or not.
    pub fn take(&mut self, count: u64, rate: Rate, now: Mono) {
        let taken = count.saturating_mul(PARTS);
        *self = Self { debt: self.debt(rate, now).saturating_add(taken), at: now };
    }

    /// Whether one is there.
    pub fn has_one(&self, rate: Rate, now: Mono) -> bool {
        self.debt(rate, now) + PARTS <= rate.burst_parts()
    }

    /// Whether everything has come back.
    pub fn is_full(&self, rate: Rate, now: Mono) -> bool {
        self.debt(rate, now) == 0
    }

    /// Time until no more has been taken than was there, in ms.
    pub fn wait_ms(&self, rate: Rate, now: Mono) -> u64 {
        let excess = self.debt(rate, now).saturating_sub(rate.burst_parts());
        excess.div_ceil(u64::from(rate.per_minute).max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whoever waits as told never gets more than the rate, and never waits in vain.
        #[test]
        fn waiting_as_told_keeps_the_rate(
            burst in 1..50_u32,
            per_minute in 1..10_000_u32,
            steps in prop::collection::vec((0..2_000_u64, 1..80_u64), 1..60),
        ) {
            let rate = Rate { burst, per_minute };
            let (mut bucket, mut now, mut taken) = (Bucket::default(), Mono(7), 0_u64);
            for (pause_ms, count) in steps {
                now = now.plus_ms(pause_ms);
                bucket.take(count, rate, now);
                taken += count;
                let wait_ms = bucket.wait_ms(rate, now);
                if wait_ms > 0 {
                    let early = now.plus_ms(wait_ms - 1);
                    prop_assert!(bucket.wait_ms(rate, early) > 0, "told to wait too long");
                }
                now = now.plus_ms(wait_ms);
                prop_assert_eq!(bucket.wait_ms(rate, now), 0);
                let allowed = rate.burst_parts() + (now.0 - 7) * u64::from(per_minute);
                prop_assert!(taken * PARTS <= allowed);
            }
        }

        #[test]
        fn a_bucket_is_full_again_after_its_burst(burst in 1..50_u32, per_minute in 1..5_000_u32) {
            let rate = Rate { burst, per_minute };
            let mut bucket = Bucket::default();
            for _ in 0..burst {
                prop_assert!(bucket.has_one(rate, Mono(0)));
                bucket.take(1, rate, Mono(0));
            }
            prop_assert!(!bucket.has_one(rate, Mono(0)));
            let full_ms = (u64::from(burst) * PARTS).div_ceil(per_minute.into());
            prop_assert!(!bucket.is_full(rate, Mono(full_ms - 1)));
            prop_assert!(bucket.is_full(rate, Mono(full_ms)));
        }
    }
}
