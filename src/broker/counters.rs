//! What the doors count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What the doors have counted since the start; `connections` is a present number.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct DoorsCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub $name: Count,)*
        }

        impl Counters {
            pub fn snapshot(&self) -> DoorsCounters {
                DoorsCounters { $($name: self.$name.0.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Clients logged in now.
    connections,
    /// Sessions kept now, connected or not.
    sessions,
    /// TCP connections accepted.
    accepted,
    /// Connections closed because they did not log in in time, or others pressed.
    silent,
    /// TLS connections that stood before their login.
    handshakes,
    /// TLS handshakes among these that a ticket made short.
    resumed_handshakes,
    /// TLS handshakes that failed, or that the client gave up.
    failed_handshakes,
    /// Logins refused: name, password, client id, will, version.
    refused_logins,
    /// Logins put off unheard: too many failures before.
    throttled_logins,
    /// Connections closed at once: too many of one address.
    throttled_connects,
    /// Packets after which a client had to wait, because it sent too much.
    paused_packets,
    /// Minutes for which a client went on sending too much.
    floods,
    /// Logins refused because the doors were full.
    refused_full,
    /// Publishes outside the client's topics: acknowledged, not passed on.
    denied_publishes,
    /// Filters outside the client's topics, or too many: SUBACK 0x80.
    denied_subscriptions,
    /// Clients cut for bytes that are no MQTT.
    malformed,
    /// Messages that found an outbox, the waiting room before SUBSCRIBE or the router full.
    dropped_messages,
    /// Messages whose time had passed before they could be handed over.
    expired_messages,
    /// Retained messages not kept: too many topics or bytes.
    dropped_retained,
    /// Publishes that had to wait for room in the inbox, or an observer's in the router.
    inbox_waits,
    /// Connections ended by another of the same session.
    take_overs,
    /// Connections ended for silence.
    keep_alive_ends,
    /// Connections ended because the socket took no bytes.
    stuck_writers,
    /// Messages handed to the site.
    published,
}

/// One counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub fn one(&self) {
        self.add(1);
    }

    pub fn set(&self, count: usize) {
        self.0.store(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
    }
}
