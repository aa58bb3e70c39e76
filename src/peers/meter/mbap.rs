//! Modbus TCP as a slave sees it: no check sum, but a transaction and a length before each PDU.

use super::frame::Asked;

/// Longest PDU of Modbus.
const PDU_BYTES_MAX: usize = 253;

/// Transaction, protocol, length and unit.
const HEADER: usize = 7;

/// A whole frame.
///
/// # Panics
/// If the PDU is longer than Modbus allows.
#[must_use]
pub fn frame(transaction: u16, address: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("a PDU has at most 253 bytes");
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.push(address);
    bytes.extend(pdu);
    bytes
}

/// Takes the next request off the front of what came; what cannot be Modbus is dropped whole, as
/// there is nothing to find the next frame by.
pub(super) fn take(inlet: &mut Vec<u8>) -> Option<Asked> {
    let header = *inlet.first_chunk::<HEADER>()?;
    let [t0, t1, p0, p1, l0, l1, address] = header;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    if (p0, p1) != (0, 0) || !(2..=PDU_BYTES_MAX + 1).contains(&length) {
        inlet.clear();
        return None;
    }
    let end = HEADER - 1 + length;
    if inlet.len() < end {
        return None;
    }
    let frame: Vec<u8> = inlet.drain(..end).collect();
    let pdu = frame[HEADER..].to_vec();
    Some(Asked { address, transaction: u16::from_be_bytes([t0, t1]), pdu })
}
