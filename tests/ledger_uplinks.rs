//! Uplinks that come, go, lag behind and decide settlement, in the ledger.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeSet, path::Path};

use rusqlite::Connection;
use sitepilot::{
    domain::{
        event::OperatorRequest,
        id::{OrderSeq, Place, UplinkName},
        order::{Delivery, DeliveryState, Order, OrderState},
        time::{BootId, ClockQuality, Mono, Now, Stamp, Wall},
        wire::Revision,
    },
    ledger::{Filter, Ledger, LedgerError, open_copy},
    site::{Input, Lookup, Site, command::Query, entry::Entry, restore::Enlisted},
};

#[path = "support/deliveries.rs"]
mod deliveries;
#[path = "support/orders.rs"]
mod orders;
#[path = "support/small_site.rs"]
mod small_site;

use deliveries::{DAY_MS, at_ms, backlog, by_seq, confirm, recent, record};

use orders::{
    confirmed, ended, open, open_entry, opened, options, record_entry, settled, stamp, undated,
    uplink,
};

/// The unix second of `stamp(0)`.
const BEGIN_S: i64 = 1_790_000_000;

fn enlist(name: &str, since_s: Option<i64>) -> Entry {
    let (uplink, kind) = (uplink(name), "ec".to_owned());
    Entry::UplinkEnlisted { uplink, kind, since_s, at: stamp(9_000_000) }
}

fn required(names: &[&str]) -> Entry {
    let uplinks = names.iter().map(|name| uplink(name)).collect();
    Entry::RequiredChanged { uplinks, at: stamp(9_000_000) }
}

fn waive(order: &Order, name: &str, reason: &str) -> Entry {
    let (seq, uplink, reason) = (order.seq, uplink(name), reason.to_owned());
    Entry::DeliveryWaived { seq, uplink, at: stamp(9_000_000), reason }
}

fn retire(name: &str) -> Entry {
    Entry::UplinkRetired { uplink: uplink(name), at: stamp(9_000_000) }
}

fn states(ledger: &Ledger) -> Vec<OrderState> {
    let mut orders = ledger.reader().unwrap().list(&Filter::default(), u16::MAX).unwrap();
    orders.sort_by_key(|order| order.seq);
    orders.into_iter().map(|order| order.state).collect()
}

fn facts(dir: &Path) -> u64 {
    open(dir).0.head().unwrap().n
}

#[test]
fn an_uplink_that_joins_gets_the_past_it_wants_in_the_order_of_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    // Recorded in another order than begun; the last one ended last.
    for (seq, s) in [(1, 10), (5, 20), (2, 30), (3, 40), (6, 50), (4, 60)] {
        at_ms(&mut ledger, seq, s * 1000, &["cloud"]);
    }
    ledger.record(&[open_entry(&opened(7, 1, stamp(65_000)))]).unwrap();
    let first = by_seq(&ledger, 1);
    ledger.record(&[confirmed(&first, &uplink("cloud"), stamp(70_000))]).unwrap();
    ledger.record(&[settled(&first, stamp(70_000))]).unwrap();
    assert!(backlog(&ledger, "ec").is_empty());

    ledger.record(&[enlist("ec", Some(BEGIN_S + 30))]).unwrap();
    assert_eq!(backlog(&ledger, "ec"), [2, 3, 6, 4]);
    let image = ledger.load().unwrap();
    assert_eq!(image.owed[&uplink("ec")].orders, 4);
    assert_eq!(image.owed[&uplink("ec")].oldest_unix_ms, Some(stamp(30_000).wall.unix_ms));
    let how = Enlisted { kind: "ec".to_owned(), since_s: Some(BEGIN_S + 30) };
    assert_eq!(image.enlisted[&uplink("ec")], how);
    // After what the others are owed, and before what comes: memory goes on from there.
    let order = by_seq(&ledger, 4);
    let places: Vec<Place> = order.deliveries.iter().map(|delivery| delivery.place).collect();
    assert!(places[1] > Place(6) && image.last_place == places[1], "{places:?}");

    // Said again after a restart, it changes nothing, not even the journal.
    drop(ledger);
    let before = facts(dir.path());
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[enlist("ec", Some(BEGIN_S + 30))]).unwrap();
    assert_eq!((ledger.head().unwrap().n, backlog(&ledger, "ec").len()), (before, 4));

    // More of the past comes after what was owed already; what is settled stays so.
    ledger.record(&[enlist("ec", Some(BEGIN_S))]).unwrap();
    assert_eq!(backlog(&ledger, "ec"), [2, 3, 6, 4, 1, 5]);
    assert_eq!(by_seq(&ledger, 1).state, OrderState::Settled);
    // Less of the past takes nothing back.
    ledger.record(&[enlist("ec", Some(BEGIN_S + 55))]).unwrap();
    ledger.record(&[enlist("ec", None)]).unwrap();
    assert_eq!(backlog(&ledger, "ec"), [2, 3, 6, 4, 1, 5]);
    assert_eq!(backlog(&ledger, "cloud").len(), 5);
    assert_eq!(ledger.load().unwrap().enlisted[&uplink("ec")].since_s, None);
    assert_eq!(ledger.verify().unwrap().bad, None);
}

