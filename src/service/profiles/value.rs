//! The form of a profile's file: its values.

use super::file::{CONFIDENCES, WORD_ORDERS, start, table_in, value_of};
use crate::{
    protocol::modbus::{
        Block, Confidence, Decimal, Exponent, Factor, FactorForm, Kind, Need, Phase, Quantity,
        Register, Scale, Table, WordOrder,
    },
    service::config::{
        fault::{Faults, Place},
        reader::{At, Section},
    },
};

/// What a file says once for all of its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Defaults {
    pub(super) table: Table,
    pub(super) words: WordOrder,
    pub(super) kind: Option<Kind>,
    pub(super) confidence: Option<Confidence>,
}

/// Registers that a value may be the sum of; tariffs are at most eight.
const MAX_SUMMED: usize = 16;

/// Marks for "no value" of one register.
const MAX_ABSENT: usize = 8;

const VALUES: [(&str, Quantity); 17] = [
    ("energy_import", Quantity::EnergyImport),
    ("energy_export", Quantity::EnergyExport),
    ("power", Quantity::Power),
    ("power_import", Quantity::PowerImport),
    ("power_export", Quantity::PowerExport),
    ("power_l1", Quantity::PhasePower(Phase::L1)),
    ("power_l2", Quantity::PhasePower(Phase::L2)),
    ("power_l3", Quantity::PhasePower(Phase::L3)),
    ("reactive", Quantity::Reactive),
    ("voltage_l1", Quantity::Voltage(Phase::L1)),
    ("voltage_l2", Quantity::Voltage(Phase::L2)),
    ("voltage_l3", Quantity::Voltage(Phase::L3)),
    ("current_l1", Quantity::Current(Phase::L1)),
    ("current_l2", Quantity::Current(Phase::L2)),
    ("current_l3", Quantity::Current(Phase::L3)),
    ("frequency", Quantity::Frequency),
    ("power_factor", Quantity::PowerFactor(FactorForm::Plain)),
];

const KINDS: [(&str, Kind); 15] = [
    ("i16", Kind::I16),
    ("u16", Kind::U16),
    ("i32", Kind::I32),
    ("u32", Kind::U32),
    ("i64", Kind::I64),
    ("u64", Kind::U64),
    ("f32", Kind::F32),
    ("f64", Kind::F64),
    ("bcd16", Kind::Bcd(1)),
    ("bcd32", Kind::Bcd(2)),
    ("bcd48", Kind::Bcd(3)),
    ("bcd64", Kind::Bcd(4)),
    ("t5", Kind::T5),
    ("t6", Kind::T6),
    ("t7", Kind::T7),
];

const FORMS: [(&str, FactorForm); 2] =
    [("plain", FactorForm::Plain), ("four_quadrants", FactorForm::FourQuadrants)];

const NEEDS: [(&str, Need); 2] = [("required", Need::Required), ("optional", Need::Optional)];

/// Registers that values are multiplied with, by the names they may have.
const FACTORS: [&str; 3] = ["vt", "ct", "multiplier"];

type Factors = Vec<(&'static str, Factor)>;

/// `type`, of the file or of a register.
pub(super) fn kind(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<Kind>> {
    section.choice("type", &KINDS, faults)
}

/// Leaves out what cannot be read without the defaults.
pub(super) fn skip(root: &mut Section<'_>) {
    for key in ["word_order", "type", "confidence", "identity", "unreadable", "factors", "values"] {
        root.any(key);
    }
}

/// `[factors]` and `[values]`
pub(super) fn read_all(
    root: &mut Section<'_>,
    defaults: Defaults,
    faults: &mut Faults<'_>,
) -> Option<Vec<Register>> {
    let factors = root.section("factors", faults);
    let factors = factors.map_or_else(Vec::new, |section| factors_in(section, defaults, faults));
    let section = root.section("values", faults);
    if section.is_none() && !root.has("values") {
        faults.add(root.place(), "has no table [values]", "[values] with a line for each value");
    }
    let mut section = section?;
    let mut registers: Vec<(Place, Register)> = Vec::new();
    for (key, quantity) in VALUES {
        for part in parts(&mut section, key, faults) {
            let place = part.place().clone();
            let register = register(part, quantity, defaults, &factors, faults);
            registers.extend(register.map(|register| (place, register)));
        }
    }
    section.finish(faults);
    refuse_overlaps(&registers, faults);
    Some(registers.into_iter().map(|(_, register)| register).collect())
}

/// A value's register, or those it is the sum of.
fn parts<'t>(
    section: &mut Section<'t>,
    key: &'static str,
    faults: &mut Faults<'_>,
) -> Vec<Section<'t>> {
    if !section.is_list(key) {
        return section.section(key, faults).into_iter().collect();
    }
    let parts = section.sections(key, faults);
    if parts.is_empty() || parts.len() > MAX_SUMMED {
        let text = format!("is the sum of too few or too many registers: {}", parts.len());
        faults.add(section.place(), format!("{key} {text}"), format!("1 to {MAX_SUMMED}"));
    }
    parts
}

