//! Compares the profiles with a table of the registers of meters, where one lies beside the
//! project: addresses, types and scales.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sitepilot::protocol::modbus::{Confidence, Decimal, Kind, Profile, Quantity, Table, WordOrder};

use super::tables::{self, cells};

/// Names the folder of the table, if it is not beside the project.
const TABLES_VARIABLE: &str = "SITEPILOT_METER_TABLES";

/// Maps that a profile takes values from beside its own.
const MERGED: [(&str, &str); 2] =
    [("schneider-iem3x55-f32", "schneider_iem3x55"), ("acrel-djsf1352rn-f32", "acrel_djsf1352rn")];

/// Packed values are in the table's text and not among its rows.
const PACKED: &str = "iskra-wm3m4";

/// Rows that are left out, with the reason.
const LEFT_OUT: [(&str, &str, &str); 1] =
    [("chint_ddsu666", "energy_export", "the manual says that the meter has none")];

/// A row, as far as it is compared: function, address, type, words swapped, scale and its
/// exponent register, confidence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fact {
    function: u8,
    address: u16,
    kind: String,
    swapped: bool,
    /// Into the unit without a prefix.
    scale: (i64, i8),
    exponent: Option<u16>,
    confidence: String,
}

type Facts = BTreeMap<String, BTreeMap<String, Fact>>;

fn read(text: &str) -> Facts {
    let mut facts = Facts::new();
    let mut lines = text.lines();
    let head = cells(lines.next().unwrap());
    for line in lines {
        let row: BTreeMap<String, String> = head.iter().cloned().zip(cells(line)).collect();
        let map = facts.entry(row["meter"].clone()).or_default();
        if let Some(name) = name(&row["quantity"], &row["phase"]) {
            let before = map.insert(name, fact(&row));
            assert_eq!(before, None, "twice: {line}");
        }
    }
    facts
}

/// The name of a row in profiles.
fn name(quantity: &str, phase: &str) -> Option<String> {
    let name = match quantity {
        "voltage_ln" => "voltage",
        "current" => "current",
        "power_active" => "power",
        "power_active_total" => "power",
        "power_active_import_total" => "power_import",
        "power_active_export_total" => "power_export",
        "power_reactive_total" => "reactive",
        "power_factor_total" => "power_factor",
        "frequency" => "frequency",
        "energy_import_total" => "energy_import",
        "energy_export_total" => "energy_export",
        // The sources take the first tariff for the total.
        "energy_import_tariff1" => "energy_import_tariff1",
        "energy_export_tariff1" => "energy_export_tariff1",
        "voltage_dc" => "voltage_l1",
        "current_dc" => "current_l1",
        "power_dc" => "power",
        "energy_import_dc" => "energy_import",
        "energy_export_dc" => "energy_export",
        "vt_ratio" => "vt",
        "ct_ratio" => "ct",
        _ => return None,
    };
    match (name, phase) {
        ("voltage" | "current" | "power", "L1" | "L2" | "L3") => {
            Some(format!("{name}_{}", phase.to_lowercase()))
        }
        (_, "") => Some(name.to_owned()),
        _ => None,
    }
}

fn fact(row: &BTreeMap<String, String>) -> Fact {
    let (exponent, scale) = match row["scale"].strip_prefix("reg:") {
        Some(rest) => {
            let (register, scale) = rest.split_once('*').unwrap_or((rest, "1"));
            (Some(register.parse().unwrap()), scale)
        }
        None => (None, row["scale"].as_str()),
    };
    let kilo = row["unit"].starts_with('k');
    let scale: Decimal = scale.parse().unwrap();
    let one = row["register_count"] == "1";
    Fact {
        function: row["function_code"].parse().unwrap(),
        address: row["address_dec"].parse().unwrap(),
        kind: row["type"].clone(),
        swapped: row["word_order"] == "little" && !one,
        scale: normal(if kilo { scale.kilo() } else { scale }),
        exponent,
        confidence: row["confidence"].clone(),
    }
}

/// Without noughts at the end.
fn normal(scale: Decimal) -> (i64, i8) {
    let (mut digits, mut exponent) = (scale.digits(), scale.exponent());
    while digits % 10 == 0 && digits != 0 {
        (digits, exponent) = (digits / 10, exponent + 1);
    }
    (digits, exponent)
}

