//! Any message as text, for people and for golden vectors.

use prost::Message;

use super::{
    super::{dialect::NotOfWire, print::pretty, utc},
    RECEIVED_LIMIT,
    envelope::{self, Uuid},
    wire::UplinkQueueMessage,
};

/// Reads a message and writes it as text: what it carries, its ids and its time in the first line,
/// then the message with one field in a line. Fields that are empty or zero are left out, as on the
/// wire.
///
/// # Errors
///
/// If the bytes are no message of the queue, or carry none or several.
pub fn decode(bytes: &[u8]) -> Result<String, NotOfWire> {
    let message = read(bytes)?;
    let found = envelope::carried(&message);
    let [name] = found[..] else {
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        return Err(NotOfWire { at: "UplinkQueueMessage", wanted: "one message in it", found });
    };
    let id = Uuid::from_halves(message.message_id_msb, message.message_id_lsb);
    let session = Uuid::from_halves(message.session_id_msb, message.session_id_lsb);
    let at = utc::rfc3339(message.ts.div_euclid(1000)).filter(|_| message.ts != 0);
    let at = at.unwrap_or_else(|| "no time".to_owned());
    Ok(format!("JCPP {name} message {id} session {session} at {at}\n{}", pretty(&message)))
}

/// Reads a message.
pub(super) fn read(bytes: &[u8]) -> Result<UplinkQueueMessage, NotOfWire> {
    let at = "UplinkQueueMessage";
    if bytes.len() > RECEIVED_LIMIT {
        let found = format!("{} bytes", bytes.len());
        return Err(NotOfWire { at, wanted: "at most 131072 bytes", found });
    }
    UplinkQueueMessage::decode(bytes).map_err(|error| NotOfWire {
        at,
        wanted: "a message of the tables",
        found: error.to_string(),
    })
}
