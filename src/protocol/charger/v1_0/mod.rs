//! Revision 1.0: each of its messages as one of 1.10, and back.
//!
//! The site speaks 1.10 inwardly; 1.0 is carried over at the boundary, so that what a message
//! means is written once ([`super::v1_10`]). What both revisions have survives both ways, and what
//! 1.0 alone has is taken from the message a new one is made from.

pub mod convert;
pub mod messages;
pub mod texts;

use bytes::Bytes;
use prost::Message;

use super::{
    error::{DecodeError, EncodeError},
    v1_10,
    wire::{
        messages_of_1_0,
        v1_0::{self as old, MessageId as Id},
        v1_10::{self as new, MessageId as LaterId},
    },
};
use crate::domain::wire::{ErrorCode, Original, Revision};
use convert::Carry as _;
use messages::Message1_0;

/// A message of 1.0 as 1.10 has it, under the same code.
///
/// # Errors
///
/// If the code is not in the table of 1.0, or the body is not its message.
pub fn lift(code: u8, body: &Bytes) -> Result<Bytes, DecodeError> {
    match Id::try_from(i32::from(code)) {
        Ok(id) => lift_by_code(id, body),
        Err(_) => Err(unknown(code)),
    }
}

/// A message as it came, with what 1.10 cannot hold; `None` if it is not of 1.0.
pub fn kept<M: Message + Default>(original: &Original) -> Option<M> {
    let is_old = original.revision == Revision::V1_0;
    is_old.then(|| M::decode(original.body.clone()).ok()).flatten()
}

/// A message of 1.10 as 1.0 has it: code and body. `None` if 1.0 has nothing that says it.
///
/// `from`: the message it was made from; if that is of 1.0, what 1.0 alone can say is kept.
///
/// # Errors
///
/// If the body is not the message of the code, or names something that 1.0 has no number for.
pub fn lower(
    code: u8,
    body: &Bytes,
    from: Option<&Original>,
) -> Result<Option<(u8, Bytes)>, EncodeError> {
    let own = from.filter(|from| from.revision == Revision::V1_0 && from.code == code);
    match Id::try_from(i32::from(code)) {
        Ok(id) => lower_by_code(id, body, own).map(|body| Some((code, body))),
        Err(_) => in_other_words(code, body),
    }
}

/// A whole order of 1.10 as 1.0 has it.
pub fn transaction(whole: new::TransactionReq) -> old::TransactionReq {
    whole.carry()
}

macro_rules! carry_by_code {
    ($($id:ident: $message:ident,)*) => {
        fn lift_by_code(id: Id, body: &Bytes) -> Result<Bytes, DecodeError> {
            match id {
                $(Id::$id => lift_message::<old::$message>(body),)*
                Id::IdNone => Err(unknown(0)),
            }
        }

        fn lower_by_code(
            id: Id,
            body: &Bytes,
            own: Option<&Original>,
        ) -> Result<Bytes, EncodeError> {
            match id {
                $(Id::$id => lower_message::<old::$message>(body, own),)*
                Id::IdNone => Ok(body.clone()),
            }
        }
    };
}

messages_of_1_0! { carry_by_code! }

fn unknown(code: u8) -> DecodeError {
    let (at, wanted) = ("APDU.messageId", "a code of the table");
    DecodeError::new(at, wanted, format!("{code:#04x}"), ErrorCode::NotSupported)
}

fn lift_message<M: Message1_0>(body: &Bytes) -> Result<Bytes, DecodeError> {
    let message =
        M::decode(body.clone()).map_err(|e| DecodeError::parse(v1_10::name_of::<M>(), &e))?;
    Ok(message.carry().encode_to_vec().into())
}

fn lower_message<M: Message1_0>(
    body: &Bytes,
    own: Option<&Original>,
) -> Result<Bytes, EncodeError> {
    let later = read::<M::Later>(body)?;
    if !M::fits(&later) {
        return Err(EncodeError::Identity(v1_10::name_of::<M>()));
    }
    let mut message: M = later.carry();
    if let Some(own) = own.and_then(|own| M::decode(own.body.clone()).ok()) {
        message.keep_own(&own);
    }
    Ok(message.encode_to_vec().into())
}

fn read<M: Message + Default>(body: &Bytes) -> Result<M, EncodeError> {
    M::decode(body.clone()).map_err(|error| EncodeError::Unreadable {
        what: v1_10::name_of::<M>(),
        found: error.to_string(),
    })
}

/// What 1.0 says by another message, or by none.
fn in_other_words(code: u8, body: &Bytes) -> Result<Option<(u8, Bytes)>, EncodeError> {
    let (id, body) = match LaterId::try_from(i32::from(code)) {
        Ok(LaterId::IdStatusNotificationReq) => (Id::IdTelemetryReq, status(body)?),
        Ok(LaterId::IdTriggerMessageConf) => {
            let conf: new::TriggerMessageConf = read(body)?;
            if conf.status == 0 {
                return Ok(None);
            }
            let error = v1_10::message_error(ErrorCode::NotSupported, "cannot be triggered");
            (Id::IdMessageError, error.carry().encode_to_vec())
        }
        _ => return Ok(None),
    };
    Ok(Some((byte(id), body.into())))
}

/// The state of a connector as a measured value.
fn status(body: &Bytes) -> Result<Vec<u8>, EncodeError> {
    let status: new::StatusNotificationReq = read(body)?;
    let value = old::SampledValue {
        measurand: v1_10::STATUS_MEASURAND,
        value: status.connector_state,
        ..Default::default()
    };
    let telemetry = old::TelemetryReq {
        connector_id: status.connector_id.carry(),
        values: vec![value],
        ..Default::default()
    };
    Ok(telemetry.encode_to_vec())
}

fn byte(id: Id) -> u8 {
    u8::try_from(i32::from(id)).expect("every code of the table fits a byte")
}
