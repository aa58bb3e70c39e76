//! Metrics of meters and buses. Values are told only while they can be trusted: a scrape must
//! not show an old one as of now.

use std::time::Duration;

use super::{
    metrics::{Labels, Page},
    source::{BusFacts, Facts, SlaveFacts},
};
use crate::{
    domain::{
        quantity::Energy,
        reading::{Measures, Quality, Values},
    },
    site::snapshot::{MeterStatus, Snapshot},
};

const QUALITIES: [Quality; 4] = [Quality::Good, Quality::Stale, Quality::Bad, Quality::Implausible];

const PHASES: [&str; 3] = ["L1", "L2", "L3"];

/// Unit parts of a count, such as 0.1 V: the division is for people's charts only.
fn parts(count: impl Into<f64>, in_one: f64) -> f64 {
    count.into() / in_one
}

fn labels(meter: &MeterStatus) -> Labels {
    let measures = match meter.measures {
        Measures::Site => "site".to_owned(),
        Measures::Connector(connector) => format!("connector {connector}"),
    };
    vec![("meter", meter.name.to_string()), ("measures", measures)]
}

fn with(mut labels: Labels, key: &'static str, value: &str) -> Labels {
    labels.push((key, value.to_owned()));
    labels
}

impl Page<'_> {
    pub(super) fn meters(&mut self, snapshot: &Snapshot) {
        let all = || snapshot.meters.iter();
        let quality = all().flat_map(|meter| {
            QUALITIES.map(|quality| {
                let is_it = u64::from(meter.quality == quality);
                (with(labels(meter), "quality", quality.name()), is_it)
            })
        });
        self.gauges("meter_quality", "How far its values can be trusted", quality);
        let age = all().filter_map(|meter| {
            Some((labels(meter), Duration::from_millis(meter.age_ms?).as_secs_f64()))
        });
        self.measured("meter_age_seconds", "Age of its last good values", age);
        let good: Vec<_> = all()
            .filter(|meter| meter.quality == Quality::Good)
            .map(|meter| (labels(meter), meter.values))
            .collect();
        self.powers(&good);
        self.rest(&good);
    }

    fn powers(&mut self, good: &[(Labels, Values)]) {
        let each = || good.iter().cloned();
        let import = each().filter_map(|(to, v)| Some((to, v.energy_import.map(Energy::wh)?)));
        self.gauges("meter_energy_import_watt_hours", "Taken from the grid", import);
        let export = each().filter_map(|(to, v)| Some((to, v.energy_export.map(Energy::wh)?)));
        self.gauges("meter_energy_export_watt_hours", "Given back to the grid", export);
        let power = each().filter_map(|(to, v)| Some((to, v.power_w?)));
        self.levels("meter_power_watts", "Active power, negative towards the grid", power);
        let reactive = each().filter_map(|(to, v)| Some((to, v.reactive_var?)));
        self.levels("meter_reactive_power_vars", "Reactive power", reactive);
        let phases = by_phase(good, |v| v.phase_power_w);
        self.levels("meter_phase_power_watts", "Active power of a phase", phases);
    }

    fn rest(&mut self, good: &[(Labels, Values)]) {
        let each = || good.iter().cloned();
        let voltage = by_phase(good, |v| v.voltage_dv.map(|dv| Some(parts(dv?, 10.0))));
        self.measured("meter_voltage_volts", "Voltage to neutral", voltage);
        let current = by_phase(good, |v| v.current_ca.map(|ca| Some(parts(ca?, 100.0))));
        self.measured("meter_current_amperes", "Current", current);
        let hertz = each().filter_map(|(to, v)| Some((to, parts(v.frequency_chz?, 100.0))));
        self.measured("meter_frequency_hertz", "Frequency", hertz);
        let factor = each().filter_map(|(to, v)| Some((to, parts(v.power_factor_milli?, 1000.0))));
        self.measured("meter_power_factor", "Power factor", factor);
    }

    pub(super) fn buses(&mut self, facts: &Facts) {
        let all = || facts.buses.iter();
        let label = |bus: &BusFacts| vec![("bus", bus.name.to_string())];
        let open = all().map(|bus| (label(bus), u64::from(bus.state == "open")));
        self.gauges("bus_open", "Its port is open", open);
        let load = all().map(|bus| (label(bus), parts(bus.load_permille, 1000.0)));
        self.measured("bus_load_ratio", "Part of the last minute the line was in use", load);
        let opened = all().map(|bus| (label(bus), bus.opened));
        self.counters("bus_opens", "Times its port was opened", opened);
        let noise = all().map(|bus| (label(bus), bus.noise_bytes));
        self.counters("bus_noise_bytes", "Bytes that came when nobody was asked", noise);
        let babbles = all().map(|bus| (label(bus), bus.babbles));
        self.counters("bus_babbles", "Times it did not fall silent after a fault", babbles);
        self.slaves(facts);
    }

    fn slaves(&mut self, facts: &Facts) {
        let all = || {
            facts.buses.iter().flat_map(|bus| {
                let label = |slave: &SlaveFacts| {
                    vec![("bus", bus.name.to_string()), ("meter", slave.meter.to_string())]
                };
                bus.slaves.iter().map(move |slave| (label(slave), slave))
            })
        };
        type Count = fn(&SlaveFacts) -> u64;
        let counts: [(&str, &str, Count); 6] = [
            ("meter_requests", "Requests sent", |slave| slave.requests),
            ("meter_readings", "Whole readings", |slave| slave.readings),
            ("meter_timeouts", "Requests not answered in time", |slave| slave.timeouts),
            ("meter_answers_damaged", "Answers that were no whole frames", |slave| slave.damaged),
            ("meter_answers_stray", "Answers to something else", |slave| slave.strays),
            ("meter_refusals", "Exceptions", |slave| slave.refusals),
        ];
        for (name, help, count) in counts {
            self.counters(name, help, all().map(|(to, slave)| (to, count(slave))));
        }
        let trip = all().filter_map(|(to, slave)| {
            Some((to, Duration::from_micros(slave.round_trip_us?).as_secs_f64()))
        });
        self.measured("meter_round_trip_seconds", "From a request to its answer's end", trip);
        let backed_off = all().map(|(to, slave)| (to, u64::from(slave.backed_off_ms.is_some())));
        self.gauges("meter_backed_off", "It is left alone because it failed", backed_off);
    }
}

fn by_phase<T>(
    good: &[(Labels, Values)],
    get: impl Fn(&Values) -> [Option<T>; 3],
) -> Vec<(Labels, T)> {
    let each = good.iter().flat_map(|(labels, values)| {
        let phases = PHASES.into_iter().zip(get(values));
        phases.filter_map(|(phase, value)| Some((with(labels.clone(), "phase", phase), value?)))
    });
    each.collect()
}
