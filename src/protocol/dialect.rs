//! What the uplinks over MQTT that are told things have in common: topics, payloads, events.

use bytes::Bytes;

use crate::domain::{event::UplinkEvent, id::Sequence, reply::ToUplink, time::Now};

/// Why an order cannot be told on a wire: one of its fields has no place there. It is never cut to
/// fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A field is outside of what the wire can carry.
    #[error("{field} cannot be carried: {found}")]
    Range {
        /// The field, as the wire calls it.
        field: &'static str,
        /// What it would have to be.
        found: String,
    },
    /// The far side is known to drop such orders in silence: they are not sent to it.
    #[error("the far side drops it: {why}")]
    Unwanted {
        /// Why.
        why: &'static str,
    },
}

/// One message for a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Bytes,
    /// The broker keeps it for those who come later.
    pub retain: bool,
    /// The acknowledgement of the broker confirms this.
    pub confirms: Option<Sequence>,
}

/// A message that came and is none of the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: wanted {wanted}, found {found}")]
pub struct NotOfWire {
    /// Where.
    pub at: &'static str,
    /// What should be there.
    pub wanted: &'static str,
    /// What is there.
    pub found: String,
}

/// What a message that came leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something for the site.
    Event(Box<UplinkEvent>),
    /// Refused on the spot, without the site: the answer to publish.
    Answer(Publication),
}

/// A wire over MQTT on which the site tells things. One value lasts as long as one connection:
/// what it remembers ends with that.
pub trait Dialect: Send {
    /// What to subscribe to, with quality of service 1; empty if nothing comes down.
    fn filters(&self) -> Vec<String>;

    /// What to publish for a message of the site, with quality of service 1, in this order; empty
    /// if the wire has nothing for it.
    ///
    /// # Errors
    ///
    /// If a field cannot be carried.
    fn encode(&mut self, message: &ToUplink, now: Now) -> Result<Vec<Publication>, Unfit>;

    /// What came. Nothing that a broker had retained may come here: it would be wanted anew at
    /// every connection.
    ///
    /// # Errors
    ///
    /// If it is no message of this wire that could be answered.
    fn decode(&mut self, topic: &str, payload: &[u8], now: Now) -> Result<Heard, NotOfWire>;
}
