//! What revision 1.10 means by its numbers and fields.

pub mod account;
pub mod from_backend;
pub mod from_pile;
pub mod order;
pub mod repair;
pub mod to_backend;
pub mod to_pile;
mod values;

use bytes::Bytes;
use prost::Message;

use super::{
    apdu::{self, Apdu},
    error::{DecodeError, EncodeError, quote},
    wire::v1_10::{self as wire, MessageId},
};
use crate::domain::wire::{ErrorCode, Original, Revision};

/// Code of `MessageError`.
pub const ERROR_CODE: u8 = 0xff;

/// A message that is ready for its envelope.
#[derive(Debug)]
pub struct Outgoing {
    code: u8,
    body: Bytes,
}

impl Outgoing {
    fn new<M: Message>(id: MessageId, message: &M) -> Self {
        Self::raw(id, message.encode_to_vec().into())
    }

    fn raw(id: MessageId, body: Bytes) -> Self {
        Self { code: code_of(id), body }
    }

    /// Puts it into its envelope.
    pub fn seal(self, sequence: u64, at_s: Option<i64>) -> Result<Bytes, EncodeError> {
        apdu::seal_body(self.code, sequence, at_s, self.body)
    }
}

fn code_of(id: MessageId) -> u8 {
    u8::try_from(i32::from(id)).expect("every code of the table fits a byte")
}

/// `MessageError`.
pub fn message_error(code: ErrorCode, text: &str) -> wire::MessageError {
    wire::MessageError { error: values::error_number(code).into(), description: quote(text) }
}

/// The kind of message in an envelope.
fn kind(apdu: &Apdu) -> Result<MessageId, DecodeError> {
    match MessageId::try_from(i32::from(apdu.code)) {
        Ok(MessageId::IdNone) | Err(_) => {
            let found = format!("{:#04x}", apdu.code);
            let at = "APDU.messageId";
            Err(DecodeError::new(at, "a code of the table", found, ErrorCode::NotSupported))
        }
        Ok(id) => Ok(id),
    }
}

/// Name of a message type, without its path.
fn name_of<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}

/// Reads the message in an envelope.
fn body<M: Message + Default>(apdu: &Apdu) -> Result<M, DecodeError> {
    M::decode(apdu.body.as_ref()).map_err(|e| DecodeError::parse(name_of::<M>(), &e))
}

/// Keeps the message in an envelope as it came.
fn original(apdu: &Apdu) -> Original {
    Original { revision: apdu.revision, code: apdu.code, body: apdu.body.clone() }
}

/// Reads a message that was kept; `None` if it is of another kind or revision.
fn kept<M: Message + Default>(original: &Original, id: MessageId) -> Option<M> {
    let is_that = original.revision == Revision::V1_10 && original.code == code_of(id);
    if is_that { M::decode(original.body.as_ref()).ok() } else { None }
}

/// Reads a message that was kept and must be of this kind.
fn expect_kept<M: Message + Default>(original: &Original, id: MessageId) -> Result<M, EncodeError> {
    kept(original, id).ok_or(EncodeError::Original { wanted: name_of::<M>(), found: original.code })
}