#[test]
fn an_uplink_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[enlist("ec", Some(BEGIN_S))]).unwrap();
    let first = at_ms(&mut ledger, 1, 10_000, &["cloud", "ec"]);
    confirm(&mut ledger, &first, "ec", stamp(11_000));
    let second = at_ms(&mut ledger, 2, 20_000, &["cloud", "ec"]);
    ledger.record(&[waive(&second, "ec", "nothing was charged")]).unwrap();
    // Away, and back.
    ledger.record(&[enlist("ec", None)]).unwrap();
    at_ms(&mut ledger, 3, 30_000, &["cloud"]);
    at_ms(&mut ledger, 4, 40_000, &["cloud"]);
    assert!(backlog(&ledger, "ec").is_empty());
    ledger.record(&[enlist("ec", Some(BEGIN_S))]).unwrap();
    assert_eq!(backlog(&ledger, "ec"), [3, 4]);
}

#[test]
fn a_name_is_not_given_to_another_wire() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[enlist("far", None)]).unwrap();
    let (uplink, kind) = (uplink("far"), "jcpp".to_owned());
    let other = Entry::UplinkEnlisted { uplink, kind, since_s: None, at: stamp(1) };
    let refused = ledger.record(&[other]);
    assert!(matches!(&refused, Err(LedgerError::Contradiction(why)) if why.contains("as ec")));
}

#[test]
fn an_order_without_a_date_of_its_own_counts_by_its_recording_and_without_any_as_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    record(&mut ledger, 1, undated(1, 10_000), &["cloud"]);
    record(&mut ledger, 2, undated(1, 90_000), &["cloud"]);
    let wall = |ms| Wall { unix_ms: BEGIN_S * 1000 + ms, quality: ClockQuality::Held };
    let at = Stamp { boot: BootId(1), mono: Mono(95_000), wall: wall(95_000) };
    let epoch_ms = BEGIN_S * 1000;
    ledger.record(&[Entry::ClockLearned { boot: BootId(1), epoch_ms, at }]).unwrap();
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    record(&mut ledger, 3, undated(2, 10_000), &["cloud"]);
    // The pile's own word goes before the date of the recording.
    let mut over = ended(&opened(4, 1, stamp(1)), stamp(99_000), &[uplink("cloud")]);
    over.ending.as_mut().unwrap().ended_s = Some(BEGIN_S + 20);
    ledger.record(&[record_entry(&over)]).unwrap();

    ledger.record(&[enlist("ec", Some(BEGIN_S + 60))]).unwrap();
    assert_eq!(backlog(&ledger, "ec"), [2, 3]);
}

fn freeze(order: &Order, name: &str) -> Entry {
    Entry::PayloadFrozen { seq: order.seq, uplink: uplink(name), payload: "as it was".into() }
}

/// A file of the third schema, with the rows of this one.
fn third_schema(from: &Path, to: &Path) {
    let conn = Connection::open(to.join("ledger.db")).unwrap();
    for step in [
        include_str!("../src/ledger/schema.sql"),
        include_str!("../src/ledger/passes.sql"),
        include_str!("../src/ledger/meters.sql"),
    ] {
        conn.execute_batch(step).unwrap();
    }
    conn.execute("ATTACH ?1 AS now", [from.join("ledger.db").to_str().unwrap()]).unwrap();
    let tables: Vec<String> = conn
        .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for table in tables {
        let sql = format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM now.{table}");
        conn.execute(&sql, []).unwrap();
    }
    let payloads = "INSERT INTO payloads SELECT delivery >> 8, delivery & 255, body FROM frozen";
    assert_eq!(conn.execute(payloads, []).unwrap(), 1);
    conn.pragma_update(None, "user_version", 3).unwrap();
}

