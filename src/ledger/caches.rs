//! What the writer keeps in memory of the file; read anew after a failed commit.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{
    error::LedgerError,
    journal::{self, Head},
    keys::Recent,
    recent::Heard,
    rows::{self, Calendar},
};
use crate::domain::id::{MeterName, PileCode, UplinkName};

/// What the writer keeps in memory of the file.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) piles: BTreeMap<PileCode, i64>,
    pub(super) uplinks: BTreeMap<UplinkName, i64>,
    pub(super) meters: BTreeMap<MeterName, i64>,
    pub(super) recent: Recent,
    pub(super) heard: Heard,
    pub(super) calendar: Calendar,
    pub(super) head: Head,
}

impl Caches {
    pub(super) fn load(conn: &Connection) -> Result<Self, LedgerError> {
        Ok(Self {
            piles: names(conn, "SELECT no, code FROM piles", PileCode::new)?,
            uplinks: names(conn, "SELECT no, name FROM uplinks", UplinkName::new)?,
            meters: names(conn, "SELECT no, name FROM meters", MeterName::new)?,
            recent: Recent::load(conn)?,
            heard: Heard::load(conn)?,
            calendar: rows::calendar(conn)?,
            head: journal::head(conn)?,
        })
    }

    /// Number of a pile, given now if it has none.
    pub(super) fn pile(&mut self, conn: &Connection, code: PileCode) -> Result<i64, LedgerError> {
        if let Some(no) = self.piles.get(&code) {
            return Ok(*no);
        }
        conn.execute("INSERT INTO piles (code) VALUES (?1)", [code.as_str()])?;
        let no = conn.last_insert_rowid();
        self.piles.insert(code, no);
        Ok(no)
    }

    /// Number of an uplink, given now if it has none.
    pub(super) fn uplink(
        &mut self,
        conn: &Connection,
        name: &UplinkName,
    ) -> Result<i64, LedgerError> {
        if let Some(no) = self.uplinks.get(name) {
            return Ok(*no);
        }
        conn.execute("INSERT INTO uplinks (name) VALUES (?1)", [name.as_str()])?;
        let no = conn.last_insert_rowid();
        self.uplinks.insert(name.clone(), no);
        Ok(no)
    }

    /// Number of a meter, given now if it has none.
    pub(super) fn meter(
        &mut self,
        conn: &Connection,
        name: &MeterName,
    ) -> Result<i64, LedgerError> {
        if let Some(no) = self.meters.get(name) {
            return Ok(*no);
        }
        conn.execute("INSERT INTO meters (name) VALUES (?1)", [name.as_str()])?;
        let no = conn.last_insert_rowid();
        self.meters.insert(name.clone(), no);
        Ok(no)
    }
}

fn names<T: Ord, E: std::fmt::Display>(
    conn: &Connection,
    sql: &str,
    new: impl Fn(&str) -> Result<T, E>,
) -> Result<BTreeMap<T, i64>, LedgerError> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut names = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let name = new(&text).map_err(|e| LedgerError::corrupt(e.to_string()))?;
        names.insert(name, row.get(0)?);
    }
    Ok(names)
}
