//! The fold of the ledger, for memory.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension};

use super::{
    caches::Caches,
    columns::{self, VERDICTS},
    error::LedgerError,
    metering,
    rows::{self, Calendar},
};
use crate::{
    domain::{
        card::Verdict,
        id::{CardNo, OrderSeq, Place, Sequence, TransactionId, UplinkName},
        time::{BootId, ClockQuality},
        wire::Original,
    },
    site::{
        REMOTES_LIMIT,
        entry::OpenRemote,
        restore::{Enlisted, Image, Owed},
    },
};

/// All that memory needs.
pub(super) fn image(
    conn: &Connection,
    caches: &Caches,
    boot: BootId,
) -> Result<Image, LedgerError> {
    let open = "WHERE l.state < 4 ORDER BY o.seq";
    let recent = i64::try_from(caches.recent.len()).unwrap_or(i64::MAX);
    let (remotes, remote_transactions) = remotes(conn)?;
    Ok(Image {
        boot,
        last_seq: last_seq(conn)?,
        last_place: last_place(conn)?,
        open: rows::select(conn, &caches.calendar, open, [])?,
        orders: (count(conn, "SELECT count(*) FROM keys")? + recent).cast_unsigned(),
        unsettled: count(conn, "SELECT count(*) FROM live WHERE state = 4")?.cast_unsigned(),
        owed: owed(conn, &caches.calendar)?,
        unclosed: unclosed(conn)?,
        enlisted: enlisted(conn)?,
        required: required(conn)?,
        cards: cards(conn)?,
        tariff: tariff(conn)?,
        sequences: sequences(conn)?,
        remotes,
        remote_transactions,
        meters: metering::kept(conn, &caches.calendar)?,
        calendar: caches.calendar.clone(),
        passes: passes(conn)?,
    })
}

pub(super) fn count(conn: &Connection, sql: &str) -> Result<i64, LedgerError> {
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// The last position given; the last one of the index stays known when its order is pruned.
pub(super) fn last_seq(conn: &Connection) -> Result<OrderSeq, LedgerError> {
    let last = count(conn, "SELECT COALESCE(max(seq), 0) FROM orders")?;
    let pruned = "SELECT COALESCE((SELECT value FROM meta WHERE key = 'pruned_to'), 0)";
    Ok(OrderSeq(last.max(count(conn, pruned)?).cast_unsigned()))
}

/// The last place among what is not closed; what is closed keeps no order.
pub(super) fn last_place(conn: &Connection) -> Result<Place, LedgerError> {
    let sql = "SELECT COALESCE(max(place), 0) FROM deliveries WHERE state IN (0, 1, 3)";
    Ok(Place(count(conn, sql)?.cast_unsigned()))
}

fn owed(conn: &Connection, calendar: &Calendar) -> Result<BTreeMap<UplinkName, Owed>, LedgerError> {
    let sql = "SELECT u.name, count(*), d.seq, min(d.place) FROM deliveries d
        LEFT JOIN uplinks u ON u.no = d.uplink
        WHERE d.state IN (0, 1, 3) AND d.state <> 3 GROUP BY d.uplink";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut owed = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let oldest_unix_ms = recorded_unix_ms(conn, calendar, row.get(2)?)?;
        let orders = row.get::<_, i64>(1)?.cast_unsigned();
        owed.insert(columns::uplink(row, 0)?, Owed { orders, oldest_unix_ms });
    }
    Ok(owed)
}

fn unclosed(conn: &Connection) -> Result<BTreeSet<UplinkName>, LedgerError> {
    let sql = "SELECT u.name FROM deliveries d LEFT JOIN uplinks u ON u.no = d.uplink
        WHERE d.state IN (0, 1, 3) GROUP BY d.uplink";
    names(conn, sql)
}

fn names(conn: &Connection, sql: &str) -> Result<BTreeSet<UplinkName>, LedgerError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut names = BTreeSet::new();
    while let Some(row) = rows.next()? {
        names.insert(columns::uplink(row, 0)?);
    }
    Ok(names)
}

pub(super) fn enlisted(conn: &Connection) -> Result<BTreeMap<UplinkName, Enlisted>, LedgerError> {
    let sql = "SELECT u.name, e.kind, e.since_s FROM enlisted e
        LEFT JOIN uplinks u ON u.no = e.uplink";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut enlisted = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let how = Enlisted { kind: row.get(1)?, since_s: row.get(2)? };
        enlisted.insert(columns::uplink(row, 0)?, how);
    }
    Ok(enlisted)
}

