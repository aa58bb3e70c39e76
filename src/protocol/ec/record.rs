//! An order that has ended as the message of it.

use bytes::Bytes;

use super::{
    Settings,
    message::{Message, Record},
};
use crate::{
    domain::order::Order,
    protocol::{charger::bill, dialect::Unfit},
};

/// The message of an order, whole. The same order gives the same bytes.
///
/// Amounts are in fen, each rounded half up; where the total is to be told without the service
/// fee, it is the difference of the rounded amounts, so that both add up to what was billed. The
/// fee is that of the pile's bill; a fee that no bill tells is 0, and so is an amount of which
/// neither total nor bill is known.
///
/// # Errors
///
/// If a field is missing or outside of its range, or if the server is known to drop the record.
pub fn freeze(order: &Order, settings: &Settings) -> Result<Bytes, Unfit> {
    let ending = order.ending.as_ref().ok_or_else(|| missing("end"))?;
    let start_s = within("start", order.started_s.ok_or_else(|| missing("start"))?)?;
    let end_s = within("end", ending.ended_s.ok_or_else(|| missing("end"))?)?;
    let plug = order.plug.ok_or_else(|| missing("gun"))?;
    let bill = bill::of(order).unwrap_or_default();
    let service_fen = within("service fee", bill.service_cost().fen())?;
    let billed_fen = within("amount", ending.cost.unwrap_or_else(|| bill.cost()).fen())?;
    let amount_fen = match settings.amount_includes_service {
        true => billed_fen,
        false => billed_fen.checked_sub(service_fen).ok_or_else(|| Unfit::Range {
            field: "amount without service fee",
            found: format!("{billed_fen} less {service_fen} fen"),
        })?,
    };
    let record = Record {
        organisation: settings.organisation,
        pile: order.key.pile.into(),
        gun: u8::try_from(plug.0).map_err(|_| outside("gun", plug.0))?,
        trade: order.id.into(),
        start_s,
        end_s,
        energy_wh: u32::try_from(ending.energy.wh())
            .map_err(|_| outside("energy", ending.energy.wh()))?,
        amount_fen,
        service_fen,
    };
    wanted(&record)?;
    Message::Record(record).encode()
}

/// What the server takes: it is known to drop the rest without a word.
fn wanted(record: &Record) -> Result<(), Unfit> {
    if record.energy_wh == 0 {
        return Err(Unfit::Unwanted { why: "its energy is 0" });
    }
    if record.start_s >= record.end_s {
        return Err(Unfit::Unwanted { why: "it does not end after its start" });
    }
    Ok(())
}

fn within(field: &'static str, value: i64) -> Result<u32, Unfit> {
    u32::try_from(value).map_err(|_| outside(field, value))
}

fn outside(field: &'static str, found: impl ToString) -> Unfit {
    Unfit::Range { field, found: found.to_string() }
}

fn missing(field: &'static str) -> Unfit {
    outside(field, "unknown")
}
