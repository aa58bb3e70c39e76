#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use super::*;
use crate::protocol::modbus::{
    Block, Confidence, Decimal, FactorForm, Kind, Need, Parity, Phase, Quantity, Register, Table,
    WordOrder,
};

const HEAD: &str = "manufacturer = \"E\"\nmodel = \"E-1\"\nverified = true\n\
                    sources = [\"manual\", \"driver\"]\nfunction = 3\n";

fn parsed(rest: &str) -> Result<Profile, ConfigError> {
    parse("e-1", Path::new("e-1.toml"), &format!("{HEAD}{rest}"))
}

fn register(line: &str) -> Register {
    let profile = parsed(&format!("[values]\n{line}\n")).unwrap();
    assert_eq!(profile.registers.len(), 1);
    profile.registers[0].clone()
}

/// The faults without the file's name; the head has five lines.
fn faults(rest: &str) -> Vec<String> {
    let ConfigError(faults) = parsed(rest).unwrap_err();
    faults.iter().map(|fault| fault.to_string().replacen("e-1.toml:", "", 1)).collect()
}

#[test]
fn the_head_says_what_holds_for_the_meter() {
    let profile = parsed(
        "word_order = \"little\"\ntype = \"i32\"\nconfidence = \"low\"\nmax_registers = 50\n\
         max_gap = 6\nsilence_ms = 60\naddress = 33\n\
         unreadable = [{ address = 44, count = 2 }, { address = 0x50, function = 4 }]\n\
         serial = { baud = 19200, parity = \"even\" }\n\
         identity = [{ address = 11, any_of = [\"0x0670\", \"0x0671\"] }]\n\
         [values]\npower = { address = 40, scale = 0.1, unit = \"W\" }\n",
    )
    .unwrap();
    assert_eq!((profile.name.as_str(), profile.source.as_str()), ("e-1", "manual; driver"));
    assert_eq!((profile.max_registers, profile.max_gap, profile.silence_ms), (50, 6, 60));
    let serial = profile.serial.unwrap();
    assert_eq!((serial.baud, serial.parity, serial.stop_bits), (19_200, Parity::Even, 1));
    assert_eq!(profile.address, Some(33));
    let holding = |start, count| Block { table: Table::Holding, start, count };
    let input = Block { table: Table::Input, start: 0x50, count: 1 };
    assert_eq!(profile.unreadable, [holding(44, 2), input]);
    assert_eq!(profile.identity[0].block, holding(11, 1));
    assert_eq!(profile.identity[0].any_of, [[0x670], [0x671]]);
    let power = &profile.registers[0];
    assert_eq!((power.block, power.kind), (holding(40, 2), Kind::I32));
    assert_eq!((power.words, power.confidence), (WordOrder::Little, Confidence::Low));
    assert_eq!(power.scale.decimal, Decimal::new(1, -1));
}

#[test]
fn units_have_prefixes_and_scales_are_exact() {
    let scale = |line: &str| register(line).scale.decimal.to_string();
    let at = "address = 0, type = \"u32\"";
    assert_eq!(scale(&format!("energy_import = {{ {at}, scale = 0.01, unit = \"kWh\" }}")), "10");
    assert_eq!(scale(&format!("energy_import = {{ {at}, unit = \"MWh\" }}")), "1000000");
    assert_eq!(scale(&format!("current_l1 = {{ {at}, scale = \"10\", unit = \"mA\" }}")), "0.010");
    assert_eq!(scale(&format!("power = {{ {at}, scale = 100, unit = \"kW\" }}")), "100000");
    assert_eq!(scale(&format!("frequency = {{ {at}, unit = \"Hz\" }}")), "1");
}

#[test]
fn a_line_can_say_more() {
    let line = "power_factor = { address = 0xFFFE, function = 4, type = \"t7\", unit = \"1\", \
                need = \"required\", form = \"four_quadrants\", confidence = \"high\", \
                source = \"a\", word_order = \"little\", absent = [\"0xFFFFFFFF\"] }";
    let register = register(line);
    assert_eq!(register.quantity, Quantity::PowerFactor(FactorForm::FourQuadrants));
    assert_eq!(register.block, Block { table: Table::Input, start: 0xFFFE, count: 2 });
    assert_eq!((register.need, register.confidence), (Need::Required, Confidence::High));
    assert_eq!((register.words, register.source.as_str()), (WordOrder::Little, "a"));
    assert_eq!(register.absent, [0xFFFF_FFFF]);
}

