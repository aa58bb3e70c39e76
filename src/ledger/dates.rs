//! Runs without a clock, dated afterwards.
//!
//! Rows keep what was stamped. What a run learns of its calendar is one row in `boots`, and its
//! rows are dated by it whenever they are read ([`crate::domain::dating`]). Earlier runs that
//! never learned theirs are placed between their neighbours: the time that none of them accounts
//! for is shared out equally before, between and after them.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    columns::{QUALITIES, place},
    error::LedgerError,
    fact::FactReader,
};
use crate::domain::time::{BootId, ClockQuality, Stamp};

/// Runs that are dated at once by estimate, at most: a controller that restarted more often than
/// this without ever knowing the time has older troubles than the date of those runs.
const UNDATED_LIMIT: usize = 1000;

/// A run that has no calendar.
struct Undated {
    boot: i64,
    lasted_ms: i64,
}

/// Dates `boot` by the unix ms of its start, and the undated runs just before it by estimate.
pub(super) fn learn(
    conn: &Connection,
    boot: BootId,
    epoch_ms: i64,
    quality: ClockQuality,
) -> Result<(), LedgerError> {
    set(conn, boot.0.cast_signed(), epoch_ms, quality, false)?;
    let (undated, before_ms) = undated_before(conn, boot)?;
    let lasted_ms: i64 = undated.iter().map(|run| run.lasted_ms).sum();
    let gaps = i64::try_from(undated.len()).unwrap_or(i64::MAX).saturating_add(1);
    // Without an earlier neighbour, or where the runs do not fit, they end just before this one.
    let spare_ms = before_ms.map_or(0, |before| epoch_ms - before - lasted_ms).max(0);
    let gap_ms = spare_ms / gaps;
    let mut next_ms = epoch_ms;
    for run in undated {
        next_ms = next_ms - gap_ms - run.lasted_ms;
        set(conn, run.boot, next_ms, ClockQuality::Held, true)?;
    }
    Ok(())
}

fn set(
    conn: &Connection,
    boot: i64,
    epoch_ms: i64,
    quality: ClockQuality,
    is_estimated: bool,
) -> Result<(), LedgerError> {
    let quality = place(&QUALITIES, quality);
    let sql = "UPDATE boots SET epoch_ms = ?2, quality = ?3, estimated = ?4 WHERE boot = ?1";
    let changed = conn.execute(sql, params![boot, epoch_ms, quality, is_estimated])?;
    if changed == 0 {
        return Err(LedgerError::contradiction(format!("there was no run {boot}")));
    }
    Ok(())
}

/// Undated runs just before `boot`, latest first, and the unix ms at which the run before them is
/// known to have lived last.
fn undated_before(
    conn: &Connection,
    boot: BootId,
) -> Result<(Vec<Undated>, Option<i64>), LedgerError> {
    let sql = "SELECT boot, epoch_ms, estimated FROM boots WHERE boot < ?1 ORDER BY boot DESC";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([boot.0.cast_signed()])?;
    let mut undated = Vec::new();
    while let Some(row) = rows.next()? {
        let run: i64 = row.get(0)?;
        let last = last_stamp(conn, run)?;
        let lasted_ms = last.map_or(0, |at| i64::try_from(at.mono.0).unwrap_or(0));
        if let Some(epoch_ms) = row.get::<_, Option<i64>>(1)? {
            return Ok((undated, Some(epoch_ms.saturating_add(lasted_ms))));
        }
        let dated = last.filter(|at| at.wall.quality != ClockQuality::Unset);
        if let Some(at) = dated {
            return Ok((undated, Some(at.wall.unix_ms)));
        }
        if undated.len() < UNDATED_LIMIT {
            undated.push(Undated { boot: run, lasted_ms });
        }
    }
    Ok((undated, None))
}

/// The stamp of the last fact of a run.
fn last_stamp(conn: &Connection, boot: i64) -> Result<Option<Stamp>, LedgerError> {
    let sql = "SELECT fact FROM journal
        WHERE n >= (SELECT first_n FROM boots WHERE boot = ?1)
          AND n < COALESCE((SELECT first_n FROM boots WHERE boot > ?1 ORDER BY boot LIMIT 1),
                           9223372036854775807)
        ORDER BY n DESC LIMIT 1";
    let fact: Option<Vec<u8>> = conn.query_row(sql, [boot], |row| row.get(0)).optional()?;
    let Some(fact) = fact else { return Ok(None) };
    let (_, at, _) = FactReader::open(&fact)?;
    // Facts of another run's figures can follow; they say nothing of this one.
    Ok((at.boot.0.cast_signed() == boot).then_some(at))
}