fn register(
    mut section: Section<'_>,
    quantity: Quantity,
    defaults: Defaults,
    factors: &Factors,
    faults: &mut Faults<'_>,
) -> Option<Register> {
    let start = start(&mut section, faults);
    let kind = kind_in(&mut section, defaults, faults);
    let table = table_in(&mut section, defaults, faults);
    let words = section.choice("word_order", &WORD_ORDERS, faults);
    let scale = scale(&mut section, quantity, table, factors, faults);
    let absent = absent(&mut section, kind, faults);
    let need = section.choice("need", &NEEDS, faults).map_or(need(quantity), value_of);
    let confidence = section.choice("confidence", &CONFIDENCES, faults).map(value_of);
    let source = section.text("source", faults).map_or_else(String::new, value_of);
    let quantity = match quantity {
        Quantity::PowerFactor(plain) => {
            let form = section.choice("form", &FORMS, faults);
            Quantity::PowerFactor(form.map_or(plain, value_of))
        }
        other => other,
    };
    section.finish(faults);
    let kind = kind?;
    Some(Register {
        quantity,
        block: Block { table, start: start?, count: kind.registers() },
        kind,
        words: words.map_or(defaults.words, value_of),
        scale: scale?,
        absent,
        need,
        confidence: confidence.or(defaults.confidence).unwrap_or(Confidence::Medium),
        source,
    })
}

/// What a reading cannot be without: what is billed, and what loads are controlled by.
const fn need(quantity: Quantity) -> Need {
    match quantity {
        Quantity::EnergyImport
        | Quantity::Power
        | Quantity::PowerImport
        | Quantity::PowerExport => Need::Required,
        Quantity::EnergyExport
        | Quantity::PhasePower(_)
        | Quantity::Reactive
        | Quantity::Voltage(_)
        | Quantity::Current(_)
        | Quantity::Frequency
        | Quantity::PowerFactor(_) => Need::Optional,
    }
}

fn kind_in(section: &mut Section<'_>, defaults: Defaults, faults: &mut Faults<'_>) -> Option<Kind> {
    if !section.has("type") && defaults.kind.is_some() {
        return defaults.kind;
    }
    let at = kind(section, faults);
    section.required("type", at, faults, "such as \"f32\"").map(value_of)
}

fn scale(
    section: &mut Section<'_>,
    quantity: Quantity,
    table: Table,
    factors: &Factors,
    faults: &mut Faults<'_>,
) -> Option<Scale> {
    let unit = unit(section, quantity, faults);
    let decimal = section.decimal("scale", faults);
    if let Some(at) = decimal.as_ref().filter(|at| at.value.is_zero()) {
        faults.add(&at.place, "is nought", "what the register is multiplied with");
    }
    let has_exponent = section.has("exponent");
    let exponent = section.section("exponent", faults);
    let exponent = exponent.and_then(|own| self::exponent(own, table, faults));
    let named = section.texts("factors", faults);
    let factors = named.map_or_else(Vec::new, |named| {
        let found = named.value.iter().filter_map(|name| find(name, &named.place, factors, faults));
        found.collect()
    });
    let decimal = decimal.map_or(Decimal::ONE, value_of).times(unit?)?;
    (exponent.is_some() || !has_exponent).then_some(Scale { decimal, exponent, factors })
}

