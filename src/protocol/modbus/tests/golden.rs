//! Words and values of meters on the market, worked out by hand from their manuals.

use super::{absent, block, factor, optional, profile, read, register, swapped};
use crate::{
    domain::{quantity::Energy, reading::Values},
    protocol::modbus::{
        Decimal, Exponent, FactorForm, Kind, Phase, Profile, Quantity, Register, Table,
    },
};

const L1: Phase = Phase::L1;
const NONE: Values = Values {
    energy_import: None,
    energy_export: None,
    power_w: None,
    phase_power_w: [None; 3],
    reactive_var: None,
    voltage_dv: [None; 3],
    current_ca: [None; 3],
    frequency_chz: None,
    power_factor_milli: None,
};

fn wh(wh: u64) -> Option<Energy> {
    Some(Energy::from_wh(wh))
}

/// Single floats in kWh, V and W, as the Eastron meters have them. 230.15 V is a little less in
/// binary, so it is 230.1 V; computed in floating point it would be 230.2 V.
#[test]
fn floats() {
    let meter = profile(vec![
        register(Quantity::Voltage(L1), 0, Kind::F32, "1"),
        register(Quantity::Power, 52, Kind::F32, "1"),
        register(Quantity::Frequency, 70, Kind::F32, "1"),
        register(Quantity::EnergyImport, 72, Kind::F32, "1000"),
    ]);
    let said = read(
        &meter,
        &[
            (0, &[0x4366, 0x2666]),
            (52, &[0xC49A, 0x51EC]),
            (70, &[0x4247, 0xEB85]),
            (72, &[0x449A, 0x51EC]),
        ],
    );
    let expected = Values {
        voltage_dv: [Some(2301), None, None],
        power_w: Some(-1235),
        frequency_chz: Some(4998),
        energy_import: wh(1_234_560),
        ..NONE
    };
    assert_eq!(said, Ok(expected));
}

/// Power in kW, power factor in four quadrants, energy in Wh of 64 bits with sign, as Schneider
/// has them: 7.36 kW, 1.05 (leading, 0.95).
#[test]
fn kilowatts_and_quadrants() {
    let factor = Quantity::PowerFactor(FactorForm::FourQuadrants);
    let meter = profile(vec![
        register(Quantity::Power, 3059, Kind::F32, "1000"),
        register(factor, 3083, Kind::F32, "1"),
        register(Quantity::EnergyImport, 3203, Kind::I64, "1"),
    ]);
    let words = |factor: [u16; 2]| {
        let energy: &[u16] = &[0, 0, 0x0012, 0xD687];
        read(&meter, &[(3059, &[0x40EB, 0x851F]), (3083, &factor), (3203, energy)]).unwrap()
    };
    let leading = words([0x3F86, 0x6666]);
    assert_eq!(leading.power_w, Some(7360));
    assert_eq!(leading.power_factor_milli, Some(950));
    assert_eq!(leading.energy_import, wh(1_234_567));
    assert_eq!(words([0xBF86, 0x6666]).power_factor_milli, Some(-950));
    assert_eq!(words([0x3F80, 0]).power_factor_milli, Some(1000));
    assert_eq!(words([0xC000, 0]).power_factor_milli, Some(0));
}

/// Double floats in Wh, as Siemens has them; 12345678.5 Wh. The counter is of tariff 1: where more
/// tariffs are in use a profile names a register of each.
#[test]
fn sum_of_tariffs() {
    let one = register(Quantity::EnergyImport, 801, Kind::F64, "1");
    let two = register(Quantity::EnergyImport, 805, Kind::F64, "1");
    let first: (u16, &[u16]) = (801, &[0x4167, 0x8C29, 0xD000, 0]);
    let second: (u16, &[u16]) = (805, &[0x4059, 0, 0, 0]);
    let single = read(&profile(vec![one.clone()]), &[first]).unwrap();
    assert_eq!(single.energy_import, wh(12_345_679));
    let both = read(&profile(vec![one.clone(), two.clone()]), &[first, second]).unwrap();
    assert_eq!(both.energy_import, wh(12_345_779));
    let lacking = profile(vec![optional(one), optional(two)]);
    assert_eq!(read(&lacking, &[first]).unwrap().energy_import, None);
}

