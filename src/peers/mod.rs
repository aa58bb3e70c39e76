//! Simulated peers: piles, meters, backend and EC server, for `sim`, `demo` and tests.
//!
//! Pile and backend are pure state machines ([`Machine`]): messages and deadlines in, [`Effect`]s
//! and news out, their chance from a seed. [`mqtt`] runs one over a real broker; [`inproc`] runs
//! one over whatever hands over topics and bytes, and [`hosted`] a backend behind doors of our own;
//! [`mod@line`] is the cable between them, to be cut. They speak both revisions, with the generated
//! classes directly ([`apdu`]), and share no codec with the rooms they test. Simulated meters
//! ([`meter`]) are slaves, pure as well; their registers are those of the profiles, their framing
//! is their own. So is that of the simulated EC server ([`ec`]).

pub mod apdu;
pub mod backend;
mod body;
pub mod ec;
pub mod handle;
pub mod hosted;
pub mod inproc;
pub mod line;
pub mod meter;
pub mod mqtt;
pub mod pile;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

use crate::domain::time::{Mono, Now};

/// How a message is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Registration and commands: QoS 2.
    Command,
    /// Telemetry: QoS 0.
    Telemetry,
}

/// A message a peer wants published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Topic.
    pub topic: String,
    /// One serialized APDU.
    pub payload: Bytes,
    /// Service class.
    pub class: Class,
}

/// What a machine wants of its shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Publish this.
    Publish(Outgoing),
    /// Drop the connection without a word and stay away for so long, at least.
    Cut {
        /// How long.
        away_ms: u64,
    },
}

/// How a machine logs in to its broker.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// MQTT client id.
    pub client_id: String,
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
    /// What it subscribes to.
    pub subscriptions: Vec<(String, Class)>,
}

impl fmt::Debug for Login {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Login");
        shown.field("client_id", &self.client_id).field("username", &self.username);
        shown.finish_non_exhaustive()
    }
}

/// A peer as a pure state machine; after every call its effects and news are to be taken.
pub trait Machine {
    /// What it tells whoever runs it.
    type News: Send + 'static;

    /// How to log in now.
    fn login(&self) -> Login;
    /// The connection is up and subscribed.
    fn connected(&mut self, now: Now);
    /// The connection is gone.
    fn disconnected(&mut self, now: Now);
    /// A message came.
    fn receive(&mut self, topic: &str, payload: &[u8], now: Now);
    /// The time that [`Machine::deadline`] named may have come.
    fn tick(&mut self, now: Now);
    /// When to be ticked next.
    fn deadline(&self) -> Option<Mono>;
    /// The next thing it wants done.
    fn take_effect(&mut self) -> Option<Effect>;
    /// The next thing it has to tell.
    fn take_news(&mut self) -> Option<Self::News>;
}
