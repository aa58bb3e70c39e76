//! Meters as an installer meets them: the built program, simulated meters on a pseudo-terminal,
//! and the commands that list, read and find them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use sitepilot::{
    domain::quantity::Energy,
    peers::{
        backend::{Backend, BackendConfig},
        handle::Handle,
        meter::{
            Fault, Framing, Lasting, Load, Meters, Slave,
            pty::{self, Socket},
            serve::Tcp,
        },
        mqtt::{self, Broker},
        pile::{Pile, PileConfig},
    },
    service::profiles::Shelf,
};

use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, PILE, begin, clock, host, recorded, text};

const SDM630: &str = "eastron-sdm630";
const SDM120: &str = "eastron-sdm120";

/// Where the incomer and the connector's meter are on the line.
const INCOMER: u8 = 1;
const LEFT: u8 = 7;

fn slave(profile: &str, address: u8, power_w: i64, import_wh: u64) -> Slave {
    let profile = Shelf::built_in().find(profile).unwrap();
    let now = clock()().mono;
    let mut slave = Slave::of(Arc::new(profile), address);
    slave.set_energy(Energy::from_wh(import_wh), now);
    slave.set_load(&Load::constant(power_w), now);
    slave
}

/// A line with two meters, and a controller that is told of them.
struct Place {
    bench: Bench,
    meters: Meters,
    socket: Socket,
}

impl Place {
    fn new() -> Self {
        let bench = Bench::new();
        let slaves =
            vec![slave(SDM630, INCOMER, 6900, 1_234_500), slave(SDM120, LEFT, 2300, 77_000)];
        let meters = Meters::new(slaves, clock());
        let port = bench.dir.path().join("ttyMETERS");
        let socket = pty::start(Some(&port), meters.clone()).unwrap();
        bench.append(&tables(&port));
        Self { bench, meters, socket }
    }

    fn meter(&self, name: &str) -> Value {
        let meters = self.bench.json(&["meters", "list"]);
        let mut all = meters.as_array().unwrap().iter();
        all.find(|meter| meter["name"] == name).unwrap().clone()
    }

    fn is_good(&self, name: &str) -> bool {
        self.meter(name)["quality"] == "good"
    }

    async fn start(&mut self) {
        self.bench.start().await;
        self.bench.until("the incomer is read", |_| self.is_good("incomer")).await;
        self.bench.until("the other is read", |_| self.is_good("left")).await;
    }
}

fn tables(port: &Path) -> String {
    format!(
        r#"
        [[bus]]
        name = "line"
        serial = {{ port = "{}", baud = 19200, parity = "none" }}
        timeout_ms = 200
        [[meter]]
        name = "incomer"
        bus = "line"
        address = {INCOMER}
        profile = "{SDM630}"
        measures = "site"
        poll_interval_ms = 500
        [[meter]]
        name = "left"
        bus = "line"
        address = {LEFT}
        profile = "{SDM120}"
        measures = {{ pile = "{PILE}", connector = 1 }}
        poll_interval_ms = 500
        "#,
        port.display()
    )
}

