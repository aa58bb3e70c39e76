//! What the arguments of a line mean: `record=1 plug=2 at=60`. What is left out has a usual value.

use bytes::Bytes;
use prost::Message;
use sitepilot::{
    domain::{
        id::{CardNo, ConnectorNo, PlugNo, RecordNo, TransactionId},
        time::PileTime,
        wire::{Original, Revision},
    },
    protocol::charger::table,
};

use super::BEGIN_S;
use crate::script::Line;

/// The least answer to a message.
pub(super) fn answer_to(request: &Original) -> Original {
    let code = table::answer_to(request.revision, request.code).expect("it has an answer");
    Original { code, body: Bytes::new(), ..*request }
}

pub(super) fn original(code: u8, message: &impl Message) -> Original {
    Original { revision: Revision::V1_10, code, body: message.encode_to_vec().into() }
}

pub(super) fn record(line: &Line<'_>) -> RecordNo {
    RecordNo::new(line.text("record").unwrap_or("1")).expect("a record number")
}

pub(super) fn plug(line: &Line<'_>) -> PlugNo {
    PlugNo(line.number("plug").unwrap_or(1))
}

pub(super) fn card(line: &Line<'_>) -> Option<CardNo> {
    line.text("card").map(|card| CardNo::new(card).expect("a card number"))
}

pub(super) fn transaction(line: &Line<'_>) -> Option<TransactionId> {
    line.text("tx").map(|id| TransactionId::new(id).expect("a transaction id"))
}

pub(super) fn connector(line: &Line<'_>) -> Option<ConnectorNo> {
    line.number("connector").and_then(ConnectorNo::new)
}

/// Seconds after the beginning of the script; missing: unknown.
pub(super) fn at(line: &Line<'_>, key: &str) -> PileTime {
    line.number::<i64>(key).map_or(PileTime::Unknown, |s| PileTime::Known(BEGIN_S + s))
}
