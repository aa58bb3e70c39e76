//! Bytes to messages to domain and back; pure. Only `protocol::x` knows wire `x`.

#[cfg(test)]
mod arbitrary;
pub mod charger;
mod decimal;
pub mod dialect;
pub mod ec;
pub mod jcpp;
pub mod modbus;
pub mod outline;
pub mod peaq;
mod print;
mod utc;
#[cfg(test)]
mod vectors;
