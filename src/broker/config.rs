//! What the doors are told at the start.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::filter::Filter;
use super::guard::GuardRates;
use super::keys::Keys;
use super::meter::Pace;
use super::porch::WallClock;

/// A door for TLS.
#[derive(Clone)]
pub struct TlsDoor {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What to show, and whom to trust.
    pub keys: Keys,
    /// The time of day that certificates are judged by; while it is unset, their validity is not.
    pub wall: WallClock,
}

impl fmt::Debug for TlsDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsDoor").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Settings and limits of the doors. `DoorsConfig::new(listen)` gives defaults for a site of up
/// to 200 piles.
#[derive(Debug, Clone)]
pub struct DoorsConfig {
    /// Where to listen for plain TCP; port 0 takes any free one. `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The door for TLS, if there is one.
    pub tls: Option<TlsDoor>,
    /// Greatest number of clients that are logged in at once.
    pub max_connections: usize,
    /// Greatest remaining length of a packet; a client that sends more is cut.
    pub max_packet_bytes: usize,
    /// Time from the TCP connection to a complete CONNECT, TLS and a take-over included.
    pub connect_timeout: Duration,
    /// Time a socket may refuse to take another byte before it is closed.
    pub write_timeout: Duration,
    /// Greatest number of filters a session may hold; more are refused with SUBACK 0x80.
    pub max_subscriptions: usize,
    /// Greatest number of messages that wait for one client.
    pub max_outbox_messages: usize,
    /// Greatest number of bytes (topics and payloads) that wait for one client.
    pub max_outbox_bytes: usize,
    /// Greatest number of unacknowledged QoS 1 and 2 messages towards one client.
    pub max_inflight: usize,
    /// Greatest number of topics with a retained message.
    pub max_retained_topics: usize,
    /// Greatest number of bytes (topics and payloads) of all retained messages.
    pub max_retained_bytes: usize,
    /// The same, of one name.
    pub max_retained_topics_per_name: usize,
    /// The same, of one name.
    pub max_retained_bytes_per_name: usize,
    /// How often logins may fail, and connections come.
    pub guard: GuardRates,
    /// What one connection may send.
    pub pace: Pace,
    /// What may be seen by others: publishes on other topics go to the site alone, are neither
    /// copied nor kept as retained.
    pub shown: Vec<Filter>,
    /// Greatest number of sessions, and so of connections, of one name with
    /// [`Route::Router`](super::Route::Router).
    pub max_sessions_per_name: usize,
    /// Greatest number of clients with [`Route::Visitor`](super::Route::Visitor) at the same time.
    pub max_visitors: usize,
    /// Greatest number of sessions kept, connected or not; the one away longest is dropped first.
    pub max_sessions: usize,
}

impl DoorsConfig {
    /// The defaults, listening on `listen` for plain TCP.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self { listen: Some(listen), ..Self::default() }
    }
}

impl Default for DoorsConfig {
    /// Listens nowhere yet.
    fn default() -> Self {
        Self {
            listen: None,
            tls: None,
            max_connections: 256,
            max_packet_bytes: 65_536,
            connect_timeout: Duration::from_secs(5),
            // Longer than a mobile link sleeps, shorter than TCP's own quarter of an hour.
            write_timeout: Duration::from_secs(20),
            max_subscriptions: 32,
            // A pile is told a few things at a time; an observer of 200 piles gets their bursts.
            max_outbox_messages: 512,
            max_outbox_bytes: 512 * 1024,
            // As mosquitto's order of magnitude; every client library copes with it.
            max_inflight: 32,
            // The state of every connector and pile of a large site, and as much again.
            max_retained_topics: 1024,
            max_retained_bytes: 1024 * 1024,
            // A pile has two topics; one large message fits.
            max_retained_topics_per_name: 64,
            max_retained_bytes_per_name: 96 * 1024,
            guard: GuardRates::default(),
            pace: Pace::default(),
            shown: vec![Filter::new("#").expect("a filter")],
            // A screen, a laptop, and what they left behind; a site's piles need the rest.
            max_sessions_per_name: 16,
            // A whole site that is commissioned at once takes turns, and whoever knows the default
            // account cannot fill the doors.
            max_visitors: 32,
            max_sessions: 512,
        }
    }
}

/// Why the doors do not open, or closed by themselves.
#[derive(Debug, thiserror::Error)]
pub enum DoorsError {
    /// The address cannot be bound.
    #[error("doors cannot listen on {address}")]
    Bind {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The library refuses keys that were checked before.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A thread of the router could not be started, or the router has ended.
    #[error("the router does not run: {0}")]
    Router(String),
    /// Nobody reads the inbox any more.
    #[error("the inbox of the site is closed")]
    InboxClosed,
    /// A connection's task panicked: a fault of ours.
    #[error("a connection ended in a panic: {0}")]
    Panicked(String),
}
