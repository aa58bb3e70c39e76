//! Messages compiled from `proto/`; the numbers are the wire.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// Revision 1.0 (2018).
pub mod v1_0 {
    include!(concat!(env!("OUT_DIR"), "/goiot.charger.v1_0.rs"));
}

/// Revision 1.10 (1.10.47).
pub mod v1_10 {
    include!(concat!(env!("OUT_DIR"), "/goiot.charger.v1_10.rs"));
}
