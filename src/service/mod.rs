//! Config, the heart's loop, supervision.

pub mod backup;
pub mod config;
pub mod credentials;
mod doorkeeper;
pub mod enrolment;
mod expiry;
pub mod gate;
pub mod heart;
pub mod logging;
pub mod meters;
pub mod notify;
pub mod outside;
pub mod piles;
pub mod profiles;
pub mod reader;
pub mod roster;
pub mod source;
pub mod supervisor;
pub mod user;
pub mod watchdog;
