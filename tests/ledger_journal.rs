//! The chain of the journal: what was altered is found, what is past its time is forgotten.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use rusqlite::Connection;
use sitepilot::{
    domain::order::{DeliveryState, OrderState},
    ledger::{Filter, Ledger, LedgerError, open_copy},
    site::{Lookup, entry::Entry},
};

#[path = "support/orders.rs"]
mod orders;

use orders::{confirmed, ended, open, open_entry, opened, record_entry, settled, stamp, uplink};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// One order a day, each settled, but for those in `owed`.
fn fill(ledger: &mut Ledger, days: u64, owed: &[u64]) {
    let cloud = uplink("cloud");
    for day in 1..=days {
        let running = opened(day, day % 3, stamp(day * DAY_MS));
        let over = ended(&running, stamp(day * DAY_MS + 1000), std::slice::from_ref(&cloud));
        ledger.record(&[open_entry(&running), record_entry(&over)]).unwrap();
        if !owed.contains(&day) {
            let at = stamp(day * DAY_MS + 2000);
            ledger.record(&[confirmed(&over, &cloud, at), settled(&over, at)]).unwrap();
        }
    }
}

/// What verification says after `sql` was done to the file of a stopped controller.
fn tampered(sql: &str) -> Option<(u64, String)> {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, 5, &[]);
    ledger.checkpoint().unwrap();
    let sound = ledger.verify().unwrap();
    assert_eq!((sound.rows, sound.orders, sound.bad), (20, 5, None));
    drop(ledger);
    Connection::open(dir.path().join("ledger.db")).unwrap().execute_batch(sql).unwrap();
    open_copy(dir.path()).unwrap().verify().unwrap().bad
}

#[test]
fn tampering_is_found() {
    assert_eq!(tampered("SELECT 1"), None);
    for (sql, n) in [
        ("UPDATE journal SET fact = CAST(fact || x'00' AS BLOB) WHERE n = 7", 7),
        ("UPDATE journal SET seq = 9 WHERE n = 7", 7),
        ("DELETE FROM journal WHERE n = 7", 8),
        ("DELETE FROM journal WHERE n > 17", 18),
        ("DELETE FROM journal WHERE n < 3", 3),
        (
            "UPDATE journal SET n = -7 WHERE n = 7; UPDATE journal SET n = 7 WHERE n = 8;
             UPDATE journal SET n = 8 WHERE n = -7",
            7,
        ),
        ("UPDATE endings SET energy = energy + 10 WHERE seq = 3", 10),
        ("UPDATE orders SET card = NULL WHERE seq = 3", 9),
        ("DELETE FROM endings WHERE seq = 3; INSERT INTO live (seq, state) VALUES (3, 1)", 10),
        ("DELETE FROM orders WHERE seq = 3", 9),
        (
            "INSERT INTO orders SELECT 99, 21, pile, 'x', started, connector, plug, flags, card,
               boot, mono, wall, quality, started_s, meter_start, revision, code, body
             FROM orders WHERE seq = 3;
             INSERT INTO live (seq, state) VALUES (99, 1)",
            20,
        ),
    ] {
        let found = tampered(sql);
        assert_eq!(found.as_ref().map(|(n, _)| *n), Some(n), "{sql}: {found:?}");
    }
}

#[test]
fn the_journal_tells_an_orders_story() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, 3, &[]);
    let reader = ledger.reader().unwrap();
    let rows = reader.dossier(&opened(2, 2, stamp(0)).id).unwrap().unwrap().journal;
    let story: Vec<String> =
        rows.iter().map(|row| format!("{} {}", row.kind.name(), row.detail)).collect();
    assert_eq!(
        story,
        ["opened ", "recorded 0.02 kWh, 2 fen", "confirmed cloud, attempts: 1", "settled "]
    );
}

#[test]
fn pruning_keeps_what_is_owed_and_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, 100, &[5, 70]);
    let head = ledger.head().unwrap();
    let now = stamp(101 * DAY_MS).wall.unix_ms;
    let mut orders = 0;
    loop {
        let pruned = ledger.prune(now, 50, 40).unwrap();
        orders += pruned.orders;
        assert!(pruned.rows <= 40);
        if !pruned.is_limited {
            break;
        }
    }
    // 100 days less 50 kept; day 51 began 50 days before now. One of the old ones is owed.
    assert_eq!(orders, 49);
    let verdict = ledger.verify().unwrap();
    assert_eq!((verdict.bad, verdict.head), (None, head));
    assert!(verdict.anchor.n > 0);
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.last_seq.0, image.unsettled), (51, 100, 2));
    let owed = opened(5, 2, stamp(0)).id;
    assert_eq!(ledger.lookup(&Lookup::Id(owed)).unwrap()[0].state, OrderState::Recorded);
    let gone = opened(6, 0, stamp(0)).id;
    assert!(ledger.lookup(&Lookup::Id(gone)).unwrap().is_empty());

    // Retired, nobody is owed anything, and it goes.
    let at = stamp(101 * DAY_MS);
    ledger.record(&[Entry::UplinkRetired { uplink: uplink("cloud"), at }]).unwrap();
    assert_eq!(ledger.prune(now, 50, 1000).unwrap().orders, 1);
    assert!(ledger.lookup(&Lookup::Id(owed)).unwrap().is_empty());
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.unsettled), (50, 0));
    let kept = opened(70, 1, stamp(0)).id;
    let kept = ledger.lookup(&Lookup::Id(kept)).unwrap().pop().unwrap();
    assert_eq!(kept.deliveries[0].state, DeliveryState::Retired);
    assert_eq!(ledger.verify().unwrap().bad, None);
}

#[test]
fn a_copy_leaves_nothing_behind_and_a_running_controller_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    fill(&mut ledger, 3, &[2]);
    assert!(matches!(open_copy(dir.path()), Err(LedgerError::Locked(_))));
    // Power gone: the log still stands beside the file.
    let stopped = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(dir.path().join(name), stopped.path().join(name)).unwrap();
    }
    let before = names(stopped.path());
    let reader = open_copy(stopped.path()).unwrap();
    assert_eq!(reader.list(&Filter::default(), 10).unwrap().len(), 3);
    let recorded = Filter { state: Some(OrderState::Recorded), ..Filter::default() };
    assert_eq!(reader.list(&recorded, 10).unwrap()[0].seq.0, 2);
    let mut seen = Vec::new();
    let export = reader.export(&Filter::default(), |order| {
        seen.push(order.seq.0);
        Ok::<(), LedgerError>(())
    });
    export.unwrap();
    assert_eq!(seen, [3, 2, 1]);
    assert_eq!(reader.verify().unwrap().bad, None);
    drop(reader);
    assert_eq!(names(stopped.path()), before);
}

fn names(dir: &std::path::Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}