fn kind(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn facts_of(profile: &Profile) -> BTreeMap<String, Fact> {
    let mut facts = BTreeMap::new();
    for register in &profile.registers {
        let fact = Fact {
            function: register.block.table.function(),
            address: register.block.start,
            kind: kind(register.kind),
            swapped: register.words == WordOrder::Little && register.block.count > 1,
            scale: normal(register.scale.decimal),
            exponent: register.scale.exponent.map(|exponent| exponent.address),
            confidence: match register.confidence {
                Confidence::High => "high",
                Confidence::Medium => "medium",
                Confidence::Low => "low",
            }
            .to_owned(),
        };
        assert_eq!(facts.insert(register.quantity.to_string(), fact), None, "a sum");
    }
    facts
}

fn compare(profile: &Profile, facts: &Facts, faults: &mut Vec<String>) {
    let own = profile.name.replace('-', "_");
    let merged = MERGED.iter().find(|(name, _)| *name == profile.name);
    let maps = [Some(own.as_str()), merged.map(|(_, map)| *map)];
    let maps: Vec<_> = maps.into_iter().flatten().map(|map| (map, &facts[map])).collect();
    let said = facts_of(profile);
    for (value, said) in &said {
        let alias = format!("{value}_tariff1");
        let rows = maps.iter().filter_map(|(_, map)| map.get(value).or_else(|| map.get(&alias)));
        match rows.clone().next() {
            Some(row) if row == said => {}
            Some(row) => {
                faults.push(format!("{} {value}:\n  {said:?}\n  {row:?}", profile.name));
            }
            None if profile.name == PACKED && said.kind.starts_with('t') => {}
            None => faults.push(format!("{} {value}: not in the table", profile.name)),
        }
    }
    for (map, rows) in &maps {
        let is_value =
            |value: &&String| !value.contains("_tariff") && !matches!(value.as_str(), "vt" | "ct");
        for value in rows.keys().filter(is_value) {
            let is_left_out =
                LEFT_OUT.iter().any(|(meter, left_out, _)| meter == map && left_out == value);
            if !said.contains_key(value) && !is_left_out {
                faults.push(format!("{} {value}: only in the table", profile.name));
            }
        }
    }
    compare_factors(profile, maps[0].1, faults);
}

fn compare_factors(profile: &Profile, rows: &BTreeMap<String, Fact>, faults: &mut Vec<String>) {
    let ratios = ["vt", "ct"].map(|name| rows.get(name).map(|row| row.address));
    for register in &profile.registers {
        let factors: Vec<u16> = register.scale.factors.iter().map(|it| it.block.start).collect();
        if factors.is_empty() {
            continue;
        }
        let [vt, ct] = ratios.map(Option::unwrap);
        let wanted = match register.quantity {
            Quantity::Voltage(_) => vec![vt],
            Quantity::Current(_) => vec![ct],
            _ => vec![vt, ct],
        };
        if factors != wanted || register.scale.factors.iter().any(|it| it.kind != Kind::U16) {
            faults.push(format!("{} {}: {factors:?}", profile.name, register.quantity));
        }
    }
}

#[test]
fn profiles_agree_with_the_table() {
    let left_out = "deploy/meters/*.toml were";
    let Some(folder) = tables::find(TABLES_VARIABLE, "../shared/meters", left_out) else {
        return;
    };
    let facts = read(&fs::read_to_string(folder.join("registers.csv")).unwrap());
    let profiles = super::shipped();
    let maps: BTreeSet<String> = facts.keys().cloned().collect();
    let names: BTreeSet<String> = profiles.iter().map(|it| it.name.replace('-', "_")).collect();
    assert!(maps.is_subset(&names), "without a profile: {:?}", maps.difference(&names));
    assert!(maps.len() >= 32, "the table is cut: {} maps", maps.len());
    let mut faults = Vec::new();
    for profile in profiles.iter().filter(|it| maps.contains(&it.name.replace('-', "_"))) {
        compare(profile, &facts, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_comparison_notices_what_is_wrong() {
    let text = "meter,quantity,phase,unit,function_code,address_dec,register_count,type,word_order,\
                scale,confidence\n\
                eastron_sdm630,energy_import_total,,kWh,4,72,2,f32,big,1,high\n";
    let facts = read(text);
    let mut profile = super::load("eastron-sdm630");
    profile.registers.retain(|register| register.quantity == Quantity::EnergyImport);
    let faults = |profile: &Profile| {
        let mut faults = Vec::new();
        compare(profile, &facts, &mut faults);
        faults.len()
    };
    assert_eq!(faults(&profile), 0);
    let spoilt = |spoil: fn(&mut Profile)| {
        let mut other = profile.clone();
        spoil(&mut other);
        faults(&other)
    };
    assert_eq!(spoilt(|it| it.registers[0].block.start = 71), 1);
    assert_eq!(spoilt(|it| it.registers[0].block.table = Table::Holding), 1);
    assert_eq!(spoilt(|it| it.registers[0].words = WordOrder::Little), 1);
    assert_eq!(spoilt(|it| it.registers[0].scale.decimal = Decimal::ONE), 1);
    assert_eq!(spoilt(|it| it.registers[0].confidence = Confidence::Low), 1);
    assert_eq!(spoilt(|it| it.registers[0].quantity = Quantity::EnergyExport), 2);
}
