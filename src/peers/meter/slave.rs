//! One simulated meter.

use std::{collections::VecDeque, sync::Arc};

use super::{
    fault::{Fault, Faults, Lasting},
    frame::{Asked, Framing},
    load::{Load, Phases},
};
use crate::{
    domain::{quantity::Energy, reading::Values, time::Mono},
    protocol::modbus::{Block, Image, Phase, Profile, Quantity, Table, profile::MAX_REGISTERS},
};

/// Requests that wait for a slow meter; one more is lost, as in a meter with a small buffer.
const OWED_MAX: usize = 4;

/// Between two bursts of a babble.
const BABBLE_EVERY_MS: u64 = 20;

/// Longest noise drawn by chance, in bytes.
const NOISE_BYTES_MAX: usize = 8;

/// Exceptions of Modbus.
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// What a slave made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Who.
    pub address: u8,
    /// The function asked for.
    pub function: u8,
    /// First register asked for.
    pub start: u16,
    /// How many.
    pub count: u16,
    /// The exception it honestly deserved.
    pub refused: Option<u8>,
    /// What went wrong with the answer, as ordered.
    pub faults: Vec<Fault>,
}

/// Bytes and when they go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub at: Mono,
    pub bytes: Vec<u8>,
}

/// What a meter is fed with instead of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// What its import register shows.
    pub import: Energy,
    /// What flows at the moment, in W.
    pub power_w: i64,
}

type Feed = Box<dyn FnMut() -> Flow + Send>;

/// Registers out of values.
type Draw = Box<dyn Fn(&Values) -> Image + Send>;

/// A simulated meter.
pub struct Slave {
    address: u8,
    max_registers: u16,
    phases: Phases,
    draw: Draw,
    load: Load,
    feed: Option<Feed>,
    faults: Faults,
    stuck: Option<Image>,
    /// When the answers under way go out.
    owed: VecDeque<Mono>,
    rng: fastrand::Rng,
}

impl Slave {
    /// A meter as its profile describes it. Registers between its values read 0 as far as a
    /// request may reach over them, and are not there otherwise.
    #[must_use]
    pub fn of(profile: Arc<Profile>, address: u8) -> Self {
        let is_of_l2 = |quantity| {
            matches!(
                quantity,
                Quantity::PhasePower(Phase::L2)
                    | Quantity::Voltage(Phase::L2)
                    | Quantity::Current(Phase::L2)
            )
        };
        let has_l2 = profile.registers.iter().any(|register| is_of_l2(register.quantity));
        let (max_registers, phases) =
            (profile.max_registers, if has_l2 { Phases::Three } else { Phases::One });
        let mut slave = Self::new(address, move |values| {
            let mut image = profile.image(values);
            fill_gaps(&mut image, &profile);
            image
        });
        slave.phases = phases;
        slave.with_max_registers(max_registers)
    }

    /// A meter whose registers are drawn from its values by `draw`.
    #[must_use]
    pub fn new(address: u8, draw: impl Fn(&Values) -> Image + Send + 'static) -> Self {
        Self {
            address,
            max_registers: MAX_REGISTERS,
            phases: Phases::Three,
            draw: Box::new(draw),
            load: Load::constant(0),
            feed: None,
            faults: Faults::default(),
            stuck: None,
            owed: VecDeque::new(),
            rng: fastrand::Rng::with_seed(u64::from(address)),
        }
    }

    /// A meter with registers that never change.
    #[must_use]
    pub fn fixed(address: u8, image: Image) -> Self {
        Self::new(address, move |_| image.clone())
    }

    /// Refuses to read more registers at once.
    #[must_use]
    pub fn with_max_registers(mut self, max_registers: u16) -> Self {
        self.max_registers = max_registers.min(MAX_REGISTERS);
        self
    }

    /// Shows what it is fed with, whenever it is asked, in place of a load.
    #[must_use]
    pub fn fed_by(mut self, feed: impl FnMut() -> Flow + Send + 'static) -> Self {
        self.feed = Some(Box::new(feed));
        self
    }

