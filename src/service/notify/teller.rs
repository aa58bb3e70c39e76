//! Keeps the manager's line about the site up to date.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{Manager, line};
use crate::{
    clock::Clock,
    service::{heart::Pulse, watchdog::Watch},
};

/// Between looks at the site: whoever runs `systemctl status` sees the present, and the manager is
/// not woken by every plug.
const INTERVAL: Duration = Duration::from_secs(3);

/// Says how the site does whenever that has changed.
#[derive(Debug)]
pub struct Teller {
    manager: Arc<Manager>,
    pulse: Arc<Pulse>,
    watch: Arc<Watch>,
    clock: Arc<Clock>,
    note: Mutex<Option<String>>,
}

impl Teller {
    /// Tells this manager of these rooms.
    #[must_use]
    pub fn new(
        manager: Arc<Manager>,
        pulse: Arc<Pulse>,
        watch: Arc<Watch>,
        clock: Arc<Clock>,
    ) -> Self {
        Self { manager, pulse, watch, clock, note: Mutex::default() }
    }

    /// All listens; so it is again after a reload. `note` stands behind the line until the next
    /// time.
    pub fn ready(&self, note: Option<String>) {
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
        self.manager.ready(&self.text());
    }

    /// Tells of changes until the rooms are left.
    pub async fn run(self: Arc<Self>) {
        loop {
            sleep(INTERVAL).await;
            if self.watch.is_leaving() {
                return;
            }
            self.manager.status(&self.text());
        }
    }

    fn text(&self) -> String {
        let health = self.watch.health(&self.pulse, self.clock.mono());
        let line = line::line(self.pulse.snapshot().as_deref(), &health);
        match &*self.note.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(note) => format!("{line}; {note}"),
            None => line,
        }
    }
}
