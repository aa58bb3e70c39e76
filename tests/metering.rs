//! The bus of meters, on a simulated line in virtual time.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "metering/faults.rs"]
mod faults;
#[path = "metering/islands.rs"]
mod islands;
#[path = "metering/wire.rs"]
mod wire;
