//! Meters: which of their readings are believed, and what people are told of the others.
//!
//! A reading is judged when it arrives, against the last one that was believed; that one is also
//! in the ledger, so a restart does not let a meter fall.

use std::collections::BTreeMap;

use super::{
    MeterConfig, Site, alarm::AlarmKind, command::Command, entry::Entry, plausible::judge,
    restore::KeptMeter, snapshot::MeterStatus, turn::Turn,
};
use crate::domain::{
    dating::Epoch,
    id::{ConnectorNo, MeterName},
    reading::{Measures, MeterEvent, Quality, ReadFault, Reading, Sample, Values},
    reply::{MeteredPlace, UplinkMessage, Urgency},
    time::{BootId, Mono, Stamp},
};

/// Between two readings of a meter that are kept whether or not an order wants them, to spare the
/// flash; so far a meter may fall unnoticed across a restart while nobody charges.
pub const KEEP_MS: u64 = 3_600_000;

/// What is wrong with a meter's newest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// It carried no values.
    Unusable,
    /// Its energy cannot be.
    Implausible,
}

/// A meter of the config.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) config: MeterConfig,
    /// The energies that were believed last, in this run or an earlier one.
    pub(super) last: Option<Reading>,
    /// The values that were believed last, in this run.
    good: Option<(Values, Stamp)>,
    flaw: Option<Flaw>,
    /// What was wrong with the last attempt; empty if nothing was.
    fault: String,
    /// When it last gave values, or the run began.
    heard: Mono,
    /// Nothing has been heard for too long, and that has been said.
    is_overdue: bool,
    /// When the uplinks were last told.
    told: Option<Mono>,
    /// What the ledger has of it, and since when.
    kept: Option<(Reading, Mono)>,
    pub(super) replaced: Option<Stamp>,
}

impl Meter {
    fn new(config: MeterConfig, known: KeptMeter, now: Mono) -> Self {
        Self {
            config,
            last: known.last,
            good: None,
            flaw: None,
            fault: String::new(),
            heard: now,
            is_overdue: false,
            told: None,
            kept: known.last.map(|reading| (reading, now)),
            replaced: known.replaced,
        }
    }

    fn quality(&self, now: Mono) -> Quality {
        match (self.flaw, &self.good) {
            (Some(Flaw::Implausible), _) => Quality::Implausible,
            (Some(Flaw::Unusable), _) | (None, None) => Quality::Bad,
            (None, Some((_, at))) if now.since_ms(at.mono) >= self.config.stale_after_ms => {
                Quality::Stale
            }
            (None, Some(_)) => Quality::Good,
        }
    }

    fn status(&self, now: Mono) -> MeterStatus {
        let read_at = self.good.map(|(_, at)| at);
        MeterStatus {
            name: self.config.name.clone(),
            measures: self.config.measures,
            quality: self.quality(now),
            values: self.good.map(|(values, _)| values).unwrap_or_default(),
            read_at,
            age_ms: read_at.map(|at| now.since_ms(at.mono)),
            fault: self.fault.clone(),
            replaced: self.replaced,
        }
    }

    /// Takes in values; an error if they cannot be.
    fn take(&mut self, values: Values, at: Stamp) -> Result<(), String> {
        let (energy_import, energy_export) = (values.energy_import, values.energy_export);
        let new = Reading { energy_import, energy_export, at };
        if let Some(last) = &self.last
            && let Err(fault) = judge(last, &new, self.config.max_power_w)
        {
            self.flaw = Some(Flaw::Implausible);
            self.fault.clone_from(&fault);
            return Err(fault);
        }
        // A register that is missing once is not forgotten.
        let before = self.last.unwrap_or(new);
        self.last = Some(Reading {
            energy_import: energy_import.or(before.energy_import),
            energy_export: energy_export.or(before.energy_export),
            at,
        });
        self.good = Some((values, at));
        self.flaw = None;
        self.fault.clear();
        Ok(())
    }
}

