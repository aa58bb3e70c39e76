//! Connectors as they are seen from outside.

use std::collections::BTreeSet;

use super::{
    gauge::Gauges,
    id::{CardNo, ConnectorNo, OrderId, PileCode, PlugNo},
    quantity::{Energy, Money},
    reading::Values,
};

/// What a pile gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PileKind {
    /// Direct current.
    Dc,
    /// Alternating current.
    Ac,
}

impl PileKind {
    /// The name the outside knows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dc => "dc",
            Self::Ac => "ac",
        }
    }
}

/// What a pile says of itself when it comes up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nameplate {
    /// Serial number.
    pub serial: String,
    /// Model: the part number of the charging-station protocol.
    pub model: String,
    /// Who made it.
    pub vendor: String,
    /// Firmware version.
    pub firmware: String,
}

/// State of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectorState {
    /// Out of service.
    Unavailable,
    /// Nothing is plugged in.
    Idle,
    /// A vehicle is plugged in.
    Connected,
    /// Energy flows.
    Charging,
    /// The pile delivers nothing in mid-order.
    SuspendedByPile,
    /// The vehicle takes nothing in mid-order.
    SuspendedByVehicle,
    /// The order has ended, the vehicle is still plugged in.
    Finished,
    /// Kept for somebody.
    Reserved,
    /// Broken.
    Fault,
    /// Waits for something before it charges.
    Waiting,
}

/// A connector at one moment, for those who show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorImage {
    /// Its pile.
    pub pile: PileCode,
    /// What the pile gives.
    pub kind: PileKind,
    /// The connector as the pile numbers it.
    pub plug: PlugNo,
    /// Its number in the site.
    pub connector: ConnectorNo,
    /// The pile is connected to the site and has booted.
    pub is_reachable: bool,
    /// The last state the pile told; `None`: none in this run.
    pub state: Option<ConnectorState>,
    /// Codes of the warnings that stand, of the connector and of its pile.
    pub warnings: BTreeSet<i64>,
    /// What the pile measured, as far as it is fresh.
    pub gauges: Gauges,
    /// What the connector's meter says, as far as it is good.
    pub meter: Option<Values>,
    /// The order that runs there.
    pub order: Option<RunningOrder>,
}

/// An order that runs, for those who show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningOrder {
    /// Its id.
    pub id: OrderId,
    /// Its position in the ledger.
    pub seq: super::id::OrderSeq,
    /// Who pays, if known.
    pub card: Option<CardNo>,
    /// Unix seconds of the start as it is billed; `None` while no clock knows it.
    pub started_s: Option<i64>,
    /// How long it has run, in s.
    pub elapsed_s: u64,
    /// Meter at the start.
    pub meter_start: Option<Energy>,
    /// Energy so far.
    pub energy: Option<Energy>,
    /// Cost so far, if the pile said it.
    pub cost: Option<Money>,
}
