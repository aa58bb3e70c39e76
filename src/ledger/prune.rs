//! Forgetting what is past its time.
//!
//! The journal is cut from its beginning, and an anchor keeps the hash the chain goes on from. An
//! order goes with the fact of its recording, so what the journal states is always there; while
//! anything of it is open it stays, and goes when that is closed.

use rusqlite::{Connection, params};

use super::{
    columns,
    error::LedgerError,
    fact::{FactKind, FactReader},
    journal::{self, Head},
    rows::{self, Calendar},
};
use crate::domain::{id::OrderSeq, time::ClockQuality};

/// What pruning did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Orders removed.
    pub orders: u64,
    /// Journal rows removed.
    pub rows: u64,
    /// There may be more: the limit was reached.
    pub is_limited: bool,
}

/// Removes facts from before `cutoff_unix_ms`, at most `limit`, and their orders.
pub(super) fn prune(
    conn: &Connection,
    calendar: &Calendar,
    cutoff_unix_ms: i64,
    limit: u32,
) -> Result<Pruned, LedgerError> {
    let (last, recorded) = past(conn, calendar, cutoff_unix_ms, limit)?;
    let mut pruned = Pruned { orders: closed_overdue(conn, limit)?, ..Pruned::default() };
    let Some((last, rows)) = last else { return Ok(pruned) };
    for seq in recorded {
        if is_open(conn, seq)? {
            let sql = "INSERT OR IGNORE INTO overdue (seq) VALUES (?1)";
            conn.prepare_cached(sql)?.execute([seq.0.cast_signed()])?;
        } else {
            remove_order(conn, seq)?;
            pruned.orders += 1;
        }
    }
    conn.execute("DELETE FROM journal WHERE n <= ?1", [last.n.cast_signed()])?;
    journal::set_anchor(conn, &last, "pruned")?;
    Ok(Pruned { rows, is_limited: rows >= u64::from(limit), ..pruned })
}

/// The last row that is past its time with the number of rows up to it, and the orders recorded
/// by these rows. A row without a date is past its time when a later one is.
type Past = (Option<(Head, u64)>, Vec<OrderSeq>);

fn past(
    conn: &Connection,
    calendar: &Calendar,
    cutoff_unix_ms: i64,
    limit: u32,
) -> Result<Past, LedgerError> {
    let sql = "SELECT n, seq, fact, hash FROM journal ORDER BY n LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([limit])?;
    let (mut last, mut all) = (None, 0_u64);
    let (mut recorded, mut settled) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let fact: Vec<u8> = row.get(2)?;
        let (kind, at, _) = FactReader::open(&fact)?;
        let at = rows::dated(calendar, at);
        let is_dated = at.wall.quality != ClockQuality::Unset;
        if is_dated && at.wall.unix_ms >= cutoff_unix_ms {
            break;
        }
        all += 1;
        if kind == FactKind::Recorded {
            recorded.push(OrderSeq(row.get::<_, i64>(1)?.cast_unsigned()));
        }
        if is_dated {
            let n = row.get::<_, i64>(0)?.cast_unsigned();
            last = Some((Head { n, hash: row.get(3)? }, all));
            settled = recorded.len();
        }
    }
    recorded.truncate(settled);
    Ok((last, recorded))
}

fn is_open(conn: &Connection, seq: OrderSeq) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM deliveries WHERE seq = ?1 AND state IN (0, 1, 3)";
    Ok(conn.prepare_cached(sql)?.exists([seq.0.cast_signed()])?)
}

/// Removes orders that were past their time earlier and are closed by now.
fn closed_overdue(conn: &Connection, limit: u32) -> Result<u64, LedgerError> {
    let sql = "SELECT seq FROM overdue WHERE NOT EXISTS (SELECT 1 FROM deliveries d
        WHERE d.seq = overdue.seq AND d.state IN (0, 1, 3)) LIMIT ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let seqs: Result<Vec<i64>, _> = statement.query_map([limit], |row| row.get(0))?.collect();
    let mut removed = 0;
    for seq in seqs? {
        remove_order(conn, OrderSeq(seq.cast_unsigned()))?;
        conn.prepare_cached("DELETE FROM overdue WHERE seq = ?1")?.execute([seq])?;
        removed += 1;
    }
    Ok(removed)
}

fn remove_order(conn: &Connection, seq: OrderSeq) -> Result<(), LedgerError> {
    let seq = seq.0.cast_signed();
    let sql = "DELETE FROM keys WHERE (pile, record, started) IN
        (SELECT pile, record, started FROM orders WHERE seq = ?1) AND seq = ?1";
    conn.prepare_cached(sql)?.execute([seq])?;
    for table in [
        "orders",
        "endings",
        "transactions",
        "live",
        "deliveries",
        "payloads",
        "versions",
        "metering",
        "samples",
    ] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?1"))?.execute([seq])?;
    }
    let first = columns::delivery(OrderSeq(seq.cast_unsigned()), 0)?;
    conn.prepare_cached("DELETE FROM frozen WHERE delivery >= ?1 AND delivery < ?1 + ?2")?
        .execute([first, columns::DELIVERIES_PER_ORDER])?;
    let sql = "INSERT INTO meta VALUES ('pruned_to', ?1)
        ON CONFLICT (key) DO UPDATE SET value = max(value, ?1)";
    conn.prepare_cached(sql)?.execute(params![seq])?;
    Ok(())
}
