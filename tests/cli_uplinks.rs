//! Several uplinks as an operator sees them: a backend that answers, a server and two queues that
//! are not there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use prost::Message as _;
use serde_json::{Value, json};
use sitepilot::{
    broker::DoorEvent,
    peers::{
        backend::{Backend, BackendConfig},
        ec::{Server, Settings, serve::Tcp},
        handle::Handle,
        mqtt::{self, Broker},
        pile::{Pile, PileConfig},
    },
    protocol::jcpp::wire::{TransactionRecordRequest, UplinkQueueMessage},
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mqtt_raw.rs"]
mod mqtt_raw;

use mqtt_raw::{GUARD, House, PASSWORD};

use bench::{Bench, PILE, begin, clock, host, states, text};

/// Nobody listens on port 1.
const REGULATOR: &str = r#"
[[uplink]]
name = "regulator"
kind = "ec"
url = "tcp://127.0.0.1:1"
organisation = 1000
"#;

const PLATFORM: &str = r#"
[[uplink]]
name = "platform"
kind = "jcpp"
url = "mqtt://127.0.0.1:1"
"#;

const GATEWAY: &str = r#"
[[uplink]]
name = "gateway"
kind = "peaq"
url = "mqtt://127.0.0.1:1"
client_id = "SP-1"
model = "S1"
vendor = "ACME"
"#;

/// An uplink in a list, by name.
fn uplink(list: &Value, name: &str) -> Value {
    let mut all = list.as_array().unwrap().iter();
    all.find(|uplink| uplink["name"] == name).cloned().unwrap_or_default()
}

fn uplinks(bench: &Bench) -> Value {
    bench.json(&["uplinks", "list"])
}

/// A controller with all of them, and an order that only the backend has.
async fn with_an_order() -> (Bench, JoinSet<()>, JoinSet<()>) {
    let bench = Bench::new();
    bench.append(&[REGULATOR, PLATFORM, GATEWAY].concat());
    charged(bench).await
}

/// With an order that the backend has and others have not.
async fn charged(mut bench: Bench) -> (Bench, JoinSet<()>, JoinSet<()>) {
    let (cloud, piles, pile) = begun(&mut bench).await;
    charge_worthwhile(&bench, &pile).await;
    bench.until("it is recorded", |bench| states(bench) == ["recorded"]).await;
    // What is shown is a moment older than what is recorded.
    let has_it = |bench: &Bench| {
        let status = bench.json(&["status"]);
        let owed = &uplink(&status["uplinks"], "cloud")["backlog"];
        status["ledger"]["unsettled"] == 1 && *owed == 0
    };
    bench.until("the cloud has it", has_it).await;
    (bench, cloud, piles)
}

/// An order that an EC server does not drop: with energy, and an end after the second in which it
/// began.
async fn charge_worthwhile(bench: &Bench, pile: &Handle<Pile>) {
    begin(bench, pile, 1, "CARD1").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
}

/// With a backend on line and a pile.
async fn begun(bench: &mut Bench) -> (JoinSet<()>, JoinSet<()>, Handle<Pile>) {
    let backend = Handle::new(Backend::new(BackendConfig::new(2)), clock());
    let cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("on line", |b| uplink(&uplinks(b), "cloud")["state"] == "online").await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 9)), clock());
    piles.spawn(mqtt::run(pile.clone(), Broker::plain("127.0.0.1", bench.doors)));
    (cloud, piles, pile)
}

