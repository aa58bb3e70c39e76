//! How busy a line is.

use crate::metering::time::Micros;

/// The window is moved on in steps of this.
const STEP_US: u64 = 5_000_000;

/// Steps of the window: a minute.
const STEPS: usize = 12;

/// The window.
const WINDOW_US: u64 = STEP_US * STEPS as u64;

/// Use of a line over the last minute.
#[derive(Debug, Clone)]
pub struct Load {
    began: Micros,
    /// Time in use by step, the steps counted from 0; each place is used again after a minute.
    used: [(u64, u64); STEPS],
    until: Micros,
}

impl Load {
    /// A line that begins.
    pub fn new(now: Micros) -> Self {
        Self { began: now, used: [(0, 0); STEPS], until: now }
    }

    /// It was in use; what was told before is not counted twice.
    pub fn used(&mut self, from: Micros, until: Micros) {
        let mut from = from.max(self.until);
        self.until = self.until.max(until);
        // A stall of hours is no reason to walk through all of it.
        from = from.max(Micros(until.0.saturating_sub(WINDOW_US)));
        while from < until {
            let step = from.0 / STEP_US;
            let end = Micros((step + 1) * STEP_US).min(until);
            if let Some(place) = self.place(step) {
                *place = (step, if place.0 == step { place.1 } else { 0 } + end.since(from));
            }
            from = end;
        }
    }

    fn place(&mut self, step: u64) -> Option<&mut (u64, u64)> {
        usize::try_from(step).ok().and_then(|step| self.used.get_mut(step % STEPS))
    }

    /// In 1/1000 of the last minute, or of the time since the begin if that is less.
    pub fn permille(&self, now: Micros) -> u32 {
        let step = now.0 / STEP_US;
        let first = (step + 1).saturating_sub(WINDOW_US / STEP_US);
        let window = now.since(self.began.max(Micros(first * STEP_US)));
        let recent = self.used.iter().filter(|(at, _)| (first..=step).contains(at));
        let used: u64 = recent.map(|(_, used)| used).sum();
        u32::try_from((used * 1000).checked_div(window).unwrap_or(0).min(1000)).unwrap_or(1000)
    }
}