/// Counters of 0.01 kWh in 64 bits, power in 0.01 W, and marks for "no value", as ABB has them.
#[test]
fn marks_of_no_value() {
    let energy = |quantity, start| register(quantity, start, Kind::U64, "10");
    let marked = |register| absent(optional(register), u64::MAX);
    let power = |phase, start| register(Quantity::PhasePower(phase), start, Kind::I32, "0.01");
    let meter = profile(vec![
        energy(Quantity::EnergyImport, 0x5000),
        marked(energy(Quantity::EnergyExport, 0x5004)),
        register(Quantity::Power, 0x5B14, Kind::I32, "0.01"),
        absent(optional(power(L1, 0x5B16)), 0x7FFF_FFFF),
    ]);
    let words: &[(u16, &[u16])] = &[
        (0x5000, &[0, 0, 0x0001, 0xE240]),
        (0x5004, &[0xFFFF; 4]),
        (0x5B14, &[0xFFFF, 0xFF9C]),
        (0x5B16, &[0x7FFF, 0xFFFF]),
    ];
    let expected = Values { energy_import: wh(1_234_560), power_w: Some(-1), ..NONE };
    assert_eq!(read(&meter, words), Ok(expected));
}

/// The low word first, 0.1 kWh, as Carlo Gavazzi has it: 0x000186A0.
#[test]
fn swapped_words() {
    let meter = profile(vec![
        swapped(register(Quantity::EnergyImport, 0x34, Kind::I32, "100")),
        swapped(register(Quantity::Power, 0x28, Kind::I32, "0.1")),
    ]);
    let words: &[(u16, &[u16])] = &[(0x34, &[0x86A0, 0x0001]), (0x28, &[0xCFC7, 0xFFFF])];
    let expected = Values { energy_import: wh(10_000_000), power_w: Some(-1235), ..NONE };
    assert_eq!(read(&meter, words), Ok(expected));
}

/// Secondary values and the transformers' ratios, as Acrel has them: PT 1 at 0x8D, CT 40 at 0x8E.
#[test]
fn ratios_of_the_meter() {
    let with = |mut register: Register, factors: &[u16]| {
        register.scale.factors = factors.iter().copied().map(factor).collect();
        register
    };
    let meter = profile(vec![
        with(register(Quantity::EnergyImport, 0x0A, Kind::U32, "10"), &[0x8D, 0x8E]),
        with(register(Quantity::Voltage(L1), 0x61, Kind::U16, "0.1"), &[0x8D]),
        with(register(Quantity::Current(L1), 0x64, Kind::U16, "0.01"), &[0x8E]),
    ]);
    let said = |ratios: [u16; 2]| {
        let words: &[(u16, &[u16])] =
            &[(0x0A, &[0, 12_345]), (0x61, &[2305]), (0x64, &[499]), (0x8D, &ratios)];
        read(&meter, words)
    };
    let expected = Values {
        energy_import: wh(4_938_000),
        voltage_dv: [Some(2305), None, None],
        current_ca: [Some(19_960), None, None],
        ..NONE
    };
    assert_eq!(said([1, 40]), Ok(expected));
    assert_eq!(said([1, 0]), Err("energy_import: 0x0 at 142 is no ratio".into()));
    assert!(meter.with_ratios(Decimal::new(40, 0), Decimal::ONE).is_err());
}

