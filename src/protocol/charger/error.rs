//! What can be wrong with bytes, and what cannot be said in them.

use bytes::Bytes;

use super::{apdu, message::Outgoing, v1_10, wire::v1_10::MessageId};
use crate::domain::wire::{ErrorCode, Revision};

/// Longest quotation of what a peer sent, in characters: enough for any id, too short to flood a
/// log.
pub const QUOTE_LIMIT: usize = 120;

/// A peer sent something that is not what the protocol says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: wanted {wanted}, found {found}")]
pub struct DecodeError {
    /// The message, or the part of it.
    pub at: &'static str,
    /// What should have been there.
    pub wanted: &'static str,
    /// What was there, shortened.
    pub found: String,
    /// What to answer with.
    pub code: ErrorCode,
    /// Sequence id to answer with, 0 where the bytes are no envelope; `None` where nothing is to be
    /// answered, because they are an answer themselves or another revision's.
    pub sequence: Option<u64>,
    /// What the bytes are written in; `None` where they are no envelope.
    pub revision: Option<Revision>,
}

impl DecodeError {
    pub(super) fn new(
        at: &'static str,
        wanted: &'static str,
        found: impl ToString,
        code: ErrorCode,
    ) -> Self {
        let found = quote(&found.to_string());
        Self { at, wanted, found, code, sequence: None, revision: None }
    }

    /// From the error of the protobuf reader, which tells its kind only by its text.
    pub(super) fn parse(at: &'static str, error: &prost::DecodeError) -> Self {
        let found = error.to_string();
        let is_type = found.contains("invalid wire type: ") || found.contains("invalid string");
        let code = if is_type { ErrorCode::TypeViolation } else { ErrorCode::Protocol };
        Self::new(at, "a message of the tables", found, code)
    }

    /// The same, to be answered if the message was a request.
    pub(super) fn answering(mut self, revision: Revision, code: u8, sequence: u64) -> Self {
        self.sequence = (!apdu::is_answer(code)).then_some(sequence);
        self.revision = Some(revision);
        self
    }

    /// The same, to be answered though nobody can say which request it was: sequence id 0.
    pub(super) fn unaddressed(mut self) -> Self {
        self.sequence = Some(0);
        self.code = ErrorCode::Protocol;
        self
    }

    /// The `MessageError` to send back, in the revision of the bytes; where they are no envelope,
    /// in the one the peer is known to speak. `None` where nothing is to be answered.
    #[must_use]
    pub fn answer(&self, known: Revision, at_s: Option<i64>) -> Option<Bytes> {
        let message = v1_10::message_error(self.code, &self.to_string());
        let outgoing = Outgoing::new(MessageId::IdMessageError, &message);
        outgoing.seal(self.revision.unwrap_or(known), self.sequence?, at_s).ok()?
    }
}

/// The site wants to say something that the wire cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// What a peer said earlier, and is to be passed on, is not of the kind it should be.
    #[error("{wanted} to pass on: found code {found:#04x}")]
    Original {
        /// The message.
        wanted: &'static str,
        /// The code of what was kept.
        found: u8,
    },
    /// A message that is to be said in the other revision cannot be read.
    #[error("{what} to carry over to the other revision: {found}")]
    Unreadable {
        /// The message.
        what: &'static str,
        /// What is wrong with it.
        found: String,
    },
    /// Something that this protocol has no message for.
    #[error("this protocol has no message for {0}")]
    Foreign(&'static str),
    /// A request that the peer's revision does not have.
    #[error("revision {} has no message for this", .0.name())]
    Absent(Revision),
    /// What the message names has a number that revision 1.0 cannot say.
    #[error("{0} names a number of more than 32 bits")]
    Identity(&'static str),
    /// The sequence id is one that revision 1.0 cannot say.
    #[error("sequence id of at most 32 bits: found {0}")]
    Sequence(u64),
    /// Too large for a peer to take.
    #[error("message of {found} bytes, at most {limit} are sent")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// The first characters of a text of a peer.
pub(super) fn quote(text: &str) -> String {
    text.chars().take(QUOTE_LIMIT).collect()
}
