//! Config, the heart's loop, supervision.

pub mod config;
pub mod credentials;
pub mod logging;
pub mod piles;
