//! Any bytes as a message of the queue.

use crate::protocol::{
    dialect::NotOfWire,
    jcpp::{readable, wire::UplinkQueueMessage},
};
use prost::Message;

/// Reads the bytes.
///
/// # Panics
///
/// If a promise is broken.
pub fn jcpp(data: &[u8]) {
    let text = match readable::decode(data) {
        Ok(text) => text,
        Err(NotOfWire { at, .. }) => {
            assert_eq!(at, "UplinkQueueMessage");
            return;
        }
    };
    assert!(text.starts_with("JCPP "), "{text}");
    let message = UplinkQueueMessage::decode(data).expect("what has been read is a message");
    let again = readable::decode(&message.encode_to_vec());
    assert_eq!(again.as_ref(), Ok(&text), "written anew, it is another message");
}
