//! Folders for ledgers that are thrown away by the thousand.

use std::path::Path;

/// A folder in memory, where the system has such: what is tried is which bytes a ledger asks the
/// disk to keep, and waiting for a real one shows nothing more of it.
pub fn folder() -> tempfile::TempDir {
    let in_memory = tempfile::tempdir_in(Path::new("/dev/shm"));
    in_memory.or_else(|_| tempfile::tempdir()).expect("a folder for a ledger")
}
