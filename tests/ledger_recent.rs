//! What an uplink confirmed last is found again, however long ago that was.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sitepilot::{
    domain::time::{BootId, Mono, Stamp},
    ledger::Ledger,
    site::entry::Entry,
};

#[path = "support/deliveries.rs"]
mod deliveries;
#[path = "support/orders.rs"]
mod orders;

use deliveries::{DAY_MS, at_ms, by_seq, confirm, recent, recent_until, record};
use orders::{confirmed, ended, open, opened, record_entry, stamp, undated, uplink};

/// Records orders 1 to `number`, a minute apart, of which an uplink confirms each at once.
fn confirmed_by_the_minute(ledger: &mut Ledger, number: u64, name: &str) {
    for seq in 1..=number {
        let order = at_ms(ledger, seq, seq * 60_000, &["cloud", name]);
        confirm(ledger, &order, name, stamp(seq * 60_000 + 1));
    }
}

#[test]
fn recent_is_measured_from_the_last_confirmation_of_the_same_uplink() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    assert!(recent(&ledger, "ec").is_empty());
    confirmed_by_the_minute(&mut ledger, 30, "ec");
    assert_eq!(recent(&ledger, "ec"), (20..=30).collect::<Vec<_>>());
    assert!(recent(&ledger, "cloud").is_empty());
    // The cloud confirms years of them later; that is not the other one's affair.
    for seq in 5..=30 {
        let order = by_seq(&ledger, seq);
        confirm(&mut ledger, &order, "cloud", stamp(DAY_MS + seq));
    }
    assert_eq!(recent(&ledger, "ec"), (20..=30).collect::<Vec<_>>());
    assert_eq!(recent(&ledger, "cloud"), (5..=30).collect::<Vec<_>>());
    // What goes out on a link that is up again does not move the time on for what went before.
    let up = stamp(2 * DAY_MS);
    let late = at_ms(&mut ledger, 31, 2 * DAY_MS + 5, &["ec"]);
    confirm(&mut ledger, &late, "ec", stamp(2 * DAY_MS + 10));
    assert_eq!(recent_until(&ledger, "ec", up), (20..=30).collect::<Vec<_>>());
    assert_eq!(recent(&ledger, "ec"), [31]);
}

#[test]
fn the_last_confirmation_is_found_however_long_ago_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    confirmed_by_the_minute(&mut ledger, 30, "ec");
    // The uplink is down; the site goes on for some thousand facts.
    let entries: Vec<Entry> = (31..2000)
        .flat_map(|seq| {
            let at = stamp(seq * 60_000);
            let over = ended(&opened(seq, seq % 3, at), at, &["cloud", "ec"].map(uplink));
            [record_entry(&over), confirmed(&over, &uplink("cloud"), at)]
        })
        .collect();
    ledger.record(&entries).unwrap();
    assert!(ledger.head().unwrap().n > 4000);
    assert_eq!(recent(&ledger, "ec"), (20..=30).collect::<Vec<_>>());
    drop(ledger);
    let (ledger, _) = open(dir.path());
    assert_eq!(recent(&ledger, "ec"), (20..=30).collect::<Vec<_>>());
    assert_eq!(recent(&ledger, "cloud"), (1989..2000).collect::<Vec<_>>());
}

#[test]
fn across_runs_recent_goes_by_the_calendar() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    confirmed_by_the_minute(&mut ledger, 30, "ec");
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    // Another run, five minutes later by a clock that is kept.
    let later = Stamp { boot: BootId(2), mono: Mono(10), ..stamp(35 * 60_000) };
    let order = record(&mut ledger, 31, later, &["ec"]);
    confirm(&mut ledger, &order, "ec", later);
    assert_eq!(recent(&ledger, "ec"), (25..=31).collect::<Vec<_>>());
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    // A third one whose clock is a minute behind: the distance is what counts.
    let behind = Stamp { boot: BootId(3), mono: Mono(10), ..stamp(34 * 60_000) };
    let order = record(&mut ledger, 32, behind, &["ec"]);
    confirm(&mut ledger, &order, "ec", behind);
    assert_eq!(recent(&ledger, "ec"), (24..=32).collect::<Vec<_>>());
}

#[test]
fn without_a_calendar_only_the_last_run_is_recent_until_it_is_dated() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    confirmed_by_the_minute(&mut ledger, 30, "ec");
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    for (seq, ms) in [(31, 1_000), (32, 500_000), (33, 700_000)] {
        let order = record(&mut ledger, seq, undated(2, ms), &["ec"]);
        confirm(&mut ledger, &order, "ec", undated(2, ms));
    }
    assert_eq!(recent(&ledger, "ec"), [32, 33]);
    // It turns out that the run began right after the last one.
    let at = Stamp { boot: BootId(2), mono: Mono(700_001), ..stamp(31 * 60_000 + 700_001) };
    let epoch_ms = stamp(31 * 60_000).wall.unix_ms;
    ledger.record(&[Entry::ClockLearned { boot: BootId(2), epoch_ms, at }]).unwrap();
    assert_eq!(recent(&ledger, "ec"), [32, 33], "eleven minutes after the first of them");
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    let soon = Stamp { boot: BootId(3), mono: Mono(1), ..stamp(45 * 60_000) };
    let order = record(&mut ledger, 34, soon, &["ec"]);
    confirm(&mut ledger, &order, "ec", soon);
    assert_eq!(recent(&ledger, "ec"), [32, 33, 34]);
}
