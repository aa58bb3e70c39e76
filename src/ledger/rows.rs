//! Orders out of their rows.

use rusqlite::{Connection, Params, Row};

use super::{
    columns::{self, DELIVERIES, QUALITIES, STATES},
    error::LedgerError,
    metering,
};
use crate::domain::{
    dating::Epoch,
    id::{
        CardNo, ConnectorNo, KeyTime, OrderKey, OrderSeq, PileCode, Place, PlugNo, RecordNo,
        TransactionId,
    },
    order::{Delivery, Ending, Order, OrderState, Progress},
    time::{BootId, Stamp},
};

/// Runs that have been dated after the fact; rows keep what was stamped and are dated when read.
pub(super) use crate::domain::dating::Calendar;

/// Tables and aliases that an order is read from; a condition may follow.
const SELECT: &str = "SELECT
 o.seq, p.code, o.record, o.started, o.connector, o.plug, o.flags, o.card,
 o.boot, o.mono, o.wall, o.quality, o.started_s, o.meter_start, o.revision, o.code, o.body,
 l.state, l.energy, l.cost, l.boot, l.mono, l.wall, l.quality,
 e.flags, e.ended_s, e.meter_start, e.meter_stop, e.energy, e.cost, e.reason,
 e.boot, e.mono, e.wall, e.quality, e.revision, e.code, e.body, t.id
 FROM orders o LEFT JOIN piles p ON p.no = o.pile LEFT JOIN live l ON l.seq = o.seq
 LEFT JOIN endings e ON e.seq = o.seq LEFT JOIN transactions t ON t.seq = o.seq ";

const SELECT_DELIVERIES: &str = "SELECT
 u.name, d.state, d.attempts, d.boot, d.mono, d.wall, d.quality, d.error, COALESCE(f.body, b.body),
 d.place
 FROM deliveries d LEFT JOIN uplinks u ON u.no = d.uplink
 LEFT JOIN frozen f ON f.delivery = d.seq * 256 + d.pos
 LEFT JOIN payloads b ON b.seq = d.seq AND b.pos = d.pos WHERE d.seq = ?1 ORDER BY d.pos";

/// Dated runs.
pub(super) fn calendar(conn: &Connection) -> Result<Calendar, LedgerError> {
    let mut statement = conn.prepare_cached(
        "SELECT boot, epoch_ms, quality, estimated FROM boots WHERE epoch_ms IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut calendar = Calendar::new();
    while let Some(row) = rows.next()? {
        let boot = BootId(row.get::<_, i64>(0)?.cast_unsigned());
        let quality = columns::value(&QUALITIES, row.get(2)?)?;
        let epoch = Epoch { unix_ms: row.get(1)?, quality, estimated: row.get(3)? };
        calendar.insert(boot, epoch);
    }
    Ok(calendar)
}

/// A stamp with the date of its run, if that is known.
pub(super) fn dated(calendar: &Calendar, at: Stamp) -> Stamp {
    calendar.get(&at.boot).map_or(at, |epoch| at.dated(at.boot, *epoch))
}

/// Orders for a condition on `o`, `l`, `e`, dated, handed out one by one.
pub(super) fn for_each(
    conn: &Connection,
    calendar: &Calendar,
    condition: &str,
    params: impl Params,
    mut give: impl FnMut(Order) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut statement = conn.prepare_cached(&format!("{SELECT}{condition}"))?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        let mut order = order(row)?;
        order.deliveries = deliveries(conn, order.seq)?;
        order.metering = metering::of(conn, order.seq)?;
        order.date_by(calendar);
        give(order)?;
    }
    Ok(())
}

/// Orders for a condition on `o`, `l`, `e`, dated.
pub(super) fn select(
    conn: &Connection,
    calendar: &Calendar,
    condition: &str,
    params: impl Params,
) -> Result<Vec<Order>, LedgerError> {
    let mut orders = Vec::new();
    for_each(conn, calendar, condition, params, |order| {
        orders.push(order);
        Ok(())
    })?;
    Ok(orders)
}

/// One order by position, as it was stamped.
pub(super) fn raw(conn: &Connection, seq: OrderSeq) -> Result<Option<Order>, LedgerError> {
    let condition = "WHERE o.seq = ?1";
    Ok(select(conn, &Calendar::new(), condition, [seq.0.cast_signed()])?.pop())
}

