//! What piles say.

use super::{
    super::{
        apdu::Apdu,
        measured, repair,
        table::{self, Fate},
        v1_0,
        wire::v1_0 as old,
    },
    DecodeError, Opened, body, kind, original, passing, values,
    wire::{self, MessageId as Id},
};
use crate::domain::{
    connector::{ConnectorState, Nameplate},
    event::{PileAnswer, PileEvent, PileNotice, PileRequest},
    id::{CallId, ConnectionId, RequestId},
    order::{EndKind, EndReport, ProgressReport, StartReport},
    time::PileTime,
    wire::ErrorCode,
};

/// What the message in an envelope means. Where texts in it are not UTF-8, this is told of the
/// repaired message, and `original` is that one.
pub fn event(connection: ConnectionId, apdu: &Apdu) -> Result<PileEvent, DecodeError> {
    let read = |apdu: &Apdu| read(connection, &Opened::of(apdu)?);
    read(apdu).or_else(|error| match repair::texts(apdu) {
        Some(repaired) => read(&repaired),
        None => Err(error),
    })
}

fn read(connection: ConnectionId, apdu: &Opened) -> Result<PileEvent, DecodeError> {
    let id = kind(apdu)?;
    if apdu.is_answer() {
        return Ok(PileEvent::Answered { call: CallId(apdu.sequence), answer: answer(id, apdu)? });
    }
    if let Some(notice) = notice(id, apdu)? {
        return Ok(PileEvent::Told(notice));
    }
    Ok(PileEvent::Requested {
        id: RequestId { connection, sequence: apdu.sequence },
        request: request(id, apdu)?,
    })
}

fn notice(id: Id, apdu: &Opened) -> Result<Option<PileNotice>, DecodeError> {
    Ok(match id {
        Id::IdChargingInfoReq => Some(progress(apdu)?),
        Id::IdTelemetryReq => Some(telemetry(apdu)?),
        Id::IdMeterValuesReq => {
            let values: wire::MeterValuesReq = body(apdu)?;
            Some(PileNotice::Telemetry {
                plug: values::plug_or_pile(&values.connector_id),
                status: None,
                gauges: Box::new(measured::of_meter_values(&values)),
                original: original(apdu),
            })
        }
        _ if table::from_pile(id) == Fate::Passed
            && table::answer_to(apdu.original.revision, apdu.code).is_none() =>
        {
            Some(PileNotice::Pass(passing::from_pile(id, apdu)?))
        }
        _ => None,
    })
}

fn progress(apdu: &Opened) -> Result<PileNotice, DecodeError> {
    let info: wire::ChargingInfoReq = body(apdu)?;
    let old = v1_0::kept::<old::ChargingInfoReq>(&apdu.original);
    Ok(PileNotice::Progress(ProgressReport {
        record: values::record(&info.record_id, &apdu.original.body),
        plug: values::plug(&info.connector_id),
        state: state(&info, old.as_ref()),
        energy: values::energy(info.consumed_electric),
        cost: values::cost(info.cost.as_ref()),
        gauges: Box::new(measured::of_progress(&info, old.as_ref())),
        original: original(apdu),
    }))
}

/// The state of the connector in charging information. 1.10 knows fewer than 1.0, so that of 1.0
/// is read from the message as it came.
fn state(
    info: &wire::ChargingInfoReq,
    old: Option<&old::ChargingInfoReq>,
) -> Option<ConnectorState> {
    use wire::ChargerStatus as S;
    if let Some(old) = old {
        return values::connector_state(old.status).filter(|_| old.status != 0);
    }
    match S::try_from(info.status) {
        Ok(S::ChsEvConnected) => Some(ConnectorState::Connected),
        Ok(S::ChsCharging) => Some(ConnectorState::Charging),
        Ok(S::ChsSuspendedEv) => Some(ConnectorState::SuspendedByVehicle),
        Ok(S::ChsSuspendedEvse) => Some(ConnectorState::SuspendedByPile),
        Ok(S::ChsIdle) | Err(_) => None,
    }
}

fn telemetry(apdu: &Opened) -> Result<PileNotice, DecodeError> {
    let telemetry: wire::TelemetryReq = body(apdu)?;
    let status = telemetry.values.iter().find(|v| v.measurand == values::STATUS_MEASURAND);
    Ok(PileNotice::Telemetry {
        plug: values::plug_or_pile(&telemetry.connector_id),
        status: status.and_then(|sample| values::whole(sample.value)),
        gauges: Box::new(measured::of_telemetry(&telemetry)),
        original: original(apdu),
    })
}

fn request(id: Id, apdu: &Opened) -> Result<PileRequest, DecodeError> {
    match table::from_pile(id) {
        Fate::Served => served(id, apdu),
        Fate::Passed => passing::from_pile(id, apdu).map(PileRequest::Pass),
        Fate::Refused => unsupported(id, apdu),
    }
}

fn unsupported(id: Id, apdu: &Opened) -> Result<PileRequest, DecodeError> {
    passing::check(id, apdu)?;
    Ok(PileRequest::Unsupported { code: apdu.code })
}

