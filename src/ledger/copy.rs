//! A copy of a file to read from, so that reading leaves nothing behind beside the file.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{Head, LedgerError, Options, Phases, Reader, note, open, schema};

/// A directory of our own for a copy; removed with everything in it.
#[derive(Debug)]
pub(super) struct Copy {
    dir: PathBuf,
    noted: Option<Head>,
}

impl Copy {
    /// Makes a directory that nobody else can look into.
    fn new() -> Result<Self, LedgerError> {
        let base = std::env::temp_dir();
        let process = std::process::id();
        let mut number = 0_u32;
        loop {
            let dir = base.join(format!("sitepilot-ledger-{process}-{number}"));
            // Fails if the name is taken, also by a link: nobody can prepare one for us.
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self { dir, noted: None }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The head that was noted beside the file.
    pub(super) const fn noted(&self) -> Option<Head> {
        self.noted
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own clearing of the directory.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether a data directory has a ledger, or the file is there.
///
/// # Errors
///
/// When it may not be looked for.
pub fn is_there(path: &Path) -> std::io::Result<bool> {
    file_of(path).try_exists()
}

/// Reads a stopped controller's ledger, or any ledger file, from a copy. The copy of an older
/// schema is migrated; the file itself is not touched.
///
/// # Errors
///
/// `Locked` if a controller is running on that directory, `TooNew`, `Corrupt`, `Io`.
pub fn open_copy(path: &Path) -> Result<Reader, LedgerError> {
    let (copy, to) = make(path)?;
    let mut conn = open::connect(&to, &Options::default())?;
    schema::migrate(&mut conn, &schema::MIGRATIONS, None, &Phases::default())?;
    Ok(Reader::of_copy(conn, copy))
}

/// Reads a ledger as it is, whatever its schema, for [`Reader::summary`]: that of a data directory
/// beside the controller that runs on it, else from a copy.
///
/// # Errors
///
/// `Corrupt`, `Io`.
pub fn look(path: &Path) -> Result<Reader, LedgerError> {
    match make(path) {
        Err(LedgerError::Locked(_)) => Reader::of_running(path),
        copied => {
            let (copy, to) = copied?;
            Ok(Reader::of_copy(open::connect(&to, &Options::default())?, copy))
        }
    }
}

/// As [`open_copy`], but of a damaged file all that can be salvaged is read.
///
/// # Errors
///
/// Those of [`open_copy`]; `Corrupt` only if the file is no ledger at all.
pub fn open_salvaged_copy(path: &Path) -> Result<Reader, LedgerError> {
    let (copy, _) = make(path)?;
    let opened = open::open(&copy.dir, &Options::default())?;
    match opened.opening.salvaged {
        Some(salvaged) if salvaged.kept == 0 => Err(LedgerError::Corrupt(salvaged.why)),
        _ => Ok(Reader::of_copy(opened.conn, copy)),
    }
}

/// Copies a file, with its log, and gives the copy's path.
fn make(path: &Path) -> Result<(Copy, PathBuf), LedgerError> {
    let file = file_of(path);
    let dir = file.parent().unwrap_or(Path::new("."));
    let _still = hold_still(&file)?;
    let mut copy = Copy::new()?;
    let to = copy.dir.join(open::FILE);
    fs::copy(&file, &to)?;
    let wal = with_suffix(&file, "-wal");
    if wal.exists() {
        fs::copy(wal, with_suffix(&to, "-wal"))?;
    }
    if file.ends_with(open::FILE) {
        copy.noted = note::read(dir).map(|note| note.head);
    }
    Ok((copy, to))
}

/// The ledger of a data directory, or the file itself.
pub(super) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(open::FILE) } else { path.to_owned() }
}

/// The path with more at its end.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Keeps a controller from starting while its file is copied; refuses if one is running.
pub(super) fn hold_still(file: &Path) -> Result<Option<File>, LedgerError> {
    if !file.ends_with(open::FILE) {
        return Ok(None);
    }
    let path = file.with_file_name(open::LOCK);
    let lock = match File::open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(path)),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
