//! Bytes to messages to domain and back; pure. Only `protocol::x` knows wire `x`.

pub mod charger;
pub mod modbus;