#[test]
fn scales_may_stand_in_registers() {
    let profile = parsed(
        "type = \"u16\"\n[factors]\nvt = { address = 141, scale = 0.1 }\nct = { address = 142 }\n\
         [values]\npower = { address = 8, unit = \"W\", exponent = { address = 9 }, \
         factors = [\"vt\", \"ct\"] }\n",
    )
    .unwrap();
    let scale = &profile.registers[0].scale;
    assert_eq!(
        scale.exponent.map(|exponent| (exponent.address, exponent.kind)),
        Some((9, Kind::I16))
    );
    let factors: Vec<_> = scale.factors.iter().map(|it| (it.block.start, it.scale)).collect();
    assert_eq!(factors, [(141, Decimal::new(1, -1)), (142, Decimal::ONE)]);
}

#[test]
fn a_value_may_be_a_sum() {
    let profile = parsed(
        "type = \"f64\"\n[values]\nenergy_import = [{ address = 801, unit = \"Wh\" }, \
         { address = 805, unit = \"Wh\" }]\nvoltage_l2 = { address = 1, unit = \"V\" }\n",
    )
    .unwrap();
    let quantities: Vec<_> = profile.registers.iter().map(|it| it.quantity).collect();
    let import = Quantity::EnergyImport;
    assert_eq!(quantities, [import, import, Quantity::Voltage(Phase::L2)]);
    let needs: Vec<_> = profile.registers.iter().map(|it| it.need).collect();
    assert_eq!(needs, [Need::Required, Need::Required, Need::Optional]);
}

#[test]
fn faults_have_a_line_a_key_and_a_hint() {
    let wrong = faults(
        "type = \"f31\"\nserial = { baud = 9600 }\nidentity = [{ address = 1, any_of = [\"7\"] }]\n\
         unredable = 3\n[values]\npower = { address = 52, unit = \"kWh\" }\n\
         voltage_l1 = { address = 70000, type = \"f32\", unit = \"V\", scale = \"0,1\" }\n\
         current_l1 = { address = 0, type = \"u16\", unit = \"A\", absent = [\"0xFFFFFFFF\"] }\n\
         curent_l2 = { address = 0 }\nfrequency = { type = \"u16\", unit = \"Hz\", factors = [\"vt\"] }\n",
    );
    let wanted = [
        "6: type: is none of the words known here: f31\nhint: one of \"i16\",",
        "7: serial.parity: is missing\nhint: \"none\", \"even\" or \"odd\"",
        "8: identity[1].any_of: is not registers of one length\nhint: registers in hexadecimal",
        "9: unredable: is not a known key\nhint: did you mean unreadable?",
        "11: values.power.type: is missing\nhint: such as \"f32\"",
        "11: values.power.unit: is none of the words known here: kWh\nhint: one of \"W\", \"kW\"",
        "12: values.voltage_l1.address: is out of range: 70000\nhint: 0 to 65535",
        "12: values.voltage_l1.scale: is no decimal number",
        "13: values.current_l1.absent: is not bits of this type\nhint: such as [\"0xFFFF\"]",
        "14: values.curent_l2: is not a known key\nhint: did you mean current_l2?",
        "15: values.frequency.address: is missing\nhint: of the first register, from 0",
        "15: values.frequency.factors: names what is not in [factors]: vt",
    ];
    for wanted in wanted {
        assert!(wrong.iter().any(|fault| fault.starts_with(wanted)), "{wanted}: {wrong:#?}");
    }
    assert_eq!(wrong.len(), wanted.len(), "{wrong:#?}");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |rest: &str, wanted: &str| {
        let wrong = faults(rest);
        assert!(wrong.iter().any(|fault| fault.contains(wanted)), "{rest}: {wrong:#?}");
    };
    let values = "type = \"u32\"\n[values]\n";
    refused("", "has no table [values]");
    refused(values, "no register");
    let two = "power = { address = 1, unit = \"W\" }\nvoltage_l1 = { address = 2, unit = \"V\" }\n";
    refused(&format!("{values}{two}"), "9: values.voltage_l1: has a register of power");
    let last = "power = { address = 65535, unit = \"W\" }\n";
    refused(&format!("{values}{last}"), "power: 2 registers at 65535 end past the last one");
    let nought = "power = { address = 1, unit = \"W\", scale = 0.0 }\n";
    refused(&format!("{values}{nought}"), "8: values.power.scale: is nought");
    let narrow = "max_registers = 1\n";
    refused(&format!("{narrow}{values}{}", last.replace("65535", "1")), "do not fit a request");
    refused("not TOML", "is not TOML");
}

#[test]
fn a_file_without_its_head_is_told_about_the_head_only() {
    let text = "[values]\npower = { address = 1, type = \"u16\", unit = \"W\" }\n";
    let ConfigError(faults) = parse("e-1", Path::new("e-1.toml"), text).unwrap_err();
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["manufacturer", "model", "verified", "sources", "function"]);
}

