//! Point lookups.

use std::cmp::Reverse;

use rusqlite::Connection;

use super::{
    caches::Caches,
    error::LedgerError,
    keys,
    rows::{self, Calendar},
};
use crate::{
    domain::{
        id::{OrderId, OrderSeq, PileCode, RecordNo},
        order::Order,
        time::PileTime,
    },
    site::{LOOKUP_LIMIT, Lookup},
};

/// What the ledger has, newest first.
pub(super) fn lookup(
    conn: &Connection,
    caches: &Caches,
    what: &Lookup,
) -> Result<Vec<Order>, LedgerError> {
    match what {
        Lookup::Record { pile, record, started } => {
            by_record(conn, caches, *pile, record, *started)
        }
        Lookup::Id(id) => by_id(conn, caches, id),
        Lookup::Seq(seq) => Ok(by_seq(conn, &caches.calendar, *seq)?.into_iter().collect()),
    }
}

fn by_record(
    conn: &Connection,
    caches: &Caches,
    pile: PileCode,
    record: &RecordNo,
    started: PileTime,
) -> Result<Vec<Order>, LedgerError> {
    let Some(pile) = caches.piles.get(&pile) else { return Ok(Vec::new()) };
    let mut found = caches.recent.by_record(conn, *pile, record.as_str())?;
    found.sort_unstable_by_key(|(_, seq)| Reverse(*seq));
    let mut orders = Vec::new();
    for (place, (began, seq)) in found.into_iter().enumerate() {
        if place < usize::from(LOOKUP_LIMIT) || started.known() == Some(began) {
            orders.extend(by_seq(conn, &caches.calendar, seq)?);
        }
    }
    Ok(orders)
}

/// The order with an id, if there is one.
pub(super) fn by_id(
    conn: &Connection,
    caches: &Caches,
    id: &OrderId,
) -> Result<Vec<Order>, LedgerError> {
    let pile = keys::pile_of(id).and_then(|code| caches.piles.get(&code));
    let Some(pile) = pile else { return Ok(Vec::new()) };
    let mut candidates = caches.recent.of_pile(*pile, id);
    candidates.extend(keys::by_tag(conn, *pile, id)?);
    for seq in candidates {
        let order = by_seq(conn, &caches.calendar, seq)?;
        if let Some(order) = order.filter(|order| order.id == *id) {
            return Ok(vec![order]);
        }
    }
    Ok(Vec::new())
}

/// The order at a position, dated.
pub(super) fn by_seq(
    conn: &Connection,
    calendar: &Calendar,
    seq: OrderSeq,
) -> Result<Option<Order>, LedgerError> {
    Ok(rows::select(conn, calendar, "WHERE o.seq = ?1", [seq.0.cast_signed()])?.pop())
}
