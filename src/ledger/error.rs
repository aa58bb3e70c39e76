//! What can go wrong with the memory of the site.

use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};

/// Why the ledger did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// No room; nothing of the step is kept.
    #[error("the store of the ledger is full")]
    Full,
    /// What is stored cannot be true.
    #[error("the ledger is damaged: {0}")]
    Corrupt(String),
    /// The store cannot be read or written.
    #[error("the ledger cannot be read or written: {0}")]
    Io(String),
    /// Another program holds it.
    #[error("another program holds the ledger: {0}")]
    Locked(PathBuf),
    /// An entry denies what is stored; the step is not kept.
    #[error("an entry contradicts the ledger: {0}")]
    Contradiction(String),
    /// A later version of the program wrote it.
    #[error("the ledger has schema {found}, this program knows schemas up to {known}")]
    TooNew {
        /// Of the file.
        found: i64,
        /// Of the program.
        known: i64,
    },
}

impl LedgerError {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    pub(super) fn contradiction(what: impl Into<String>) -> Self {
        Self::Contradiction(what.into())
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match &error {
            E::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Full,
                // The shared index cannot grow: no room either.
                _ if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation => Self::Corrupt(error.to_string()),
                // A missing table or column: the schema itself is damaged.
                ErrorCode::Unknown => Self::Corrupt(error.to_string()),
                _ => Self::Io(error.to_string()),
            },
            E::SqlInputError { .. }
            | E::IntegralValueOutOfRange(..)
            | E::Utf8Error(..)
            | E::FromSqlConversionFailure(..)
            | E::InvalidColumnType(..)
            | E::QueryReturnedNoRows => Self::Corrupt(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<std::io::Error> for LedgerError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            Self::Full
        } else {
            Self::Io(error.to_string())
        }
    }
}

impl From<rustix::io::Errno> for LedgerError {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}
