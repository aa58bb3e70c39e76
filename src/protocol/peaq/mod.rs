//! The charge-point gateway of peaq: requests come down and are answered, events go up, and the
//! state of the whole site lies on a topic of its own. Consumers are known by their public keys,
//! which the site takes as card numbers. The wire has no message for an order that nobody asked
//! about, so it confirms none. `docs/uplinks.md` says what is told when.

pub mod dialect;
mod event;
pub mod readable;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod told;
pub mod wire;

/// Largest message that is read, in bytes: the state of a site with all the connectors there are
/// numbers for. A request has some hundred.
pub const RECEIVED_LIMIT: usize = 1_048_576;

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
