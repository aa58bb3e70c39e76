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
    /// Of the request, also in its answer. Those of 1.0 keep their 32 bits: a counter that has
    /// become negative is no reason to refuse an order.
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
        let (revision, code) = match outline.third {
            None => (Revision::V1_0, outline.first),
            Some(third) => (Revision::V1_10, third),
        };
        let opened = match revision {
            Revision::V1_0 => open_1_0(bytes, outline.sequence),
            Revision::V1_10 => open_1_10(bytes),
        };
        let code = u8::try_from(code).unwrap_or(0);
        opened.map_err(|error| error.answering(revision, code, outline.sequence))
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

/// Opens an envelope of 1.0 whose sequence id is, before the reader cuts it to 32 bits, this.
fn open_1_0(bytes: &[u8], sequence: u64) -> Result<Apdu, DecodeError> {
    let apdu = v1_0::Apdu::decode(bytes).map_err(|e| DecodeError::parse("APDU", &e))?;
    if i64::from(apdu.sequence_id) != sequence.cast_signed() {
        let wanted = "a number of 32 bits";
        return Err(DecodeError::new("APDU.sequenceId", wanted, sequence, ErrorCode::Protocol));
    }
    Ok(Apdu {
        revision: Revision::V1_0,
        code: byte_code(apdu.message_id)?,
        sequence: apdu.sequence_id.cast_unsigned().into(),
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
    /// Field 1: the code in 1.0.
    first: u64,
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
                (1, WireType::Varint) => outline.first = decode_varint(&mut bytes)?,
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

/// Writes an envelope around a serialized message. A time that is unknown, or later than the wire
/// can say (2038), is left out.
pub(super) fn seal_body(
    revision: Revision,
    code: u8,
    sequence: u64,
    at_s: Option<i64>,
    body: Bytes,
) -> Result<Bytes, EncodeError> {
    let timestamp = at_s.and_then(|s| i32::try_from(s).ok()).unwrap_or(0);
    match revision {
        Revision::V1_0 => written(&v1_0::Apdu {
            message_id: code.into(),
            sequence_id: sequence_1_0(sequence)?,
            payload: body,
            timestamp,
        }),
        Revision::V1_10 => written(&v1_10::Apdu {
            timestamp,
            sequence_id: sequence,
            message_id: code.into(),
            payload: body,
            no_need_reply: false,
            sync: false,
        }),
    }
}

/// The sequence id as 1.0 writes it: of a request of the peer, the 32 bits it came with.
fn sequence_1_0(sequence: u64) -> Result<i32, EncodeError> {
    let bits = u32::try_from(sequence).map_err(|_| EncodeError::Sequence(sequence))?;
    Ok(bits.cast_signed())
}

fn written<M: Message>(apdu: &M) -> Result<Bytes, EncodeError> {
    let found = apdu.encoded_len();
    if found > SENT_LIMIT {
        return Err(EncodeError::TooLarge { found, limit: SENT_LIMIT });
    }
    Ok(apdu.encode_to_vec().into())
}
