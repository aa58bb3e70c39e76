//! The decisions; pure.

use std::collections::BTreeMap;

use crate::{
    domain::{
        event::{OperatorRequest, PileEvent, UplinkEvent},
        id::{ConnectorNo, OrderId, PileCode, RecordNo, UplinkName},
        order::Order,
        wire::Revision,
    },
    protocol::charger::station,
};

pub mod command;
pub mod entry;
pub mod restore;
pub mod step;

use command::Query;

/// What the site is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A pile did or said something.
    Pile {
        /// Which.
        pile: PileCode,
        /// What.
        event: PileEvent,
        /// What the ledger has for [`Input::lookup`]; empty where there is nothing to look up.
        known: Vec<Order>,
    },
    /// Something happened on an uplink.
    Uplink {
        /// Which.
        uplink: UplinkName,
        /// What.
        event: UplinkEvent,
    },
    /// An operator wants something.
    Operator {
        /// To answer with.
        ticket: u64,
        /// What.
        request: OperatorRequest,
        /// What the ledger has for [`Input::lookup`].
        known: Vec<Order>,
    },
    /// What was asked for with `Command::Load`.
    Loaded {
        /// The question.
        query: Query,
        /// The answer, in the order of recording, at most as many as asked for.
        orders: Vec<Order>,
        /// How many match in all, history only.
        total: u64,
    },
    /// The ledger's store fills up, or has room again.
    Storage {
        /// New charging is to be refused.
        is_full: bool,
    },
    /// A deadline has passed.
    Tick,
}

/// A point lookup that an input needs before it is stepped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Orders of a pile with this record number, newest first, at most [`LOOKUP_LIMIT`].
    Record {
        /// The pile.
        pile: PileCode,
        /// Its number of the order.
        record: RecordNo,
    },
    /// The order with this id.
    Id(OrderId),
}

/// Orders of one pile that share a record number and are still told apart; a pile that begins
/// anew more often than this within the retention time is compared with its newest ones only.
pub const LOOKUP_LIMIT: u16 = 8;

/// What the site has to know of the place.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// The piles.
    pub piles: BTreeMap<PileCode, PileConfig>,
    /// The uplinks, in the order of the config.
    pub uplinks: Vec<UplinkConfig>,
    /// Between heartbeats of a pile, in s.
    pub heartbeat_interval_s: u32,
    /// How long an interrupted order waits for the pile's own report, in ms.
    pub interrupted_grace_ms: u64,
    /// How long an order without a dated clock is held back from uplinks, in ms.
    pub undated_hold_ms: u64,
    /// Stop a running session when the backend refuses it.
    pub stop_refused: bool,
}

/// A pile in the config.
#[derive(Debug, Clone)]
pub struct PileConfig {
    /// What it speaks.
    pub revision: Revision,
    /// Site-wide numbers of its connectors, in its own order: the pile's number 1 comes first.
    pub connectors: Vec<ConnectorNo>,
}

/// An uplink in the config.
#[derive(Debug, Clone)]
pub struct UplinkConfig {
    /// Its name.
    pub name: UplinkName,
    /// Settings of its wire.
    pub station: station::Settings,
    /// Authorises cards and assigns transaction ids.
    pub primary: bool,
    /// May start and stop.
    pub commands: bool,
    /// An order settles only with its confirmation.
    pub required: bool,
    /// How long a pile's request waits for the backend, in ms.
    pub answer_timeout_ms: u64,
}
