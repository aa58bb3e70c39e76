//! The charge-point gateway of peaq.

pub mod wire;

/// Settings of an uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Topics are this, the client id and the kind of message, with slashes between.
    pub topic_prefix: String,
    /// What the gateway calls the site.
    pub client_id: String,
    /// Model, as it is told at a boot.
    pub model: String,
    /// Vendor, as it is told at a boot.
    pub vendor: String,
}
