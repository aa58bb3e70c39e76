//! What an order costs on flash, and how many fit into a second: figures for
//! `docs/benchmarks.md`. Ratios carry over to another machine, absolute figures do not.
//!
//! Piles are closed loops: each has one step of an order in flight, and what arrives while a
//! commit runs goes into the next one. An order takes three steps: opened, recorded, confirmed and
//! settled.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::{Duration, Instant};

use sitepilot::{
    domain::{id::UplinkName, order::Order},
    ledger::{Ledger, Options},
    site::entry::Entry,
};

#[path = "../tests/support/orders.rs"]
mod orders;
#[path = "../tests/support/recording_vfs.rs"]
mod recording_vfs;
#[path = "lab/uplinks.rs"]
mod uplinks;

use orders::{confirmed, ended, open_entry, opened, record_entry, settled, stamp, uplink};
use recording_vfs::{Counts, Recorder};

/// A month of 200 piles with ten orders a day.
const HISTORY: u64 = 60_000;
/// A sync as slow as on an SD card.
const SLOW: Duration = Duration::from_millis(10);

/// A pile in its closed loop.
struct Pile {
    number: u64,
    order: Option<Order>,
    is_recorded: bool,
}

struct Site {
    _dir: tempfile::TempDir,
    ledger: Ledger,
    recorder: Recorder,
    cloud: UplinkName,
    piles: Vec<Pile>,
    last_seq: u64,
    finished: u64,
    now_ms: u64,
}

impl Site {
    fn new(piles: u64, options: Options, history: u64) -> Self {
        let recorder = Recorder::counting();
        let dir = tempfile::tempdir().unwrap();
        let options = Options { vfs: Some(recorder.name()), min_free_mb: 0, ..options };
        let (ledger, _) = Ledger::open(dir.path(), options).unwrap();
        let idle = |number| Pile { number, order: None, is_recorded: false };
        let mut site = Self {
            _dir: dir,
            ledger,
            recorder,
            cloud: uplink("cloud"),
            piles: (0..200).map(idle).collect(),
            last_seq: 0,
            finished: 0,
            now_ms: 0,
        };
        while site.finished < history {
            site.turn();
        }
        // Orders of the history that are still open end before anything is measured.
        while site.piles.iter().any(|pile| pile.order.is_some()) {
            let busy = |pile: &Pile| pile.order.is_some();
            let numbers: Vec<usize> =
                (0..site.piles.len()).filter(|at| busy(&site.piles[*at])).collect();
            let entries: Vec<Entry> = numbers.into_iter().flat_map(|at| site.step(at)).collect();
            site.ledger.record(&entries).unwrap();
        }
        site.piles.truncate(usize::try_from(piles).unwrap());
        // Piles are not in step with each other.
        let (third, thirds) = (site.piles.len() / 3, site.piles.len() * 2 / 3);
        for from in [thirds, third] {
            let entries: Vec<Entry> =
                (from..site.piles.len()).flat_map(|at| site.step(at)).collect();
            site.ledger.record(&entries).unwrap();
        }
        site.ledger.checkpoint().unwrap();
        site
    }

    /// The next step of a pile's order.
    fn step(&mut self, at: usize) -> Vec<Entry> {
        self.now_ms += 7;
        let now = stamp(self.now_ms);
        let pile = &mut self.piles[at];
        match pile.order.take() {
            None => {
                self.last_seq += 1;
                let order = opened(self.last_seq, pile.number, now);
                let entry = open_entry(&order);
                (pile.order, pile.is_recorded) = (Some(order), false);
                vec![entry]
            }
            Some(order) if !pile.is_recorded => {
                let order = ended(&order, now, std::slice::from_ref(&self.cloud));
                let entry = record_entry(&order);
                (pile.order, pile.is_recorded) = (Some(order), true);
                vec![entry]
            }
            Some(order) => {
                self.finished += 1;
                vec![confirmed(&order, &self.cloud, now), settled(&order, now)]
            }
        }
    }

    /// One commit with the next step of every pile.
    fn turn(&mut self) {
        let entries: Vec<Entry> = (0..self.piles.len()).flat_map(|at| self.step(at)).collect();
        self.ledger.record(&entries).unwrap();
    }

    /// One commit for the next step of each pile.
    fn turn_one_by_one(&mut self) {
        for at in 0..self.piles.len() {
            let entries = self.step(at);
            self.ledger.record(&entries).unwrap();
        }
    }

    /// Runs until `orders` more are settled; gives what was counted and how long it took.
    fn run(&mut self, orders: u64, turn: fn(&mut Self)) -> (Counts, Duration, u64) {
        let (before, begun, from) = (self.recorder.counts(), Instant::now(), self.finished);
        while self.finished - from < orders {
            turn(self);
        }
        let took = begun.elapsed();
        // What is in the log still has to be written to the file.
        self.ledger.checkpoint().unwrap();
        (self.recorder.counts().since(before), took, self.finished - from)
    }
}

fn per_second(orders: u64, took: Duration) -> f64 {
    orders as f64 / took.as_secs_f64()
}

