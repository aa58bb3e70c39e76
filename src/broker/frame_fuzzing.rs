//! Any bytes as packets: whole or in pieces they mean the same, and what is read can be written
//! and read again.

use bytes::BytesMut;

use super::{Incoming, Malformed, Publish, read, write};
use crate::broker::session::{Message, Transmit};

/// Below the largest that rumqttd's codec is trusted with elsewhere; small inputs reach it.
const LIMIT: usize = 4096;

/// Reads the bytes behind the first, which says how they are cut.
///
/// # Panics
///
/// If a promise is broken.
pub fn packet(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = read_all(stream, stream.len().max(1));
    let pieces = read_all(stream, usize::from(*cut % 16) + 1);
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"), "the pieces change the meaning");
    for packet in &whole.0 {
        if let Incoming::Publish(publish) = packet {
            check_again(publish);
        }
    }
}

fn read_all(stream: &[u8], piece: usize) -> (Vec<Incoming>, Option<Malformed>) {
    let (mut buffer, mut packets) = (BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match read(&mut buffer, LIMIT) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
        assert!(buffer.len() <= LIMIT + 5, "more is collected than one packet");
    }
    (packets, None)
}

fn check_again(publish: &Publish) {
    let message = Message {
        topic: publish.topic.as_str().into(),
        payload: publish.payload.clone(),
        qos: publish.qos,
        retain: publish.retain,
        expires: None,
        bound: false,
    };
    let mut buffer = BytesMut::new();
    write(Transmit::Publish { id: publish.id, dup: false, message }, &mut buffer);
    match read(&mut buffer, LIMIT) {
        Ok(Some(Incoming::Publish(again))) => {
            assert_eq!(format!("{again:?}"), format!("{publish:?}"));
        }
        other => panic!("written and not read again: {other:?}"),
    }
    assert!(buffer.is_empty());
}
