//! Backups of a controller as a process: beside its writing, killed, refused.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

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

use bench::{Bench, PILE, charge, clock, host, text};

/// Orders of a controller under backup, and backups of it.
const ORDERS: usize = 12;
const ROUNDS: usize = 8;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn number_and_hash(head: &Value) -> (i64, String) {
    let (n, hash) = head.as_str().unwrap().split_once(' ').unwrap();
    (n.parse().unwrap(), hash.to_owned())
}

#[tokio::test]
async fn backups_beside_a_busy_controller_are_the_ledger_of_one_moment() {
    let mut bench = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    piles.spawn(mqtt::run(pile.clone(), Broker::plain("127.0.0.1", bench.doors)));
    charge(&bench, &pile, 1, 1).await;

    let out = tempfile::tempdir().unwrap();
    let commands: Vec<_> = (0..ROUNDS)
        .map(|round| {
            let file = out.path().join(format!("{round}.backup"));
            let before = bench.command(&["orders", "summary", "--json"]);
            (before, bench.command(&["backup", "--json", file.to_str().unwrap()]))
        })
        .collect();
    let rounds = tokio::task::spawn_blocking(move || {
        let run = |mut command: std::process::Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        commands.into_iter().map(|(before, backup)| (run(before), run(backup))).collect::<Vec<_>>()
    });
    for orders in 2..=ORDERS {
        charge(&bench, &pile, 1, orders).await;
    }
    let rounds = rounds.await.unwrap();
    assert_eq!(bench.get("/healthz").0, 200);
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());

    let live = rusqlite::Connection::open(bench.dir.path().join("data/ledger.db")).unwrap();
    for (round, (before, made)) in rounds.iter().enumerate() {
        let file = out.path().join(format!("{round}.backup"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let ((before, _), (n, hash)) =
            (number_and_hash(&before["head"]), number_and_hash(&made["head"]));
        assert!(n >= before, "what was on record before it is in it: {before} {made}");
        let sql = "SELECT lower(hex(hash)) FROM journal WHERE n = ?1";
        let found: String = live.query_row(sql, [n], |row| row.get(0)).unwrap();
        assert_eq!(found, hash, "it is a part of the same journal");
        // It is a ledger like any other.
        let path = file.to_str().unwrap();
        let verdict = bench.json(&["orders", "verify", "--ledger", path]);
        assert_eq!((&verdict["bad"], &verdict["head"]), (&Value::Null, &made["head"]));
        let orders = bench.json(&["orders", "list", "--ledger", path]);
        assert_eq!(made["orders"], orders.as_array().unwrap().len());
    }
    let wanted: Vec<_> = (0..ROUNDS).map(|round| format!("{round}.backup")).collect();
    assert_eq!(names(out.path()), wanted, "nothing else is left");
}

#[tokio::test]
async fn a_backup_that_is_killed_harms_nobody_and_the_next_one_clears_up() {
    let mut bench = Bench::new();
    bench.start().await;
    let before = names(&bench.dir.path().join("data"));
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("x.backup");
    let path = file.to_str().unwrap();
    for round in 0..20 {
        let mut child = bench.command(&["backup", path]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let left = names(out.path());
        let is_ours = |name: &String| name == "x.backup" || name.starts_with("x.backup.partial");
        assert!(left.iter().all(is_ours), "{left:?}");
        // If it was too late, it is whole.
        if file.exists() {
            assert!(bench.cli(&["orders", "verify", "--ledger", path]).status.success());
            fs::remove_file(&file).unwrap();
        }
    }
    assert_eq!(bench.get("/healthz").0, 200);
    let output = bench.cli(&["backup", path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(names(out.path()), ["x.backup"]);
    assert_eq!(names(&bench.dir.path().join("data")), before, "nothing new beside the ledger");
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn a_backup_is_refused_where_it_would_overwrite_or_cannot_be_made() {
    let mut bench = Bench::new();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("x.backup");
    let path = file.to_str().unwrap();
    let refused = |bench: &Bench, args: &[&str], wanted: &str| {
        let output = bench.cli(args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(wanted), "{told}");
    };
    refused(&bench, &["backup", path], "there is no ledger");
    assert_eq!(bench.cli(&["backup", "--if-outdated", path]).status.code(), Some(0));
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));

    // Stopped: the same, and nothing is left beside the ledger.
    let before = names(&bench.dir.path().join("data"));
    let output = bench.cli(&["backup", path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("keep it as safe as these"));
    assert_eq!(names(&bench.dir.path().join("data")), before);
    refused(&bench, &["backup", path], "--force replaces it");
    assert!(bench.cli(&["backup", "--force", path]).status.success());
    refused(&bench, &["backup", "/nonexistent/x.backup"], "there is no directory");
    refused(&bench, &["backup", "--force", out.path().to_str().unwrap()], "no backup was made");
    assert_eq!(names(out.path()), ["x.backup"]);

    // Only for what would be migrated.
    fs::remove_file(&file).unwrap();
    let output = bench.cli(&["backup", "--if-outdated", path]);
    assert_eq!((output.status.code(), file.exists()), (Some(0), false));
    assert!(text(&output.stderr).contains("nothing to back up"));
    let ledger = bench.dir.path().join("data/ledger.db");
    let conn = rusqlite::Connection::open(&ledger).unwrap();
    conn.pragma_update(None, "user_version", 9).unwrap();
    drop(conn);
    refused(&bench, &["backup", path], "schema 9");
    fs::write(&ledger, "no ledger").unwrap();
    refused(&bench, &["backup", path], "no backup was made");
    assert_eq!(names(out.path()), [""; 0], "what was begun is gone");
}

/// Makes a disk of 16 KiB that nobody else sees, has a backup made on it, and says what is left.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=16k tmpfs \"$1\" || exit 9
\"$2\" --config \"$3\" backup \"$1/x.backup\"; echo \"exit $?\"; ls -A \"$1\"";

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_left_on_it() {
    if !sitepilot::sys::user::is_root() {
        eprintln!("NOT TRIED: only root can mount a small disk");
        return;
    }
    let mut bench = Bench::new();
    bench.start().await;
    let out = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", ON_A_SMALL_DISK, "sh"])
        .args([out.path(), Path::new(env!("CARGO_BIN_EXE_sitepilot")), &bench.config()])
        .output()
        .unwrap();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    if output.status.code() == Some(9) || told.contains("unshare failed") {
        assert!(std::env::var_os("CI").is_none(), "no small disk can be mounted: {told}");
        eprintln!("NOT TRIED: no small disk can be mounted: {told}");
        return;
    }
    assert_eq!(said, "exit 1\n", "{told}");
    assert!(told.contains("there is no room for it"), "{told}");
    assert_eq!(bench.get("/healthz").0, 200);
    assert_eq!(bench.terminate(), Some(0));
}
