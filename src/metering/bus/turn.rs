//! What a bus wants done, and what it is told.

use crate::{
    domain::{id::MeterName, reading::ReadFault},
    metering::time::Micros,
    protocol::modbus::{Block, Readout},
};

/// What is to be done on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send a request.
    Ask(Ask),
    /// Take what comes off the line until then, and tell each piece to [`super::Bus::heard`];
    /// after each piece, and then, ask what is next.
    Listen {
        /// Until when, if nothing comes.
        until: Micros,
    },
    /// Nothing is due.
    Wait {
        /// Until when.
        until: Micros,
    },
}

/// A request. It stands until [`super::Bus::sent`] is called: if something comes before it is
/// sent, it is told to [`super::Bus::heard`], and the bus is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The meter.
    pub meter: MeterName,
    /// Its address.
    pub address: u8,
    /// What to read.
    pub block: Block,
    /// Before this the line has not been silent long enough.
    pub not_before: Micros,
    /// How long after it is handed to the port the end of the answer is awaited: the request's
    /// own time on the wire, the time-out, and the answer's time on the wire.
    pub patience_us: u64,
    /// How long the line is listened to after the answer before that is believed, in case another
    /// one follows.
    pub linger_us: u64,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Exactly one whole answer to it, and nothing else.
    Words(Vec<u16>),
    /// Anything else.
    Fault(ReadFault),
}

/// What came of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All was read that the meter has; the moment is when the first request went out.
    Round(MeterName, Readout, Micros),
    /// It failed, at that moment.
    Failed(MeterName, ReadFault, Micros),
}
