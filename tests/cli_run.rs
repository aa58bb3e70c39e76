//! The controller as a process: a pile and a backend around it, an outage, SIGKILL in the middle
//! of it, and the commands that look at what became of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use serde_json::Value;
use sitepilot::peers::{
    backend::{Backend, BackendConfig},
    handle::Handle,
    mqtt::{self, Broker},
    pile::{Pile, PileConfig},
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, PILE, charge, clock, host, states, text};

fn all_settled(bench: &Bench) -> bool {
    states(bench).iter().all(|state| state == "settled")
}

#[tokio::test]
async fn orders_survive_an_outage_and_a_kill_and_the_commands_tell_of_them() {
    let mut bench = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    piles.spawn(mqtt::run(pile.clone(), doors));

    // On line: registered once, settled by the answer to the stop.
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    charge(&bench, &pile, 1, 1).await;
    bench.until("settled", all_settled).await;

    // An outage; the order is recorded, and the controller dies.
    drop(cloud);
    bench.until("off line", |b| b.json(&["uplinks", "list"])[0]["state"] == "offline").await;
    charge(&bench, &pile, 2, 2).await;
    check_summary(&bench, 1, true);
    bench.kill();
    check_stopped(&bench);
    check_summary(&bench, 1, false);

    // Everything comes back, and what was owed is delivered.
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("settled", all_settled).await;
    let books = backend.with(|backend, _| backend.books().clone());
    assert_eq!((books.settled(), books.orders().count()), (2, 2));
    assert_eq!((books.altered(), books.doubled()), (vec![], vec![]));
    assert_eq!(backend.with(|backend, _| backend.accounts().len()), 1, "registered once");

    check_running(&bench);
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    assert!(!bench.dir.path().join("control.sock").exists());
    check_stopped(&bench);
}

/// What the commands and pages say of a running controller with two settled orders.
fn check_running(bench: &Bench) {
    let orders = bench.json(&["orders", "list", "--pile", PILE, "--state", "settled"]);
    let id = orders[0]["id"].as_str().unwrap();
    assert_eq!(orders.as_array().unwrap().len(), 2);
    assert!(id.starts_with(PILE) && id.len() == 32);
    assert_eq!(orders[0]["deliveries"][0]["state"], "confirmed");
    assert_eq!(bench.json(&["orders", "show", id])["id"], id);
    assert_eq!(bench.json(&["piles", "list"])[0]["code"], PILE);
    assert_eq!(bench.json(&["orders", "verify"])["bad"], Value::Null);
    check_summary(bench, 0, true);
    for args in [&["status"][..], &["piles", "list"], &["uplinks", "list"], &["orders", "list"]] {
        let output = bench.cli(args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
    let csv = text(&bench.cli(&["orders", "export", "--format", "csv"]).stdout);
    assert_eq!((csv.lines().count(), csv.contains("cloud=confirmed")), (3, true), "{csv}");
    // A settled order cannot be sent again, nor an uplink of the config be retired.
    assert_eq!(bench.cli(&["orders", "retry", id]).status.code(), Some(1));
    assert_eq!(bench.cli(&["uplinks", "retire", "cloud"]).status.code(), Some(1));

    let (status, page) = bench.get("/api/v1/orders?limit=1");
    let first: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, first.as_array().unwrap().len()), (200, 1));
    let next = format!("/api/v1/orders?after={}", first[0]["position"]);
    let second: Value = serde_json::from_str(&bench.get(&next).1).unwrap();
    assert_eq!(second[0]["id"], orders[1]["id"]);
    assert_eq!(bench.get(&format!("/api/v1/orders/{id}")).0, 200);
    assert_eq!(bench.get("/api/v1/orders/nonsense").0, 400);
    assert_eq!(bench.get("/api/v1/orders?colour=red").0, 400);
    assert_eq!(bench.get("/nothing").0, 404);
    assert!(bench.get("/metrics").1.contains("sitepilot_orders{} 2"));
    assert!(bench.get("/").1.contains("Bench"));
}