#[tokio::test]
async fn meters_are_read_and_told_of_and_one_that_dies_harms_nobody() {
    let mut place = Place::new();
    place.start().await;
    check_values(&place);
    check_pages(&place);

    // One dies: it is told of as what it is, the other goes on, and the controller is well.
    place.meters.with(LEFT, |slave, _| slave.fail(Fault::Silent, Lasting::ForEver)).unwrap();
    place.bench.until("it is stale", |_| place.meter("left")["quality"] == "stale").await;
    assert!(place.is_good("incomer"), "{:?}", place.meter("incomer"));
    assert_eq!(place.bench.get("/healthz").0, 200, "a dead meter is no fault of a room");
    let status = place.bench.json(&["status"]);
    let slave = &status["buses"][0]["meters"][1];
    assert!(slave["timeouts"].as_u64().unwrap() > 0, "{slave}");
    assert!(slave["backed_off_ms"].as_u64().is_some(), "{slave}");
    let page = place.bench.get("/metrics").1;
    assert!(!page.contains("sitepilot_meter_power_watts{meter=\"left\""), "no old value: {page}");
    place.meters.with(LEFT, |slave, _| slave.be_well()).unwrap();
    place.bench.until("it is read again", |_| place.is_good("left")).await;

    // The adapter is unplugged, and plugged in again.
    place.socket.unplug();
    let state = |bench: &Bench| bench.json(&["status"])["buses"][0]["state"].clone();
    place.bench.until("the port is gone", |bench| state(bench) == "gone").await;
    assert_eq!(place.bench.get("/healthz").0, 200, "a port that is gone is to be expected");
    place.socket.plug_in();
    place.bench.until("the port is back", |bench| state(bench) == "open").await;
    place.bench.until("it is read again", |_| place.is_good("incomer")).await;
    assert_eq!(place.bench.terminate(), Some(0), "{}", place.bench.log());
}

fn check_values(place: &Place) {
    let incomer = place.meter("incomer");
    let place_on_bus = (&incomer["bus"], &incomer["address"], &incomer["profile"]);
    assert_eq!(place_on_bus, (&json!("line"), &json!(INCOMER), &json!(SDM630)));
    let values = &incomer["values"];
    assert_eq!(values["power_w"], 6900, "{values}");
    assert!(values["energy_import_wh"].as_u64().unwrap() >= 1_234_500, "{values}");
    assert_eq!(values["voltage_dv"], json!([2300, 2300, 2300]));
    assert_eq!(values["current_ca"].as_array().unwrap().len(), 3, "{values}");
    assert_eq!(values["frequency_chz"], 5000);
    let left = place.meter("left");
    assert_eq!(left["values"]["voltage_dv"], json!([2300]), "a meter of one phase");
    assert_eq!(left["measures"], json!({ "connector": 1 }));
}

fn check_pages(place: &Place) {
    let bench = &place.bench;
    let (code, page) = bench.get("/api/v1/meters");
    let meters: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((code, meters.as_array().unwrap().len()), (200, 2));
    let status = bench.json(&["status"]);
    assert_eq!(status["meters"].as_array().unwrap().len(), 2);
    let bus = &status["buses"][0];
    assert_eq!((&bus["name"], &bus["state"]), (&json!("line"), &json!("open")));
    assert!(bus["load_permille"].as_u64().unwrap() <= 1000, "{bus}");
    let slave = &bus["meters"][0];
    assert!(slave["readings"].as_u64().unwrap() > 0 && slave["timeouts"] == 0, "{slave}");
    assert!(slave["round_trip_ms"].as_u64().is_some(), "{slave}");
    let metrics = bench.get("/metrics").1;
    for wanted in [
        "sitepilot_meter_power_watts{meter=\"incomer\",measures=\"site\"} 6900",
        "sitepilot_meter_voltage_volts{meter=\"incomer\",measures=\"site\",phase=\"L2\"} 230.0",
        "sitepilot_meter_quality{meter=\"left\",measures=\"connector 1\",quality=\"good\"} 1",
        "sitepilot_bus_open{bus=\"line\"} 1",
        "sitepilot_meter_readings_total{bus=\"line\",meter=\"incomer\"}",
    ] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
    assert!(bench.get("/").1.contains("<td>incomer"));
    let listed = text(&bench.cli(&["meters", "list"]).stdout);
    assert!(listed.contains("incomer") && listed.contains("connector 1"), "{listed}");
    assert!(text(&bench.cli(&["status"]).stdout).contains("incomer"));
}