/// The meters of the config.
#[derive(Debug, Default)]
pub(super) struct Meters {
    order: Vec<MeterName>,
    by_name: BTreeMap<MeterName, Meter>,
}

impl Meters {
    pub(super) fn new(
        config: &[MeterConfig],
        known: &BTreeMap<MeterName, KeptMeter>,
        now: Mono,
    ) -> Self {
        let new = |meter: &MeterConfig| {
            let known = known.get(&meter.name).copied().unwrap_or_default();
            (meter.name.clone(), Meter::new(meter.clone(), known, now))
        };
        Self {
            order: config.iter().map(|meter| meter.name.clone()).collect(),
            by_name: config.iter().map(new).collect(),
        }
    }

    pub(super) fn get_mut(&mut self, name: &MeterName) -> Option<&mut Meter> {
        self.by_name.get_mut(name)
    }

    /// The newest import energy, if it is good and not too old to be used. Where the newest one
    /// cannot be, the one before is not what the meter shows now either.
    pub(super) fn fresh(&self, name: &MeterName, now: Mono) -> Option<Sample> {
        let meter = self.by_name.get(name)?;
        let (values, at) = meter.good?;
        let is_fresh = meter.flaw.is_none() && now.since_ms(at.mono) < meter.config.stale_after_ms;
        values.energy_import.filter(|_| is_fresh).map(|energy| Sample { energy, at })
    }

    /// The same, if it was taken at or after a moment.
    pub(super) fn fresh_since(&self, name: &MeterName, since: Mono, now: Mono) -> Option<Sample> {
        self.fresh(name, now).filter(|sample| sample.at.mono >= since)
    }

    /// The newest values, if they are good.
    pub(super) fn good(&self, name: &MeterName, now: Mono) -> Option<Values> {
        let meter = self.by_name.get(name)?;
        let (values, _) = meter.good?;
        (meter.quality(now) == Quality::Good).then_some(values)
    }

    pub(super) fn measures(&self, name: &MeterName) -> Option<Measures> {
        self.by_name.get(name).map(|meter| meter.config.measures)
    }

    /// The newest import energy that was believed, however old, also of an earlier run.
    pub(super) fn last(&self, name: &MeterName) -> Option<Sample> {
        let last = self.by_name.get(name)?.last?;
        last.energy_import.map(|energy| Sample { energy, at: last.at })
    }

    /// Dates what this run stamped before the clock was good, as the ledger does where it reads.
    pub(super) fn learn_clock(&mut self, boot: BootId, epoch: Epoch) {
        for meter in self.by_name.values_mut() {
            let readings =
                meter.last.iter_mut().chain(meter.kept.iter_mut().map(|(reading, _)| reading));
            let good = meter.good.iter_mut().map(|(_, at)| at);
            let stamps = readings.map(|reading| &mut reading.at).chain(good);
            for at in stamps.chain(&mut meter.replaced) {
                *at = at.dated(boot, epoch);
            }
        }
    }

    pub(super) fn status(&self, now: Mono) -> Vec<MeterStatus> {
        let known = self.order.iter().filter_map(|name| self.by_name.get(name));
        known.map(|meter| meter.status(now)).collect()
    }

    /// When the next one counts as silent.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = |meter: &Meter| meter.heard.plus_ms(meter.config.stale_after_ms);
        self.by_name.values().filter(|meter| !meter.is_overdue).map(due).min()
    }
}

impl Site {
    /// A bus tells of a meter.
    pub(super) fn meter_event(&mut self, name: &MeterName, event: MeterEvent, turn: &mut Turn) {
        match event {
            MeterEvent::Read { values, at } => self.meter_read(name, values, at, turn),
            MeterEvent::Failed { fault, .. } => {
                let Some(meter) = self.meters.get_mut(name) else { return };
                if matches!(fault, ReadFault::Unusable(_)) {
                    meter.flaw = Some(Flaw::Unusable);
                }
                meter.fault = fault.to_string();
                if !matches!(fault, ReadFault::PortGone(_)) {
                    self.ask_again(name, turn);
                }
            }
        }
    }

