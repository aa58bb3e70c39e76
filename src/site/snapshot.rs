//! What an operator sees of the site.

use super::{
    Site,
    alarm::{Alarm, AlarmKind},
    link::{Link, LinkState},
};
use crate::domain::{
    id::{ConnectorNo, MeterName, OrderId, PileCode, PlugNo, UplinkName},
    order::Order,
    reading::{Measures, Quality, Values},
    time::{Mono, Now, Stamp},
};

/// The site at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The moment.
    pub now: Now,
    /// The uplinks, by name; behind them those that were removed and are still owed something.
    pub uplinks: Vec<UplinkStatus>,
    /// The piles, by code.
    pub piles: Vec<PileStatus>,
    /// The meters, in the order of the config.
    pub meters: Vec<MeterStatus>,
    /// Orders that have not ended.
    pub open: Vec<Order>,
    /// Orders in the ledger.
    pub orders: u64,
    /// Ended orders that are not settled.
    pub unsettled: u64,
    /// Orders that are held in memory: those that run, those being delivered, and the newest.
    pub orders_in_memory: u64,
    /// New charging is refused for want of room.
    pub is_storage_full: bool,
    /// What somebody has to look at.
    pub alarms: Vec<(AlarmKind, Alarm)>,
    /// What was counted since the start.
    pub counters: Counters,
}

/// What the site counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Charging information of orders nobody has heard of.
    pub unknown_progress: u64,
    /// Piles' answers to no call.
    pub stray_answers: u64,
    /// Events of piles that are not in the config.
    pub unknown_piles: u64,
}

/// An uplink.
#[derive(Debug, Clone)]
pub struct UplinkStatus {
    /// Its name.
    pub name: UplinkName,
    /// What it speaks, as the config calls it; empty where that is not known any more.
    pub kind: String,
    /// Orders settle only with its confirmation.
    pub required: bool,
    /// `offline`, `booting` or `online`; `removed`: it is not in the config any more.
    pub state: &'static str,
    /// Since when; of a removed one since the start of this run.
    pub since: Stamp,
    /// Why it is not on line.
    pub reason: String,
    /// Orders it is owed.
    pub backlog: u64,
    /// When the oldest of them was recorded, unix ms.
    pub oldest_unix_ms: Option<i64>,
    /// Orders under way.
    pub in_flight: u64,
    /// Orders it was owed that are held in memory for it, those under way among them.
    pub in_memory: u64,
    /// Orders confirmed in a minute while a backlog drains; `None`: none drains, or none was yet.
    pub rate_per_min: Option<u64>,
    /// Time until the backlog is empty at the present rate, in s.
    pub eta_s: Option<u64>,
    /// Backend's answers to no question.
    pub strays: u64,
}

/// A pile.
#[derive(Debug, Clone)]
pub struct PileStatus {
    /// Its code.
    pub code: PileCode,
    /// Connected.
    pub is_connected: bool,
    /// Has booted in this run of the controller.
    pub is_booted: bool,
    /// Since when it is connected or gone; `None`: not heard of in this run.
    pub since: Option<Stamp>,
    /// Why it is gone.
    pub reason: String,
    /// As it said at its boot.
    pub firmware: String,
    /// Its connectors.
    pub connectors: Vec<ConnectorStatus>,
}

/// A connector.
#[derive(Debug, Clone)]
pub struct ConnectorStatus {
    /// Site-wide number.
    pub connector: ConnectorNo,
    /// State, the wire's number; `None` if never heard.
    pub status: Option<i32>,
    /// The order that runs there.
    pub order: Option<OrderId>,
}

/// A meter.
#[derive(Debug, Clone)]
pub struct MeterStatus {
    /// Its name.
    pub name: MeterName,
    /// What it measures.
    pub measures: Measures,
    /// How far the values can be trusted.
    pub quality: Quality,
    /// The last good ones of this run.
    pub values: Values,
    /// When they were read; `None`: never in this run.
    pub read_at: Option<Stamp>,
    /// How long ago that was.
    pub age_ms: Option<u64>,
    /// What is wrong with what came since; empty if nothing is.
    pub fault: String,
    /// When an operator last said that it was replaced.
    pub replaced: Option<Stamp>,
}

impl Site {
    /// The site as an operator sees it.
    #[must_use]
    pub fn snapshot(&self, now: Now) -> Snapshot {
        Snapshot {
            now,
            uplinks: self.uplinks(now.mono),
            piles: self.piles.keys().map(|code| self.pile_status(*code)).collect(),
            meters: self.meters.status(now.mono),
            open: self.book.open().cloned().collect(),
            orders: self.book.total,
            unsettled: self.book.unsettled,
            orders_in_memory: count(self.book.len()),
            is_storage_full: self.is_storage_full,
            alarms: self.alarms.iter().map(|(k, alarm)| (k.clone(), alarm.clone())).collect(),
            counters: self.counters,
        }
    }

    fn uplinks(&self, now: Mono) -> Vec<UplinkStatus> {
        let links = self.links.values().map(|link| {
            let oldest = link.outbox.oldest().and_then(|seq| self.book.recorded_unix_ms(seq));
            uplink(link, oldest, now)
        });
        let former = self.former.iter().map(|(name, former)| former.status(name.clone()));
        links.chain(former).collect()
    }

    fn pile_status(&self, code: PileCode) -> PileStatus {
        let pile = &self.piles[&code];
        let numbers = self.config.piles.get(&code).map(|config| config.connectors.as_slice());
        let connectors = (1..).zip(numbers.unwrap_or_default()).map(|(plug, no)| ConnectorStatus {
            connector: *no,
            status: pile.status.get(&PlugNo(plug)).copied(),
            order: self.book.open_at(*no).map(|order| order.id),
        });
        PileStatus {
            code,
            is_connected: pile.connection.is_some(),
            is_booted: pile.is_booted,
            since: pile.since,
            reason: pile.gone_because.clone(),
            firmware: pile.firmware.clone(),
            connectors: connectors.collect(),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `oldest`: when the oldest order was recorded, if that is known in memory.
fn uplink(link: &Link, oldest: Option<i64>, now: Mono) -> UplinkStatus {
    let outbox = &link.outbox;
    let elapsed_ms = outbox.draining_since.map(|since| now.since_ms(since)).unwrap_or_default();
    let (owed, confirmed) = (outbox.owed.orders, outbox.confirmed);
    // Rounded up: it is an estimate that shall not be too short.
    let eta_s = owed.saturating_mul(elapsed_ms).checked_div(confirmed).map(|ms| ms.div_ceil(1000));
    // Rounded down, for the same reason.
    let rate_per_min = confirmed.saturating_mul(60_000).checked_div(elapsed_ms);
    UplinkStatus {
        name: link.config.name.clone(),
        kind: link.config.wire.kind().to_owned(),
        required: link.config.required && link.takes_orders(),
        state: match link.state {
            LinkState::Down => "offline",
            LinkState::Booting { .. } => "booting",
            LinkState::Online { .. } => "online",
        },
        since: link.since,
        reason: link.reason.clone(),
        backlog: owed,
        oldest_unix_ms: oldest.or(outbox.owed.oldest_unix_ms),
        in_flight: count(outbox.window_len()),
        in_memory: count(outbox.in_memory()),
        rate_per_min: rate_per_min.filter(|_| confirmed > 0),
        eta_s: eta_s.filter(|_| owed > 0),
        strays: link.strays,
    }
}
