//! Room kept back for a full disk: a file that holds space and is given up when it is needed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::error::LedgerError;

/// Size of the ballast: room for the ends of 200 running orders, for the confirmations of ten
/// thousand, and for the log in front of the file.
pub const BALLAST_BYTES: u64 = 8 * 1024 * 1024;

const NAME: &str = "ledger.ballast";

/// Room kept back for a full disk.
#[derive(Debug)]
pub(super) struct Ballast {
    dir: PathBuf,
    min_free_bytes: u64,
    is_held: bool,
}

impl Ballast {
    /// The ballast of a directory, held if its file is there; [`Self::check`] takes it.
    pub(super) fn new(dir: &Path, min_free_bytes: u64) -> Self {
        let is_held = fs::metadata(dir.join(NAME)).is_ok_and(|file| file.len() == BALLAST_BYTES);
        Self { dir: dir.to_owned(), min_free_bytes, is_held }
    }

    /// Whether the store is full: the ballast is given up.
    pub(super) const fn is_full(&self) -> bool {
        !self.is_held
    }

    /// Bytes that are free for us on the disk.
    pub(super) fn free_bytes(&self) -> Result<u64, LedgerError> {
        let disk = statvfs(&self.dir)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Gives the ballast up where room is short, takes it again where there is plenty.
    pub(super) fn check(&mut self) -> Result<(), LedgerError> {
        let free = self.free_bytes()?;
        if self.is_held {
            if free < self.min_free_bytes {
                self.give_up()?;
            }
            return Ok(());
        }
        // With the ballast taken there must still be more than the least, or it would come and go.
        if free > self.min_free_bytes.saturating_add(2 * BALLAST_BYTES) {
            self.take()?;
        }
        Ok(())
    }

    /// Gives the ballast up.
    pub(super) fn give_up(&mut self) -> Result<(), LedgerError> {
        self.is_held = false;
        super::open::remove_if_there(&self.dir.join(NAME))
    }

    fn take(&mut self) -> Result<(), LedgerError> {
        let path = self.dir.join(NAME);
        let file = File::create(&path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, BALLAST_BYTES) {
            // A file system that cannot reserve: nothing to give up later, but also no reason to
            // refuse charging.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {
                file.set_len(BALLAST_BYTES)?;
                self.is_held = true;
                Ok(())
            }
            Err(rustix::io::Errno::NOSPC) => Ok(fs::remove_file(path)?),
            Err(error) => Err(error.into()),
        }
    }
}
