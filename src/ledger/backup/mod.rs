//! Backups: a ledger in one file, with what a site needs beside it.
//!
//! The file is a ledger like any other, readable as one, and has two tables more: `backup` says of
//! what and when it is, `luggage` carries other files, whole. A ledger that a controller writes to
//! is copied under one read transaction, page by page as SQLite gives them, so the copy is the
//! ledger as it was at one moment; that of a stopped one is copied with its log.

use std::{fs::File, path::Path};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use super::{
    Summary, Verdict, copy::with_suffix, error::LedgerError, open, reader, schema, verify,
};

mod head;
mod seat;
mod source;

pub use head::{schema_of, schema_of_this_program};
pub use seat::{Lock, Replaced, Seated};
pub use source::Source;

/// What this program writes, and the only format it reads.
const FORMAT: &str = "1";

/// Most other files of a backup, and most bytes of them: several times what a site may have.
const MAX_ITEMS: u32 = 16_384;
const MAX_LUGGAGE_BYTES: u32 = 128 << 20;

const TABLES: &str = "
DROP TABLE IF EXISTS backup;
DROP TABLE IF EXISTS luggage;
CREATE TABLE backup (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE luggage (
  path TEXT PRIMARY KEY, mode INTEGER NOT NULL, sha256 BLOB NOT NULL, body BLOB NOT NULL)
  WITHOUT ROWID;";

/// A file that travels with the ledger.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name, with the folder it belongs into.
    pub path: String,
    /// Who may do what with it, as `chmod` has it.
    pub mode: u32,
    /// What is in it; often a secret.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Item {
    /// Leaves out what is in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Of what a backup is; all of it is for people but the places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Code of the site.
    pub site: String,
    /// When it was made.
    pub made_at: String,
    /// Version of the program that made it.
    pub version: String,
    /// Where the config was.
    pub config: String,
    /// Where the ledger was.
    pub data_dir: String,
}

impl About {
    fn rows(&self) -> [(&'static str, &str); 5] {
        [
            ("site", &self.site),
            ("made_at", &self.made_at),
            ("version", &self.version),
            ("config", &self.config),
            ("data_dir", &self.data_dir),
        ]
    }
}

fn new_file(path: &Path) -> Result<File, LedgerError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    Ok(File::options().write(true).create_new(true).mode(0o600).open(path)?)
}

/// A copy of a ledger that is becoming a backup, or a backup that is becoming a ledger.
#[derive(Debug)]
pub struct Draft {
    conn: Connection,
}

