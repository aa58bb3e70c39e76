//! JCPP: the uplink queue of a `JChargePointProtocol` application.

use bytes::Bytes;

use super::dialect::Unfit;
use crate::domain::{bill::Tags, order::Order};

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

/// The message of an order, whole.
///
/// # Errors
///
/// If the order cannot be told.
pub fn freeze(order: &Order, _: &Settings) -> Result<Bytes, Unfit> {
    Err(Unfit::Range { field: "record", found: order.id.to_string() })
}