fn costs() {
    println!("## Flash per order ({HISTORY} settled orders of 200 piles before)\n");
    println!("| piles | syncs per order | bytes per order | of them log | file |");
    println!("|--:|--:|--:|--:|--:|");
    for (piles, orders) in [(1, 400), (16, 4000), (200, 20_000)] {
        let mut site = Site::new(piles, Options::default(), HISTORY);
        let (counts, _, done) = site.run(orders, Site::turn);
        println!(
            "| {piles} | {:.3} | {} | {} | {} |",
            counts.syncs as f64 / done as f64,
            counts.bytes() / done,
            counts.log_bytes / done,
            counts.file_bytes / done,
        );
    }
}

fn layouts() {
    println!("\n## Bytes per order by page size and length of the log, 200 piles\n");
    println!("| page | 500 kB log | 1 MB log | 2 MB log | 4 MB log |");
    println!("|--:|--:|--:|--:|--:|");
    for page_bytes in [1024, 2048, 4096] {
        let mut row = format!("| {page_bytes} |");
        for log_kb in [500, 1000, 2000, 4000] {
            let checkpoint_pages = log_kb * 1024 / page_bytes;
            let options = Options { page_bytes, checkpoint_pages, ..Options::default() };
            let mut site = Site::new(200, options, HISTORY / 3);
            let (counts, _, done) = site.run(10_000, Site::turn);
            row += &format!(" {} |", counts.bytes() / done);
        }
        println!("{row}");
    }
}

fn speeds() {
    println!("\n## Orders per second, one commit per batch against one per step\n");
    println!("| piles | sync | batched | one by one | ratio |");
    println!("|--:|---|--:|--:|--:|");
    for (delay, name) in [(Duration::ZERO, "as it is"), (SLOW, "+ 10 ms")] {
        for piles in [1, 16, 200] {
            let mut site = Site::new(piles, Options::default(), 2000);
            site.recorder.slow_syncs(delay);
            // Enough commits that a move of the log into the file is one of many.
            let least = if delay.is_zero() { 2000 } else { 60 };
            let (_, took, done) = site.run(least.max(piles * 8), Site::turn);
            let batched = per_second(done, took);
            let orders = if delay.is_zero() { 2000 } else { 60 };
            let (_, took, done) = site.run(orders, Site::turn_one_by_one);
            let single = per_second(done, took);
            println!("| {piles} | {name} | {batched:.0} | {single:.0} | {:.1} |", batched / single);
        }
    }
}

/// Steps arrive at random moments, whoever arrives waits for the commit that runs and for its own.
fn latencies() {
    println!("\n## From Stop to answer, in units of one sync\n");
    println!("| steps per sync | p50 | p99 | one sync |");
    println!("|--:|--:|--:|--:|");
    for per_sync in [0.2, 1.0, 10.0, 60.0] {
        let mut site = Site::new(200, Options::default(), 2000);
        site.recorder.slow_syncs(SLOW);
        let mut random = fastrand::Rng::with_seed(7);
        let mean = SLOW.as_secs_f64() / per_sync;
        let mut due = 0.0;
        let arrivals: Vec<Duration> = (0..(per_sync * 150.0) as usize + 300)
            .map(|_| {
                due -= mean * (1.0 - random.f64()).ln();
                Duration::from_secs_f64(due)
            })
            .collect();
        let before = site.recorder.counts();
        let mut waits = answer(&mut site, &arrivals);
        let counts = site.recorder.counts().since(before);
        let sync = Duration::from_nanos(counts.sync_ns / counts.syncs);
        waits.sort_unstable();
        let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64();
        println!(
            "| {per_sync} | {:.2} | {:.2} | {:.1} ms |",
            at(50) / sync.as_secs_f64(),
            at(99) / sync.as_secs_f64(),
            sync.as_secs_f64() * 1000.0,
        );
    }
}

/// Commits what has arrived, again and again; gives how long each step waited for its answer.
fn answer(site: &mut Site, arrivals: &[Duration]) -> Vec<Duration> {
    let begun = Instant::now();
    let (mut next, mut waits) = (0, Vec::new());
    while next < arrivals.len() {
        let now = begun.elapsed();
        if arrivals[next] > now {
            std::thread::sleep(arrivals[next] - now);
        }
        let now = begun.elapsed();
        let arrived = arrivals[next..].iter().take_while(|at| **at <= now).count();
        let entries: Vec<Entry> =
            (next..next + arrived).flat_map(|at| site.step(at % 200)).collect();
        site.ledger.record(&entries).unwrap();
        let done = begun.elapsed();
        waits.extend(arrivals[next..next + arrived].iter().map(|at| done - *at));
        next += arrived;
    }
    waits
}

fn main() {
    if uplinks::is_child() {
        return;
    }
    let only = std::env::args().nth(1).filter(|arg| !arg.starts_with("--"));
    let parts: [(&str, fn()); 5] = [
        ("costs", costs),
        ("layouts", layouts),
        ("speeds", speeds),
        ("latencies", latencies),
        ("uplinks", uplinks::uplinks),
    ];
    for (name, part) in parts {
        if only.as_deref().is_none_or(|only| only == name) {
            part();
        }
    }
}
