//! What happened at the site, for uplinks that are told and do not decide.

use super::{
    connector::{ConnectorImage, Nameplate},
    id::{CardNo, ConnectionId, ConnectorNo, OrderId, PileCode, PlugNo},
    time::Stamp,
    wire::Original,
};

/// Something that happened at a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The pile.
    pub pile: PileCode,
    /// When the site noticed. Two news of the same content differ in this.
    pub at: Stamp,
    /// The pile's connection, where it is gone the one that ended; `None` where it has none.
    pub session: Option<ConnectionId>,
    /// Where that comes from, for people; empty where there is none.
    pub address: String,
    /// The message of the pile it came from, if there was one.
    pub cause: Option<Original>,
    /// What.
    pub what: Happening,
}

/// What happened at a pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It came up, or came back.
    Booted(Box<Nameplate>),
    /// It is still connected; told periodically.
    Alive,
    /// Its connection ended.
    Gone {
        /// How.
        parting: Parting,
        /// Why, for people.
        reason: String,
    },
    /// The state of a connector, or what is wrong with it, changed.
    Connector(Box<ConnectorImage>),
    /// An order goes on.
    Progress(Box<ConnectorImage>),
    /// The battery management of a vehicle said something new of itself.
    Battery(Box<ConnectorImage>),
    /// A card was shown at the pile.
    CardShown {
        /// Where; `None`: the pile did not say.
        plug: Option<PlugNo>,
        /// The card.
        card: CardNo,
    },
    /// A remote start of any uplink got its outcome.
    RemoteStart {
        /// Where.
        plug: PlugNo,
        /// The order, where it is known already.
        order: Option<OrderId>,
        /// The pile will start.
        accepted: bool,
        /// Why not, for people.
        reason: String,
    },
    /// A remote stop of any uplink got its outcome.
    RemoteStop {
        /// Where; `None`: the order is at no connector.
        plug: Option<PlugNo>,
        /// The order; `None`: none runs there.
        order: Option<OrderId>,
        /// The pile will stop.
        accepted: bool,
        /// Why not, for people.
        reason: String,
    },
    /// The pile asked for its tariff.
    TariffWanted {
        /// The tariff in force, if there is one.
        tariff: Option<u64>,
    },
    /// The pile was given a tariff.
    TariffSet {
        /// Its id.
        tariff: u64,
        /// It is in force there.
        accepted: bool,
    },
    /// The pile was given the time.
    TimeGiven {
        /// Unix seconds.
        unix_s: i64,
    },
    /// A warning came or went.
    Warning {
        /// The connector, as the pile numbers it; `None`: the whole pile.
        plug: Option<PlugNo>,
        /// Its code.
        code: i64,
        /// It went.
        cleared: bool,
    },
}

/// How a connection of a pile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The line or the pile ended it.
    Lost,
    /// The site ended it: an operator wanted that, or its account is not valid any more.
    Dismissed,
    /// The site stops.
    Stopped,
}

/// The whole site at one moment, for those who show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteImage {
    /// Its connectors, by number.
    pub connectors: std::collections::BTreeMap<ConnectorNo, ConnectorImage>,
    /// Orders that ended last, newest first; a few.
    pub ended: Vec<super::order::Order>,
    /// Who may charge because the uplink said so in this run, with the running order if there is
    /// one.
    pub authorised: Vec<(CardNo, Option<OrderId>)>,
}
