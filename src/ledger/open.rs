//! From a directory to a ledger that can be used, whatever state it is in.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, params};

use super::{
    Options,
    caches::Caches,
    error::LedgerError,
    journal, load,
    note::{self, Note},
    phase::Phase,
    salvage::{self, Salvaged},
    schema::{self, Migrated},
};
use crate::domain::time::BootId;

/// Name of the file in the data directory.
pub const FILE: &str = "ledger.db";
pub(super) const LOCK: &str = "ledger.lock";
/// Statements kept prepared; there are about forty.
const STATEMENTS: usize = 64;

/// What opening the ledger found; for logs and alarms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// There was no file.
    pub is_fresh: bool,
    /// The file had an older schema.
    pub migrated: Option<Migrated>,
    /// The file was damaged.
    pub salvaged: Option<Salvaged>,
    /// Journal rows that were noted beside the file and are not in it: the file was taken away, or
    /// its log was damaged and the last commits with it.
    pub missing_rows: u64,
}

/// An open file and what is known of it.
pub(super) struct Opened {
    pub(super) conn: Connection,
    pub(super) caches: Caches,
    pub(super) boot: BootId,
    pub(super) opening: Opening,
}

/// Takes the lock of a data directory; it is held as long as the file lives.
pub(super) fn lock(dir: &Path) -> Result<File, LedgerError> {
    fs::create_dir_all(dir)?;
    let path = dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(path)),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Opens the file, makes it, migrates it or replaces it by what can be salvaged, and counts the
/// run.
pub(super) fn open(dir: &Path, options: &Options) -> Result<Opened, LedgerError> {
    salvage::finish(dir)?;
    let is_fresh = !dir.join(FILE).exists();
    let noted = note::read(dir).unwrap_or_default();
    let (conn, opening) = match prepare(dir, options, &noted) {
        Ok((conn, migrated)) => {
            let migrated = migrated.filter(|_| !is_fresh);
            // A new file goes on from the noted head, with none of the rows up to it.
            let last_n = if is_fresh { 0 } else { journal::head(&conn)?.n };
            let missing_rows = noted.head.n.saturating_sub(last_n);
            (conn, Opening { is_fresh, migrated, missing_rows, salvaged: None })
        }
        Err(LedgerError::Corrupt(why)) => replace(dir, options, &noted, why)?,
        Err(error) => return Err(error),
    };
    let boot = count_boot(&conn, &noted)?;
    let caches = Caches::load(&conn)?;
    note::write(dir, &Note { boot: boot.0, head: caches.head })?;
    Ok(Opened { conn, caches, boot, opening })
}

/// Goes on with what can be read of a damaged file, or, if even that cannot be relied on, with an
/// empty one: the site must start.
fn replace(
    dir: &Path,
    options: &Options,
    noted: &Note,
    why: String,
) -> Result<(Connection, Opening), LedgerError> {
    let mut salvaged = salvage::replace(dir, options, noted, why)?;
    let conn = match prepare(dir, options, noted) {
        Ok((conn, _)) => conn,
        Err(LedgerError::Corrupt(_)) => {
            set_aside(dir, DAMAGED)?;
            (salvaged.lost, salvaged.kept) = (salvaged.lost + salvaged.kept, 0);
            prepare(dir, options, noted)?.0
        }
        Err(error) => return Err(error),
    };
    Ok((conn, Opening { salvaged: Some(salvaged), ..Opening::default() }))
}

/// A connection that can write.
pub(super) fn connect(path: &Path, options: &Options) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = connect_with(path, flags, options)?;
    conn.pragma_update(None, "page_size", options.page_bytes)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // FULL: each commit is synced; NORMAL could lose the last ones at a power cut.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    if let Some(pages) = options.max_pages {
        conn.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(conn)
}

/// A connection that can only read.
pub(super) fn connect_to_read(path: &Path, options: &Options) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect_with(path, flags, options)
}

fn connect_with(
    path: &Path,
    flags: OpenFlags,
    options: &Options,
) -> Result<Connection, LedgerError> {
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "trusted_schema", false)?;
    Ok(conn)
}

/// Opens and checks; `Corrupt` if the file cannot be relied on.
fn prepare(
    dir: &Path,
    options: &Options,
    noted: &Note,
) -> Result<(Connection, Option<Migrated>), LedgerError> {
    let mut conn = connect(&dir.join(FILE), options)?;
    let found = schema::version(&conn)?;
    if found > 0 {
        options.phases.tell(Phase::Checking { bytes: fs::metadata(dir.join(FILE))?.len() });
        check(&conn)?;
    }
    let told = &options.phases;
    let migrated = schema::migrate(&mut conn, &schema::MIGRATIONS, Some(dir), told)?;
    // A file that was made anew, also one whose making was cut off, goes on from the noted head.
    if journal::head(&conn)?.n == 0 && noted.head.n > 0 {
        journal::set_anchor(&conn, &noted.head, "noted beside the file")?;
    }
    options.phases.tell(Phase::Restoring { orders: super::reader::counts(&conn)?.orders });
    try_out(&conn)?;
    Ok((conn, migrated))
}

/// Checks the file's own structure.
pub(super) fn check(conn: &Connection) -> Result<(), LedgerError> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(LedgerError::Corrupt(verdict)) }
}

/// Reads all that running needs: what cannot be read here would stop the site later.
fn try_out(conn: &Connection) -> Result<(), LedgerError> {
    let caches = Caches::load(conn)?;
    load::image(conn, &caches, BootId(0))?;
    let unsettled = "WHERE l.seq IS NOT NULL";
    super::rows::for_each(conn, &caches.calendar, unsettled, [], |_| Ok(()))
}

/// What a damaged file is called when it is set aside.
pub(super) const DAMAGED: &str = "damaged";

/// Moves the file and its log out of the way, under a name that is not taken; the file's new name,
/// if there was one.
pub(super) fn set_aside(dir: &Path, why: &str) -> Result<Option<PathBuf>, LedgerError> {
    let name = |number: u32| dir.join(format!("ledger.{why}-{number}.db"));
    let log = |number: u32| dir.join(format!("ledger.{why}-{number}.db-wal"));
    let free = |number: &u32| !name(*number).exists() && !log(*number).exists();
    let number = (1..).find(free).expect("a directory cannot hold that many files");
    let wal = dir.join(format!("{FILE}-wal"));
    // The log first: without the file it is never taken for the log of the next file.
    if wal.exists() {
        fs::rename(wal, log(number))?;
    }
    // The shared index is rebuilt from the log; one of another file must not be found.
    remove_if_there(&dir.join(format!("{FILE}-shm")))?;
    let (file, to) = (dir.join(FILE), name(number));
    let is_there = file.exists();
    if is_there {
        fs::rename(file, &to)?;
    }
    File::open(dir)?.sync_all()?;
    Ok(is_there.then_some(to))
}

/// Removes a file that need not exist.
pub(super) fn remove_if_there(path: &Path) -> Result<(), LedgerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Gives this run its number, greater than any before, also than one of a lost file.
fn count_boot(conn: &Connection, noted: &Note) -> Result<BootId, LedgerError> {
    let last = load::count(conn, "SELECT COALESCE(max(boot), 0) FROM boots")?;
    let boot = last.max(noted.boot.cast_signed()).saturating_add(1);
    let first_n = journal::head(conn)?.n.saturating_add(1).cast_signed();
    conn.execute("INSERT INTO boots (boot, first_n) VALUES (?,?)", params![boot, first_n])?;
    Ok(BootId(boot.cast_unsigned()))
}
