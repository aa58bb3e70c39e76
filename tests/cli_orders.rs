//! What the commands tell of orders that went through trouble: disputed, estimated, corrected.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use sitepilot::{
    peers::{
        backend::{Backend, BackendConfig},
        handle::Handle,
        mqtt::{self, Broker},
        pile::{Memory, Pile, PileConfig},
    },
    site::entry::Entry,
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;
#[path = "support/orders.rs"]
mod orders;

use bench::{Bench, PILE, begin, clock, host, recorded, states, text};

const CARD: &str = "8812000000501234";

/// Longer than the grace of an interrupted order, with room for a slow machine.
const DARK_MS: u64 = 6_000;

/// The newest order.
fn newest(bench: &Bench) -> Value {
    let id = bench.json(&["orders", "list", "--limit", "1"])[0]["id"].clone();
    show(bench, id.as_str().unwrap())
}

fn show(bench: &Bench, id: &str) -> Value {
    bench.json(&["orders", "show", id])
}

fn len(list: &Value) -> usize {
    list.as_array().unwrap().len()
}

fn kinds(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect()
}

/// An order that the pile reports again with other figures.
async fn dispute(bench: &Bench, pile: &Handle<Pile>) -> String {
    begin(bench, pile, 1, CARD).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    bench.until("it is recorded", |bench| recorded(bench) == 1).await;
    bench.until("it is answered", |_| pile.with(|pile, now| pile.dispute_last_order(now))).await;
    bench.until("it is disputed", |bench| len(&newest(bench)["versions"]) == 1).await;
    newest(bench)["id"].as_str().unwrap().to_owned()
}

