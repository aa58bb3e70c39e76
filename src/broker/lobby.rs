//! The time before login: how long, and for how many.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};
use tokio::time::{Sleep, sleep};

use super::shared::{Closing, Shared};
use crate::domain::id::ConnectionId;

/// Connections that have not logged in yet. When more come, the one that has waited longest is
/// closed: an honest client needs one round trip, or four with TLS, so only the silent grow old
/// here.
const MAX_LOBBY: usize = 128;

/// Everybody who has not logged in.
#[derive(Default)]
pub(super) struct Lobby(Mutex<BTreeMap<ConnectionId, oneshot::Sender<()>>>);

impl Lobby {
    /// Enters; the receiver fires when the place is needed.
    fn enter(&self, connection: ConnectionId) -> oneshot::Receiver<()> {
        let (leave, left) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_LOBBY
            && let Some((_, oldest)) = waiting.pop_first()
        {
            // It may have gone by itself.
            let _gone = oldest.send(());
        }
        waiting.insert(connection, leave);
        left
    }

    fn leave(&self, connection: ConnectionId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection);
    }
}

/// The doors' patience with one connection, from TCP to the end of its login: a place in the
/// lobby, given back when this is dropped, and one deadline for all of it.
pub(super) struct Patience {
    shared: Arc<Shared>,
    connection: ConnectionId,
    deadline: Pin<Box<Sleep>>,
    pressed: oneshot::Receiver<()>,
    closing: watch::Receiver<Closing>,
}

impl Patience {
    pub fn begin(shared: &Arc<Shared>, connection: ConnectionId) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection,
            deadline: Box::pin(sleep(shared.config.connect_timeout)),
            pressed: shared.lobby.enter(connection),
            closing: shared.closing(),
        }
    }

    /// Does a part of it; `None` if it is over: too slow, others press, or the doors close. Not to
    /// be asked again then.
    pub async fn with<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => return Some(done),
            () = &mut self.deadline => {}
            _ = &mut self.pressed => {}
            _ = self.closing.changed() => return None,
        }
        self.shared.counters.silent.one();
        None
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        self.shared.lobby.leave(self.connection);
    }
}
