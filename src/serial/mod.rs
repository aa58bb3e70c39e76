//! Buses of meters: serial ports and connections, driven by what [`crate::metering`] decides.
//!
//! Each bus has a thread of its own, [`run`], because its silences are short and its requests
//! must not wait for anybody else. `tokio-modbus` frames requests and answers; what it hands over
//! is believed only when the bytes that came were exactly one answer to the request (decision
//! record 0018).

mod alarm;
mod diary;
mod drive;
mod frame;
mod health;
mod port;
mod probe;
mod settings;
mod shows;
mod tap;
mod wire;

pub use drive::run;
pub use health::{BusStatus, Health, PortState, Traffic};
pub use port::PortError;
pub use probe::Probe;
pub use settings::{Framing, MeterSettings, Order, Port, Rs485, Settings, Shown, TimeSource};
