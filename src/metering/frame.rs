//! Answers in what came off a serial line.

use crate::protocol::modbus::Table;

/// Bytes of an answer before its registers.
const HEAD: usize = 3;

/// Bytes of its checksum.
const CHECKSUM: usize = 2;

/// Whether a whole answer of so many registers is somewhere in these bytes.
#[must_use]
pub fn has_answer(heard: &[u8], address: u8, table: Table, count: u16) -> bool {
    let registers = usize::from(count) * 2;
    let Some(head) = head(address, table, count) else { return false };
    heard
        .windows(HEAD + registers + CHECKSUM)
        .any(|frame| frame.starts_with(&head) && checksum(frame) == 0)
}

/// Whether these bytes have the length and the head of such an answer, whatever their checksum.
#[must_use]
pub fn looks_like_answer(heard: &[u8], address: u8, table: Table, count: u16) -> bool {
    let length = HEAD + usize::from(count) * 2 + CHECKSUM;
    let head = head(address, table, count);
    heard.len() == length && head.is_some_and(|head| heard.starts_with(&head))
}

fn head(address: u8, table: Table, count: u16) -> Option<[u8; HEAD]> {
    let bytes = u8::try_from(u32::from(count) * 2).ok()?;
    Some([address, table.function(), bytes])
}

/// The checksum of Modbus over a serial line; 0 over a whole frame with its own.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    let shifted = |sum: u16, _| if sum & 1 == 0 { sum >> 1 } else { (sum >> 1) ^ 0xA001 };
    bytes.iter().fold(0xFFFF, |sum, byte| (0..8).fold(sum ^ u16::from(*byte), shifted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_noise_and_a_damaged_one_is_not() {
        // From the specification of Modbus over serial line: 02 07 has the checksum 41 12.
        assert_eq!(checksum(&[0x02, 0x07]).to_le_bytes(), [0x41, 0x12]);
        let mut frame = vec![7, 4, 4, 1, 2, 3, 4];
        frame.extend(checksum(&frame).to_le_bytes());
        let noisy = [&[0, 7, 4], &frame[..], &[9]].concat();
        assert!(has_answer(&noisy, 7, Table::Input, 2));
        assert!(!has_answer(&noisy, 8, Table::Input, 2));
        assert!(!has_answer(&noisy, 7, Table::Holding, 2));
        assert!(!has_answer(&noisy, 7, Table::Input, 1));
        frame[4] ^= 1;
        assert!(!has_answer(&frame, 7, Table::Input, 2));
    }
}
