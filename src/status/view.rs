//! How orders, piles and uplinks look as JSON; the names are a contract with scripts.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::{
    meters::{BusView, MeterView, buses, meters},
    source::Facts,
};
use crate::{
    domain::{
        id::ConnectorNo,
        order::{Delivery, Ending, Flags, Order},
        quantity::{Energy, Money},
        reading::{Metering, Sample},
        time::{ClockQuality, Stamp, Wall},
    },
    protocol::charger::readable,
    site::snapshot::{PileStatus, Snapshot, UplinkStatus},
};

/// An order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderView {
    /// Its id.
    pub id: String,
    /// The pile.
    pub pile: String,
    /// The site-wide number of the connector.
    pub connector: Option<u16>,
    /// The pile's number of it.
    pub record: String,
    /// The backend's id of it.
    pub transaction_id: Option<String>,
    /// Where it stands.
    pub state: &'static str,
    /// What is worth knowing.
    pub flags: Vec<&'static str>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended; null while it runs.
    pub ended_at: Option<String>,
    /// `unset` where a time is missing because no clock knew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<&'static str>,
    /// Energy so far or in all.
    pub energy_wh: Option<u64>,
    /// Cost so far or in all, if the pile said it.
    pub cost_fen: Option<i64>,
    /// No backend had heard of its start when it ended.
    pub offline: bool,
    /// Meter at the start.
    pub meter_start_wh: Option<u64>,
    /// Meter at the end.
    pub meter_stop_wh: Option<u64>,
    /// Stop reason, the wire's number; null while it runs.
    pub reason: Option<i32>,
    /// Its name in the protocol, if it has one.
    pub reason_name: Option<&'static str>,
    /// Who pays: the last four characters, because a card is personal data.
    pub card: Option<String>,
    /// Absent where the connector has no meter, or the meter is not used for the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metering: Option<MeteringView>,
    /// Position in the ledger; `after=` of the next page.
    pub position: u64,
    /// One per uplink.
    pub deliveries: Vec<DeliveryView>,
}

/// What the meter says, and the pile beside it; null where it was not read.
#[derive(Debug, Clone, Serialize)]
pub struct MeteringView {
    meter: String,
    /// Whose readings are billed, `meter` or `pile`; null while the order runs.
    billed: Option<&'static str>,
    start_wh: Option<u64>,
    stop_wh: Option<u64>,
    pile_start_wh: Option<u64>,
    pile_stop_wh: Option<u64>,
    /// Every five minutes in between.
    curve_wh: Vec<u64>,
}

impl MeteringView {
    fn of(metering: &Metering, order: &Order) -> Self {
        let wh = |sample: Sample| sample.energy.wh();
        let by = if metering.billed().is_some() { "meter" } else { "pile" };
        Self {
            meter: metering.meter.to_string(),
            billed: order.ending.as_ref().map(|_| by),
            start_wh: metering.start.map(wh),
            stop_wh: metering.stop.map(wh),
            pile_start_wh: metering.pile_start.map(Energy::wh),
            pile_stop_wh: metering.pile_stop.map(Energy::wh),
            curve_wh: metering.curve.iter().copied().map(wh).collect(),
        }
    }
}

/// An order for one uplink.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    /// Whom it is for.
    pub uplink: String,
    /// Where it stands.
    pub state: &'static str,
    /// Attempts of this run.
    pub attempts: u32,
    /// When the backend said yes.
    pub confirmed_at: Option<String>,
    /// The last refusal, or why it is not sent.
    pub last_error: Option<String>,
}

/// The whole site.
#[derive(Debug, Serialize)]
pub struct StatusView {
    site: SiteView,
    version: &'static str,
    uptime_s: u64,
    clock: &'static str,
    uplinks: Vec<UplinkView>,
    piles: Vec<PileView>,
    meters: Vec<MeterView>,
    buses: Vec<BusView>,
    ledger: LedgerView,
    alarms: Vec<AlarmView>,
}

#[derive(Debug, Serialize)]
struct SiteView {
    code: String,
    name: String,
}

#[derive(Debug, Serialize)]
struct UplinkView {
    name: String,
    kind: Option<String>,
    state: &'static str,
    since: Option<String>,
    reason: Option<String>,
    required: bool,
    backlog: u64,
    in_flight: u64,
    oldest_unsent_s: Option<u64>,
    rate_per_min: Option<u64>,
    eta_s: Option<u64>,
}

