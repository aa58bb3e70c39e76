//! Vectors made by Python's protobuf: bytes to text, and the same bytes again.

use prost::Message;

use super::vector;
use crate::protocol::{
    peaq::{
        RECEIVED_LIMIT, readable,
        wire::{events::Event, gateway::ChargePointState},
    },
    vectors::{assert_texts, vectors},
};

pub const VECTORS: &str = include_str!("../../../../tests/golden/peaq.txt");

/// Events with their data, the state, and events without data.
const EVERY: usize = 12 + 1 + 2;

#[test]
fn bytes_read_as_their_text() {
    assert_texts(VECTORS, readable::decode);
}

#[test]
fn every_message_is_written_as_it_was_read() {
    let vectors = vectors(VECTORS);
    let every = vectors.iter().filter(|vector| vector.name.starts_with("every-"));
    assert_eq!(every.count(), EVERY, "the file is cut");
    for vector in vectors {
        let again = if vector.text.starts_with("peaq state") {
            ChargePointState::decode(vector.bytes.as_ref()).unwrap().encode_to_vec()
        } else {
            Event::decode(vector.bytes.as_ref()).unwrap().encode_to_vec()
        };
        assert_eq!(again, vector.bytes, "{}", vector.name);
    }
}

#[test]
fn what_is_neither_event_nor_state_is_refused_in_words() {
    let error = readable::decode(b"\x0d").unwrap_err().to_string();
    assert!(error.starts_with("Event: wanted a message of the tables, found "), "{error}");
    let error = readable::decode(&vec![0; RECEIVED_LIMIT + 1]).unwrap_err().to_string();
    assert_eq!(error, "Event: wanted at most 1048576 bytes, found 1048577 bytes");
}

#[test]
fn a_state_without_an_id_is_still_a_state() {
    let state = ChargePointState { status: "Available".to_owned(), ..ChargePointState::default() };
    let text = readable::decode(&state.encode_to_vec()).unwrap();
    assert!(text.starts_with("peaq state of \"\"\nChargePointState {\n"), "{text}");
    let text = readable::decode(&vector("every-empty-event")).unwrap();
    assert_eq!(text, "peaq event LOG 24\nEvent {\n    event_id: Log,\n}\n");
}
