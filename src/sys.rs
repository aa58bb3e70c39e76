//! What the operating system offers and no safe crate does in one call; the only room where
//! `unsafe` is allowed.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt as _},
    path::Path,
};

use tokio::io::unix::AsyncFd;

/// Whether the kernel's clock is kept by NTP or PTP, as `adjtimex(2)` tells.
#[must_use]
#[allow(unsafe_code)]
pub fn is_clock_synced() -> bool {
    // SAFETY: all fields of `timex` are integers, for which zero is a value; with `modes` 0 the
    // call only reads, and it writes nothing but the structure it is given.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex.status)
    };
    state >= 0 && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0
}

/// Lets the runtime wait for a file that does not block.
///
/// # Errors
///
/// When the runtime cannot watch it.
#[allow(unsafe_code)]
pub fn watched(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor is open and the same one for as long as it is owned, and nobody
    // can take it out of there but by taking the whole apart.
    Ok(unsafe { AsyncFd::register(file) }?)
}

/// Replaces a file so that after a power cut either the old or the new text is there, whole; the
/// old one is kept beside it as `<name>.old`.
///
/// # Errors
///
/// When the directory cannot be written; the old file is then untouched.
pub fn replace_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = |suffix: &str| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        path.with_file_name(name)
    };
    let (new, old) = (beside(".new"), beside(".old"));
    let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    for kept in [fs::remove_file(&old), fs::hard_link(path, &old)] {
        // The first versions have no predecessor.
        kept.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_replaced_file_leaves_its_previous_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts.toml");
        for text in ["one", "two", "three"] {
            replace_file(&path, text, 0o600).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_to_string(dir.path().join("facts.toml.old")).unwrap(), "two");
        assert!(!dir.path().join("facts.toml.new").exists());
    }
}
