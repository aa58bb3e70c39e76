//! A bus of meters with faults on its line: the room `serial` as it is, on pseudo-terminals and by
//! TCP, with slaves whose every register tells whose it is and of when.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "bus_faults/named.rs"]
mod named;
#[path = "bus_faults/random.rs"]
mod random;
#[path = "bus_faults/registers.rs"]
mod registers;
#[path = "bus_faults/slave.rs"]
mod slave;
#[path = "bus_faults/world.rs"]
mod world;
