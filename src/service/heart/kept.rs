//! The ledger as the heart's memory.

use tracing::info;

use super::memory::{Chores, Memory, MemoryError};
use crate::{
    domain::{
        order::Order,
        time::{Mono, Now},
    },
    ledger::{Ledger, LedgerError},
    site::{
        Lookup,
        restore::Image,
        step::{Released, Step},
    },
};

/// The journal's head goes to the log that often: whoever keeps the log can prove later what the
/// ledger said.
const HEAD_INTERVAL_MS: u64 = 86_400_000;

/// The ledger with what has to be done around it.
#[derive(Debug)]
pub struct Kept {
    ledger: Ledger,
    head_told: Option<Mono>,
}

impl Kept {
    /// A ledger whose settled orders are kept that long.
    #[must_use]
    pub const fn new(ledger: Ledger, _retention_days: u32) -> Self {
        Self { ledger, head_told: None }
    }

    fn tell_head(&mut self, now: Mono) -> Result<(), LedgerError> {
        if self.head_told.is_some_and(|told| now.since_ms(told) < HEAD_INTERVAL_MS) {
            return Ok(());
        }
        self.head_told = Some(now);
        info!(head = %self.ledger.head()?, "journal of the ledger");
        self.ledger.checkpoint()
    }
}

impl From<LedgerError> for MemoryError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Full => Self::Full,
            LedgerError::Contradiction(text) => Self::Contradiction(text),
            other => Self::Sick(other.to_string()),
        }
    }
}

impl Memory for Kept {
    fn load(&mut self) -> Result<Image, MemoryError> {
        Ok(self.ledger.load()?)
    }

    fn lookup(&mut self, what: &Lookup) -> Result<Vec<Order>, MemoryError> {
        Ok(self.ledger.lookup(what)?)
    }

    fn commit(&mut self, step: Step) -> Result<Released, MemoryError> {
        Ok(self.ledger.commit(step)?)
    }

    fn is_full(&self) -> bool {
        self.ledger.is_full()
    }

    fn do_chores(&mut self, now: Now) -> Result<Chores, MemoryError> {
        let is_full = self.ledger.check_space()?;
        // A full disk is known already, and the next time will do.
        match self.tell_head(now.mono) {
            Ok(()) | Err(LedgerError::Full) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Chores { is_full, ..Chores::default() })
    }

    fn close(&mut self) -> Result<(), MemoryError> {
        match self.ledger.checkpoint() {
            // What is committed is safe without it.
            Ok(()) | Err(LedgerError::Full) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