    /// Draws its chance from this seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.rng = fastrand::Rng::with_seed(seed);
        self
    }

    /// Its address on the line.
    #[must_use]
    pub fn address(&self) -> u8 {
        self.address
    }

    /// Another load from now on.
    pub fn set_load(&mut self, load: &Load, now: Mono) {
        self.load.change(load, now);
    }

    /// Sets its import register; the export register begins at 0.
    pub fn set_energy(&mut self, import: Energy, now: Mono) {
        self.load.set_energy(import, Energy::default(), now);
    }

    /// Another meter of the same type takes its place: its registers begin at 0.
    pub fn replace(&mut self, now: Mono) {
        self.set_energy(Energy::default(), now);
    }

    /// Switches a fault on.
    pub fn fail(&mut self, fault: Fault, lasting: Lasting) {
        self.faults.switch_on(fault, lasting);
    }

    /// Switches all faults off.
    pub fn be_well(&mut self) {
        self.faults.clear();
    }

    /// What it measures now.
    pub fn values(&mut self, now: Mono) -> Values {
        self.load.follow(now);
        if let Some(Flow { import, power_w }) = self.feed.as_mut().map(|feed| feed()) {
            self.load.change(&Load::constant(power_w), now);
            self.load.set_energy(import, Energy::default(), now);
        }
        self.load.values(self.phases)
    }

    /// The frames that answer a request, and what became of it; `None`: it was lost in a buffer
    /// that is full.
    pub(super) fn answer(
        &mut self,
        asked: &Asked,
        framing: Framing,
        now: Mono,
    ) -> Option<(Vec<Sending>, Exchange)> {
        self.owed.retain(|at| now < *at);
        if self.owed.len() >= OWED_MAX {
            return None;
        }
        let faults = self.faults.take(now);
        let (start, count) = wanted(&asked.pdu);
        let function = asked.pdu.first().copied().unwrap_or(0);
        let honest = self.honest(&asked.pdu, &faults, now);
        let refused = honest.as_ref().err().copied();
        let sendings = self.disturbed(asked, framing, honest, &faults, now);
        let exchange = Exchange { address: self.address, function, start, count, refused, faults };
        Some((sendings, exchange))
    }

    /// The words asked for, or the exception.
    fn honest(&mut self, pdu: &[u8], faults: &[Fault], now: Mono) -> Result<Vec<u16>, u8> {
        let table = match pdu.first() {
            Some(3) => Table::Holding,
            Some(4) => Table::Input,
            Some(_) | None => return Err(ILLEGAL_FUNCTION),
        };
        let (start, count) = wanted(pdu);
        if pdu.len() != 5 || !(1..=self.max_registers).contains(&count) {
            return Err(ILLEGAL_VALUE);
        }
        let image = self.image(faults, now);
        let block = Block { table, start, count };
        let words = (u32::from(start)..block.end()).map(|address| {
            let address = u16::try_from(address).map_err(|_| ILLEGAL_ADDRESS)?;
            image.get(&(table, address)).copied().ok_or(ILLEGAL_ADDRESS)
        });
        words.collect()
    }

    fn image(&mut self, faults: &[Fault], now: Mono) -> Image {
        let values = self.values(now);
        let image = (self.draw)(&values);
        if !faults.contains(&Fault::Stuck) {
            self.stuck = None;
            return image;
        }
        self.stuck.get_or_insert(image).clone()
    }

    /// The answer as the faults leave it.
    fn disturbed(
        &mut self,
        asked: &Asked,
        framing: Framing,
        honest: Result<Vec<u16>, u8>,
        faults: &[Fault],
        now: Mono,
    ) -> Vec<Sending> {
        if faults.contains(&Fault::Silent) {
            return Vec::new();
        }
        let frame = self.wrong_frame(asked, framing, honest, faults);
        let bytes = self.disturbed_bytes(frame, faults);
        let at = self.due(faults, now);
        let mut sendings = pieces(bytes, faults, at);
        if faults.contains(&Fault::Echo) {
            let bytes = framing.frame(asked, asked.address, &asked.pdu);
            sendings.insert(0, Sending { at: now, bytes });
        }
        for fault in faults {
            if let Fault::Babble { ms } = fault {
                let bursts = (1..=ms / BABBLE_EVERY_MS).map(|n| at.plus_ms(n * BABBLE_EVERY_MS));
                sendings.extend(bursts.map(|at| Sending { at, bytes: self.noise() }));
            }
        }
        sendings
    }

    /// A frame that is whole, though perhaps not the one that was asked for.
    fn wrong_frame(
        &self,
        asked: &Asked,
        framing: Framing,
        mut honest: Result<Vec<u16>, u8>,
        faults: &[Fault],
    ) -> Vec<u8> {
        let mut address = asked.address;
        let mut function = asked.pdu.first().copied().unwrap_or(0);
        for fault in faults {
            match fault {
                // Slaves have the addresses 1 to 247.
                Fault::WrongAddress => address = address % 247 + 1,
                // The other of the two functions that read registers.
                Fault::WrongFunction => function = if function == 3 { 4 } else { 3 },
                Fault::Exception(code) => honest = Err(*code),
                Fault::WrongCount { by } => {
                    if let Ok(words) = &mut honest {
                        let count = words.len().saturating_add_signed(isize::from(*by));
                        words.resize(count.min(usize::from(MAX_REGISTERS)), 0);
                    }
                }
                Fault::Silent
                | Fault::Late { .. }
                | Fault::Half
                | Fault::Split { .. }
                | Fault::Flip
                | Fault::NoiseBefore(_)
                | Fault::NoiseAfter(_)
                | Fault::Twice
                | Fault::Echo
                | Fault::Babble { .. }
                | Fault::Stuck => {}
            }
        }
        framing.frame(asked, address, &pdu(function, honest))
    }

    fn disturbed_bytes(&mut self, mut bytes: Vec<u8>, faults: &[Fault]) -> Vec<u8> {
        for fault in faults {
            match fault {
                Fault::Flip => {
                    let at = self.rng.usize(..bytes.len());
                    bytes[at] ^= 1 << self.rng.u8(..8);
                }
                Fault::Half => bytes.truncate(bytes.len() / 2),
                Fault::Twice => bytes.extend_from_within(..),
                Fault::NoiseBefore(noise) => {
                    let noise = self.noise_or(noise);
                    bytes.splice(..0, noise);
                }
                Fault::NoiseAfter(noise) => bytes.extend(self.noise_or(noise)),
                Fault::Silent
                | Fault::Late { .. }
                | Fault::Split { .. }
                | Fault::WrongAddress
                | Fault::WrongFunction
                | Fault::WrongCount { .. }
                | Fault::Echo
                | Fault::Babble { .. }
                | Fault::Exception(_)
                | Fault::Stuck => {}
            }
        }
        bytes
    }

    /// When the answer goes out: one after the other.
    fn due(&mut self, faults: &[Fault], now: Mono) -> Mono {
        let late_ms = faults.iter().find_map(|fault| match fault {
            Fault::Late { ms } => Some(*ms),
            _ => None,
        });
        let begun = self.owed.back().copied().unwrap_or(now).max(now);
        let at = begun.plus_ms(late_ms.unwrap_or(0));
        self.owed.push_back(at);
        at
    }

    fn noise_or(&mut self, noise: &[u8]) -> Vec<u8> {
        if noise.is_empty() { self.noise() } else { noise.to_vec() }
    }

    fn noise(&mut self) -> Vec<u8> {
        let count = self.rng.usize(1..=NOISE_BYTES_MAX);
        std::iter::repeat_with(|| self.rng.u8(..)).take(count).collect()
    }
}

