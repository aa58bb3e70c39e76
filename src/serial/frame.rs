//! Whether the bytes that came are exactly one answer to a request; pure.

use crate::{domain::reading::ReadFault, protocol::modbus::Block};

/// How frames look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Address, function, data, check sum.
    Rtu,
    /// Header with number and length, then function and data.
    Mbap,
}

/// Bytes of a header of Modbus TCP: number, protocol, length and unit.
const MBAP: usize = 7;

/// The answer has this bit beside the function's when it is an exception.
const EXCEPTION: u8 = 0x80;

/// What an exchange was about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub address: u8,
    pub block: Block,
    /// The request's bytes.
    pub sent: &'a [u8],
}

/// The words of the answer, if the bytes heard are that and nothing else.
pub(super) fn judge(look: Look, asked: Asked<'_>, heard: &[u8]) -> Result<Vec<u16>, ReadFault> {
    if heard.is_empty() {
        return Err(ReadFault::NoAnswer);
    }
    match look {
        Look::Rtu => {
            let data = checked(heard).ok_or(ReadFault::Damaged)?;
            let (address, pdu) = data.split_first().ok_or(ReadFault::Damaged)?;
            meaning(asked, *address, pdu)
        }
        Look::Mbap => {
            let (header, pdu) = heard.split_at_checked(MBAP).ok_or(ReadFault::Damaged)?;
            let &[high, low, 0, 0, long, length, unit] = header else {
                return Err(ReadFault::Damaged);
            };
            // The length counts the unit.
            if usize::from(u16::from_be_bytes([long, length])) != pdu.len() + 1 {
                return Err(ReadFault::Damaged);
            }
            if asked.sent.get(..2) != Some(&[high, low]) {
                return Err(ReadFault::Stray);
            }
            meaning(asked, unit, pdu)
        }
    }
}

/// What a whole frame says to the request.
fn meaning(asked: Asked<'_>, address: u8, pdu: &[u8]) -> Result<Vec<u16>, ReadFault> {
    let function = asked.block.table.function();
    let (&said, data) = pdu.split_first().ok_or(ReadFault::Damaged)?;
    if address != asked.address || said & !EXCEPTION != function {
        return Err(ReadFault::Stray);
    }
    if said != function {
        return Err(match data {
            [code] => ReadFault::Refused(*code),
            _ => ReadFault::Damaged,
        });
    }
    let (&bytes, words) = data.split_first().ok_or(ReadFault::Damaged)?;
    if usize::from(bytes) != words.len() || bytes % 2 != 0 {
        return Err(ReadFault::Damaged);
    }
    if words.len() != 2 * usize::from(asked.block.count) {
        return Err(ReadFault::Stray);
    }
    Ok(words.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect())
}

/// Bytes in front of what a client of frames may see: none, or the request itself where the line
/// gives it back. `None` as long as that is open.
pub(super) fn echo(look: Look, asked: Asked<'_>, heard: &[u8]) -> Option<usize> {
    let sent = asked.sent;
    let common = heard.iter().zip(sent).take_while(|(heard, sent)| heard == sent).count();
    if look == Look::Mbap || common < heard.len().min(sent.len()) {
        return Some(0);
    }
    if heard.len() < sent.len() {
        // A whole answer may be shorter than the request and begin like it.
        return judge(look, asked, heard).is_ok().then_some(0);
    }
    // An answer that is one byte longer than the request may begin with the same bytes.
    let answer = sent.len() + 1;
    let is_answer = heard.get(..answer).is_some_and(|heard| judge(look, asked, heard).is_ok());
    Some(if is_answer { 0 } else { sent.len() })
}

/// The bytes in front of a right check sum.
fn checked(frame: &[u8]) -> Option<&[u8]> {
    let (data, sum) = frame.split_last_chunk::<2>()?;
    (crc(data) == u16::from_le_bytes(*sum)).then_some(data)
}

