//! The journal: facts that only grow in number, each chained to the one before.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::error::LedgerError;
use crate::domain::id::OrderSeq;

/// The end of the chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// Number of the last row; 0 if there never was one.
    pub n: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.n, data_encoding::HEXLOWER.encode(&self.hash))
    }
}

impl Head {
    /// The head after one more fact.
    pub(super) fn after(&self, seq: OrderSeq, fact: &[u8]) -> Self {
        let n = self.n.saturating_add(1);
        let mut hash = Sha256::new();
        hash.update(b"sitepilot journal 1");
        hash.update(self.hash);
        hash.update(n.to_be_bytes());
        hash.update(seq.0.to_be_bytes());
        hash.update(fact);
        Self { n, hash: hash.finalize().into() }
    }
}

/// The row before the first one.
pub(super) fn anchor(conn: &Connection) -> Result<Head, LedgerError> {
    let sql = "SELECT n, hash FROM anchor WHERE id = 1";
    let found = conn.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    let (n, hash) = found.optional()?.ok_or_else(|| LedgerError::corrupt("no anchor"))?;
    Ok(Head { n: n.cast_unsigned(), hash })
}

pub(super) fn set_anchor(conn: &Connection, head: &Head, why: &str) -> Result<(), LedgerError> {
    conn.execute(
        "INSERT OR REPLACE INTO anchor (id, n, hash, why) VALUES (1, ?1, ?2, ?3)",
        params![head.n.cast_signed(), head.hash, why],
    )?;
    Ok(())
}

/// The last row, or the anchor if there is none.
pub(super) fn head(conn: &Connection) -> Result<Head, LedgerError> {
    let sql = "SELECT n, hash FROM journal ORDER BY n DESC LIMIT 1";
    let found = conn.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    match found.optional()? {
        Some((n, hash)) => Ok(Head { n: n.cast_unsigned(), hash }),
        None => anchor(conn),
    }
}

/// Appends a fact; `seq` 0 means it is about no single order. Gives the new head.
pub(super) fn append(
    conn: &Connection,
    head: &Head,
    seq: OrderSeq,
    fact: &[u8],
) -> Result<Head, LedgerError> {
    let next = head.after(seq, fact);
    conn.prepare_cached("INSERT INTO journal (n, seq, fact, hash) VALUES (?,?,?,?)")?
        .execute(params![next.n.cast_signed(), seq.0.cast_signed(), fact, next.hash])?;
    Ok(next)
}
