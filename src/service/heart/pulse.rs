//! What others see of the heart, and the one thing they tell it beside inputs: to stop.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::memory::Chores;
use crate::{domain::time::Mono, site::snapshot::Snapshot};

/// No commit is under way.
const NONE: u64 = u64::MAX;

/// Shared between the heart's thread and everybody else.
#[derive(Debug)]
pub struct Pulse {
    beat_ms: AtomicU64,
    commit_since_ms: AtomicU64,
    panics: AtomicU64,
    is_stopping: AtomicBool,
    chores: RwLock<Chores>,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            beat_ms: AtomicU64::new(0),
            commit_since_ms: AtomicU64::new(NONE),
            panics: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            chores: RwLock::default(),
            snapshot: RwLock::new(None),
        }
    }
}

impl Pulse {
    pub(super) fn beat(&self, now: Mono) {
        self.beat_ms.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn commit_begins(&self, now: Mono) {
        self.commit_since_ms.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn commit_ends(&self) {
        self.commit_since_ms.store(NONE, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn show(&self, snapshot: Snapshot) {
        let mut shown = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(Arc::new(snapshot));
    }

    pub(super) fn tidied(&self, chores: Chores) {
        *self.chores.write().unwrap_or_else(PoisonError::into_inner) = chores;
    }

    /// What the last look at the store found.
    #[must_use]
    pub fn chores(&self) -> Chores {
        *self.chores.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Asks the heart to stop once its inbox is empty.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Time since it last asked for inputs, in ms.
    #[must_use]
    pub fn silent_ms(&self, now: Mono) -> u64 {
        now.since_ms(Mono(self.beat_ms.load(Ordering::Relaxed)))
    }

    /// Time the present commit has taken so far, in ms; `None` if there is none.
    #[must_use]
    pub fn committing_ms(&self, now: Mono) -> Option<u64> {
        let since = self.commit_since_ms.load(Ordering::Relaxed);
        (since != NONE).then(|| now.since_ms(Mono(since)))
    }

    /// Panics inside a step since the start.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// The site as it was a moment ago; `None` before it is restored.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
