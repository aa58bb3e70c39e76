//! The schema and its numbered migrations.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::error::LedgerError;

/// Steps from schema 0, an empty file, forward; the number of a schema is the number of steps
/// that led to it. Steps are never changed, only added.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

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

/// Brings a file to the last schema; before each step on a file that has one, `copy_to` gets a
/// copy of it.
pub(super) fn migrate(
    conn: &mut Connection,
    steps: &[&str],
    copy_to: Option<&Path>,
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
        if let Some(dir) = copy_to.filter(|_| number > 1) {
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
