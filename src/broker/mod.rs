//! MQTT doors for the piles: MQTT 3.1.1, QoS 0 to 2 in both directions, sessions, retained
//! messages, wills.
//!
//! The doors are ours, the router behind them is rumqttd's. Its server cannot be exposed: a few
//! trivial packets stop it, it restricts no topics, tells of no clients, and its QoS 2 does not
//! survive a reconnect.
//!
//! * `porch` TLS, with `keys` and `certificate`; `lobby` the patience with those who have not
//!   logged in; `frame` and `connect` packets from and to bytes; `entrance` CONNECT, login,
//!   take-over; `connection` one client's reader and writer; `session` its MQTT state, pure.
//! * `guard` slows down who guesses passwords; `meter` how much one connection sends; `rate` token
//!   buckets.
//! * `inbox` what share of the site's inbox a connection has.
//! * `hub` who sits where; `fanout` and `tree` who gets what; `pipe` the road through the router.
//!
//! What a pile publishes goes straight to the site's inbox, and what the site says straight to
//! the pile's outbox; both are bounded. A full inbox, or a share of it used up, leaves the pile's
//! socket unread; a full outbox refuses the newest message. Only copies for observers take the
//! router's road.
//!
//! An acknowledgement means "in memory": the site's answer after its commit is the promise.

mod certificate;
mod config;
mod connect;
mod connection;
mod counters;
mod doors;
mod entrance;
mod event;
mod fanout;
mod filter;
mod frame;
mod guard;
mod hub;
mod inbox;
mod keys;
mod lobby;
mod meter;
mod named;
mod pipe;
mod porch;
mod rate;
mod registry;
mod retained;
mod session;
mod shared;
mod tree;

pub use certificate::CertificateName;
pub use config::{DoorsConfig, DoorsError, TlsDoor};
pub use counters::DoorsCounters;
pub use doors::{Doors, DoorsTask};
pub use event::{DoorEvent, GoneReason, Outgoing, SendError, To};
pub use filter::{Filter, FilterError, check_topic};
pub use guard::GuardRates;
pub use inbox::InboxPlace;
pub use keys::{Keys, KeysFault, KeysPart};
pub use meter::Pace;
pub use porch::WallClock;
pub use rate::Rate;
pub use registry::{Access, Identity, Login, LoginRefused, Registry, Route};

/// What the fuzz targets run of the doors.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    pub use super::frame::fuzzing::packet;
    pub use super::session::fuzzing::session;
}
