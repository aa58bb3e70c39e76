//! Dating afterwards what was stamped while nobody had set the clock.

use std::collections::BTreeMap;

use super::{
    order::{Ending, Order},
    reading::Metering,
    time::{BootId, ClockQuality, Stamp, Wall},
};

/// The calendars of the runs that have one.
pub type Calendar = BTreeMap<BootId, Epoch>;

/// The calendar of one run, learned during the run or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Unix ms at `Mono` 0 of the run.
    pub unix_ms: i64,
    /// How far it can be trusted.
    pub quality: ClockQuality,
    /// Not learned in the run itself, but placed between its neighbours.
    pub estimated: bool,
}

impl Stamp {
    /// This stamp with the calendar of its run, if it belongs to `boot` and has no date of its
    /// own; a date that was given is never changed.
    #[must_use]
    pub fn dated(self, boot: BootId, epoch: Epoch) -> Self {
        if self.boot != boot || self.wall.quality != ClockQuality::Unset {
            return self;
        }
        let mono_ms = i64::try_from(self.mono.0).unwrap_or(i64::MAX);
        let unix_ms = epoch.unix_ms.saturating_add(mono_ms);
        Self { wall: Wall { unix_ms, quality: epoch.quality }, ..self }
    }
}

impl Order {
    /// Dates an order by the runs its stamps belong to; see [`Order::date`].
    pub fn date_by(&mut self, calendar: &Calendar) {
        let mut boots = vec![self.opened.boot];
        boots.extend(self.progress.map(|progress| progress.at.boot));
        boots.extend(self.ending.as_ref().map(|ending| ending.recorded.boot));
        let confirmed = self.deliveries.iter().filter_map(|delivery| delivery.confirmed);
        boots.extend(confirmed.map(|stamp| stamp.boot));
        let samples = self.metering.iter().flat_map(Metering::samples);
        boots.extend(samples.map(|sample| sample.at.boot));
        boots.sort_unstable();
        boots.dedup();
        for boot in boots {
            if let Some(epoch) = calendar.get(&boot) {
                self.date(boot, *epoch);
            }
        }
    }

    /// Whether it has ended and its start or its end is not known.
    #[must_use]
    pub fn is_undated(&self) -> bool {
        let is_open_end = |ending: &Ending| self.started_s.is_none() || ending.ended_s.is_none();
        self.ending.as_ref().is_some_and(is_open_end)
    }

    /// Dates all stamps of the run `boot` that have no date. A start or an end that is unknown
    /// takes the date of the stamp it derives from, of `opened` and of `recorded`; where the
    /// calendar is estimated, the order is flagged so. Done twice, it changes nothing more.
    pub fn date(&mut self, boot: BootId, epoch: Epoch) {
        let opened = self.opened.dated(boot, epoch);
        let mut is_used = false;
        if opened != self.opened && self.started_s.is_none() {
            self.started_s = Some(opened.wall.unix_s());
            is_used = true;
        }
        self.opened = opened;
        if let Some(progress) = &mut self.progress {
            progress.at = progress.at.dated(boot, epoch);
        }
        if let Some(ending) = &mut self.ending {
            let recorded = ending.recorded.dated(boot, epoch);
            if recorded != ending.recorded && ending.ended_s.is_none() {
                ending.ended_s = Some(recorded.wall.unix_s());
                is_used = true;
            }
            ending.recorded = recorded;
        }
        for sample in self.metering.iter_mut().flat_map(Metering::samples_mut) {
            sample.at = sample.at.dated(boot, epoch);
        }
        for delivery in &mut self.deliveries {
            delivery.confirmed = delivery.confirmed.map(|stamp| stamp.dated(boot, epoch));
        }
        self.flags.estimated |= is_used && epoch.estimated;
    }
}
