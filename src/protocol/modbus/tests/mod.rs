//! Meters by their words.

#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;
mod parts;
mod round_trip;
mod wrong;

use super::{
    Block, Confidence, Decimal, Factor, Image, Kind, Need, Profile, Quantity, Readout, Register,
    Scale, Table, WordOrder,
};
use crate::domain::reading::Values;

fn block(start: u16, count: u16) -> Block {
    Block { table: Table::Holding, start, count }
}

/// A required register of this kind, words most significant first.
fn register(quantity: Quantity, start: u16, kind: Kind, scale: &str) -> Register {
    Register {
        quantity,
        block: block(start, kind.registers()),
        kind,
        words: WordOrder::Big,
        scale: Scale::fixed(scale.parse().unwrap()),
        absent: Vec::new(),
        need: Need::Required,
        confidence: Confidence::High,
        source: String::new(),
    }
}

fn swapped(register: Register) -> Register {
    Register { words: WordOrder::Little, ..register }
}

fn optional(register: Register) -> Register {
    Register { need: Need::Optional, ..register }
}

fn absent(register: Register, bits: u64) -> Register {
    Register { absent: vec![bits], ..register }
}

/// A register of one word that others are multiplied with.
fn factor(start: u16) -> Factor {
    let block = block(start, 1);
    Factor { block, kind: Kind::U16, words: WordOrder::Big, scale: Decimal::ONE }
}

fn profile(registers: Vec<Register>) -> Profile {
    let profile = Profile {
        name: "test".into(),
        manufacturer: String::new(),
        model: String::new(),
        verified: false,
        source: String::new(),
        max_registers: 125,
        max_gap: 16,
        unreadable: Vec::new(),
        silence_ms: 0,
        serial: None,
        address: None,
        identity: Vec::new(),
        registers,
    };
    profile.check().unwrap();
    profile
}

/// What a meter says whose registers hold these words from these addresses on.
fn read(profile: &Profile, words: &[(u16, &[u16])]) -> Result<Values, String> {
    let mut image = Image::new();
    for (start, words) in words {
        image.extend((*start..).zip(*words).map(|(at, word)| ((Table::Holding, at), *word)));
    }
    profile.values(&readout(profile, &image))
}

/// What a bus reads of these registers; blocks that are not all there are refused.
fn readout(profile: &Profile, image: &Image) -> Readout {
    let mut readout = Readout::default();
    for block in profile.blocks() {
        let at = |address| image.get(&(block.table, address)).copied();
        let words: Option<Vec<u16>> =
            (block.start..).take(usize::from(block.count)).map(at).collect();
        if let Some(words) = words {
            readout.add(block, words);
        }
    }
    readout
}
