//! Registers of meters: what to read, and what the words mean; pure. Requests and answers are
//! framed by `tokio-modbus`, in the room `serial`.

pub mod readout;

pub use readout::{Block, Readout, Table};
