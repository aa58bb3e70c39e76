//! A damaged ledger is kept, what can be read of it is taken over, and the site starts.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeMap, fs, path::Path, sync::mpsc};

use sitepilot::{
    domain::{id::OrderSeq, order::Order},
    ledger::{Filter, Ledger, LedgerError, Options, Phase, Phases, open_copy, open_salvaged_copy},
    site::Lookup,
};

#[path = "support/orders.rs"]
mod orders;
#[path = "support/scratch.rs"]
mod scratch;

use orders::{confirmed, ended, open, open_entry, opened, record_entry, settled, stamp, uplink};

const ORDERS: u64 = 300;
const ROUNDS: u32 = 40;

/// A stopped controller's file with settled, unsettled and running orders.
fn whole(dir: &Path) -> BTreeMap<OrderSeq, Order> {
    let (mut ledger, _) = open(dir);
    let cloud = uplink("cloud");
    for seq in 1..=ORDERS {
        let running = opened(seq, seq % 7, stamp(seq * 1000));
        let mut entries = vec![open_entry(&running)];
        if seq % 10 != 0 {
            let over = ended(&running, stamp(seq * 1000 + 1), std::slice::from_ref(&cloud));
            entries.push(record_entry(&over));
            if seq % 3 != 0 {
                let at = stamp(seq * 1000 + 2);
                entries.extend([confirmed(&over, &cloud, at), settled(&over, at)]);
            }
        }
        ledger.record(&entries).unwrap();
    }
    all(&ledger)
}

fn all(ledger: &Ledger) -> BTreeMap<OrderSeq, Order> {
    let orders = ledger.reader().unwrap().list(&Filter::default(), u16::MAX).unwrap();
    orders.into_iter().map(|order| (order.seq, order)).collect()
}

#[test]
fn any_damage_leaves_a_site_that_starts() {
    let sound = scratch::folder();
    let expected = whole(sound.path());
    let bytes = fs::read(sound.path().join("ledger.db")).unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    let (mut found, mut kept, mut lost) = (0_u32, 0, 0);
    for round in 0..ROUNDS {
        let dir = scratch::folder();
        let mut damaged = bytes.clone();
        for _ in 0..=round % 4 {
            let at = random.usize(..damaged.len());
            let end = damaged.len().min(at + random.usize(1..2000));
            damaged[at..end].iter_mut().for_each(|byte| *byte = random.u8(..));
        }
        fs::write(dir.path().join("ledger.db"), &damaged).unwrap();
        let (mut ledger, opening) = open(dir.path());
        if let Some(salvaged) = opening.salvaged {
            found += 1;
            assert_eq!(fs::read(&salvaged.set_aside).unwrap(), damaged, "kept as it was");
            let verdict = ledger.verify().unwrap();
            assert_eq!(verdict.bad, None, "round {round}");
            let orders = all(&ledger);
            assert_eq!(orders.len() as u64, salvaged.kept, "round {round}");
            for (seq, order) in &orders {
                assert_eq!(order.key, expected[seq].key, "round {round}");
            }
            kept += salvaged.kept;
            lost += salvaged.lost;
        }
        // Whatever happened, the site goes on.
        let next = ledger.load().unwrap().last_seq.0 + 1;
        let order = opened(next.max(ORDERS + 1), 1, stamp(1));
        ledger.record(&[open_entry(&order)]).unwrap();
        assert_eq!(ledger.lookup(&Lookup::Id(order.id)).unwrap(), vec![order]);
    }
    println!("{ROUNDS} files damaged, {found} found at the start, {kept} orders kept, {lost} lost");
    assert!(found > ROUNDS / 2);
    assert!(kept > u64::from(found) * ORDERS / 2, "most of the orders are readable");
}

#[test]
fn one_lost_page_costs_its_own_orders_only() {
    let dir = scratch::folder();
    let expected = whole(dir.path());
    let path = dir.path().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    // A page in the middle of the orders: the one with the record number of order 150.
    let needle = format!("{:012}", 150);
    let at = bytes.windows(12).position(|text| text == needle.as_bytes()).unwrap();
    let page = at / 1024 * 1024;
    bytes[page..page + 1024].fill(0);
    fs::write(&path, bytes).unwrap();
    let (ledger, opening) = open(dir.path());
    let salvaged = opening.salvaged.unwrap();
    let orders = all(&ledger);
    assert!((1..=12).contains(&salvaged.lost), "{salvaged:?}");
    assert_eq!(salvaged.kept + salvaged.lost, ORDERS);
    assert!(orders.iter().all(|(seq, order)| expected[seq] == *order), "the others are whole");
}

/// Makes of a file one of the first schema, which lacks tables.
fn first_schema(path: &Path) {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute_batch(
        "DROP TABLE passes; DROP TABLE meters; DROP TABLE metering; DROP TABLE samples;
         DROP TABLE enlisted; DROP TABLE required; DROP TABLE heard; DROP TABLE frozen;
         PRAGMA user_version = 1;",
    )
    .unwrap();
}

#[test]
fn a_file_of_the_first_schema_is_taken_over_sound_or_damaged() {
    let dir = scratch::folder();
    let expected = whole(dir.path());
    let path = dir.path().join("ledger.db");
    first_schema(&path);
    let mut bytes = fs::read(&path).unwrap();
    let (ledger, opening) = open(dir.path());
    let migrated = opening.migrated.unwrap();
    assert_eq!((migrated.from, opening.salvaged), (1, None));
    assert_eq!(all(&ledger), expected);

    let needle = format!("{:012}", 150);
    let at = bytes.windows(12).position(|text| text == needle.as_bytes()).unwrap();
    bytes[at / 1024 * 1024..][..1024].fill(0);
    let dir = scratch::folder();
    fs::write(dir.path().join("ledger.db"), bytes).unwrap();
    let (mut ledger, opening) = open(dir.path());
    assert!(opening.salvaged.unwrap().kept >= ORDERS - 12);
    assert!(all(&ledger).iter().all(|(seq, order)| expected[seq] == *order));
    assert_eq!(ledger.load().unwrap().passes, []);
}

