//! What revision 1.10 means by its numbers and fields, and by way of it 1.0.

pub mod account;
pub mod curve;
pub mod from_backend;
pub mod from_pile;
pub mod metered;
pub mod order;
pub mod passing;
pub mod texts;
pub mod to_backend;
pub mod to_pile;
mod values;

use prost::Message;

pub use self::values::{
    STATUS_MEASURAND, connector_state, cost, energy, made_name, meter, scaled, whole,
};
use super::{
    error::{DecodeError, EncodeError, quote},
    message::{Opened, Outgoing, code_of, in_1_10},
    wire::v1_10::{self as wire, MessageId},
};
use crate::domain::wire::{ErrorCode, Original};

/// `MessageError`.
pub fn message_error(code: ErrorCode, text: &str) -> wire::MessageError {
    wire::MessageError { error: values::error_number(code).into(), description: quote(text) }
}

/// The kind of message in an envelope.
fn kind(apdu: &Opened) -> Result<MessageId, DecodeError> {
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
pub fn name_of<M>() -> &'static str {
    let path = std::any::type_name::<M>();
    path.rsplit("::").next().unwrap_or(path)
}

/// Reads the message in an envelope.
fn body<M: Message + Default>(apdu: &Opened) -> Result<M, DecodeError> {
    M::decode(apdu.body.as_ref()).map_err(|e| DecodeError::parse(name_of::<M>(), &e))
}

/// Keeps the message in an envelope as it came.
fn original(apdu: &Opened) -> Original {
    apdu.original.clone()
}

/// Reads a message that was kept; `None` if it is of another kind.
fn kept<M: Message + Default>(original: &Original, id: MessageId) -> Option<M> {
    if original.code != code_of(id) {
        return None;
    }
    M::decode(in_1_10(original).ok()?).ok()
}

/// Reads a message that was kept and must be of this kind.
fn expect_kept<M: Message + Default>(original: &Original, id: MessageId) -> Result<M, EncodeError> {
    kept(original, id).ok_or(EncodeError::Original { wanted: name_of::<M>(), found: original.code })
}
