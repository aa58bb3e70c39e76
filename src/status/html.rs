//! The page for people: one look, no script.

use std::fmt::Write as _;

use super::{
    source::Facts,
    view::{clock_name, oldest_unsent_s},
};
use crate::{
    domain::reading::{Measures, Quality},
    site::snapshot::Snapshot,
};

const STYLE: &str = "body{font:15px/1.4 sans-serif;margin:2em;color:#222}\
    table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:left;\
    border-bottom:1px solid #ddd}.bad{color:#b00}";

/// The page.
pub(super) fn page(snapshot: &Snapshot, facts: &Facts) -> String {
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5>\
         <title>{name}</title><style>{STYLE}</style><h1>{name}</h1>\
         <p>{code} &middot; clock {clock} &middot; {orders} orders, {open} running, \
         {unsettled} not settled</p>",
        name = escape(&facts.name),
        code = escape(&facts.code),
        clock = clock_name(snapshot.now.wall.quality),
        orders = snapshot.orders,
        open = snapshot.open.len(),
        unsettled = snapshot.unsettled,
    );
    for (kind, alarm) in &snapshot.alarms {
        // Writing into a string does not fail, here and below.
        let _ = write!(page, "<p class=bad>{}: {}</p>", kind.name(), escape(&kind.told(alarm)));
    }
    uplink_table(&mut page, snapshot);
    page.push_str("<table><tr><th>pile<th>state<th>connectors");
    for pile in &snapshot.piles {
        let state = match (pile.is_connected, pile.since) {
            (true, _) => "connected",
            (false, Some(_)) => "<span class=bad>gone</span>",
            (false, None) => "<span class=bad>awaited</span>",
        };
        let connectors = pile.connectors.iter().map(|connector| {
            let mark = if connector.order.is_some() { " charging" } else { "" };
            format!("{}{mark}", connector.connector)
        });
        let connectors = connectors.collect::<Vec<_>>().join(", ");
        let _ = write!(page, "<tr><td>{}<td>{state}<td>{connectors}", pile.code);
    }
    page.push_str("</table>");
    meter_table(&mut page, snapshot);
    page
}

fn uplink_table(page: &mut String, snapshot: &Snapshot) {
    page.push_str(
        "<table><tr><th>uplink<th>kind<th>state<th>required<th>owed<th>in flight<th>oldest\
         <th>rate<th>eta",
    );
    for uplink in &snapshot.uplinks {
        let (name, kind, reason) =
            (uplink.name.as_str(), escape(&uplink.kind), escape(&uplink.reason));
        let state = match uplink.state {
            "online" => uplink.state.to_owned(),
            bad => format!("<span class=bad>{bad} {reason}</span>"),
        };
        let required = if uplink.required { "yes" } else { "no" };
        let (backlog, in_flight) = (uplink.backlog, uplink.in_flight);
        let oldest = unit(oldest_unsent_s(uplink, snapshot), "s");
        let rate = unit(uplink.rate_per_min, "/min");
        let eta = unit(uplink.eta_s, "s");
        let _ = write!(
            page,
            "<tr><td>{name}<td>{kind}<td>{state}<td>{required}<td>{backlog}<td>{in_flight}\
             <td>{oldest}<td>{rate}<td>{eta}"
        );
    }
    page.push_str("</table>");
}

/// A value with its unit, or a dash.
fn unit(value: Option<impl std::fmt::Display>, unit: &str) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value} {unit}"))
}

fn meter_table(page: &mut String, snapshot: &Snapshot) {
    if snapshot.meters.is_empty() {
        return;
    }
    page.push_str("<table><tr><th>meter<th>measures<th>quality<th>power<th>import<th>age");
    for meter in &snapshot.meters {
        let measures = match meter.measures {
            Measures::Site => "site".to_owned(),
            Measures::Connector(connector) => format!("connector {connector}"),
        };
        let (name, fault) = (meter.name.as_str(), escape(&meter.fault));
        let quality = match meter.quality {
            Quality::Good => "good".to_owned(),
            bad => format!("<span class=bad>{} {fault}</span>", bad.name()),
        };
        let power = unit(meter.values.power_w, "W");
        let import = unit(meter.values.energy_import.map(|energy| energy.wh()), "Wh");
        let age = unit(meter.age_ms.map(|ms| ms / 1000), "s");
        let _ = write!(
            page,
            "<tr><td>{name}<td>{measures}<td>{quality}<td>{power}<td>{import}<td>{age}"
        );
    }
    page.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
