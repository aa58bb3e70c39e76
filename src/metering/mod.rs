//! Which meter of a bus is asked next, for which registers, and when; pure.
//!
//! A bus has one owner, and one request is under way at a time. [`bus::Bus`] decides and never
//! touches a port: the room `serial` asks it what to do, does it, and tells it what came of it.

pub mod bus;
mod debt;
mod frame;
pub mod health;
pub mod line;
mod load;
mod order;
pub mod plan;
mod refusals;
pub mod slave;
mod slot;
pub mod time;

pub use bus::{Answer, Ask, Bus, Next, Outcome};
pub use health::{BusHealth, SlaveHealth};
pub use line::Line;
pub use slave::{Limits, Slave};
pub use time::Micros;
