//! Carries out what the site has decided.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;
use tracing::{debug, error, warn};

use super::{meters::Buses, roster::Roster};
use crate::{
    broker::{Doors, Outgoing, SendError, To},
    clock::Clock,
    domain::{
        id::{PileCode, UplinkName},
        reply::ToPile,
        wire::Revision,
    },
    protocol::charger::{backend, topic::Topic},
    site::command::{Command, Query},
    uplink::Outbox,
};

/// Where released commands go. Nothing here may block: the heart waits for it.
pub trait Outside {
    /// Does it, or drops it; everything but history can be derived again.
    fn carry_out(&mut self, command: Command);

    /// Ends the connections of all piles, so that they come and boot again.
    fn cut_piles(&mut self);
}

/// Operators that wait for an answer at the same time; they are people.
const MAX_TICKETS: usize = 256;

/// Operators' requests that wait for the site's answer.
#[derive(Debug, Default)]
pub struct Tickets {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Result<String, String>>>>,
}

impl Tickets {
    /// A ticket and what its answer comes by; `None` if too many wait already.
    pub fn draw(&self) -> Option<(u64, oneshot::Receiver<Result<String, String>>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| !sender.is_closed());
        if waiting.len() >= MAX_TICKETS {
            return None;
        }
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        waiting.insert(ticket, sender);
        Some((ticket, receiver))
    }

    fn answer(&self, ticket: u64, outcome: Result<String, String>) {
        let sender = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        // Whoever asked may have gone.
        let _ = sender.map(|sender| sender.send(outcome));
    }
}

/// The doors, the uplinks, the reader and the operators.
pub struct World {
    /// The doors.
    pub doors: Doors,
    /// The uplinks.
    pub uplinks: BTreeMap<UplinkName, Outbox>,
    /// The meters.
    pub buses: Arc<Buses>,
    /// The reader of history.
    pub history: flume::Sender<Query>,
    /// Operators.
    pub tickets: Arc<Tickets>,
    /// The time.
    pub clock: Arc<Clock>,
    /// The piles.
    pub roster: Arc<Roster>,
    /// What did not reach a pile.
    pub unsaid: Arc<AtomicU64>,
}

impl Outside for World {
    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Pile { pile, message } => self.tell_pile(pile, &message),
            Command::Uplink { uplink, message } => {
                let Some(outbox) = self.uplinks.get(&uplink) else { return };
                if let Err(reason) = outbox.push(*message) {
                    debug!(%uplink, %reason, "message not taken by the uplink");
                }
            }
            Command::Load(query) => {
                if self.history.try_send(query).is_err() {
                    error!("the reader of history takes no more questions");
                }
            }
            Command::ReadMeter { meter } => self.buses.read_now(&meter),
            Command::Time { unix_s } => self.clock.learn(unix_s),
            Command::Operator { ticket, outcome } => self.tickets.answer(ticket, outcome),
        }
    }

    fn cut_piles(&mut self) {
        for pile in self.roster.codes() {
            self.doors.kick(pile.as_str());
        }
    }
}

impl World {
    fn tell_pile(&mut self, pile: PileCode, message: &ToPile) {
        let now = self.clock.now();
        let revision = self.roster.revision_of(pile).unwrap_or(Revision::V1_10);
        let (class, payload) = match backend::encode(message, revision, now.wall.known_s()) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => return,
            Err(error) => {
                warn!(%pile, %error, "message cannot be written");
                self.unsaid.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let (connection, expires_in) = match message {
            ToPile::Answer { id, .. } => (id.connection, None),
            ToPile::Call { connection, expires, .. } => {
                (*connection, Some(Duration::from_millis(expires.since_ms(now.mono))))
            }
        };
        let topic = Topic::down(class, pile.as_str()).to_string();
        let outgoing = Outgoing { topic, payload, qos: class.qos(), expires_in };
        match self.doors.send(&To::Connection(connection), outgoing) {
            Ok(()) => {}
            Err(reason @ (SendError::NotConnected | SendError::Closed)) => {
                debug!(%pile, %reason, "not said to the pile");
            }
            Err(reason) => {
                warn!(%pile, %reason, "not said to the pile");
                self.unsaid.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
