//! The nouns of the trade: no IO, no clock, no wire numbers.

pub mod id;
pub mod quantity;
pub mod time;
