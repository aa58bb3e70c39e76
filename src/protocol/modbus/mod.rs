//! Registers of meters: what to read, and what the words mean; pure. Requests and answers are
//! framed by `tokio-modbus`, in the room `serial`.
//!
//! A [`Profile`] says where a meter keeps which values. [`Profile::blocks`] are the registers to
//! read, [`Profile::values`] makes values of what was read, and [`Profile::image`] makes
//! registers of values, for simulated meters. Nothing is computed in floating point.

pub mod decimal;
pub mod image;
pub mod kind;
mod number;
pub mod profile;
pub mod quantity;
pub mod readout;
pub mod register;
#[cfg(test)]
mod tests;
mod told;
mod values;

pub use decimal::Decimal;
pub use image::Image;
pub use kind::{Kind, WordOrder};
pub use profile::{Identity, Parity, Profile, SerialDefaults};
pub use quantity::{FactorForm, Phase, Quantity};
pub use readout::{Block, Readout, Table};
pub use register::{Confidence, Exponent, Factor, Need, Register, Scale};
pub use told::Told;
