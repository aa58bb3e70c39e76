//! Backups: a ledger in one file, with what a site needs beside it.
//!
//! The file is a ledger like any other, readable as one, and has two tables more: `backup` says of
//! what and when it is, `luggage` carries other files, whole. A ledger that a controller writes to
//! is copied under one read transaction, page by page as SQLite gives them, so the copy is the
//! ledger as it was at one moment; that of a stopped one is copied with its log.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, backup::Backup as Pages, params};
use sha2::{Digest as _, Sha256};

use super::{
    Options, Summary, Verdict,
    copy::{file_of, hold_still, with_suffix},
    error::LedgerError,
    journal,
    note::{self, Note},
    open, reader, salvage, schema, verify,
};
use crate::sys::{file, user};

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
        if head_of(path)?[WRITE_VERSION] != ROLLBACK {
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

/// A data directory on which no controller runs, for as long as this lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// `Locked` if a controller runs there, `Full`, `Io`.
    pub fn take(dir: &Path) -> Result<Self, LedgerError> {
        open::lock(dir).map(Self)
    }
}

/// Where a backup is copied to before it is checked.
const NEW_FILE: &str = "ledger.restore.db";

/// Every member of the group may read a ledger, nobody else.
const MODE: u32 = 0o640;

/// A backup on its way into a data directory; what is not put in its seat is removed again.
#[derive(Debug)]
pub struct Seated {
    /// `None` only while it takes its seat.
    draft: Option<Draft>,
    dir: PathBuf,
}

/// What a restored ledger has replaced.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Where the former ledger is kept.
    pub aside: Option<PathBuf>,
    /// Journal rows of the former ledger beyond the restored one's.
    pub newer_rows: Option<u64>,
}

impl Seated {
    /// Copies a backup into a data directory.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`, and `Corrupt` if it is no database.
    pub fn copy(mut backup: File, dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join(NEW_FILE);
        discard(&path)?;
        let mut seated = Self { draft: None, dir: dir.to_owned() };
        io::copy(&mut backup, &mut new_file(&path)?)?;
        seated.draft = Some(Draft::open(&path)?);
        Ok(seated)
    }

    fn draft(&mut self) -> &mut Draft {
        self.draft.as_mut().expect("only taking the seat takes it")
    }

    /// As [`Draft::check`].
    ///
    /// # Errors
    ///
    /// Those of [`Draft::check`].
    pub fn check(&mut self) -> Result<(Summary, Verdict), LedgerError> {
        self.draft().check()
    }

    /// As [`Draft::luggage`].
    ///
    /// # Errors
    ///
    /// Those of [`Draft::luggage`].
    pub fn luggage(&mut self) -> Result<Vec<Item>, LedgerError> {
        self.draft().luggage()
    }

    /// Makes it the ledger of the directory, without the other files. The former one is kept under
    /// another name. Cut off at any point, the next start of the controller finds the one or the
    /// other, whole.
    ///
    /// # Errors
    ///
    /// `Full`, `Io`.
    pub fn take_seat(mut self) -> Result<Replaced, LedgerError> {
        use std::os::unix::fs::PermissionsExt as _;
        let draft = self.draft.take().expect("only this takes it");
        draft.strip()?;
        let head = journal::head(&draft.conn)?;
        draft.close()?;
        let new = self.dir.join(NEW_FILE);
        fs::set_permissions(&new, fs::Permissions::from_mode(MODE))?;
        // From here on the start of a controller ends what is cut off.
        let whole = self.dir.join(salvage::NEW_FILE);
        discard(&whole)?;
        fs::rename(new, whole)?;
        File::open(&self.dir)?.sync_all()?;
        let aside = open::set_aside(&self.dir, "before-restore")?;
        salvage::finish(&self.dir)?;
        let noted = note::read(&self.dir).unwrap_or_default();
        note::write(&self.dir, &Note { boot: noted.boot, head })?;
        let newer = noted.head.n.checked_sub(head.n).filter(|rows| *rows > 0);
        Ok(Replaced { newer_rows: newer.filter(|_| aside.is_some()), aside })
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        drop(self.draft.take());
        // What cannot be removed is replaced by the next restore.
        let _ = discard(&self.dir.join(NEW_FILE));
    }
}
