//! The outline of a message of Protocol Buffers: its fields, whatever they mean.

use prost::encoding::{DecodeContext, decode_key, skip_field};

/// Where bytes stop being fields: the first byte of what is none. `None`: they are fields to their
/// end, and what is wrong with them is inside of one.
#[must_use]
pub fn broken_at(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let skipped = decode_key(&mut rest)
            .and_then(|(tag, kind)| skip_field(kind, tag, &mut rest, DecodeContext::default()));
        if skipped.is_err() {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_fields_up_to_where_they_break() {
        // Field 2 = 7, field 3 = "ab".
        let whole = [0x10, 7, 0x1a, 2, b'a', b'b'];
        assert_eq!(broken_at(&whole), None);
        assert_eq!(broken_at(&[]), None);
        assert_eq!(broken_at(&whole[..5]), Some(2));
        assert_eq!(broken_at(&[&whole[..], &[0xff]].concat()), Some(6));
        assert_eq!(broken_at(&[0x07]), Some(0), "no kind of field has the number 7");
    }
}
