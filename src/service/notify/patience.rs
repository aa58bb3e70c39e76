//! Keeps the time limit of a start away, as long as the start gets on.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use super::Manager;

/// Between looks.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a look that has found progress gives: several looks on a slow disk.
const EXTENSION: Duration = Duration::from_secs(30);

/// Processor time between two looks that is progress. A start that waits for ever for a disk uses
/// none, and threads that merely wake up less than a fifth of this; one that reads a hundred pages
/// a second from a slow card, much more.
const PROGRESS: Duration = Duration::from_millis(2);

/// Asks the manager for more time whenever the start has got on, until it is dropped.
///
/// A ledger that is checked, migrated or salvaged may take minutes on a slow card, and nobody
/// knows beforehand how many. Evidence is the processor time of all threads but the one that
/// looks.
#[derive(Debug)]
pub struct Patience {
    _until: mpsc::Sender<()>,
}

impl Patience {
    /// Begins.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn new(manager: &Arc<Manager>) -> std::io::Result<Self> {
        let (until, is_over) = mpsc::channel();
        let manager = manager.clone();
        thread::Builder::new().name("patience".to_owned()).spawn(move || {
            let mut before = worked();
            while is_over.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                let now = worked();
                if now.saturating_sub(before) >= PROGRESS {
                    manager.extend(EXTENSION);
                }
                before = now;
            }
        })?;
        Ok(Self { _until: until })
    }
}

/// Processor time of all threads but this one.
fn worked() -> Duration {
    let all = used(ClockId::ProcessCPUTime);
    all.saturating_sub(used(ClockId::ThreadCPUTime))
}

fn used(clock: ClockId) -> Duration {
    // Both are counted from zero.
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
