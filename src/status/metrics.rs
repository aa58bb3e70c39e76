//! Metrics for Prometheus, made from the snapshot at each scrape.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{
    source::{Facts, Source},
    view::{clock_name, oldest_unsent_s},
};
use crate::{domain::time::ClockQuality, site::snapshot::Snapshot};

pub(super) type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<u64, AtomicU64>>;
type Levels = Family<Labels, Gauge<i64, AtomicI64>>;
type Measured = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// The text of a scrape.
pub(super) fn text(source: &dyn Source) -> String {
    let (snapshot, facts) = (source.snapshot(), source.facts());
    let mut registry = Registry::with_prefix("sitepilot");
    let mut page = Page(&mut registry);
    page.site(&snapshot, &facts);
    page.uplinks(&snapshot, &facts);
    page.piles(&snapshot);
    page.meters(&snapshot);
    page.buses(&facts);
    let is_healthy = source.health().is_good();
    page.gauge("healthy", "Every room makes progress", u64::from(is_healthy));
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

pub(super) struct Page<'r>(&'r mut Registry);

impl Page<'_> {
    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let family = Gauges::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// What may be below nought.
    pub(super) fn levels(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, i64)>,
    ) {
        let family = Levels::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// What is told in units that have parts.
    pub(super) fn measured(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let family = Measured::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.gauges(name, help, [(Vec::new(), value)]);
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let family = Counters::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn site(&mut self, snapshot: &Snapshot, facts: &Facts) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.gauges("build_info", "The running version", [(version, 1)]);
        self.gauge("uptime_seconds", "Since the start", facts.uptime_s);
        let qualities = [ClockQuality::Unset, ClockQuality::Held, ClockQuality::Synced];
        let clock = qualities.map(|quality| {
            let is_it = snapshot.now.wall.quality == quality;
            (vec![("quality", clock_name(quality).to_owned())], u64::from(is_it))
        });
        self.gauges("clock", "Quality of the calendar", clock);
        self.gauge("orders", "Orders in the ledger", snapshot.orders);
        self.gauge("orders_unsettled", "Ended orders not settled", snapshot.unsettled);
        let open = u64::try_from(snapshot.open.len()).unwrap_or(u64::MAX);
        self.gauge("orders_open", "Orders that have not ended", open);
        self.gauge("storage_full", "New charging is refused", u64::from(snapshot.is_storage_full));
        self.gauge("ledger_free_megabytes", "Room for the ledger", facts.ledger.free_mb);
        let written = facts.ledger.bytes_written_today;
        self.gauge("ledger_bytes_written_today", "Since midnight UTC or the start", written);
        let alarms = snapshot.alarms.iter().map(|(kind, _)| kind.name());
        let mut standing = std::collections::BTreeMap::<_, u64>::new();
        alarms.for_each(|name| *standing.entry(name).or_default() += 1);
        let standing = standing.into_iter().map(|(name, n)| (vec![("alarm", name.to_owned())], n));
        self.gauges("alarms", "Alarms that stand", standing);
        if let Some(ends_s) = facts.certificate_ends_s {
            let help = "Unix time at which the doors' certificate expires";
            self.gauge("doors_certificate_expiry_timestamp_seconds", help, ends_s);
        }
        for (name, help, value) in &facts.counters {
            self.counters(name, help, [(Vec::new(), *value)]);
        }
        let site = snapshot.counters;
        for (name, help, value) in [
            ("progress_unknown", "Charging information of unknown orders", site.unknown_progress),
            ("pile_answers_stray", "Piles' answers to no call", site.stray_answers),
            ("pile_events_unknown", "Events of unknown piles", site.unknown_piles),
        ] {
            self.counters(name, help, [(Vec::new(), value)]);
        }
    }

    fn uplinks(&mut self, snapshot: &Snapshot, facts: &Facts) {
        let label = |name: &dyn ToString| vec![("uplink", name.to_string())];
        let all = || snapshot.uplinks.iter();
        let kinds = all().map(|u| {
            let kind = ("kind", u.kind.clone());
            (label(&u.name).into_iter().chain([kind]).collect(), 1)
        });
        self.gauges("uplink_info", "What it speaks", kinds);
        let required = all().map(|u| (label(&u.name), u64::from(u.required)));
        self.gauges("uplink_required", "Orders settle only with its confirmation", required);
        let online = all().map(|u| (label(&u.name), u64::from(u.state == "online")));
        self.gauges("uplink_online", "The uplink is on line", online);
        let backlog = all().map(|u| (label(&u.name), u.backlog));
        self.gauges("uplink_backlog", "Orders it is owed", backlog);
        let in_flight = all().map(|u| (label(&u.name), u.in_flight));
        self.gauges("uplink_in_flight", "Orders sent and not confirmed", in_flight);
        let oldest = all().map(|u| (label(&u.name), oldest_unsent_s(u, snapshot).unwrap_or(0)));
        self.gauges("uplink_oldest_unsent_seconds", "Age of the oldest order it is owed", oldest);
        let rate = all().filter_map(|u| Some((label(&u.name), u.rate_per_min?)));
        self.gauges("uplink_orders_per_minute", "Confirmed while its backlog drains", rate);
        let eta = all().filter_map(|u| Some((label(&u.name), u.eta_s?)));
        self.gauges("uplink_eta_seconds", "Until its backlog is empty at this rate", eta);
        let strays = all().map(|u| (label(&u.name), u.strays));
        self.counters("uplink_answers_stray", "Backend's answers to no question", strays);
        let Some(first) = facts.uplinks.values().next() else { return };
        for (index, (name, help, _)) in first.counters.iter().enumerate() {
            let values = facts.uplinks.iter();
            let values = values.map(|(uplink, facts)| (label(uplink), facts.counters[index].2));
            self.counters(name, help, values);
        }
    }

    fn piles(&mut self, snapshot: &Snapshot) {
        let connected = snapshot
            .piles
            .iter()
            .map(|pile| (vec![("pile", pile.code.to_string())], u64::from(pile.is_connected)));
        self.gauges("pile_connected", "The pile is connected", connected);
    }
}
