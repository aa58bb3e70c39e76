//! What events and state have in common. The floats of the wire are made here, from integers, and
//! nowhere else.

use super::{
    super::{decimal::fixed, utc},
    wire::gateway::{EvChargingStatusData, Response, TransactionInfo},
};
use crate::domain::{
    connector::RunningOrder,
    gauge::Gauges,
    id::{CardNo, OrderSeq},
    quantity::Energy,
};

/// How something ended, with words for people.
pub(super) fn response(accepted: bool, message: &str) -> Response {
    Response { error: !accepted, message: message.to_owned() }
}

/// What a pile gives: current in A, voltage in V; nothing if neither is known. Piles of alternating
/// current may say both of the phases alone; then it is the greatest of each.
pub(super) fn offered(gauges: &Gauges) -> Option<EvChargingStatusData> {
    let greatest = |phases: [Option<i32>; 3]| phases.into_iter().flatten().max();
    let current = gauges.output_current_ca.or_else(|| greatest(gauges.input_current_ca));
    let voltage = gauges.output_voltage_dv.or_else(|| greatest(gauges.input_voltage_dv));
    if current.is_none() && voltage.is_none() {
        return None;
    }
    let unit = |value: Option<i32>, unit: &str| value.map(|_| unit.to_owned()).unwrap_or_default();
    Some(EvChargingStatusData {
        current_offered: current.map_or(0.0, |ca| float(ca, 2)),
        current_unit: unit(current, "A"),
        voltage_offered: voltage.map_or(0.0, |dv| float(dv, 1)),
        voltage_unit: unit(voltage, "V"),
    })
}

/// The nearest float to a decimal.
fn float(units: i32, places: usize) -> f32 {
    fixed(units, places).parse().unwrap_or_default()
}

/// A running order by its number on the wire; `None` if that does not fit. A card is told only
/// where `is_known_there`.
pub(super) fn transaction(
    order: &RunningOrder,
    connector_id: i32,
    is_known_there: impl Fn(&CardNo) -> bool,
) -> Option<(i32, TransactionInfo)> {
    let id = number(order.seq)?;
    let info = TransactionInfo {
        id,
        id_tag: tag(order.card.as_ref(), is_known_there),
        connector_id,
        start_time: time(order.started_s),
        start_meter: meter(order.meter_start),
        ..TransactionInfo::default()
    };
    Some((id, info))
}

/// The number of an order: its position in the ledger.
pub(super) fn number(seq: OrderSeq) -> Option<i32> {
    i32::try_from(seq.0).ok()
}

/// The card, where the gateway knows it; others are nobody's business there.
pub(super) fn tag(card: Option<&CardNo>, is_known_there: impl Fn(&CardNo) -> bool) -> String {
    let card = card.filter(|card| is_known_there(card));
    card.map(|card| card.as_str().to_owned()).unwrap_or_default()
}

/// In UTC; empty where it is not known.
pub(super) fn time(unix_s: Option<i64>) -> String {
    unix_s.and_then(utc::rfc3339).unwrap_or_default()
}

/// In Wh; 0 where it is not known or does not fit.
pub(super) fn meter(reading: Option<Energy>) -> i32 {
    reading.and_then(|reading| i32::try_from(reading.wh()).ok()).unwrap_or_default()
}
