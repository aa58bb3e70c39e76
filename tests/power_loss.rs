//! A power cut at any point loses no commit that had returned.
//!
//! A recording file system notes every write, truncation, sync and deletion of a realistic
//! workload. Then the files are built again as they could be after a cut at any of these points:
//! what a sync of the same file followed is there; of what none followed, everything is lost, a
//! random part of the writes is there, or a random part of their 512-byte sectors. Each time the
//! ledger is opened, has to be what it was after the last commit that returned (or the next one,
//! whole), and its journal has to verify.
//!
//! Two uplinks get the orders. One joins after a while, gets those from before as well, lags behind
//! by most of the workload, and then catches up.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeMap, fs, path::Path, thread};

use sitepilot::{
    domain::{
        id::{OrderSeq, UplinkName},
        order::{DeliveryState, Order, OrderState, Progress},
        quantity::Energy,
        time::Stamp,
    },
    ledger::{Filter, Ledger, Options},
    site::{Lookup, command::Query, entry::Entry},
};

#[path = "support/orders.rs"]
mod orders;
#[path = "support/recording_vfs.rs"]
mod recording_vfs;
#[path = "support/scratch.rs"]
mod scratch;

use orders::{confirmed, ended, open_entry, opened, record_entry, settled, stamp, uplink};
use recording_vfs::{Change, Event, Recorder};

/// Cuts per run.
const CUTS: usize = 2100;
/// Commits of the workload, and orders begun by each.
const COMMITS: u64 = 50;
const ORDERS_PER_COMMIT: u64 = 3;
/// The commit with which the second uplink joins, and the one from which on it catches up, with so
/// many orders each.
const JOINS: u64 = 12;
const CATCHES_UP: u64 = 38;
const CAUGHT_UP_PER_COMMIT: usize = 8;
/// How long ago a confirmation may be to be asked for again: three commits.
const WITHIN_MS: u64 = 3000;
/// Threads that build and check disks.
const THREADS: usize = 2;
/// A sector is written whole or not at all.
const SECTOR: usize = 512;

/// What the ledger holds, as the test knows it.
type Held = BTreeMap<OrderSeq, Order>;

fn options(vfs: Option<String>) -> Options {
    // A short log, so that it is moved into the file and begun anew many times.
    Options { vfs, checkpoint_pages: 40, ..orders::options() }
}

/// Runs the workload; gives what was held after each commit, the first being the empty ledger.
fn workload(dir: &Path, recorder: &Recorder) -> Vec<Held> {
    let (mut ledger, _) = Ledger::open(dir, options(Some(recorder.name()))).unwrap();
    let mut held = Held::new();
    let mut states = vec![held.clone()];
    recorder.mark(0);
    for commit in 1..=COMMITS {
        let at = stamp(commit * 1000);
        let mut entries = Vec::new();
        go_on(&mut held, commit, at, &mut entries);
        if commit >= CATCHES_UP {
            catch_up(&mut held, at, &mut entries);
        }
        for number in 0..ORDERS_PER_COMMIT {
            let order = opened(commit * ORDERS_PER_COMMIT + number, number, at);
            entries.push(open_entry(&order));
            held.insert(order.seq, order);
        }
        if commit == JOINS {
            let uplinks = [uplink("cloud")].into();
            entries.push(Entry::RequiredChanged { uplinks, at });
            let (uplink, kind) = (uplink("second"), "ec".to_owned());
            let since_s = Some(stamp(0).wall.unix_s());
            entries.push(Entry::UplinkEnlisted { uplink, kind, since_s, at });
        }
        ledger.record(&entries).unwrap();
        recorder.mark(states.len());
        if commit == JOINS {
            take_over_places(&mut held, &mut ledger);
        }
        states.push(held.clone());
        if commit % 20 == 0 {
            ledger.checkpoint().unwrap();
        }
    }
    states
}

/// Orders of the three commits before this one go one step further.
fn go_on(held: &mut Held, commit: u64, at: Stamp, entries: &mut Vec<Entry>) {
    let mut uplinks = vec![uplink("cloud"), uplink("second")];
    uplinks.truncate(if commit < JOINS { 1 } else { 2 });
    for order in held.values_mut() {
        match (commit - order.opened.mono.0 / 1000, order.state) {
            (1, OrderState::Charging) => {
                let progress = Progress { energy: Energy::from_wh(500), cost: None, at };
                entries.push(Entry::ProgressKept { seq: order.seq, progress });
                order.progress = Some(progress);
            }
            (2, OrderState::Charging) => {
                *order = ended(order, at, &uplinks);
                entries.push(record_entry(order));
            }
            (3, OrderState::Recorded) => {
                entries.extend([confirm(order, &uplinks[0], at), settled(order, at)]);
                order.state = OrderState::Settled;
            }
            _ => {}
        }
    }
}

