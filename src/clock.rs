//! The only place that asks for the time.
//!
//! Durations come from the monotonic clock. The calendar is believed when the kernel's clock is
//! kept by NTP, else when a backend gave the time, else when it goes on plausibly from the last
//! good time, which a file remembers.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    domain::time::{ClockQuality, EARLIEST_S, Mono, Now, Wall},
    metering::time::Micros,
    sys::{self, file::read_small_text},
};

/// A calendar that shows more than this after the last good time, with nobody keeping it, has
/// jumped; longer power cuts are rarer than dead batteries.
const MAX_GAP_MS: i64 = 400 * 86_400_000;

/// Somebody correcting the clock by hand is not a dead battery.
const STEP_BACK_MS: i64 = 10 * 60_000;

/// The file is worn by writing; five minutes more or less say nothing about a dead battery.
const KEEP_INTERVAL_MS: u64 = 5 * 60_000;

/// A backend's time has whole seconds and an unknown way; smaller differences are noise.
const BACKEND_NOISE_MS: u64 = 2000;

/// A crystal drifts about 4 s a day; after that a backend's time is only held.
const BACKEND_FRESH_MS: u64 = 86_400_000;

/// What the machine's clocks show at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    mono: Mono,
    system_ms: i64,
    kernel_synced: bool,
}

/// A time that a backend gave.
#[derive(Debug, Clone, Copy)]
struct Given {
    /// Unix ms at `Mono` 0.
    epoch_ms: i64,
    at: Mono,
}

/// Decides what to believe; pure.
#[derive(Debug, Default)]
struct Judge {
    last_good_ms: Option<i64>,
    given: Option<Given>,
}

impl Judge {
    fn wall(&mut self, reading: Reading) -> Wall {
        let wall = self.believe(reading);
        if wall.quality != ClockQuality::Unset {
            self.last_good_ms = Some(wall.unix_ms);
        }
        wall
    }

    fn believe(&self, reading: Reading) -> Wall {
        let system = |quality| Wall { unix_ms: reading.system_ms, quality };
        if reading.kernel_synced && reading.system_ms >= EARLIEST_S * 1000 {
            return system(ClockQuality::Synced);
        }
        if let Some(given) = self.given {
            let is_fresh = reading.mono.since_ms(given.at) <= BACKEND_FRESH_MS;
            let quality = if is_fresh { ClockQuality::Synced } else { ClockQuality::Held };
            return Wall { unix_ms: given.epoch_ms.saturating_add(ms(reading.mono.0)), quality };
        }
        let is_plausible = self.last_good_ms.is_none_or(|last| {
            (last.saturating_sub(STEP_BACK_MS)..=last.saturating_add(MAX_GAP_MS))
                .contains(&reading.system_ms)
        });
        if reading.system_ms >= EARLIEST_S * 1000 && is_plausible {
            system(ClockQuality::Held)
        } else {
            system(ClockQuality::Unset)
        }
    }

    fn learn(&mut self, unix_s: i64, at: Mono) {
        if unix_s < EARLIEST_S {
            return;
        }
        let epoch_ms = unix_s.saturating_mul(1000).saturating_sub(ms(at.0));
        let epoch_ms = match self.given {
            Some(given) if given.epoch_ms.abs_diff(epoch_ms) <= BACKEND_NOISE_MS => given.epoch_ms,
            _ => epoch_ms,
        };
        self.given = Some(Given { epoch_ms, at });
    }
}

fn ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The clock of this run.
#[derive(Debug)]
pub struct Clock {
    begin: Instant,
    file: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    judge: Judge,
    /// When the file was written.
    kept: Option<Mono>,
}

/// Name of the file in the data directory.
const FILE: &str = "clock";

/// Longest text in it: a number and more.
const MAX_FILE_BYTES: u64 = 64;

impl Clock {
    /// Starts `Mono` at 0. The last good time is kept in `data_dir`; a file that cannot be read
    /// counts as none.
    #[must_use]
    pub fn open(data_dir: &Path) -> Self {
        let file = data_dir.join(FILE);
        let last =
            read_small_text(&file, MAX_FILE_BYTES).ok().and_then(|text| text.trim().parse().ok());
        Self::new(Some(file), last)
    }

    /// A clock that remembers nothing, for programs without a data directory.
    #[must_use]
    pub fn passing() -> Self {
        Self::new(None, None)
    }

    #[expect(clippy::disallowed_methods, reason = "the clock is where time comes from")]
    fn new(file: Option<PathBuf>, last_good_ms: Option<i64>) -> Self {
        let judge = Judge { last_good_ms, given: None };
        let state = Mutex::new(State { judge, kept: None });
        Self { begin: Instant::now(), file, state }
    }

