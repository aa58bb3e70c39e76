//! What an uplink speaks, and how the site deals with it for that.

use bytes::Bytes;

use crate::{
    domain::{
        id::{ConnectorNo, PileCode},
        order::Order,
        wire::{Abilities, Revision},
    },
    protocol::{charger::station, dialect::Unfit, ec, jcpp, peaq},
};

/// What an uplink speaks, with the settings of that wire.
#[derive(Debug, Clone)]
pub enum Wire {
    /// The charging-station protocol: a backend that decides.
    Charger(station::Settings),
    /// EC TCP: a server that listens.
    Ec(ec::Settings),
    /// JCPP: a queue that listens.
    Jcpp(jcpp::Settings),
    /// peaq: a gateway that shows and commands.
    Peaq(peaq::Settings),
}

/// What confirms an order on a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The answer of the backend.
    Answered,
    /// The transport says that it has arrived; nobody answers.
    Delivered,
    /// Nothing: the wire has no message for an order, and the uplink is owed none.
    None,
}

impl Wire {
    /// The name of the wire in config and status.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Charger(_) => "charger",
            Self::Ec(_) => "ec",
            Self::Jcpp(_) => "jcpp",
            Self::Peaq(_) => "peaq",
        }
    }

    /// What confirms an order.
    #[must_use]
    pub const fn confirmation(&self) -> Confirmation {
        match self {
            Self::Charger(_) => Confirmation::Answered,
            Self::Ec(_) | Self::Jcpp(_) => Confirmation::Delivered,
            Self::Peaq(_) => Confirmation::None,
        }
    }

    /// Orders confirmed within this time before a link broke are sent once more on the next one, in
    /// ms; `None`: on this wire a confirmation is one.
    #[must_use]
    pub fn resend_ms(&self) -> Option<u64> {
        match self {
            Self::Ec(settings) => Some(settings.resend_ms).filter(|ms| *ms > 0),
            Self::Charger(_) | Self::Jcpp(_) | Self::Peaq(_) => None,
        }
    }

    /// The settings of the charging-station protocol.
    #[must_use]
    pub const fn station(&self) -> Option<&station::Settings> {
        match self {
            Self::Charger(station) => Some(station),
            Self::Ec(_) | Self::Jcpp(_) | Self::Peaq(_) => None,
        }
    }

    /// Whether an order can only be told with its start and its end: one without waits for a clock
    /// as long as that takes.
    #[must_use]
    pub const fn needs_dates(&self) -> bool {
        match self {
            Self::Ec(_) => true,
            Self::Charger(_) | Self::Jcpp(_) | Self::Peaq(_) => false,
        }
    }

    /// What every sending of an order carries: the inner message of the charging-station protocol,
    /// the whole frame or message of the others. Pure: the same order gives the same bytes.
    ///
    /// # Errors
    ///
    /// If the order cannot be told on the wire.
    pub fn freeze(&self, order: &Order) -> Result<Bytes, Unfit> {
        match self {
            Self::Charger(station) => Ok(station::freeze_transaction(order, station)),
            Self::Ec(settings) => ec::freeze(order, settings),
            Self::Jcpp(settings) => jcpp::freeze(order, settings),
            Self::Peaq(_) => Err(Unfit::Unwanted { why: "the wire has no message for orders" }),
        }
    }

    /// Tags in an order's bill that nobody gave a meaning, for people; `None`: there are none, or the
    /// wire does not need their meaning.
    #[must_use]
    pub fn unknown_tags(&self, order: &Order) -> Option<String> {
        let Self::Jcpp(settings) = self else { return None };
        let tags: Vec<String> =
            jcpp::unknown_tags(order, settings).iter().map(|tag| format!("{tag:?}")).collect();
        (!tags.is_empty()).then(|| tags.join(", "))
    }

    /// Notes where the connectors of a pile are, in the pile's own order.
    pub fn place(&mut self, pile: PileCode, connectors: &[ConnectorNo]) {
        match self {
            Self::Charger(station) => station.place(pile, connectors),
            // What they are told names pile and plug.
            Self::Ec(_) | Self::Jcpp(_) | Self::Peaq(_) => {}
        }
    }

    /// What can be said on it.
    #[must_use]
    pub const fn abilities(&self) -> Abilities {
        match self {
            Self::Charger(station) => station.revision.abilities(),
            // Nothing is numbered on these wires; numbers of 1.10 are never used up.
            Self::Ec(_) | Self::Jcpp(_) | Self::Peaq(_) => {
                Abilities { heartbeats: false, confirms_warnings: false, ..NUMBERED }
            }
        }
    }
}

const NUMBERED: Abilities = Revision::V1_10.abilities();
