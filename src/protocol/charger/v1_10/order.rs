//! An order as messages for a backend: what the pile said, with the ids and figures of the
//! ledger.

use super::{
    curve, kept, values,
    wire::{self, MessageId as Id},
};
use crate::domain::{
    order::{Ending, Order},
    quantity::Energy,
};

/// What ended the order, as the pile said it.
enum Said {
    Stop(wire::StopTransactionReq),
    Whole(wire::TransactionReq),
    Nothing,
}

fn said(order: &Order) -> Said {
    let Some(original) = order.ending.as_ref().and_then(|ending| ending.original.as_ref()) else {
        return Said::Nothing;
    };
    if let Some(stop) = kept(original, Id::IdStopTransactionReq) {
        return Said::Stop(stop);
    }
    kept(original, Id::IdTransactionReq).map_or(Said::Nothing, Said::Whole)
}

/// What the pile billed, in the message that ended the order.
pub fn cost(order: &Order) -> Option<wire::Cost> {
    match said(order) {
        Said::Stop(stop) => stop.cost,
        Said::Whole(whole) => whole.cost,
        Said::Nothing => None,
    }
}

/// The tariff the pile named when the order began; 0 if it named none.
pub fn tariff_at_start(order: &Order) -> u64 {
    start(order).tariff_id
}

fn start(order: &Order) -> wire::StartTransactionReq {
    let kept = order.start.as_ref().and_then(|o| kept(o, Id::IdStartTransactionReq));
    kept.unwrap_or_default()
}

/// The order as `StopTransactionReq`. The unit is that of `elecData` made by the site.
pub fn stop(order: &Order, elec_data_unit: Energy) -> wire::StopTransactionReq {
    let mut stop = match said(order) {
        Said::Stop(stop) => stop,
        Said::Whole(whole) => stop_of_whole(whole),
        Said::Nothing => stop_of_start(start(order)),
    };
    stop.record_id = order.id.as_str().to_owned();
    stop.transaction_id = values::transaction_text(order.transaction.as_ref());
    stop.evse_id = order.key.pile.as_str().to_owned();
    stop.connector_id = values::connector_text(order.connector);
    stop.id_data = payer(stop.id_data.take(), order);
    if let Some(ending) = &order.ending {
        stop.reason = ending.reason;
        stop.timestamp = ending.ended_s.unwrap_or(stop.timestamp);
        stop.cost = bill(stop.cost.take(), ending);
    }
    (_, stop.meter_stop) = meters(order);
    stop.elec_data = curve::elec_data(order, elec_data_unit).unwrap_or(stop.elec_data);
    stop
}

/// The order as `TransactionReq`. The unit is that of `elecData` made by the site.
pub fn transaction(order: &Order, elec_data_unit: Energy) -> wire::TransactionReq {
    let mut whole = match said(order) {
        Said::Stop(stop) => whole_of(start(order), stop),
        Said::Whole(whole) => whole,
        Said::Nothing => {
            let start = start(order);
            whole_of(start.clone(), stop_of_start(start))
        }
    };
    whole.record_id = order.id.as_str().to_owned();
    whole.transaction_id = values::transaction_text(order.transaction.as_ref());
    whole.evse_id = order.key.pile.as_str().to_owned();
    whole.connector_id = values::connector_text(order.connector);
    whole.id_data = payer(whole.id_data.take(), order);
    whole.time_start = order.started_s.unwrap_or(whole.time_start);
    if let Some(ending) = &order.ending {
        whole.reason = ending.reason;
        whole.time_stop = ending.ended_s.unwrap_or(whole.time_stop);
        whole.cost = bill(whole.cost.take(), ending);
    }
    (whole.meter_start, whole.meter_stop) = meters(order);
    whole.elec_data = curve::elec_data(order, elec_data_unit).unwrap_or(whole.elec_data);
    whole
}

/// Who pays: as the pile said it, else as the ledger knows it.
fn payer(said: Option<wire::IdToken>, order: &Order) -> Option<wire::IdToken> {
    said.or_else(|| {
        let card = order.card.as_ref()?;
        Some(wire::IdToken { id: card.as_str().to_owned(), ..Default::default() })
    })
}