#[test]
fn own_files_override_and_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("meters");
    fs::create_dir(&own).unwrap();
    let text = format!("{HEAD}[values]\npower = {{ address = 1, type = \"u16\", unit = \"W\" }}\n");
    for name in ["eastron-sdm630", "mine", "blueprint", "Not-A-Name"] {
        fs::write(own.join(format!("{name}.toml")), &text).unwrap();
    }
    fs::write(own.join("broken.toml"), "model = 1\n").unwrap();
    let shelf = Shelf::beside(&folder.path().join("site.toml"));
    assert_eq!(shelf.find("eastron-sdm630").unwrap().manufacturer, "E");
    assert_eq!(shelf.find("mine").unwrap().name, "mine");
    assert_eq!(Shelf::built_in().find("eastron-sdm630").unwrap().manufacturer, "Eastron");
    let names = shelf.names();
    assert!(names.contains("mine") && names.contains("abb-b23-b24"), "{names:?}");
    assert!(!names.contains("blueprint") && !names.contains("Not-A-Name"), "{names:?}");
    let (profiles, errors) = shelf.all();
    assert_eq!(profiles.len(), names.len() - 1);
    let [ProfileError::Faulty(ConfigError(faults))] = errors.as_slice() else {
        panic!("{errors:?}")
    };
    assert_eq!(faults[0].file, own.join("broken.toml"));
}

#[test]
fn a_file_that_cannot_be_read_is_no_reason_to_take_another() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("meters");
    fs::create_dir_all(own.join("eastron-sdm630.toml")).unwrap();
    fs::write(own.join("long.toml"), "#".repeat(70_000)).unwrap();
    let shelf = Shelf::beside(&folder.path().join("site.toml"));
    let text = |name: &str| shelf.find(name).unwrap_err().to_string();
    assert!(text("eastron-sdm630").contains("cannot be read"), "{}", text("eastron-sdm630"));
    assert!(text("long").contains("longer than 65536 bytes"), "{}", text("long"));
}

#[test]
fn an_unknown_name_is_answered_with_near_ones() {
    let shelf = Shelf::built_in();
    let text = |name: &str| shelf.find(name).unwrap_err().to_string();
    assert!(text("sdm630").contains("did you mean eastron-sdm630"), "{}", text("sdm630"));
    assert!(text("eastron_sdm630").contains("did you mean eastron-sdm630"));
    assert!(text("abb-b24").contains("abb-b23-b24"), "{}", text("abb-b24"));
    let own = text("acme-x1");
    assert!(!own.contains("did you mean") && own.contains("meters/NAME.toml"), "{own}");
    for outside in ["../site", "", "a/b", "blueprint", &"x".repeat(65)] {
        assert!(matches!(shelf.find(outside), Err(ProfileError::Unknown { .. })), "{outside}");
    }
}

/// Of two requests, an energy and its exponent could be of two moments.
#[test]
fn exponents_are_read_with_their_values() {
    let (profiles, faults) = Shelf::beside(Path::new("/nonexistent/site.toml")).all();
    assert!(faults.is_empty());
    let mut seen = 0;
    for profile in profiles {
        let blocks = profile.blocks();
        for register in &profile.registers {
            let Some(exponent) = register.scale.exponent else { continue };
            let parts = [register.block, exponent.block()];
            let is_whole = |block: &Block| parts.iter().all(|part| block.covers(*part));
            assert!(blocks.iter().any(is_whole), "{}: {}", profile.name, register.quantity);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} exponents");
}

/// Whatever is wrong with a file, it is told, and nothing panics. What is missing or of another
/// type leaves a fault, or the file says less than before.
#[test]
fn a_spoilt_file_is_told_or_says_less() {
    let shelf = Shelf::built_in();
    let mut told = 0;
    for (name, text) in builtin::METERS {
        let whole = shelf.find(name).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            let spoilt = [
                "",
                "x",
                "address = -1",
                "type = 7",
                "[values]",
                "[[identity]]",
                "serial = []",
                "function = 5",
                "values = 1",
                "unreadable = [{}]",
                "sources = []",
            ];
            for other in spoilt {
                let mut lines = lines.clone();
                lines[at] = other;
                match parse(name, Path::new("x"), &lines.join("\n")) {
                    Ok(profile) => {
                        let fewer = profile.registers.len() <= whole.registers.len();
                        assert!(fewer, "{name}: {other:?} for {:?}", lines[at]);
                    }
                    Err(ConfigError(faults)) => {
                        assert!(!faults.is_empty(), "{name}: {other:?} at {at}");
                        told += 1;
                    }
                }
            }
        }
    }
    assert!(told > 5_000, "{told}");
}

/// One character that is another, everywhere.
#[test]
fn a_slip_of_the_finger_is_no_panic() {
    let (_, text) = builtin::METERS.iter().find(|(name, _)| *name == "acrel-dtsd1352").unwrap();
    for at in 0..text.len() {
        for slip in ["", "9", "\"", "{", "-", "a"] {
            let mut text = (*text).to_owned();
            text.replace_range(at..=at, slip);
            let _ = parse("e-1", Path::new("x"), &text);
        }
    }
}
