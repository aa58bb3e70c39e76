//! Other versions of recorded orders.

use rusqlite::{Connection, params};

use super::{
    columns::{self, OriginalColumns, StampColumns, VERSIONS},
    error::LedgerError,
    rows,
};
use crate::{
    domain::{id::OrderSeq, order::Ending, time::Stamp},
    site::entry::VersionKind,
};

/// Other versions kept of one order: enough to see what a pile is doing; one that never says the
/// same twice is not to fill the disk, nor to be compared with ever more of them.
pub const VERSIONS_KEPT: usize = 16;

/// Another version of a recorded order; the order itself stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Why it is kept.
    pub kind: VersionKind,
    /// What it says.
    pub ending: Ending,
    /// When it came.
    pub at: Stamp,
}

impl Version {
    /// Dates what was stamped in runs that learned the time only afterwards.
    pub(super) fn date(&mut self, calendar: &rows::Calendar) {
        self.at = rows::dated(calendar, self.at);
        let recorded = rows::dated(calendar, self.ending.recorded);
        if recorded != self.ending.recorded && self.ending.ended_s.is_none() {
            self.ending.ended_s = Some(recorded.wall.unix_s());
        }
        self.ending.recorded = recorded;
    }
}

/// Versions of an order, as they came and were stamped.
pub(super) fn of(conn: &Connection, seq: OrderSeq) -> Result<Vec<Version>, LedgerError> {
    let sql = "SELECT kind, ended_s, meter_start, meter_stop, energy, cost, reason,
        boot, mono, wall, quality, revision, code, body, at_boot, at_mono, at_wall, at_quality
        FROM versions WHERE seq = ?1 ORDER BY id";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([seq.0.cast_signed()])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        let ending = rows::ending_at(row, 1)?;
        versions.push(Version {
            kind: columns::value(&VERSIONS, row.get(0)?)?,
            ending: ending.ok_or_else(|| LedgerError::corrupt("a version without energy"))?,
            at: columns::stamp(row, 14)?,
        });
    }
    Ok(versions)
}

pub(super) fn insert(
    conn: &Connection,
    seq: OrderSeq,
    kind: VersionKind,
    ending: &Ending,
    at: Stamp,
) -> Result<(), LedgerError> {
    let recorded = StampColumns::from(ending.recorded);
    let at = StampColumns::from(at);
    let original = OriginalColumns::from(ending.original.as_ref());
    let sql = "INSERT INTO versions (seq, kind, ended_s, meter_start, meter_stop, energy, cost,
        reason, boot, mono, wall, quality, revision, code, body, at_boot, at_mono, at_wall,
        at_quality) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    conn.prepare_cached(sql)?.execute(params![
        seq.0.cast_signed(),
        columns::place(&VERSIONS, kind),
        ending.ended_s,
        ending.meter_start.map(columns::energy_column),
        ending.meter_stop.map(columns::energy_column),
        columns::energy_column(ending.energy),
        ending.cost.map(|cost| cost.tenth_fen()),
        ending.reason,
        recorded.boot,
        recorded.mono,
        recorded.wall,
        recorded.quality,
        original.revision,
        original.code,
        original.body,
        at.boot,
        at.mono,
        at.wall,
        at.quality,
    ])?;
    Ok(())
}