/// A file from before there were kinds: two uplinks that get orders, and one that only commanded.
fn from_before(dir: &Path) {
    let now = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(now.path());
    let first = at_ms(&mut ledger, 1, 10_000, &["cloud"]);
    confirm(&mut ledger, &first, "cloud", stamp(11_000));
    ledger.record(&[settled(&first, stamp(11_000))]).unwrap();
    let second = at_ms(&mut ledger, 2, 20_000, &["cloud", "second"]);
    ledger.record(&[freeze(&second, "second")]).unwrap();
    let up_to = sitepilot::domain::id::Sequence(7);
    ledger.record(&[Entry::SequencesReserved { uplink: uplink("talker"), up_to }]).unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    third_schema(now.path(), dir);
}

#[test]
fn uplinks_of_an_older_file_are_chargers_that_get_nothing_anew() {
    let dir = tempfile::tempdir().unwrap();
    from_before(dir.path());
    let (mut ledger, opening) = open(dir.path());
    let migrated = opening.migrated.unwrap();
    assert_eq!((migrated.from, migrated.to, migrated.copies.len()), (3, 4, 1));
    let image = ledger.load().unwrap();
    let charger = Enlisted { kind: "charger".to_owned(), since_s: None };
    let enlisted: Vec<_> = image.enlisted.iter().map(|(name, how)| (name.as_str(), how)).collect();
    assert_eq!(enlisted, [("cloud", &charger), ("second", &charger)]);
    assert_eq!((image.required, image.unsettled), (None, 1));
    assert_eq!((backlog(&ledger, "cloud"), backlog(&ledger, "second")), (vec![2], vec![2]));
    assert_eq!(ledger.verify().unwrap().bad, None);

    // What was frozen stays so: said again it is no news, and another one is refused.
    let order = by_seq(&ledger, 2);
    assert_eq!(order.deliveries[1].payload.as_deref(), Some(&b"as it was"[..]));
    assert_eq!(order.deliveries[1].state, DeliveryState::Sent);
    ledger.record(&[freeze(&order, "second"), freeze(&order, "cloud")]).unwrap();
    assert_eq!(by_seq(&ledger, 2).deliveries[0].payload, order.deliveries[1].payload);
    let (seq, payload) = (order.seq, "otherwise".into());
    let other = Entry::PayloadFrozen { seq, uplink: uplink("second"), payload };
    assert!(matches!(ledger.record(&[other]), Err(LedgerError::Contradiction(_))));

    // A site with the same config says what is so already.
    let head = ledger.head().unwrap();
    for name in ["cloud", "second"] {
        let (uplink, kind, at) = (uplink(name), "charger".to_owned(), stamp(1));
        ledger.record(&[Entry::UplinkEnlisted { uplink, kind, since_s: None, at }]).unwrap();
    }
    assert_eq!(ledger.head().unwrap(), head);
}

#[test]
fn a_copy_of_an_older_file_is_read_like_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    from_before(dir.path());
    let reader = open_copy(dir.path()).unwrap();
    let orders = reader.list(&Filter::default(), 10).unwrap();
    let states: Vec<OrderState> = orders.iter().map(|order| order.state).collect();
    assert_eq!(states, [OrderState::Recorded, OrderState::Settled]);
    assert_eq!(reader.verify().unwrap().bad, None);
}

#[test]
fn what_is_retired_settles_when_no_required_uplink_is_owed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[required(&["cloud", "second"])]).unwrap();
    let names = ["cloud", "second", "optional"];
    for seq in 1..=4 {
        at_ms(&mut ledger, seq, seq * 1000, &names);
    }
    let order = |seq| by_seq(&ledger, seq);
    let [first, second, third] = [order(1), order(2), order(3)];
    // 1: cloud has it; 2: both have it; 3: cloud has it, and it is in quarantine at the second.
    for (order, name) in [(&first, "cloud"), (&third, "cloud"), (&second, "cloud")] {
        confirm(&mut ledger, order, name, stamp(10_000));
    }
    let no = "no".to_owned();
    let (seq, uplink, at) = (third.seq, uplink("second"), stamp(10_000));
    ledger.record(&[Entry::DeliveryQuarantined { seq, uplink, at, reason: no }]).unwrap();
    ledger.record(&[confirmed(&second, &orders::uplink("second"), stamp(11_000))]).unwrap();
    ledger.record(&[settled(&second, stamp(11_000))]).unwrap();
    // Nobody asked the optional one; it lags, and that keeps nothing from being settled.
    ledger.record(&[retire("second")]).unwrap();
    use OrderState::{Recorded, Settled};
    assert_eq!(states(&ledger), [Settled, Settled, Settled, Recorded]);
    assert_eq!(ledger.load().unwrap().unsettled, 1);
    assert_eq!(backlog(&ledger, "optional"), [1, 2, 3, 4]);
    assert_eq!(by_seq(&ledger, 2).deliveries[1].state, DeliveryState::Confirmed);
    assert_eq!(by_seq(&ledger, 4).deliveries[1].state, DeliveryState::Retired);
    // The optional one goes: nothing more is settled by that.
    ledger.record(&[retire("optional")]).unwrap();
    assert_eq!(states(&ledger), [Settled, Settled, Settled, Recorded]);
    let image = ledger.load().unwrap();
    assert_eq!(image.unclosed.into_iter().collect::<Vec<_>>(), [orders::uplink("cloud")]);
}

