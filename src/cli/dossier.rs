//! Orders as people read them: a line of a list, and all that is known of one.

use serde_json::Value;

use super::table::{NOTHING, cell, local, print, table, time};

/// Prints a list.
pub(super) fn list(orders: &[Value]) {
    let rows: Vec<_> = orders.iter().map(row).collect();
    let heading = ["order", "conn", "state", "started", "ended", KWH, YUAN, "deliveries", "flags"];
    table(heading, &rows);
}

// Figures stand below each other by their last digit.
const KWH: &str = "     kWh";
const YUAN: &str = "    yuan";

fn row(order: &Value) -> [String; 9] {
    [
        cell(&order["id"]),
        cell(&order["connector"]),
        cell(&order["state"]),
        started(order),
        ended(order),
        figure(&order["energy_wh"], 10),
        figure(&order["cost_fen"], 1),
        deliveries(order),
        words(&order["flags"]),
    ]
}

fn started(order: &Value) -> String {
    match (&order["started_at"], order["clock"].as_str()) {
        (Value::Null, Some("unset")) => "clock unset".to_owned(),
        (at, _) => local(at),
    }
}

/// The time of day is enough where an order ended on the day it began.
fn ended(order: &Value) -> String {
    let (started, ended) = (local(&order["started_at"]), local(&order["ended_at"]));
    match (started.split_once(' '), ended.split_once(' ')) {
        (Some((first, _)), Some((last, at))) if first == last => at.to_owned(),
        _ => ended,
    }
}

fn deliveries(order: &Value) -> String {
    let each = rows(&order["deliveries"])
        .map(|delivery| format!("{}:{}", cell(&delivery["uplink"]), cell(&delivery["state"])));
    or_nothing(each.collect::<Vec<_>>().join(" "))
}

fn words(list: &Value) -> String {
    let words = rows(list).filter_map(Value::as_str);
    or_nothing(words.collect::<Vec<_>>().join(" "))
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text }
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Hundredths of something that is counted `per_hundredth` to one of them; cut off, as the
/// ledger keeps no finer figures.
fn hundredths(value: &Value, per_hundredth: i64) -> Option<String> {
    let value = value.as_i64()? / per_hundredth;
    let sign = if value < 0 { "-" } else { "" };
    let value = value.unsigned_abs();
    Some(format!("{sign}{}.{:02}", value / 100, value % 100))
}

fn figure(value: &Value, per_hundredth: i64) -> String {
    let text = hundredths(value, per_hundredth).unwrap_or_else(|| NOTHING.to_owned());
    format!("{text:>8}")
}

/// Prints all that is known of an order.
pub(super) fn whole(order: &Value) {
    for (name, value) in facts(order) {
        print(&format!("{name:14}{value}\n"));
    }
    delivery_table(order);
    version_table(order);
    journal_table(order);
}

fn facts(order: &Value) -> Vec<(&'static str, String)> {
    let plain = |key: &str| cell(&order[key]);
    let at = |key: &str| time(&order[key]);
    let clock = order["clock"].as_str().map(|quality| format!(" (clock {quality})"));
    let clock = clock.unwrap_or_default();
    let card = order["card"].as_str().map(|tail| format!("...{tail}"));
    let energy = hundredths(&order["energy_wh"], 10).map(|kwh| format!("{kwh} kWh"));
    let cost = hundredths(&order["cost_fen"], 1).map(|yuan| format!("{yuan} yuan"));
    let some = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    let mut facts = vec![
        ("order", plain("id")),
        ("state", plain("state")),
        ("flags", words(&order["flags"])),
        ("pile", plain("pile")),
        ("connector", format!("{} (the pile's {})", plain("connector"), plain("plug"))),
        ("record", plain("record")),
        ("transaction", plain("transaction_id")),
        ("card", some(card)),
        ("energy", some(energy)),
        ("cost", some(cost)),
        ("meter", meter(order)),
        ("billed by", billed_by(order)),
        ("  its meter", metered(order, "start_wh", "stop_wh")),
        ("  the pile", metered(order, "pile_start_wh", "pile_stop_wh")),
        ("started", format!("{}{clock}", at("started_at"))),
        ("ended", format!("{}{clock}", at("ended_at"))),
        ("stop reason", reason(order)),
        ("closed by", closed_by(order)),
        ("first heard", at("heard_at")),
        ("last progress", at("progress_at")),
        ("recorded", at("recorded_at")),
    ];
    // What an order never had, or has no more, need not be read.
    facts.retain(|(name, value)| value != NOTHING || matches!(*name, "energy" | "cost"));
    facts
}

fn closed_by(order: &Value) -> String {
    match order["closed_by"].as_str() {
        Some("site") => "site, with the last reading it had".to_owned(),
        _ => cell(&order["closed_by"]),
    }
}

