//! Every profile of a meter that is shipped: whether it can be, and whether a simulated meter with
//! its registers is read as what it measures.
//!
//! `SITEPILOT_BLESS=1 cargo test --test profiles` writes the list of meters into docs/meters.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "profiles/bench.rs"]
mod bench;
#[path = "profiles/facts.rs"]
mod facts;
#[path = "profiles/line.rs"]
mod line;
#[path = "support/listing.rs"]
mod listing;
#[path = "profiles/range.rs"]
mod range;
#[path = "support/tables.rs"]
mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use sitepilot::{
    protocol::modbus::{
        Block, Confidence, Phase, Profile, Quantity, Register, SerialDefaults, Table,
    },
    service::{
        config::ConfigError,
        profiles::{self, Shelf},
    },
};

const BLUEPRINT: &str = "blueprint";

/// Around the list of the document.
const MARKS: (&str, &str) =
    ("<!-- meters: written by tests/profiles.rs -->\n", "<!-- end of meters -->\n");

/// Meters that do not send all of voltage, current, power and imported energy, with the reason.
const POOR: [(&str, &[&str], &str); 1] = [(
    "eastron-sdm72dm",
    &["voltage", "current"],
    "its first version sends only the total power and the energies",
)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/meters")
}

fn load(name: &str) -> Profile {
    let path = folder().join(format!("{name}.toml"));
    let text = fs::read_to_string(&path).unwrap();
    profiles::parse(name, &path, &text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let names = names.map(|name| name.strip_suffix(".toml").expect("a profile").to_owned());
    names.filter(|name| name != BLUEPRINT).collect()
}

fn shipped() -> Vec<Profile> {
    let names = names();
    assert!(names.len() >= 32, "{} profiles only", names.len());
    names.iter().map(|name| load(name)).collect()
}

#[test]
fn what_is_built_in_is_what_the_files_say() {
    let shelf = Shelf::built_in();
    assert_eq!(shelf.names(), names());
    for profile in shipped() {
        assert_eq!(shelf.find(&profile.name).unwrap(), profile, "{}", profile.name);
    }
}

#[test]
fn the_blueprint_is_a_profile_and_no_meter() {
    let blueprint = load(BLUEPRINT);
    assert!(!blueprint.verified);
    assert!(Shelf::built_in().find(BLUEPRINT).is_err());
    // What is commented out must hold as well, or it misleads whoever copies it.
    let text = fs::read_to_string(folder().join("blueprint.toml")).unwrap();
    let (head, more) = text.split_once("# More that a line can say:\n").unwrap();
    let values = head.find("[values]").unwrap();
    let head = head[..values].lines().map(|line| match line.strip_prefix("# ") {
        Some(hidden) if hidden.contains(" = ") && !hidden.contains("profile = ") => hidden,
        Some("[factors]") => "[factors]",
        Some(_) | None => line,
    });
    let head: Vec<&str> = head.collect();
    for line in more.lines().map(|line| line.strip_prefix("# ").unwrap()) {
        let text = format!("{}\n[values]\n{line}\n", head.join("\n"));
        let profile = profiles::parse("e", Path::new("blueprint"), &text);
        let profile = profile.unwrap_or_else(|faults| panic!("{line}\n{faults}"));
        assert!(!profile.identity.is_empty() && profile.silence_ms > 0, "uncovered: {text}");
    }
}

#[test]
fn heads_make_sense() {
    for profile in shipped() {
        let name = &profile.name;
        let maker = profile.manufacturer.to_lowercase().replace([' ', '-'], "");
        let prefix = name.split('-').next().unwrap();
        assert!(maker.starts_with(prefix), "{name} is made by {maker}");
        assert!(!profile.model.is_empty() && profile.source.len() > 5, "{name}");
        let widest = profile.blocks().iter().map(|block| block.count).max().unwrap();
        assert!(widest <= profile.max_registers, "{name}: {widest} registers in one value");
        assert!(profile.max_gap < profile.max_registers, "{name}: a gap of a whole request");
        assert!(profile.silence_ms <= 200, "{name}");
        if let Some(serial) = profile.serial {
            assert!([1_200, 2_400, 9_600, 19_200].contains(&serial.baud), "{name}: {serial:?}");
        }
        for identity in &profile.identity {
            let count = usize::from(identity.block.count);
            assert!(identity.any_of.iter().all(|words| words.len() == count), "{name}");
        }
        let barred = |block: &Block| {
            profile.unreadable.iter().find(|unreadable| meet(**unreadable, *block)).copied()
        };
        for block in profile.blocks() {
            assert_eq!(barred(&block), None, "{name}: wanted and unreadable");
        }
    }
}

#[test]
fn no_two_values_share_a_register() {
    for profile in shipped() {
        let mut owners: BTreeMap<(Table, u16), String> = BTreeMap::new();
        let exponents = profile.registers.iter().filter_map(|register| register.scale.exponent);
        let factors = profile.registers.iter().flat_map(|register| &register.scale.factors);
        let shared: BTreeSet<Block> = exponents
            .map(|exponent| exponent.block())
            .chain(factors.map(|factor| factor.block))
            .collect();
        let values = profile.registers.iter().map(|it| (it.block, it.quantity.to_string()));
        for (block, owner) in values.chain(shared.iter().map(|it| (*it, "a scale".to_owned()))) {
            for address in (block.start..).take(usize::from(block.count)) {
                let before = owners.insert((block.table, address), owner.clone());
                assert_eq!(before, None, "{}: {address} is also {owner}", profile.name);
            }
        }
    }
}

#[test]
fn values_are_as_fine_and_as_great_as_a_meter_s() {
    for profile in shipped() {
        for register in &profile.registers {
            let of = format!("{} {}", profile.name, register.quantity);
            range::check(register).unwrap_or_else(|why| panic!("{of}: {why}"));
        }
    }
}

#[test]
fn every_meter_has_voltage_current_power_and_energy() {
    for profile in shipped() {
        let reason = POOR.iter().find(|(name, ..)| *name == profile.name);
        let lacking: Vec<&str> = lacking(&profile);
        assert_eq!(lacking, reason.map_or([].as_slice(), |(_, what, _)| what), "{}", profile.name);
        let l2 = |of: fn(Phase) -> Quantity| has(&profile, of(Phase::L2));
        let [voltage, current] = [Quantity::Voltage, Quantity::Current].map(l2);
        assert_eq!(voltage, current, "{}: phases of voltage and current", profile.name);
    }
}

fn lacking(profile: &Profile) -> Vec<&'static str> {
    let power = has(profile, Quantity::Power)
        || has(profile, Quantity::PowerImport)
        || Phase::ALL.iter().all(|phase| has(profile, Quantity::PhasePower(*phase)));
    let there = [
        ("voltage", has(profile, Quantity::Voltage(Phase::L1))),
        ("current", has(profile, Quantity::Current(Phase::L1))),
        ("power", power),
        ("imported energy", has(profile, Quantity::EnergyImport)),
    ];
    there.iter().filter(|(_, is_there)| !is_there).map(|(what, _)| *what).collect()
}