/// A pile.
#[derive(Debug, Serialize)]
pub struct PileView {
    code: String,
    serial: Option<String>,
    revision: Option<&'static str>,
    origin: Option<&'static str>,
    account: Option<&'static str>,
    registered_at: Option<String>,
    logged_in_at: Option<String>,
    state: &'static str,
    since: Option<String>,
    reason: Option<String>,
    firmware: Option<String>,
    connectors: Vec<ConnectorView>,
}

#[derive(Debug, Serialize)]
struct ConnectorView {
    connector: u16,
    status: Option<i32>,
    order: Option<String>,
}

#[derive(Debug, Serialize)]
struct LedgerView {
    orders: u64,
    unsettled: u64,
    open: usize,
    bytes_written_today: u64,
    free_mb: u64,
    full: bool,
}

#[derive(Debug, Serialize)]
struct AlarmView {
    name: &'static str,
    text: String,
    since: Option<String>,
    count: u64,
}

/// RFC 3339 with the site's offset.
fn time_ms(unix_ms: i64, zone: &TimeZone) -> Option<String> {
    let time = Timestamp::from_millisecond(unix_ms).ok()?;
    Some(zone.to_offset(time)).map(|offset| time.display_with_offset(offset).to_string())
}

/// A time in unix seconds, as people and scripts see it; `None` outside the calendar.
#[must_use]
pub fn seconds(unix_s: i64, zone: &TimeZone) -> Option<String> {
    time_ms(unix_s.saturating_mul(1000), zone)
}

fn wall(wall: Wall, zone: &TimeZone) -> Option<String> {
    // Whole seconds; nobody reads more off a page.
    let is_known = wall.quality != ClockQuality::Unset;
    is_known.then(|| seconds(wall.unix_s(), zone)).flatten()
}

/// The time of a stamp, if a clock knew it.
pub(super) fn stamp(stamp: Stamp, zone: &TimeZone) -> Option<String> {
    wall(stamp.wall, zone)
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn flags(flags: Flags) -> Vec<&'static str> {
    let all = [
        (flags.offline, "offline"),
        (flags.disputed, "disputed"),
        (flags.estimated, "estimated"),
        (flags.senseless, "senseless"),
    ];
    all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}

/// What the protocol calls the stop reason of an ending.
pub(super) fn reason_name(ending: &Ending) -> Option<&'static str> {
    readable::stop_reason(ending.reason)
}

impl OrderView {
    /// How an order looks, with times of this zone.
    #[must_use]
    pub fn of(order: &Order, zone: &TimeZone) -> Self {
        let time = |unix_s: i64| seconds(unix_s, zone);
        let ending = order.ending.as_ref();
        let ended_s = ending.and_then(|ending| ending.ended_s);
        let is_undated = order.started_s.is_none() || (ending.is_some() && ended_s.is_none());
        let progress = order.progress.as_ref();
        let energy = ending.map(|ending| ending.energy).or(progress.map(|p| p.energy));
        let meter_start = ending.and_then(|ending| ending.meter_start).or(order.meter_start);
        let cost = ending.map_or(progress.and_then(|p| p.cost), |ending| ending.cost);
        Self {
            id: order.id.to_string(),
            pile: order.key.pile.to_string(),
            connector: order.connector.map(ConnectorNo::get),
            record: order.key.record.to_string(),
            transaction_id: order.transaction.as_ref().map(ToString::to_string),
            state: order.state.name(),
            flags: flags(order.flags),
            started_at: order.started_s.and_then(time),
            ended_at: ended_s.and_then(time),
            clock: is_undated.then_some("unset"),
            energy_wh: energy.map(Energy::wh),
            cost_fen: cost.map(Money::fen),
            offline: order.flags.offline,
            meter_start_wh: meter_start.map(Energy::wh),
            meter_stop_wh: ending.and_then(|ending| ending.meter_stop).map(Energy::wh),
            reason: ending.map(|ending| ending.reason),
            reason_name: ending.and_then(reason_name),
            card: order.card.as_ref().map(|card| card.tail().to_owned()),
            metering: order.metering.as_ref().map(|said| MeteringView::of(said, order)),
            position: order.seq.0,
            deliveries: order.deliveries.iter().map(|d| DeliveryView::of(d, zone)).collect(),
        }
    }
}

