//! All that is known of one order: beside what a list tells, the versions kept beside it and its
//! rows of the journal.

use data_encoding::HEXLOWER;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::view::{OrderView, clock_name, reason_name, seconds, stamp};
use crate::{
    domain::{
        id::PlugNo,
        order::{Ending, Order},
        quantity::{Energy, Money},
        time::Stamp,
    },
    site::entry::VersionKind,
};

/// Bytes of a row's hash that are shown: enough to find it again among millions.
const HASH_SHOWN: usize = 6;

/// All that is known of one order.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The order.
    pub order: Order,
    /// Other versions of it, as they came.
    pub versions: Vec<OtherVersion>,
    /// What the journal says of it, oldest first.
    pub journal: Vec<Noted>,
}

/// Another version of an order; the order itself stays.
#[derive(Debug, Clone)]
pub struct OtherVersion {
    /// Why it is kept.
    pub kind: VersionKind,
    /// What it says.
    pub ending: Ending,
    /// When it came.
    pub at: Stamp,
}

/// A row of the journal.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its number.
    pub n: u64,
    /// What happened.
    pub kind: &'static str,
    /// When.
    pub at: Stamp,
    /// More of it, for people; may be empty.
    pub detail: String,
    /// Hash of this row and all before it.
    pub hash: [u8; 32],
}

/// How a dossier looks: the order as in a list, and what goes beyond it.
#[derive(Debug, Clone, Serialize)]
pub struct DossierView {
    #[serde(flatten)]
    order: OrderView,
    /// The connector as the pile numbers it.
    plug: Option<u16>,
    /// When the site first heard of it.
    heard_at: Option<String>,
    /// When the last was heard of it while it ran.
    progress_at: Option<String>,
    /// When the site recorded its end.
    recorded_at: Option<String>,
    /// `pile`, or `site` where it was closed with the last reading; null while it runs.
    closed_by: Option<&'static str>,
    versions: Vec<VersionView>,
    journal: Vec<NotedView>,
}

#[derive(Debug, Clone, Serialize)]
struct VersionView {
    kind: &'static str,
    heard_at: Option<String>,
    clock: &'static str,
    ended_at: Option<String>,
    energy_wh: u64,
    cost_fen: Option<i64>,
    meter_start_wh: Option<u64>,
    meter_stop_wh: Option<u64>,
    reason: i32,
    reason_name: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
struct NotedView {
    n: u64,
    kind: &'static str,
    at: Option<String>,
    clock: &'static str,
    /// The run of the controller, and ms since it began: when it was where no clock knew.
    run: u64,
    run_ms: u64,
    detail: String,
    hash: String,
}

impl DossierView {
    /// How it looks, with times of this zone.
    #[must_use]
    pub fn of(dossier: &Dossier, zone: &TimeZone) -> Self {
        let order = &dossier.order;
        let ending = order.ending.as_ref();
        let by_pile = |ending: &Ending| ending.original.is_some();
        Self {
            order: OrderView::of(order, zone),
            plug: order.plug.map(|PlugNo(plug)| plug),
            heard_at: stamp(order.opened, zone),
            progress_at: order.progress.and_then(|progress| stamp(progress.at, zone)),
            recorded_at: ending.and_then(|ending| stamp(ending.recorded, zone)),
            closed_by: ending.map(|ending| if by_pile(ending) { "pile" } else { "site" }),
            versions: dossier.versions.iter().map(|v| VersionView::of(v, zone)).collect(),
            journal: dossier.journal.iter().map(|row| NotedView::of(row, zone)).collect(),
        }
    }
}

impl VersionView {
    fn of(version: &OtherVersion, zone: &TimeZone) -> Self {
        let ending = &version.ending;
        Self {
            kind: match version.kind {
                VersionKind::Disputed => "disputed",
                VersionKind::Corrected => "corrected",
            },
            heard_at: stamp(version.at, zone),
            clock: clock(version.at),
            ended_at: ending.ended_s.and_then(|s| seconds(s, zone)),
            energy_wh: ending.energy.wh(),
            cost_fen: ending.cost.map(Money::fen),
            meter_start_wh: ending.meter_start.map(Energy::wh),
            meter_stop_wh: ending.meter_stop.map(Energy::wh),
            reason: ending.reason,
            reason_name: reason_name(ending),
        }
    }
}

impl NotedView {
    fn of(row: &Noted, zone: &TimeZone) -> Self {
        Self {
            n: row.n,
            kind: row.kind,
            at: stamp(row.at, zone),
            clock: clock(row.at),
            run: row.at.boot.0,
            run_ms: row.at.mono.0,
            detail: row.detail.clone(),
            hash: HEXLOWER.encode(&row.hash[..HASH_SHOWN]),
        }
    }
}

const fn clock(at: Stamp) -> &'static str {
    clock_name(at.wall.quality)
}
