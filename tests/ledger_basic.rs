//! What goes into the ledger comes out of it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sitepilot::{
    domain::{
        order::{DeliveryState, OrderState},
        quantity::Energy,
        time::PileTime,
    },
    ledger::{LedgerError, VERSIONS_KEPT},
    site::{
        Lookup,
        entry::{Entry, VersionKind},
    },
};

#[path = "support/orders.rs"]
mod orders;

use orders::{confirmed, ended, open, open_entry, opened, record_entry, settled, stamp, uplink};

#[test]
fn an_order_is_found_by_its_id_and_its_record_all_its_life() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, opening) = open(dir.path());
    assert!(opening.is_fresh);
    assert!(!dir.path().join("ledger.schema-1.db").exists(), "nothing was there to be copied");
    let cloud = uplink("cloud");
    let running = opened(1, 7, stamp(1000));
    ledger.record(&[open_entry(&running)]).unwrap();
    assert_eq!(ledger.load().unwrap().open, vec![running.clone()]);
    let over = ended(&running, stamp(2000), std::slice::from_ref(&cloud));
    ledger.record(&[record_entry(&over)]).unwrap();
    let image = ledger.load().unwrap();
    assert!(image.open.is_empty());
    assert_eq!((image.orders, image.unsettled, image.owed[&cloud].orders), (1, 1, 1));
    assert_eq!(image.owed[&cloud].oldest_unix_ms, Some(stamp(2000).wall.unix_ms));
    assert_eq!(ledger.lookup(&Lookup::Id(over.id)).unwrap(), vec![over.clone()]);

    ledger.record(&[confirmed(&over, &cloud, stamp(3000)), settled(&over, stamp(3000))]).unwrap();
    drop(ledger);
    let (mut ledger, opening) = open(dir.path());
    assert_eq!(opening, sitepilot::ledger::Opening::default());
    let image = ledger.load().unwrap();
    assert_eq!((image.boot.0, image.last_seq.0), (2, 1));
    assert_eq!((image.orders, image.unsettled, image.owed.len()), (1, 0, 0));
    let record = Lookup::Record {
        pile: over.key.pile,
        record: over.key.record.clone(),
        started: PileTime::Unknown,
    };
    let found = ledger.lookup(&record).unwrap().pop().unwrap();
    assert_eq!(found.state, OrderState::Settled);
    assert_eq!(found.ending, over.ending);
    assert_eq!(found.deliveries[0].state, DeliveryState::Confirmed);
}

#[test]
fn an_entry_may_be_repeated_but_not_denied() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let cloud = uplink("cloud");
    let running = opened(1, 7, stamp(1000));
    let over = ended(&running, stamp(2000), std::slice::from_ref(&cloud));
    let entries = [
        open_entry(&running),
        record_entry(&over),
        confirmed(&over, &cloud, stamp(3000)),
        settled(&over, stamp(3000)),
    ];
    ledger.record(&entries).unwrap();
    let head = ledger.head().unwrap();
    ledger.record(&entries[1..]).unwrap();
    assert_eq!(ledger.head().unwrap(), head, "a repetition adds no fact");

    let mut other = over.clone();
    other.ending.as_mut().unwrap().reason = 9;
    let unknown = opened(5, 7, stamp(1));
    let moved = opened(1, 8, stamp(1));
    for entry in [
        record_entry(&other),
        confirmed(&unknown, &cloud, stamp(1)),
        settled(&unknown, stamp(1)),
        confirmed(&over, &uplink("nobody"), stamp(1)),
        open_entry(&moved),
    ] {
        let refused = ledger.record(&[open_entry(&unknown), entry.clone()]);
        assert!(matches!(refused, Err(LedgerError::Contradiction(_))), "{entry:?}: {refused:?}");
        assert_eq!(ledger.load().unwrap().orders, 1, "the rest of the step is not kept either");
    }
}

#[test]
fn an_order_confirmed_without_a_payload_keeps_the_first_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let cloud = uplink("cloud");
    let running = opened(1, 7, stamp(1000));
    let over = ended(&running, stamp(2000), std::slice::from_ref(&cloud));
    let (yes, closed) = (confirmed(&over, &cloud, stamp(3000)), settled(&over, stamp(3000)));
    ledger.record(&[open_entry(&running), record_entry(&over), yes, closed]).unwrap();
    let frozen = |payload: &'static [u8]| Entry::PayloadFrozen {
        seq: over.seq,
        uplink: cloud.clone(),
        payload: payload.into(),
    };
    ledger.record(&[frozen(b"whole order")]).unwrap();
    ledger.record(&[frozen(b"whole order")]).unwrap();
    let found = ledger.lookup(&Lookup::Id(over.id)).unwrap().pop().unwrap();
    assert_eq!(found.deliveries[0].state, DeliveryState::Confirmed);
    assert_eq!(found.deliveries[0].payload.as_deref(), Some(&b"whole order"[..]));
    let other = ledger.record(&[frozen(b"another")]);
    assert!(matches!(other, Err(LedgerError::Contradiction(_))), "{other:?}");
}

#[test]
fn a_second_program_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let (_ledger, _) = open(dir.path());
    let second = sitepilot::ledger::Ledger::open(dir.path(), orders::options());
    assert!(matches!(second, Err(LedgerError::Locked(_))));
}

#[test]
fn a_pile_that_never_says_the_same_twice_does_not_fill_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let over = ended(&opened(1, 7, stamp(1000)), stamp(2000), &[]);
    ledger.record(&[record_entry(&over)]).unwrap();
    let mut ending = over.ending.clone().unwrap();
    for wh in 0..3 * u64::try_from(VERSIONS_KEPT).unwrap() {
        ending.energy = Energy::from_wh(1_000_000 + wh / 2);
        let kept = Box::new(ending.clone());
        let (seq, at) = (over.seq, stamp(3000 + wh));
        let entry = Entry::VersionKept { seq, kind: VersionKind::Disputed, ending: kept, at };
        ledger.record(&[entry]).unwrap();
    }
    let reader = ledger.reader().unwrap();
    let versions = reader.versions(over.seq).unwrap();
    let energies: Vec<u64> = versions.iter().map(|version| version.ending.energy.wh()).collect();
    let first: Vec<u64> = (1_000_000..).take(VERSIONS_KEPT).collect();
    assert_eq!(energies, first, "each once, and no more than that");
    assert!(ledger.verify().unwrap().bad.is_none());
}

#[test]
fn bytes_are_counted_on_the_thread_that_a_ledger_is_handed_to() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let now_ms = 1_800_000_000_000;
    // This thread has written far more than the next one will.
    for number in 1..=50 {
        ledger.record(&[open_entry(&opened(number, number, stamp(1000)))]).unwrap();
    }
    let before = ledger.stats(now_ms).unwrap().written_bytes.expect("the kernel counts them");
    assert!(before > 0, "the directory for temporary files is in memory, where nothing counts");
    let handed_over = std::thread::spawn(move || {
        ledger.record(&[open_entry(&opened(51, 51, stamp(1000)))]).unwrap();
        ledger.stats(now_ms).unwrap()
    });
    let stats = handed_over.join().unwrap();
    let written = stats.written_bytes.unwrap();
    assert!(0 < written && written < before, "{written} {before}");
    assert_eq!(stats.written_today_bytes, Some(written));
}