/// The ledger in figures, which are those of the list.
fn check_summary(bench: &Bench, unsettled: usize, is_running: bool) {
    let summary = bench.json(&["orders", "summary"]);
    let figures = ["orders", "unsettled", "open"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(figures, [2, unsettled as u64, 0], "{summary}");
    assert_eq!((&summary["running"], &summary["schema"]), (&is_running.into(), &4.into()));
    assert!(summary["bytes"].as_u64().unwrap() > 10_000, "{summary}");
    let orders = bench.json(&["orders", "list", "--state", "recorded"]);
    assert_eq!(orders.as_array().unwrap().len(), unsettled);
    match unsettled {
        0 => assert_eq!(summary["oldest_unsettled_at"], Value::Null),
        _ => assert!(summary["oldest_unsettled_at"].is_string(), "{summary}"),
    }
    let head = bench.json(&["orders", "verify"])["head"].clone();
    assert_eq!(summary["head"], head);
    let table = text(&bench.cli(&["orders", "summary"]).stdout);
    assert!(table.contains(&format!("unsettled           {unsettled}\n")), "{table}");
}

/// A ledger is read wherever it lies, without a config, and not changed.
#[tokio::test]
async fn a_ledger_that_is_named_is_only_read() {
    let mut bench = Bench::new();
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    let card = tempfile::tempdir().unwrap();
    fs::copy(bench.dir.path().join("data/ledger.db"), card.path().join("ledger.db")).unwrap();
    fs::write(bench.config(), "nonsense").unwrap();
    let file = card.path().join("ledger.db");
    for path in [card.path(), &file] {
        let path = path.to_str().unwrap();
        for args in [&["orders", "list"][..], &["orders", "summary"], &["orders", "verify"]] {
            let output = bench.cli(&[args, &["--ledger", path]].concat());
            assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        }
        let import = bench.cli(&["orders", "--ledger", path, "import", path]);
        assert_eq!(import.status.code(), Some(64), "{}", text(&import.stderr));
    }
    let names = fs::read_dir(card.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["ledger.db"]);
    let elsewhere = bench.cli(&["orders", "summary", "--ledger", "/nonexistent"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(text(&elsewhere.stderr).contains("there is no ledger"));
}

/// What the commands say of a stopped controller: reading works, and leaves nothing behind.
fn check_stopped(bench: &Bench) {
    let files = || -> Vec<_> {
        let entries = fs::read_dir(bench.dir.path().join("data")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    assert_eq!(bench.json(&["orders", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(bench.json(&["orders", "verify"])["bad"], Value::Null);
    let lines = bench.cli(&["orders", "export", "--format", "jsonl"]).stdout;
    assert_eq!(text(&lines).lines().count(), 2);
    assert_eq!(files(), before);
    for args in [&["status"][..], &["piles", "list"], &["uplinks", "retire", "x"]] {
        assert_eq!(bench.cli(args).status.code(), Some(69), "{args:?}");
    }
}

#[tokio::test]
async fn a_second_controller_on_the_same_data_does_not_start() {
    let mut bench = Bench::new();
    bench.start().await;
    let second = bench.cli(&["run"]);
    assert_eq!(second.status.code(), Some(1), "{}", text(&second.stderr));
    assert_eq!(bench.get("/healthz").0, 200, "the first is not disturbed");
    assert_eq!(bench.terminate(), Some(0));

    // A port that is taken is named, once.
    let _holder = std::net::TcpListener::bind(("127.0.0.1", bench.doors)).unwrap();
    let refused = text(&bench.cli(&["run"]).stderr);
    assert!(refused.contains("doors cannot listen on 127.0.0.1:"), "{refused}");
    assert_eq!(refused.matches("in use").count(), 1, "{refused}");

    // What is in the way is named, with what to do about it.
    let lock = bench.dir.path().join("data/ledger.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let refused = text(&bench.cli(&["run"]).stderr);
    assert!(refused.contains("/data: ") && refused.contains("hint: it and all in it"), "{refused}");
}

#[test]
fn why_a_start_failed_is_told_also_before_there_is_a_ledger() {
    let bench = Bench::new();
    let data = bench.dir.path().join("data");
    // Nobody makes a directory there.
    bench.replace(data.to_str().unwrap(), "/proc/sitepilot");
    let output = bench.cli(&["run"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("stopped: cannot make the data directory: /proc/sitepilot: "), "{told}");
    assert!(told.contains("hint: it and all in it must belong to"), "{told}");
}

#[tokio::test]
async fn orders_of_another_ledger_are_taken_over() {
    let mut bench = Bench::new();
    let mut other = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(2)), clock());
    let _cloud = host(&backend, other.cloud).await;
    other.start().await;
    // Only a backend knows the card.
    other.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 9)), clock());
    piles.spawn(mqtt::run(pile.clone(), Broker::plain("127.0.0.1", other.doors)));
    charge(&other, &pile, 1, 1).await;
    assert_eq!(other.terminate(), Some(0));

    bench.start().await;
    let old: &Path = &other.dir.path().join("data/ledger.db");
    let old = old.to_str().unwrap();
    for _ in 0..2 {
        let output = bench.cli(&["orders", "import", old]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(bench.json(&["orders", "list"]).as_array().unwrap().len(), 1);
    }
    assert_eq!(bench.cli(&["orders", "import", "/nonexistent"]).status.code(), Some(1));
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn a_damaged_ledger_raises_an_alarm_and_what_is_no_ledger_is_named() {
    let mut bench = Bench::new();
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    assert!(!bench.log().contains("ERROR"), "an orderly stop is no fault: {}", bench.log());
    let file = bench.dir.path().join("data/ledger.db");
    fs::write(&file, [0x5a; 8192]).unwrap();
    // The log would put the good pages back.
    let _ = fs::remove_file(file.with_extension("db-wal"));

    bench.start().await;
    bench
        .until("the alarm", |b| b.json(&["status"])["alarms"][0]["name"] == "ledger_damaged")
        .await;
    let alarm = bench.json(&["status"])["alarms"][0]["text"].to_string();
    let aside = bench.dir.path().join("data/ledger.damaged-1.db");
    assert!(alarm.contains(aside.to_str().unwrap()), "{alarm}");
    let output = bench.cli(&["orders", "import", aside.to_str().unwrap()]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with(aside.to_str().unwrap()) && told.contains("not a database"), "{told}");
    assert_eq!(bench.terminate(), Some(0));
}
