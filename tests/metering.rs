//! The bus of meters, on a simulated line in virtual time.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "metering/faults.rs"]
mod faults;
#[path = "metering/islands.rs"]
mod islands;
#[path = "metering/limit.rs"]
mod limit;
#[path = "metering/planner.rs"]
mod planner;
#[path = "metering/schedule.rs"]
mod schedule;
#[path = "metering/wire.rs"]
mod wire;