/// One order by position, as it was stamped, for those who read its deliveries otherwise.
pub(super) fn raw_without_deliveries(
    conn: &Connection,
    seq: OrderSeq,
) -> Result<Option<Order>, LedgerError> {
    let mut statement = conn.prepare_cached(&format!("{SELECT}WHERE o.seq = ?1"))?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    rows.next()?.map(order).transpose()
}

fn id<T, E: std::fmt::Display>(
    row: &Row<'_>,
    at: usize,
    new: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, LedgerError> {
    let text: Option<String> = row.get(at)?;
    let id = text.map(|text| new(&text).map_err(|e| LedgerError::corrupt(e.to_string())));
    id.transpose()
}

fn order(row: &Row<'_>) -> Result<Order, LedgerError> {
    let key = key(row)?;
    let ending = ending_at(row, 25)?;
    let state = state(row, ending.is_some())?;
    let flags = row.get::<_, Option<i64>>(24)?.map_or_else(|| row.get(6), Ok)?;
    let connector = row.get::<_, Option<u16>>(4)?.map(|number| {
        ConnectorNo::new(number).ok_or_else(|| LedgerError::corrupt("a connector out of range"))
    });
    Ok(Order {
        seq: OrderSeq(row.get::<_, i64>(0)?.cast_unsigned()),
        id: key.id(),
        key,
        connector: connector.transpose()?,
        plug: row.get::<_, Option<u16>>(5)?.map(PlugNo),
        state,
        flags: columns::flags_from_bits(flags),
        card: id(row, 7, CardNo::new)?,
        transaction: id(row, 38, TransactionId::new)?,
        opened: columns::stamp(row, 8)?,
        started_s: row.get(12)?,
        meter_start: columns::energy(row, 13)?,
        progress: progress(row)?,
        ending,
        start: columns::original(row, 14)?,
        metering: None,
        deliveries: Vec::new(),
    })
}

fn key(row: &Row<'_>) -> Result<OrderKey, LedgerError> {
    let missing = || LedgerError::corrupt("an order of no pile");
    let pile = id(row, 1, PileCode::new)?.ok_or_else(missing)?;
    let record = id(row, 2, RecordNo::new)?.ok_or_else(missing)?;
    Ok(OrderKey { pile, record, started: KeyTime(row.get(3)?) })
}

fn state(row: &Row<'_>, has_ended: bool) -> Result<OrderState, LedgerError> {
    let Some(place) = row.get::<_, Option<i64>>(17)? else {
        let lost = || LedgerError::corrupt("an order that has neither a state nor an ending");
        return has_ended.then_some(OrderState::Settled).ok_or_else(lost);
    };
    let state = columns::value(&STATES, place)?;
    let agrees = if has_ended { state == OrderState::Recorded } else { state.is_open() };
    agrees.then_some(state).ok_or_else(|| LedgerError::corrupt("a state that denies the ending"))
}

fn progress(row: &Row<'_>) -> Result<Option<Progress>, LedgerError> {
    let Some(energy) = columns::energy(row, 18)? else { return Ok(None) };
    let at = columns::stamp(row, 20)?;
    Ok(Some(Progress { energy, cost: columns::money(row, 19)?, at }))
}

/// The ending in the thirteen columns from `at`, if its energy is not null.
pub(super) fn ending_at(row: &Row<'_>, at: usize) -> Result<Option<Ending>, LedgerError> {
    let Some(energy) = columns::energy(row, at + 3)? else { return Ok(None) };
    Ok(Some(Ending {
        ended_s: row.get(at)?,
        meter_start: columns::energy(row, at + 1)?,
        meter_stop: columns::energy(row, at + 2)?,
        energy,
        cost: columns::money(row, at + 4)?,
        reason: row.get(at + 5)?,
        recorded: columns::stamp(row, at + 6)?,
        original: columns::original(row, at + 10)?,
    }))
}

/// Deliveries of an order, as they were stamped.
pub(super) fn deliveries(conn: &Connection, seq: OrderSeq) -> Result<Vec<Delivery>, LedgerError> {
    let mut statement = conn.prepare_cached(SELECT_DELIVERIES)?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        deliveries.push(Delivery {
            uplink: columns::uplink(row, 0)?,
            place: Place(row.get::<_, i64>(9)?.cast_unsigned()),
            state: columns::value(&DELIVERIES, row.get(1)?)?,
            payload: row.get::<_, Option<Vec<u8>>>(8)?.map(Into::into),
            attempts: row.get(2)?,
            confirmed: columns::stamp_or_none(row, 3)?,
            last_error: row.get(7)?,
        });
    }
    Ok(deliveries)
}
