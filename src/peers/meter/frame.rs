//! What is common to the framings.

use super::{mbap, rtu};

/// How requests and answers are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// With a check sum: on RS-485, or through a converter that passes on what comes.
    Rtu,
    /// As Modbus TCP.
    Tcp,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Address of the slave, or unit.
    pub address: u8,
    /// What an answer over Modbus TCP repeats; 0 over RTU.
    pub transaction: u16,
    /// Function and what follows it.
    pub pdu: Vec<u8>,
}

impl Framing {
    /// Takes the next request off the front of what came.
    pub(super) fn take(self, inlet: &mut Vec<u8>) -> Option<Asked> {
        match self {
            Self::Rtu => rtu::take(inlet),
            Self::Tcp => mbap::take(inlet),
        }
    }

    /// A frame that belongs to a request.
    pub(super) fn frame(self, asked: &Asked, address: u8, pdu: &[u8]) -> Vec<u8> {
        match self {
            Self::Rtu => rtu::frame(address, pdu),
            Self::Tcp => mbap::frame(asked.transaction, address, pdu),
        }
    }
}
