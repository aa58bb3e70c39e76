//! A slave on a bus.

use crate::{domain::id::MeterName, protocol::modbus::Block};

/// A slave on a bus, and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slave {
    /// The meter.
    pub meter: MeterName,
    /// Its address on the bus.
    pub address: u8,
    /// From the begin of a reading to the begin of the next.
    pub interval_ms: u32,
    /// Silence it wants before each request; 0: what the bus has anyway.
    pub silence_us: u32,
    /// The registers to read, one block for what must not be cut.
    pub wanted: Vec<Block>,
    /// What one request may span.
    pub limits: Limits,
}

/// What one request to a slave may span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most registers.
    pub max_registers: u16,
    /// The most registers in a row that nobody wants.
    pub max_gap: u16,
    /// Registers that no request reaches over.
    pub unreadable: Vec<Block>,
}