    fn meter_read(&mut self, name: &MeterName, values: Values, at: Mono, turn: &mut Turn) {
        let stamp = turn.stamp_at(at);
        let Some(meter) = self.meters.get_mut(name) else { return };
        meter.heard = turn.now.mono;
        meter.is_overdue = false;
        let measures = meter.config.measures;
        let taken = meter.take(values, stamp);
        self.alarms.clear(&AlarmKind::MeterSilent(name.clone()));
        let implausible = AlarmKind::MeterImplausible(name.clone());
        if let Err(fault) = taken {
            let text = format!("meter {name}: {fault}; if it was replaced, say so");
            self.alarms.raise(implausible, turn.stamp(), text);
            return self.ask_again(name, turn);
        }
        self.alarms.clear(&implausible);
        self.metered(name, measures, turn);
        self.keep_now_and_then(name, turn);
        self.tell_metered(name, turn);
    }

    /// Keeps the last reading of a meter whether or not an order wants it.
    fn keep_now_and_then(&mut self, name: &MeterName, turn: &mut Turn) {
        let is_full = self.is_storage_full;
        let Some(meter) = self.meters.get_mut(name) else { return };
        let is_due = match &meter.kept {
            // The first one of a meter that was replaced is not to be lost.
            None => !is_full || meter.replaced.is_some(),
            Some((_, since)) => !is_full && turn.now.mono.since_ms(*since) >= KEEP_MS,
        };
        if is_due {
            self.keep_reading(name, turn);
        }
    }

    /// Keeps the last reading of a meter, if it is another than the ledger has.
    pub(super) fn keep_reading(&mut self, name: &MeterName, turn: &mut Turn) {
        let Some(meter) = self.meters.get_mut(name) else { return };
        let Some(reading) = meter.last else { return };
        let energies = |r: &Reading| (r.energy_import, r.energy_export);
        let is_new = |(kept, _): &(Reading, Mono)| energies(kept) != energies(&reading);
        if energies(&reading) == (None, None) || !meter.kept.as_ref().is_none_or(is_new) {
            return;
        }
        let is_first = meter.kept.is_none() && meter.replaced.is_some();
        meter.kept = Some((reading, turn.now.mono));
        let meter = name.clone();
        turn.remember(match is_first {
            true => Entry::MeterBegun { meter, reading },
            false => Entry::MeterKept { meter, reading },
        });
    }

    /// Tells the uplinks the newest values, once per interval.
    fn tell_metered(&mut self, name: &MeterName, turn: &mut Turn) {
        let now = turn.now.mono;
        let Some(meter) = self.meters.get_mut(name) else { return };
        let is_due =
            meter.told.is_none_or(|told| now.since_ms(told) >= meter.config.report_interval_ms);
        let Some((values, _)) = meter.good.filter(|_| is_due) else { return };
        meter.told = Some(now);
        let measures = meter.config.measures;
        self.tell_values(measures, values, turn);
    }

    /// Tells the uplinks the newest values again, because one has asked for them.
    pub(super) fn metered_again(&mut self, connector: Option<ConnectorNo>, turn: &mut Turn) {
        let now = turn.now.mono;
        let is_wanted = |meter: &&Meter| {
            connector.is_none_or(|no| meter.config.measures == Measures::Connector(no))
                && meter.quality(now) == Quality::Good
        };
        let known: Vec<(Measures, Values)> = self
            .meters
            .by_name
            .values()
            .filter(is_wanted)
            .filter_map(|meter| Some((meter.config.measures, meter.good?.0)))
            .collect();
        for (measures, values) in known {
            self.tell_values(measures, values, turn);
        }
    }