/// Uplinks that decide settlement; `None` if it was never said.
pub(super) fn required(conn: &Connection) -> Result<Option<BTreeSet<UplinkName>>, LedgerError> {
    let number = "SELECT value FROM meta WHERE key = 'required'";
    let number: Option<i64> = conn.query_row(number, [], |row| row.get(0)).optional()?;
    let Some(number) = number else { return Ok(None) };
    let sql = "SELECT u.name FROM required r LEFT JOIN uplinks u ON u.no = r.uplink";
    let names = names(conn, sql)?;
    let is_whole = i64::try_from(names.len()) == Ok(number);
    let cut = || LedgerError::corrupt("the list of required uplinks is not whole");
    is_whole.then_some(Some(names)).ok_or_else(cut)
}

fn recorded_unix_ms(
    conn: &Connection,
    calendar: &Calendar,
    seq: i64,
) -> Result<Option<i64>, LedgerError> {
    let mut statement =
        conn.prepare_cached("SELECT boot, mono, wall, quality FROM endings WHERE seq = ?1")?;
    let mut rows = statement.query([seq])?;
    let row = rows.next()?.ok_or_else(|| LedgerError::corrupt("a delivery of no ended order"))?;
    let at = columns::stamp(row, 0)?;
    let at = rows::dated(calendar, at);
    Ok((at.wall.quality != ClockQuality::Unset).then_some(at.wall.unix_ms))
}

fn cards(conn: &Connection) -> Result<BTreeMap<CardNo, Verdict>, LedgerError> {
    let mut statement = conn.prepare_cached("SELECT card, verdict FROM cards")?;
    let mut rows = statement.query([])?;
    let mut cards = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let card = CardNo::new(&row.get::<_, String>(0)?);
        let card = card.map_err(|e| LedgerError::corrupt(e.to_string()))?;
        cards.insert(card, columns::value(&VERDICTS, row.get(1)?)?);
    }
    Ok(cards)
}

fn tariff(conn: &Connection) -> Result<Option<(u64, Original)>, LedgerError> {
    let mut statement = conn.prepare_cached("SELECT id, revision, code, body FROM tariff")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let original = columns::original(row, 1)?;
    let original = original.ok_or_else(|| LedgerError::corrupt("a tariff without its message"))?;
    Ok(Some((row.get::<_, i64>(0)?.cast_unsigned(), original)))
}

fn sequences(conn: &Connection) -> Result<BTreeMap<UplinkName, Sequence>, LedgerError> {
    let sql = "SELECT u.name, s.up_to FROM sequences s LEFT JOIN uplinks u ON u.no = s.uplink";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut sequences = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let up_to = Sequence(row.get::<_, i64>(1)?.cast_unsigned());
        sequences.insert(columns::uplink(row, 0)?, up_to);
    }
    Ok(sequences)
}

/// Messages passed to a pile that has not answered.
fn passes(conn: &Connection) -> Result<Vec<(UplinkName, Sequence)>, LedgerError> {
    let sql = "SELECT u.name, p.sequence FROM passes p JOIN uplinks u ON u.no = p.uplink
        ORDER BY u.name, p.sequence";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut passes = Vec::new();
    while let Some(row) = rows.next()? {
        let sequence = Sequence(row.get::<_, i64>(1)?.cast_unsigned());
        passes.push((columns::uplink(row, 0)?, sequence));
    }
    Ok(passes)
}

/// Remote starts without an answer, and the transactions of the last ones, newest last.
fn remotes(conn: &Connection) -> Result<(Vec<OpenRemote>, Vec<TransactionId>), LedgerError> {
    let sql = "SELECT u.name, r.sequence, r.tx, r.boot, r.mono, r.wall, r.quality, r.closed, r.id
        FROM remotes r LEFT JOIN uplinks u ON u.no = r.uplink ORDER BY r.id";
    let last = "SELECT max(id) FROM remotes";
    let last: Option<i64> = conn.query_row(last, [], |row| row.get(0)).optional()?.flatten();
    let first_kept = last.unwrap_or(0) - i64::from(REMOTES_LIMIT);
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let (mut open, mut transactions) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let transaction = row.get::<_, Option<String>>(2)?.map(|id| TransactionId::new(&id));
        let transaction =
            transaction.transpose().map_err(|e| LedgerError::corrupt(e.to_string()))?;
        if row.get::<_, i64>(8)? > first_kept {
            transactions.extend(transaction.clone());
        }
        if !row.get::<_, bool>(7)? {
            open.push(OpenRemote {
                uplink: columns::uplink(row, 0)?,
                sequence: Sequence(row.get::<_, i64>(1)?.cast_unsigned()),
                transaction,
                at: columns::stamp(row, 3)?,
            });
        }
    }
    Ok((open, transactions))
}
