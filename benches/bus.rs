//! A bus of meters in virtual time: how near it comes to what the wire allows.
//!
//! `cargo bench --bench bus`. The line and the slaves are simulated, byte by byte; the bus is the
//! real one. Nothing here depends on the machine.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/metering/limit.rs"]
mod limit;
#[path = "../tests/metering/wire.rs"]
mod wire;

use limit::{cycle_ns, one_by_one, price, reading_ns, site};
use sitepilot::metering::{Line, Outcome};
use wire::{Fault, World};

const METERS: u8 = 32;
const TURNAROUND_MS: u32 = 5;
const TIMEOUT_MS: u32 = 300;
const CYCLES: usize = 10;

/// A bus that is never idle: everybody is always due.
const ALWAYS_DUE_MS: u32 = 1;

const MINUTE_US: u64 = 60_000_000;

fn main() {
    for baud in [9600, 115_200] {
        let line = Line::serial(baud, TURNAROUND_MS, TIMEOUT_MS);
        healthy(baud, line, "the silence", u64::from(line.silence_us));
        healthy(baud, line, "20 ms", 20_000);
    }
    for baud in [9600, 115_200] {
        for dead in [0, 1, 4, 8] {
            with_dead(baud, dead);
        }
    }
}

fn limit_ns(baud: u32, meters: usize, reply_us: u64) -> u64 {
    let price = price(baud.into(), u64::from(TURNAROUND_MS) * 1000, reply_us);
    let slaves = site(METERS, ALWAYS_DUE_MS);
    slaves.iter().rev().take(meters).map(|slave| reading_ns(slave, price)).sum()
}

/// All answer: against the limit, and against a register per request.
fn healthy(baud: u32, line: Line, reply: &str, reply_us: u64) {
    let limit = limit_ns(baud, METERS.into(), reply_us);
    let slaves = site(METERS, ALWAYS_DUE_MS);
    let cycle = cycle_ns(line, slaves.clone(), reply_us, CYCLES);
    let single = cycle_ns(line, one_by_one(slaves), reply_us, 2);
    println!(
        "{baud} baud, slaves answer after {reply}: limit {} ms, cycle {} ms (+{:.2} %), a register \
         per request {} ms ({:.1} times)",
        limit / 1_000_000,
        cycle / 1_000_000,
        (cycle as f64 / limit as f64 - 1.0) * 100.0,
        single / 1_000_000,
        single as f64 / cycle as f64,
    );
}

/// Some fall silent after a minute: the cycles of those who live in the minutes after that, and
/// half an hour later.
fn with_dead(baud: u32, dead: usize) {
    let line = Line::serial(baud, TURNAROUND_MS, TIMEOUT_MS);
    let reply_us = u64::from(line.silence_us);
    let living = usize::from(METERS) - dead;
    let limit = limit_ns(baud, living, reply_us);
    let mut world = World::new(line, site(METERS, ALWAYS_DUE_MS), reply_us);
    world.run(MINUTE_US);
    for slave in &mut world.slaves[..dead] {
        slave.always = Fault::Silent;
    }
    let first = cycles(&mut world, 5 * MINUTE_US, dead);
    world.run(30 * MINUTE_US);
    let later = cycles(&mut world, 30 * MINUTE_US, dead);
    println!(
        "{baud} baud, {dead} of {METERS} dead: limit of the living {} ms; first five minutes: \
         cycle {} ms (+{:.2} %), longest {} ms; after half an hour: {} ms (+{:.2} %), longest {} ms",
        limit / 1_000_000,
        first.mean_ns / 1_000_000,
        over(first.mean_ns, limit),
        first.longest_ns / 1_000_000,
        later.mean_ns / 1_000_000,
        over(later.mean_ns, limit),
        later.longest_ns / 1_000_000,
    );
}

fn over(cycle: u64, limit: u64) -> f64 {
    (cycle as f64 / limit as f64 - 1.0) * 100.0
}

struct Cycles {
    mean_ns: u64,
    longest_ns: u64,
}

/// How far apart the readings of one meter began, for those who live.
fn cycles(world: &mut World, for_us: u64, dead: usize) -> Cycles {
    let until = world.now + for_us;
    let outcomes: Vec<Outcome> = world.run(until);
    let mut apart = Vec::new();
    for number in dead + 1..=usize::from(METERS) {
        let begins = wire::begins(&outcomes, u8::try_from(number).unwrap());
        apart.extend(begins.windows(2).map(|pair| (pair[1] - pair[0]) * 1000));
    }
    Cycles {
        mean_ns: apart.iter().sum::<u64>() / apart.len() as u64,
        longest_ns: apart.iter().max().copied().unwrap(),
    }
}
