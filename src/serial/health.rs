//! How a bus does, for whoever looks.

use std::sync::{Mutex, PoisonError};

use super::{settings::MeterSettings, wire::Exchanged};
use crate::{
    domain::{id::MeterName, time::Mono},
    metering::BusHealth,
};

/// What a bus has told last of itself; shared with those who show it.
#[derive(Debug, Default)]
pub struct Health(Mutex<BusStatus>);

impl Health {
    /// What it told last.
    #[must_use]
    pub fn get(&self) -> BusStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut BusStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Nothing is counted yet.
    pub(super) fn begin(&self, meters: &[MeterSettings]) {
        let traffic = |settings: &MeterSettings| Traffic {
            meter: settings.name.clone(),
            address: settings.address,
            bytes_out: 0,
            bytes_in: 0,
        };
        self.change(|status| status.traffic = meters.iter().map(traffic).collect());
    }

    /// Counts an exchange with a meter.
    pub(super) fn count(&self, meter: &MeterName, exchanged: &Exchanged) {
        self.change(|status| {
            for traffic in status.traffic.iter_mut().filter(|traffic| traffic.meter == *meter) {
                traffic.bytes_out += bytes(exchanged.bytes_out);
                traffic.bytes_in += bytes(exchanged.heard.len());
            }
        });
    }
}

/// How a bus does.
#[derive(Debug, Clone, Default)]
pub struct BusStatus {
    /// Its port.
    pub port: PortState,
    /// How often the port was opened.
    pub opened: u64,
    /// What the schedule says of itself and its slaves, as of the last reading.
    pub bus: BusHealth,
    /// What passed between it and each meter, in the order of the settings.
    pub traffic: Vec<Traffic>,
}

/// Whether the port is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PortState {
    /// Not tried yet.
    #[default]
    Opening,
    /// It is.
    Open,
    /// It is not.
    Gone {
        /// Why.
        why: String,
        /// Since when.
        since: Mono,
    },
    /// Another program uses it.
    Lent {
        /// When it is taken back unasked.
        until: Mono,
    },
}

/// What passed between the bus and one meter since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// The meter.
    pub meter: MeterName,
    /// Its address.
    pub address: u8,
    /// Bytes of requests.
    pub bytes_out: u64,
    /// Bytes that came while its answer was awaited, echoes included.
    pub bytes_in: u64,
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
