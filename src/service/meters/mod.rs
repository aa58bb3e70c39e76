//! The meters: a thread for each bus, what is asked of it, and the board where readings wait for
//! the site.

mod board;
mod buses;
mod facts;

pub use board::Board;
pub use buses::{Buses, Life};
