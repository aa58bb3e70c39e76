//! Thousands of faults by chance, on many buses at once: nothing wrong is ever published, and what
//! a fault costs the other meters is bounded.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use sitepilot::{domain::reading::MeterEvent, serial::Order};

use super::{
    registers,
    slave::{Fault, Plan, Seen},
    world::{Bus, Medium, PATIENCE, Play, name},
};

const TIMEOUT_MS: u32 = 20;

const METERS: u8 = 5;

/// One answer of so many is wrong.
const ONE_OF: u32 = 6;

/// A meter that is backed off is asked again after that many things that the others said, so that
/// the test is not spent on waiting.
const PATIENT: u32 = 12;

/// What a fault costs is counted where so many requests before it were answered well, with every
/// meter among them: otherwise the others may be backed off themselves, and nobody waits.
const HEALTHY: usize = 16;

/// Beyond its own time-out and quarantine a fault may cost what the machine makes of it; a fault
/// that stopped a bus would cost for ever.
const SLACK_US: u64 = 30_000_000;

/// What a fault cost the others.
#[derive(Debug, Default, Clone)]
struct Cost {
    faults: u64,
    /// From the request that was answered wrongly to the next one to another meter.
    us: Vec<u64>,
}

#[derive(Debug, Default)]
struct Tally {
    costs: BTreeMap<&'static str, Cost>,
    right: u64,
    failed: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        for (name, cost) in other.costs {
            let own = self.costs.entry(name).or_default();
            own.faults += cost.faults;
            own.us.extend(cost.us);
        }
        self.right += other.right;
        self.failed += other.failed;
        self.wrong.extend(other.wrong);
    }

    /// Counts all faults, and what those cost that met a bus in good health.
    fn count_costs(&mut self, seen: &[Seen]) {
        for (at, first) in seen.iter().enumerate() {
            let Some(fault) = first.fault else { continue };
            let cost = self.costs.entry(fault.name()).or_default();
            cost.faults += 1;
            let before = at.checked_sub(HEALTHY).and_then(|from| seen.get(from..at));
            let is_well = before.is_some_and(is_well);
            let other = seen.iter().skip(at).find(|seen| seen.address != first.address);
            if let Some(other) = other.filter(|_| is_well) {
                cost.us.push(other.at_us - first.at_us);
            }
        }
    }
}

/// Whether all these requests were answered well, and every meter was asked.
fn is_well(seen: &[Seen]) -> bool {
    let asked = |address| seen.iter().any(|seen| seen.address == address);
    seen.iter().all(|seen| seen.fault.is_none()) && (1..=METERS).all(asked)
}

/// A fault by chance; a port that is gone takes a second, and is rare.
fn any(random: &mut fastrand::Rng) -> Option<Fault> {
    if random.u32(..ONE_OF) > 0 {
        return None;
    }
    if random.u32(..100) == 0 {
        return Some(Fault::PortGone);
    }
    let (fault, _) = Fault::NAMES[random.usize(..Fault::NAMES.len() - 1)];
    Some(match fault {
        Fault::Late(_) => Fault::Late(u64::from(TIMEOUT_MS) + random.u64(1..60)),
        fault => fault,
    })
}

/// Plays one bus until enough has gone wrong on all of them.
fn play(medium: Medium, seed: u64, left: &Arc<AtomicUsize>) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut decide, counter) = (random.fork(), Arc::clone(left));
    let plan: Plan = Arc::new(Mutex::new(move |_| {
        if counter.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let fault = any(&mut decide)?;
        // Of several buses at the last one, each may have it.
        let _ =
            counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        Some(fault)
    }));
    let setting = Play { medium, meters: METERS, interval_ms: 20, timeout_ms: TIMEOUT_MS };
    let bus = Bus::start(setting, folder.path(), random.u64(..), plan);
    let (mut tally, mut unheard) = (Tally::default(), BTreeMap::<u8, u32>::new());
    let mut is_over = |told: u8| {
        for address in (1..=METERS).filter(|address| *address != told) {
            let since = unheard.entry(address).or_default();
            *since += 1;
            if *since % PATIENT == 0 {
                bus.orders.send(Order::ReadNow(name(address))).unwrap();
            }
        }
        unheard.insert(told, 0);
    };
    let mut well = BTreeMap::new();
    // At the end every meter is read again.
    while left.load(Ordering::Relaxed) > 0 || well.len() < usize::from(METERS) {
        let told = bus.told.recv_timeout(PATIENCE).expect("the bus says something");
        is_over(told.address);
        let MeterEvent::Read { values, at } = told.event else {
            tally.failed += 1;
            continue;
        };
        tally.right += 1;
        if left.load(Ordering::Relaxed) == 0 {
            well.insert(told.address, ());
        }
        let now = (bus.now)().0;
        if let Some(wrong) = registers::wrong(told.address, &values, at, now) {
            tally.wrong.push(format!("meter {} of seed {seed}: {wrong}", told.address));
        }
    }
    let seen: Vec<Seen> = bus.seen.try_iter().collect();
    drop(bus);
    tally.count_costs(&seen);
    tally
}

fn check(medium: Medium, buses: u64, faults: usize) {
    let left = Arc::new(AtomicUsize::new(faults));
    let players: Vec<_> = (1..=buses)
        .map(|seed| {
            let left = Arc::clone(&left);
            thread::spawn(move || play(medium, seed, &left))
        })
        .collect();
    let mut tally = Tally::default();
    for player in players {
        tally.add(player.join().expect("a bus that goes on"));
    }
    let done: u64 = tally.costs.values().map(|cost| cost.faults).sum();
    println!("{}", table(medium, buses, done, &tally));
    let faults = u64::try_from(faults).unwrap();
    assert!(done >= faults, "{done} faults of {faults}");
    assert_eq!(tally.wrong, [""; 0], "wrong values were published");
    for (name, cost) in &tally.costs {
        let worst = cost.us.iter().max().copied().unwrap_or(0);
        assert!(worst <= SLACK_US, "{name}: the others waited {worst} µs");
    }
}

fn table(medium: Medium, buses: u64, done: u64, tally: &Tally) -> String {
    let mut text = format!(
        "{medium:?}: {done} faults on {buses} buses, time-out {TIMEOUT_MS} ms: {} readings right, \
         {} failed, {} wrong\n{:36} {:>6} {:>8} {:>10} {:>10} {:>10}\n",
        tally.right,
        tally.failed,
        tally.wrong.len(),
        "fault, until another meter is asked",
        "faults",
        "of these",
        "median ms",
        "p99 ms",
        "worst ms",
    );
    for (name, cost) in &tally.costs {
        let mut us = cost.us.clone();
        us.sort_unstable();
        let at = |permille: usize| {
            let us = us.get(us.len() * permille / 1000).or(us.last()).copied().unwrap_or(0);
            format!("{}.{}", us / 1000, us / 100 % 10)
        };
        text += &format!(
            "{name:36} {:>6} {:>8} {:>10} {:>10} {:>10}\n",
            cost.faults,
            us.len(),
            at(500),
            at(990),
            at(1000)
        );
    }
    text
}

#[test]
fn ten_thousand_faults_on_serial_lines_publish_nothing_wrong() {
    check(Medium::Terminal, 48, 10_000);
}

#[test]
fn a_thousand_faults_over_tcp_publish_nothing_wrong() {
    check(Medium::Tcp, 8, 1000);
}

#[test]
fn a_thousand_faults_of_rtu_over_tcp_publish_nothing_wrong() {
    check(Medium::RtuOverTcp, 8, 1000);
}
