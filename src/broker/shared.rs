//! What all connections, the handle and the router's exit share.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::config::DoorsConfig;
use super::counters::Counters;
use super::event::DoorEvent;
use super::guard::Guard;
use super::hub::Hub;
use super::inbox::Places;
use super::lobby::Lobby;
use super::porch::Porch;
use super::registry::Registry;
use crate::domain::id::ConnectionId;
use crate::domain::time::Mono;

/// Why the doors close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// They are open.
    Not,
    /// Somebody asked for it.
    Asked,
    /// The site no longer reads.
    InboxClosed,
    /// The router has ended.
    RouterGone,
}

/// Shared state; all locks are held for moments only, never over an await.
pub(super) struct Shared {
    hub: Mutex<Hub>,
    pub lobby: Lobby,
    pub porch: Option<Porch>,
    guard: Mutex<Guard>,
    pub registry: Arc<dyn Registry>,
    pub inbox: flume::Sender<DoorEvent>,
    pub places: Places,
    pub counters: Arc<Counters>,
    pub config: DoorsConfig,
    closing: watch::Sender<Closing>,
    next_connection: AtomicU64,
    epoch: Instant,
}

#[expect(clippy::disallowed_methods, reason = "keep-alive and expiry are counted from here")]
fn instant() -> Instant {
    Instant::now()
}

impl Shared {
    pub fn new(
        hub: Hub,
        porch: Option<Porch>,
        registry: Arc<dyn Registry>,
        inbox: flume::Sender<DoorEvent>,
    ) -> Self {
        Self {
            counters: Arc::clone(&hub.counters),
            guard: Mutex::new(Guard::new(hub.config.guard)),
            config: hub.config.clone(),
            hub: Mutex::new(hub),
            lobby: Lobby::default(),
            porch,
            registry,
            places: Places::new(inbox.capacity().unwrap_or(usize::MAX)),
            inbox,
            closing: watch::channel(Closing::Not).0,
            next_connection: AtomicU64::new(1),
            epoch: instant(),
        }
    }

    /// The sessions. A panic under the lock ends the doors anyway, so poison is passed over.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may try to log in.
    pub fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the doors opened.
    pub fn now(&self) -> Mono {
        let elapsed = instant().saturating_duration_since(self.epoch);
        Mono(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Relaxed))
    }

    /// Closes the doors; the first reason counts.
    pub fn close(&self, why: Closing) {
        self.closing.send_if_modified(|closing| {
            let first = *closing == Closing::Not;
            if first {
                *closing = why;
            }
            first
        });
        self.hub().close();
    }

    pub fn closing(&self) -> watch::Receiver<Closing> {
        self.closing.subscribe()
    }
}