#[tokio::test]
async fn each_uplink_is_shown_with_its_kind_and_what_it_is_owed() {
    let (mut bench, ..) = with_an_order().await;
    let list = uplinks(&bench);
    assert_eq!(list, bench.json(&["status"])["uplinks"]);
    let shown = |name| {
        let uplink = uplink(&list, name);
        json!([uplink["kind"], uplink["state"], uplink["required"], uplink["backlog"]])
    };
    assert_eq!(shown("cloud"), json!(["charger", "online", true, 0]));
    assert_eq!(shown("regulator"), json!(["ec", "offline", true, 1]));
    assert_eq!(shown("platform"), json!(["jcpp", "offline", true, 1]));
    assert_eq!(shown("gateway"), json!(["peaq", "offline", false, 0]));
    assert!(uplink(&list, "regulator")["oldest_unsent_s"].is_u64(), "{list}");
    assert_eq!(uplink(&list, "regulator")["rate_per_min"], Value::Null);
    let table = text(&bench.cli(&["uplinks", "list"]).stdout);
    let heading = table.lines().next().unwrap();
    for column in ["KIND", "REQUIRED", "OWED", "OLDEST", "PER MIN", "ETA"] {
        assert!(heading.contains(column), "{table}");
    }

    // Not settled while one that decides has not got it.
    assert_eq!(states(&bench), ["recorded"]);
    let order = &bench.json(&["orders", "list"])[0];
    let deliveries: Vec<_> = order["deliveries"].as_array().unwrap().iter().collect();
    let of = |name| deliveries.iter().find(|it| it["uplink"] == name).map(|it| &it["state"]);
    assert_eq!(of("cloud"), Some(&json!("confirmed")), "{order}");
    assert_eq!((of("regulator"), of("platform")), (Some(&json!("queued")), Some(&json!("queued"))));
    assert_eq!(of("gateway"), None);

    let (status, metrics) = bench.get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "sitepilot_uplink_info{uplink=\"regulator\",kind=\"ec\"} 1",
        "sitepilot_uplink_info{uplink=\"gateway\",kind=\"peaq\"} 1",
        "sitepilot_uplink_required{uplink=\"platform\"} 1",
        "sitepilot_uplink_required{uplink=\"gateway\"} 0",
        "sitepilot_uplink_backlog{uplink=\"regulator\"} 1",
        "sitepilot_uplink_online{uplink=\"platform\"} 0",
        "sitepilot_uplink_connects_total{uplink=\"cloud\"} 1",
        "sitepilot_uplink_connects_total{uplink=\"platform\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    let page = bench.get("/").1;
    assert!(page.contains("<td>regulator<td>ec<td><span class=bad>offline"), "{page}");

    // An outage is told once, however often it is tried.
    let log = bench.log();
    for name in ["regulator", "platform", "gateway"] {
        let told = |line: &&str| line.contains("uplink is down") && line.contains(name);
        assert!(log.lines().filter(told).count() <= 1, "{log}");
    }
    assert_eq!(bench.terminate(), Some(0));
}

/// The next record of an order that the broker got.
fn next_record(house: &House, topic: &str) -> TransactionRecordRequest {
    loop {
        let event = house.events.recv_timeout(GUARD).unwrap();
        let DoorEvent::Published { topic: found, payload, qos, .. } = event else { continue };
        assert_eq!((found.as_str(), qos), (topic, 1));
        let message = UplinkQueueMessage::decode(payload).unwrap();
        if let Some(record) = message.transaction_record_request {
            return record;
        }
    }
}