/// The pile's bill with the ledger's total.
fn bill(said: Option<wire::Cost>, ending: &Ending) -> Option<wire::Cost> {
    match ending.cost {
        Some(total) => {
            Some(wire::Cost { totalcost: values::fen(total), ..said.unwrap_or_default() })
        }
        None => said,
    }
}

/// Readings at start and stop, in 0.01 kWh. A reading that is missing is filled in so that the
/// difference is the energy of the order.
fn meters(order: &Order) -> (f64, f64) {
    let (first, last) = readings(order);
    (values::meter_number(first), values::meter_number(last))
}

fn readings(order: &Order) -> (Energy, Energy) {
    let Some(ending) = &order.ending else {
        let metered = order.metering.as_ref().and_then(|metering| metering.start);
        let first = metered.map(|sample| sample.energy).or(order.meter_start).unwrap_or_default();
        let so_far = order.progress.map(|progress| progress.energy).unwrap_or_default();
        return (first, first.saturating_add(so_far));
    };
    match (ending.meter_start.or(order.meter_start), ending.meter_stop) {
        (Some(first), Some(last)) => (first, last),
        (Some(first), None) => (first, first.saturating_add(ending.energy)),
        (None, Some(last)) => (last.since(ending.energy).unwrap_or_default(), last),
        (None, None) => (Energy::default(), ending.energy),
    }
}

/// What a start says of the stop that never came.
fn stop_of_start(start: wire::StartTransactionReq) -> wire::StopTransactionReq {
    wire::StopTransactionReq {
        id_data: start.id_data,
        reservation_id: start.reservation_id,
        profile: start.profile,
        vin: start.vin,
        ..Default::default()
    }
}

fn stop_of_whole(whole: wire::TransactionReq) -> wire::StopTransactionReq {
    wire::StopTransactionReq {
        id_data: whole.id_data,
        reason: whole.reason,
        timestamp: whole.time_stop,
        cost: whole.cost,
        deduction: whole.deduction,
        tac: whole.tac,
        elec_data: whole.elec_data,
        reason_desc: whole.reason_desc,
        is_disabled_time_start: whole.is_disabled_time_start,
        soc: whole.stop_soc,
        calc_cost_by_backend: whole.calc_cost_by_backend,
        reservation_id: whole.reservation_id.into(),
        current_a: whole.current_a,
        current_b: whole.current_b,
        current_c: whole.current_c,
        voltage_a: whole.voltage_a,
        voltage_b: whole.voltage_b,
        voltage_c: whole.voltage_c,
        power: whole.power,
        tariff: whole.tariff,
        profile: whole.profile,
        battery_temp: whole.battery_temp,
        remaining_time: whole.remaining_time,
        vin: whole.vin,
        ..Default::default()
    }
}

fn whole_of(
    start: wire::StartTransactionReq,
    stop: wire::StopTransactionReq,
) -> wire::TransactionReq {
    let reservation =
        if stop.reservation_id == 0 { start.reservation_id } else { stop.reservation_id };
    wire::TransactionReq {
        id_data: start.id_data.or(stop.id_data),
        mode: start.mode,
        service: start.service_mode,
        time_start: start.timestamp,
        time_stop: stop.timestamp,
        pin: start.pin,
        reason: stop.reason,
        cost: stop.cost,
        deduction: stop.deduction,
        tac: stop.tac,
        elec_data: stop.elec_data,
        reason_desc: stop.reason_desc,
        is_disabled_time_start: stop.is_disabled_time_start,
        start_soc: start.soc,
        stop_soc: stop.soc,
        calc_cost_by_backend: stop.calc_cost_by_backend,
        // Narrower here than in the other messages; an id that does not fit names nothing.
        reservation_id: i32::try_from(reservation).unwrap_or(0),
        remote_start_id: i32::try_from(start.remote_start_id).unwrap_or(0),
        current_a: stop.current_a,
        current_b: stop.current_b,
        current_c: stop.current_c,
        voltage_a: stop.voltage_a,
        voltage_b: stop.voltage_b,
        voltage_c: stop.voltage_c,
        power: stop.power,
        tariff: stop.tariff,
        profile: stop.profile.or(start.profile),
        battery_temp: stop.battery_temp,
        remaining_time: stop.remaining_time,
        vin: if stop.vin.is_empty() { start.vin } else { stop.vin },
        ..Default::default()
    }
}
