//! Whether the journal is whole and the orders are what it says.
//!
//! The chain finds every row that was altered, removed or put elsewhere, and orders that differ
//! from what was recorded. It has no secret: who rewrites all of it is found out only by a head
//! that was noted elsewhere, beside the file or in a log.

use rusqlite::{Connection, OptionalExtension};

use super::{
    apply::undisputed,
    error::LedgerError,
    fact::{Fact, FactKind, FactReader},
    journal::{self, Head},
    rows,
};
use crate::domain::id::OrderSeq;

/// What a check of the journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows whose chain was followed.
    pub rows: u64,
    /// Orders that were compared with what the journal states.
    pub orders: u64,
    /// The row before the first one.
    pub anchor: Head,
    /// The last row.
    pub head: Head,
    /// The first row that is not what it was, and what is wrong; `None` if all is well.
    pub bad: Option<(u64, String)>,
}

/// A row of the journal.
struct Link {
    n: u64,
    seq: OrderSeq,
    fact: Vec<u8>,
    hash: [u8; 32],
}

pub(super) fn verify(conn: &Connection, noted: Option<Head>) -> Result<Verdict, LedgerError> {
    let anchor = journal::anchor(conn)?;
    let mut verdict = Verdict { rows: 0, orders: 0, anchor, head: anchor, bad: None };
    let sql = "SELECT n, seq, fact, hash FROM journal ORDER BY n";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let link = Link {
            n: row.get::<_, i64>(0)?.cast_unsigned(),
            seq: OrderSeq(row.get::<_, i64>(1)?.cast_unsigned()),
            fact: row.get(2)?,
            hash: row.get(3)?,
        };
        if let Some(what) = verdict.follow(conn, &link, noted)? {
            verdict.bad = Some((link.n, what.to_owned()));
            return Ok(verdict);
        }
    }
    verdict.finish(conn, noted)?;
    Ok(verdict)
}

impl Verdict {
    /// Follows the chain by one row; says what is wrong with it.
    fn follow(
        &mut self,
        conn: &Connection,
        link: &Link,
        noted: Option<Head>,
    ) -> Result<Option<&'static str>, LedgerError> {
        let next = self.head.after(link.seq, &link.fact);
        if link.n != next.n {
            return Ok(Some("rows before it are missing"));
        }
        if link.hash != next.hash {
            return Ok(Some("it was altered, or a row before it"));
        }
        if noted.is_some_and(|noted| noted.n == next.n && noted.hash != next.hash) {
            return Ok(Some("it is not the row noted beside the file"));
        }
        self.head = next;
        self.rows += 1;
        let (kind, ..) = FactReader::open(&link.fact)?;
        if kind.is_core() {
            self.compare_core(conn, link, kind)
        } else if kind == FactKind::Recorded {
            self.compare_ending(conn, link)
        } else {
            Ok(None)
        }
    }

    fn compare_core(
        &mut self,
        conn: &Connection,
        link: &Link,
        kind: FactKind,
    ) -> Result<Option<&'static str>, LedgerError> {
        let sql = "SELECT n, flags FROM orders WHERE seq = ?1";
        let mut statement = conn.prepare_cached(sql)?;
        let found = statement.query_row([link.seq.0.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?))
        });
        let Some((n, bits)) = found.optional()? else {
            return Ok(Some("its order is missing"));
        };
        if n > link.n {
            // A later fact states the beginning; it is compared there.
            return Ok(None);
        }
        let Some(mut order) = rows::raw(conn, link.seq)? else {
            return Ok(Some("its order is missing"));
        };
        order.flags = super::columns::flags_from_bits(bits);
        let mut fact = Fact::new(kind, order.opened);
        fact.core(&order);
        self.orders += 1;
        let same = n == link.n && fact.finish() == link.fact;
        Ok((!same).then_some("its order begins otherwise"))
    }

    fn compare_ending(
        &mut self,
        conn: &Connection,
        link: &Link,
    ) -> Result<Option<&'static str>, LedgerError> {
        let order = rows::raw(conn, link.seq)?;
        let Some((order, ending)) = order.and_then(|o| o.ending.clone().map(|ending| (o, ending)))
        else {
            return Ok(Some("the ending of its order is missing"));
        };
        let mut fact = Fact::new(FactKind::Recorded, ending.recorded);
        fact.ending(&ending, undisputed(order.flags), order.metering.as_ref());
        Ok((fact.finish() != link.fact).then_some("its order ended otherwise"))
    }

    /// What only shows at the end: rows cut off, orders the journal knows nothing of.
    fn finish(&mut self, conn: &Connection, noted: Option<Head>) -> Result<(), LedgerError> {
        if noted.is_some_and(|noted| noted.n > self.head.n) {
            self.bad = Some((self.head.n + 1, "rows after the last one are missing".to_owned()));
            return Ok(());
        }
        let sql = "SELECT count(*) FROM orders WHERE n > ?1";
        let stated: i64 = conn.query_row(sql, [self.anchor.n.cast_signed()], |row| row.get(0))?;
        if stated.cast_unsigned() != self.orders {
            self.bad = Some((self.head.n, "there are orders it does not state".to_owned()));
        }
        Ok(())
    }
}
