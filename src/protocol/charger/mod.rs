//! The charging-station protocol over MQTT, revisions 1.0 and 1.10.
//!
//! The controller speaks it twice: towards piles it is the [`backend`], towards a cloud it is a
//! [`station`]. Both translate between bytes and domain and decide nothing. What the messages mean
//! is written once, for 1.10 (`v1_10`); those of 1.0 are carried over to it and back (`v1_0`).
//! `docs/protocols.md` says what is served.

pub mod apdu;
pub mod backend;
pub mod bill;
pub mod enrolment;
pub mod error;
mod measured;
mod message;
pub mod readable;
pub mod reason;
pub mod registration;
mod repair;
pub mod station;
pub mod table;
#[cfg(test)]
mod tests;
pub mod topic;
mod v1_0;
mod v1_10;
pub mod wire;

pub use v1_10::connector_state;
