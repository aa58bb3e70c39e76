//! The number of a ledger's schema, read without opening it.

use std::{io::Read as _, path::Path};

use super::super::{copy::file_of, error::LedgerError, schema};
use crate::sys::file;

/// Number of the schema of a ledger, as the head of its file has it. Nothing is opened but that
/// file; what stands in the log only is not seen.
///
/// # Errors
///
/// `Corrupt` if it is no database, `Io`.
pub fn schema_of(path: &Path) -> Result<i64, LedgerError> {
    let head = head_of(&file_of(path))?;
    let version = head[USER_VERSION].try_into().map(u32::from_be_bytes);
    Ok(version.map_or(0, i64::from))
}

/// Where the head of a file has the number of its schema, and how it is written.
const USER_VERSION: std::ops::Range<usize> = 60..64;
const WRITE_VERSION: usize = 18;
/// Written without a log beside it.
const ROLLBACK: u8 = 1;

/// Whether a database is written without a log beside it.
pub(super) fn is_without_log(path: &Path) -> Result<bool, LedgerError> {
    Ok(head_of(path)?[WRITE_VERSION] == ROLLBACK)
}

/// The head of a database: <https://www.sqlite.org/fileformat.html>, section 1.3.
fn head_of(file: &Path) -> Result<[u8; 100], LedgerError> {
    let mut head = [0; 100];
    let read = file::open(file)?.read_exact(&mut head);
    if read.is_err() || !head.starts_with(b"SQLite format 3\0") {
        return Err(LedgerError::corrupt("it is not a database"));
    }
    Ok(head)
}

/// Number of the schema that this program brings a ledger to.
#[must_use]
pub fn schema_of_this_program() -> i64 {
    i64::try_from(schema::MIGRATIONS.len()).expect("there are few steps")
}
