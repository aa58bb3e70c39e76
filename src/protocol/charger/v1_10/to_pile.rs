//! What piles are told.

use super::{
    EncodeError, Outgoing, expect_kept, kept, message_error, passing, values,
    wire::{self, MessageId as Id},
};
use crate::domain::{
    card::Verdict,
    id::{CardNo, OrderId, PlugNo, RecordNo, StartToken},
    quantity::Money,
    reply::{PileCall, PileReply},
    wire::Original,
};

/// An answer to a pile.
pub fn reply(reply: &PileReply) -> Result<Outgoing, EncodeError> {
    Ok(match reply {
        PileReply::Boot { accepted, time_s, interval_s } => boot(*accepted, *time_s, *interval_s),
        PileReply::Heartbeat => Outgoing::new(Id::IdHeartbeatConf, &wire::HeartbeatResp::default()),
        PileReply::Authorize { verdict, backend } => authorize(*verdict, backend.as_ref()),
        PileReply::Start { order, record, plug, verdict, backend } => {
            start(*order, record, *plug, *verdict, backend.as_ref())
        }
        PileReply::Stop { order, plug, cost } => stop(*order, *plug, *cost),
        PileReply::Transaction { record, plug } => Outgoing::new(
            Id::IdTransactionConf,
            &wire::TransactionConf {
                status: values::yes_no(true),
                record_id: values::record_text(record),
                connector_id: plug.map(values::plug_text).unwrap_or_default(),
            },
        ),
        PileReply::Warning { code, cleared } => {
            Outgoing::new(Id::IdWarningConf, &wire::WarningConf { code: *code, clean: *cleared })
        }
        PileReply::Status { plug } => Outgoing::new(
            Id::IdStatusNotificationConf,
            &wire::StatusNotificationConf { connector_id: values::plug_text(*plug) },
        ),
        PileReply::Passed(passed) => passing::to_pile(passed)?,
        PileReply::Error { code, text } => {
            Outgoing::new(Id::IdMessageError, &message_error(*code, text))
        }
    })
}

fn boot(accepted: bool, time_s: Option<i64>, interval_s: u32) -> Outgoing {
    let conf = wire::BootNotificationConf {
        current_time: time_s.unwrap_or(0),
        interval: i32::try_from(interval_s).unwrap_or(i32::MAX),
        status: values::yes_no(accepted),
        ..Default::default()
    };
    Outgoing::new(Id::IdBootNotificationConf, &conf)
}

fn authorize(verdict: Verdict, backend: Option<&Original>) -> Outgoing {
    let said: Option<wire::AuthorizeConf> = backend.and_then(|o| kept(o, Id::IdAuthorizeConf));
    let mut conf = said.unwrap_or_default();
    judge(&mut conf.id_info, verdict);
    // The backend's id is never shown to a pile; the site's comes with the start.
    conf.transaction_id.clear();
    Outgoing::new(Id::IdAuthorizeConf, &conf)
}

fn start(
    order: OrderId,
    record: &RecordNo,
    plug: PlugNo,
    verdict: Verdict,
    backend: Option<&Original>,
) -> Outgoing {
    let said: Option<wire::StartTransactionConf> =
        backend.and_then(|o| kept(o, Id::IdStartTransactionConf));
    let mut conf = said.unwrap_or_default();
    judge(&mut conf.id_info, verdict);
    conf.transaction_id = order.as_str().to_owned();
    conf.record_id = values::record_text(record);
    conf.connector_id = values::plug_text(plug);
    Outgoing::new(Id::IdStartTransactionConf, &conf)
}

/// Writes the verdict, unless the backend's own number already says it more closely.
fn judge(info: &mut Option<wire::IdToken>, verdict: Verdict) {
    let info = info.get_or_insert_default();
    let says_so = values::verdict(info.status) == verdict;
    if !says_so {
        info.status = values::status(verdict).into();
    }
}

fn stop(order: Option<OrderId>, plug: Option<PlugNo>, cost: Option<Money>) -> Outgoing {
    let conf = wire::StopTransactionConf {
        total_cost: cost.map(values::fen).unwrap_or(0),
        // Whether the money was taken is known to the backend alone.
        charged: false,
        transaction_id: order.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        connector_id: plug.map(values::plug_text).unwrap_or_default(),
        ..Default::default()
    };
    Outgoing::new(Id::IdStopTransactionConf, &conf)
}

/// A request of the site.
pub fn call(call: &PileCall) -> Result<Outgoing, EncodeError> {
    match call {
        PileCall::RemoteStart { plug, token, card, backend } => {
            remote_start(*plug, token, card.as_ref(), backend.as_ref())
        }
        PileCall::RemoteStop { order, plug, backend } => {
            Ok(remote_stop(*order, *plug, backend.as_ref()))
        }
        PileCall::Tariff(tariff) => {
            expect_kept::<wire::SetTariffReq>(tariff, Id::IdSetTariffReq)?;
            Ok(Outgoing::kept(tariff.clone()))
        }
        PileCall::Pass(passed) => passing::to_pile(passed),
    }
}

fn remote_start(
    plug: PlugNo,
    token: &StartToken,
    card: Option<&CardNo>,
    backend: Option<&Original>,
) -> Result<Outgoing, EncodeError> {
    let mut request: wire::RemoteStartTransactionReq = match backend {
        Some(backend) => expect_kept(backend, Id::IdRemoteStartTransactionReq)?,
        None => wire::RemoteStartTransactionReq {
            id_data: card
                .map(|card| wire::IdToken { id: card.as_str().to_owned(), ..Default::default() }),
            ..Default::default()
        },
    };
    request.connector_id = values::plug_text(plug);
    request.transaction_id = token.as_str().to_owned();
    // The backend's name of the pile; the pile need not know it.
    request.evse_id.clear();
    Ok(Outgoing::new(Id::IdRemoteStartTransactionReq, &request))
}

fn remote_stop(order: OrderId, plug: Option<PlugNo>, backend: Option<&Original>) -> Outgoing {
    let asked: Option<wire::RemoteStopTransactionReq> =
        backend.and_then(|o| kept(o, Id::IdRemoteStopTransactionReq));
    let mut request = asked.unwrap_or_else(|| wire::RemoteStopTransactionReq {
        reason: wire::StopReason::SrRemoteAdmin.into(),
        ..Default::default()
    });
    request.connector_id = plug.map(values::plug_text).unwrap_or_default();
    request.transaction_id = order.as_str().to_owned();
    Outgoing::new(Id::IdRemoteStopTransactionReq, &request)
}