/// Adds the registers that a request may reach over.
fn fill_gaps(image: &mut Image, profile: &Profile) {
    let known: Vec<(Table, u16)> = image.keys().copied().collect();
    for pair in known.windows(2) {
        let [(table, last), (other, next)] = pair else { continue };
        if table != other || next - last - 1 > profile.max_gap {
            continue;
        }
        let is_barred = |address: &u16| {
            let block = Block { table: *table, start: *address, count: 1 };
            profile.unreadable.iter().any(|unreadable| unreadable.covers(block))
        };
        let gap = (last + 1..*next).filter(|address| !is_barred(address));
        image.extend(gap.map(|address| ((*table, address), 0)));
    }
}

/// First register and count that a PDU asks for; 0 where it ends before.
fn wanted(pdu: &[u8]) -> (u16, u16) {
    let word = |at: usize| {
        pdu.get(at..at + 2).and_then(|w| w.try_into().ok()).map_or(0, u16::from_be_bytes)
    };
    (word(1), word(3))
}

fn pdu(function: u8, words: Result<Vec<u16>, u8>) -> Vec<u8> {
    match words {
        Err(exception) => vec![function | 0x80, exception],
        Ok(words) => {
            let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_be_bytes).collect();
            let count = u8::try_from(bytes.len()).expect("at most 125 registers");
            [vec![function, count], bytes].concat()
        }
    }
}

/// Whole, or in two parts.
fn pieces(mut bytes: Vec<u8>, faults: &[Fault], at: Mono) -> Vec<Sending> {
    let pause = faults.iter().find_map(|fault| match fault {
        Fault::Split { ms } => Some(*ms),
        _ => None,
    });
    let Some(ms) = pause else { return vec![Sending { at, bytes }] };
    let second = bytes.split_off(bytes.len() / 2);
    vec![Sending { at, bytes }, Sending { at: at.plus_ms(ms), bytes: second }]
}