    fn tell_values(&mut self, measures: Measures, values: Values, turn: &mut Turn) {
        let Some(place) = self.metered_place(measures) else { return };
        for link in self.stations_mut() {
            link.tell(turn, UplinkMessage::Metered { place, values }, Urgency::Telemetry);
        }
    }

    /// `None`: a connector that no pile has.
    fn metered_place(&self, measures: Measures) -> Option<MeteredPlace> {
        match measures {
            Measures::Site => Some(MeteredPlace::Site),
            Measures::Connector(connector) => {
                let (pile, _) = self.config.place(connector)?;
                let order = self.book.open_at(connector).map(|order| order.id);
                Some(MeteredPlace::Connector { pile, connector, order })
            }
        }
    }

    /// Notices meters that fell silent.
    pub(super) fn watch_meters(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        self.alarms.log_rest(now);
        for (name, meter) in &mut self.meters.by_name {
            if meter.is_overdue || now.since_ms(meter.heard) < meter.config.stale_after_ms {
                continue;
            }
            meter.is_overdue = true;
            let seconds = meter.config.stale_after_ms.div_ceil(1000);
            let why = if meter.fault.is_empty() { "nothing came" } else { &meter.fault };
            let text = format!("meter {name} has given no values for {seconds} s: {why}");
            self.alarms.raise(AlarmKind::MeterSilent(name.clone()), turn.stamp(), text);
        }
    }

    /// An operator says that a meter was replaced: its next reading is its first.
    pub(super) fn meter_replaced(
        &mut self,
        name: &MeterName,
        turn: &mut Turn,
    ) -> Result<String, String> {
        let meter = self.meters.get_mut(name).ok_or("no such meter in the config")?;
        let old = meter.last.take().and_then(|last| last.energy_import);
        let at = turn.stamp();
        (meter.good, meter.flaw, meter.kept) = (None, None, None);
        meter.replaced = Some(at);
        turn.remember(Entry::MeterReplaced { meter: name.clone(), old, at });
        self.drop_metering_of(name, turn);
        self.alarms.clear(&AlarmKind::MeterImplausible(name.clone()));
        turn.order(Command::ReadMeter { meter: name.clone() });
        let old = old.map_or("no reading".to_owned(), |old| old.to_string());
        Ok(format!("meter {name} ended with {old}; its next reading is its first"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{quantity::Energy, time::Wall};

    fn at(ms: u64) -> Stamp {
        Stamp { boot: BootId(1), mono: Mono(ms), wall: Wall::default() }
    }

    #[test]
    fn a_register_that_is_missing_is_not_judged_and_not_forgotten() {
        let config = MeterConfig {
            name: MeterName::new("M1").expect("a name"),
            measures: Measures::Site,
            stale_after_ms: 5_000,
            max_power_w: 100_000,
            tolerance_permille: 30,
            tolerance: Energy::from_wh(100),
            report_interval_ms: 60_000,
        };
        let mut meter = Meter::new(config, KeptMeter::default(), Mono(0));
        let says = |import: Option<u64>, export: Option<u64>| Values {
            energy_import: import.map(Energy::from_wh),
            energy_export: export.map(Energy::from_wh),
            ..Values::default()
        };
        assert_eq!(meter.quality(Mono(0)), Quality::Bad);
        assert!(meter.take(says(Some(10), Some(7)), at(1_000)).is_ok());
        assert!(meter.take(says(Some(11), None), at(2_000)).is_ok());
        assert_eq!(meter.quality(Mono(2_000)), Quality::Good);
        assert!(meter.take(says(Some(12), Some(6)), at(3_000)).is_err());
        assert_eq!(meter.quality(Mono(3_000)), Quality::Implausible);
        assert!(meter.take(says(Some(12), Some(7)), at(4_000)).is_ok());
        assert_eq!(meter.quality(Mono(9_000)), Quality::Stale);
    }
}
