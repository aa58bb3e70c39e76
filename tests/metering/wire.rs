//! A serial line with slaves on it, in virtual time, and what the owner of the port does.

#![allow(dead_code, reason = "the tests and the bench use different parts of it")]

#[path = "slave.rs"]
mod slave;

use std::collections::BTreeMap;

use sitepilot::{
    domain::{id::MeterName, reading::ReadFault},
    metering::{Answer, Ask, Bus, Limits, Line, Micros, Next, Outcome, Slave},
    protocol::modbus::{Block, Table},
};

pub use self::slave::{Fault, Simulated, checksum, word};

/// Bytes on their way to the owner of the port.
#[derive(Debug)]
struct Transmission {
    start: u64,
    bytes: Vec<u8>,
    /// So many have come.
    taken: usize,
}

/// A line, its slaves, the bus, and the owner of the port.
pub struct World {
    pub now: u64,
    pub line: Line,
    pub bus: Bus,
    pub slaves: Vec<Simulated>,
    pub names: Vec<MeterName>,
    pub rng: fastrand::Rng,
    air: Vec<Transmission>,
    /// How many were sent; the number of each decides what registers hold.
    requests: u64,
    /// Words accepted that are not those of the request.
    pub wrong: u64,
    /// What they were.
    wrong_words: Vec<Vec<u16>>,
    /// Readings that were told with some of them in it.
    pub wrong_readings: u64,
    pub accepted: u64,
    /// Bytes that passed, both ways.
    pub bytes: u64,
    /// The request that failed last: when it was sent, and its cost when the line is free again.
    failed_at: Option<(u64, Block, ReadFault)>,
    /// What faults cost: until the line was free, and what one time-out and the quarantine allow.
    pub costs: Vec<Cost>,
    /// The least silence seen before a request, in µs.
    pub least_gap_us: u64,
    last_byte: u64,
}

/// What a fault cost.
#[derive(Debug, Clone)]
pub struct Cost {
    pub fault: ReadFault,
    pub us: u64,
    /// Request, time-out, the answer's time and the quarantine.
    pub allowed_us: u64,
    pub answer_us: u64,
}

pub fn meter(number: u8) -> MeterName {
    MeterName::new(&format!("meter-{number}")).unwrap()
}

pub fn holding(start: u16, count: u16) -> Block {
    Block { table: Table::Holding, start, count }
}

pub fn slave(number: u8, interval_ms: u32, wanted: &[Block]) -> Slave {
    Slave {
        meter: meter(number),
        address: number,
        interval_ms,
        silence_us: 0,
        wanted: wanted.to_vec(),
        limits: Limits { max_registers: 125, max_gap: 16, unreadable: Vec::new() },
    }
}

impl World {
    pub fn new(line: Line, slaves: Vec<Slave>, reply_us: u64) -> Self {
        let simulated = slaves.iter().map(|slave| Simulated::new(slave.address, reply_us));
        Self {
            now: 0,
            line,
            slaves: simulated.collect(),
            names: slaves.iter().map(|slave| slave.meter.clone()).collect(),
            bus: Bus::new(line, slaves, Micros(0)),
            rng: fastrand::Rng::with_seed(1),
            air: Vec::new(),
            requests: 0,
            wrong: 0,
            wrong_words: Vec::new(),
            wrong_readings: 0,
            accepted: 0,
            bytes: 0,
            failed_at: None,
            costs: Vec::new(),
            least_gap_us: u64::MAX,
            last_byte: 0,
        }
    }

    fn byte_us(&self) -> u64 {
        u64::from(self.line.byte_us)
    }

    /// Something is sent to the owner of the port.
    pub fn say(&mut self, start: u64, bytes: Vec<u8>) {
        let start = start.max(self.now);
        let mut new = Transmission { start, bytes, taken: 0 };
        for old in &mut self.air {
            garble(old, &mut new, u64::from(self.line.byte_us));
        }
        self.air.push(new);
    }