/// An order that the site closes by itself, because the pile is dark for longer than its grace.
async fn close_by_site(bench: &Bench, pile: &Handle<Pile>, memory: Memory) -> String {
    let before = recorded(bench);
    begin(bench, pile, 1, CARD).await;
    bench.until("it is metered", |bench| newest(bench)["energy_wh"].as_u64() > Some(0)).await;
    pile.with(|pile, now| pile.power_cut(DARK_MS, memory, now));
    bench.until("it is closed", |bench| recorded(bench) == before + 1).await;
    let order = newest(bench);
    assert_eq!((&order["flags"][0], &order["closed_by"]), (&"estimated".into(), &"site".into()));
    assert_eq!(order["reason_name"], "OffLine");
    order["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn orders_that_went_through_trouble_are_shown_with_their_versions_and_their_journal() {
    let mut bench = Bench::with_site("interrupted_grace_s = 1");
    let backend = Handle::new(Backend::new(BackendConfig::new(3)), clock());
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let mut config = PileConfig::new(PILE, "ZD1", "pile secret", 5);
    // Something is on the meter at the first information, and more a moment later.
    (config.speed, config.timing.info_ms) = (1000, 500);
    let pile = Handle::new(Pile::new(config), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    let mut piles = JoinSet::new();
    piles.spawn(mqtt::run(pile.clone(), doors));

    let disputed = dispute(&bench, &pile).await;
    let corrected = close_by_site(&bench, &pile, Memory::Kept).await;
    let is_corrected = |bench: &Bench| len(&show(bench, &corrected)["versions"]) == 1;
    bench.until("the pile tells its own figures", is_corrected).await;
    let forgotten = close_by_site(&bench, &pile, Memory::Lost).await;
    bench.until("settled", |bench| states(bench).iter().all(|state| state == "settled")).await;

    let ids = [&disputed, &corrected, &forgotten].map(String::as_str);
    let shown = ids.map(|id| show(&bench, id));
    check_disputed(&shown[0]);
    check_corrected(&shown[1]);
    assert_eq!(len(&shown[2]["versions"]), 0, "nobody told otherwise");
    let served = ids.map(|id| bench.get(&format!("/api/v1/orders/{id}")).1);
    assert_eq!(served.map(|page| serde_json::from_str::<Value>(&page).unwrap()), shown);
    let status = text(&bench.cli(&["status"]).stdout);
    let alarm = status.lines().find(|line| line.starts_with("order_disputed")).unwrap();
    assert!(alarm.contains("  1  ") && alarm.contains(&disputed), "{status}");
    let told = ids.map(|id| check_text(&bench, id));

    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    assert_eq!(ids.map(|id| show(&bench, id)), shown, "the same of a stopped one's file");
    assert_eq!(ids.map(|id| check_text(&bench, id)), told);
    let unknown = format!("{PILE}{}", "A".repeat(16));
    assert_eq!(bench.cli(&["orders", "show", &unknown]).status.code(), Some(1));
}

fn check_disputed(order: &Value) {
    assert_eq!((&order["flags"][0], &order["card"]), (&"disputed".into(), &"1234".into()));
    assert_eq!((&order["closed_by"], &order["reason_name"]), (&"pile".into(), &"LocalCard".into()));
    let version = &order["versions"][0];
    assert_eq!(version["kind"], "disputed");
    assert!(version["heard_at"].is_string());
    let more = |key: &str| version[key].as_i64().unwrap() - order[key].as_i64().unwrap();
    assert!(more("meter_stop_wh") > 0);
    assert_eq!(more("meter_stop_wh"), more("energy_wh"), "the readings and the energy agree");
    assert_eq!(more("cost_fen"), 120);
    let mut story = kinds(&order["journal"]);
    story.retain(|kind| ["opened", "recorded", "disputed", "settled"].contains(kind));
    assert_eq!((story[0], story.len()), ("opened", 4), "{story:?}");
    for row in order["journal"].as_array().unwrap() {
        assert!(row["at"].is_string() && row["clock"] != "unset", "{row}");
        assert_eq!(row["hash"].as_str().unwrap().len(), 12);
    }
}

fn check_corrected(order: &Value) {
    assert_eq!((&order["flags"][0], &order["closed_by"]), (&"estimated".into(), &"site".into()));
    assert_eq!(kinds(&order["versions"]), ["corrected"]);
    let version = &order["versions"][0];
    assert_eq!(version["reason_name"], "PowerLoss", "as the pile says");
    assert!(version["energy_wh"].as_u64() > order["energy_wh"].as_u64(), "more than the estimate");
    let story = kinds(&order["journal"]);
    let at = |kind: &str| story.iter().position(|k| *k == kind).unwrap();
    assert!(at("recorded") < at("corrected"), "{story:?}");
}

/// What people read of an order: its versions and its journal, and no whole card.
fn check_text(bench: &Bench, id: &str) -> String {
    let shown = show(bench, id);
    let output = text(&bench.cli(&["orders", "show", id]).stdout);
    for row in shown["journal"].as_array().unwrap() {
        let (hash, kind) = (row["hash"].as_str().unwrap(), row["kind"].as_str().unwrap());
        assert!(output.lines().any(|line| line.contains(hash) && line.contains(kind)), "{output}");
    }
    let has_versions = len(&shown["versions"]) > 0;
    assert_eq!(output.contains("\non record "), has_versions, "{output}");
    let list = text(&bench.cli(&["orders", "list"]).stdout);
    let line = list.lines().find(|line| line.starts_with(id)).unwrap();
    for word in [shown["flags"][0].as_str().unwrap(), "settled", "cloud:confirmed"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    let csv = text(&bench.cli(&["orders", "export", "--format", "csv"]).stdout);
    let all = [&output, &list, &csv, &shown.to_string()];
    assert!(all.iter().all(|text| !text.contains(CARD)), "a card is personal data");
    output
}

#[test]
fn what_an_uplink_was_not_given_is_told_with_the_reason_and_counts_as_settled() {
    let bench = Bench::new();
    let [cloud, ec] = ["cloud", "ec"].map(orders::uplink);
    let at = orders::stamp(1000);
    let over = orders::ended(&orders::opened(1, 1, at), at, &[cloud.clone(), ec.clone()]);
    let waived =
        Entry::DeliveryWaived { seq: over.seq, uplink: ec, at, reason: "no energy".to_owned() };
    let entries = [
        orders::record_entry(&over),
        waived,
        orders::confirmed(&over, &cloud, at),
        orders::settled(&over, at),
    ];
    orders::open(&bench.dir.path().join("data")).0.record(&entries).unwrap();

    let id = over.id.as_str();
    let shown = show(&bench, id);
    assert_eq!(shown["state"], "settled");
    let delivery = &shown["deliveries"][1];
    assert_eq!((&delivery["uplink"], &delivery["state"]), (&"ec".into(), &"retired".into()));
    assert_eq!(delivery["last_error"], "no energy");
    assert_eq!(kinds(&shown["journal"]), ["entered", "recorded", "waived", "confirmed", "settled"]);
    let told = text(&bench.cli(&["orders", "show", id]).stdout);
    let line = told.lines().find(|line| line.starts_with("ec ")).unwrap();
    assert!(line.contains("retired") && line.contains("no energy"), "{told}");
    let list = text(&bench.cli(&["orders", "list"]).stdout);
    assert!(list.contains("ec:retired"), "{list}");
    let csv = text(&bench.cli(&["orders", "export", "--format", "csv"]).stdout);
    assert!(csv.contains("ec=retired"), "{csv}");
    let lines = text(&bench.cli(&["orders", "export", "--format", "jsonl"]).stdout);
    assert!(lines.contains("no energy"), "{lines}");
    assert_eq!(bench.cli(&["orders", "verify"]).status.code(), Some(0));
}
