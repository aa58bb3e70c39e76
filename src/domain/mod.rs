//! The nouns of the trade: no IO, no clock, no wire numbers.

pub mod card;
pub mod dating;
pub mod event;
pub mod id;
pub mod order;
pub mod passing;
pub mod quantity;
pub mod reading;
pub mod reply;
pub mod time;
pub mod wire;
