//! The head of the journal and the number of the run, noted beside the file.
//!
//! If the file is lost, the next one goes on from there: the chain has no second beginning, and no
//! number of a run is given twice. It also tells a journal whose end was cut off from a whole one.
//! Written at each start and at each checkpoint, so it may be behind, never ahead.

use std::{fs, io::Write, path::Path};

use super::{error::LedgerError, journal::Head};
use crate::sys::file::read_small_text;

const NAME: &str = "ledger.head";

/// Longest note that is read: two numbers and a hash have 105 bytes.
const MAX_BYTES: u64 = 256;

/// What is noted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) boot: u64,
    pub(super) head: Head,
}

/// The note; `None` if there is none that can be read.
pub(super) fn read(dir: &Path) -> Option<Note> {
    parse(&read_small_text(&dir.join(NAME), MAX_BYTES).ok()?)
}

fn parse(text: &str) -> Option<Note> {
    let mut words = text.split_whitespace();
    let boot = words.next()?.parse().ok()?;
    let n = words.next()?.parse().ok()?;
    let hash = data_encoding::HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
    Some(Note { boot, head: Head { n, hash: hash.try_into().ok()? } })
}

/// Writes the note: whole or not at all.
pub(super) fn write(dir: &Path, note: &Note) -> Result<(), LedgerError> {
    let new = dir.join(format!("{NAME}.new"));
    let mut file = fs::File::create(&new)?;
    writeln!(file, "{} {}", note.boot, note.head)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(NAME))?;
    Ok(fs::File::open(dir)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_note_comes_back_and_a_torn_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let note = Note { boot: 7, head: Head { n: 12, hash: [0xab; 32] } };
        write(dir.path(), &note).unwrap();
        assert_eq!(read(dir.path()), Some(note));
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert_eq!(parse(&text[..text.len() / 2]), None);
        assert_eq!(parse("\0\0\0\0\0\0"), None);
    }
}