/// What `meters read` says of the incomer.
fn check_reading(reading: &Value) {
    assert_eq!(reading["values"]["power_w"], 6900, "{reading}");
    let registers = reading["registers"].as_array().unwrap();
    let voltage = registers.iter().find(|r| r["quantity"] == "voltage_l1").unwrap();
    // 230.0 as a floating-point number.
    assert_eq!(voltage["words"], json!(["4366", "0000"]), "{voltage}");
    assert_eq!((&voltage["table"], &voltage["address"]), (&json!("input"), &json!(0)));
    assert_eq!((&voltage["kind"], &voltage["value"]), (&json!("f32"), &json!("230.0")));
    assert_eq!(voltage["unit"], "V");
}

#[tokio::test]
async fn a_meter_is_read_with_its_registers_through_the_controller_and_without() {
    let mut place = Place::new();
    check_reading(&place.bench.json(&["meters", "read", "incomer"]));
    place.start().await;
    check_reading(&place.bench.json(&["meters", "read", "incomer"]));
    let shown = text(&place.bench.cli(&["meters", "read", "incomer"]).stdout);
    assert!(shown.contains("4366 0000") && shown.contains("230.0 V"), "{shown}");
    assert_eq!(place.bench.cli(&["meters", "read", "nobody"]).status.code(), Some(1));

    place.meters.with(INCOMER, |slave, _| slave.fail(Fault::Silent, Lasting::ForEver)).unwrap();
    let silent = place.bench.cli(&["meters", "read", "incomer", "--json"]);
    assert_eq!(silent.status.code(), Some(1));
    let reading: Value = serde_json::from_slice(&silent.stdout).unwrap();
    assert_eq!((&reading["fault"], &reading["values"]), (&json!("no answer"), &Value::Null));
}

