//! The form of a profile's file: what is said of the meter as a whole.

use std::path::Path;

use toml::de::DeTable;

use super::value::{self, Defaults};
use crate::{
    protocol::modbus::{
        Block, Confidence, Identity, Parity, Profile, SerialDefaults, Table, WordOrder,
        profile::MAX_REGISTERS,
    },
    service::config::{
        ConfigError,
        fault::Faults,
        reader::{At, Section},
    },
};

/// What a request has at most if the file says nothing: slaves with small buffers manage it.
const CAUTIOUS_REGISTERS: u64 = 40;

/// Most sources, and most ways to know a meter; nobody reads more.
const MAX_LISTED: usize = 32;

pub(super) const FUNCTION_HINT: &str = "3: holding registers, 4: input registers";
pub(super) const CONFIDENCES: [(&str, Confidence); 3] =
    [("high", Confidence::High), ("medium", Confidence::Medium), ("low", Confidence::Low)];
pub(super) const WORD_ORDERS: [(&str, WordOrder); 2] =
    [("big", WordOrder::Big), ("little", WordOrder::Little)];
const PARITIES: [(&str, Parity); 3] =
    [("none", Parity::None), ("even", Parity::Even), ("odd", Parity::Odd)];

/// Reads the text of a profile; `path` is where it came from.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn parse(name: &str, path: &Path, text: &str) -> Result<Profile, ConfigError> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults = Faults::new(path, text);
    for error in &errors {
        faults.add_syntax(error);
    }
    let profile = if errors.is_empty() {
        read(name, Section::root(document.get_ref()), &mut faults)
    } else {
        None
    };
    faults.finish()?;
    Ok(profile.expect("a profile that could not be read has left a fault"))
}

fn read(name: &str, mut root: Section<'_>, faults: &mut Faults<'_>) -> Option<Profile> {
    let manufacturer = text(&mut root, "manufacturer", "who makes the meter", faults);
    let model = text(&mut root, "model", "as on the meter's plate", faults);
    let verified = root.flag("verified", faults);
    let hint = "true if two sources agree, or its values were compared with the display";
    let verified = root.required("verified", verified, faults, hint);
    let sources = sources(&mut root, faults);
    let function = root.number("function", 3..=4, faults);
    let function = root.required("function", function, faults, FUNCTION_HINT);
    let defaults = function.map(|at| Defaults {
        table: table(at.value),
        words: root.choice("word_order", &WORD_ORDERS, faults).map_or(WordOrder::Big, value_of),
        kind: value::kind(&mut root, faults).map(value_of),
        confidence: root.choice("confidence", &CONFIDENCES, faults).map(value_of),
    });
    let limits = limits(&mut root, faults);
    let serial = root.section("serial", faults).and_then(|section| serial(section, faults));
    let address = root.number("address", 1..=247, faults).and_then(|at| at.value.try_into().ok());
    let identity = defaults.map(|defaults| identities(&mut root, defaults, faults));
    let unreadable = defaults.map(|defaults| unreadable(&mut root, defaults, faults));
    let registers = defaults.and_then(|defaults| value::read_all(&mut root, defaults, faults));
    if defaults.is_none() {
        value::skip(&mut root);
    }
    let place = root.place().clone();
    root.finish(faults);
    let (max_registers, max_gap, silence_ms) = limits;
    let profile = Profile {
        name: name.to_owned(),
        manufacturer: manufacturer?,
        model: model?,
        verified: verified?.value,
        source: sources?,
        max_registers,
        max_gap,
        unreadable: unreadable?,
        silence_ms,
        serial,
        address,
        identity: identity?,
        registers: registers?,
    };
    if let Err(why) = profile.check() {
        faults.add(&place, format!("is no usable profile: {why}"), "");
    }
    Some(profile)
}

pub(super) fn value_of<T>(at: At<T>) -> T {
    at.value
}

pub(super) const fn table(function: u64) -> Table {
    if function == 4 { Table::Input } else { Table::Holding }
}

fn text(
    root: &mut Section<'_>,
    key: &'static str,
    hint: &str,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let at = root.text(key, faults);
    root.required(key, at, faults, hint).map(value_of)
}

fn sources(root: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let at = root.texts("sources", faults);
    let hint = "such as [\"the meter's manual, version 2\"]";
    let at = root.required("sources", at, faults, hint)?;
    if at.value.is_empty() || at.value.len() > MAX_LISTED {
        faults.add(&at.place, "is empty or too long", hint);
    }
    Some(at.value.join("; "))
}

