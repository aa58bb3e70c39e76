//! The journal for people.

use rusqlite::{Connection, OptionalExtension};

use super::{
    error::LedgerError,
    fact::{FactKind, FactReader},
    rows,
};
use crate::domain::{
    id::OrderSeq,
    quantity::{Energy, Money},
    time::Stamp,
};

/// A row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Its number.
    pub n: u64,
    /// What happened.
    pub kind: FactKind,
    /// When.
    pub at: Stamp,
    /// More of it, for people; may be empty.
    pub detail: String,
    /// Hash of this row and all before it.
    pub hash: [u8; 32],
}

/// Facts about an order, oldest first.
pub(super) fn of_order(conn: &Connection, seq: OrderSeq) -> Result<Vec<JournalRow>, LedgerError> {
    let from = first_n(conn, seq)?;
    let calendar = rows::calendar(conn)?;
    let sql = "SELECT n, fact, hash FROM journal WHERE n >= ?1 AND seq = ?2 ORDER BY n";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([from, seq.0.cast_signed()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let fact: Vec<u8> = row.get(1)?;
        let (kind, at, reader) = FactReader::open(&fact)?;
        let at = rows::dated(&calendar, at);
        let n = row.get::<_, i64>(0)?.cast_unsigned();
        found.push(JournalRow { n, kind, at, detail: detail(kind, reader)?, hash: row.get(2)? });
    }
    Ok(found)
}

/// The row from which on facts about an order can be; the journal has no index by order, which
/// would cost as much flash as the facts themselves.
fn first_n(conn: &Connection, seq: OrderSeq) -> Result<i64, LedgerError> {
    let sql = "SELECT o.n, j.fact, b.first_n FROM orders o LEFT JOIN journal j ON j.n = o.n
        LEFT JOIN boots b ON b.boot = o.boot WHERE o.seq = ?1";
    let found = conn.query_row(sql, [seq.0.cast_signed()], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, Option<Vec<u8>>>(1)?,
            row.get::<_, Option<i64>>(2)?,
        ))
    });
    let Some((n, fact, boot_n)) = found.optional()? else { return Ok(0) };
    let kind = fact.map(|fact| FactReader::open(&fact).map(|(kind, ..)| kind)).transpose()?;
    // A restated beginning has an earlier fact before it, not before its run.
    let is_first = kind.is_some_and(|kind| kind != FactKind::Restated);
    Ok(if is_first { n } else { n.min(boot_n.unwrap_or(0)) })
}

fn detail(kind: FactKind, mut fact: FactReader<'_>) -> Result<String, LedgerError> {
    Ok(match kind {
        FactKind::Recorded | FactKind::Disputed | FactKind::Corrected => {
            let energy = Energy::from_wh(fact.signed()?.cast_unsigned());
            let cost = fact.option(FactReader::signed)?.map(Money::from_tenth_fen);
            cost.map_or_else(|| energy.to_string(), |cost| format!("{energy}, {} fen", cost.fen()))
        }
        FactKind::Interrupted
        | FactKind::TransactionAssigned
        | FactKind::Requeued
        | FactKind::UplinkRetired
        | FactKind::MeteringDropped => fact.text()?.to_owned(),
        FactKind::Confirmed => {
            let uplink = fact.text()?;
            format!("{uplink}, attempts: {}", fact.number()?)
        }
        FactKind::Quarantined | FactKind::Waived => {
            let uplink = fact.text()?;
            format!("{uplink}: {}", fact.text()?)
        }
        FactKind::UplinkEnlisted => {
            let (uplink, kind) = (fact.text()?, fact.text()?);
            let since_s = fact.option(FactReader::signed)?;
            let since = since_s.map_or_else(String::new, |s| format!(" since unix second {s}"));
            format!("{uplink} as {kind}{since}, orders of the past: {}", fact.number()?)
        }
        FactKind::RequiredChanged => {
            let number = fact.number()?;
            let names: Result<Vec<&str>, _> = (0..number).map(|_| fact.text()).collect();
            names?.join(", ")
        }
        FactKind::ClockLearned => {
            let boot = fact.number()?;
            format!("run {boot} began at unix ms {}", fact.signed()?)
        }
        FactKind::MeterReplaced | FactKind::MeterBegun => {
            let meter = fact.text()?;
            let energy = fact.option(FactReader::number)?.map(Energy::from_wh);
            energy.map_or_else(|| meter.to_owned(), |energy| format!("{meter}, {energy}"))
        }
        FactKind::ClockStepped => format!("{} ms", fact.signed()?),
        FactKind::Opened
        | FactKind::Entered
        | FactKind::Restated
        | FactKind::Salvaged
        | FactKind::Resumed
        | FactKind::Settled => String::new(),
    })
}