#[tokio::test]
async fn an_order_settles_when_the_backend_the_server_and_the_queue_have_it() {
    let house = House::open();
    let rhythm = Settings { heartbeat_ms: 200, ..Settings::default() };
    let server = Server::new(rhythm, clock());
    let tcp = Tcp::bind("127.0.0.1:0".parse().unwrap(), server.clone()).await.unwrap();
    let mut bench = Bench::new();
    let url = format!("tcp://{}", tcp.address().unwrap());
    bench.append(&REGULATOR.replace("tcp://127.0.0.1:1", &url));
    let mut servers = JoinSet::new();
    servers.spawn(tcp.run());
    bench.secret("queue", PASSWORD);
    let access = format!(
        "url = \"mqtt://{}\"\nusername = \"V1\"\npassword_file = \"DIR/queue\"\n\
         topic_prefix = \"U/V1\"",
        house.address()
    );
    bench.append(&PLATFORM.replace("url = \"mqtt://127.0.0.1:1\"", &access));
    let (_cloud, _piles, pile) = begun(&mut bench).await;
    charge_worthwhile(&bench, &pile).await;
    bench.until("the order settles", |bench| states(bench) == ["settled"]).await;
    let id = bench.json(&["orders", "list"])[0]["id"].clone();
    let record = next_record(&house, &format!("U/V1/{PILE}"));
    assert_eq!((record.pile_code.as_str(), json!(record.trade_no)), (PILE, id));
    let told = server.books();
    assert_eq!((told.records().count(), told.dropped().count(), told.altered().len()), (1, 0, 0));
    assert!(told.record(record.trade_no.as_str()).is_some(), "{record:?}");
    let platform = uplink(&uplinks(&bench), "platform");
    assert_eq!((&platform["kind"], &platform["state"]), (&json!("jcpp"), &json!("online")));
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn a_removed_uplink_is_shown_until_it_is_retired_and_then_decides_nothing() {
    let (mut bench, ..) = with_an_order().await;
    assert_eq!(bench.terminate(), Some(0));
    bench.replace(PLATFORM, "");
    bench.start().await;
    let platform = uplink(&uplinks(&bench), "platform");
    let shown = json!([platform["kind"], platform["state"], platform["backlog"]]);
    assert_eq!(shown, json!(["jcpp", "removed", 1]));
    let (_, metrics) = bench.get("/metrics");
    assert!(metrics.contains("sitepilot_uplink_backlog{uplink=\"platform\"} 1"), "{metrics}");

    let refused = bench.cli(&["uplinks", "retire", "cloud"]);
    assert_eq!(refused.status.code(), Some(1), "it is in the config");
    let retired = bench.cli(&["uplinks", "retire", "platform"]);
    assert!(retired.status.success(), "{}", text(&retired.stderr));
    let is_gone = |b: &Bench| uplink(&uplinks(b), "platform") == Value::Null;
    bench.until("it is gone", is_gone).await;
    assert_eq!(states(&bench), ["recorded"], "the regulator has not got it");

    assert_eq!(bench.terminate(), Some(0));
    bench.replace(REGULATOR, "");
    bench.start().await;
    assert_eq!(uplink(&uplinks(&bench), "regulator")["state"], "removed");
    assert!(bench.cli(&["uplinks", "retire", "regulator"]).status.success());
    bench.until("the order settles", |bench| states(bench) == ["settled"]).await;
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn a_name_that_belongs_to_another_wire_is_a_fault_of_the_config() {
    let mut bench = Bench::new();
    bench.append(REGULATOR);
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    bench.replace(REGULATOR, &PLATFORM.replace("platform", "regulator"));
    let refused = bench.cli(&["run"]);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(
        told.contains("uplink regulator is of kind jcpp") && told.contains("of kind ec"),
        "{told}"
    );
}

#[test]
fn faults_of_uplinks_are_told_by_check_with_line_key_and_hint() {
    let bench = Bench::new();
    bench.append(GATEWAY);
    let good = bench.cli(&["check"]);
    assert!(good.status.success(), "{}", text(&good.stderr));
    bench.replace("model = \"S1\"", "model = \"S1\"\nrequired = true");
    let refused = bench.cli(&["check"]);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(78), "{told}");
    assert!(told.contains(": uplink[2].required: is true, but peaq confirms no orders"), "{told}");
    assert!(told.contains("hint: required = true in an uplink of another kind"), "{told}");

    bench.replace("required = true", "# required");
    bench.append(&REGULATOR.replace("organisation = 1000", "organisation = 1\nconfirm = \"tcp\""));
    let warned = bench.cli(&["check", "--json"]);
    assert!(warned.status.success(), "{}", text(&warned.stderr));
    let document: Value = serde_json::from_slice(&warned.stdout).unwrap();
    assert_eq!(document["warnings"][0]["key"], "uplink[3].confirm", "{document}");
    assert_eq!(document["faults"], json!([]));
}