fn meter(version: &Value) -> String {
    let at = |key: &str| hundredths(&version[key], 10);
    match (at("meter_start_wh"), at("meter_stop_wh")) {
        (None, None) => NOTHING.to_owned(),
        (start, stop) => {
            let [start, stop] = [start, stop].map(|at| at.unwrap_or_else(|| "?".to_owned()));
            format!("{start} to {stop} kWh")
        }
    }
}

/// Which of the two readings below it counts, where the connector has a meter of its own.
fn billed_by(order: &Value) -> String {
    let metering = &order["metering"];
    let (meter, curve) = (cell(&metering["meter"]), rows(&metering["curve_wh"]).count());
    match metering["billed"].as_str() {
        Some("meter") => format!("meter {meter}, read {curve} times in between"),
        Some(_) => format!("the pile's values: meter {meter} was not read at both ends"),
        None => NOTHING.to_owned(),
    }
}

/// Both ends, to the Wh: two meters are compared.
fn metered(order: &Value, start: &str, stop: &str) -> String {
    let metering = &order["metering"];
    if metering.is_null() {
        return NOTHING.to_owned();
    }
    let kwh = |key: &str| {
        let wh = metering[key].as_u64();
        wh.map_or("?".to_owned(), |wh| format!("{}.{:03}", wh / 1000, wh % 1000))
    };
    format!("{} to {} kWh", kwh(start), kwh(stop))
}

fn reason(version: &Value) -> String {
    match version["reason_name"].as_str() {
        Some(name) => format!("{} {name}", cell(&version["reason"])),
        None => cell(&version["reason"]),
    }
}

fn delivery_table(order: &Value) {
    let rows: Vec<_> = rows(&order["deliveries"])
        .map(|delivery| {
            let [uplink, state, attempts, error] =
                ["uplink", "state", "attempts", "last_error"].map(|key| cell(&delivery[key]));
            [uplink, state, attempts, local(&delivery["confirmed_at"]), error]
        })
        .collect();
    section(["uplink", "delivery", "attempts", "confirmed", "last error"], &rows);
}

/// Other versions below the one on record, to be compared.
fn version_table(order: &Value) {
    let line = |kind: &str, heard: &Value, version: &Value| {
        [
            kind.to_owned(),
            local(heard),
            local(&version["ended_at"]),
            figure(&version["energy_wh"], 10),
            figure(&version["cost_fen"], 1),
            meter(version),
            reason(version),
        ]
    };
    let others: Vec<_> = rows(&order["versions"])
        .map(|version| line(&cell(&version["kind"]), &version["heard_at"], version))
        .collect();
    if others.is_empty() {
        return;
    }
    let mut all = vec![line("on record", &order["recorded_at"], order)];
    all.extend(others);
    section(["version", "heard", "ended", KWH, YUAN, "meter", "stop reason"], &all);
}

fn journal_table(order: &Value) {
    let rows: Vec<_> = rows(&order["journal"])
        .map(|row| {
            let [n, kind, clock, hash, detail] =
                ["n", "kind", "clock", "hash", "detail"].map(|key| cell(&row[key]));
            [n, noted_at(row), clock, kind, hash, detail]
        })
        .collect();
    section(["journal", "when", "clock", "what", "hash", "detail"], &rows);
}

/// Where no clock knew, the run and how long it had lasted.
fn noted_at(row: &Value) -> String {
    match (&row["at"], row["run_ms"].as_u64()) {
        (Value::Null, Some(ms)) => format!("run {} +{} s", cell(&row["run"]), ms / 1000),
        (at, _) => local(at),
    }
}

fn section<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    if !rows.is_empty() {
        print("\n");
        table(heading, rows);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_readings_are_told_and_which_is_billed() {
        let mut order = json!({ "metering": {
            "meter": "M1", "billed": "meter", "start_wh": 1_000_004, "stop_wh": 1_001_016,
            "pile_start_wh": 100_000, "pile_stop_wh": null, "curve_wh": [1_000_400],
        }});
        let told = |order: &Value| -> Vec<String> {
            let facts = facts(order);
            let metered = facts.iter().skip_while(|(name, _)| *name != "billed by").take(3);
            metered.map(|(_, value)| value.clone()).collect()
        };
        let billed = "meter M1, read 1 times in between";
        let readings = ["1000.004 to 1001.016 kWh", "100.000 to ? kWh"];
        assert_eq!(told(&order), [&[billed], &readings[..]].concat());
        order["metering"]["billed"] = "pile".into();
        let billed = "the pile's values: meter M1 was not read at both ends";
        assert_eq!(told(&order), [&[billed], &readings[..]].concat());
        assert!(told(&json!({})).is_empty(), "nothing is said of an order without a meter");
    }
}