/// Registers of a request, registers bridged, silence.
fn limits(root: &mut Section<'_>, faults: &mut Faults<'_>) -> (u16, u16, u16) {
    let most = u64::from(MAX_REGISTERS);
    let registers = root.number_or("max_registers", 1..=most, CAUTIOUS_REGISTERS, faults);
    let gap = root.number_or("max_gap", 0..=most, 0, faults);
    let silence = root.number_or("silence_ms", 0..=1_000, 0, faults);
    // All of them are within their ranges.
    let short = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    (short(registers), short(gap), short(silence))
}

fn serial(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<SerialDefaults> {
    let baud = section.number("baud", 300..=4_000_000, faults);
    let baud = section.required("baud", baud, faults, "such as 9600");
    let parity = section.choice("parity", &PARITIES, faults);
    let parity = section.required("parity", parity, faults, "\"none\", \"even\" or \"odd\"");
    let stop_bits = section.number_or("stop_bits", 1..=2, 1, faults);
    section.finish(faults);
    Some(SerialDefaults {
        baud: baud?.value.try_into().ok()?,
        parity: parity?.value,
        stop_bits: stop_bits.try_into().ok()?,
    })
}

/// `function` of a table, or the file's own.
pub(super) fn table_in(
    section: &mut Section<'_>,
    defaults: Defaults,
    faults: &mut Faults<'_>,
) -> Table {
    section.number("function", 3..=4, faults).map_or(defaults.table, |at| table(at.value))
}

/// `address` of a register.
pub(super) fn start(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<u16> {
    let at = section.number("address", 0..=65_535, faults);
    let hint = "of the first register, from 0, as on the wire";
    section.required("address", at, faults, hint)?.value.try_into().ok()
}

fn unreadable(root: &mut Section<'_>, defaults: Defaults, faults: &mut Faults<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for mut section in root.sections("unreadable", faults) {
        let table = table_in(&mut section, defaults, faults);
        let start = start(&mut section, faults);
        let count = section.number_or("count", 1..=65_535, 1, faults);
        section.finish(faults);
        let Some((start, count)) = start.zip(u16::try_from(count).ok()) else { continue };
        blocks.push(Block { table, start, count });
    }
    blocks
}

fn identities(
    root: &mut Section<'_>,
    defaults: Defaults,
    faults: &mut Faults<'_>,
) -> Vec<Identity> {
    let sections = root.sections("identity", faults).into_iter();
    sections.filter_map(|section| identity(section, defaults, faults)).collect()
}

fn identity(
    mut section: Section<'_>,
    defaults: Defaults,
    faults: &mut Faults<'_>,
) -> Option<Identity> {
    let table = table_in(&mut section, defaults, faults);
    let start = start(&mut section, faults);
    let at = section.texts("any_of", faults);
    let hint = "registers in hexadecimal, four digits each, such as [\"0x0670\"]";
    let at = section.required("any_of", at, faults, hint);
    section.finish(faults);
    let at = at?;
    let any_of: Option<Vec<Vec<u16>>> = at.value.iter().map(|text| words(text)).collect();
    let any_of = any_of.filter(|list| is_even(list) && list.len() <= MAX_LISTED);
    let Some((any_of, start)) = any_of.zip(start) else {
        if start.is_some() {
            faults.add(&at.place, "is not registers of one length", hint);
        }
        return None;
    };
    let count = u16::try_from(any_of.first()?.len()).ok()?;
    Some(Identity { block: Block { table, start, count }, any_of })
}

/// Whether there is at least one, and all are of one length that fits a request.
fn is_even(list: &[Vec<u16>]) -> bool {
    let first = list.first().map_or(0, Vec::len);
    (1..=16).contains(&first) && list.iter().all(|words| words.len() == first)
}

/// Registers written as `0x` and four digits each.
fn words(text: &str) -> Option<Vec<u16>> {
    let digits = text.strip_prefix("0x")?;
    if digits.is_empty() || digits.len() % 4 != 0 || !digits.is_ascii() {
        return None;
    }
    let mut words = Vec::new();
    for at in (0..digits.len()).step_by(4) {
        words.push(u16::from_str_radix(&digits[at..at + 4], 16).ok()?);
    }
    Some(words)
}
