//! EC TCP, version 1.0 of 2016: the controller is the gate that connects to a server.

mod body;
mod carried;
mod faults;
pub mod frame;
pub mod message;
pub mod points;
pub mod readable;
pub mod realtime;
mod record;
pub mod session;
#[cfg(test)]
mod tests;

pub use record::freeze;

/// What counts as the delivery of a record; nobody answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// The server's kernel has acknowledged its last byte.
    Tcp,
    /// In addition, two heartbeats of the server came afterwards, at least a round trip apart.
    Heartbeat,
}

/// Settings of an uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Number of the organisation.
    pub organisation: u32,
    /// The gate sends a heartbeat when it has sent nothing for that long, in ms.
    pub heartbeat_ms: u64,
    /// Between two messages with the values of a connector, in ms.
    pub realtime_ms: u64,
    /// What counts as delivered.
    pub confirm: Confirm,
    /// Records confirmed within this time before the link broke are sent once more, in ms.
    pub resend_ms: u64,
    /// The total amount of a record includes the service fee.
    pub amount_includes_service: bool,
}
