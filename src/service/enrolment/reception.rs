//! Connections that are here to register: few, for a short time, each with little patience spent
//! on it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::debug;

use crate::{
    broker::DoorEvent,
    domain::{
        id::{ConnectionId, PileCode},
        time::Mono,
    },
    protocol::charger::{registration::Registered, topic::Topic},
    service::roster::Refusal,
};

/// How long a connection may take to register; a pile needs seconds.
const PATIENCE_MS: u64 = 60_000;

/// Requests of one connection; a pile repeats itself when the answer is slow.
const REQUESTS_LIMIT: u32 = 8;

/// Wrong codes on one connection.
const WRONG_CODES_LIMIT: u32 = 3;

/// Tasks that wait for the disk; a pile that finds the queue full asks again.
const TASKS_LIMIT: usize = 128;

/// Begins the names of these connections; no pile code or account has a slash.
const NAME: &str = "register/";

/// Something to be done where waiting for the disk delays nobody.
#[derive(Debug)]
pub enum Task {
    /// A connection asks for something.
    Request {
        /// The connection.
        connection: ConnectionId,
        /// The id in the topic.
        topic_id: String,
        /// What came.
        payload: Bytes,
    },
    /// A pile may register again.
    Forget {
        /// Which.
        pile: PileCode,
        /// What was done, or why not.
        answer: oneshot::Sender<Result<String, String>>,
    },
    /// Something has happened that is to be written down.
    Save,
}

/// A connection that is here to register.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Its client id.
    pub client_id: String,
    /// Where it comes from.
    pub address: SocketAddr,
    /// The account it was given, by serial number: a repetition gets the same.
    pub given: Option<(String, Registered)>,
    since: Mono,
    requests: u32,
    wrong_codes: u32,
    /// Another connection got the account of its serial number.
    is_superseded: bool,
}

/// Counted at the reception.
#[derive(Debug, Default)]
pub struct RegistrationCounters {
    /// Accounts issued.
    pub issued: AtomicU64,
    /// Registrations refused.
    pub refused: AtomicU64,
}

/// Who is here to register, and where their requests go.
#[derive(Debug)]
pub struct Reception {
    visitors: Mutex<BTreeMap<ConnectionId, Visitor>>,
    tasks: flume::Sender<Task>,
    /// What is counted.
    pub counters: RegistrationCounters,
}

impl Reception {
    /// A reception, and where its tasks come out.
    #[must_use]
    pub fn new() -> (Self, flume::Receiver<Task>) {
        let (tasks, queue) = flume::bounded(TASKS_LIMIT);
        let counters = RegistrationCounters::default();
        (Self { visitors: Mutex::default(), tasks, counters }, queue)
    }

    /// What such a connection is called at the doors.
    #[must_use]
    pub fn name_of(client_id: &str) -> String {
        format!("{NAME}{client_id}")
    }

    fn visitors(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Visitor>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a task over; `false` if too many wait.
    pub fn order(&self, task: Task) -> bool {
        self.tasks.try_send(task).is_ok()
    }

    /// Has what has happened written down. After each task it is, so that the first logins of a
    /// whole site do not fill the queue that the others' registrations wait in.
    pub fn save_soon(&self) {
        if self.tasks.is_empty() {
            self.order(Task::Save);
        }
    }

    /// Takes an event of a connection that is here to register; gives others back. Never waits.
    pub fn hear(&self, event: DoorEvent, now: Mono) -> Option<DoorEvent> {
        let (DoorEvent::Connected { name, .. }
        | DoorEvent::Gone { name, .. }
        | DoorEvent::Published { name, .. }) = &event;
        let Some(client_id) = name.strip_prefix(NAME).map(ToOwned::to_owned) else {
            return Some(event);
        };
        match event {
            DoorEvent::Connected { connection, address, .. } => {
                let visitor = Visitor {
                    client_id,
                    address,
                    given: None,
                    since: now,
                    requests: 0,
                    wrong_codes: 0,
                    is_superseded: false,
                };
                self.visitors().insert(connection, visitor);
            }
            DoorEvent::Gone { connection, .. } => {
                self.visitors().remove(&connection);
            }
            DoorEvent::Published { connection, topic, payload, .. } => {
                self.request(connection, &topic, payload);
            }
        }
        None
    }

    fn request(&self, connection: ConnectionId, topic: &str, payload: Bytes) {
        let Some(topic) = Topic::parse(topic) else { return };
        let topic_id = topic.id.to_owned();
        if !self.order(Task::Request { connection, topic_id, payload }) {
            debug!("a registration found too many waiting");
        }
    }

    /// The visitor on a connection that asks for something; `None` if it is gone or has asked
    /// often enough.
    pub fn asks(&self, connection: ConnectionId) -> Option<Visitor> {
        let mut visitors = self.visitors();
        let visitor = visitors.get_mut(&connection)?;
        visitor.requests += 1;
        (visitor.requests <= REQUESTS_LIMIT).then(|| visitor.clone())
    }

    /// A connection got an account; others of that serial number have no business here any more.
    pub fn gave(&self, connection: ConnectionId, serial: &str, account: &Registered) {
        self.counters.issued.fetch_add(1, Ordering::Relaxed);
        for (other, visitor) in self.visitors().iter_mut() {
            if *other == connection {
                visitor.given = Some((serial.to_owned(), account.clone()));
            } else if visitor.given.as_ref().is_some_and(|(given, _)| given == serial) {
                visitor.is_superseded = true;
            }
        }
    }

    /// A connection got no account.
    pub fn refused(&self, connection: ConnectionId, refusal: Refusal) {
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(visitor) = self.visitors().get_mut(&connection) {
            visitor.wrong_codes += u32::from(refusal == Refusal::Code);
        }
    }

    /// Names at the doors of those who have been here too long, or have tried too much.
    pub fn unwelcome(&self, now: Mono) -> Vec<String> {
        let visitors = self.visitors();
        let is_unwelcome = |visitor: &&Visitor| {
            visitor.is_superseded
                || now.since_ms(visitor.since) >= PATIENCE_MS
                || visitor.requests > REQUESTS_LIMIT
                || visitor.wrong_codes >= WRONG_CODES_LIMIT
        };
        let names = visitors.values().filter(is_unwelcome);
        names.map(|visitor| Self::name_of(&visitor.client_id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_logins_take_one_place_in_the_queue() {
        let (reception, tasks) = Reception::new();
        (0..2 * TASKS_LIMIT).for_each(|_| reception.save_soon());
        assert_eq!(tasks.len(), 1);
        assert!(tasks.recv().is_ok());
        reception.save_soon();
        assert_eq!(tasks.len(), 1, "the next one is written too");
    }
}
