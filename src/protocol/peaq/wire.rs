//! Messages compiled from `proto/peaq_*.proto`; the numbers are the wire.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// What events carry.
pub mod gateway {
    include!(concat!(env!("OUT_DIR"), "/gateway.rs"));
}

/// The envelope.
pub mod events {
    include!(concat!(env!("OUT_DIR"), "/events.rs"));
}
