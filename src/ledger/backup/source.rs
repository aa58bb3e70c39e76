//! A ledger on its way out of a data directory.

use std::{fs::File, io, path::Path};

use rusqlite::{Connection, OpenFlags, backup::Backup as Pages};

use super::{
    super::{
        Options,
        copy::{file_of, hold_still, with_suffix},
        error::LedgerError,
        open, schema,
    },
    Draft, new_file,
};
use crate::sys::{file, user};

/// A ledger that is open to be copied.
#[derive(Debug)]
pub struct Source(Life);

#[derive(Debug)]
enum Life {
    /// A read transaction is open: what is copied is the ledger of this moment.
    Running(Connection),
    /// No controller starts while the lock is held.
    Stopped { _lock: Option<File>, file: File, log: Option<File> },
}

impl Source {
    /// Opens the ledger of a data directory, or a ledger file, whether or not a controller of
    /// whatever version runs on it. Root opens it as the owner of its directory: a link leads only
    /// to what that user may read, and nothing is made beside it.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = file_of(path);
        user::act_as_keeper_of(&file, || match hold_still(&file) {
            Err(LedgerError::Locked(_)) => Ok(Self(Life::Running(running(&file)?))),
            lock => {
                let (lock, log) = (lock?, with_suffix(&file, "-wal"));
                let log = if log.exists() { Some(file::open(&log)?) } else { None };
                Ok(Self(Life::Stopped { _lock: lock, file: file::open(&file)?, log }))
            }
        })?
    }

    /// Copies it into a file that must not be there, for the caller alone to read.
    ///
    /// # Errors
    ///
    /// `Full`, `Corrupt`, `Io`.
    pub fn copy_to(self, path: &Path) -> Result<Draft, LedgerError> {
        let mut file = new_file(path)?;
        match self.0 {
            Life::Running(from) => {
                drop(file);
                let mut to = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                to.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
                Pages::new(&from, &mut to)?.run_to_completion(
                    i32::MAX,
                    std::time::Duration::ZERO,
                    None,
                )?;
            }
            Life::Stopped { _lock, file: mut from, log } => {
                io::copy(&mut from, &mut file)?;
                if let Some(mut log) = log {
                    io::copy(&mut log, &mut new_file(&with_suffix(path, "-wal"))?)?;
                }
            }
        }
        Draft::open(path)
    }
}

fn running(file: &Path) -> Result<Connection, LedgerError> {
    let conn = open::connect_to_read(file, &Options::default())?;
    conn.execute_batch("BEGIN")?;
    // Begins reading, and opens whatever has to be open for it.
    schema::version(&conn)?;
    Ok(conn)
}
