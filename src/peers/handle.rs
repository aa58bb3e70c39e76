//! A running machine as others hold it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::{Effect, Machine};
use crate::domain::time::{Mono, Now};

/// Tells the time to a shell.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// News waiting to be taken, per machine; a listener slower than this loses the newest.
const NEWS_MAX: usize = 65_536;

/// A machine shared between its shell and whoever directs it.
pub struct Handle<M: Machine> {
    machine: Arc<Mutex<M>>,
    wake: Arc<Notify>,
    clock: Clock,
    news: (flume::Sender<M::News>, flume::Receiver<M::News>),
}

impl<M: Machine> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            wake: Arc::clone(&self.wake),
            clock: Arc::clone(&self.clock),
            news: self.news.clone(),
        }
    }
}

impl<M: Machine> Handle<M> {
    /// Wraps a machine.
    pub fn new(machine: M, clock: Clock) -> Self {
        Self {
            machine: Arc::new(Mutex::new(machine)),
            wake: Arc::new(Notify::new()),
            clock,
            news: flume::bounded(NEWS_MAX),
        }
    }

    /// Directs or asks the machine; what it wants done thereby is done by its shell.
    pub fn with<R>(&self, act: impl FnOnce(&mut M, Now) -> R) -> R {
        let result = self.quietly(act);
        self.wake.notify_one();
        result
    }

    /// Where the machine's news arrive; every clone takes from the same queue.
    #[must_use]
    pub fn news(&self) -> flume::Receiver<M::News> {
        self.news.1.clone()
    }

    /// Runs `act` without waking the shell; for the shell itself.
    pub(super) fn quietly<R>(&self, act: impl FnOnce(&mut M, Now) -> R) -> R {
        let now = (self.clock)();
        // A panic in another holder leaves a machine that is still good enough to observe.
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut machine, now)
    }

    /// Moves news to their queue and returns the effects.
    pub(super) fn drain(&self) -> Vec<Effect> {
        self.quietly(|machine, _| {
            while let Some(news) = machine.take_news() {
                // A full queue sheds; the machine's own books stay complete.
                let _ = self.news.0.try_send(news);
            }
            std::iter::from_fn(|| machine.take_effect()).collect()
        })
    }

    /// Waits until the machine is directed or its deadline has come.
    pub(super) async fn due(&self) {
        let wait = self.quietly(|machine, now| {
            machine.deadline().map(|Mono(at)| at.saturating_sub(now.mono.0))
        });
        match wait {
            Some(wait_ms) => {
                let sleep = tokio::time::sleep(std::time::Duration::from_millis(wait_ms));
                tokio::select! {
                    () = sleep => {}
                    () = self.wake.notified() => {}
                }
            }
            None => self.wake.notified().await,
        }
    }
}
