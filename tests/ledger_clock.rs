//! Rows of runs without a clock are dated when a clock is found.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sitepilot::{
    domain::{
        event::{HistoryLevel, HistoryQuery},
        id::{OrderSeq, Sequence},
        order::Order,
        time::{BootId, ClockQuality, Mono, Stamp, Wall},
    },
    ledger::{Filter, Ledger},
    site::{command::Query, entry::Entry},
};

#[path = "support/orders.rs"]
mod orders;

use orders::{ended, open, open_entry, opened, record_entry, undated, uplink};

const EPOCH_MS: i64 = 1_790_000_000_000;

/// An order of a run without a clock, ended or not.
fn order(ledger: &mut Ledger, seq: u64, boot: u64, ms: u64, is_over: bool) {
    let running = opened(seq, seq, undated(boot, ms));
    assert_eq!(running.started_s, None);
    ledger.record(&[open_entry(&running)]).unwrap();
    if is_over {
        let over = ended(&running, undated(boot, ms + 10_000), &[uplink("cloud")]);
        ledger.record(&[record_entry(&over)]).unwrap();
    }
}

fn learn(ledger: &mut Ledger, boot: u64, ms: u64) {
    let wall = Wall { unix_ms: EPOCH_MS + ms.cast_signed(), quality: ClockQuality::Synced };
    let at = Stamp { boot: BootId(boot), mono: Mono(ms), wall };
    let learned = Entry::ClockLearned { boot: BootId(boot), epoch_ms: EPOCH_MS, at };
    ledger.record(&[learned]).unwrap();
}

fn by_seq(ledger: &Ledger, seq: u64) -> Order {
    let orders = ledger.reader().unwrap().list(&Filter::default(), 100).unwrap();
    orders.into_iter().find(|order| order.seq == OrderSeq(seq)).unwrap()
}

#[test]
fn this_runs_rows_are_dated_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    order(&mut ledger, 1, 1, 5_000, true);
    order(&mut ledger, 2, 1, 20_000, false);
    assert_eq!(ledger.load().unwrap().owed[&uplink("cloud")].oldest_unix_ms, None);
    learn(&mut ledger, 1, 60_000);
    let first = by_seq(&ledger, 1);
    assert_eq!(first.started_s, Some(EPOCH_MS / 1000 + 5));
    let ending = first.ending.unwrap();
    assert_eq!(ending.ended_s, Some(EPOCH_MS / 1000 + 15));
    assert_eq!(ending.recorded.wall.quality, ClockQuality::Synced);
    assert!(!first.flags.estimated);
    let image = ledger.load().unwrap();
    assert_eq!(image.open[0].started_s, Some(EPOCH_MS / 1000 + 20));
    assert_eq!(image.owed[&uplink("cloud")].oldest_unix_ms, Some(EPOCH_MS + 15_000));
    assert_eq!(ledger.verify().unwrap().bad, None);
    // Found by its date.
    let query = HistoryQuery {
        level: HistoryLevel::All,
        connector: None,
        from_s: Some(EPOCH_MS / 1000 + 5),
        until_s: Some(EPOCH_MS / 1000 + 5),
    };
    let after = OrderSeq(0);
    let uplink = uplink("cloud");
    let query = Query::History { uplink, sequence: Sequence(1), query, after, limit: 10 };
    let (orders, total) = ledger.reader().unwrap().query(&query).unwrap();
    assert_eq!((orders[0].seq.0, orders.len(), total), (1, 1, 1));
}

#[test]
fn earlier_runs_are_placed_between_their_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    order(&mut ledger, 1, 1, 0, true);
    learn(&mut ledger, 1, 100_000);
    // Two runs that never knew the time: facts at 0 to 10 s and at 0 to 20 s.
    for (boot, ms) in [(2, 0), (3, 10_000)] {
        drop(ledger);
        ledger = open(dir.path()).0;
        order(&mut ledger, boot, boot, ms, true);
    }
    drop(ledger);
    ledger = open(dir.path()).0;
    order(&mut ledger, 4, 4, 1_000, true);
    // Run 1 lived until 100 s; run 4 began at 430 s: 330 s, of which 30 are accounted for.
    let at = Stamp {
        boot: BootId(4),
        mono: Mono(50_000),
        wall: Wall { unix_ms: EPOCH_MS + 480_000, quality: ClockQuality::Held },
    };
    let epoch_ms = EPOCH_MS + 430_000;
    ledger.record(&[Entry::ClockLearned { boot: BootId(4), epoch_ms, at }]).unwrap();
    let started = |seq| by_seq(&ledger, seq).started_s.map(|s| s - EPOCH_MS / 1000);
    assert_eq!(
        [started(1), started(2), started(3), started(4)],
        [Some(0), Some(200), Some(320), Some(431)]
    );
    assert!([2, 3].into_iter().all(|seq| by_seq(&ledger, seq).flags.estimated));
    assert!([1, 4].into_iter().all(|seq| !by_seq(&ledger, seq).flags.estimated));
}
