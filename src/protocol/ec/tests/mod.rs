//! The wire against vectors of another encoder, and against nonsense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chunks;
mod frozen;
mod golden;
mod images;
mod session;
