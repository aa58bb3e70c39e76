//! What flows through a simulated meter.

use crate::domain::{quantity::Energy, reading::Values, time::Mono};

/// W x ms in a Wh.
const WMS_PER_WH: u128 = 3_600_000;

/// Voltage to neutral in 0.1 V.
const VOLTAGE_DV: u32 = 2_300;

/// Frequency in 0.01 Hz.
const FREQUENCY_CHZ: u32 = 5_000;

/// Power factor in 0.001.
const POWER_FACTOR_MILLI: i32 = 1_000;

/// How a meter is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phases {
    /// All flows through L1.
    One,
    /// All three carry a third.
    Three,
}

/// Power for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How long.
    pub for_ms: u64,
    /// In W; negative: towards the grid.
    pub power_w: i64,
}

/// A load over time: steps that begin again when they are over. Energy is kept in W x ms, so that
/// nothing is lost by how often a meter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    steps: Vec<Step>,
    /// Where in the steps the load is.
    step: usize,
    /// How long this step has lasted.
    spent_ms: u64,
    upto: Mono,
    flown: Flown,
}

/// Energy both ways in W x ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Flown {
    import: u128,
    export: u128,
}

impl Flown {
    fn add(&mut self, power_w: i64, ms: u64) {
        let wms = u128::from(power_w.unsigned_abs()).saturating_mul(u128::from(ms));
        let register = if power_w < 0 { &mut self.export } else { &mut self.import };
        *register = register.saturating_add(wms);
    }

    fn add_times(&mut self, more: Self, times: u64) {
        let times = u128::from(times);
        self.import = self.import.saturating_add(more.import.saturating_mul(times));
        self.export = self.export.saturating_add(more.export.saturating_mul(times));
    }
}

impl Load {
    /// The same power for ever.
    #[must_use]
    pub fn constant(power_w: i64) -> Self {
        Self::steps(&[Step { for_ms: 1, power_w }])
    }

    /// These steps again and again; steps without a duration do not count.
    #[must_use]
    pub fn steps(steps: &[Step]) -> Self {
        let steps = steps.iter().copied().filter(|step| step.for_ms > 0).collect();
        Self { steps, step: 0, spent_ms: 0, upto: Mono(0), flown: Flown::default() }
    }

    /// Power at the moment up to which the load has been followed.
    #[must_use]
    pub fn power_w(&self) -> i64 {
        self.steps.get(self.step).map_or(0, |step| step.power_w)
    }

    /// Lets time pass.
    pub fn follow(&mut self, now: Mono) {
        let mut left_ms = now.since_ms(self.upto);
        self.upto = self.upto.max(now);
        let mut round = Flown::default();
        self.steps.iter().for_each(|step| round.add(step.power_w, step.for_ms));
        let round_ms: u64 = self.steps.iter().map(|step| step.for_ms).sum();
        if round_ms == 0 {
            return;
        }
        self.flown.add_times(round, left_ms / round_ms);
        left_ms %= round_ms;
        // Less than a round: each step is entered at most once more.
        while left_ms > 0 {
            let step = self.steps[self.step];
            let ms = left_ms.min(step.for_ms - self.spent_ms);
            self.flown.add(step.power_w, ms);
            self.spent_ms += ms;
            left_ms -= ms;
            if self.spent_ms == step.for_ms {
                self.spent_ms = 0;
                self.step = (self.step + 1) % self.steps.len();
            }
        }
    }

    /// Another load from now on; the registers go on.
    pub fn change(&mut self, other: &Self, now: Mono) {
        self.follow(now);
        self.steps.clone_from(&other.steps);
        (self.step, self.spent_ms) = (0, 0);
    }

    /// Sets the registers.
    pub fn set_energy(&mut self, import: Energy, export: Energy, now: Mono) {
        self.follow(now);
        let wms = |energy: Energy| u128::from(energy.wh()) * WMS_PER_WH;
        self.flown = Flown { import: wms(import), export: wms(export) };
    }

    /// All that a meter says of it. Whole Wh only: what is begun shows when it is complete.
    #[must_use]
    pub(super) fn values(&self, phases: Phases) -> Values {
        let energy =
            |wms: u128| Energy::from_wh(u64::try_from(wms / WMS_PER_WH).unwrap_or(u64::MAX));
        let power_w = self.power_w();
        let shares = match phases {
            Phases::One => [Some(power_w), None, None],
            Phases::Three => thirds(power_w).map(Some),
        };
        Values {
            energy_import: Some(energy(self.flown.import)),
            energy_export: Some(energy(self.flown.export)),
            power_w: Some(power_w),
            phase_power_w: shares,
            reactive_var: Some(0),
            voltage_dv: shares.map(|share| share.map(|_| VOLTAGE_DV)),
            current_ca: shares.map(|share| share.map(current_ca)),
            frequency_chz: Some(FREQUENCY_CHZ),
            power_factor_milli: Some(POWER_FACTOR_MILLI),
        }
    }
}

/// Three parts that sum up to the whole; what does not divide is L1's.
fn thirds(power_w: i64) -> [i64; 3] {
    let third = power_w / 3;
    [power_w - 2 * third, third, third]
}

/// In 0.01 A, rounded towards zero: W = 0.1 V x 0.01 A / 1000.
fn current_ca(phase_w: i64) -> i32 {
    let ca = phase_w.saturating_mul(1_000) / i64::from(VOLTAGE_DV);
    i32::try_from(ca).unwrap_or(if ca < 0 { i32::MIN } else { i32::MAX })
}
