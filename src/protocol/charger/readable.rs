//! Any message as text, for people and for golden vectors.

use std::fmt::{Debug, Write as _};

use prost::Message;

use super::{
    super::print::pretty,
    apdu::Apdu,
    error::DecodeError,
    wire::{messages_of_1_0, messages_of_1_10, v1_0, v1_10},
};
use crate::domain::wire::{ErrorCode, Revision};

/// Reads an envelope with the message in it and writes it as text: the envelope in the first
/// line, then the message with one field in a line. Fields that are empty or zero are left out,
/// as on the wire.
///
/// # Errors
///
/// If the bytes are no message of this revision.
pub fn decode(revision: Revision, bytes: &[u8]) -> Result<String, DecodeError> {
    let apdu = Apdu::decode(bytes)?;
    if apdu.revision != revision {
        let (wanted, found) = (revision.name(), apdu.revision.name());
        return Err(DecodeError::new("APDU revision", wanted, found, ErrorCode::NotSupported));
    }
    let mut text = heading(&apdu);
    let printed = match revision {
        Revision::V1_0 => print_1_0(&apdu)?,
        Revision::V1_10 => print_1_10(&apdu)?,
    };
    text.push_str(&printed);
    Ok(text)
}

/// Name of a stop reason of revision 1.10, in which the site keeps it, without the prefix of the
/// enum.
#[must_use]
pub fn stop_reason(reason: i32) -> Option<&'static str> {
    let known = v1_10::StopReason::try_from(reason).ok()?;
    Some(known.as_str_name().trim_start_matches("SR_"))
}

fn heading(apdu: &Apdu) -> String {
    let code = i32::from(apdu.code);
    let name = match apdu.revision {
        Revision::V1_0 => v1_0::MessageId::try_from(code).map(|id| id.as_str_name()),
        Revision::V1_10 => v1_10::MessageId::try_from(code).map(|id| id.as_str_name()),
    };
    let mut line = format!("APDU {} ", apdu.revision.name());
    // Writing to a String cannot fail.
    let _ = write!(line, "{} {:#04x}", name.unwrap_or("unknown"), apdu.code);
    let _ = writeln!(line, " sequence {} timestamp {}", apdu.sequence, apdu.at_s);
    line
}

/// Prints the message of an envelope, by its code; `$again` reads and writes it once more.
macro_rules! print_by_code {
    ($name:ident, $again:ident, $wire:ident, $($id:ident: $message:ident,)*) => {
        #[cfg(test)]
        pub(super) fn $again(apdu: &Apdu) -> Result<Vec<u8>, prost::DecodeError> {
            match $wire::MessageId::try_from(i32::from(apdu.code)) {
                $(Ok($wire::MessageId::$id) => {
                    $wire::$message::decode(apdu.body.as_ref()).map(|m| m.encode_to_vec())
                })*
                _ => Ok(apdu.body.to_vec()),
            }
        }

        fn $name(apdu: &Apdu) -> Result<String, DecodeError> {
            match $wire::MessageId::try_from(i32::from(apdu.code)) {
                $(Ok($wire::MessageId::$id) => {
                    print::<$wire::$message>(stringify!($message), apdu)
                })*
                // Codes for which the tables have no message.
                _ => Ok(format!("{} bytes\n", apdu.body.len())),
            }
        }
    };
}

fn print<M: Message + Default + Debug>(
    name: &'static str,
    apdu: &Apdu,
) -> Result<String, DecodeError> {
    let message =
        M::decode(apdu.body.as_ref()).map_err(|error| DecodeError::parse(name, &error))?;
    Ok(pretty(&message))
}

messages_of_1_0! { print_by_code! print_1_0, again_1_0, v1_0, }

messages_of_1_10! { print_by_code! print_1_10, again_1_10, v1_10, }
