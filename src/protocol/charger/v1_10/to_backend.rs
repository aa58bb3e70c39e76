//! What a backend is told.

use super::{
    EncodeError, Outgoing, expect_kept, kept, message_error, metered, order, passing, values,
    wire::{self, MessageId as Id},
};
use crate::{
    domain::{
        id::{ConnectorNo, OrderId, PileCode},
        reply::{OrderRef, UplinkMessage, UplinkReply},
        wire::Original,
    },
    protocol::charger::station::Settings,
};

/// A message for a backend.
pub fn message(
    message: &UplinkMessage,
    settings: &Settings,
    at_s: Option<i64>,
) -> Result<Outgoing, EncodeError> {
    Ok(match message {
        UplinkMessage::Boot => boot(settings),
        UplinkMessage::Heartbeat => heartbeat(at_s),
        // A request for a tariff is the code alone.
        UplinkMessage::TariffRequest => Outgoing::empty(Id::IdSetTariffReq),
        UplinkMessage::Authorize { original, .. } => {
            expect_kept::<wire::AuthorizeReq>(original, Id::IdAuthorizeReq)?;
            Outgoing::kept(original.clone())
        }
        UplinkMessage::Start { order, original, offline } => start(order, original, *offline)?,
        UplinkMessage::Progress { order, original } => progress(order, original)?,
        UplinkMessage::Stop { order } => {
            Outgoing::new(Id::IdStopTransactionReq, &order::stop(order, settings.elec_data_unit))
        }
        UplinkMessage::Transaction { payload, .. } => Outgoing::frozen(payload, settings.revision),
        UplinkMessage::Telemetry { pile, connector, order, original } => {
            telemetry(*pile, *connector, *order, original)?
        }
        UplinkMessage::Warning { connector, order, original, .. } => {
            warning(*connector, *order, original)?
        }
        UplinkMessage::Status { pile, connector, state } => Outgoing::new(
            Id::IdStatusNotificationReq,
            &wire::StatusNotificationReq {
                evse_id: pile.to_string(),
                connector_id: connector.to_string(),
                connector_state: *state,
            },
        ),
        UplinkMessage::Metered { place, values } => metered::telemetry(*place, values),
        UplinkMessage::Passed(passed) => passing::to_backend(passed)?,
        UplinkMessage::Image(_) => return Err(EncodeError::Foreign("an image of a connector")),
        UplinkMessage::News(_) => return Err(EncodeError::Foreign("news")),
        UplinkMessage::Snapshot(_) => return Err(EncodeError::Foreign("an image of the site")),
        UplinkMessage::Answer(answer) => reply(answer)?,
    })
}

fn boot(settings: &Settings) -> Outgoing {
    let boot = wire::BootNotificationReq {
        part_number: settings.part_number.clone(),
        serial_number: settings.serial.clone(),
        vendor_id: settings.vendor.clone(),
        firmware_version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: settings.revision.name().to_owned(),
        connector_number: i32::try_from(settings.connectors.len()).unwrap_or(i32::MAX),
        ..Default::default()
    };
    Outgoing::new(Id::IdBootNotificationReq, &boot)
}

fn heartbeat(at_s: Option<i64>) -> Outgoing {
    let current_time = at_s.unwrap_or(0);
    Outgoing::new(Id::IdHeartbeatReq, &wire::HeartbeatReq { current_time, ..Default::default() })
}

fn start(order: &OrderRef, original: &Original, offline: bool) -> Result<Outgoing, EncodeError> {
    let mut start: wire::StartTransactionReq = expect_kept(original, Id::IdStartTransactionReq)?;
    start.record_id = order.id.to_string();
    start.transaction_id = values::transaction_text(order.transaction.as_ref());
    start.evse_id = order.pile.to_string();
    start.connector_id = values::connector_text(order.connector);
    // The same rounding as in the recorded order; what makes no sense counts from nothing.
    let reading = order.meter_start.or_else(|| values::meter(start.meter_start));
    start.meter_start = reading.map_or(0.0, values::meter_number);
    start.timestamp = order.started_s.unwrap_or(start.timestamp);
    start.offline = offline;
    Ok(Outgoing::new(Id::IdStartTransactionReq, &start))
}

fn progress(order: &OrderRef, original: &Original) -> Result<Outgoing, EncodeError> {
    let mut info: wire::ChargingInfoReq = expect_kept(original, Id::IdChargingInfoReq)?;
    info.record_id = order.id.to_string();
    info.evse_id = order.pile.to_string();
    info.connector_id = values::connector_text(order.connector);
    Ok(Outgoing::new(Id::IdChargingInfoReq, &info).made_from(original))
}

