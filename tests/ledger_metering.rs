//! What meters say stays in the ledger: found if altered, taken over if damaged, dated, forgotten.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{fs, path::Path};

use rusqlite::Connection;
use sitepilot::{
    domain::{
        event::OperatorRequest,
        id::{MeterName, OrderSeq},
        order::Order,
        quantity::Energy,
        reading::{Metering, Reading, Sample},
        time::{BootId, ClockQuality, Mono, Now, Stamp, Wall},
        wire::Revision,
    },
    ledger::{Filter, Ledger, open_copy},
    site::{
        Input, Site,
        entry::{Entry, SamplePart},
    },
};

#[path = "support/orders.rs"]
mod orders;
#[path = "support/small_site.rs"]
mod small_site;

use orders::{
    confirmed, ended, open, open_entry, opened, record_entry, settled, stamp, undated, uplink,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn meter() -> MeterName {
    MeterName::new("M1").unwrap()
}

fn sample(wh: u64, at: Stamp) -> Sample {
    Sample { energy: Energy::from_wh(wh), at }
}

/// An order that has begun at a connector with a meter.
fn metered(seq: u64, at: Stamp) -> Order {
    let mut order = opened(seq, seq % 3, at);
    order.metering = Some(Metering {
        meter: meter(),
        start: Some(sample(seq * 1000, at)),
        curve: Vec::new(),
        stop: None,
        pile_start: order.meter_start,
        pile_stop: None,
    });
    order
}

/// Begun, sampled once and ended.
fn play(ledger: &mut Ledger, seq: u64, at: impl Fn(u64) -> Stamp) -> Order {
    let cloud = uplink("cloud");
    let mut order = metered(seq, at(0));
    let between = sample(seq * 1000 + 400, at(300_000));
    let part = SamplePart::Curve;
    let kept = Entry::SampleKept { seq: OrderSeq(seq), part, sample: between };
    ledger.record(&[open_entry(&order), kept]).unwrap();
    let metering = order.metering.as_mut().unwrap();
    metering.curve.push(between);
    metering.stop = Some(sample(seq * 1000 + 900, at(500_000)));
    metering.pile_stop = Some(Energy::from_wh(77));
    let over = ended(&order, at(500_000), std::slice::from_ref(&cloud));
    let done = at(501_000);
    ledger.record(&[record_entry(&over), confirmed(&over, &cloud, done)]).unwrap();
    ledger.record(&[settled(&over, done)]).unwrap();
    over
}

fn all(ledger: &Ledger) -> Vec<Order> {
    let mut orders = ledger.reader().unwrap().list(&Filter::default(), u16::MAX).unwrap();
    orders.reverse();
    orders
}

fn rows(dir: &Path, table: &str) -> i64 {
    let conn = Connection::open(dir.join("ledger.db")).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn whoever_alters_a_reading_of_an_ended_order_is_found_out() {
    for sql in [
        "SELECT 1",
        "UPDATE samples SET energy = energy + 10 WHERE seq = 2 AND part = 0",
        "UPDATE samples SET mono = mono + 1 WHERE seq = 2 AND part = 1",
        "DELETE FROM samples WHERE seq = 2 AND part = 2",
        "UPDATE metering SET pile_stop = NULL WHERE seq = 2",
        "UPDATE meters SET name = 'M2'",
        "DELETE FROM metering WHERE seq = 2",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = open(dir.path());
        for seq in 1..=3 {
            play(&mut ledger, seq, |ms| stamp(seq * DAY_MS + ms));
        }
        assert_eq!(ledger.verify().unwrap().bad, None);
        ledger.checkpoint().unwrap();
        drop(ledger);
        Connection::open(dir.path().join("ledger.db")).unwrap().execute_batch(sql).unwrap();
        let found = open_copy(dir.path()).unwrap().verify().unwrap().bad.map(|(_, what)| what);
        let expected = (sql != "SELECT 1").then(|| "its order ended otherwise".to_owned());
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn a_damaged_file_gives_back_what_meters_said() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    for seq in 1..=30 {
        play(&mut ledger, seq, |ms| stamp(seq * DAY_MS + ms));
    }
    let at = stamp(99 * DAY_MS);
    let reading = Reading { energy_import: Some(Energy::from_wh(5)), energy_export: None, at };
    ledger.record(&[Entry::MeterKept { meter: meter(), reading }]).unwrap();
    let (expected, image) = (all(&ledger), ledger.load().unwrap());
    ledger.checkpoint().unwrap();
    drop(ledger);
    let path = dir.path().join("ledger.db");
    let mut bytes = fs::read(&path).unwrap();
    // The page with the record number of the newest order but one.
    let needle = format!("{:012}", 29);
    let at = bytes.windows(12).position(|text| text == needle.as_bytes()).unwrap();
    bytes[at / 1024 * 1024..][..1024].fill(0);
    fs::write(&path, bytes).unwrap();
    let (mut ledger, opening) = open(dir.path());
    assert!(opening.salvaged.unwrap().lost > 0);
    let kept = all(&ledger);
    assert!(kept.len() > 15);
    assert!(kept.iter().all(|order| expected.contains(order)), "with their readings");
    assert_eq!(ledger.verify().unwrap().bad, None);
    assert_eq!(ledger.load().unwrap().meters, image.meters);
}

#[test]
fn readings_go_with_their_orders() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    for seq in 1..=10 {
        play(&mut ledger, seq, |ms| stamp(seq * DAY_MS + ms));
    }
    let pruned = ledger.prune(stamp(11 * DAY_MS).wall.unix_ms, 4, 1000).unwrap();
    assert!(pruned.orders > 3);
    let left = all(&ledger);
    assert!(left.iter().all(|order| order.metering.is_some()));
    ledger.checkpoint().unwrap();
    drop(ledger);
    let count = i64::try_from(left.len()).unwrap();
    assert_eq!((rows(dir.path(), "metering"), rows(dir.path(), "samples")), (count, 3 * count));
}

#[test]
fn readings_of_a_run_without_a_clock_are_dated_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    play(&mut ledger, 1, |ms| undated(1, 1000 + ms));
    let at = undated(1, 600_000);
    let reading = Reading { energy_import: Some(Energy::from_wh(5)), energy_export: None, at };
    ledger.record(&[Entry::MeterKept { meter: meter(), reading }]).unwrap();
    let epoch_ms = 1_790_000_000_000;
    let wall = Wall { unix_ms: epoch_ms + 700_000, quality: ClockQuality::Synced };
    let at = Stamp { boot: BootId(1), mono: Mono(700_000), wall };
    ledger.record(&[Entry::ClockLearned { boot: BootId(1), epoch_ms, at }]).unwrap();
    let metering = all(&ledger)[0].metering.clone().unwrap();
    let dates: Vec<i64> = metering.samples().map(|s| s.at.wall.unix_ms - epoch_ms).collect();
    assert_eq!(dates, [1_000, 301_000, 501_000]);
    let last = ledger.load().unwrap().meters[&meter()].last.unwrap();
    assert_eq!(last.at.wall.unix_ms, epoch_ms + 600_000);
    // What was stamped is what the journal states.
    assert_eq!(ledger.verify().unwrap().bad, None);
}

#[test]
fn a_ledger_from_before_there_were_meters_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let cloud = uplink("cloud");
    let running = opened(1, 1, stamp(1000));
    let over = ended(&running, stamp(2000), std::slice::from_ref(&cloud));
    ledger.record(&[open_entry(&running), record_entry(&over)]).unwrap();
    ledger.record(&[open_entry(&opened(2, 2, stamp(3000)))]).unwrap();
    let (expected, head) = (all(&ledger), ledger.head().unwrap());
    ledger.checkpoint().unwrap();
    drop(ledger);
    let conn = Connection::open(dir.path().join("ledger.db")).unwrap();
    conn.execute_batch(
        "DROP TABLE meters; DROP TABLE metering; DROP TABLE samples;
         DROP TABLE enlisted; DROP TABLE required; DROP TABLE heard; DROP TABLE frozen;
         PRAGMA user_version = 2;",
    )
    .unwrap();
    drop(conn);
    let (mut ledger, opening) = open(dir.path());
    let migrated = opening.migrated.unwrap();
    assert_eq!((migrated.from, migrated.to, migrated.copies.len()), (2, 4, 2));
    assert_eq!((all(&ledger), ledger.head().unwrap()), (expected, head));
    play(&mut ledger, 3, |ms| stamp(DAY_MS + ms));
    assert_eq!(ledger.verify().unwrap().bad, None);
}

