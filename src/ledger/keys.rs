//! Which order a key or an id means.
//!
//! The table `keys` is ordered by pile, so that every new order would write a page of its own:
//! with many piles the index would cost more than the orders. New keys are therefore held in
//! memory, where a start finds them again by reading the last orders, and go into the table in
//! bulk, when each of its pages takes several of them.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::error::LedgerError;
use crate::domain::id::{OrderId, OrderSeq, PileCode};

/// Keys held in memory before they go into the table. With 200 piles each pile then fills a page
/// of the table at a time; in memory they are about 1 MB, which a start reads at once.
pub const BULK: usize = 8192;

/// Keys that are not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Recent {
    keys: BTreeMap<(i64, String), Vec<(i64, OrderSeq)>>,
    count: usize,
    /// Every order up to this one is in the table.
    pub(super) indexed_to: OrderSeq,
}

impl Recent {
    /// Reads what is not in the table.
    pub(super) fn load(conn: &Connection) -> Result<Self, LedgerError> {
        let mut recent = Self { indexed_to: indexed_to(conn)?, ..Self::default() };
        let sql = "SELECT pile, record, started, seq FROM orders WHERE seq > ?1 ORDER BY seq";
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([recent.indexed_to.0.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let seq = OrderSeq(row.get::<_, i64>(3)?.cast_unsigned());
            recent.insert(row.get(0)?, row.get(1)?, row.get(2)?, seq);
        }
        Ok(recent)
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, pile: i64, record: String, started: i64, seq: OrderSeq) {
        self.keys.entry((pile, record)).or_default().push((started, seq));
        self.count += 1;
    }

    /// Positions of the orders with this record number, held here or in the table.
    pub(super) fn by_record(
        &self,
        conn: &Connection,
        pile: i64,
        record: &str,
    ) -> Result<Vec<(i64, OrderSeq)>, LedgerError> {
        let mut found = self.keys.get(&(pile, record.to_owned())).cloned().unwrap_or_default();
        let sql = "SELECT started, seq FROM keys WHERE pile = ?1 AND record = ?2";
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![pile, record])?;
        while let Some(row) = rows.next()? {
            found.push((row.get(0)?, OrderSeq(row.get::<_, i64>(1)?.cast_unsigned())));
        }
        Ok(found)
    }

    /// Positions of the orders held here that may have this id.
    pub(super) fn of_pile(&self, pile: i64, id: &OrderId) -> Vec<OrderSeq> {
        let Some(code) = pile_of(id) else { return Vec::new() };
        let range = (pile, String::new())..(pile + 1, String::new());
        let mut found = Vec::new();
        for ((_, record), keys) in self.keys.range(range) {
            let fits = |started: i64| tag_of_key(&code, record, started).ok() == Some(tag(id));
            found.extend(keys.iter().filter(|(started, _)| fits(*started)).map(|(_, seq)| *seq));
        }
        found
    }

    /// Moves all into the table, in its order.
    pub(super) fn store(
        &mut self,
        conn: &Connection,
        piles: &BTreeMap<PileCode, i64>,
    ) -> Result<(), LedgerError> {
        let codes: BTreeMap<i64, PileCode> = piles.iter().map(|(code, no)| (*no, *code)).collect();
        let mut insert = conn.prepare_cached(
            "INSERT OR REPLACE INTO keys (pile, record, started, seq, tag) VALUES (?,?,?,?,?)",
        )?;
        let mut last = self.indexed_to;
        for ((pile, record), found) in &self.keys {
            let code =
                codes.get(pile).ok_or_else(|| LedgerError::corrupt("an order of no pile"))?;
            for (started, seq) in found {
                let tag = tag_of_key(code, record, *started)?;
                insert.execute(params![pile, record, started, seq.0.cast_signed(), tag])?;
                last = last.max(*seq);
            }
        }
        conn.prepare_cached("INSERT OR REPLACE INTO meta VALUES ('indexed_to', ?1)")?
            .execute([last.0.cast_signed()])?;
        *self = Self { indexed_to: last, ..Self::default() };
        Ok(())
    }
}

/// Every order up to this one is in the table of keys.
pub(super) fn indexed_to(conn: &Connection) -> Result<OrderSeq, LedgerError> {
    let sql = "SELECT COALESCE((SELECT value FROM meta WHERE key = 'indexed_to'), 0)";
    let seq: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(OrderSeq(seq.cast_unsigned()))
}

/// Positions in the table of the orders that may have this id.
pub(super) fn by_tag(
    conn: &Connection,
    pile: i64,
    id: &OrderId,
) -> Result<Vec<OrderSeq>, LedgerError> {
    let sql = "SELECT seq FROM keys WHERE pile = ?1 AND tag = ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![pile, tag(id)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(OrderSeq(row.get::<_, i64>(0)?.cast_unsigned()));
    }
    Ok(found)
}

/// The pile an id was made for.
pub(super) fn pile_of(id: &OrderId) -> Option<PileCode> {
    id.as_str().get(..16).and_then(|code| PileCode::new(code).ok())
}

/// Four characters of the id behind the pile code: 20 bits, enough that of a pile's thousands of
/// orders next to none is read in vain.
fn tag(id: &OrderId) -> i64 {
    id.as_str().bytes().skip(16).take(4).fold(0, |tag, byte| tag << 8 | i64::from(byte))
}

fn tag_of_key(pile: &PileCode, record: &str, started: i64) -> Result<i64, LedgerError> {
    use crate::domain::id::{KeyTime, OrderKey, RecordNo};
    let record = RecordNo::new(record).map_err(|e| LedgerError::corrupt(e.to_string()))?;
    Ok(tag(&OrderKey { pile: *pile, record, started: KeyTime(started) }.id()))
}
