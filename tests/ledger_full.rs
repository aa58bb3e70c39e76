//! A full disk: nothing is half kept, the ballast is given up, and it goes on when there is room.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sitepilot::ledger::{BALLAST_BYTES, Ledger, LedgerError, Options};

#[path = "support/orders.rs"]
mod orders;

use orders::{open_entry, opened, options, stamp};

#[test]
fn a_full_disk_is_said_and_nothing_of_the_step_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { max_pages: Some(120), ..options() };
    let (mut ledger, _) = Ledger::open(dir.path(), small).unwrap();
    let ballast = dir.path().join("ledger.ballast");
    assert!(!ledger.is_full());
    assert_eq!(std::fs::metadata(&ballast).unwrap().len(), BALLAST_BYTES);
    let mut kept = 0;
    let full = loop {
        let pair = [opened(kept + 1, 1, stamp(1)), opened(kept + 2, 2, stamp(1))];
        match ledger.record(&pair.map(|order| open_entry(&order))) {
            Ok(()) => kept += 2,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, LedgerError::Full), "{full}");
    assert!(ledger.is_full());
    assert!(!ballast.exists(), "given up");
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.last_seq.0), (kept, kept), "whole steps only");
    assert_eq!(ledger.verify().unwrap().bad, None);
    drop(ledger);

    // Room again: the same step is taken, and so is the ballast.
    let (mut ledger, _) = Ledger::open(dir.path(), options()).unwrap();
    ledger.record(&[open_entry(&opened(kept + 1, 1, stamp(1)))]).unwrap();
    assert!(!ledger.check_space().unwrap());
    assert!(ballast.exists());
}

#[test]
fn too_little_free_space_counts_as_full() {
    let dir = tempfile::tempdir().unwrap();
    let greedy = Options { min_free_mb: u64::MAX / (1024 * 1024), ..options() };
    let (mut ledger, _) = Ledger::open(dir.path(), greedy).unwrap();
    assert!(ledger.is_full());
    assert!(ledger.check_space().unwrap());
    // What runs already is recorded all the same.
    ledger.record(&[open_entry(&opened(1, 1, stamp(1)))]).unwrap();
}