fn has(profile: &Profile, quantity: Quantity) -> bool {
    profile.registers.iter().any(|register| register.quantity == quantity)
}

fn meet(one: Block, other: Block) -> bool {
    let apart = one.end() <= other.start.into() || other.end() <= one.start.into();
    one.table == other.table && !apart
}

/// What is billed, and what loads are controlled by.
fn is_main(register: &Register) -> bool {
    match register.quantity {
        Quantity::EnergyImport
        | Quantity::Power
        | Quantity::PowerImport
        | Quantity::PowerExport
        | Quantity::PhasePower(_)
        | Quantity::Voltage(_)
        | Quantity::Current(_) => true,
        Quantity::EnergyExport
        | Quantity::Reactive
        | Quantity::Frequency
        | Quantity::PowerFactor(_) => false,
    }
}

#[test]
fn a_verified_profile_has_two_sources_for_all_that_matters() {
    let mut verified = 0;
    for profile in shipped() {
        let is_sure = |register: &Register| register.confidence == Confidence::High;
        let sure = profile.registers.iter().filter(|it| is_main(it)).all(is_sure);
        assert_eq!(profile.verified, sure, "{}", profile.name);
        let sources = profile.source.split("; ").count();
        assert!(!sure || sources >= 2, "{}: {sources} sources", profile.name);
        verified += usize::from(profile.verified);
    }
    assert!(verified >= 18, "{verified}");
}

