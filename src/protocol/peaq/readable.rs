//! Any message as text, for people and for golden vectors.

use prost::Message;

use super::{
    super::{dialect::NotOfWire, print::pretty},
    RECEIVED_LIMIT,
    wire::{
        events::{Event, EventType},
        gateway::ChargePointState,
    },
};

/// Reads an event, or the bare state of a charge point, and writes it as text: which of the two in
/// the first line, then the message with one field in a line. Fields that are empty or zero are
/// left out, as on the wire.
///
/// The bytes do not say which they are. What carries the data of an event is one; what else can be
/// read as a state is that.
///
/// # Errors
///
/// If the bytes are neither.
pub fn decode(bytes: &[u8]) -> Result<String, NotOfWire> {
    let event = event(bytes);
    if !event.as_ref().is_ok_and(|event| event.data.is_some())
        && let Some(state) = state(bytes)
    {
        return Ok(format!("peaq state of {:?}\n{}", state.id, pretty(&state)));
    }
    let event = event?;
    let kind = EventType::try_from(event.event_id);
    if kind.is_err() && event.encoded_len() < bytes.len() {
        // Nearly everything that has a number in front would pass for such an event.
        let found = format!("number {} and fields that no event has", event.event_id);
        return Err(NotOfWire { at: "Event", wanted: "an event of the tables", found });
    }
    let name = kind.map_or("unknown", |kind| kind.as_str_name());
    Ok(format!("peaq event {name} {}\n{}", event.event_id, pretty(&event)))
}

/// Reads an event.
pub(super) fn event(bytes: &[u8]) -> Result<Event, NotOfWire> {
    let at = "Event";
    if bytes.len() > RECEIVED_LIMIT {
        let found = format!("{} bytes", bytes.len());
        return Err(NotOfWire { at, wanted: "at most 1048576 bytes", found });
    }
    Event::decode(bytes).map_err(|error| NotOfWire {
        at,
        wanted: "a message of the tables",
        found: error.to_string(),
    })
}

/// Reads a state; one in which nothing is known is none.
fn state(bytes: &[u8]) -> Option<ChargePointState> {
    let state = ChargePointState::decode(bytes).ok()?;
    (bytes.len() <= RECEIVED_LIMIT && state != ChargePointState::default()).then_some(state)
}
