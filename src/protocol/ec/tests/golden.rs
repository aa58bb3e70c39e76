//! Vectors made by Python: bytes to text, and the same bytes again.

use bytes::Bytes;

use super::frozen::{ended, settings};
use crate::{
    domain::id::OrderId,
    protocol::{
        ec::{
            frame::{Cutter, LENGTH_LIMIT},
            freeze,
            message::Message,
            readable,
        },
        vectors::{self, Vector, assert_texts},
    },
};

const VECTORS: &str = include_str!("../../../../tests/golden/ec.txt");

fn all() -> Vec<Vector> {
    let vectors = vectors::vectors(VECTORS);
    assert!(vectors.len() > 12, "the file is cut: {} vectors", vectors.len());
    vectors
}

pub fn vector(name: &str) -> Bytes {
    vectors::vector(VECTORS, name)
}

#[test]
fn bytes_read_as_their_text() {
    assert_texts(VECTORS, readable::decode);
}

#[test]
fn messages_are_written_as_they_were_read() {
    let mut written = 0;
    for vector in all() {
        let mut cutter = Cutter::new(LENGTH_LIMIT);
        cutter.push(&vector.bytes);
        while let Some(frame) = cutter.cut() {
            let whole = frame.encode().unwrap();
            assert!(contains(&vector.bytes, &whole), "{}", vector.name);
            let Some(message) = Message::decode(&frame).unwrap() else { continue };
            assert_eq!(message.encode().unwrap(), whole, "{}", vector.name);
            written += 1;
        }
    }
    assert!(written > 12, "{written} messages");
}

fn contains(stream: &[u8], frame: &[u8]) -> bool {
    stream.windows(frame.len()).any(|part| part == frame)
}

#[test]
fn an_order_is_written_as_python_writes_its_record() {
    let mut order = ended();
    order.id = OrderId::new("3101150012000001ABCDEFGHIJKLMNOP").unwrap();
    let frozen = freeze(&order, &settings()).unwrap();
    let wanted = vector("record");
    // That one has a service fee, which stands in the last 4 bytes.
    assert_eq!(frozen[..frozen.len() - 4], wanted[..wanted.len() - 4]);
}

#[test]
fn a_body_that_is_not_of_its_command_is_refused_by_its_field() {
    let record = vector("record");
    let refused = |bytes: &[u8]| readable::decode(bytes).unwrap_err().to_string();
    let mut longer = record.to_vec();
    longer.push(0);
    longer[3] += 1;
    assert_eq!(refused(&longer), "end: wanted nothing more, found 1 bytes in the frame at byte 0");
    let mut shorter = record[..record.len() - 1].to_vec();
    shorter[3] -= 1;
    assert_eq!(
        refused(&shorter),
        "service fee: wanted a whole field, found 3 bytes in the frame at byte 0"
    );
    let mut control = record.to_vec();
    control[12] = 7;
    assert_eq!(
        refused(&control),
        "pile code: wanted printable ASCII within its limit, found 16 bytes in the frame at byte 0"
    );
    let mut long = record.to_vec();
    long[11] = 17;
    assert_eq!(
        refused(&long),
        "pile code: wanted printable ASCII within its limit, found 17 bytes in the frame at byte 0"
    );
}