/// What an opening says it is busy with.
fn phases(dir: &Path) -> Vec<Phase> {
    let (told, phases) = mpsc::channel();
    let told = Phases::told(move |phase| told.send(phase).unwrap());
    let options = Options { phases: told, ..orders::options() };
    drop(Ledger::open(dir, options).unwrap());
    phases.into_iter().collect()
}

#[test]
fn an_opening_tells_what_it_is_busy_with() {
    let dir = scratch::folder();
    assert_eq!(phases(dir.path()), [Phase::Restoring { orders: 0 }]);

    let dir = scratch::folder();
    whole(dir.path());
    let path = dir.path().join("ledger.db");
    let restoring = Phase::Restoring { orders: ORDERS };
    first_schema(&path);
    let mut bytes = fs::read(&path).unwrap();
    let checking = Phase::Checking { bytes: u64::try_from(bytes.len()).unwrap() };
    let migrating = |from| Phase::Migrating { from, to: from + 1 };
    let wanted = [checking, migrating(1), migrating(2), migrating(3), restoring];
    assert_eq!(phases(dir.path()), wanted);

    let needle = format!("{:012}", 150);
    let at = bytes.windows(12).position(|text| text == needle.as_bytes()).unwrap();
    bytes[at / 1024 * 1024..][..1024].fill(0);
    let dir = scratch::folder();
    fs::write(dir.path().join("ledger.db"), bytes).unwrap();
    let told = phases(dir.path());
    assert_eq!(told[..2], [checking, Phase::Salvaging { orders: 0 }]);
    let Phase::Salvaging { orders } = told[2] else { panic!("{told:?}") };
    assert!((ORDERS - 12..ORDERS).contains(&orders), "{told:?}");
    assert_eq!(*told.last().unwrap(), Phase::Restoring { orders });
}

#[test]
fn a_copy_of_a_damaged_file_gives_what_can_be_read_of_it() {
    let dir = scratch::folder();
    let expected = whole(dir.path());
    let path = dir.path().join("old.db");
    let mut bytes = fs::read(dir.path().join("ledger.db")).unwrap();
    let needle = format!("{:012}", 150);
    let at = bytes.windows(12).position(|text| text == needle.as_bytes()).unwrap();
    bytes[at / 1024 * 1024..][..1024].fill(0);
    fs::write(&path, &bytes).unwrap();

    let copy = open_copy(&path).and_then(|reader| reader.list(&Filter::default(), u16::MAX));
    assert!(matches!(copy, Err(LedgerError::Corrupt(_))), "{copy:?}");
    let orders = open_salvaged_copy(&path).unwrap().list(&Filter::default(), u16::MAX).unwrap();
    assert!(orders.len() as u64 >= ORDERS - 12, "{}", orders.len());
    assert!(orders.iter().all(|order| expected[&order.seq] == *order));
    assert_eq!(fs::read(&path).unwrap(), bytes, "the file itself is not touched");
}

#[test]
fn a_file_of_zeros_and_a_lost_file_go_on_from_the_noted_head() {
    let dir = scratch::folder();
    whole(dir.path());
    let (mut ledger, _) = open(dir.path());
    let (head, boot) = (ledger.head().unwrap(), ledger.load().unwrap().boot);
    drop(ledger);
    let path = dir.path().join("ledger.db");
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    fs::write(&path, vec![0; length]).unwrap();
    let (mut ledger, opening) = open(dir.path());
    assert_eq!(opening.salvaged.unwrap().set_aside, dir.path().join("ledger.damaged-1.db"));
    assert_eq!(ledger.head().unwrap(), head);
    assert_eq!(ledger.load().unwrap().boot.0, boot.0 + 1);
    drop(ledger);
    fs::remove_file(&path).unwrap();
    let (mut ledger, opening) = open(dir.path());
    assert!(opening.is_fresh);
    assert_eq!(opening.missing_rows, head.n);
    assert_eq!(ledger.verify().unwrap().anchor, head);
    assert_eq!(ledger.load().unwrap().boot.0, boot.0 + 2);
}

#[test]
fn a_lost_log_is_said() {
    let dir = scratch::folder();
    whole(dir.path());
    let sound = fs::read(dir.path().join("ledger.db")).unwrap();
    let (mut ledger, _) = open(dir.path());
    let order = opened(ORDERS + 1, 1, stamp(1));
    ledger.record(&[open_entry(&order)]).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    fs::write(dir.path().join("ledger.db"), sound).unwrap();
    let (_, opening) = open(dir.path());
    assert_eq!((opening.salvaged, opening.missing_rows), (None, 1));
}

#[test]
fn a_replacement_that_was_cut_off_is_finished_or_begun_again() {
    let dir = scratch::folder();
    let expected = whole(dir.path());
    // Cut after the damaged file was moved away and before the new one took its place.
    fs::rename(dir.path().join("ledger.db"), dir.path().join("ledger.salvage.db")).unwrap();
    let (ledger, opening) = open(dir.path());
    assert!(!opening.is_fresh);
    assert_eq!(all(&ledger), expected);
    drop(ledger);
    // Cut while the new one was being written.
    fs::write(dir.path().join("ledger.salvage.db"), b"half").unwrap();
    let (ledger, _) = open(dir.path());
    assert_eq!(all(&ledger), expected);
    assert!(!dir.path().join("ledger.salvage.db").exists());
}
