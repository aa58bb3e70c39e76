//! Registration: a station gets its account.

use super::{
    super::{registration::Registered, station::Settings},
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