fn order_text(order: Option<OrderId>) -> String {
    order.map(|id| id.to_string()).unwrap_or_default()
}

fn telemetry(
    pile: PileCode,
    connector: Option<ConnectorNo>,
    order: Option<OrderId>,
    original: &Original,
) -> Result<Outgoing, EncodeError> {
    if let Some(mut values) = kept::<wire::MeterValuesReq>(original, Id::IdMeterValuesReq) {
        values.evse_id = pile.to_string();
        values.connector_id = values::connector_text(connector);
        // The pile knows the order by the site's id, which this field is not for.
        values.transaction_id.clear();
        return Ok(Outgoing::new(Id::IdMeterValuesReq, &values));
    }
    let mut telemetry: wire::TelemetryReq = expect_kept(original, Id::IdTelemetryReq)?;
    telemetry.evse_id = pile.to_string();
    telemetry.connector_id = values::connector_text(connector);
    telemetry.record_id = order_text(order);
    Ok(Outgoing::new(Id::IdTelemetryReq, &telemetry))
}

fn warning(
    connector: Option<ConnectorNo>,
    order: Option<OrderId>,
    original: &Original,
) -> Result<Outgoing, EncodeError> {
    let mut warning: wire::WarningReq = expect_kept(original, Id::IdWarningReq)?;
    warning.connector_id = values::connector_text(connector);
    warning.record_id = order_text(order);
    Ok(Outgoing::new(Id::IdWarningReq, &warning))
}

fn reply(reply: &UplinkReply) -> Result<Outgoing, EncodeError> {
    Ok(match reply {
        UplinkReply::RemoteStart { accepted, reason, pile } => {
            remote_start(*accepted, reason, pile.as_ref())
        }
        UplinkReply::RemoteStop { accepted, .. } => Outgoing::new(
            Id::IdRemoteStopTransactionConf,
            &wire::RemoteStopTransactionConf { status: values::yes_no(*accepted) },
        ),
        UplinkReply::Tariff { accepted } => Outgoing::new(
            Id::IdSetTariffConf,
            &wire::SetTariffConf { status: values::yes_no(*accepted) },
        ),
        UplinkReply::History { count } => Outgoing::new(
            Id::IdGetTransactionsConf,
            &wire::GetTransactionsConf { total_count: i32::try_from(*count).unwrap_or(i32::MAX) },
        ),
        UplinkReply::Trigger { accepted } => Outgoing::new(
            Id::IdTriggerMessageConf,
            &wire::TriggerMessageConf { status: values::yes_no(*accepted) },
        ),
        // Both kinds of answer say yes with an empty message; only their codes differ.
        UplinkReply::Cards { code } if *code == super::code_of(Id::IdUpdateIdCardCacheReq) => {
            Outgoing::empty(Id::IdUpdateIdCardCacheConf)
        }
        UplinkReply::Cards { .. } => Outgoing::new(
            Id::IdSendLocalAuthorizationListConf,
            &wire::SendLocalAuthorizationListConf::default(),
        ),
        UplinkReply::ClearCards => {
            Outgoing::new(Id::IdClearCacheConf, &wire::ClearCacheConf::default())
        }
        UplinkReply::Authorize { .. } => return Err(EncodeError::Foreign("a card let in")),
        UplinkReply::Availability { .. } => return Err(EncodeError::Foreign("availability")),
        UplinkReply::Passed(passed) => passing::to_backend(passed)?,
        UplinkReply::Error { code, text } => {
            Outgoing::new(Id::IdMessageError, &message_error(*code, text))
        }
    })
}

fn remote_start(accepted: bool, reason: &str, pile: Option<&Original>) -> Outgoing {
    let said: Option<wire::RemoteStartTransactionConf> =
        pile.and_then(|o| kept(o, Id::IdRemoteStartTransactionConf));
    let mut conf = said.unwrap_or_default();
    if accepted != (conf.status == 0) {
        conf.status = values::yes_no(accepted);
    }
    if !accepted && conf.reason == 0 {
        conf.reason = wire::StopReason::SrOther.into();
    }
    if conf.reason_desc.is_empty() {
        conf.reason_desc = reason.to_owned();
    }
    // The pile's own number of the order, which the backend knows by another.
    conf.record_id.clear();
    Outgoing::new(Id::IdRemoteStartTransactionConf, &conf)
}
