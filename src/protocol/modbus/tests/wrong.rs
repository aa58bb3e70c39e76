//! Readings that cannot be used, and profiles that cannot.

use super::{absent, optional, profile, read, register};
use crate::protocol::modbus::{
    FactorForm, Kind, Phase, Profile, Quantity, Register, quantity::MAX_ENERGY_WH,
};

fn said(quantity: Quantity, kind: Kind, scale: &str, words: &[u16]) -> Result<(), String> {
    read(&profile(vec![register(quantity, 0, kind, scale)]), &[(0, words)]).map(|_| ())
}

#[test]
fn what_cannot_be() {
    let volts = Quantity::Voltage(Phase::L2);
    let amperes = Quantity::Current(Phase::L3);
    let factor = Quantity::PowerFactor(FactorForm::Plain);
    let cases: [(Quantity, Kind, &str, &[u16], &str); 8] = [
        (Quantity::EnergyImport, Kind::I32, "1", &[0xFFFF, 0xFFFB], "energy_import: -5 Wh"),
        (
            Quantity::EnergyExport,
            Kind::U64,
            "1",
            &[0xFFFF; 4],
            "energy_export: 18446744073709551615",
        ),
        (Quantity::Power, Kind::I32, "1000", &[0x0001, 0], "power: 65536000 W"),
        (volts, Kind::U16, "1", &[2001], "voltage_l2: 2001 V"),
        (volts, Kind::I16, "1", &[0xFFFA], "voltage_l2: -6 V"),
        (amperes, Kind::I16, "-1", &[10_001], "current_l3: -10001 A"),
        (Quantity::Frequency, Kind::U16, "1", &[39], "frequency: 39 Hz"),
        (factor, Kind::I16, "0.001", &[1_600], "power_factor: 2 1"),
    ];
    for (quantity, kind, scale, words, why) in cases {
        let wrong = said(quantity, kind, scale, words).unwrap_err();
        assert!(wrong.starts_with(why) && wrong.ends_with("cannot be"), "{wrong}");
    }
}

#[test]
fn what_only_just_can() {
    let [a, b, c, d, e, f, g, h] = MAX_ENERGY_WH.to_be_bytes();
    let most = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes);
    assert_eq!(said(Quantity::EnergyImport, Kind::U64, "1", &most), Ok(()));
    assert_eq!(said(Quantity::Voltage(Phase::L1), Kind::U16, "1", &[2000]), Ok(()));
    assert_eq!(said(Quantity::Frequency, Kind::U16, "1", &[0]), Ok(()));
    // A direct-current meter without load.
    let idle = profile(vec![register(Quantity::Voltage(Phase::L1), 0, Kind::I16, "0.1")]);
    assert_eq!(read(&idle, &[(0, &[0xFFFE])]).unwrap().voltage_dv[0], Some(0));
    let factor = Quantity::PowerFactor(FactorForm::Plain);
    let full = profile(vec![register(factor, 0, Kind::I16, "0.001")]);
    assert_eq!(read(&full, &[(0, &[1_002])]).unwrap().power_factor_milli, Some(1_000));
}

/// An exponent far below anything would make a nought of the value, and a nought is a value.
#[test]
fn an_exponent_that_makes_nought_is_none() {
    for kind in [Kind::T5, Kind::T6] {
        for exponent in [0x8000, 0xF300, 0x0D00, 0x7F00] {
            let wrong = said(Quantity::Power, kind, "1", &[exponent, 5]);
            assert_eq!(wrong, Err("power: a number out of all bounds".into()), "{exponent:#x}");
        }
        assert_eq!(said(Quantity::Power, kind, "1", &[0xF400, 5]), Ok(()));
        assert_eq!(said(Quantity::Power, kind, "1", &[0x8000, 0]), Ok(()));
    }
}

/// A floating-point number that is none is no value: an unusable reading where it is required.
#[test]
fn no_numbers() {
    for words in [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]] {
        let power = register(Quantity::Power, 0, Kind::F32, "1");
        let required = read(&profile(vec![power.clone()]), &[(0, &words)]);
        assert_eq!(required, Err("power: no value".into()));
        assert_eq!(read(&profile(vec![optional(power)]), &[(0, &words)]).unwrap().power_w, None);
    }
    let marked = absent(register(Quantity::Power, 0, Kind::U16, "1"), 0xFFFF);
    assert!(read(&profile(vec![marked]), &[(0, &[0xFFFF])]).is_err());
    assert!(said(Quantity::Power, Kind::F32, "1", &[]).is_err(), "it was not read");
    // The greatest double and the smallest.
    assert!(said(Quantity::Power, Kind::F64, "1", &[0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF]).is_err());
    assert_eq!(said(Quantity::Power, Kind::F64, "1", &[0, 0, 0, 1]), Ok(()));
    // 10^127.
    assert!(said(Quantity::Power, Kind::T5, "1", &[0x7F00, 1]).is_err());
}

fn wrong(change: impl FnOnce(&mut Profile)) -> String {
    let mut profile = profile(vec![register(Quantity::Power, 0, Kind::F32, "1")]);
    change(&mut profile);
    profile.check().unwrap_err()
}

#[test]
fn profiles_that_cannot_be() {
    let first = |change: fn(&mut Register)| wrong(|meter| change(&mut meter.registers[0]));
    assert_eq!(wrong(|meter| meter.registers.clear()), "no register");
    assert_eq!(wrong(|meter| meter.max_registers = 126), "a request has 1 to 125 registers");
    assert_eq!(wrong(|meter| meter.max_registers = 1), "2 registers at 0 do not fit a request");
    assert_eq!(first(|one| one.block.count = 1), "power: 1 registers, its kind takes 2");
    assert_eq!(
        first(|one| one.block.start = 0xFFFF),
        "power: 2 registers at 65535 end past the last one"
    );
    assert_eq!(first(|one| one.scale.decimal = "0.0".parse().unwrap()), "power: a scale of 0");
    let twice = wrong(|meter| {
        meter.registers.push(register(Quantity::PowerImport, 4, Kind::F32, "1"));
    });
    assert_eq!(twice, "power beside power_import and power_export");
}
