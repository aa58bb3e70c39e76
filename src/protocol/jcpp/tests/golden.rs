//! Vectors made by Python's protobuf: bytes to text, and the same bytes again.

use prost::Message;

use crate::protocol::{
    jcpp::{RECEIVED_LIMIT, readable, wire::UplinkQueueMessage},
    vectors::{assert_texts, vectors},
};

pub const VECTORS: &str = include_str!("../../../../tests/golden/jcpp.txt");

/// Messages that the envelope can carry.
const MESSAGES: usize = 27;

#[test]
fn bytes_read_as_their_text() {
    assert_texts(VECTORS, readable::decode);
}

#[test]
fn every_message_is_written_as_it_was_read() {
    let vectors = vectors(VECTORS);
    let every = vectors.iter().filter(|vector| vector.name.starts_with("every-"));
    assert_eq!(every.count(), MESSAGES, "the file is cut");
    for vector in vectors {
        let message = UplinkQueueMessage::decode(vector.bytes.as_ref()).unwrap();
        assert_eq!(message.encode_to_vec(), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn an_envelope_with_none_or_several_messages_is_refused() {
    let error = readable::decode(&[]).unwrap_err().to_string();
    assert_eq!(error, "UplinkQueueMessage: wanted one message in it, found none");
    let [one, other] = ["every-loginRequest", "every-timeSyncResponse"].map(super::vector);
    let error = readable::decode(&[one, other].concat()).unwrap_err().to_string();
    let wanted = "wanted one message in it, found LoginRequest, TimeSyncResponse";
    assert_eq!(error, format!("UplinkQueueMessage: {wanted}"));
}

#[test]
fn what_is_no_message_is_refused_in_words() {
    let error = readable::decode(b"\x0a\x01x").unwrap_err().to_string();
    assert!(error.starts_with("UplinkQueueMessage: wanted a message of the tables, found "));
    let error = readable::decode(&vec![0; RECEIVED_LIMIT + 1]).unwrap_err().to_string();
    assert_eq!(error, "UplinkQueueMessage: wanted at most 131072 bytes, found 131073 bytes");
}
