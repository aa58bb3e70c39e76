//! How buses and meters do, for the pages.

use std::collections::BTreeMap;

use super::{Buses, buses::Line};
use crate::{
    domain::{
        id::{BusName, MeterName},
        time::Mono,
    },
    metering::{SlaveHealth, time::Micros},
    serial::PortState,
    status::{BusFacts, MeterFacts, SlaveFacts},
};

impl Buses {
    /// The buses, by name; `now` in the two units of a bus.
    #[must_use]
    pub fn bus_facts(&self, now: (Mono, Micros)) -> Vec<BusFacts> {
        self.lines.iter().map(|(name, line)| line.facts(name, now)).collect()
    }

    /// What the site itself does not know of its meters.
    #[must_use]
    pub fn meter_facts(&self) -> BTreeMap<MeterName, MeterFacts> {
        let each = self.meters.iter().map(|(name, meter)| {
            let facts = MeterFacts {
                bus: meter.bus.clone(),
                address: meter.address,
                profile: meter.profile.name.clone(),
            };
            (name.clone(), facts)
        });
        each.collect()
    }
}

impl Line {
    fn facts(&self, name: &BusName, (mono, micros): (Mono, Micros)) -> BusFacts {
        let status = self.health.get();
        let (state, reason) = match &status.port {
            PortState::Opening => ("opening", String::new()),
            PortState::Open => ("open", String::new()),
            PortState::Gone { why, since } => {
                ("gone", format!("{why}, for {} s", mono.since_ms(*since) / 1000))
            }
            PortState::Lent { until } => {
                ("lent", format!("for {} s at most", until.since_ms(mono).div_ceil(1000)))
            }
        };
        BusFacts {
            name: name.clone(),
            port: self.port.clone(),
            state,
            reason,
            opened: status.opened,
            load_permille: status.bus.load_permille,
            noise_bytes: status.bus.noise_bytes,
            babbles: status.bus.babbles,
            slaves: status.bus.slaves.iter().map(|slave| slave_facts(slave, micros)).collect(),
        }
    }
}

fn slave_facts(slave: &SlaveHealth, now: Micros) -> SlaveFacts {
    SlaveFacts {
        meter: slave.meter.clone(),
        requests: slave.requests,
        readings: slave.rounds,
        timeouts: slave.timeouts,
        damaged: slave.damaged,
        strays: slave.strays,
        refusals: slave.refusals,
        round_trip_us: (slave.smoothed_us > 0).then_some(slave.smoothed_us),
        backed_off_ms: slave
            .backed_off_until
            .map(|until| until.since(now).div_ceil(1000))
            .filter(|ms| *ms > 0),
        last_good_age_ms: slave.last_good.map(|at| now.since(at) / 1000),
        unavailable: slave.unavailable,
        last_fault: slave.last_fault.as_ref().map(ToString::to_string),
    }
}
