//! Inputs that could not be stepped, kept for whoever looks into it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{domain::time::Now, site::Input, sys};

/// Folder in the data directory.
const FOLDER: &str = "set-aside";

/// Files kept; the first ones tell most, and a flood must not fill the disk.
const MAX_FILES: usize = 32;

/// Longest text of one file, in characters: a batch of reports.
const MAX_CHARS: usize = 1 << 20;

/// Writes inputs to a file of their own.
pub(super) fn write(data_dir: &Path, now: Now, why: &str, inputs: &[Input]) -> io::Result<PathBuf> {
    let folder = data_dir.join(FOLDER);
    fs::create_dir_all(&folder)?;
    if fs::read_dir(&folder)?.count() >= MAX_FILES {
        return Err(io::Error::other(format!("{} is full", folder.display())));
    }
    let file = folder.join(format!("{}-{}.txt", now.wall.unix_ms, now.mono.0));
    let text = format!("{why}\nversion {}\n{inputs:#?}\n", env!("CARGO_PKG_VERSION"));
    let text: String = text.chars().take(MAX_CHARS).collect();
    sys::replace_file(&file, &text, 0o600)?;
    Ok(file)
}