#[tokio::test]
async fn a_meter_that_was_replaced_is_told_of_before_it_is_believed() {
    let mut place = Place::new();
    place.start().await;
    place.meters.with(INCOMER, Slave::replace).unwrap();
    let quality = |_: &Bench| place.meter("incomer")["quality"] == "implausible";
    place.bench.until("it is not believed", quality).await;
    let said = place.bench.cli(&["meters", "replaced", "incomer"]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    place.bench.until("it is believed again", |_| place.is_good("incomer")).await;
    let values = place.meter("incomer")["values"].clone();
    assert!(values["energy_import_wh"].as_u64().unwrap() < 1000, "{values}");
    assert_eq!(place.bench.cli(&["meters", "replaced", "nobody"]).status.code(), Some(1));
}

/// The name of the likeliest profile at each address.
fn likeliest(report: &Value) -> Vec<(u64, String)> {
    let found = report["found"].as_array().unwrap().iter();
    let each = found.map(|found| {
        let best = found["profiles"][0]["profile"].as_str().unwrap_or("none").to_owned();
        (found["address"].as_u64().unwrap(), best)
    });
    each.collect()
}

/// Simulated meters answer at once; nobody waits long for the others.
fn scan(addresses: &str) -> [&str; 8] {
    ["meters", "scan", "--bus", "line", "--addresses", addresses, "--timeout-ms", "60"]
}

#[tokio::test]
async fn a_scan_finds_the_meters_of_a_line_and_what_they_are() {
    let place = Place::new();
    // The config knows one of the two.
    place.bench.replace(&format!("address = {LEFT}"), "address = 99");
    let report = place.bench.json(&scan("1-9"));
    let wanted = [(u64::from(INCOMER), SDM630.to_owned()), (u64::from(LEFT), SDM120.to_owned())];
    assert_eq!(likeliest(&report), wanted, "{report}");
    let first = &report["found"][0];
    assert_eq!(first["setting"], json!({ "baud": 19200, "parity": "none", "stop_bits": 1 }));
    assert_eq!((&first["name"], &report["found"][1]["name"]), (&json!("incomer"), &Value::Null));
    assert_eq!(first["profiles"][0]["values"]["voltage_dv"], json!([2300, 2300, 2300]));
    // What is not in the config can be pasted into it.
    let config = report["config"].as_str().unwrap();
    assert!(config.contains("address = 7\nprofile = \"eastron-sdm120\"\n"), "{config}");
    assert!(!config.contains("address = 1\n"), "{config}");

    let shown = place.bench.cli(&scan("7"));
    let table = text(&shown.stdout);
    assert!(table.contains("19200 8N1") && table.contains("230.0 V, 50.00 Hz"), "{table}");
    assert!(table.contains("[[meter]]"), "{table}");
    for (args, code) in [
        (&["--bus", "other"][..], 1),
        (&["--bus", "line", "--addresses", "0"], 64),
        (&["--bus", "line", "--speeds", "123"], 64),
    ] {
        let output = place.bench.cli(&[&["meters", "scan"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
    }
}

#[tokio::test]
async fn a_disturbed_address_is_told_of_and_the_scan_goes_on() {
    let place = Place::new();
    place.meters.with(INCOMER, |slave, _| slave.fail(Fault::Flip, Lasting::ForEver)).unwrap();
    let report = place.bench.json(&scan("1,7"));
    assert_eq!(likeliest(&report), [(u64::from(LEFT), SDM120.to_owned())], "{report}");
    assert_eq!(report["disturbed"][0]["address"], 1, "{report}");
}

fn bus_state(bench: &Bench) -> String {
    bench.json(&["status"])["buses"][0]["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_scan_borrows_the_bus_of_a_running_controller_and_gives_it_back() {
    let mut place = Place::new();
    place.start().await;
    let scan = |addresses: &str| {
        let args = ["meters", "scan", "--json", "--bus", "line", "--addresses", addresses];
        let mut command = place.bench.command(&args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // A whole one.
    let done = scan("1-7").wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(likeliest(&report).len(), 2, "{report}");
    place.bench.until("it is given back", |bench| bus_state(bench) == "open").await;
    place.bench.until("meters are read again", |_| place.is_good("incomer")).await;

    // One that somebody stops.
    let stopped = scan("1-247");
    place.bench.until("the bus is lent", |bench| bus_state(bench) == "lent").await;
    assert_eq!(place.bench.get("/healthz").0, 200, "a lent bus is no fault of a room");
    kill("-INT", &stopped);
    let stopped = stopped.wait_with_output().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{}", text(&stopped.stderr));
    let report: Value = serde_json::from_slice(&stopped.stdout).unwrap();
    assert_eq!(report["interrupted"], true, "{report}");
    place.bench.until("it is given back", |bench| bus_state(bench) == "open").await;

    // One that dies.
    let died = scan("1-247");
    place.bench.until("the bus is lent", |bench| bus_state(bench) == "lent").await;
    kill("-KILL", &died);
    assert!(!died.wait_with_output().unwrap().status.success());
    place.bench.until("the controller takes it back", |bench| bus_state(bench) == "open").await;
    place.bench.until("meters are read again", |_| place.is_good("incomer")).await;
}

fn kill(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

#[tokio::test]
async fn an_order_is_billed_by_the_meter_of_its_connector() {
    let mut place = Place::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, place.bench.cloud).await;
    place.start().await;
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    let mut piles = JoinSet::new();
    piles.spawn(mqtt::run(pile.clone(), Broker::plain("127.0.0.1", place.bench.doors)));
    place.bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;

    begin(&place.bench, &pile, 1, "CARD1").await;
    let import = |_: &Bench| place.meter("left")["values"]["energy_import_wh"].as_u64().unwrap();
    let before = import(&place.bench);
    let load = Load::constant(720_000);
    place.meters.with(LEFT, |slave, now| slave.set_load(&load, now)).unwrap();
    place.bench.until("it has counted", |bench| import(bench) > before + 500).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    place.bench.until("it is recorded", |bench| recorded(bench) == 1).await;

    let orders = place.bench.json(&["orders", "list"]);
    let order = place.bench.json(&["orders", "show", orders[0]["id"].as_str().unwrap()]);
    let metering = &order["metering"];
    assert_eq!((&metering["meter"], &metering["billed"]), (&json!("left"), &json!("meter")));
    let [start, stop] = ["start_wh", "stop_wh"].map(|key| metering[key].as_u64().unwrap());
    assert!((77_000..=before).contains(&start), "{metering}");
    // The reading that the stop has asked for; the page is behind it for a moment.
    assert!(stop >= before + 500, "{metering}");
    place.bench.until("the page has it too", |bench| import(bench) >= stop).await;
    let energy = order["energy_wh"].as_u64().unwrap();
    assert!(energy.abs_diff(stop - start) <= 10, "to 10 Wh: {order}");
    assert_eq!(orders[0]["metering"], *metering, "the list says the same");
    let exported = place.bench.cli(&["orders", "export", "--format", "csv"]);
    let csv = String::from_utf8(exported.stdout).unwrap();
    let pile = ["pile_start_wh", "pile_stop_wh"].map(|key| metering[key].as_u64().unwrap());
    let wanted = format!("left,{start},{stop},{},{}", pile[0], pile[1]);
    let row = csv.lines().nth(1).unwrap();
    assert!(row.ends_with(&wanted), "{row:?} ends with {wanted:?}");
}

/// Serves meters by TCP on a thread of its own; where.
fn converter(meters: Meters, framing: Framing) -> SocketAddr {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Tcp::bind(([127, 0, 0, 1], 0).into(), meters, framing).await.unwrap();
            told.send(server.address().unwrap()).unwrap();
            server.run().await;
        });
    });
    address.recv().unwrap()
}

#[tokio::test]
async fn meters_behind_converters_are_read_and_found_too() {
    for (framing, name) in [(Framing::Tcp, "tcp"), (Framing::Rtu, "rtu")] {
        let mut bench = Bench::new();
        let meters = Meters::new(vec![slave(SDM630, INCOMER, 6900, 1_234_500)], clock());
        let address = converter(meters, framing);
        bench.append(&format!(
            r#"
            [[bus]]
            name = "lan"
            tcp = {{ address = "{address}", framing = "{name}" }}
            timeout_ms = 200
            [[meter]]
            name = "incomer"
            bus = "lan"
            address = {INCOMER}
            profile = "{SDM630}"
            measures = "site"
            "#
        ));
        bench.start().await;
        let quality = |bench: &Bench| bench.json(&["meters", "list"])[0]["quality"].clone();
        bench.until("it is read", |bench| quality(bench) == "good").await;
        check_reading(&bench.json(&["meters", "read", "incomer"]));
        // What a converter says of a unit that is not there is no meter.
        let scan = ["meters", "scan", "--bus", "lan", "--addresses", "1-4", "--timeout-ms", "60"];
        let report = bench.json(&scan);
        assert_eq!(likeliest(&report), [(u64::from(INCOMER), SDM630.to_owned())], "{report}");
        bench.until("it is read again", |bench| quality(bench) == "good").await;
        assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    }
}

#[test]
fn a_check_warns_of_what_will_not_work_well() {
    let bench = Bench::new();
    let port = bench.dir.path().join("ttyNOTHING");
    let hint_at_scan = || text(&bench.cli(&["meters", "scan", "--bus", "rs485-9"]).stderr);
    assert!(hint_at_scan().contains("hint: there is none at all: write a [[bus]] into /"));
    bench.append(&tables(&port));
    assert!(hint_at_scan().contains("hint: line"), "{}", hint_at_scan());
    bench.replace("19200", "300");
    let checked = bench.cli(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    let document: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let keys: Vec<_> = document["warnings"].as_array().unwrap().iter().map(|w| &w["key"]).collect();
    assert_eq!(keys, ["bus[1]", "bus[1].serial.port"], "{document}");
    assert!(text(&checked.stderr).contains("2 meter(s)"));
    bench.replace(SDM630, "eastron-sdm63");
    let checked = bench.cli(&["check"]);
    let said = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(78), "{said}");
    assert!(said.contains("meter[1].profile: is no profile of a meter: eastron-sdm63"), "{said}");
    assert!(said.contains("hint: did you mean eastron-sdm630"), "{said}");
}
