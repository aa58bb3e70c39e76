//! The nouns of the trade: no IO, no clock, no wire numbers.

pub mod bill;
pub mod card;
pub mod connector;
pub mod dating;
pub mod event;
pub mod gauge;
pub mod heard;
pub mod id;
pub mod news;
pub mod order;
pub mod passing;
pub mod quantity;
pub mod reading;
pub mod reply;
pub mod time;
pub mod wire;
