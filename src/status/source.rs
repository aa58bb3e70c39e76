//! What the pages are made of.

use std::{collections::BTreeMap, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use jiff::tz::TimeZone;

use super::{dossier::Dossier, meters::ReadingView};
use crate::{
    domain::{
        event::OperatorRequest,
        id::{BusName, MeterName, OrderId, OrderSeq, PileCode, UplinkName},
        order::{Order, OrderState},
    },
    site::snapshot::Snapshot,
};

/// Something that is answered later.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The site or the caller's wish says no.
    #[error("{0}")]
    Refused(String),
    /// The controller cannot answer now.
    #[error("{0}")]
    Unavailable(String),
}

/// Where the pages get their facts.
pub trait Source: Send + Sync + 'static {
    /// The site as it was a moment ago.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Everything the site itself does not know.
    fn facts(&self) -> Facts;

    /// Whether every room makes progress.
    fn health(&self) -> Health;

    /// Orders, newest first, at most as many as asked for.
    fn orders(&self, query: OrdersQuery) -> Answer<Vec<Order>>;

    /// All that is known of one order.
    fn order(&self, id: OrderId) -> Answer<Option<Dossier>>;

    /// Checks the ledger's journal; takes a while.
    fn verify(&self) -> Answer<Verified>;

    /// Carries out what an operator wants; what was done, for people.
    fn operate(&self, request: OperatorRequest) -> Answer<String>;

    /// Lets a pile register again; what was done, for people.
    fn forget(&self, pile: PileCode) -> Answer<String>;

    /// Has a meter read now, with its registers.
    fn read_meter(&self, meter: MeterName) -> Answer<ReadingView>;

    /// Has a bus's port closed for that long, so that another program may use it.
    fn lend(&self, bus: BusName, for_ms: u32) -> Answer<String>;

    /// Has a lent bus's port opened again.
    fn take_back(&self, bus: BusName) -> Answer<String>;

    /// Takes over the orders of another ledger; how many.
    fn import(&self, file: PathBuf) -> Answer<u64>;
}

/// What a check of the ledger's journal found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verified {
    /// Rows whose chain was followed.
    pub rows: u64,
    /// Orders that were compared with the journal.
    pub orders: u64,
    /// Number and hash of the row before the first one.
    pub anchor: String,
    /// Number and hash of the last row.
    pub head: String,
    /// What is wrong; `None` if all is well.
    pub bad: Option<String>,
}

/// Which orders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrdersQuery {
    /// Only in this state.
    pub state: Option<OrderState>,
    /// Only of this pile.
    pub pile: Option<PileCode>,
    /// Only started at or after, unix seconds.
    pub since_s: Option<i64>,
    /// Only older than this position.
    pub before: Option<OrderSeq>,
    /// At most that many.
    pub limit: u32,
}

/// What the site itself does not know.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Station code.
    pub code: String,
    /// Name, for people.
    pub name: String,
    /// How times are shown.
    pub zone: TimeZone,
    /// How long the controller runs, in s.
    pub uptime_s: u64,
    /// The ledger.
    pub ledger: LedgerFacts,
    /// The uplinks.
    pub uplinks: BTreeMap<UplinkName, UplinkFacts>,
    /// The piles.
    pub piles: BTreeMap<PileCode, PileFacts>,
    /// The meters.
    pub meters: BTreeMap<MeterName, MeterFacts>,
    /// The buses, by name.
    pub buses: Vec<BusFacts>,
    /// Last second of the doors' certificate, unix; `None` without TLS.
    pub certificate_ends_s: Option<u64>,
    /// Counters of the rooms, by metric name without the prefix, with a help text each.
    pub counters: Vec<(&'static str, &'static str, u64)>,
}

/// A pile, as the site itself does not know it.
#[derive(Debug, Clone)]
pub struct PileFacts {
    /// Its serial number.
    pub serial: String,
    /// What it speaks.
    pub revision: &'static str,
    /// `config`, or `registration` if it was admitted by that.
    pub origin: &'static str,
    /// What it logs in with: `none`, `file`, `issued`, or `used` if it has used what was issued.
    pub account: &'static str,
    /// When its account was issued, unix seconds.
    pub registered_s: Option<i64>,
    /// When it first used it, unix seconds.
    pub logged_in_s: Option<i64>,
}

/// A meter, as the site itself does not know it.
#[derive(Debug, Clone)]
pub struct MeterFacts {
    /// The bus it is on.
    pub bus: BusName,
    /// Its address there.
    pub address: u8,
    /// The profile it is read by.
    pub profile: String,
}

/// A bus.
#[derive(Debug, Clone)]
pub struct BusFacts {
    /// Its name.
    pub name: BusName,
    /// Where it is reached.
    pub port: String,
    /// `opening`, `open`, `gone`, or `lent` while another program uses it.
    pub state: &'static str,
    /// Why it is not open.
    pub reason: String,
    /// How often the port was opened.
    pub opened: u64,
    /// How much of the last minute the line was in use.
    pub load_permille: u32,
    /// Bytes that came when nobody was asked.
    pub noise_bytes: u64,
    /// How often the line did not fall silent after a fault.
    pub babbles: u64,
    /// Its meters, in the order of the config.
    pub slaves: Vec<SlaveFacts>,
}

/// The exchanges with a meter; counts are since the start.
#[derive(Debug, Clone)]
pub struct SlaveFacts {
    /// The meter.
    pub meter: MeterName,
    /// Requests sent.
    pub requests: u64,
    /// Readings that are whole.
    pub readings: u64,
    /// Requests that nothing answered in time.
    pub timeouts: u64,
    /// Answers that were no whole frames.
    pub damaged: u64,
    /// Whole answers to something else.
    pub strays: u64,
    /// Exceptions.
    pub refusals: u64,
    /// From a request to the end of its answer, smoothed; `None`: it never answered.
    pub round_trip_us: Option<u64>,
    /// How long it is left alone yet, if it is.
    pub backed_off_ms: Option<u64>,
    /// How old its last whole reading is.
    pub last_good_age_ms: Option<u64>,
    /// Values it says that it has not.
    pub unavailable: u32,
    /// What went wrong last.
    pub last_fault: Option<String>,
}

/// The ledger in figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct LedgerFacts {
    /// Bytes written since midnight UTC, or since the start if that was later.
    pub bytes_written_today: u64,
    /// Room on its file system.
    pub free_mb: u64,
}

/// An uplink in figures.
#[derive(Debug, Clone, Copy, Default)]
pub struct UplinkFacts {
    /// What it counted, by metric name without the prefix, with a help text each.
    pub counters: [(&'static str, &'static str, u64); 9],
}

/// Whether every room makes progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The rooms that do not, with what is wrong.
    pub stuck: BTreeMap<&'static str, String>,
}

impl Health {
    /// All rooms make progress.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.stuck.is_empty()
    }
}
