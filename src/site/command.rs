//! Hints to the outside; each can be derived again from the ledger.

use crate::domain::{
    event::HistoryQuery,
    id::{MeterName, OrderSeq, PileCode, Place, Sequence, UplinkName},
    reply::{ToPile, ToUplink},
    time::Stamp,
};

/// What the outside is to do once the step is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Say something to a pile.
    Pile {
        /// Which.
        pile: PileCode,
        /// What.
        message: ToPile,
    },
    /// Say something to a backend.
    Uplink {
        /// Which.
        uplink: UplinkName,
        /// What.
        message: Box<ToUplink>,
    },
    /// Read a meter now, before its turn; comes back as `Input::Meter`.
    ReadMeter {
        /// Which.
        meter: MeterName,
    },
    /// Read history; comes back as `Input::Loaded`.
    Load(Query),
    /// A backend gave the time: it may be used where nothing better keeps the clock.
    Time {
        /// Unix seconds.
        unix_s: i64,
    },
    /// Answer an operator.
    Operator {
        /// The request's ticket.
        ticket: u64,
        /// Done, or why not.
        outcome: Result<String, String>,
    },
}

/// A read of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Orders owed to an uplink, in the order of recording.
    Backlog {
        /// The uplink.
        uplink: UplinkName,
        /// Only later ones.
        after: Place,
        /// At most that many.
        limit: u16,
    },
    /// Orders that an uplink confirmed within a time before the last one it confirmed, in the order
    /// of beginning: what its far side may have lost when the link broke.
    Recent {
        /// The uplink.
        uplink: UplinkName,
        /// That time, in ms.
        within_ms: u64,
        /// What it confirmed later counts for nothing: when the link came up, so that what goes
        /// out on it does not move the time on while pages are read.
        until: Stamp,
        /// Only later ones.
        after: OrderSeq,
        /// At most that many.
        limit: u16,
    },
    /// Ended orders a backend asked for, in the order of beginning.
    History {
        /// Who asked.
        uplink: UplinkName,
        /// With which request.
        sequence: Sequence,
        /// For what.
        query: HistoryQuery,
        /// Only later ones.
        after: OrderSeq,
        /// At most that many.
        limit: u16,
    },
}