#[test]
fn a_simulated_meter_is_read_as_what_it_measures() {
    for profile in shipped().into_iter().chain([load(BLUEPRINT)]) {
        bench::read_back(&profile);
    }
}

#[test]
fn ratios_that_stand_in_registers_are_multiplied_in() {
    let with_ratios = |profile: &Profile| {
        profile.registers.iter().any(|register| !register.scale.factors.is_empty())
    };
    let profiles: Vec<Profile> = shipped().into_iter().filter(with_ratios).collect();
    assert!(!profiles.is_empty());
    for profile in profiles {
        bench::read_back_behind_transformers(&profile);
    }
}

#[test]
fn the_document_lists_every_meter() {
    listing::check("docs/meters.md", MARKS, &rendered());
}

/// Every key of the form is explained: those that a spoilt file is told of.
#[test]
fn the_document_explains_every_key() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/meters.md");
    let document = fs::read_to_string(&document).unwrap();
    let places = [
        ("", "zzzzzzzz = 1"),
        ("[values]", "zzzzzzzz = 1"),
        ("[values]", "power = { zzzzzzzz = 1 }"),
        ("[values]", "power_factor = { zzzzzzzz = 1 }"),
        ("[factors]", "zzzzzzzz = 1"),
        ("[factors]", "ct = { zzzzzzzz = 1 }"),
        ("", "serial = { zzzzzzzz = 1 }"),
        ("", "identity = [{ zzzzzzzz = 1 }]"),
        ("", "unreadable = [{ zzzzzzzz = 1 }]"),
    ];
    let mut keys = BTreeSet::new();
    for (table, line) in places {
        let text = format!("function = 3\n{table}\n{line}\n");
        let ConfigError(faults) = profiles::parse("e", Path::new("e"), &text).unwrap_err();
        let hint = faults.iter().filter(|fault| fault.key.contains("zzzzzzzz"));
        let hint = hint.filter_map(|fault| fault.hint.as_deref()).next().unwrap();
        let known = hint.strip_prefix("known here: ").unwrap_or_else(|| panic!("{hint}"));
        keys.extend(known.split(", ").map(str::to_owned));
    }
    assert!(keys.len() > 40, "{keys:?}");
    // Those that are named by the first and the last of a row of phases.
    let middle = ["power_l2", "voltage_l2", "current_l2"];
    for key in keys.iter().filter(|key| !middle.contains(&key.as_str())) {
        let is_word = |text: &str| {
            text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == key)
        };
        assert!(is_word(&document), "docs/meters.md does not explain {key}");
    }
}

fn rendered() -> String {
    let mut text = String::from(
        "| profile | meter | phases | sources agree | from the factory | not sent |\n\
         |---|---|---|---|---|---|\n",
    );
    for profile in shipped() {
        let phases = if has(&profile, Quantity::Voltage(Phase::L2)) || !lacking(&profile).is_empty()
        {
            "3"
        } else if has(&profile, Quantity::Frequency) {
            "1"
        } else {
            "DC"
        };
        let agree = if profile.verified { "yes" } else { "**no**" };
        let mut factory: Vec<String> = profile.serial.map(as_printed).into_iter().collect();
        factory.extend(profile.address.map(|address| format!("address {address}")));
        let factory =
            if factory.is_empty() { "see the file".to_owned() } else { factory.join(", ") };
        let Profile { name, manufacturer, model, .. } = &profile;
        let lacking = not_sent(&profile).join(", ");
        text.push_str(&format!(
            "| [`{name}`](../deploy/meters/{name}.toml) | {manufacturer} {model} | {phases} | \
             {agree} | {factory} | {lacking} |\n"
        ));
    }
    text
}

fn as_printed(serial: SerialDefaults) -> String {
    let parity = serial.parity.to_string().to_uppercase();
    format!("{} 8{}{}", serial.baud, &parity[..1], serial.stop_bits)
}

fn not_sent(profile: &Profile) -> Vec<&'static str> {
    let mut missing = lacking(profile);
    if !has(profile, Quantity::EnergyExport) {
        missing.push("exported energy");
    }
    missing
}
