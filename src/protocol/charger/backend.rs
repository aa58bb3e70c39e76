//! The controller as the backend of its piles: what piles say, and what they are told.

use bytes::Bytes;

use super::{
    apdu::Apdu,
    error::{DecodeError, EncodeError},
    topic::Class,
    v1_10,
};
use crate::domain::{
    event::PileEvent,
    id::ConnectionId,
    reply::ToPile,
    wire::{ErrorCode, Revision},
};

/// What a pile said on one of its topics.
///
/// # Errors
///
/// If it is no message of the protocol, or of a revision that is not served.
/// [`DecodeError::answer`] is what to send back.
pub fn decode(
    connection: ConnectionId,
    class: Class,
    payload: &[u8],
) -> Result<PileEvent, DecodeError> {
    let apdu = Apdu::decode(payload)?;
    if apdu.revision != Revision::V1_10 {
        let found = format!("{:?}", apdu.revision);
        // An answer would be of a revision the pile does not speak.
        return Err(DecodeError::new("APDU", "revision 1.10", found, ErrorCode::NotSupported));
    }
    let read = if class == Class::Registration {
        let found = format!("code {:#04x} on a registration topic", apdu.code);
        Err(DecodeError::new("APDU", "a registered pile", found, ErrorCode::NotSupported))
    } else {
        v1_10::from_pile::event(connection, &apdu)
    };
    read.map_err(|error| error.answering(apdu.code, apdu.sequence))
}

/// What a pile of revision 1.10 is told. `at_s`: unix seconds, `None` while the clock is unset.
///
/// # Errors
///
/// If what is to be passed on is not what it should be, or too large.
pub fn encode(message: &ToPile, at_s: Option<i64>) -> Result<(Class, Bytes), EncodeError> {
    let (sequence, outgoing) = match message {
        ToPile::Answer { id, reply } => (id.sequence, v1_10::to_pile::reply(reply)),
        ToPile::Call { call, request, .. } => (call.0, v1_10::to_pile::call(request)?),
    };
    Ok((Class::Command, outgoing.seal(sequence, at_s)?))
}
