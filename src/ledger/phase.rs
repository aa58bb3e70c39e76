//! What an opening is busy with, for whoever waits for it.

use std::{fmt, sync::Arc};

/// A part of an opening that may take long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The whole file is read and checked.
    Checking {
        /// Its length.
        bytes: u64,
    },
    /// A copy is made, and then the schema of the file is brought forward.
    Migrating {
        /// The file's schema.
        from: i64,
        /// The next one.
        to: i64,
    },
    /// All that running needs is read.
    Restoring {
        /// Orders in the ledger.
        orders: u64,
    },
    /// The file is damaged; what can be read of it is taken over.
    Salvaging {
        /// Orders taken over so far.
        orders: u64,
    },
}

/// Who is told of phases; by default nobody.
#[derive(Clone, Default)]
pub struct Phases(Option<Arc<dyn Fn(Phase) + Send + Sync>>);

impl Phases {
    /// Tells this function, on the thread that opens.
    #[must_use]
    pub fn told(told: impl Fn(Phase) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    pub(super) fn tell(&self, phase: Phase) {
        if let Some(told) = &self.0 {
            told(phase);
        }
    }
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "told" } else { "untold" })
    }
}