    /// Takes what has come by then.
    fn take(&mut self, until: u64) -> Vec<(u64, u8)> {
        let byte_us = self.byte_us();
        let mut came = Vec::new();
        for one in &mut self.air {
            while one.taken < one.bytes.len() {
                let at = one.start + (one.taken as u64 + 1) * byte_us;
                if at > until {
                    break;
                }
                came.push((at, one.bytes[one.taken]));
                one.taken += 1;
            }
        }
        self.air.retain(|one| one.taken < one.bytes.len());
        came.sort_by_key(|(at, _)| *at);
        self.bytes += came.len() as u64;
        if let Some((at, _)) = came.last() {
            self.last_byte = self.last_byte.max(*at);
        }
        came
    }

    /// When the next byte comes.
    fn next_byte(&self) -> Option<u64> {
        let byte_us = self.byte_us();
        self.air.iter().map(|one| one.start + (one.taken as u64 + 1) * byte_us).min()
    }

    /// Does what the bus wants once; what came of it.
    pub fn step(&mut self) -> Option<Outcome> {
        match self.bus.next(Micros(self.now)) {
            Next::Wait { until } => {
                assert!(until.0 > self.now, "the owner of the port would spin");
                self.free();
                self.now = until.0;
                None
            }
            Next::Listen { until } => {
                assert!(until.0 > self.now, "the owner of the port would spin");
                self.now = self.next_byte().map_or(until.0, |at| at.max(self.now).min(until.0));
                let came: Vec<u8> = self.take(self.now).into_iter().map(|(_, byte)| byte).collect();
                self.bus.heard(&came, Micros(self.now))
            }
            Next::Ask(ask) => {
                self.free();
                self.now = self.now.max(ask.not_before.0);
                let came: Vec<u8> = self.take(self.now).into_iter().map(|(_, byte)| byte).collect();
                if came.is_empty() {
                    return self.exchange(&ask);
                }
                self.bus.heard(&came, Micros(self.now))
            }
        }
    }

    /// The line is free again.
    fn free(&mut self) {
        if let Some((sent, block, fault)) = self.failed_at.take() {
            let answer_us = self.line.answer_us(block);
            let allowed_us = self.line.patience_us(block) + u64::from(self.line.quarantine_us);
            self.costs.push(Cost { fault, us: self.now - sent, allowed_us, answer_us });
        }
    }

    fn exchange(&mut self, ask: &Ask) -> Option<Outcome> {
        let sent = self.now;
        self.least_gap_us = self.least_gap_us.min(sent - self.last_byte);
        let give_up = self.bus.sent(Micros(sent)).0;
        let end = sent + 8 * self.byte_us();
        self.requests += 1;
        self.bytes += 8;
        self.last_byte = end;
        let request = Transmission { start: sent, bytes: vec![0; 8], taken: 0 };
        if self.collides(request) {
            // Nobody understands it.
        } else if let Some(at) = self.slaves.iter().position(|one| one.address == ask.address) {
            self.serve(at, ask.block, end);
        }
        let (answer, raw, over) = self.hear_out(ask, give_up);
        if let Answer::Words(words) = &answer {
            self.check(ask, words);
        }
        let fault = match &answer {
            Answer::Fault(fault) if !matches!(fault, ReadFault::Refused(_)) => Some(fault.clone()),
            Answer::Words(_) | Answer::Fault(_) => None,
        };
        let outcome = self.bus.answered(answer, Micros(over));
        if let Some(Outcome::Round(_, readout, _)) = &outcome {
            let is_wrong = |(_, words): &(Block, Vec<u16>)| self.wrong_words.contains(words);
            self.wrong_readings += u64::from(readout.blocks().iter().any(is_wrong));
        }
        if let Some(fault) = fault {
            assert_eq!(self.bus.heard(&raw, Micros(over)), None, "that reading is over");
            self.failed_at = Some((sent, ask.block, fault));
        }
        outcome
    }

    fn collides(&mut self, mut request: Transmission) -> bool {
        let byte_us = self.byte_us();
        let mut collides = false;
        for old in &mut self.air {
            collides |= garble(old, &mut request, byte_us);
        }
        collides
    }

