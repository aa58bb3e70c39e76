//! The envelope of revision 1.10 as the peers write and read it.

use bytes::Bytes;
use prost::Message;

use crate::domain::time::Now;
pub use crate::protocol::charger::wire::v1_10 as wire;
pub use wire::MessageId as Code;

/// An opened envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// What it is.
    pub code: Code,
    /// Its sequence id.
    pub sequence: u64,
    /// The serialized message inside.
    pub payload: Bytes,
}

/// Puts a message into an envelope.
pub fn seal<M: Message>(code: Code, sequence: u64, now: Now, body: &M) -> Bytes {
    seal_bytes(code, sequence, now, body.encode_to_vec().into())
}

/// Puts serialized bytes into an envelope.
#[must_use]
pub fn seal_bytes(code: Code, sequence: u64, now: Now, payload: Bytes) -> Bytes {
    let apdu = wire::Apdu {
        // The wire ends in 2038; a simulated peer need not outlive it.
        timestamp: i32::try_from(now.wall.unix_s()).unwrap_or(i32::MAX),
        sequence_id: sequence,
        message_id: code.into(),
        payload,
        no_need_reply: false,
        sync: false,
    };
    apdu.encode_to_vec().into()
}

/// Opens an envelope; `None` if it is none, or of a code the tables do not have.
#[must_use]
pub fn open(bytes: &[u8]) -> Option<Opened> {
    let apdu = wire::Apdu::decode(bytes).ok()?;
    let code = Code::try_from(apdu.message_id).ok()?;
    Some(Opened { code, sequence: apdu.sequence_id, payload: apdu.payload })
}

/// Whether a code answers another; these are the codes from 0x80.
#[must_use]
pub fn is_answer(code: Code) -> bool {
    i32::from(code) >= 0x80
}
