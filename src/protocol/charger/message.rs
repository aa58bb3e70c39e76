//! Messages on their way in and out: read and made as revision 1.10 has them, carried over where
//! the peer speaks 1.0.

use bytes::Bytes;
use prost::Message;

use super::{
    apdu::{self, Apdu},
    error::{DecodeError, EncodeError},
    v1_0,
    wire::{self, v1_10::MessageId},
};
use crate::domain::wire::{Original, Revision};

/// An opened envelope with its message as revision 1.10 has it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Message code; every code of 1.0 means the same in 1.10.
    pub code: u8,
    /// Sequence id.
    pub sequence: u64,
    /// Time stamp, unix seconds; 0 if it has none.
    pub at_s: i64,
    /// The message, in 1.10.
    pub body: Bytes,
    /// The message as it came.
    pub original: Original,
}

impl Opened {
    /// Carries the message of an envelope over.
    ///
    /// # Errors
    ///
    /// If it is of 1.0 and cannot be read.
    pub fn of(apdu: &Apdu) -> Result<Self, DecodeError> {
        let Apdu { revision, code, sequence, at_s, ref body } = *apdu;
        let original = Original { revision, code, body: body.clone() };
        Ok(Self { code, sequence, at_s, body: in_1_10(&original)?, original })
    }

    /// Whether this is an answer.
    pub const fn is_answer(&self) -> bool {
        apdu::is_answer(self.code)
    }
}

/// A message that was kept, as 1.10 has it.
pub fn in_1_10(original: &Original) -> Result<Bytes, DecodeError> {
    match original.revision {
        Revision::V1_10 => Ok(original.body.clone()),
        Revision::V1_0 => v1_0::lift(original.code, &original.body),
    }
}

/// A message that is ready for its envelope.
#[derive(Debug)]
pub struct Outgoing {
    code: u8,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Made by the site, in 1.10; and what it was made from.
    Made(Bytes, Option<Original>),
    /// Passed on as it came.
    Kept(Original),
}

impl Outgoing {
    /// A message made by the site.
    pub fn new<M: Message>(id: MessageId, message: &M) -> Self {
        let body = message.encode_to_vec().into();
        Self { code: code_of(id), content: Content::Made(body, None) }
    }

    /// A code without a message.
    pub fn empty(id: MessageId) -> Self {
        Self::new(id, &())
    }

    /// A message as it came; byte for byte for a peer of the same revision.
    pub fn kept(original: Original) -> Self {
        Self { code: original.code, content: Content::Kept(original) }
    }

    /// A message made from another's by writing into it.
    pub fn rewritten(original: &Original, body: Bytes) -> Self {
        Self { code: original.code, content: Content::Made(body, Some(original.clone())) }
    }

    /// The same, made from another's message: a peer of that one's revision gets also what only
    /// that revision can say.
    pub fn made_from(self, original: &Original) -> Self {
        let content = match self.content {
            Content::Made(body, _) => Content::Made(body, Some(original.clone())),
            kept @ Content::Kept(_) => kept,
        };
        Self { content, ..self }
    }

    /// An order as it was frozen. That was in the revision the uplink had then, which may be
    /// another than it has now; which one is told from the types of the fields.
    pub fn frozen(payload: &Bytes, revision: Revision) -> Self {
        let is_written_in = |revision| match revision {
            Revision::V1_0 => wire::v1_0::TransactionReq::decode(payload.clone()).is_ok(),
            Revision::V1_10 => wire::v1_10::TransactionReq::decode(payload.clone()).is_ok(),
        };
        let written = [revision, Revision::V1_0, Revision::V1_10]
            .into_iter()
            .find(|revision| is_written_in(*revision))
            .unwrap_or(revision);
        let code = code_of(MessageId::IdTransactionReq);
        Self::kept(Original { revision: written, code, body: payload.clone() })
    }

    /// Puts it into an envelope of a revision; `None` if that revision cannot say it.
    pub fn seal(
        self,
        revision: Revision,
        sequence: u64,
        at_s: Option<i64>,
    ) -> Result<Option<Bytes>, EncodeError> {
        let Some((code, body)) = self.written_in(revision)? else { return Ok(None) };
        apdu::seal_body(revision, code, sequence, at_s, body).map(Some)
    }

    /// Code and body in a revision.
    pub fn written_in(self, revision: Revision) -> Result<Option<(u8, Bytes)>, EncodeError> {
        let code = self.code;
        match (revision, self.content) {
            (Revision::V1_10, Content::Made(body, _)) => Ok(Some((code, body))),
            (Revision::V1_0, Content::Made(body, from)) => v1_0::lower(code, &body, from.as_ref()),
            (revision, Content::Kept(original)) if original.revision == revision => {
                Ok(Some((code, original.body)))
            }
            (Revision::V1_10, Content::Kept(original)) => {
                let body = in_1_10(&original).map_err(|error| EncodeError::Unreadable {
                    what: error.at,
                    found: error.found,
                })?;
                Ok(Some((code, body)))
            }
            (Revision::V1_0, Content::Kept(original)) => v1_0::lower(code, &original.body, None),
        }
    }
}

/// The code of a message; those of 1.0 are the same in 1.10.
pub fn code_of(id: MessageId) -> u8 {
    u8::try_from(i32::from(id)).expect("every code of the table fits a byte")
}
