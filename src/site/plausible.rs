//! Whether a meter's energies can be, as they come one after another.

use crate::domain::{quantity::Energy, reading::Reading};

/// An energy may be ahead of what its meter's rating allows by this much: a meter that gives it
/// as a single-precision float of kWh moves in steps of that size after 10 GWh, and requests take
/// their time.
const LEAP_MARGIN: Energy = Energy::from_wh(1_000);

/// Where no clock tells how long the controller was away, a meter may have run for that long.
const LONGEST_AWAY_MS: u64 = 366 * 86_400_000;

/// Whether a reading can follow another one.
pub(super) fn judge(last: &Reading, new: &Reading, max_power_w: u64) -> Result<(), String> {
    // The run itself has lasted, whatever the calendar says.
    let least_ms = if last.at.boot == new.at.boot { 0 } else { new.at.mono.0 };
    let elapsed_ms = new.at.since_ms(last.at).unwrap_or(LONGEST_AWAY_MS).max(least_ms);
    let most_wh = u128::from(max_power_w) * u128::from(elapsed_ms) / 3_600_000;
    let most = Energy::from_wh(u64::try_from(most_wh).unwrap_or(u64::MAX));
    let most = most.saturating_add(LEAP_MARGIN);
    let energies = [
        ("import", last.energy_import, new.energy_import),
        ("export", last.energy_export, new.energy_export),
    ];
    for (name, last, new) in energies {
        let (Some(last), Some(new)) = (last, new) else { continue };
        match new.since(last) {
            None => {
                return Err(format!("energy {name} fell from {} to {}", exact(last), exact(new)));
            }
            Some(grown) if grown > most => {
                let (last, new, seconds) = (exact(last), exact(new), elapsed_ms / 1000);
                return Err(format!("energy {name} leapt from {last} to {new} in {seconds} s"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// To the Wh: people look for a small step.
fn exact(energy: Energy) -> String {
    format!("{}.{:03} kWh", energy.wh() / 1000, energy.wh() % 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::{BootId, ClockQuality, Mono, Stamp, Wall};

    const POWER_W: u64 = 100_000;

    fn at(boot: u64, ms: u64, clock: Option<i64>) -> Stamp {
        let wall = clock
            .map_or(Wall::default(), |unix_ms| Wall { unix_ms, quality: ClockQuality::Synced });
        Stamp { boot: BootId(boot), mono: Mono(ms), wall }
    }

    fn reading(wh: u64, at: Stamp) -> Reading {
        Reading { energy_import: Some(Energy::from_wh(wh)), energy_export: None, at }
    }

    /// How much energy a reading may have gained, to the Wh.
    fn most(last: Stamp, new: Stamp) -> u64 {
        let can = |wh: u64| judge(&reading(0, last), &reading(wh, new), POWER_W).is_ok();
        let (mut least, mut most) = (0, 1 << 40);
        while least + 1 < most {
            let middle = (least + most) / 2;
            if can(middle) { least = middle } else { most = middle }
        }
        least
    }

    #[test]
    fn energy_grows_no_faster_than_the_installation_can_carry() {
        let (begin, hour) = (1_790_000_000_000, 3_600_000);
        assert_eq!(most(at(1, 0, None), at(1, 3_600_000, None)), 101_000);
        // A clock that jumps within a run does not matter.
        assert_eq!(most(at(1, 0, Some(begin)), at(1, 36_000, Some(0))), 2_000);
        // Across runs the calendar counts, if it was known.
        assert_eq!(most(at(1, 9, Some(begin)), at(2, 9, Some(begin + hour))), 101_000);
        let a_year = 366 * 24 * 100_000 + 1_000;
        assert_eq!(most(at(1, 9, None), at(2, 9, Some(begin))), a_year);
        assert_eq!(most(at(1, 9, Some(begin)), at(2, 9, None)), a_year);
        // Set back in between: nobody knows how long it was.
        assert_eq!(most(at(1, 9, Some(begin)), at(2, 9, Some(begin - 1))), a_year);
        // At least as long as the run has lasted.
        assert_eq!(most(at(1, 9, Some(begin)), at(2, 3_600_000, Some(begin + 5))), 101_000);
    }

    #[test]
    fn coarse_steps_and_greatest_values_are_no_leap() {
        // A float of kWh after ten million of them: steps of a kWh, then nothing for a while.
        let (last, new) = (at(1, 0, None), at(1, 1_000, None));
        let judged = |from, to| judge(&reading(from, last), &reading(to, new), POWER_W);
        assert_eq!(judged(10_000_000_000, 10_000_001_000), Ok(()));
        assert_eq!(judged(10_000_000_000, 10_000_000_000), Ok(()));
        assert!(judged(10_000_000_000, 9_999_999_999).is_err());
        assert!(judged(0, u64::MAX).is_err());
        let far = judge(&reading(0, last), &reading(u64::MAX, at(1, u64::MAX, None)), u64::MAX);
        assert_eq!(far, Ok(()), "no overflow");
    }

    proptest! {
        #[test]
        fn what_is_believed_never_falls(
            readings in prop::collection::vec((0_u64..5_000, 0_u64..100_000), 1..50),
        ) {
            let mut last = reading(0, at(1, 0, None));
            let mut ms = 0;
            for (wh, passed_ms) in readings {
                ms += passed_ms;
                let new = reading(wh, at(1, ms, None));
                if judge(&last, &new, POWER_W).is_ok() {
                    prop_assert!(new.energy_import >= last.energy_import);
                    last = new;
                }
            }
        }
    }
}