fn served(id: Id, apdu: &Opened) -> Result<PileRequest, DecodeError> {
    Ok(match id {
        Id::IdBootNotificationReq => {
            let boot: wire::BootNotificationReq = body(apdu)?;
            PileRequest::Boot { nameplate: nameplate(boot), original: original(apdu) }
        }
        Id::IdHeartbeatReq => {
            body::<wire::HeartbeatReq>(apdu)?;
            PileRequest::Heartbeat
        }
        Id::IdSetTariffReq => {
            body::<wire::SetTariffReq>(apdu)?;
            PileRequest::Tariff
        }
        Id::IdAuthorizeReq => authorize(apdu)?,
        Id::IdStartTransactionReq => PileRequest::Start(start(apdu)?),
        Id::IdStopTransactionReq => PileRequest::End(stop(apdu)?),
        Id::IdTransactionReq => PileRequest::End(whole(apdu)?),
        Id::IdWarningReq => warning(apdu)?,
        Id::IdStatusNotificationReq => status(apdu)?,
        _ => unsupported(id, apdu)?,
    })
}

fn nameplate(boot: wire::BootNotificationReq) -> Box<Nameplate> {
    Box::new(Nameplate {
        serial: boot.serial_number,
        model: boot.part_number,
        vendor: boot.vendor_id,
        firmware: boot.firmware_version,
    })
}

fn warning(apdu: &Opened) -> Result<PileRequest, DecodeError> {
    let warning: wire::WarningReq = body(apdu)?;
    Ok(PileRequest::Warning {
        plug: values::plug_or_pile(&warning.connector_id),
        code: warning.code,
        cleared: warning.clean,
        original: original(apdu),
    })
}

fn status(apdu: &Opened) -> Result<PileRequest, DecodeError> {
    let status: wire::StatusNotificationReq = body(apdu)?;
    Ok(PileRequest::Status {
        plug: values::plug(&status.connector_id),
        state: status.connector_state,
        original: original(apdu),
    })
}

fn authorize(apdu: &Opened) -> Result<PileRequest, DecodeError> {
    let request: wire::AuthorizeReq = body(apdu)?;
    let Some(card) = values::card(request.id_data.as_ref()) else {
        // Errors are logged, and cards are not.
        let length = request.id_data.map(|token| token.id.chars().count()).unwrap_or_default();
        let (found, at) = (format!("{length} characters"), "AuthorizeReq.IdData.id");
        return Err(DecodeError::new(at, "a card number", found, ErrorCode::Protocol));
    };
    Ok(PileRequest::Authorize { card, original: original(apdu) })
}

fn start(apdu: &Opened) -> Result<StartReport, DecodeError> {
    let start: wire::StartTransactionReq = body(apdu)?;
    Ok(StartReport {
        record: values::record(&start.record_id, &apdu.original.body),
        plug: values::plug(&start.connector_id),
        card: values::card(start.id_data.as_ref()),
        token: values::token(&start.transaction_id),
        meter: values::meter(start.meter_start),
        at: PileTime::from_unix_s(start.timestamp),
        original: original(apdu),
    })
}

fn stop(apdu: &Opened) -> Result<EndReport, DecodeError> {
    let stop: wire::StopTransactionReq = body(apdu)?;
    Ok(EndReport {
        record: values::record(&stop.record_id, &apdu.original.body),
        plug: values::some_plug(&stop.connector_id),
        card: values::card(stop.id_data.as_ref()),
        token: values::token(&stop.transaction_id),
        started: PileTime::Unknown,
        kind: EndKind::Stop,
        meter_start: None,
        meter_stop: values::meter(stop.meter_stop),
        ended: PileTime::from_unix_s(stop.timestamp),
        cost: values::cost(stop.cost.as_ref()),
        reason: stop.reason,
        original: original(apdu),
    })
}

fn whole(apdu: &Opened) -> Result<EndReport, DecodeError> {
    let whole: wire::TransactionReq = body(apdu)?;
    Ok(EndReport {
        record: values::record(&whole.record_id, &apdu.original.body),
        plug: values::some_plug(&whole.connector_id),
        card: values::card(whole.id_data.as_ref()),
        token: values::token(&whole.transaction_id),
        started: PileTime::from_unix_s(whole.time_start),
        kind: EndKind::Whole,
        meter_start: values::meter(whole.meter_start),
        meter_stop: values::meter(whole.meter_stop),
        ended: PileTime::from_unix_s(whole.time_stop),
        cost: values::cost(whole.cost.as_ref()),
        reason: whole.reason,
        original: original(apdu),
    })
}

fn answer(id: Id, apdu: &Opened) -> Result<PileAnswer, DecodeError> {
    Ok(match id {
        Id::IdRemoteStartTransactionConf => {
            let conf: wire::RemoteStartTransactionConf = body(apdu)?;
            PileAnswer::RemoteStart { accepted: conf.status == 0, original: original(apdu) }
        }
        Id::IdRemoteStopTransactionConf => {
            let conf: wire::RemoteStopTransactionConf = body(apdu)?;
            PileAnswer::RemoteStop { accepted: conf.status == 0 }
        }
        Id::IdSetTariffConf => {
            let conf: wire::SetTariffConf = body(apdu)?;
            PileAnswer::Tariff { accepted: conf.status == 0 }
        }
        Id::IdMessageError => {
            let error: wire::MessageError = body(apdu)?;
            PileAnswer::Error(values::error_code(error.error))
        }
        _ => {
            passing::check(id, apdu)?;
            PileAnswer::Other(original(apdu))
        }
    })
}
