//! JCPP: the uplink queue of a `JChargePointProtocol` application. The site tells; nothing comes
//! down. `docs/uplinks.md` says what is told when.

mod battery;
pub mod dialect;
mod envelope;
mod info;
pub mod readable;
mod record;
#[cfg(test)]
mod tests;
mod texts;
pub mod wire;

pub use self::record::{freeze, unknown_tags};
use crate::domain::bill::Tags;

/// Largest message that is read, in bytes: twice what an order can be, whose cause is a message of
/// a pile of at most 64 KiB.
pub const RECEIVED_LIMIT: usize = 131_072;

/// Settings of an uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Topics are this, a slash and the pile code.
    pub topic_prefix: String,
    /// What the messages call the protocol of the piles.
    pub protocol_name: String,
    /// Between heartbeats of each connected pile, in ms.
    pub heartbeat_ms: u64,
    /// What the tags of bills mean.
    pub tags: Tags,
}