    fn check(&mut self, ask: &Ask, words: &[u16]) {
        self.accepted += 1;
        let Block { table, start, count } = ask.block;
        let right: Vec<u16> =
            (0..count).map(|more| word(ask.address, table, start + more, self.requests)).collect();
        if words != right {
            self.wrong += 1;
            self.wrong_words.push(words.to_vec());
        }
    }

    /// Waits for the answer as the owner of a port does: the first whole frame ends it, and then
    /// nothing may follow within the silence that ends a frame, or as long as the bus wants.
    fn hear_out(&mut self, ask: &Ask, give_up: u64) -> (Answer, Vec<u8>, u64) {
        let mut raw = Vec::new();
        while let Some(at) = self.next_byte().filter(|at| *at <= give_up) {
            self.now = at.max(self.now);
            raw.extend(self.take(self.now).into_iter().map(|(_, byte)| byte));
            let whole = match raw.as_slice() {
                [_, function, _, ..] if function & 0x80 != 0 => 5,
                [_, _, bytes, ..] => 5 + usize::from(*bytes),
                _ => usize::MAX,
            };
            if raw.len() < whole {
                continue;
            }
            let at = self.now;
            self.now += u64::from(self.line.silence_us).max(ask.linger_us);
            raw.extend(self.take(self.now).into_iter().map(|(_, byte)| byte));
            if raw.len() == whole && checksum(&raw[..whole - 2]) == raw[whole - 2..] {
                return (judge(ask, &raw), raw, at);
            }
        }
        self.now = self.now.max(give_up);
        let fault = if raw.is_empty() { ReadFault::NoAnswer } else { ReadFault::Damaged };
        (Answer::Fault(fault), raw, self.now)
    }

    /// A slave gets a request.
    fn serve(&mut self, at: usize, block: Block, end: u64) {
        let slave = &mut self.slaves[at];
        slave.asked.push((self.now, block));
        for (later, bytes) in slave.replies(block, self.requests, &mut self.rng) {
            self.say(end + later, bytes);
        }
    }

    /// Runs until then; what came of the readings.
    pub fn run(&mut self, until: u64) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while self.now < until {
            outcomes.extend(self.step());
        }
        outcomes
    }
}

/// Bytes that are on the line at the same time are lost, both; whether there were any.
fn garble(old: &mut Transmission, new: &mut Transmission, byte_us: u64) -> bool {
    let end = |one: &Transmission| one.start + one.bytes.len() as u64 * byte_us;
    if byte_us == 0 || end(old) <= new.start || end(new) <= old.start {
        return false;
    }
    let (from, until) = (old.start.max(new.start), end(old).min(end(new)));
    for one in [old, new] {
        for (place, byte) in one.bytes.iter_mut().enumerate().skip(one.taken) {
            let begins = one.start + place as u64 * byte_us;
            if begins < until && begins + byte_us > from {
                *byte ^= 0x5B;
            }
        }
    }
    true
}

fn judge(ask: &Ask, raw: &[u8]) -> Answer {
    let function = ask.block.table.function();
    if raw[0] != ask.address || raw[1] & 0x7F != function {
        return Answer::Fault(ReadFault::Stray);
    }
    if raw[1] & 0x80 != 0 {
        return Answer::Fault(ReadFault::Refused(raw[2]));
    }
    if usize::from(raw[2]) != 2 * usize::from(ask.block.count) {
        return Answer::Fault(ReadFault::Stray);
    }
    let words = raw[3..raw.len() - 2].chunks(2);
    Answer::Words(words.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}

/// How often each meter was read whole.
pub fn rounds(outcomes: &[Outcome]) -> BTreeMap<MeterName, usize> {
    let mut rounds = BTreeMap::new();
    for outcome in outcomes {
        if let Outcome::Round(meter, ..) = outcome {
            *rounds.entry(meter.clone()).or_default() += 1;
        }
    }
    rounds
}

/// When readings of a meter began.
pub fn begins(outcomes: &[Outcome], number: u8) -> Vec<u64> {
    let begin = |outcome: &Outcome| match outcome {
        Outcome::Round(name, _, began) if *name == meter(number) => Some(began.0),
        Outcome::Round(..) | Outcome::Failed(..) => None,
    };
    outcomes.iter().filter_map(begin).collect()
}
