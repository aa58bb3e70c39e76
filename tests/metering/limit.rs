//! The wire's own limit: how long a cycle takes if nobody ever waits but as long as the line and
//! the slaves want. Worked out register by register, and apart from the planner.

#![allow(dead_code, reason = "the tests and the bench use different parts of it")]

use sitepilot::{
    metering::{Limits, Line, Slave},
    protocol::modbus::Block,
};

use crate::wire::{World, holding, slave};

/// Bits of a byte on a serial line.
const BITS: u64 = 11;

/// What one request costs besides its registers, and what a register costs, in ns.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    pub request_ns: u64,
    pub register_ns: u64,
}

/// A line of so many baud, whose slaves begin to answer after `reply_us`.
pub fn price(baud: u64, turnaround_us: u64, reply_us: u64) -> Price {
    let byte_ns = BITS * 1_000_000_000 / baud;
    let silence_ns = if baud > 19_200 { 1_750_000 } else { byte_ns * 7 / 2 };
    let frames_ns = (8 + 5) * byte_ns;
    Price {
        request_ns: frames_ns + silence_ns + (turnaround_us + reply_us) * 1000,
        register_ns: 2 * byte_ns,
    }
}

/// The least time for one reading of a slave. `least[a]` is that for all it wants from register
/// `a` on; a request that begins at `a` may end anywhere.
pub fn reading_ns(slave: &Slave, price: Price) -> u64 {
    let end = slave.wanted.iter().map(|value| value.end()).max().unwrap_or(0) as usize;
    let mut is_wanted = vec![false; end];
    // Whether a request may end behind this register.
    let mut cuts = vec![false; end];
    for value in &slave.wanted {
        for register in usize::from(value.start)..value.end() as usize {
            is_wanted[register] = true;
            cuts[register] = register + 1 != value.end() as usize;
        }
    }
    let mut least = vec![0; end + 1];
    for first in (0..end).rev() {
        if !is_wanted[first] {
            least[first] = least[first + 1];
            continue;
        }
        let mut cheapest = u64::MAX;
        let mut unwanted = 0;
        for count in 1..=usize::from(slave.limits.max_registers).min(end - first) {
            let last = first + count - 1;
            unwanted = if is_wanted[last] { 0 } else { unwanted + 1 };
            if unwanted > usize::from(slave.limits.max_gap) {
                break;
            }
            if !cuts[last] {
                let registers_ns = count as u64 * price.register_ns;
                cheapest = cheapest.min(price.request_ns + registers_ns + least[last + 1]);
            }
        }
        least[first] = cheapest;
    }
    least[0]
}

/// Meters with sixty registers each, scattered as registers of meters are: runs, small holes, and
/// now and then a large one. No two meters are alike.
pub fn site(meters: u8, interval_ms: u32) -> Vec<Slave> {
    let mut rng = fastrand::Rng::with_seed(32);
    let meter = |number: u8| {
        let mut at = rng.u16(0..100);
        let wanted: Vec<Block> = (0..60)
            .map(|_| {
                at += 1 + match rng.u8(0..100) {
                    0..60 => 0,
                    60..85 => rng.u16(1..7),
                    85..95 => rng.u16(7..21),
                    _ => rng.u16(30..200),
                };
                holding(at, 1)
            })
            .collect();
        slave(number, interval_ms, &wanted)
    };
    (1..=meters).map(meter).collect()
}

/// The same, one register in a request.
pub fn one_by_one(mut slaves: Vec<Slave>) -> Vec<Slave> {
    for slave in &mut slaves {
        slave.limits = Limits { max_registers: 1, max_gap: 0, unreadable: Vec::new() };
    }
    slaves
}

/// A bus that is never idle: how long a cycle takes, in ns, over so many of them.
pub fn cycle_ns(line: Line, slaves: Vec<Slave>, reply_us: u64, cycles: usize) -> u64 {
    let meters = slaves.len();
    let mut world = World::new(line, slaves, reply_us);
    let mut begins = Vec::new();
    while begins.len() <= meters * cycles {
        if let Some(sitepilot::metering::Outcome::Round(_, _, began)) = world.step() {
            begins.push(began.0);
        }
    }
    (begins[meters * cycles] - begins[0]) * 1000 / cycles as u64
}
