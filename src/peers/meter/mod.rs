//! Simulated meters: slaves of Modbus that count what flows through them, with faults to switch
//! on.
//!
//! A [`Slave`] is pure: a request and the moment in, frames and when they go out. [`Meters`] are
//! the slaves of one line as others hold them; what stands in their registers a profile says, and
//! the framings are their own. [`pty`] serves them on a pseudo-terminal, [`serve`]
//! on a serial port or by TCP.

mod fault;
mod frame;
mod line;
mod load;
pub mod mbap;
pub mod pty;
pub mod rtu;
pub mod serve;
mod slave;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Lasting};
pub use frame::Framing;
pub use line::{Meters, Wire};
pub use load::{Load, Step};
pub use slave::{Exchange, Flow, Slave};
