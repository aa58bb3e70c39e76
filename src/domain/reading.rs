//! What meters say.

use super::{
    id::{ConnectorNo, MeterName},
    quantity::Energy,
    time::{Mono, Stamp},
};

/// The values of one reading; `None`: the meter has no such register, or says that it has no value.
/// Values by phase stand in the order L1, L2, L3; those of a meter for direct current stand at L1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values {
    /// Taken from the grid since the meter was made.
    pub energy_import: Option<Energy>,
    /// Given back to the grid since the meter was made.
    pub energy_export: Option<Energy>,
    /// Active power in W; negative: towards the grid.
    pub power_w: Option<i64>,
    /// Active power by phase in W.
    pub phase_power_w: [Option<i64>; 3],
    /// Reactive power in var.
    pub reactive_var: Option<i64>,
    /// Voltage to neutral in 0.1 V.
    pub voltage_dv: [Option<u32>; 3],
    /// Current in 0.01 A; negative where the meter tells the direction.
    pub current_ca: [Option<i32>; 3],
    /// Frequency in 0.01 Hz.
    pub frequency_chz: Option<u32>,
    /// Power factor in 0.001, -1000 to 1000.
    pub power_factor_milli: Option<i32>,
}

/// How far the last values of a meter can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// Read a moment ago, and they can be.
    Good,
    /// They were good, and nothing newer came.
    Stale,
    /// Never read, or the meter answers with something that are no values.
    Bad,
    /// The newest values cannot be: an energy that fell, or grew by more than the rating allows.
    Implausible,
}

impl Quality {
    /// The name the outside knows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Stale => "stale",
            Self::Bad => "bad",
            Self::Implausible => "implausible",
        }
    }
}

/// What a meter measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measures {
    /// The whole site, at the point where it is connected to the grid.
    Site,
    /// One connector: the meter of record of its orders.
    Connector(ConnectorNo),
}

/// What a bus says of a meter after a round of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeterEvent {
    /// Every value was read.
    Read {
        /// The values.
        values: Values,
        /// When the first of the requests went out: no value is older.
        at: Mono,
    },
    /// It could not be read; whatever was read of it in this round is not used.
    Failed {
        /// Why.
        fault: ReadFault,
        /// When that was clear.
        at: Mono,
    },
}

/// Why a meter could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// Nothing came in time.
    #[error("no answer")]
    NoAnswer,
    /// Something came that is no whole answer: cut short, disturbed, or with noise around it.
    #[error("a damaged answer")]
    Damaged,
    /// A whole answer came that is not the answer to the request.
    #[error("an answer to another request")]
    Stray,
    /// The meter refused with an exception of Modbus.
    #[error("refused with exception {0}")]
    Refused(u8),
    /// The values make no sense, such as an energy below zero.
    #[error("unusable values: {0}")]
    Unusable(String),
    /// The port, or the connection, is not there.
    #[error("the port is gone: {0}")]
    PortGone(String),
}

/// The registers of a meter that only ever grow, as they were read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Import register, if the meter has one.
    pub energy_import: Option<Energy>,
    /// Export register, if the meter has one.
    pub energy_export: Option<Energy>,
    /// When they were read.
    pub at: Stamp,
}

/// A meter's energy at a moment, as an order keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Import register.
    pub energy: Energy,
    /// When it was read.
    pub at: Stamp,
}

/// What the meter of a connector says of an order, and what the pile says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metering {
    /// The meter.
    pub meter: MeterName,
    /// At the start; `None`: no good reading came in time, and the pile's values are billed.
    pub start: Option<Sample>,
    /// At the ends of the five-minute intervals that have passed, oldest first.
    pub curve: Vec<Sample>,
    /// At the end.
    pub stop: Option<Sample>,
    /// The pile's own reading at the start.
    pub pile_start: Option<Energy>,
    /// The pile's own reading at the end.
    pub pile_stop: Option<Energy>,
}

impl Metering {
    /// The readings to bill by, at the start and at the end: both, or the pile's are billed.
    #[must_use]
    pub fn billed(&self) -> Option<(Sample, Sample)> {
        self.start.zip(self.stop).filter(|(start, stop)| start.energy <= stop.energy)
    }

    /// All samples, in the order of time.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.start.iter().chain(&self.curve).chain(&self.stop)
    }

    /// All samples, in the order of time.
    pub fn samples_mut(&mut self) -> impl Iterator<Item = &mut Sample> {
        self.start.iter_mut().chain(&mut self.curve).chain(&mut self.stop)
    }
}