fn find(name: &str, place: &Place, factors: &Factors, faults: &mut Faults<'_>) -> Option<Factor> {
    let found = factors.iter().find(|(known, _)| *known == name).map(|(_, factor)| *factor);
    if found.is_none() {
        faults.add(place, format!("names what is not in [factors]: {name}"), "");
    }
    found
}

/// What makes the quantity's unit of the one that is written.
fn unit(section: &mut Section<'_>, quantity: Quantity, faults: &mut Faults<'_>) -> Option<Decimal> {
    let base = quantity.unit();
    let prefixes: &[(&str, i8)] = match base {
        "Wh" | "W" | "var" => &[("", 0), ("k", 3), ("M", 6)],
        "V" | "A" => &[("", 0), ("k", 3), ("m", -3)],
        "Hz" => &[("", 0), ("m", -3)],
        _ => &[("", 0)],
    };
    let words: Vec<(String, Decimal)> = prefixes
        .iter()
        .map(|(prefix, power)| (format!("{prefix}{base}"), Decimal::new(1, *power)))
        .collect();
    let words: Vec<(&str, Decimal)> =
        words.iter().map(|(word, scale)| (word.as_str(), *scale)).collect();
    let at = section.choice("unit", &words, faults);
    let hint = format!("such as {base:?}");
    section.required("unit", at, faults, &hint).map(value_of)
}

fn exponent(mut section: Section<'_>, table: Table, faults: &mut Faults<'_>) -> Option<Exponent> {
    let address = start(&mut section, faults);
    let kinds = [("i16", Kind::I16), ("u16", Kind::U16)];
    let kind = section.choice("type", &kinds, faults).map_or(Kind::I16, value_of);
    section.finish(faults);
    Some(Exponent { table, address: address?, kind })
}

fn factors_in(mut section: Section<'_>, defaults: Defaults, faults: &mut Faults<'_>) -> Factors {
    let mut factors = Factors::new();
    for name in FACTORS {
        let Some(own) = section.section(name, faults) else { continue };
        factors.extend(factor(own, defaults, faults).map(|factor| (name, factor)));
    }
    section.finish(faults);
    factors
}

fn factor(mut section: Section<'_>, defaults: Defaults, faults: &mut Faults<'_>) -> Option<Factor> {
    let start = start(&mut section, faults);
    let kind = kind_in(&mut section, defaults, faults);
    let table = table_in(&mut section, defaults, faults);
    let words = section.choice("word_order", &WORD_ORDERS, faults);
    let scale = section.decimal("scale", faults).map_or(Decimal::ONE, value_of);
    section.finish(faults);
    let kind = kind?;
    Some(Factor {
        block: Block { table, start: start?, count: kind.registers() },
        kind,
        words: words.map_or(defaults.words, value_of),
        scale,
    })
}

/// `absent`: bits that mean "no value".
fn absent(section: &mut Section<'_>, kind: Option<Kind>, faults: &mut Faults<'_>) -> Vec<u64> {
    let Some(at) = section.texts("absent", faults) else { return Vec::new() };
    let Some(kind) = kind else { return Vec::new() };
    let digits = usize::from(kind.registers()) * 4;
    let bits = |text: &String| {
        let own = text.strip_prefix("0x").filter(|own| own.len() == digits)?;
        u64::from_str_radix(own, 16).ok()
    };
    let list: Option<Vec<u64>> = at.value.iter().map(bits).collect();
    let list = list.filter(|list| (1..=MAX_ABSENT).contains(&list.len()));
    if list.is_none() {
        let hint = format!("such as [\"0x{}\"]: {digits} digits", "F".repeat(digits));
        faults.add(&at.place, "is not bits of this type", hint);
    }
    list.unwrap_or_default()
}

/// Two values in one register are a mistake: of the address, or of the type.
fn refuse_overlaps(registers: &[(Place, Register)], faults: &mut Faults<'_>) {
    for (at, (place, register)) in registers.iter().enumerate() {
        let own = register.block;
        let other = registers.iter().take(at).find(|(_, other)| {
            let other = other.block;
            let apart = other.end() <= own.start.into() || own.end() <= other.start.into();
            other.table == own.table && !apart
        });
        if let Some((_, other)) = other {
            let text = format!("has a register of {}", other.quantity);
            faults.add(place, text, "one of the two has a wrong address or type");
        }
    }
}