#[test]
fn as_long_as_nobody_said_who_decides_all_do() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let order = at_ms(&mut ledger, 1, 1000, &["cloud", "second"]);
    ledger.record(&[retire("second")]).unwrap();
    assert_eq!(states(&ledger), [OrderState::Recorded]);
    confirm(&mut ledger, &order, "cloud", stamp(2000));
    ledger.record(&[retire("cloud")]).unwrap();
    assert_eq!(states(&ledger), [OrderState::Settled]);
}

#[test]
fn other_required_uplinks_settle_what_these_have() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[required(&["cloud", "second"])]).unwrap();
    let first = at_ms(&mut ledger, 1, 1000, &["cloud", "second"]);
    let second = at_ms(&mut ledger, 2, 2000, &["cloud", "second"]);
    at_ms(&mut ledger, 3, 3000, &["second"]);
    ledger.record(&[open_entry(&opened(4, 1, stamp(4000)))]).unwrap();
    confirm(&mut ledger, &first, "cloud", stamp(5000));
    ledger.record(&[waive(&second, "cloud", "too long")]).unwrap();
    use OrderState::{Charging, Recorded, Settled};
    assert_eq!(states(&ledger), [Recorded, Recorded, Recorded, Charging]);

    let head = ledger.head().unwrap();
    ledger.record(&[required(&["second", "cloud"])]).unwrap();
    assert_eq!(ledger.head().unwrap(), head, "said already");
    ledger.record(&[required(&["cloud"])]).unwrap();
    assert_eq!(states(&ledger), [Settled, Settled, Settled, Charging]);
    // More of them than before: what is settled stays so.
    ledger.record(&[required(&["cloud", "second"])]).unwrap();
    assert_eq!(states(&ledger), [Settled, Settled, Settled, Charging]);
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    let image = ledger.load().unwrap();
    let both: BTreeSet<UplinkName> = ["cloud", "second"].map(uplink).into();
    assert_eq!((image.required, image.unsettled), (Some(both), 0));
    ledger.record(&[required(&[])]).unwrap();
    assert_eq!(ledger.load().unwrap().required, Some(BTreeSet::new()));
    assert_eq!(ledger.verify().unwrap().bad, None);
}

#[test]
fn what_is_waived_says_why_and_what_is_confirmed_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    let order = at_ms(&mut ledger, 1, 1000, &["cloud", "ec"]);
    confirm(&mut ledger, &order, "cloud", stamp(2000));
    ledger.record(&[waive(&order, "ec", "nothing was charged")]).unwrap();
    let head = ledger.head().unwrap();
    ledger.record(&[waive(&order, "ec", "said twice"), waive(&order, "cloud", "late")]).unwrap();
    assert_eq!(ledger.head().unwrap(), head);

    let found = by_seq(&ledger, 1);
    let told = |at: usize| {
        let Delivery { state, last_error, .. } = &found.deliveries[at];
        (*state, last_error.as_deref())
    };
    assert_eq!(told(0), (DeliveryState::Confirmed, None));
    assert_eq!(told(1), (DeliveryState::Retired, Some("nothing was charged")));
    assert!(backlog(&ledger, "ec").is_empty());
    assert!(ledger.load().unwrap().unclosed.is_empty());
    let journal = ledger.reader().unwrap().journal(order.seq).unwrap();
    let last = journal.last().unwrap();
    let row = (last.kind.name(), last.detail.as_str());
    assert_eq!(row, ("waived", "ec: nothing was charged"));
    let nobody = ledger.record(&[waive(&order, "nobody", "")]);
    assert!(matches!(nobody, Err(LedgerError::Contradiction(_))));
}

