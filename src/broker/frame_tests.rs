use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::broker::session::Message;

fn read_all(bytes: &[u8]) -> Result<Vec<Incoming>, Malformed> {
    let mut buffer = BytesMut::from(bytes);
    let mut packets = Vec::new();
    while let Some(packet) = read(&mut buffer, 1000)? {
        packets.push(packet);
    }
    Ok(packets)
}

fn refused(bytes: &[u8]) -> Malformed {
    read_all(bytes).expect_err("a malformed packet was taken")
}

#[test]
fn flags_and_lengths_are_checked_by_type() {
    // Reserved types, what only a server sends, wrong flags, wrong lengths.
    for bytes in [
        &[0x00, 0][..],
        &[0xf0, 0],
        &[0x20, 2, 0, 0],
        &[0x90, 3, 0, 1, 0],
        &[0xb0, 2, 0, 1],
        &[0xd0, 0],
        &[0x41, 2, 0, 1],
        &[0x40, 3, 0, 1, 0],
        &[0x60, 2, 0, 1],
        &[0x80, 6, 0, 1, 0, 1, 97, 0],
        &[0xa0, 5, 0, 1, 0, 1, 97],
        &[0xc0, 1, 0],
        &[0xe0, 1, 0],
        &[0x38, 3, 0, 1, b'a'],
        &[0x36, 5, 0, 1, 97, 0, 1],
        &[0x30, 0xff, 0xff, 0xff, 0xff],
    ] {
        assert!(matches!(refused(bytes), Malformed::Header(_)), "{bytes:02x?}");
    }
}

#[test]
fn contents_the_codec_lets_pass_are_refused() {
    assert_eq!(refused(&[0x40, 2, 0, 0]), Malformed::PacketId);
    assert_eq!(refused(&[0x32, 5, 0, 1, b'a', 0, 0]), Malformed::PacketId);
    assert_eq!(refused(&[0x82, 6, 0, 0, 0, 1, b'a', 0]), Malformed::PacketId);
    assert_eq!(refused(&[0xa2, 2, 0, 1]), Malformed::NoFilter);
    assert_eq!(refused(&[0x30, 3, 0, 1, b'#']), Malformed::Topic(FilterError::Wildcard));
    assert_eq!(refused(&[0x30, 3, 0, 0, b'x']), Malformed::Topic(FilterError::Empty));
    assert_eq!(refused(&[0x30, 3, 0, 1, 0xff]), Malformed::Utf8);
    assert_eq!(refused(&[0x30, 0xe9, 0x07]), Malformed::TooLong(1001));
    assert!(matches!(refused(&[0x82, 6, 0, 1, 0, 1, b'a', 3]), Malformed::Codec(_)));
    assert!(matches!(refused(&[0x82, 6, 0, 1, 0, 1, b'a', 0x40]), Malformed::Codec(_)));
    assert!(matches!(refused(&[0x82, 5, 0, 1, 0, 1, b'a']), Malformed::Codec(_)));
    assert!(matches!(refused(&[0x30, 3, 0, 9, b'a']), Malformed::Codec(_)));
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _either = read_all(&bytes);
    }

    #[test]
    fn a_packet_with_random_insides_is_taken_or_refused(
        first in prop::sample::select(vec![0x10_u8, 0x30, 0x32, 0x34, 0x3d, 0x82, 0xa2]),
        body in prop::collection::vec(0_u8..20, 0..100),
    ) {
        let mut bytes = vec![first, u8::try_from(body.len()).expect("below 100")];
        bytes.extend(body);
        let _either = read_all(&bytes);
    }

    #[test]
    fn a_written_publish_reads_the_same(
        topic in "[a-z/]{1,40}",
        payload in prop::collection::vec(any::<u8>(), 0..900),
        qos in 0_u8..3,
        id in 1..=u16::MAX,
        retain: bool,
        dup: bool,
        cut in 0_usize..900,
    ) {
        let message = Message {
            topic: topic.as_str().into(), payload: payload.clone().into(), qos, retain,
            expires: None, bound: false,
        };
        let id = if qos == 0 { 0 } else { id };
        let mut bytes = BytesMut::new();
        // DUP is for what can be acknowledged.
        let dup = dup && qos > 0;
        write(Transmit::Publish { id, dup, message }, &mut bytes);
        // In two pieces, as TCP may give it.
        let rest = bytes.split_off(cut.min(bytes.len() - 1));
        prop_assert!(read(&mut bytes, 1000).expect("good so far").is_none());
        bytes.unsplit(rest);
        match read(&mut bytes, 1000) {
            Ok(Some(Incoming::Publish(got))) => {
                prop_assert_eq!(got.topic, topic);
                prop_assert_eq!(got.payload, payload);
                prop_assert_eq!((got.qos, got.id, got.retain), (qos, id, retain));
            }
            other => panic!("{other:?}"),
        }
        prop_assert!(bytes.is_empty());
    }
}
