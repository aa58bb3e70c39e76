//! What the ledger gives back at start.

use std::collections::{BTreeMap, BTreeSet};

use super::{SiteConfig, entry::OpenRemote};
use crate::domain::{
    card::Verdict,
    dating::Calendar,
    id::{CardNo, MeterName, OrderSeq, Place, Sequence, UplinkName},
    order::Order,
    reading::Reading,
    time::{BootId, Stamp},
    wire::Original,
};

/// The fold of the ledger: all that memory needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// The number of this run; already counted in the ledger.
    pub boot: BootId,
    /// The last position given to an order; 0 if there is none.
    pub last_seq: OrderSeq,
    /// The last position in the order of recording among what is owed; 0 if nothing is.
    pub last_place: Place,
    /// Orders that have not ended.
    pub open: Vec<Order>,
    /// Number of orders in the ledger, ended or not.
    pub orders: u64,
    /// Number of ended orders that are not settled.
    pub unsettled: u64,
    /// What each uplink is owed, in the config or not.
    pub owed: BTreeMap<UplinkName, Owed>,
    /// Uplinks with a delivery that is not closed, quarantined ones too.
    pub unclosed: BTreeSet<UplinkName>,
    /// Uplinks that take orders, or did; in the config or not, as last said.
    pub enlisted: BTreeMap<UplinkName, Enlisted>,
    /// Uplinks that decide settlement, as last said; `None`: never said.
    pub required: Option<BTreeSet<UplinkName>>,
    /// What backends said of cards.
    pub cards: BTreeMap<CardNo, Verdict>,
    /// The tariff in force: its id and as it came.
    pub tariff: Option<(u64, Original)>,
    /// High-water marks of sequence ids.
    pub sequences: BTreeMap<UplinkName, Sequence>,
    /// Remote starts without an answer.
    pub remotes: Vec<OpenRemote>,
    /// Ids of the last remote starts, answered or not, newest last; bounded by the ledger.
    pub remote_transactions: Vec<crate::domain::id::TransactionId>,
    /// What is known of meters.
    pub meters: BTreeMap<MeterName, KeptMeter>,
    /// The calendars of the runs that have one, learned in them or estimated afterwards.
    pub calendar: Calendar,
    /// Messages of uplinks that were passed to a pile and not answered; by uplink and sequence id.
    pub passes: Vec<(UplinkName, Sequence)>,
}

/// How an uplink takes orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enlisted {
    /// What it speaks, as the config calls it.
    pub kind: String,
    /// It wants those of the past that ended at or after this, unix seconds; `None`: none.
    pub since_s: Option<i64>,
}

/// An uplink whose name belongs to one of another wire: what is kept for it are that one's bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "uplink {uplink} is of kind {kind}, but orders are kept for it that are of kind {kept}\n\
     hint: give the new one another name, and give up the old one with `sitepilot uplinks retire \
     {uplink}` once it is not needed"
)]
pub struct Clash {
    /// The uplink.
    pub uplink: UplinkName,
    /// What it speaks by the config.
    pub kind: &'static str,
    /// What it spoke when it was enlisted.
    pub kept: String,
}

/// The uplinks of a config that the ledger knows as others; a site with any must not be restored.
#[must_use]
pub fn clashes(image: &Image, config: &SiteConfig) -> Vec<Clash> {
    let clash = |name: &UplinkName, kind: &'static str| {
        let kept = &image.enlisted.get(name)?.kind;
        (kept != kind).then(|| Clash { uplink: name.clone(), kind, kept: kept.clone() })
    };
    config.uplinks.iter().filter_map(|uplink| clash(&uplink.name, uplink.wire.kind())).collect()
}

/// What is known of a meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptMeter {
    /// The last reading that was kept; `None`: it was replaced, and has not been read since.
    pub last: Option<Reading>,
    /// When it was last said to be replaced.
    pub replaced: Option<Stamp>,
}

/// What an uplink is owed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owed {
    /// Number of orders.
    pub orders: u64,
    /// When the oldest of them was recorded, unix ms; `None` if there is none.
    pub oldest_unix_ms: Option<i64>,
}
