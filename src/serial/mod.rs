//! Buses of meters: serial ports and connections, driven by what [`crate::metering`] decides.
//!
//! Each bus has a thread of its own, because its silences are short and its requests
//! must not wait for anybody else. `tokio-modbus` frames requests and answers; what it hands over
//! is believed only when the bytes that came were exactly one answer to the request (decision
//! record 0018).

mod health;
mod settings;

pub use health::{BusStatus, Exchanges, Health, MeterStatus, PortState};
pub use settings::{Framing, MeterSettings, Order, Port, Rs485, Settings, Shown, TimeSource};
