//! Config, the heart's loop, supervision.

pub mod config;
