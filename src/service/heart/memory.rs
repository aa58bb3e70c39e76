//! What the heart needs of the ledger.

use crate::{
    domain::{order::Order, time::Now},
    site::{
        Lookup,
        restore::Image,
        step::{Released, Step},
    },
};

/// Why memory did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// No room; the rest works.
    #[error("no room")]
    Full,
    /// The step denies what is stored: a fault of ours.
    #[error("contradiction: {0}")]
    Contradiction(String),
    /// It cannot be trusted any more.
    #[error("{0}")]
    Sick(String),
}

/// What was found while tidying up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chores {
    /// New charging is to be refused.
    pub is_full: bool,
    /// Bytes written to the disk today.
    pub written_today_bytes: u64,
    /// Room on the disk.
    pub free_bytes: u64,
}

/// The memory of the site.
pub trait Memory {
    /// What the site has to be.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn load(&mut self) -> Result<Image, MemoryError>;

    /// What an input needs before it is stepped.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    fn lookup(&mut self, what: &Lookup) -> Result<Vec<Order>, MemoryError>;

    /// Makes a step durable and gives its commands free.
    ///
    /// # Errors
    ///
    /// Nothing of the step is kept then.
    fn commit(&mut self, step: Step) -> Result<Released, MemoryError>;

    /// New charging is to be refused.
    fn is_full(&self) -> bool;

    /// What has to be done now and then: free space, old rows, the journal's head.
    ///
    /// # Errors
    ///
    /// If it is sick.
    fn do_chores(&mut self, now: Now) -> Result<Chores, MemoryError>;

    /// The last thing before an orderly end.
    ///
    /// # Errors
    ///
    /// If it is sick.
    fn close(&mut self) -> Result<(), MemoryError>;
}
