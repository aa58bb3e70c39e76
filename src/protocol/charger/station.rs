//! The controller as a station: what it says to a backend, and what it hears.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;

use super::{
    apdu::{self, Apdu},
    error::{DecodeError, EncodeError},
    message::Opened,
    topic::Class,
    v1_0, v1_10,
    wire::v1_10::MessageId,
};
use crate::domain::{
    event::UplinkEvent,
    id::{ConnectorNo, PileCode},
    order::Order,
    quantity::Energy,
    reply::ToUplink,
    wire::{ErrorCode, Revision},
};

/// Settings of an uplink of the charging-station protocol.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the backend speaks.
    pub revision: Revision,
    /// Part number, as registered.
    pub part_number: String,
    /// Serial number, as registered.
    pub serial: String,
    /// Vendor, as registered.
    pub vendor: String,
    /// Where each site-wide connector is: its pile, and the pile's own number of it, from 1.
    pub connectors: BTreeMap<ConnectorNo, (PileCode, u16)>,
    /// What one step of the `elecData` is that the site makes of a meter's readings.
    pub elec_data_unit: Energy,
}

/// The default of [`Settings::elec_data_unit`]. No source states it; with 0.01 kWh a byte would
/// overflow above 31 kW.
pub const ELEC_DATA_UNIT: Energy = Energy::from_wh(100);

impl Settings {
    /// The MQTT client id, before and after registration.
    #[must_use]
    pub fn client_id(&self) -> String {
        format!("{}-{}", self.part_number, self.serial)
    }

    /// Notes where the connectors of a pile are, in the pile's own order.
    pub fn place(&mut self, pile: PileCode, connectors: &[ConnectorNo]) {
        let plugs = connectors.iter().copied().zip(1..);
        self.connectors.extend(plugs.map(|(connector, plug)| (connector, (pile, plug))));
    }
}

/// What a backend is told in its revision; `None` if that revision cannot say it. `at_s`: unix
/// seconds, `None` while the clock is unset.
///
/// # Errors
///
/// If what is to be passed on is not what it should be, or too large.
pub fn encode(
    message: &ToUplink,
    settings: &Settings,
    at_s: Option<i64>,
) -> Result<Option<(Class, Bytes)>, EncodeError> {
    let outgoing = v1_10::to_backend::message(&message.message, settings, at_s)?;
    let Some((code, body)) = outgoing.written_in(settings.revision)? else { return Ok(None) };
    let bytes = apdu::seal_body(settings.revision, code, message.sequence.0, at_s, body)?;
    Ok(Some((class_of(code), bytes)))
}

/// Charging information and measured values may be lost; nothing else may.
fn class_of(code: u8) -> Class {
    match MessageId::try_from(i32::from(code)) {
        Ok(
            MessageId::IdChargingInfoReq | MessageId::IdTelemetryReq | MessageId::IdMeterValuesReq,
        ) => Class::Telemetry,
        _ => Class::Command,
    }
}

/// What a backend said on one of the site's topics.
///
/// # Errors
///
/// If it is no message of the protocol, or not of the uplink's revision.
/// [`DecodeError::answer`] is what to send back.
pub fn decode(
    class: Class,
    payload: &[u8],
    settings: &Settings,
) -> Result<UplinkEvent, DecodeError> {
    let apdu = Apdu::decode(payload)?;
    if apdu.revision != settings.revision {
        let found = format!("revision {}", apdu.revision.name());
        let wanted = "the revision of the uplink";
        // An answer would be of a revision the backend does not speak.
        return Err(DecodeError::new("APDU", wanted, found, ErrorCode::NotSupported));
    }
    let read = if class == Class::Registration {
        let found = format!("code {:#04x} on a registration topic", apdu.code);
        Err(DecodeError::new("APDU", "a command", found, ErrorCode::NotSupported))
    } else {
        Opened::of(&apdu).and_then(|opened| v1_10::from_backend::event(&opened))
    };
    read.map_err(|error| error.answering(apdu.revision, apdu.code, apdu.sequence))
}

/// The inner message of an offline order, in the uplink's revision. Pure: the same order gives the
/// same bytes, but the site keeps the first ones all the same.
#[must_use]
pub fn freeze_transaction(order: &Order, settings: &Settings) -> Bytes {
    let whole = v1_10::order::transaction(order, settings.elec_data_unit);
    match settings.revision {
        Revision::V1_10 => whole.encode_to_vec(),
        Revision::V1_0 => v1_0::transaction(whole).encode_to_vec(),
    }
    .into()
}
