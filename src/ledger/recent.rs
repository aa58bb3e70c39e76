//! Which orders an uplink confirmed last: what its far side may have lost when the link broke.
//!
//! The journal states every confirmation, in the order they came, but has no index: one would
//! cost a page of flash with every commit. So the table `heard` keeps, for each uplink, a journal
//! row at or shortly before its last confirmation, written anew only once in [`STRIDE`] rows. The
//! last one is found by reading one stride on from there, however long ago it was, and those
//! before it by reading back, until they are too old or [`FACTS_LIMIT`] is reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    error::LedgerError,
    fact::{FactKind, FactReader},
    lookup,
    rows::{self, Calendar},
};
use crate::domain::{
    id::{OrderSeq, UplinkName},
    order::Order,
    time::{ClockQuality, Stamp},
};

/// Journal rows between two notes of the last confirmation: one page of flash for some two hundred
/// orders, and a tenth of a megabyte to read before the first answer.
pub const STRIDE: u64 = 1024;

/// Journal rows looked at, back from the last confirmation: about 7 MB, and some thirty thousand
/// orders of a backlog. What a broken link can lose is what its buffers held, which is less.
pub const FACTS_LIMIT: u32 = 65_536;

/// For each uplink by its number, a journal row at or shortly before its last confirmation.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<i64, u64>);

impl Heard {
    pub(super) fn load(conn: &Connection) -> Result<Self, LedgerError> {
        let mut statement = conn.prepare("SELECT uplink, n FROM heard")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// Row `n` of the journal states a confirmation of the uplink.
    pub(super) fn note(
        &mut self,
        conn: &Connection,
        uplink: i64,
        n: u64,
    ) -> Result<(), LedgerError> {
        let is_near = |known: &u64| n.saturating_sub(*known) < STRIDE;
        if self.0.get(&uplink).is_some_and(is_near) {
            return Ok(());
        }
        conn.prepare_cached("INSERT OR REPLACE INTO heard (uplink, n) VALUES (?1, ?2)")?
            .execute([uplink, n.cast_signed()])?;
        self.0.insert(uplink, n);
        Ok(())
    }
}

/// A confirmation as the journal states it.
struct Confirmation {
    seq: OrderSeq,
    at: Stamp,
    is_wanted: bool,
}

/// Orders after `after` that the uplink confirmed at most `within_ms` before the last one it
/// confirmed until `until`, by position, at most `limit`; and how many it confirmed in that time,
/// with those that were pruned since.
///
/// Within a run `Mono` tells the distance, across runs the calendar does; a confirmation of
/// another run than the last one, of which nobody knows how long ago it was, is none.
pub(super) fn recent(
    conn: &Connection,
    uplink: &UplinkName,
    (within_ms, until): (u64, Stamp),
    (after, limit): (OrderSeq, u16),
) -> Result<(Vec<Order>, u64), LedgerError> {
    let calendar = rows::calendar(conn)?;
    let Some(last_n) = last_n(conn, &calendar, uplink)? else { return Ok((Vec::new(), 0)) };
    let (mut found, mut last) = (BTreeSet::new(), None);
    let back = ("n <= ?1 ORDER BY n DESC", last_n, FACTS_LIMIT);
    confirmations(conn, &calendar, uplink, back, |_, Confirmation { seq, at, is_wanted }| {
        let is_later = (at.boot, at.mono) > (until.boot, until.mono);
        if is_later || (last.is_none() && !is_wanted) {
            return ControlFlow::Continue(());
        }
        match distance_ms(at, *last.get_or_insert(at)) {
            Some(distance_ms) if distance_ms > within_ms => return ControlFlow::Break(()),
            Some(_) if is_wanted => {
                found.insert(seq);
            }
            Some(_) | None => {}
        }
        ControlFlow::Continue(())
    })?;
    let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let later = found.into_iter().filter(|seq| *seq > after);
    let orders = later.filter_map(|seq| lookup::by_seq(conn, &calendar, seq).transpose());
    Ok((orders.take(limit.into()).collect::<Result<_, _>>()?, total))
}

/// The journal row of the last confirmation of an uplink.
fn last_n(
    conn: &Connection,
    calendar: &Calendar,
    uplink: &UplinkName,
) -> Result<Option<i64>, LedgerError> {
    let sql = "SELECT h.n FROM heard h JOIN uplinks u ON u.no = h.uplink WHERE u.name = ?1";
    let heard: Option<i64> = conn.query_row(sql, [uplink.as_str()], |row| row.get(0)).optional()?;
    let Some(heard) = heard else { return Ok(None) };
    let stride = u32::try_from(STRIDE).unwrap_or(u32::MAX);
    let mut last_n = None;
    let on = ("n >= ?1 ORDER BY n", heard, stride);
    confirmations(conn, calendar, uplink, on, |n, confirmation| {
        if confirmation.is_wanted {
            last_n = Some(n);
        }
        ControlFlow::Continue(())
    })?;
    Ok(last_n)
}

/// Gives the confirmations among the first rows of a range of the journal, until it is told to
/// stop; those of other uplinks are not wanted, but tell the time.
fn confirmations(
    conn: &Connection,
    calendar: &Calendar,
    uplink: &UplinkName,
    (range, n, limit): (&str, i64, u32),
    mut give: impl FnMut(i64, Confirmation) -> ControlFlow<()>,
) -> Result<(), LedgerError> {
    let sql = format!("SELECT n, seq, fact FROM journal WHERE {range} LIMIT ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params![n, limit])?;
    while let Some(row) = rows.next()? {
        let bytes = row.get_ref(2)?.as_blob().map_err(|e| LedgerError::corrupt(e.to_string()))?;
        let (kind, at, mut fact) = FactReader::open(bytes)?;
        if kind != FactKind::Confirmed {
            continue;
        }
        let confirmation = Confirmation {
            seq: OrderSeq(row.get::<_, i64>(1)?.cast_unsigned()),
            at: rows::dated(calendar, at),
            is_wanted: fact.text()? == uplink.as_str(),
        };
        if give(row.get(0)?, confirmation).is_break() {
            break;
        }
    }
    Ok(())
}

/// How far apart two moments are, if anything tells. Clocks of two runs may disagree by a little,
/// so the earlier one need not have the earlier date.
fn distance_ms(one: Stamp, other: Stamp) -> Option<u64> {
    if one.boot == other.boot {
        return Some(one.mono.0.abs_diff(other.mono.0));
    }
    let is_dated = |at: Stamp| at.wall.quality != ClockQuality::Unset;
    (is_dated(one) && is_dated(other)).then(|| one.wall.unix_ms.abs_diff(other.wall.unix_ms))
}