    /// This moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let reading = self.reading();
        Now { mono: reading.mono, wall: self.state().judge.wall(reading) }
    }

    /// Milliseconds since the run began; cheaper than [`Clock::now`].
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono(u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The same in the two units of a bus.
    #[must_use]
    pub fn fine(&self) -> (Mono, Micros) {
        let since = self.begin.elapsed();
        let count = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        (Mono(count(since.as_millis())), Micros(count(since.as_micros())))
    }

    #[expect(clippy::disallowed_methods, reason = "the clock is where time comes from")]
    fn reading(&self) -> Reading {
        let system_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        Reading { mono: self.mono(), system_ms, kernel_synced: sys::is_clock_synced() }
    }

    /// A backend gave the time; it is used while the kernel's clock is not kept by NTP.
    pub fn learn(&self, unix_s: i64) {
        let at = self.mono();
        self.state().judge.learn(unix_s, at);
    }

    /// Writes the last good time if it is due.
    ///
    /// # Errors
    ///
    /// When the data directory cannot be written.
    pub fn keep(&self) -> io::Result<()> {
        let Now { mono, wall } = self.now();
        {
            let mut state = self.state();
            let is_due = state.kept.is_none_or(|kept| mono.since_ms(kept) >= KEEP_INTERVAL_MS);
            if wall.quality == ClockQuality::Unset || !is_due {
                return Ok(());
            }
            state.kept = Some(mono);
        }
        match &self.file {
            Some(file) => sys::replace_file(file, &format!("{}\n", wall.unix_ms), 0o640),
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// 2026-01-01T00:00:00Z
    const NEW_YEAR_MS: i64 = 1_767_225_600_000;
    const DAY_MS: i64 = 86_400_000;
    const YEAR_MS: i64 = 365 * DAY_MS;

    fn alone(mono: u64, system_ms: i64) -> Reading {
        Reading { mono: Mono(mono), system_ms, kernel_synced: false }
    }

    fn kept(last_good_ms: i64) -> Judge {
        Judge { last_good_ms: Some(last_good_ms), given: None }
    }

    #[test]
    fn a_clock_that_was_never_set_is_unset_until_a_backend_gives_the_time() {
        let mut judge = Judge::default();
        assert_eq!(judge.wall(alone(1000, 5000)).quality, ClockQuality::Unset);
        judge.learn(0, Mono(1500));
        assert_eq!(judge.wall(alone(1500, 5500)).quality, ClockQuality::Unset);
        judge.learn(NEW_YEAR_MS / 1000, Mono(2000));
        let wall = judge.wall(alone(2500, 6500));
        assert_eq!(wall, Wall { unix_ms: NEW_YEAR_MS + 500, quality: ClockQuality::Synced });
    }

    #[test]
    fn a_year_back_is_unset_and_ntp_mends_it() {
        let mut judge = kept(NEW_YEAR_MS);
        let back = NEW_YEAR_MS - YEAR_MS;
        assert_eq!(judge.wall(alone(0, back)).quality, ClockQuality::Unset);
        let synced = Reading { kernel_synced: true, ..alone(10, back) };
        assert_eq!(judge.wall(synced).quality, ClockQuality::Synced);
        assert_eq!(judge.wall(alone(20, back + 10)).quality, ClockQuality::Held);
    }

    #[test]
    fn ten_years_ahead_is_unset_but_a_winter_without_power_is_not() {
        let ahead = NEW_YEAR_MS + 10 * YEAR_MS;
        assert_eq!(kept(NEW_YEAR_MS).wall(alone(0, ahead)).quality, ClockQuality::Unset);
        let spring = NEW_YEAR_MS + 120 * DAY_MS;
        assert_eq!(kept(NEW_YEAR_MS).wall(alone(0, spring)).quality, ClockQuality::Held);
        let edge = NEW_YEAR_MS + MAX_GAP_MS;
        assert_eq!(kept(NEW_YEAR_MS).wall(alone(0, edge)).quality, ClockQuality::Held);
        assert_eq!(kept(NEW_YEAR_MS).wall(alone(0, edge + 1)).quality, ClockQuality::Unset);
    }

    #[test]
    fn a_jump_while_running_is_noticed() {
        let mut judge = Judge::default();
        assert_eq!(judge.wall(alone(0, NEW_YEAR_MS)).quality, ClockQuality::Held);
        let by_hand = NEW_YEAR_MS - 60_000;
        assert_eq!(judge.wall(alone(10, by_hand)).quality, ClockQuality::Held);
        let jumped = NEW_YEAR_MS - YEAR_MS;
        assert_eq!(judge.wall(alone(20, jumped)).quality, ClockQuality::Unset);
        assert_eq!(judge.wall(alone(30, NEW_YEAR_MS + 20)).quality, ClockQuality::Held);
    }

    #[test]
    fn a_backends_time_holds_against_a_stepping_system_clock_and_ages() {
        let mut judge = Judge::default();
        judge.learn(NEW_YEAR_MS / 1000, Mono(0));
        let stepped = judge.wall(alone(1000, NEW_YEAR_MS + YEAR_MS));
        assert_eq!(stepped.unix_ms, NEW_YEAR_MS + 1000);
        // Noise of the way does not move the clock.
        judge.learn(NEW_YEAR_MS / 1000 + 12, Mono(11_000));
        assert_eq!(judge.wall(alone(11_000, 0)).unix_ms, NEW_YEAR_MS + 11_000);
        let later = judge.wall(alone(11_000 + BACKEND_FRESH_MS + 1, 0));
        assert_eq!(later.quality, ClockQuality::Held);
    }

    #[test]
    fn the_last_good_time_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::open(dir.path());
        clock.learn(NEW_YEAR_MS / 1000);
        clock.keep().unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        let expected = clock.now().wall.unix_ms;
        assert!(text.trim().parse::<i64>().unwrap() <= expected);
        let last = Clock::open(dir.path()).state().judge.last_good_ms;
        assert_eq!(last, text.trim().parse().ok());
    }
}
