//! The time before login: how long, and for how many.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};
use tokio::time::{Sleep, sleep};

use super::shared::{Closing, Shared};
use crate::domain::id::ConnectionId;

/// Connections that have not logged in yet. When more come, one has to leave: of the address with
/// most of them the one that has waited longest. An honest client needs one round trip, or four
/// with TLS, so only the silent grow old here.
const MAX_LOBBY: usize = 128;

/// Everybody who has not logged in.
#[derive(Default)]
pub(super) struct Lobby(Mutex<BTreeMap<ConnectionId, Waiting>>);

/// One of them.
struct Waiting {
    address: IpAddr,
    leave: oneshot::Sender<()>,
}

/// Who has to leave a full lobby.
fn most_pressing(lobby: &BTreeMap<ConnectionId, Waiting>) -> Option<ConnectionId> {
    let mut places = BTreeMap::<IpAddr, (usize, Reverse<ConnectionId>)>::new();
    for (connection, waiting) in lobby {
        let oldest = Reverse(*connection);
        places.entry(waiting.address).or_insert((0, oldest)).0 += 1;
    }
    places.into_values().max().map(|(_, Reverse(oldest))| oldest)
}

impl Lobby {
    /// Enters; the receiver fires when the place is needed.
    fn enter(&self, connection: ConnectionId, address: IpAddr) -> oneshot::Receiver<()> {
        let (leave, left) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MAX_LOBBY
            && let Some(pressing) = most_pressing(&waiting).and_then(|who| waiting.remove(&who))
        {
            // It may have gone by itself.
            let _gone = pressing.leave.send(());
        }
        waiting.insert(connection, Waiting { address, leave });
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
    pub fn begin(shared: &Arc<Shared>, connection: ConnectionId, address: IpAddr) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection,
            deadline: Box::pin(sleep(shared.config.connect_timeout)),
            pressed: shared.lobby.enter(connection, address),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lobby_is_left_by_those_who_fill_it() {
        let mut lobby = BTreeMap::new();
        for (number, host) in [(1, 9), (2, 7), (3, 7), (4, 8), (5, 7)] {
            let waiting = Waiting { address: [10, 0, 0, host].into(), leave: oneshot::channel().0 };
            lobby.insert(ConnectionId(number), waiting);
        }
        let mut order = Vec::new();
        while let Some(connection) = most_pressing(&lobby) {
            lobby.remove(&connection);
            order.push(connection.0);
        }
        assert_eq!(order, [2, 3, 1, 4, 5], "of one address first, then the oldest");
    }
}