#[test]
fn a_month_of_backlog_outlives_its_time_and_goes_when_it_is_delivered() {
    const DAYS: u64 = 60;
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[required(&["cloud"]), enlist("ec", None)]).unwrap();
    // Ten orders a day; the second uplink is down from the thirtieth day on.
    for seq in 1..=DAYS * 10 {
        let ms = seq * DAY_MS / 10;
        let order = at_ms(&mut ledger, seq, ms, &["cloud", "ec"]);
        let mut entries = vec![confirmed(&order, &uplink("cloud"), stamp(ms + 1))];
        entries.push(settled(&order, stamp(ms + 1)));
        if seq <= 300 {
            entries.push(confirmed(&order, &uplink("ec"), stamp(ms + 2)));
        }
        ledger.record(&entries).unwrap();
    }
    let first = by_seq(&ledger, 301);
    ledger.record(&[freeze(&first, "ec")]).unwrap();
    let now = |day: u64| stamp(day * DAY_MS).wall.unix_ms;
    // Kept for twenty days: what is older goes, but for what is owed.
    while ledger.prune(now(DAYS), 20, 500).unwrap().is_limited {}
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.unsettled), (300, 0));
    assert_eq!(image.owed[&uplink("ec")].orders, 300);
    assert_eq!(backlog(&ledger, "ec"), (301..=600).collect::<Vec<_>>());
    assert_eq!(ledger.verify().unwrap().bad, None);
    // A third one that joins now wants it all: what is past its time and still there, too.
    ledger.record(&[enlist("third", Some(BEGIN_S))]).unwrap();
    assert_eq!(backlog(&ledger, "third"), (301..=600).collect::<Vec<_>>());

    let owed: Vec<Order> = (301..=400).map(|seq| by_seq(&ledger, seq)).collect();
    for order in &owed {
        confirm(&mut ledger, order, "ec", stamp(DAYS * DAY_MS));
    }
    assert_eq!(ledger.prune(now(DAYS), 20, 500).unwrap().orders, 0, "the third one waits");
    for order in &owed {
        confirm(&mut ledger, order, "third", stamp(DAYS * DAY_MS + 1));
    }
    let mut gone = 0;
    loop {
        let pruned = ledger.prune(now(DAYS), 20, 30).unwrap();
        gone += pruned.orders;
        if pruned.orders == 0 {
            break;
        }
    }
    // Order 400 began just as the twenty days did.
    assert_eq!(gone, 99);
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.owed[&uplink("ec")].orders), (201, 200));
    let conn = Connection::open(dir.path().join("ledger.db")).unwrap();
    let frozen: i64 = conn.query_row("SELECT count(*) FROM frozen", [], |row| row.get(0)).unwrap();
    assert_eq!(frozen, 0, "what was frozen of it goes with an order");
    // Order 400 was confirmed with the others that are gone: they take no place on a page.
    let (uplink, until, after) = (uplink("ec"), stamp(100 * DAY_MS), OrderSeq(0));
    let query = Query::Recent { uplink, within_ms: 1, until, after, limit: 1 };
    assert_eq!(ledger.reader().unwrap().query(&query).unwrap().0[0].seq.0, 400);
    assert_eq!(ledger.verify().unwrap().bad, None);
}

/// Overwrites the page that has these bytes.
fn damage(path: &Path, needle: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(needle.len()).position(|part| part == needle).unwrap();
    bytes[at / 1024 * 1024..][..1024].fill(0);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_file_gives_back_who_takes_orders_and_who_decides() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[required(&["cloud"]), enlist("cloud", None)]).unwrap();
    ledger.record(&[enlist("ec", Some(BEGIN_S))]).unwrap();
    for seq in 1..=200 {
        let order = at_ms(&mut ledger, seq, seq * 1000, &["cloud", "ec"]);
        confirm(&mut ledger, &order, "cloud", stamp(seq * 1000));
        ledger.record(&[settled(&order, stamp(seq * 1000))]).unwrap();
    }
    let before = ledger.load().unwrap();
    ledger.checkpoint().unwrap();
    drop(ledger);
    damage(&dir.path().join("ledger.db"), format!("{:012}", 100).as_bytes());
    let (mut ledger, opening) = open(dir.path());
    let lost = opening.salvaged.unwrap().lost;
    assert!((1..=12).contains(&lost), "{lost}");
    let image = ledger.load().unwrap();
    assert_eq!((image.enlisted, image.required), (before.enlisted, before.required));
    assert_eq!(image.unsettled, 0, "the one that lags behind does not decide");
    assert_eq!(image.owed[&uplink("ec")].orders, 200 - lost);
    // What is left of the journal says nothing of confirmations any more.
    assert!(recent(&ledger, "cloud").is_empty());
}

