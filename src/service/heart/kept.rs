//! The ledger as the heart's memory.

use tracing::info;

use super::memory::{Chores, Memory, MemoryError};
use crate::{
    domain::{
        order::Order,
        time::{ClockQuality, Mono, Now},
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

/// Journal rows removed at a time; the heart waits for it.
const PRUNE_ROWS: u32 = 500;

/// The ledger with what has to be done around it.
#[derive(Debug)]
pub struct Kept {
    ledger: Ledger,
    retention_days: u32,
    head_told: Option<Mono>,
}

impl Kept {
    /// A ledger whose settled orders are kept that long.
    #[must_use]
    pub const fn new(ledger: Ledger, retention_days: u32) -> Self {
        Self { ledger, retention_days, head_told: None }
    }

    fn tell_head(&mut self, now: Mono) -> Result<(), LedgerError> {
        if self.head_told.is_some_and(|told| now.since_ms(told) < HEAD_INTERVAL_MS) {
            return Ok(());
        }
        self.head_told = Some(now);
        info!(head = %self.ledger.head()?, "journal of the ledger");
        self.ledger.checkpoint()
    }

    fn prune(&mut self, now: Now) -> Result<(), LedgerError> {
        // A clock that may be wrong must not make anything old.
        if now.wall.quality != ClockQuality::Synced {
            return Ok(());
        }
        let pruned = self.ledger.prune(now.wall.unix_ms, self.retention_days, PRUNE_ROWS)?;
        if pruned.orders > 0 {
            info!(orders = pruned.orders, "orders past their time removed");
        }
        Ok(())
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
        match self.prune(now).and_then(|()| self.tell_head(now.mono)) {
            Ok(()) | Err(LedgerError::Full) => {}
            Err(error) => return Err(error.into()),
        }
        let stats = self.ledger.stats(now.wall.unix_ms)?;
        let written_today_bytes = stats.written_today_bytes.unwrap_or(0);
        Ok(Chores { is_full, written_today_bytes, free_bytes: stats.free_bytes })
    }

    fn close(&mut self) -> Result<(), MemoryError> {
        match self.ledger.checkpoint() {
            // What is committed is safe without it.
            Ok(()) | Err(LedgerError::Full) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{domain::time::Wall, ledger::Options};

    #[test]
    fn chores_give_figures_and_leave_a_fresh_ledger_alone() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { min_free_mb: 1, ..Options::default() };
        let (ledger, _) = Ledger::open(dir.path(), options).unwrap();
        let mut kept = Kept::new(ledger, 1);
        let wall = Wall { unix_ms: 1_767_225_600_000, quality: ClockQuality::Synced };
        let chores = kept.do_chores(Now { mono: Mono(1), wall }).unwrap();
        assert!(chores.free_bytes > 0 && !chores.is_full);
        kept.load().unwrap();
        kept.close().unwrap();
    }

    #[test]
    fn what_the_ledger_says_becomes_what_the_heart_does() {
        assert_eq!(MemoryError::from(LedgerError::Full), MemoryError::Full);
        let text = "x".to_owned();
        let contradiction = MemoryError::from(LedgerError::Contradiction(text.clone()));
        assert_eq!(contradiction, MemoryError::Contradiction(text.clone()));
        for sick in [LedgerError::Corrupt(text.clone()), LedgerError::Io(text)] {
            assert!(matches!(MemoryError::from(sick), MemoryError::Sick(_)));
        }
    }
}
