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

/// What a pile said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What it is written in.
    pub revision: Revision,
    /// What it means.
    pub event: PileEvent,
}

/// What a pile said on one of its topics. The revision is told from the bytes.
///
/// # Errors
///
/// If it is no message of the protocol. [`DecodeError::answer`] is what to send back.
pub fn decode(connection: ConnectionId, class: Class, payload: &[u8]) -> Result<Said, DecodeError> {
    let apdu = Apdu::decode(payload)?;
    let read = if class == Class::Registration {
        let found = format!("code {:#04x} on a registration topic", apdu.code);
        Err(DecodeError::new("APDU", "a registered pile", found, ErrorCode::NotSupported))
    } else {
        v1_10::from_pile::event(connection, &apdu)
    };
    let revision = apdu.revision;
    read.map(|event| Said { revision, event })
        .map_err(|error| error.answering(revision, apdu.code, apdu.sequence))
}

/// What a pile is told in its revision; `None` if that revision has no such answer. `at_s`: unix
/// seconds, `None` while the clock is unset.
///
/// # Errors
///
/// If what is to be passed on is not what it should be, too large, or a request that the revision
/// does not have.
pub fn encode(
    message: &ToPile,
    revision: Revision,
    at_s: Option<i64>,
) -> Result<Option<(Class, Bytes)>, EncodeError> {
    let sealed = match message {
        ToPile::Answer { id, reply } => {
            v1_10::to_pile::reply(reply)?.seal(revision, id.sequence, at_s)?
        }
        ToPile::Call { call, request, .. } => {
            let sealed = v1_10::to_pile::call(request)?.seal(revision, call.0, at_s)?;
            Some(sealed.ok_or(EncodeError::Absent(revision))?)
        }
    };
    Ok(sealed.map(|bytes| (Class::Command, bytes)))
}
