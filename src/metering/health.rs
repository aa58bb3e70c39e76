//! How a bus does.

use crate::{
    domain::{id::MeterName, reading::ReadFault},
    metering::time::Micros,
};

/// How a bus does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BusHealth {
    /// How much of the last minute the line was in use, silences and time-outs included.
    pub load_permille: u32,
    /// Bytes that came when nobody was asked.
    pub noise_bytes: u64,
    /// How often the line did not fall silent after a fault.
    pub babbles: u64,
    /// Why the port is gone, if it is.
    pub port_gone: Option<String>,
    /// The slaves in the order of the config.
    pub slaves: Vec<SlaveHealth>,
}

/// How a slave does; counts are since the bus began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlaveHealth {
    /// The meter.
    pub meter: MeterName,
    /// Its address.
    pub address: u8,
    /// Requests sent.
    pub requests: u64,
    /// Readings that are whole.
    pub rounds: u64,
    /// Requests that nothing answered in time.
    pub timeouts: u64,
    /// Answers that were no whole frames.
    pub damaged: u64,
    /// Whole answers to something else.
    pub strays: u64,
    /// Exceptions.
    pub refusals: u64,
    /// From handing a request to the port to the end of its answer, the last one.
    pub round_trip_us: u64,
    /// The same, smoothed: an eighth of each new one.
    pub smoothed_us: u64,
    /// Readings in a row that failed.
    pub failures: u32,
    /// Until when it is left alone, if it is.
    pub backed_off_until: Option<Micros>,
    /// When its last whole reading began.
    pub last_good: Option<Micros>,
    /// Values it says that it has not.
    pub unavailable: u32,
    /// What went wrong last.
    pub last_fault: Option<ReadFault>,
}
