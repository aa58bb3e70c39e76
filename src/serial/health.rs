//! How a bus does, for whoever looks.

use std::sync::{Mutex, PoisonError};

use crate::domain::{id::MeterName, time::Mono};

/// What a bus has told last of itself; shared with those who show it.
#[derive(Debug, Default)]
pub struct Health(Mutex<BusStatus>);

impl Health {
    /// What it told last.
    #[must_use]
    pub fn get(&self) -> BusStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells.
    pub fn change(&self, change: impl FnOnce(&mut BusStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How a bus does.
#[derive(Debug, Clone, Default)]
pub struct BusStatus {
    /// Its port.
    pub port: PortState,
    /// How often the port was opened.
    pub opened: u64,
    /// What was counted of each meter's exchanges, in the order of the settings.
    pub meters: Vec<MeterStatus>,
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

/// The exchanges with one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterStatus {
    /// The meter.
    pub meter: MeterName,
    /// Its address.
    pub address: u8,
    /// What was counted.
    pub exchanges: Exchanges,
}

/// What was counted of the exchanges with a meter since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanges {
    /// Requests sent.
    pub asked: u64,
    /// Answers believed.
    pub answered: u64,
    /// Nothing came in time.
    pub no_answer: u64,
    /// Something came that is no whole answer.
    pub damaged: u64,
    /// An answer to another request came.
    pub stray: u64,
    /// Refused with an exception.
    pub refused: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes that came while its answer was awaited, echoes included.
    pub bytes_in: u64,
}