/// The same ratios from the config, for a meter that does not know them.
#[test]
fn ratios_of_the_config() {
    let meter = profile(vec![
        register(Quantity::EnergyImport, 0, Kind::F32, "1000"),
        register(Quantity::Voltage(L1), 2, Kind::F32, "0.1"),
        register(Quantity::Current(L1), 4, Kind::F32, "0.001"),
        register(Quantity::Frequency, 6, Kind::F32, "0.01"),
    ]);
    let meter = meter.with_ratios("30".parse().unwrap(), "1.5".parse().unwrap()).unwrap();
    let words: &[(u16, &[u16])] =
        &[(0, &[0x4120, 0]), (2, &[0x4500, 0]), (4, &[0x459C, 0x4000]), (6, &[0x459C, 0x4000])];
    let expected = Values {
        energy_import: wh(450_000),
        voltage_dv: [Some(3072), None, None],
        current_ca: [Some(15_000), None, None],
        frequency_chz: Some(5000),
        ..NONE
    };
    assert_eq!(read(&meter, words), Ok(expected));
}

fn with_exponent(register: Register, table: Table, address: u16) -> Register {
    let mut register = register;
    register.scale.exponent = Some(Exponent { table, address, kind: Kind::U16 });
    register
}

/// Exponents with a bias of 3 beside the values, and the reply of a manual, as the direct-current
/// meter DJSF1352 has them.
#[test]
fn exponents_with_a_bias() {
    let value = |quantity, start| {
        let register = register(quantity, start, Kind::I16, "0.001");
        with_exponent(register, Table::Holding, start + 1)
    };
    let meter = profile(vec![
        value(Quantity::Voltage(L1), 0),
        value(Quantity::Current(L1), 2),
        value(Quantity::Power, 8),
        register(Quantity::EnergyImport, 12, Kind::U32, "1"),
    ]);
    let energy: (u16, &[u16]) = (12, &[0, 0x521A]);
    let idle = Values {
        voltage_dv: [Some(0), None, None],
        current_ca: [Some(0), None, None],
        power_w: Some(0),
        energy_import: wh(21_018),
        ..NONE
    };
    assert_eq!(read(&meter, &[(0, &[0, 3, 0, 2]), (8, &[0, 5]), energy]), Ok(idle));
    let loaded = Values {
        voltage_dv: [Some(7503), None, None],
        current_ca: [Some(-12_345), None, None],
        power_w: Some(92_600),
        ..idle
    };
    let negative = 0xCFC7;
    let words: &[(u16, &[u16])] = &[(0, &[7503, 2, negative, 1]), (8, &[926, 5]), energy];
    assert_eq!(read(&meter, words), Ok(loaded));
    let odd = read(&meter, &[(0, &[7503, 99, 0, 2]), (8, &[0, 5]), energy]);
    assert_eq!(odd, Err("voltage_l1: 0x0063 at 1 is no power of ten".into()));
}

fn iskra() -> Profile {
    let input = |register: Register| {
        let block = crate::protocol::modbus::Block { table: Table::Input, ..register.block };
        Register { block, ..register }
    };
    let counter = |quantity, start, at| {
        let counter = register(quantity, start, Kind::I32, "1");
        let counter = with_exponent(counter, Table::Input, at);
        input(counter)
    };
    profile(vec![
        counter(Quantity::EnergyImport, 418, 414),
        counter(Quantity::EnergyExport, 420, 415),
        input(register(Quantity::Voltage(L1), 107, Kind::T5, "1")),
        input(register(Quantity::Power, 140, Kind::T6, "1")),
        input(register(Quantity::PowerFactor(FactorForm::Plain), 164, Kind::T7, "1")),
    ])
}

/// Packed numbers, and counters that are read in one request with their exponents, as the Iskra
/// WM3M4 has them.
#[test]
fn packed_numbers() {
    let meter = iskra();
    let counters = crate::protocol::modbus::Block { table: Table::Input, start: 414, count: 8 };
    assert_eq!(meter.blocks()[3], counters);
    let mut readout = crate::protocol::modbus::Readout::default();
    let words: [&[u16]; 4] =
        [&[0xFD01, 0xE240], &[0xFFFF, 0xCFC7], &[0xFF00, 9_215], &[1, 0, 7, 7, 0, 12_345, 0, 678]];
    for (block, words) in meter.blocks().into_iter().zip(words) {
        readout.add(block, words.to_vec());
    }
    let expected = Values {
        energy_import: wh(123_450),
        energy_export: wh(678),
        voltage_dv: [Some(1235), None, None],
        power_w: Some(-1235),
        power_factor_milli: Some(-922),
        ..NONE
    };
    assert_eq!(meter.values(&readout), Ok(expected));
}