#[test]
fn a_damaged_file_from_before_there_were_kinds_has_chargers() {
    let dir = tempfile::tempdir().unwrap();
    from_before(dir.path());
    damage(&dir.path().join("ledger.db"), format!("{:012}", 1).as_bytes());
    let (mut ledger, opening) = Ledger::open(dir.path(), options()).unwrap();
    assert!(opening.salvaged.is_some(), "{opening:?}");
    let image = ledger.load().unwrap();
    assert!(image.enlisted.values().all(|how| how.kind == "charger"), "{:?}", image.enlisted);
}

#[test]
fn an_order_that_another_ledger_had_settled_stays_so_and_goes_to_who_wants_the_past() {
    let at = stamp(5_000);
    let mut order = ended(&opened(1, 1, stamp(0)), at, &[]);
    order.state = OrderState::Settled;
    for (since_s, backlog) in [(None, 0), (Some(BEGIN_S + 6), 0), (Some(BEGIN_S + 5), 1)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = open(dir.path());
        let mut config = small_site::config(Revision::V1_10, Revision::V1_10);
        config.uplinks[0].orders_since_s = since_s;
        let now = Now { mono: Mono(5), wall: stamp(DAY_MS).wall };
        let (mut site, step) = Site::restore(ledger.load().unwrap(), config, now);
        drop(ledger.commit(step).unwrap());
        let request = OperatorRequest::Import { order: Box::new(order.clone()) };
        let step = site.step(Input::Operator { ticket: 1, request, known: Vec::new() }, now);
        drop(ledger.commit(step).unwrap());
        let snapshot = site.snapshot(now);
        assert_eq!((snapshot.unsettled, snapshot.uplinks[0].backlog), (0, backlog));
        let image = ledger.load().unwrap();
        let owed = image.owed.values().map(|owed| owed.orders).sum::<u64>();
        assert_eq!((image.unsettled, owed), (0, backlog), "wants it since {since_s:?}");
    }
}

#[test]
fn an_order_that_is_open_here_ends_as_it_did_in_the_other_ledger() {
    // The ledger is an older copy of the other one: there the order ended and was delivered.
    let at = stamp(5_000);
    let begun = opened(1, 1, stamp(0));
    let mut other = ended(&begun, at, &[uplink("cloud")]);
    other.state = OrderState::Settled;
    other.deliveries[0].state = DeliveryState::Confirmed;
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, _) = open(dir.path());
    ledger.record(&[open_entry(&begun)]).unwrap();
    let config = small_site::config(Revision::V1_10, Revision::V1_10);
    let grace_ms = config.interrupted_grace_ms;
    let now = Now { mono: Mono(5), wall: stamp(DAY_MS).wall };
    let (mut site, step) = Site::restore(ledger.load().unwrap(), config, now);
    drop(ledger.commit(step).unwrap());
    let import = |order: &Order| OperatorRequest::Import { order: Box::new(order.clone()) };
    // What never ended there says nothing.
    for (order, ends) in [(&begun, false), (&other, true), (&other, false)] {
        let known = ledger.lookup(&Lookup::Id(order.id)).unwrap();
        let before = ledger.head().unwrap();
        let request = import(order);
        let step = site.step(Input::Operator { ticket: 1, request, known }, now);
        drop(ledger.commit(step).unwrap());
        assert_eq!(ledger.head().unwrap() != before, ends);
    }
    // Nobody closes it by estimate any more.
    let later = Now { mono: Mono(grace_ms + 120_000), wall: stamp(2 * DAY_MS).wall };
    let step = site.step(Input::Tick, later);
    drop(ledger.commit(step).unwrap());
    let here = ledger.lookup(&Lookup::Id(begun.id)).unwrap().pop().unwrap();
    assert_eq!((&here.ending, here.flags.estimated), (&other.ending, false));
    assert_eq!(here.state, OrderState::Settled);
    assert_eq!(here.deliveries[0].state, DeliveryState::Confirmed);
    let image = ledger.load().unwrap();
    assert_eq!((image.orders, image.unsettled, image.open.len()), (1, 0, 0));
    assert_eq!((site.snapshot(later).orders, site.snapshot(later).unsettled), (1, 0));
    assert_eq!(ledger.verify().unwrap().bad, None);
}
