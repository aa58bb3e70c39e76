//! Folders for ledgers that are thrown away by the hundred.

use rustix::fs::statvfs;
use tempfile::TempDir;

/// Files in memory, on Linux.
const IN_MEMORY: &str = "/dev/shm";

/// Free memory that is enough for all tests at once, each ledger with its ballast; with less, one
/// of them would find its store full.
const ENOUGH_BYTES: u64 = 1 << 30;

/// A folder in memory, where there is enough: what is tried is which bytes a ledger asks the disk
/// to keep, and waiting for a real one shows nothing more of it.
pub fn folder() -> TempDir {
    let free = statvfs(IN_MEMORY).map_or(0, |memory| memory.f_bavail * memory.f_frsize);
    let in_memory = (free >= ENOUGH_BYTES).then(|| tempfile::tempdir_in(IN_MEMORY));
    in_memory.unwrap_or_else(tempfile::tempdir).expect("a folder for a ledger")
}
