//! Registration: a station gets its account, from either side.

use super::{
    super::{enrolment::Application, registration::Registered, station::Settings},
    DecodeError, Opened, Outgoing, body, kind,
    wire::{self, MessageId as Id},
};
use crate::domain::wire::ErrorCode;

/// Connectors of the site are of any kind; the backend learns the kind of each from its pile.
const CONNECTOR_KIND: i32 = 0;

/// Asks for an account.
pub fn request(settings: &Settings, code: &str) -> Outgoing {
    let count = settings.connectors.len();
    let request = wire::DeviceRegistrationReq {
        part_number: settings.part_number.clone(),
        serial_number: settings.serial.clone(),
        vendor_id: settings.vendor.clone(),
        registration_code: code.to_owned(),
        connector_number: vec![i32::try_from(count).unwrap_or(i32::MAX)],
        connector_type: vec![CONNECTOR_KIND],
        firmware_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    Outgoing::new(Id::IdDeviceRegistrationReq, &request)
}

/// What the backend says to it.
pub fn answer(apdu: &Opened) -> Result<Registered, DecodeError> {
    let wanted = "an answer to a registration";
    match kind(apdu)? {
        Id::IdDeviceRegistrationConf => {
            let conf: wire::DeviceRegistrationConf = body(apdu)?;
            Ok(Registered {
                status: conf.status,
                device_code: conf.device_code,
                username: conf.mqtt_username,
                password: conf.mqtt_password,
                reason: conf.reason,
            })
        }
        Id::IdMessageError => {
            let error: wire::MessageError = body(apdu)?;
            let found = format!("MessageError {}: {}", error.error, error.description);
            Err(DecodeError::new("registration", wanted, found, ErrorCode::Generic))
        }
        other => {
            let found = other.as_str_name();
            Err(DecodeError::new("registration", wanted, found, ErrorCode::NotSupported))
        }
    }
}

/// What a pile that asks for an account says.
pub fn application(apdu: &Opened) -> Result<Application, DecodeError> {
    match kind(apdu)? {
        Id::IdDeviceRegistrationReq => {}
        other => {
            let (at, wanted) = ("APDU.messageId", "a registration on its topic");
            let found = other.as_str_name();
            return Err(DecodeError::new(at, wanted, found, ErrorCode::NotSupported));
        }
    }
    let request: wire::DeviceRegistrationReq = body(apdu)?;
    let connectors = count(&request.connector_number).max(request.connector_type.len());
    Ok(Application {
        revision: apdu.original.revision,
        sequence: apdu.sequence,
        part_number: request.part_number,
        serial: request.serial_number,
        code: request.registration_code,
        connectors: connectors.max(1),
        connector_types: request.connector_type,
    })
}

/// The number of connectors is a list, and nothing says of what: 1, 2, … are taken for the
/// connectors' own numbers, anything else for how many there are of each kind.
fn count(numbers: &[i32]) -> usize {
    let own_numbers = (1..).zip(numbers).all(|(no, found)| no == *found);
    if own_numbers {
        return numbers.len();
    }
    let of_each_kind = numbers.iter().map(|count| usize::try_from(*count).unwrap_or(0));
    of_each_kind.fold(0, usize::saturating_add)
}

/// What a pile that asked for an account is told.
pub fn conf(said: &Registered) -> Outgoing {
    let Registered { status, device_code, username, password, reason } = said.clone();
    let conf = wire::DeviceRegistrationConf {
        status,
        device_code,
        mqtt_username: username,
        mqtt_password: password,
        reason,
        ..Default::default()
    };
    Outgoing::new(Id::IdDeviceRegistrationConf, &conf)
}
