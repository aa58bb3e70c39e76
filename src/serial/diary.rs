//! What a bus logs: the begin and the end of an outage, and not too often.

use std::collections::BTreeMap;

use tracing::{debug, info, warn};

use crate::domain::{
    id::{BusName, MeterName},
    reading::ReadFault,
    time::Mono,
};

/// A meter is out after that many rounds without values; a single disturbed frame is nobody's
/// business.
const ROUNDS: u32 = 3;

/// An outage that begins sooner than this after the last one that was told is not told: a loose
/// contact must not fill a flash memory.
const PAUSE_MS: u64 = 10 * 60_000;

/// One thing that may be out.
#[derive(Debug, Default)]
struct Outage {
    /// Failures in a row.
    failures: u32,
    /// When the last one was told that was told.
    told: Option<Mono>,
    /// Since when, if it is under way and was told.
    since: Option<Mono>,
}

impl Outage {
    /// Whether an outage that begins here is to be told.
    fn fails(&mut self, after: u32, now: Mono) -> bool {
        self.failures = self.failures.saturating_add(1);
        let is_due = self.told.is_none_or(|told| now.since_ms(told) >= PAUSE_MS);
        let begins = self.failures >= after && self.since.is_none() && is_due;
        if begins {
            (self.told, self.since) = (Some(now), Some(now));
        }
        begins
    }

    /// How many seconds an outage lasted that ends here and was told.
    fn ends(&mut self, now: Mono) -> Option<u64> {
        self.failures = 0;
        self.since.take().map(|since| now.since_ms(since) / 1000)
    }
}

/// The diary of one bus.
#[derive(Debug)]
pub(super) struct Diary {
    bus: BusName,
    port: String,
    outage: Outage,
    /// One for each meter of the bus.
    meters: BTreeMap<MeterName, Outage>,
}

impl Diary {
    pub(super) fn new(bus: BusName, port: String) -> Self {
        Self { bus, port, outage: Outage::default(), meters: BTreeMap::new() }
    }

    /// The port was opened.
    pub(super) fn opened(&mut self, now: Mono) {
        let Self { bus, port, .. } = self;
        match self.outage.ends(now) {
            Some(seconds) => info!(%bus, port, seconds, "bus is back"),
            None => debug!(%bus, port, "port opened"),
        }
    }

    /// The port is gone, or was not there.
    pub(super) fn lost(&mut self, why: &str, now: Mono) {
        let Self { bus, port, .. } = self;
        if self.outage.fails(1, now) {
            warn!(%bus, port, reason = why, "bus is out");
        } else {
            debug!(%bus, port, reason = why, "port cannot be used");
        }
    }

    /// A round of requests to a meter is over.
    pub(super) fn read(&mut self, meter: &MeterName, fault: Option<&ReadFault>, now: Mono) {
        let bus = &self.bus;
        let outage = self.meters.entry(meter.clone()).or_default();
        match fault {
            None => {
                if let Some(seconds) = outage.ends(now) {
                    info!(%bus, %meter, seconds, "meter is back");
                }
            }
            // That was told of the port.
            Some(ReadFault::PortGone(_)) => {}
            Some(fault) => {
                if outage.fails(ROUNDS, now) {
                    warn!(%bus, %meter, reason = %fault, "meter is out");
                } else {
                    debug!(%bus, %meter, reason = %fault, "meter was not read");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_begin_and_its_end() {
        let mut outage = Outage::default();
        let told = [0, 1, 2, 3, 4].map(|s| outage.fails(ROUNDS, Mono(s * 1000)));
        assert_eq!(told, [false, false, true, false, false]);
        assert_eq!(outage.ends(Mono(9000)), Some(7));
        assert_eq!(outage.ends(Mono(9500)), None);
    }

    #[test]
    fn a_loose_contact_is_told_once_in_ten_minutes() {
        let mut outage = Outage::default();
        let hour = 0..3600;
        let told = hour.filter(|s| {
            let now = Mono(s * 1000);
            let told = outage.fails(1, now);
            outage.ends(now);
            told
        });
        assert_eq!(told.count(), 6);
    }
}
