//! What the doors tell the site, and what the site says to clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::inbox::InboxPlace;
use crate::domain::id::ConnectionId;

/// News of a client with [`Route::Host`](super::Route::Host). For one connection: `Connected`,
/// any number of `Published`, `Gone`; a name's next `Connected` comes after its last `Gone`.
#[derive(Debug, Clone)]
pub enum DoorEvent {
    /// Logged in.
    Connected {
        /// Name of the identity.
        name: Arc<str>,
        /// The connection, never used again.
        connection: ConnectionId,
        /// Where it comes from.
        address: SocketAddr,
    },
    /// The connection has ended.
    Gone {
        /// Name of the identity.
        name: Arc<str>,
        /// The connection.
        connection: ConnectionId,
        /// Why.
        reason: GoneReason,
    },
    /// A message, or the will, before `Gone`.
    Published {
        /// Name of the identity.
        name: Arc<str>,
        /// The connection.
        connection: ConnectionId,
        /// Checked against the identity's topics.
        topic: String,
        /// As sent.
        payload: Bytes,
        /// As published.
        qos: u8,
        /// Its place in the inbox.
        place: InboxPlace,
    },
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GoneReason {
    /// DISCONNECT.
    #[error("disconnected")]
    Disconnected,
    /// The link broke or was closed without DISCONNECT.
    #[error("link lost")]
    Lost,
    /// Nothing came for one and a half keep-alive times.
    #[error("silent for too long")]
    KeepAlive,
    /// Another connection took the session over.
    #[error("taken over by a newer connection")]
    TakenOver,
    /// The site wanted it.
    #[error("kicked")]
    Kicked,
    /// It sent what is no MQTT 3.1.1.
    #[error("malformed packet")]
    Malformed,
    /// Its socket took no bytes for too long.
    #[error("does not read")]
    Stuck,
    /// The doors close.
    #[error("shutdown")]
    Shutdown,
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// This very connection, as an answer: it dies with it.
    Connection(ConnectionId),
    /// Whoever has that name by now; kept for a persistent session that is away.
    Name(String),
}

/// Something to be told to a client.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Topic without wildcards.
    pub topic: String,
    /// Any bytes.
    pub payload: Bytes,
    /// 0 to 2; delivered with at most the QoS of the subscription.
    pub qos: u8,
    /// Dropped if not handed over within this time, and not repeated after it.
    pub expires_in: Option<Duration>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such connection, or no session under that name.
    #[error("not connected")]
    NotConnected,
    /// A session that is away and has not subscribed to the topic.
    #[error("not subscribed")]
    NotSubscribed,
    /// The client's outbox, its waiting room before SUBSCRIBE, or the router has no room.
    #[error("no room")]
    Full,
    /// The topic is none, or longer than 65,535 bytes; or QoS above 2.
    #[error("not a message")]
    Invalid,
    /// The doors are closed.
    #[error("closed")]
    Closed,
}
