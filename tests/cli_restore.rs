//! A backup put in its place: on a machine that has nothing, over what is there, and never one
//! that is not whole. And root, who runs the commands without leaving anything of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    process::Output,
};

use sitepilot::{
    peers::{
        backend::{Backend, BackendConfig},
        handle::Handle,
        mqtt::{self, Broker},
        pile::{Pile, PileConfig},
    },
    sys::user::is_root,
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;

use bench::{Bench, PILE, charge, clock, host, states, text};

fn told(output: &Output) -> String {
    text(&output.stderr)
}

fn refused(bench: &Bench, args: &[&str], wanted: &str) {
    let output = bench.cli(args);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains(wanted), "{wanted}: {}", told(&output));
}

fn done(bench: &Bench, args: &[&str]) -> String {
    let output = bench.cli(args);
    assert!(output.status.success(), "{args:?}: {}", told(&output));
    told(&output)
}

fn backup(bench: &Bench, dir: &Path, name: &str) -> String {
    let file = dir.join(name).to_str().unwrap().to_owned();
    done(bench, &["backup", &file]);
    file
}

fn all_settled(bench: &Bench) -> bool {
    states(bench).iter().all(|state| state == "settled")
}

/// Everything below a directory, but sockets: path, mode, owner, what is in it.
fn tree(dir: &Path) -> Vec<(PathBuf, u32, u32, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let body = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if meta.is_dir() {
            found.extend(tree(&path));
        }
        found.push((path, meta.mode(), meta.uid(), meta.gid(), body));
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_site_goes_on_from_its_backup_and_every_order_settles_once() {
    let mut bench = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    piles.spawn(mqtt::run(pile.clone(), doors));
    charge(&bench, &pile, 1, 1).await;
    bench.until("settled", all_settled).await;
    drop(cloud);
    bench.until("off line", |b| b.json(&["uplinks", "list"])[0]["state"] == "offline").await;
    charge(&bench, &pile, 2, 2).await;

    let out = tempfile::tempdir().unwrap();
    let file = backup(&bench, out.path(), "site.backup");
    refused(&bench, &["restore", "--force", &file], "a controller is running");
    // The board dies.
    bench.kill();
    let log = bench.log();
    for name in ["data", "site.toml", "pile", "code", "cloud"] {
        let path = bench.dir.path().join(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    let said = done(&bench, &["restore", &file]);
    assert!(said.contains("2 orders, 1 of them not settled"), "{said}");
    assert_eq!(bench.cli(&["check"]).status.code(), Some(0));
    let conn = rusqlite::Connection::open(bench.dir.path().join("data/ledger.db")).unwrap();
    let sql = "SELECT count(*) FROM sqlite_master WHERE name IN ('luggage', 'backup')";
    assert_eq!(conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    drop(conn);
    let bytes = fs::read(bench.dir.path().join("data/ledger.db")).unwrap();
    let has_secret = bytes.windows(11).any(|part| part == b"pile secret");
    assert!(!has_secret, "no secret stays in what was the backup");

    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("settled", all_settled).await;
    charge(&bench, &pile, 1, 3).await;
    bench.until("settled", all_settled).await;
    let books = backend.with(|backend, _| backend.books().clone());
    assert_eq!((books.settled(), books.orders().count()), (3, 3), "{log}");
    assert_eq!((books.altered(), books.doubled()), (vec![], vec![]));
    assert_eq!(backend.with(|backend, _| backend.accounts().len()), 1, "registered once");
    assert_eq!(bench.json(&["status"])["alarms"].as_array().unwrap().len(), 0);

    // The old backup over the newer ledger: nothing is deleted, and what is newer can be had back.
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    refused(&bench, &["restore", &file], "there is a config already");
    refused(&bench, &["restore", "--ledger-only", &file], "there is a ledger already");
    let config = fs::read(bench.config()).unwrap();
    let said = done(&bench, &["restore", "--ledger-only", "--force", &file]);
    assert!(said.contains("journal rows more than the backup"), "{said}");
    assert_eq!(fs::read(bench.config()).unwrap(), config);
    let aside = bench.dir.path().join("data/ledger.before-restore-1.db");
    assert!(said.contains(aside.to_str().unwrap()), "{said}");
    bench.start().await;
    assert_eq!(states(&bench).len(), 2);
    done(&bench, &["orders", "import", aside.to_str().unwrap()]);
    bench.until("settled", all_settled).await;
    assert_eq!(states(&bench).len(), 3);
    let books = backend.with(|backend, _| backend.books().clone());
    assert_eq!((books.settled(), books.altered(), books.doubled()), (3, vec![], vec![]));
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
}

#[tokio::test]
async fn what_is_not_a_whole_backup_changes_nothing() {
    let mut bench = Bench::new();
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    let out = tempfile::tempdir().unwrap();
    let good = backup(&bench, out.path(), "good");
    let before = tree(bench.dir.path());
    let bytes = fs::read(&good).unwrap();
    let altered = |name: &str, sql: &str| {
        let path = out.path().join(name);
        fs::write(&path, &bytes).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };
    let half = out.path().join("half");
    fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
    let other = out.path().join("other");
    fs::write(&other, "a letter").unwrap();
    let rename = |to: &str| format!("UPDATE luggage SET path = '{to}' WHERE path = 'config/pile'");
    for (path, wanted) in [
        (half, "of no use as a backup"),
        (other, "it is not a database"),
        (out.path().join("none"), "No such file"),
        (bench.dir.path().join("data/ledger.db"), "no backup"),
        (altered("newer", "PRAGMA user_version = 99"), "schema 99"),
        (altered("format", "UPDATE backup SET value = 2 WHERE key = 'format'"), "format: 2"),
        (altered("body", "UPDATE luggage SET body = x'00' WHERE path = 'config/pile'"), "packed"),
        (altered("flood", FLOOD), "no backup"),
        (altered("heavy", "UPDATE luggage SET body = zeroblob(1 << 26)"), "no site has such files"),
        (altered("up", &rename("config/../../x")), "a name of its own"),
        (altered("root", &rename("/etc/passwd")), "a name of its own"),
        (altered("ledger", &rename("data/ledger.db")), "a name of its own"),
    ] {
        refused(&bench, &["restore", "--force", path.to_str().unwrap()], wanted);
        let now = tree(bench.dir.path());
        let (was, is): (Vec<_>, Vec<_>) =
            (before.iter().map(|f| &f.0).collect(), now.iter().map(|f| &f.0).collect());
        assert_eq!(was, is, "{}", path.display());
        assert!(before == now, "{} changed a file", path.display());
    }
    let both = ["restore", "--ledger-only", "--config-only", &good];
    assert_eq!(bench.cli(&both).status.code(), Some(64));
    // Twice in a row is once: what is the same stays, what was there before is kept.
    done(&bench, &["restore", "--force", &good]);
    done(&bench, &["restore", "--force", &good]);
    fs::remove_file(bench.config()).unwrap();
    done(&bench, &["restore", "--config-only", &good]);
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
}

/// Files without end.
const FLOOD: &str = "DROP TABLE luggage; CREATE VIEW luggage AS
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
    SELECT 'config/' || x AS path, 384 AS mode, x'' AS sha256, x'' AS body FROM n";

/// Somebody else than root, whom the user database does not know.
const STRANGER: u32 = 12_345;

#[tokio::test]
async fn root_leaves_everything_to_whom_it_belongs() {
    let mut bench = Bench::new();
    if !is_root() {
        // Nobody else can give files away; then there is nobody to take them from, either.
        assert!(chown(bench.config(), Some(STRANGER), None).is_err());
        return;
    }
    let dir = bench.dir.path().to_owned();
    let owners =
        |dir: &Path| tree(dir).into_iter().map(|(path, mode, uid, gid, _)| (path, mode, uid, gid));
    fs::create_dir(dir.join("data")).unwrap();
    fs::write(dir.join("log"), "").unwrap();
    for path in owners(&dir).map(|file| file.0).chain([dir.clone()]) {
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let foreign = |dir: &Path| -> Vec<_> {
        owners(dir).filter(|file| (file.2, file.3) != (STRANGER, STRANGER)).collect()
    };
    bench.start().await;
    assert!(bench.log().contains("running as 12345"), "{}", bench.log());
    let status = fs::read_to_string(format!("/proc/{}/status", bench.child.as_ref().unwrap().id()));
    let ids = format!("Uid:\t{STRANGER}\t{STRANGER}\t{STRANGER}\t{STRANGER}\n");
    assert!(status.unwrap().contains(&ids), "all of it runs as that user");
    let out = tempfile::tempdir().unwrap();
    let commands = |bench: &Bench, life: &str| {
        let inside = dir.join(format!("data/{life}/x.backup"));
        let outside = out.path().join(life);
        for args in [
            &["check"][..],
            &["doctor"],
            &["orders", "list"],
            &["orders", "summary"],
            &["orders", "verify"],
            &["backup", outside.to_str().unwrap()],
            &["backup", inside.to_str().unwrap()],
        ] {
            done(bench, args);
        }
        assert_eq!(outside.metadata().unwrap().uid(), 0);
        assert_eq!(foreign(&dir), [], "while it is {life}");
    };
    commands(&bench, "running");
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    let before: Vec<_> = owners(&dir).collect();
    commands(&bench, "stopped");
    let after: Vec<_> =
        owners(&dir).filter(|file| !file.0.starts_with(dir.join("data/stopped"))).collect();
    assert_eq!(after, before, "nothing but the backup is new");
    // Cut off without a chance to clear up, and read then.
    bench.start().await;
    bench.kill();
    commands(&bench, "dead");
    let file = out.path().join("dead");
    done(&bench, &["restore", "--force", file.to_str().unwrap()]);
    assert_eq!(foreign(&dir), []);
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    assert_eq!(foreign(&dir), []);
    // What only root can read lets no service start, so it is not good, whoever looks.
    let piles = dir.join("data/piles.toml");
    fs::write(&piles, "").unwrap();
    fs::set_permissions(&piles, fs::Permissions::from_mode(0o600)).unwrap();
    let check = |wanted| {
        let output = bench.cli(&["check"]);
        assert_eq!(output.status.code(), Some(wanted), "{}", told(&output));
        told(&output)
    };
    let hint = check(78);
    assert!(hint.contains("piles.toml: cannot be read") && hint.contains("use sudo"), "{hint}");
    chown(&piles, Some(STRANGER), None).unwrap();
    check(0);
}

#[tokio::test]
async fn links_beside_the_ledger_lead_nowhere_that_its_owner_may_not_go() {
    let mut bench = Bench::new();
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    let (dir, out) = (bench.dir.path().to_owned(), tempfile::tempdir().unwrap());
    let (ledger, elsewhere) = (dir.join("data/ledger.db"), out.path().join("other.db"));
    fs::copy(&ledger, &elsewhere).unwrap();
    // Nobody but root can read it.
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        for path in tree(&dir).into_iter().map(|file| file.0).chain([dir.clone()]) {
            chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
        }
    }
    let inside = dir.join("data/x.backup");
    let kept = dir.join("data/kept.db");
    fs::rename(&ledger, &kept).unwrap();
    for (to, wanted) in
        [(elsewhere.as_path(), "Permission denied"), (Path::new("/dev/zero"), "is not a file")]
    {
        symlink(to, &ledger).unwrap();
        refused(&bench, &["backup", inside.to_str().unwrap()], wanted);
        fs::remove_file(&ledger).unwrap();
    }
    fs::rename(&kept, &ledger).unwrap();
    let names: Vec<_> = tree(&dir.join("data")).into_iter().map(|file| file.0).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("backup")), "{names:?}");

    symlink(out.path(), dir.join("data/link")).unwrap();
    let through = dir.join("data/link/x.backup");
    if is_root() {
        refused(&bench, &["backup", through.to_str().unwrap()], "Permission denied");
    } else {
        done(&bench, &["backup", through.to_str().unwrap()]);
    }
    assert_eq!(out.path().join("x.backup").exists(), !is_root());
}