/// The second uplink confirms what was recorded first, but for every tenth, which it cannot have.
fn catch_up(held: &mut Held, at: Stamp, entries: &mut Vec<Entry>) {
    let second = uplink("second");
    let is_owed = |order: &&mut Order| order.delivery(&second).is_some_and(|d| d.state.is_owed());
    let mut owed: Vec<&mut Order> = held.values_mut().filter(is_owed).collect();
    owed.sort_by_key(|order| order.delivery(&second).map(|delivery| delivery.place));
    for order in owed.into_iter().take(CAUGHT_UP_PER_COMMIT) {
        let (seq, uplink) = (order.seq, second.clone());
        if !seq.0.is_multiple_of(10) {
            entries.push(confirm(order, &second, at));
            continue;
        }
        let delivery = order.delivery_mut(&second).unwrap();
        delivery.state = DeliveryState::Retired;
        delivery.last_error = Some("too long".to_owned());
        entries.push(Entry::DeliveryWaived { seq, uplink, at, reason: "too long".to_owned() });
    }
}

fn confirm(order: &mut Order, uplink: &UplinkName, at: Stamp) -> Entry {
    let delivery = order.delivery_mut(uplink).unwrap();
    (delivery.state, delivery.attempts) = (DeliveryState::Confirmed, 1);
    delivery.confirmed = Some(at);
    confirmed(order, uplink, at)
}

/// The places of what an uplink that joined was given are the ledger's own.
fn take_over_places(held: &mut Held, ledger: &mut Ledger) {
    let mut given = 0;
    for order in held.values_mut().filter(|order| order.ending.is_some()) {
        let found = ledger.lookup(&Lookup::Id(order.id)).unwrap().pop().unwrap();
        given += found.deliveries.len() - order.deliveries.len();
        order.deliveries = found.deliveries;
    }
    assert!(given > 20, "{given} orders of the past");
}

/// A file: what is surely on the disk, and what was asked for since.
#[derive(Default, Clone)]
struct OnDisk {
    is_there: bool,
    synced: Vec<u8>,
    pending: Vec<Change>,
}

impl OnDisk {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Write { offset, data } => {
                let end = offset + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(data);
            }
            Change::Truncate { length } => bytes.resize(*length, 0),
            Change::Sync | Change::Delete | Change::Mark(_) => {}
        }
    }

    fn take(&mut self, change: &Change) {
        match change {
            Change::Sync => {
                for change in std::mem::take(&mut self.pending) {
                    Self::apply(&mut self.synced, &change);
                }
                self.is_there = true;
            }
            // SQLite only deletes what it can do without.
            Change::Delete => *self = Self::default(),
            change => self.pending.push(change.clone()),
        }
    }

    /// The bytes a cut leaves; `None` if the file is not there.
    fn after_cut(&self, mode: Mode, random: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let mut bytes = self.synced.clone();
        let mut is_there = self.is_there;
        for change in &self.pending {
            for part in parts(change, mode) {
                if mode != Mode::Lost && random.bool() {
                    Self::apply(&mut bytes, &part);
                    is_there = true;
                }
            }
        }
        is_there.then_some(bytes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing that was not synced is there.
    Lost,
    /// A part of the writes is there.
    Partly,
    /// A part of the sectors is there.
    Torn,
}

/// A change in the pieces that a cut can part.
fn parts(change: &Change, mode: Mode) -> Vec<Change> {
    let Change::Write { offset, data } = change else { return vec![change.clone()] };
    if mode != Mode::Torn {
        return vec![change.clone()];
    }
    let (mut parts, mut from) = (Vec::new(), 0);
    while from < data.len() {
        let to_border = SECTOR - (offset + from) % SECTOR;
        let to = data.len().min(from + to_border);
        parts.push(Change::Write { offset: offset + from, data: data[from..to].to_vec() });
        from = to;
    }
    parts
}

/// The disk after the first `count` events, and the last mark among them.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, OnDisk>,
    mark: Option<usize>,
}

impl Disk {
    fn take(&mut self, event: &Event) {
        match event.change {
            Change::Mark(number) => self.mark = Some(number),
            ref change => self.files.entry(event.path.clone()).or_default().take(change),
        }
    }

    fn cut(&self, to: &Path, mode: Mode, random: &mut fastrand::Rng) {
        for (path, file) in &self.files {
            if let Some(bytes) = file.after_cut(mode, random) {
                let name = Path::new(path).file_name().unwrap();
                fs::write(to.join(name), bytes).unwrap();
            }
        }
    }
}

