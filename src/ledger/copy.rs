//! A copy of a file to read from, so that reading leaves nothing behind beside the file.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{Head, LedgerError, Options, Phases, Reader, note, open, schema};
use crate::sys::{file, user::User};

/// Bytes of a disk that no copy takes.
const SPARED_BYTES: u64 = 16 << 20;

/// How the directories of copies are called; the number of the process follows.
const PREFIX: &str = "sitepilot-ledger-";

/// A directory of our own for a copy; removed with everything in it.
#[derive(Debug)]
pub(super) struct Copy {
    dir: PathBuf,
    noted: Option<Head>,
}

impl Copy {
    /// Makes a directory that nobody else can look into, for copies of these files.
    fn new(files: &[Option<&File>]) -> Result<Self, LedgerError> {
        let base = std::env::temp_dir();
        sweep(&base);
        must_have_room(&base, files)?;
        let process = std::process::id();
        let mut number = 0_u32;
        loop {
            let dir = base.join(format!("{PREFIX}{process}-{number}"));
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
    let wal = with_suffix(&file, "-wal");
    let from = file::open(&file)?;
    let wal = if wal.exists() { Some(file::open(&wal)?) } else { None };
    let mut copy = Copy::new(&[Some(&from), wal.as_ref()])?;
    let to = copy.dir.join(open::FILE);
    fill(&to, from)?;
    if let Some(wal) = wal {
        fill(&with_suffix(&to, "-wal"), wal)?;
    }
    if file.ends_with(open::FILE) {
        copy.noted = note::read(dir).map(|note| note.head);
    }
    Ok((copy, to))
}

fn fill(to: &Path, mut from: File) -> Result<(), LedgerError> {
    let mut to = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(&mut from, &mut to)?;
    Ok(())
}

/// Removes the copies of programs that were ended in the midst of their reading.
fn sweep(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let process = name.split('-').next().and_then(|process| process.parse::<u32>().ok());
        let is_over = process.is_some_and(|one| !Path::new(&format!("/proc/{one}")).exists());
        let is_ours =
            entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == User::current().uid);
        if is_over && is_ours {
            // What cannot be removed is left to the system's own clearing.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether there is room for a copy, and some for whoever else needs the disk: a controller may run
/// on it.
fn must_have_room(base: &Path, files: &[Option<&File>]) -> Result<(), LedgerError> {
    let mut wanted = 0_u64;
    for file in files.iter().flatten() {
        wanted = wanted.saturating_add(file.metadata()?.len());
    }
    let room = rustix::fs::statvfs(base).map_err(std::io::Error::from)?;
    let room = room.f_bavail.saturating_mul(room.f_frsize);
    if wanted.saturating_add(SPARED_BYTES) <= room {
        return Ok(());
    }
    let base = base.display();
    let hint = "TMPDIR names another place for it";
    Err(LedgerError::Io(format!(
        "no room in {base} for a copy of {wanted} bytes to read from; {hint}"
    )))
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
    let lock = match file::open(&path) {
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn copies_of_programs_that_are_gone_are_removed_and_no_others() {
        let base = tempfile::tempdir().unwrap();
        let dir = |name: String| {
            let dir = base.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join(open::FILE), "orders").unwrap();
            dir
        };
        // No process has a number as high.
        let gone = dir(format!("{PREFIX}{}-0", u32::MAX));
        let ours = dir(format!("{PREFIX}{}-0", std::process::id()));
        let others = [dir("sitepilot-ledger".to_owned()), dir(format!("{PREFIX}x-0"))];
        let link = base.path().join(format!("{PREFIX}{}-1", u32::MAX));
        std::os::unix::fs::symlink(&ours, &link).unwrap();
        sweep(base.path());
        assert!(!gone.exists());
        assert!(ours.join(open::FILE).exists() && others.iter().all(|dir| dir.exists()));
    }

    #[test]
    fn a_ledger_that_would_fill_the_disk_is_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(open::FILE);
        // All of it is a hole.
        File::create(&path).unwrap().set_len(1 << 42).unwrap();
        let told = make(&path).unwrap_err().to_string();
        assert!(told.contains("no room"), "{told}");
    }
}