#[test]
fn entries_may_come_twice_and_must_not_contradict() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let order = metered(1, stamp(1000));
    let at = stamp(400_000);
    let seq = order.seq;
    let reading = Reading { energy_import: Some(Energy::from_wh(5)), energy_export: None, at };
    let entries = [
        open_entry(&order),
        Entry::SampleKept { seq, part: SamplePart::Curve, sample: sample(1400, at) },
        Entry::MeterReplaced { meter: meter(), old: Some(Energy::from_wh(1400)), at },
        Entry::MeteringDropped { seq, reason: "the meter was replaced".to_owned(), at },
    ];
    let begun = Entry::MeterBegun { meter: meter(), reading };
    ledger.record(&entries[..2]).unwrap();
    ledger.record(&entries[1..2]).unwrap();
    assert_eq!(all(&ledger)[0].metering.as_ref().unwrap().curve.len(), 1);
    ledger.record(&entries[2..]).unwrap();
    let once = ledger.head().unwrap();
    ledger.record(&entries[2..]).unwrap();
    assert_eq!((ledger.head().unwrap(), all(&ledger)[0].metering.clone()), (once, None));
    ledger.record(std::slice::from_ref(&begun)).unwrap();
    let once = ledger.head().unwrap();
    ledger.record(&[begun]).unwrap();
    assert_eq!(ledger.head().unwrap(), once);
    assert!(ledger.record(&entries[1..2]).is_err(), "its meter is not used any more");
    let story: Vec<_> = ledger.reader().unwrap().journal(seq).unwrap();
    assert_eq!(story.last().unwrap().detail, "the meter was replaced");
}

