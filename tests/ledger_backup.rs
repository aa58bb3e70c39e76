//! Backups of a ledger that is written to as fast as it goes, and its figures from beside.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use sitepilot::{
    ledger::{
        self, Head, Ledger, Life, Verdict,
        backup::{About, Draft, Item, Seated, Source},
    },
    site::entry::Entry,
};

#[path = "support/orders.rs"]
mod orders;

use orders::{confirmed, ended, open, open_entry, opened, record_entry, settled, stamp, uplink};

/// All entries of an order that has ended; every other one is settled.
fn entries(seq: u64) -> Vec<Entry> {
    let begun = opened(seq, seq % 4 + 1, stamp(seq * 1000));
    let over = ended(&begun, stamp(seq * 1000 + 500), &[uplink("cloud")]);
    let mut entries = vec![open_entry(&begun), record_entry(&over)];
    if seq.is_multiple_of(2) {
        let at = stamp(seq * 1000 + 600);
        entries.extend([confirmed(&over, &uplink("cloud"), at), settled(&over, at)]);
    }
    entries
}

fn luggage() -> Vec<Item> {
    let item = |path: &str, mode, body: &[u8]| Item { path: path.into(), mode, body: body.into() };
    vec![item("config/site.toml", 0o640, b"[site]"), item("data/uplinks.toml", 0o600, &[0; 5000])]
}

fn about() -> About {
    About {
        site: "3101150012".into(),
        config: "/etc/sitepilot/site.toml".into(),
        ..About::default()
    }
}

fn back_up(dir: &Path, to: &Path) -> Head {
    let mut draft = Source::open(dir).unwrap().copy_to(to).unwrap();
    draft.pack(&about(), &luggage()).unwrap();
    let (summary, verdict) = draft.check().unwrap();
    assert_eq!((verdict.bad, verdict.head), (None, summary.head));
    draft.close().unwrap();
    summary.head
}

fn verified(ledger: &Ledger) -> Verdict {
    let verdict = ledger.verify().unwrap();
    assert_eq!(verdict.bad, None);
    verdict
}

/// Backups that are made while the writer writes.
const ROUNDS: usize = 30;

#[test]
fn a_backup_is_the_ledger_of_one_moment_however_fast_it_is_written() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut ledger, _) = open(dir.path());
    ledger.record(&entries(1)).unwrap();
    let is_done = AtomicBool::new(false);
    let (heads, made) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut heads = vec![ledger.head().unwrap()];
            for seq in 2.. {
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                ledger.record(&entries(seq)).unwrap();
                heads.push(ledger.head().unwrap());
            }
            heads
        });
        let made: Vec<_> = (0..ROUNDS)
            .map(|round| {
                let before = ledger::look(dir.path()).unwrap().summary().unwrap();
                assert_eq!(before.life, Life::Running);
                let file = out.path().join(round.to_string());
                (before.head, back_up(dir.path(), &file), file)
            })
            .collect();
        is_done.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), made)
    });
    assert!(heads.len() > ROUNDS, "the writer was not held up: {} orders", heads.len());
    for (before, head, file) in made {
        assert!(head.n >= before.n, "what was on record before is in it");
        assert!(heads.contains(&head), "it ends with a whole commit of the same journal");
        let draft = Draft::read(&file).unwrap();
        assert_eq!(draft.about().unwrap(), Some(about()));
        assert_eq!(draft.luggage().unwrap(), luggage());
        let orders = ledger::open_copy(&file).unwrap().counts().unwrap().orders;
        let at = heads.iter().position(|other| *other == head).unwrap() as u64;
        assert_eq!(orders, at + 1, "and has every order up to there");
    }
    verified(&ledger);
}

#[test]
fn a_backup_becomes_a_ledger_that_goes_on() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = out.path().join("backup");
    let (mut ledger, _) = open(dir.path());
    for seq in 1..=5 {
        ledger.record(&entries(seq)).unwrap();
    }
    let head = back_up(dir.path(), &file);
    ledger.record(&entries(6)).unwrap();
    drop(ledger);

    let backup = || std::fs::File::open(&file).unwrap();
    // One that is given up leaves nothing.
    drop(Seated::copy(backup(), dir.path()).unwrap());
    let before: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    let mut seated = Seated::copy(backup(), dir.path()).unwrap();
    assert_eq!(seated.check().unwrap().0.counts.orders, 5);
    assert_eq!(seated.luggage().unwrap(), luggage());
    let replaced = seated.take_seat().unwrap();
    assert_eq!(replaced.aside, Some(dir.path().join("ledger.before-restore-1.db")));
    assert!(replaced.newer_rows.is_none(), "the note is as old as the start");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), before.len() + 1);

    let (mut ledger, opening) = open(dir.path());
    assert_eq!((opening.is_fresh, opening.missing_rows, opening.salvaged), (false, 0, None));
    assert_eq!(verified(&ledger).head, head);
    ledger.record(&entries(6)).unwrap();
    assert_eq!(ledger::open_copy(&replaced.aside.unwrap()).unwrap().counts().unwrap().orders, 6);
    assert_eq!(verified(&ledger).orders, 6);
}

#[test]
fn the_figures_name_the_oldest_order_that_is_not_settled() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let figures = || ledger::look(dir.path()).unwrap().summary().unwrap();
    assert_eq!(figures().oldest_unsettled_ms, None);
    for seq in [2, 5, 3, 4] {
        ledger.record(&entries(seq)).unwrap();
    }
    let running = figures();
    assert_eq!((running.counts.orders, running.counts.unsettled, running.counts.open), (4, 2, 0));
    assert_eq!(running.oldest_unsettled_ms, Some(stamp(3500).wall.unix_ms));
    assert_eq!((running.life, running.schema), (Life::Running, 4));
    drop(ledger);
    let stopped = figures();
    assert_eq!(stopped.life, Life::Stopped);
    assert_eq!(ledger::Summary { life: Life::Running, ..stopped }, running);
}