/// Opens what a cut left and compares it with what was held.
fn check(dir: &Path, mark: Option<usize>, states: &[Held], what: &str) {
    let (mut ledger, opening) = Ledger::open(dir, options(None)).unwrap();
    assert_eq!(opening.salvaged, None, "{what}");
    let verdict = ledger.verify().unwrap();
    assert_eq!(verdict.bad, None, "{what}");
    let orders = ledger.reader().unwrap().list(&Filter::default(), u16::MAX).unwrap();
    let found: Held = orders.into_iter().map(|order| (order.seq, order)).collect();
    let known = mark.unwrap_or(0);
    let next = states.get(known + 1).unwrap_or(&states[known]);
    if found != states[known] && found != *next {
        let lost: Vec<_> =
            states[known].iter().filter(|(seq, o)| found.get(seq) != Some(o)).collect();
        panic!("{what}: {} orders of {} differ: {lost:?}", lost.len(), states[known].len());
    }
    let image = ledger.load().unwrap();
    assert!(image.open.iter().all(|order| found[&order.seq] == *order), "{what}");
    let second = uplink("second");
    let deliveries = || found.values().filter_map(|order| order.delivery(&second));
    let owed = deliveries().filter(|delivery| delivery.state.is_owed()).count() as u64;
    assert_eq!(image.owed.get(&second).map_or(0, |owed| owed.orders), owed, "{what}");
    assert_eq!(image.enlisted.contains_key(&second), deliveries().count() > 0, "{what}");
    check_recent(&ledger, &found, &second, what);
}

/// What was confirmed last is found.
fn check_recent(ledger: &Ledger, found: &Held, name: &UplinkName, what: &str) {
    let confirmed_ms = |order: &Order| Some(order.delivery(name)?.confirmed?.mono.0);
    let last_ms = found.values().filter_map(confirmed_ms).max();
    let is_recent = |order: &&Order| {
        confirmed_ms(order).is_some_and(|ms| Some(ms) >= last_ms.map(|last| last - WITHIN_MS))
    };
    let expected: Vec<OrderSeq> = found.values().filter(is_recent).map(|o| o.seq).collect();
    let (uplink, until, after) = (name.clone(), stamp(COMMITS * 1000), OrderSeq(0));
    let query = Query::Recent { uplink, within_ms: WITHIN_MS, until, after, limit: 500 };
    let (recent, _) = ledger.reader().unwrap().query(&query).unwrap();
    let recent: Vec<OrderSeq> = recent.iter().map(|order| order.seq).collect();
    assert_eq!(recent, expected, "{what}");
}

/// Cuts after every event of its share, in turn in each mode; gives how many of each.
fn cut_everywhere(events: &[Event], states: &[Held], seed: u64, thread: usize) -> Done {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_add(thread as u64));
    let mut disk = Disk::default();
    let mut done = Done::new();
    for (number, event) in events.iter().enumerate() {
        disk.take(event);
        if number % THREADS != thread {
            continue;
        }
        // Short workloads are cut several times at the same point, in different ways.
        let cuts = CUTS * (number + 1) / events.len() - CUTS * number / events.len();
        for cut in 0..cuts {
            let modes = [Mode::Lost, Mode::Partly, Mode::Torn];
            let mode = modes[(number / THREADS + cut) % modes.len()];
            let to = scratch::folder();
            disk.cut(to.path(), mode, &mut random);
            let what = format!("seed {seed}, cut after event {number}, {mode:?}");
            check(to.path(), disk.mark, states, &what);
            *done.entry(format!("{mode:?}")).or_insert(0) += 1;
        }
    }
    done
}

/// Cuts made, by mode.
type Done = BTreeMap<String, usize>;

#[test]
fn a_power_cut_loses_no_commit_that_returned() {
    let seed = std::env::var("POWER_LOSS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let recorder = Recorder::recording();
    let dir = tempfile::tempdir().unwrap();
    let states = workload(dir.path(), &recorder);
    let events = recorder.events();
    let syncs = events.iter().filter(|event| matches!(event.change, Change::Sync)).count();

    let done: Vec<Done> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn({
                    let (events, states) = (&events, &states);
                    move || cut_everywhere(events, states, seed, thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut total = Done::new();
    for (mode, cuts) in done.into_iter().flatten() {
        *total.entry(mode).or_insert(0) += cuts;
    }
    let done = total;
    let cuts: usize = done.values().sum();
    println!(
        "seed {seed}: {} commits, {} orders, {} events, {syncs} syncs; {cuts} cuts: {done:?}",
        states.len() - 1,
        states.last().unwrap().len(),
        events.len(),
    );
    assert!(cuts >= 2000, "{cuts} cuts");
}
