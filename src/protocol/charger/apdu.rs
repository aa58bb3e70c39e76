//! The envelope of every message.

use bytes::Bytes;
use prost::{
    Message,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

use super::{
    error::{DecodeError, EncodeError},
    wire::{v1_0, v1_10},
};
use crate::domain::wire::{ErrorCode, Revision};

/// Largest envelope that is read, in bytes: the default limit of a packet at the doors. It also
/// bounds what decoding allocates, to about a hundred times this.
pub const RECEIVED_LIMIT: usize = 65_536;

/// Largest envelope that is written, in bytes. An order may carry what its start and its stop
/// carried, each below [`RECEIVED_LIMIT`], and the ids and figures of the site, a few hundred
/// bytes; so an order that was taken can always be sent on.
pub const SENT_LIMIT: usize = 2 * RECEIVED_LIMIT + 1024;

/// Codes from here on are answers.
const FIRST_ANSWER: u8 = 0x80;

/// An opened envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apdu {
    /// The revision it is written in.
    pub revision: Revision,
    /// Message code.
    pub code: u8,
    /// Of the request, also in its answer.
    pub sequence: u64,
    /// Time stamp, unix seconds; 0 if it has none.
    pub at_s: i64,
    /// The serialized message inside.
    pub body: Bytes,
}

impl Apdu {
    /// Reads an envelope of either revision.
    ///
    /// # Errors
    ///
    /// If the bytes are no envelope or the code fits no byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > RECEIVED_LIMIT {
            let found = format!("{} bytes", bytes.len());
            return Err(DecodeError::new("APDU", "at most 65536 bytes", found, ErrorCode::Generic));
        }
        let outline =
            Outline::of(bytes).map_err(|e| DecodeError::parse("APDU", &e).unaddressed())?;
        match outline.third {
            // Not answered: that would have to be in 1.0, which is read for people only.
            None => open_1_0(bytes),
            Some(code) => {
                let code = u8::try_from(code).unwrap_or(0);
                open_1_10(bytes).map_err(|error| error.answering(code, outline.sequence))
            }
        }
    }

    /// Whether this is an answer.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        is_answer(self.code)
    }
}

fn open_1_10(bytes: &[u8]) -> Result<Apdu, DecodeError> {
    let apdu = v1_10::Apdu::decode(bytes).map_err(|e| DecodeError::parse("APDU", &e))?;
    Ok(Apdu {
        revision: Revision::V1_10,
        code: byte_code(apdu.message_id)?,
        sequence: apdu.sequence_id,
        at_s: apdu.timestamp.into(),
        body: apdu.payload,
    })
}

fn open_1_0(bytes: &[u8]) -> Result<Apdu, DecodeError> {
    let apdu = v1_0::Apdu::decode(bytes).map_err(|e| DecodeError::parse("APDU", &e))?;
    let sequence = u64::try_from(apdu.sequence_id).map_err(|_| {
        let found = apdu.sequence_id;
        DecodeError::new("APDU.sequenceId", "a number from 0", found, ErrorCode::Protocol)
    })?;
    Ok(Apdu {
        revision: Revision::V1_0,
        code: byte_code(apdu.message_id)?,
        sequence,
        at_s: apdu.timestamp.into(),
        body: apdu.payload,
    })
}

fn byte_code(code: i32) -> Result<u8, DecodeError> {
    u8::try_from(code).map_err(|_| {
        DecodeError::new("APDU.messageId", "a code of the table", code, ErrorCode::NotSupported)
    })
}

/// What can be told of an envelope before its revision is known.
#[derive(Debug, Default)]
struct Outline {
    /// Field 2, the sequence id in both revisions.
    sequence: u64,
    /// Field 3: a number, the code, in 1.10; bytes or absent in 1.0.
    third: Option<u64>,
}

impl Outline {
    fn of(mut bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let mut outline = Self::default();
        while !bytes.is_empty() {
            match decode_key(&mut bytes)? {
                (2, WireType::Varint) => outline.sequence = decode_varint(&mut bytes)?,
                (3, WireType::Varint) => outline.third = Some(decode_varint(&mut bytes)?),
                (tag, kind) => skip_field(kind, tag, &mut bytes, DecodeContext::default())?,
            }
        }
        Ok(outline)
    }
}

/// Whether a code is that of an answer.
#[must_use]
pub const fn is_answer(code: u8) -> bool {
    code >= FIRST_ANSWER
}

/// Writes an envelope of revision 1.10 around a message.
pub(super) fn seal<M: Message>(
    code: u8,
    sequence: u64,
    at_s: Option<i64>,
    message: &M,
) -> Result<Bytes, EncodeError> {
    seal_body(code, sequence, at_s, message.encode_to_vec().into())
}

/// Writes an envelope of revision 1.10 around a serialized message. A time that is unknown, or
/// later than the wire can say (2038), is left out.
pub(super) fn seal_body(
    code: u8,
    sequence: u64,
    at_s: Option<i64>,
    body: Bytes,
) -> Result<Bytes, EncodeError> {
    let apdu = v1_10::Apdu {
        timestamp: at_s.and_then(|s| i32::try_from(s).ok()).unwrap_or(0),
        sequence_id: sequence,
        message_id: code.into(),
        payload: body,
        no_need_reply: false,
        sync: false,
    };
    let found = apdu.encoded_len();
    if found > SENT_LIMIT {
        return Err(EncodeError::TooLarge { found, limit: SENT_LIMIT });
    }
    Ok(apdu.encode_to_vec().into())
}
