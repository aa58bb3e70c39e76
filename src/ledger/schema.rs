//! The schema and its numbered migrations.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{
    error::LedgerError,
    phase::{Phase, Phases},
};

/// Steps from schema 0, an empty file, forward; the number of a schema is the number of steps
/// that led to it. Steps are never changed, only added.
pub(super) const MIGRATIONS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("passes.sql"),
    include_str!("meters.sql"),
    concat!(include_str!("enlisted.sql"), include_str!("chargers.sql")),
];

/// What a file of a schema before [`FIRST_ENLISTING`] says of its uplinks.
pub(super) const CHARGERS: &str = include_str!("chargers.sql");

/// The first schema that knows which uplinks take orders.
pub(super) const FIRST_ENLISTING: i64 = 4;

/// Oldest schema whose tables are, column by column, those of the last one; later steps up to now
/// only add tables. Rows of a damaged file can be taken over as they are from here on.
pub(super) const OLDEST_ALIKE: i64 = 1;

/// What migrating did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Schema before.
    pub from: i64,
    /// Schema now.
    pub to: i64,
    /// Copies of the file as it was before each step.
    pub copies: Vec<PathBuf>,
}

/// Number of the schema of a file.
pub(super) fn version(conn: &Connection) -> Result<i64, LedgerError> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings a file to the last schema; before each step on a file that had one, `copy_to` gets a
/// copy of it, and somebody is told.
pub(super) fn migrate(
    conn: &mut Connection,
    steps: &[&str],
    copy_to: Option<&Path>,
    phases: &Phases,
) -> Result<Option<Migrated>, LedgerError> {
    let from = version(conn)?;
    let known = i64::try_from(steps.len()).expect("there are few steps");
    if from > known {
        return Err(LedgerError::TooNew { found: from, known });
    }
    let mut copies = Vec::new();
    for (number, step) in (1_i64..).zip(steps) {
        if number <= from {
            continue;
        }
        if let Some(dir) = copy_to.filter(|_| from > 0) {
            phases.tell(Phase::Migrating { from: number - 1, to: number });
            let copy = dir.join(format!("ledger.schema-{}.db", number - 1));
            copy_file(conn, &copy)?;
            copies.push(copy);
        }
        let step_of = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step_of.execute_batch(step)?;
        step_of.pragma_update(None, "user_version", number)?;
        step_of.commit()?;
    }
    Ok((from < known).then_some(Migrated { from, to: known, copies }))
}

/// A whole copy, synced; an earlier one of the same name, from a migration that was cut off, is
/// replaced.
fn copy_file(conn: &Connection, to: &Path) -> Result<(), LedgerError> {
    super::open::remove_if_there(to)?;
    let mut copy = Connection::open(to)?;
    // All pages in one step: nobody else writes.
    rusqlite::backup::Backup::new(conn, &mut copy)?.run_to_completion(
        i32::MAX,
        std::time::Duration::ZERO,
        None,
    )?;
    drop(copy);
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    const FIRST: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (7);";
    const SECOND: &str = "ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 1;";
    const THIRD: &str = "UPDATE t SET b = a * 2;";

    #[test]
    fn an_older_file_is_copied_and_brought_forward() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = Connection::open(dir.path().join("ledger.db")).unwrap();
        migrate(&mut conn, &[FIRST], Some(dir.path()), &Phases::default()).unwrap();
        let steps = [FIRST, SECOND, THIRD];
        let migrated =
            migrate(&mut conn, &steps, Some(dir.path()), &Phases::default()).unwrap().unwrap();
        assert_eq!((migrated.from, migrated.to, migrated.copies.len()), (1, 3, 2));
        let b: i64 = conn.query_row("SELECT b FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(b, 14);
        let copy = Connection::open(&migrated.copies[0]).unwrap();
        assert_eq!(version(&copy).unwrap(), 1);
        assert!(copy.prepare("SELECT b FROM t").is_err(), "as it was before");
        assert_eq!(migrate(&mut conn, &steps, Some(dir.path()), &Phases::default()).unwrap(), None);
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut conn = Connection::open(dir.path().join("ledger.db")).unwrap();
        let wrong = "UPDATE t SET a = 8; SELECT * FROM nowhere;";
        assert!(migrate(&mut conn, &[FIRST, wrong], Some(dir.path()), &Phases::default()).is_err());
        assert_eq!(version(&conn).unwrap(), 1);
        let a: i64 = conn.query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(a, 7);
        // Once the step is right, the copy of the failed attempt is no hindrance.
        migrate(&mut conn, &[FIRST, SECOND], Some(dir.path()), &Phases::default()).unwrap();
    }

    #[test]
    fn a_newer_file_is_refused() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "user_version", 9).unwrap();
        let refused = migrate(&mut conn, &[FIRST], None, &Phases::default());
        assert!(matches!(refused, Err(LedgerError::TooNew { found: 9, known: 1 })));
    }
}
