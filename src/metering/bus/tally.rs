//! What is counted of a slave.

use crate::{
    domain::reading::ReadFault,
    metering::{bus::seat::Seat, health::SlaveHealth, time::Micros},
};

/// What is counted of a slave.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    requests: u64,
    rounds: u64,
    timeouts: u64,
    damaged: u64,
    strays: u64,
    refusals: u64,
    round_trip_us: u64,
    smoothed_us: u64,
    failures: u32,
    last_good: Option<Micros>,
    last_fault: Option<ReadFault>,
}

impl Tally {
    pub(super) const fn last_good(&self) -> Option<Micros> {
        self.last_good
    }

    pub(super) fn asked(&mut self) {
        self.requests += 1;
    }

    /// An answer came this long after its request.
    pub(super) fn answered(&mut self, us: u64) {
        self.round_trip_us = us;
        self.smoothed_us = if self.smoothed_us == 0 { us } else { (self.smoothed_us * 7 + us) / 8 };
    }

    pub(super) fn round(&mut self, began: Micros) {
        self.rounds += 1;
        self.failures = 0;
        self.last_good = Some(began);
    }

    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    pub(super) fn fault(&mut self, fault: &ReadFault) {
        match fault {
            ReadFault::NoAnswer => self.timeouts += 1,
            ReadFault::Damaged => self.damaged += 1,
            ReadFault::Stray => self.strays += 1,
            ReadFault::Refused(_) => self.refusals += 1,
            ReadFault::Unusable(_) | ReadFault::PortGone(_) => {}
        }
        self.last_fault = Some(fault.clone());
    }
}

/// How a slave does.
pub(super) fn health(seat: &Seat, now: Micros) -> SlaveHealth {
    let Tally { requests, rounds, timeouts, damaged, strays, refusals, .. } = seat.tally;
    SlaveHealth {
        meter: seat.slave.meter.clone(),
        address: seat.slave.address,
        requests,
        rounds,
        timeouts,
        damaged,
        strays,
        refusals,
        round_trip_us: seat.tally.round_trip_us,
        smoothed_us: seat.tally.smoothed_us,
        failures: seat.tally.failures,
        backed_off_until: seat.slot.backed_off(now),
        last_good: seat.tally.last_good,
        unavailable: u32::try_from(seat.unavailable()).unwrap_or(u32::MAX),
        last_fault: seat.tally.last_fault.clone(),
    }
}
