//! What meters say: `meter M1: 1234.56 kWh power=7000`, `meter M1: silent`.

use sitepilot::{
    domain::{
        event::OperatorRequest,
        id::{ConnectorNo, MeterName},
        quantity::Energy,
        reading::{Measures, MeterEvent, Metering, ReadFault, Values},
        time::Mono,
    },
    site::{Input, MeterConfig, entry::Entry},
};

use super::World;
use crate::script::Line;

impl World {
    pub(super) fn meter(&mut self, name: &str, words: &[&str], line: &Line<'_>) {
        let meter = MeterName::new(name.trim_end_matches(':')).expect("a name");
        match words {
            ["measures", "site"] => self.configure(meter, Measures::Site, line),
            ["measures", connector] => {
                let connector = connector.parse().ok().and_then(ConnectorNo::new);
                self.configure(meter, Measures::Connector(connector.expect("a number")), line);
            }
            ["removed"] => self.meters.retain(|known| known.name != meter),
            ["replaced"] => {
                let request = OperatorRequest::MeterReplaced { meter };
                self.step(Input::Operator { ticket: 2, request, known: Vec::new() });
            }
            what => {
                let event = self.said(what, line);
                self.step(Input::Meter { meter, event });
            }
        }
    }

    fn configure(&mut self, name: MeterName, measures: Measures, line: &Line<'_>) {
        self.meters.retain(|known| known.name != name);
        self.meters.push(MeterConfig {
            name,
            measures,
            stale_after_ms: 5_000,
            max_power_w: line.number("max").unwrap_or(350_000),
            tolerance_permille: 30,
            tolerance: Energy::from_wh(100),
            report_interval_ms: 60_000,
        });
    }

    /// Readings never fall without a replacement, whatever is restarted in between.
    pub(super) fn watch_meters(&mut self, entry: &Entry) {
        match entry {
            Entry::MeterReplaced { meter, .. } => {
                self.shown.remove(meter);
            }
            Entry::MeterKept { meter, reading } | Entry::MeterBegun { meter, reading } => {
                let energy = reading.energy_import.expect("an energy");
                self.watch(meter.clone(), energy);
            }
            Entry::SampleKept { seq, sample, .. } => {
                self.watch(self.metered[seq].clone(), sample.energy);
            }
            Entry::OrderOpened(order) => {
                let Some(metering) = &order.metering else { return };
                self.metered.insert(order.seq, metering.meter.clone());
                if let Some(start) = metering.start {
                    self.watch(metering.meter.clone(), start.energy);
                }
            }
            Entry::OrderRecorded(order) => {
                let samples: Vec<_> = order.metering.iter().flat_map(Metering::samples).collect();
                assert!(samples.is_sorted_by_key(|sample| sample.energy), "{samples:?}");
            }
            _ => {}
        }
    }

    fn watch(&mut self, meter: MeterName, energy: Energy) {
        let before = self.shown.insert(meter.clone(), energy);
        assert!(before.is_none_or(|before| before <= energy), "{meter} fell to {energy}");
    }

    /// `age=200`: the round began so many ms ago.
    fn said(&self, words: &[&str], line: &Line<'_>) -> MeterEvent {
        let at = Mono(self.mono_ms.saturating_sub(line.number("age").unwrap_or(0)));
        let fault = match words {
            ["silent"] => ReadFault::NoAnswer,
            ["unusable"] => ReadFault::Unusable("energy below zero".to_owned()),
            [energy, "kWh"] => {
                let values = Values {
                    energy_import: Some(kwh(energy)),
                    energy_export: line.text("export").map(kwh),
                    power_w: line.number("power"),
                    ..Values::default()
                };
                return MeterEvent::Read { values, at };
            }
            other => panic!("meters do not say {other:?}"),
        };
        MeterEvent::Failed { fault, at }
    }

    pub(super) fn show_meters(&mut self) {
        let snapshot = self.site.as_ref().expect("running").snapshot(self.now());
        for meter in &snapshot.meters {
            let energy = meter.values.energy_import;
            let energy = energy.map_or("-".to_owned(), |energy| format!("{} Wh", energy.wh()));
            let age = meter.age_ms.map_or("never".to_owned(), |ms| format!("{ms} ms"));
            let (name, quality) = (&meter.name, meter.quality.name());
            self.transcript.push(format!("    ~ {name} {quality} {energy} {age} {}", meter.fault));
        }
    }
}

/// kWh with at most three places, in Wh.
fn kwh(text: &str) -> Energy {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    assert!(part.len() <= 3, "{text}: a meter counts whole Wh");
    let wh: u64 = format!("{whole}{part:0<3}").parse().expect("kWh");
    Energy::from_wh(wh)
}