impl DeliveryView {
    fn of(delivery: &Delivery, zone: &TimeZone) -> Self {
        Self {
            uplink: delivery.uplink.to_string(),
            state: delivery.state.name(),
            attempts: delivery.attempts,
            confirmed_at: delivery.confirmed.and_then(|at| stamp(at, zone)),
            last_error: delivery.last_error.clone(),
        }
    }
}

impl StatusView {
    /// How the site looks.
    #[must_use]
    pub fn of(snapshot: &Snapshot, facts: &Facts) -> Self {
        let zone = &facts.zone;
        let alarms = snapshot.alarms.iter().map(|(kind, alarm)| AlarmView {
            name: kind.name(),
            text: kind.told(alarm),
            since: stamp(alarm.since, zone),
            count: alarm.count,
        });
        Self {
            site: SiteView { code: facts.code.clone(), name: facts.name.clone() },
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: facts.uptime_s,
            clock: clock_name(snapshot.now.wall.quality),
            uplinks: snapshot.uplinks.iter().map(|u| UplinkView::of(u, snapshot, facts)).collect(),
            piles: piles(snapshot, facts),
            meters: meters(snapshot, facts),
            buses: buses(facts),
            ledger: LedgerView {
                orders: snapshot.orders,
                unsettled: snapshot.unsettled,
                open: snapshot.open.len(),
                bytes_written_today: facts.ledger.bytes_written_today,
                free_mb: facts.ledger.free_mb,
                full: snapshot.is_storage_full,
            },
            alarms: alarms.collect(),
        }
    }
}

/// The clock's quality as the outside knows it.
pub(super) const fn clock_name(quality: ClockQuality) -> &'static str {
    match quality {
        ClockQuality::Unset => "unset",
        ClockQuality::Held => "held",
        ClockQuality::Synced => "synced",
    }
}

impl UplinkView {
    fn of(uplink: &UplinkStatus, snapshot: &Snapshot, facts: &Facts) -> Self {
        Self {
            name: uplink.name.to_string(),
            kind: some(&uplink.kind),
            state: uplink.state,
            since: stamp(uplink.since, &facts.zone),
            reason: some(&uplink.reason),
            required: uplink.required,
            backlog: uplink.backlog,
            in_flight: uplink.in_flight,
            oldest_unsent_s: oldest_unsent_s(uplink, snapshot),
            rate_per_min: uplink.rate_per_min,
            eta_s: uplink.eta_s,
        }
    }
}

/// Age of the oldest order an uplink is owed.
pub(super) fn oldest_unsent_s(uplink: &UplinkStatus, snapshot: &Snapshot) -> Option<u64> {
    let age_ms = snapshot.now.wall.unix_ms.saturating_sub(uplink.oldest_unix_ms?);
    Some(u64::try_from(age_ms).unwrap_or(0) / 1000)
}

/// How the piles look.
#[must_use]
pub fn piles(snapshot: &Snapshot, facts: &Facts) -> Vec<PileView> {
    snapshot.piles.iter().map(|pile| PileView::of(pile, facts)).collect()
}

impl PileView {
    fn of(pile: &PileStatus, facts: &Facts) -> Self {
        let connectors = pile.connectors.iter().map(|connector| ConnectorView {
            connector: connector.connector.get(),
            status: connector.status,
            order: connector.order.map(|id| id.to_string()),
        });
        let known = facts.piles.get(&pile.code);
        let time = |unix_s| seconds(unix_s, &facts.zone);
        Self {
            code: pile.code.to_string(),
            serial: known.map(|known| known.serial.clone()),
            revision: known.map(|known| known.revision),
            origin: known.map(|known| known.origin),
            account: known.map(|known| known.account),
            registered_at: known.and_then(|known| time(known.registered_s?)),
            logged_in_at: known.and_then(|known| time(known.logged_in_s?)),
            state: match (pile.is_connected, pile.is_booted) {
                (false, _) if pile.since.is_none() => "awaited",
                (false, _) => "gone",
                (true, false) => "connected",
                (true, true) => "booted",
            },
            since: pile.since.and_then(|since| stamp(since, &facts.zone)),
            reason: some(&pile.reason),
            firmware: some(&pile.firmware),
            connectors: connectors.collect(),
        }
    }
}
