//! Envelopes and messages as the peers write and read them, in both revisions.
//!
//! A peer thinks in the messages of 1.10; one of 1.0 writes and reads them by the table of
//! `peers::body`. What its revision has no words for, it does not say.

use bytes::Bytes;
use prost::Message;

use super::body::Body;
use crate::domain::{time::Now, wire::Revision};
use crate::protocol::charger::wire::v1_0;
pub use crate::protocol::charger::wire::v1_10 as wire;
pub use wire::MessageId as Code;

/// Codes from here on answer; the answer to a request has its code and this.
const ANSWER: i32 = 0x80;

/// An opened envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it is.
    pub code: Code,
    /// Its sequence id.
    pub sequence: u64,
    /// In what it is written.
    pub revision: Revision,
    /// The serialized message inside.
    pub payload: Bytes,
}

impl Opened {
    /// The message inside; `None` if it is another one.
    #[must_use]
    pub fn body<M: Body>(&self) -> Option<M> {
        M::read(self.revision, &self.payload)
    }

    /// Whether it answers a request.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        i32::from(self.code) >= ANSWER
    }
}

/// Puts a message into an envelope; `None` if the revision has no such message.
pub fn seal<M: Body>(
    revision: Revision,
    code: Code,
    sequence: u64,
    now: Now,
    body: &M,
) -> Option<Bytes> {
    let payload = body.write(revision).filter(|_| has(revision, code.into()))?;
    Some(seal_bytes(revision, code, sequence, now, payload.into()))
}

/// Puts serialized bytes into an envelope.
#[must_use]
pub fn seal_bytes(
    revision: Revision,
    code: Code,
    sequence: u64,
    now: Now,
    payload: Bytes,
) -> Bytes {
    // The wire ends in 2038; a simulated peer need not outlive it.
    let timestamp = i32::try_from(now.wall.unix_s()).unwrap_or(i32::MAX);
    let message_id = code.into();
    match revision {
        Revision::V1_0 => {
            // Peers number from below 1000, and the site within the same 31 bits.
            let sequence_id = i32::try_from(sequence).unwrap_or(i32::MAX);
            v1_0::Apdu { message_id, sequence_id, payload, timestamp }.encode_to_vec().into()
        }
        Revision::V1_10 => {
            let (no_need_reply, sync, sequence_id) = (false, false, sequence);
            wire::Apdu { timestamp, sequence_id, message_id, payload, no_need_reply, sync }
                .encode_to_vec()
                .into()
        }
    }
}

/// Opens an envelope; `None` if it is none of this revision, or of a code it does not have.
#[must_use]
pub fn open(revision: Revision, bytes: &[u8]) -> Option<Opened> {
    let (code, sequence, payload) = match revision {
        Revision::V1_0 => {
            let apdu = v1_0::Apdu::decode(bytes).ok()?;
            (apdu.message_id, u64::try_from(apdu.sequence_id).ok()?, apdu.payload)
        }
        Revision::V1_10 => {
            let apdu = wire::Apdu::decode(bytes).ok()?;
            (apdu.message_id, apdu.sequence_id, apdu.payload)
        }
    };
    let code = Code::try_from(code).ok().filter(|_| has(revision, code))?;
    Some(Opened { code, sequence, revision, payload })
}

/// Whether a request of this code is answered at all.
#[must_use]
pub fn is_answered(revision: Revision, code: Code) -> bool {
    has(revision, i32::from(code) + ANSWER)
}

fn has(revision: Revision, code: i32) -> bool {
    match revision {
        Revision::V1_0 => v1_0::MessageId::try_from(code).is_ok(),
        Revision::V1_10 => Code::try_from(code).is_ok(),
    }
}