impl Draft {
    /// Opens a file that nobody else uses, and makes it one file: without a log beside it.
    fn open(path: &Path) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.execute_batch(
            // The index of the log stays in memory; what is dropped leaves nothing readable.
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON;
             PRAGMA synchronous = OFF",
        )?;
        for mode in ["DELETE", "MEMORY"] {
            let set = format!("PRAGMA journal_mode = {mode}");
            conn.query_row(&set, [], |_| Ok(()))?;
        }
        Ok(Self { conn })
    }

    /// Opens a backup to look into it; nothing is made beside it.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is none, `Io`.
    pub fn read(path: &Path) -> Result<Self, LedgerError> {
        // One with a log beside it is no backup, and opening it would make files.
        if !head::is_without_log(path)? {
            return Err(LedgerError::corrupt("it is no backup"));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags)?;
        conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
        Ok(Self { conn })
    }

    /// Puts other files beside the ledger.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`.
    pub fn pack(&mut self, about: &About, luggage: &[Item]) -> Result<(), LedgerError> {
        let write = self.conn.transaction()?;
        write.execute_batch(TABLES)?;
        let insert = "INSERT INTO backup (key, value) VALUES (?1, ?2)";
        for (key, value) in about.rows().into_iter().chain([("format", FORMAT)]) {
            write.execute(insert, [key, value])?;
        }
        let insert = "INSERT INTO luggage (path, mode, sha256, body) VALUES (?1, ?2, ?3, ?4)";
        for Item { path, mode, body } in luggage {
            write.execute(insert, params![path, mode, sha256(body), body])?;
        }
        Ok(write.commit()?)
    }

    /// Of what it is; `None` if it is a ledger, but no backup.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`; also of a format this program does not know.
    pub fn about(&self) -> Result<Option<About>, LedgerError> {
        // Of nothing but tables: a view may have rows without end.
        let sql = "SELECT count(*) FROM sqlite_master
            WHERE type = 'table' AND name IN ('backup', 'luggage')";
        let tables: i64 = self.conn.query_row(sql, [], |row| row.get(0))?;
        if tables < 2 {
            return Ok(None);
        }
        let value = |key: &str| {
            let sql = "SELECT value FROM backup WHERE key = ?1";
            let found = self.conn.query_row(sql, [key], |row| row.get::<_, String>(0)).optional();
            Ok::<_, LedgerError>(found?.unwrap_or_default())
        };
        let format = value("format")?;
        if format != FORMAT {
            return Err(LedgerError::corrupt(format!("a backup of an unknown format: {format}")));
        }
        Ok(Some(About {
            site: value("site")?,
            made_at: value("made_at")?,
            version: value("version")?,
            config: value("config")?,
            data_dir: value("data_dir")?,
        }))
    }

    /// The other files, each as it was packed.
    ///
    /// # Errors
    ///
    /// `Corrupt` if one is not, `Io`.
    pub fn luggage(&self) -> Result<Vec<Item>, LedgerError> {
        let none = || LedgerError::corrupt("no site has such files beside its ledger");
        if self.about()?.is_none() {
            return Err(none());
        }
        let sql = "SELECT count(*) > ?1 OR total(length(body)) > ?2 FROM luggage";
        let is_too_much =
            self.conn.query_row(sql, params![MAX_ITEMS, MAX_LUGGAGE_BYTES], |row| {
                row.get::<_, bool>(0)
            })?;
        if is_too_much {
            return Err(none());
        }
        let sql = "SELECT path, mode, sha256, body FROM luggage ORDER BY path";
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut luggage = Vec::new();
        while let Some(row) = rows.next()? {
            let item = Item { path: row.get(0)?, mode: row.get(1)?, body: row.get(3)? };
            if row.get::<_, Vec<u8>>(2)? != sha256(&item.body) {
                let what = format!("a file in the backup is not what was packed: {}", item.path);
                return Err(LedgerError::Corrupt(what));
            }
            luggage.push(item);
        }
        Ok(luggage)
    }

    /// Checks all of it: the file's own structure, the journal's chain, the orders against it. That
    /// the last two do not hold is told, and no error. Of an older schema it is checked what
    /// migrating would make of it.
    ///
    /// # Errors
    ///
    /// `TooNew`, `Corrupt`, `Io`.
    pub fn check(&mut self) -> Result<(Summary, Verdict), LedgerError> {
        open::check(&self.conn)?;
        let found = schema::version(&self.conn)?;
        let known = schema_of_this_program();
        if found > known {
            return Err(LedgerError::TooNew { found, known });
        }
        let summary = reader::summary(&self.conn, reader::Life::Stopped)?;
        let trial = self.conn.transaction()?;
        for (number, step) in (1_i64..).zip(schema::MIGRATIONS) {
            if number > found {
                trial.execute_batch(step)?;
            }
        }
        let verdict = verify::verify(&trial, None)?;
        trial.rollback()?;
        Ok((summary, verdict))
    }

    /// Takes the other files out, so that it is a ledger and nothing else; their pages are wiped.
    fn strip(&self) -> Result<(), LedgerError> {
        Ok(self.conn.execute_batch("DROP TABLE IF EXISTS luggage; DROP TABLE IF EXISTS backup")?)
    }

    /// Closes it; it is on the disk then, whole.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`.
    pub fn close(self) -> Result<(), LedgerError> {
        let file = self.conn.path().unwrap_or_default().to_owned();
        self.conn.close().map_err(|(_, error)| error)?;
        Ok(File::open(file)?.sync_all()?)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Removes a file that was to become a backup, with what SQLite has made beside it.
///
/// # Errors
///
/// `Io`.
pub fn discard(path: &Path) -> Result<(), LedgerError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        open::remove_if_there(&with_suffix(path, suffix))?;
    }
    Ok(())
}