/// Import and export power in two registers without sign, as DZG has them.
#[test]
fn power_of_two_directions() {
    let meter = profile(vec![
        register(Quantity::PowerImport, 0, Kind::U32, "0.01"),
        register(Quantity::PowerExport, 2, Kind::U32, "0.01"),
    ]);
    let said = |import, export| read(&meter, &[(0, &[0, import, 0, export])]).unwrap().power_w;
    assert_eq!(said(12_345, 0), Some(123));
    assert_eq!(said(0, 12_350), Some(-124));
}

/// A meter without a total: it is the sum of the phases that its profile has.
#[test]
fn total_of_phases() {
    let power = |phase, start| {
        let register = register(Quantity::PhasePower(phase), start, Kind::I16, "0.1");
        absent(optional(register), 0x7FFF)
    };
    let phases = || vec![power(L1, 0), power(Phase::L2, 1), power(Phase::L3, 2)];
    let said = |words: [u16; 3]| read(&profile(phases()), &[(0, &words)]).unwrap();
    let all = said([10_000, 20_000, 0xFFF6]);
    assert_eq!(all.phase_power_w, [Some(1000), Some(2000), Some(-1)]);
    assert_eq!(all.power_w, Some(2999));
    assert_eq!(said([10_000, 0x7FFF, 0]).power_w, None);
    let one = profile(phases()[..1].to_vec());
    assert_eq!(read(&one, &[(0, &[10_000])]).unwrap().power_w, Some(1000));
}

#[test]
fn decimal_digits() {
    let energy = register(Quantity::EnergyImport, 0, Kind::Bcd(3), "10");
    let meter = profile(vec![energy.clone()]);
    let said = read(&meter, &[(0, &[0x0012, 0x3456, 0x7890])]).unwrap();
    assert_eq!(said.energy_import, wh(12_345_678_900));
    let swapped = profile(vec![swapped(energy)]);
    let said = read(&swapped, &[(0, &[0x7890, 0x3456, 0x0012])]).unwrap();
    assert_eq!(said.energy_import, wh(12_345_678_900));
    let wrong = read(&meter, &[(0, &[0, 0, 0x00A0])]);
    assert_eq!(wrong, Err("energy_import: 0xa0 is no number of decimal digits".into()));
}

/// Halves go away from nought, on both sides of it.
#[test]
fn halves() {
    let meter = profile(vec![register(Quantity::Power, 0, Kind::F64, "1")]);
    let said = |top| read(&meter, &[(0, &[top, 0, 0, 0])]).unwrap().power_w;
    assert_eq!(said(0x4004), Some(3));
    assert_eq!(said(0xC004), Some(-3));
    assert_eq!(said(0x8000), Some(0));
}

#[test]
fn blocks_in_order_without_overlap() {
    let meter = profile(vec![
        register(Quantity::Power, 40, Kind::I32, "1"),
        register(Quantity::EnergyImport, 10, Kind::U64, "1"),
        register(Quantity::EnergyImport, 14, Kind::U64, "1"),
        with_exponent(register(Quantity::Frequency, 90, Kind::U16, "1"), Table::Holding, 200),
        with_exponent(register(Quantity::Reactive, 41, Kind::I32, "1"), Table::Holding, 39),
    ]);
    let expected = [block(10, 4), block(14, 4), block(39, 4), block(90, 1), block(200, 1)];
    assert_eq!(meter.blocks(), expected);
}
