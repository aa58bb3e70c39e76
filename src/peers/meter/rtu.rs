//! Modbus RTU as a slave sees it; written apart from the codec of the room `serial`, so that the
//! two can be held against each other.

use super::frame::Asked;

/// Address and check sum around a PDU.
const AROUND: usize = 3;

/// Length of a request to read registers, or to write one: address, function, two words, sum.
const SHORT: usize = 8;

/// The check sum of Modbus RTU, sent with its low byte first.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc: u16, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 }
        })
    })
}

/// A whole frame.
#[must_use]
pub fn frame(address: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = vec![address];
    bytes.extend(pdu);
    bytes.extend(crc16(&bytes).to_le_bytes());
    bytes
}

/// Takes the next request off the front of what came; bytes that begin none are dropped.
pub(super) fn take(inlet: &mut Vec<u8>) -> Option<Asked> {
    while inlet.len() > AROUND {
        let whole = length(inlet).filter(|length| is_whole(inlet.get(..*length)));
        if let Some(length) = whole {
            let frame: Vec<u8> = inlet.drain(..length).collect();
            let pdu = frame[1..length - 2].to_vec();
            return Some(Asked { address: frame[0], transaction: 0, pdu });
        }
        if !may_still_come(inlet) {
            inlet.remove(0);
        } else {
            return None;
        }
    }
    None
}

/// Length of the request that may stand at the front. A function that nobody here knows has the
/// length of all that came.
fn length(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        1..=6 => Some(SHORT),
        // To write several: address, function, start, count, and so many bytes.
        15 | 16 => bytes.get(6).map(|count| 9 + usize::from(*count)),
        _ => Some(bytes.len()),
    }
}

fn is_whole(frame: Option<&[u8]>) -> bool {
    let Some((bytes, sum)) = frame.and_then(|frame| frame.split_last_chunk::<2>()) else {
        return false;
    };
    crc16(bytes) == u16::from_le_bytes(*sum)
}

/// Whether the rest of a request may be on its way.
fn may_still_come(bytes: &[u8]) -> bool {
    match bytes.get(1) {
        Some(1..=6) => bytes.len() < SHORT,
        Some(15 | 16) => length(bytes).is_none_or(|length| bytes.len() < length),
        // It came whole or not at all: nothing says how long it is.
        Some(_) | None => false,
    }
}