/// CRC-16 of Modbus, bit by bit: a frame has at most 256 bytes, and a line takes longer for one
/// of them than this for all.
fn crc(data: &[u8]) -> u16 {
    data.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::modbus::Table;

    fn framed(bytes: &[u8]) -> Vec<u8> {
        [bytes, &crc(bytes).to_le_bytes()].concat()
    }

    fn block(start: u16, count: u16) -> Block {
        Block { table: Table::Holding, start, count }
    }

    fn request(address: u8, block: Block) -> Vec<u8> {
        let [start, count] = [block.start.to_be_bytes(), block.count.to_be_bytes()];
        framed(&[address, block.table.function(), start[0], start[1], count[0], count[1]])
    }

    /// What slave 1's two registers from 0 are, if that is what came.
    fn check(heard: &[u8]) -> Result<Vec<u16>, ReadFault> {
        let block = block(0, 2);
        let sent = request(1, block);
        judge(Look::Rtu, Asked { address: 1, block, sent: &sent }, heard)
    }

    /// The example of the specification, V1.02 of the serial line, appendix B, has this sum.
    #[test]
    fn the_check_sum_is_that_of_the_specification() {
        assert_eq!(crc(&[0x02, 0x07]), 0x1241);
    }

    #[test]
    fn one_whole_answer_is_believed_and_nothing_else() {
        let right = framed(&[1, 3, 4, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(check(&right), Ok(vec![0x1234, 0x5678]));
        assert_eq!(check(&[]), Err(ReadFault::NoAnswer));
        assert_eq!(check(&framed(&[1, 0x83, 2])), Err(ReadFault::Refused(2)));
        for stray in [
            &[2, 3, 4, 0, 1, 0, 2][..],
            &[1, 4, 4, 0, 1, 0, 2],
            &[1, 3, 2, 0, 1],
            &[1, 3, 6, 0, 1, 0, 2, 0, 3],
            &[2, 0x83, 2],
            &[1, 0x84, 2],
        ] {
            assert_eq!(check(&framed(stray)), Err(ReadFault::Stray), "{stray:?}");
        }
        let noise = |before: &[u8], after: &[u8]| [before, &right, after].concat();
        for damaged in [
            right[..6].to_vec(),
            noise(&[0], &[]),
            noise(&[], &[0xFF]),
            noise(&right, &[]),
            framed(&[1, 3, 3, 0, 1, 0]),
            framed(&[1, 3, 4, 0, 1]),
            framed(&[1, 0x83]),
            framed(&[1]),
            vec![0],
        ] {
            assert_eq!(check(&damaged), Err(ReadFault::Damaged), "{damaged:?}");
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let right = framed(&[1, 3, 4, 0x12, 0x34, 0x56, 0x78]);
        for bit in 0..right.len() * 8 {
            let mut flipped = right.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(&flipped), Err(ReadFault::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn over_tcp_number_length_and_unit_must_be_the_requests() {
        let asked = Asked { address: 9, block: block(0, 1), sent: &[0, 7, 0, 0, 0, 6, 9] };
        let judged = |heard: &[u8]| judge(Look::Mbap, asked, heard);
        let right = [0, 7, 0, 0, 0, 5, 9, 3, 2, 0xAB, 0xCD];
        assert_eq!(judged(&right), Ok(vec![0xABCD]));
        assert_eq!(judged(&[0, 7, 0, 0, 0, 3, 9, 0x83, 6]), Err(ReadFault::Refused(6)));
        let but = |at: usize, byte| {
            let mut wrong = right;
            wrong[at] = byte;
            judged(&wrong)
        };
        assert_eq!(but(1, 6), Err(ReadFault::Stray));
        assert_eq!(but(6, 8), Err(ReadFault::Stray));
        assert_eq!(but(7, 4), Err(ReadFault::Stray));
        for at in [2, 5, 8] {
            assert_eq!(but(at, 6), Err(ReadFault::Damaged), "byte {at}");
        }
        assert_eq!(judged(&[&right[..], &right].concat()), Err(ReadFault::Damaged));
        assert_eq!(judged(&right[..5]), Err(ReadFault::Damaged));
    }

    #[test]
    fn an_echo_is_told_from_an_answer_that_begins_like_it() {
        let block = block(0x0400, 2);
        let sent = request(1, block);
        let asked = Asked { address: 1, block, sent: &sent };
        let seen = |heard: &[u8]| echo(Look::Rtu, asked, heard);
        assert_eq!(seen(&sent[..5]), None);
        assert_eq!(seen(&sent), Some(8));
        assert_eq!(seen(&[&sent[..], &[1, 3, 4]].concat()), Some(8));
        assert_eq!(seen(&[1, 3, 4, 0, 1]), Some(0));
        // Five bytes like the request's, then another one.
        assert_eq!(seen(&framed(&[1, 3, 4, 0, 0, 9, 9])), Some(0));
        // The request's eight bytes, and the ninth makes them a right answer.
        let alike = (0..=u8::MAX).flat_map(|address| (0..=u8::MAX).map(move |low| (address, low)));
        let found = alike.filter_map(|(address, low)| {
            let block = Block { start: u16::from_be_bytes([4, low]), ..block };
            let sent = request(address, block);
            let frame = framed(&sent[..7]);
            (frame[..8] == sent).then_some((address, block, sent, frame))
        });
        for (address, block, sent, frame) in found {
            let asked = Asked { address, block, sent: &sent };
            assert_eq!(echo(Look::Rtu, asked, &frame), Some(0));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged(heard: Vec<u8>, sent: Vec<u8>, address: u8, count: u8) {
            let block = block(0, count.into());
            for look in [Look::Rtu, Look::Mbap] {
                let asked = Asked { address, block, sent: &sent };
                let _ = judge(look, asked, &heard);
                let skipped = echo(look, asked, &heard).unwrap_or(0);
                assert!(skipped <= heard.len());
            }
        }
    }
}