#[test]
fn an_order_of_another_ledger_brings_its_readings() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut old, _) = open(from.path());
    let over = play(&mut old, 1, stamp);
    let open_order = metered(2, stamp(DAY_MS));
    old.record(&[open_entry(&open_order)]).unwrap();
    let (mut ledger, _) = open(to.path());
    let config = small_site::config(Revision::V1_10, Revision::V1_10);
    let now = Now { mono: Mono(5), wall: stamp(2 * DAY_MS).wall };
    let (mut site, step) = Site::restore(ledger.load().unwrap(), config, now);
    drop(ledger.commit(step).unwrap());
    for order in all(&old) {
        let request = OperatorRequest::Import { order: Box::new(order) };
        let step = site.step(Input::Operator { ticket: 1, request, known: Vec::new() }, now);
        drop(ledger.commit(step).unwrap());
    }
    let orders = all(&ledger);
    assert_eq!(orders[0].metering, over.metering);
    assert_eq!(orders[0].ending, over.ending);
    // The other one never ended there: it has no reading at its end, and is closed without one.
    assert_eq!(orders[1].metering, open_order.metering);
    let ending = orders[1].ending.as_ref().unwrap();
    assert_eq!(ending.meter_start, open_order.meter_start.map(Energy::rounded_10_wh));
    assert_eq!(ledger.verify().unwrap().bad, None);
}
