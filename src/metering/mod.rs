//! Which meter of a bus is asked next, for which registers, and when; pure.
//!
//! A bus has one owner, and one request is under way at a time. [`bus::Bus`] decides and never
//! touches a port: the room `serial` asks it what to do, does it, and tells it what came of it.

pub mod time;
