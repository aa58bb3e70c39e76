//! What a backend says.

use sha2::{Digest, Sha256};

use super::{
    super::table::{self, Fate},
    DecodeError, Opened, body, kind, original, passing, quote, values,
    wire::{self, MessageId as Id},
};
use crate::domain::{
    card::Verdict,
    event::{
        HistoryLevel, HistoryQuery, Named, RemoteStart, TriggerKind, UplinkAnswer, UplinkEvent,
        UplinkRequest,
    },
    id::{CardNo, ConnectorNo, OrderId, Sequence},
    quantity::Money,
    wire::ErrorCode,
};

/// What the message in an envelope means.
pub fn event(apdu: &Opened) -> Result<UplinkEvent, DecodeError> {
    let id = kind(apdu)?;
    let sequence = Sequence(apdu.sequence);
    Ok(if apdu.is_answer() {
        UplinkEvent::Answered { sequence, answer: answer(id, apdu)?, at_s: apdu.at_s }
    } else {
        UplinkEvent::Requested { sequence, digest: digest(apdu), request: request(id, apdu)? }
    })
}

/// 64 bits of SHA-256 over code and body.
fn digest(apdu: &Opened) -> u64 {
    let hash = Sha256::new().chain_update([apdu.code]).chain_update(&apdu.body).finalize();
    hash.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

fn answer(id: Id, apdu: &Opened) -> Result<UplinkAnswer, DecodeError> {
    Ok(match id {
        Id::IdBootNotificationConf => {
            let conf: wire::BootNotificationConf = body(apdu)?;
            UplinkAnswer::Boot {
                status: conf.status,
                time_s: conf.current_time,
                interval_s: conf.interval,
            }
        }
        Id::IdHeartbeatConf => UplinkAnswer::Heartbeat,
        Id::IdStartTransactionConf => started(apdu)?,
        Id::IdStopTransactionConf => stopped(apdu)?,
        Id::IdTransactionConf => {
            let conf: wire::TransactionConf = body(apdu)?;
            UplinkAnswer::Transaction {
                status: conf.status,
                order: named_order(&conf.record_id),
                connector: values::named_connector(&conf.connector_id),
            }
        }
        Id::IdAuthorizeConf => {
            let conf: wire::AuthorizeConf = body(apdu)?;
            // A card of which nothing is said is not accepted.
            let verdict = conf.id_info.map_or(Verdict::Unknown, |t| values::verdict(t.status));
            UplinkAnswer::Authorize { verdict, original: original(apdu) }
        }
        Id::IdWarningConf => UplinkAnswer::Warning,
        Id::IdMessageError => {
            let error: wire::MessageError = body(apdu)?;
            let code = values::error_code(error.error);
            UplinkAnswer::Error { code, text: quote(&error.description) }
        }
        _ => {
            passing::check(id, apdu)?;
            UplinkAnswer::Other(original(apdu))
        }
    })
}

fn named_order(text: &str) -> Named<OrderId> {
    values::named(text, |text| OrderId::new(text).ok())
}

fn started(apdu: &Opened) -> Result<UplinkAnswer, DecodeError> {
    let conf: wire::StartTransactionConf = body(apdu)?;
    // The car is charging already: only an objection stops it, not a missing field.
    let verdict = conf.id_info.map_or(Verdict::Accepted, |token| values::verdict(token.status));
    Ok(UplinkAnswer::Start {
        transaction: values::transaction(&conf.transaction_id),
        order: named_order(&conf.record_id),
        connector: values::named_connector(&conf.connector_id),
        verdict,
        original: original(apdu),
    })
}

fn stopped(apdu: &Opened) -> Result<UplinkAnswer, DecodeError> {
    let conf: wire::StopTransactionConf = body(apdu)?;
    Ok(UplinkAnswer::Stop {
        transaction: values::named(&conf.transaction_id, values::transaction),
        connector: values::named_connector(&conf.connector_id),
        cost: Money::from_fen(conf.total_cost),
        original: original(apdu),
    })
}

fn request(id: Id, apdu: &Opened) -> Result<UplinkRequest, DecodeError> {
    match table::from_backend(id) {
        Fate::Served => served(id, apdu),
        Fate::Passed => passing::from_backend(id, apdu).map(UplinkRequest::Pass),
        Fate::Refused => unsupported(id, apdu),
    }
}

fn unsupported(id: Id, apdu: &Opened) -> Result<UplinkRequest, DecodeError> {
    passing::check(id, apdu)?;
    Ok(UplinkRequest::Unsupported { code: apdu.code })
}

fn served(id: Id, apdu: &Opened) -> Result<UplinkRequest, DecodeError> {
    Ok(match id {
        Id::IdRemoteStartTransactionReq => {
            let request: wire::RemoteStartTransactionReq = body(apdu)?;
            UplinkRequest::RemoteStart(RemoteStart {
                connector: this(values::named_connector(&request.connector_id)),
                transaction: values::transaction(&request.transaction_id),
                card: values::card(request.id_data.as_ref()),
                original: Some(original(apdu)),
            })
        }
        Id::IdRemoteStopTransactionReq => {
            let request: wire::RemoteStopTransactionReq = body(apdu)?;
            UplinkRequest::RemoteStop {
                transaction: values::transaction(&request.transaction_id),
                connector: this(values::named_connector(&request.connector_id)),
                card: None,
                original: Some(original(apdu)),
            }
        }
        Id::IdSetTariffReq => tariff(apdu)?,
        Id::IdGetTransactionsReq => UplinkRequest::History(history(apdu)?),
        Id::IdTriggerMessageReq => {
            let request: wire::TriggerMessageReq = body(apdu)?;
            let connector = one_or_all("TriggerMessageReq.connectorId", &request.connector_id)?;
            UplinkRequest::Trigger { what: trigger(request.request), connector }
        }
        Id::IdUpdateIdCardCacheReq => {
            let list: wire::UpdateIdCardCacheReq = body(apdu)?;
            cards(apdu, false, &mut list.cardinfo.iter())
        }
        Id::IdSendLocalAuthorizationListReq => local_list(apdu)?,
        Id::IdClearCacheReq => UplinkRequest::ClearCards,
        _ => unsupported(id, apdu)?,
    })
}

/// The connector, if one is named that a site can have.
fn this(named: Named<ConnectorNo>) -> Option<ConnectorNo> {
    match named {
        Named::This(connector) => Some(connector),
        Named::Nothing | Named::Foreign => None,
    }
}

/// One connector, or all of them. A number no site can have is neither.
fn one_or_all(at: &'static str, text: &str) -> Result<Option<ConnectorNo>, DecodeError> {
    match values::named_connector(text) {
        Named::This(connector) => Ok(Some(connector)),
        Named::Nothing => Ok(None),
        Named::Foreign => {
            Err(DecodeError::new(at, "a connector of this site", text, ErrorCode::Generic))
        }
    }
}

fn tariff(apdu: &Opened) -> Result<UplinkRequest, DecodeError> {
    if apdu.body.is_empty() {
        let at = "SetTariffReq";
        return Err(DecodeError::new(at, "a tariff", "nothing", ErrorCode::Protocol));
    }
    let tariff: wire::SetTariffReq = body(apdu)?;
    Ok(UplinkRequest::Tariff { id: tariff.tariffid, original: original(apdu) })
}

fn history(apdu: &Opened) -> Result<HistoryQuery, DecodeError> {
    let query: wire::GetTransactionsReq = body(apdu)?;
    Ok(HistoryQuery {
        level: match query.level {
            0 => HistoryLevel::Current,
            1 => HistoryLevel::Unsettled,
            // 2, and what later revisions may add: rather too much than too little.
            _ => HistoryLevel::All,
        },
        connector: one_or_all("GetTransactionsReq.connectorId", &query.connector_id)?,
        from_s: Some(query.start_time).filter(|s| *s > 0),
        until_s: Some(i64::from(query.end_time)).filter(|s| *s > 0),
    })
}

fn trigger(code: i32) -> TriggerKind {
    match Id::try_from(code) {
        Ok(Id::IdBootNotificationReq) => TriggerKind::Boot,
        Ok(Id::IdHeartbeatReq) => TriggerKind::Heartbeat,
        Ok(Id::IdStartTransactionReq) => TriggerKind::Start,
        Ok(Id::IdChargingInfoReq) => TriggerKind::Progress,
        Ok(Id::IdStatusNotificationReq) => TriggerKind::Status,
        Ok(Id::IdTelemetryReq | Id::IdMeterValuesReq) => TriggerKind::Telemetry,
        Ok(Id::IdTransactionReq) => TriggerKind::Transactions,
        Ok(Id::IdSetTariffReq) => TriggerKind::Tariff,
        _ => TriggerKind::Other,
    }
}

fn local_list(apdu: &Opened) -> Result<UplinkRequest, DecodeError> {
    use wire::send_local_authorization_list_req::UpdateEnumType;
    let list: wire::SendLocalAuthorizationListReq = body(apdu)?;
    let replaces_all = list.update_type() == UpdateEnumType::Full;
    let mut tokens = list.local_authorization_list.iter().filter_map(|d| d.id_token.as_ref());
    Ok(cards(apdu, replaces_all, &mut tokens))
}

/// Cards without a usable number are left out: nobody could present them.
fn cards(
    apdu: &Opened,
    replaces_all: bool,
    tokens: &mut dyn Iterator<Item = &wire::IdToken>,
) -> UplinkRequest {
    let judged =
        |token: &wire::IdToken| Some((CardNo::new(&token.id).ok()?, values::verdict(token.status)));
    UplinkRequest::Cards {
        code: apdu.code,
        replaces_all,
        cards: tokens.filter_map(judged).collect(),
    }
}
