//! The controller of an EV charging site.
//!
//! Piles connect to the site's own MQTT doors; what they report becomes *entries* in an SQLite
//! ledger and, only after these are on disk, *commands* to the outside. What is decided of
//! orders, uplinks and readings is one pure function, [`site::Site::step`]; which meter of a bus
//! is asked next is another, [`metering::Bus::next`]. Everything else adapts one outside thing and
//! decides nothing.
//!
//! # Rooms, in reading order
//!
//! | floor | room | what it holds |
//! |---|---|---|
//! | 0 | [`domain`] | the nouns: no IO, no clock, no wire numbers |
//! | 1 | [`protocol`] | bytes to messages to domain and back; pure |
//! | 2 | [`site`] | the decisions; pure |
//! | 2 | [`metering`] | which meter is asked next, and when; pure |
//! | 3 | [`ledger`] [`broker`] [`uplink`] [`serial`] [`clock`] [`status`] | shells, one outside thing each |
//! | 4 | [`service`] | config, the heart's loop, supervision |
//! | 5 | [`peers`] | simulated piles, meters, backend and EC server |
//! | 6 | [`cli`] | the commands |
//! | 7 | `fuzzing` | what the fuzz targets run; in tests only |
//!
//! A room imports only rooms on lower floors; `tests/layers.rs` holds the line. [`sys`], the only
//! room with `unsafe`, lies below the shells.
//!
//! # What always holds
//!
//! 1. An order that a pile was answered for is in the ledger, synced.
//! 2. An order settles once, and every copy of it that leaves carries the same id and payload.
//! 3. Nothing leaves before the entries of its step are committed.
//! 4. Every queue, table and retry has a named limit.
//! 5. An order is billed by the readings of one meter, its connector's or its pile's own; never a
//!    mix.

pub mod broker;
pub mod cli;
pub mod clock;
pub mod domain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod ledger;
pub mod metering;
pub mod peers;
pub mod protocol;
pub mod serial;
pub mod service;
pub mod site;
pub mod status;
pub mod sys;
pub mod uplink;
