//! From values to registers and back, for every kind, order and scale; and registers of anything.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{factor, optional, profile, readout, register};
use crate::{
    domain::{quantity::Energy, reading::Values},
    protocol::modbus::{
        Exponent, FactorForm, Image, Kind, Phase, Profile, Quantity, Register, Table, WordOrder,
        image::of,
        number::Number,
        quantity::{MAX_CURRENT_CA, MAX_ENERGY_WH, MAX_POWER_W, MAX_VOLTAGE_DV},
    },
};

const KINDS: [Kind; 15] = [
    Kind::I16,
    Kind::U16,
    Kind::I32,
    Kind::U32,
    Kind::I64,
    Kind::U64,
    Kind::F32,
    Kind::F64,
    Kind::Bcd(1),
    Kind::Bcd(2),
    Kind::Bcd(3),
    Kind::Bcd(4),
    Kind::T5,
    Kind::T6,
    Kind::T7,
];

const SCALES: [&str; 9] = ["1", "0.1", "0.01", "0.001", "10", "1000", "-1", "0.25", "12.5"];

fn quantity() -> impl Strategy<Value = Quantity> {
    select(vec![
        Quantity::EnergyImport,
        Quantity::EnergyExport,
        Quantity::Power,
        Quantity::PhasePower(Phase::L3),
        Quantity::Reactive,
        Quantity::Voltage(Phase::L2),
        Quantity::Current(Phase::L1),
        Quantity::Frequency,
        Quantity::PowerFactor(FactorForm::Plain),
        Quantity::PowerFactor(FactorForm::FourQuadrants),
    ])
}

/// How a register takes part of its scale from others.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    Ratios,
    Exponent,
}

prop_compose! {
    fn any_register()(
        quantity in quantity(),
        start in 0_u16..200,
        kind in select(KINDS.to_vec()),
        scale in select(SCALES.to_vec()),
        words in select(vec![WordOrder::Big, WordOrder::Little]),
        beside in select(vec![Beside::Nothing, Beside::Ratios, Beside::Exponent]),
        exponent in select(vec![Kind::I16, Kind::U16]),
    ) -> Register {
        let mut register = Register { words, ..register(quantity, start, kind, scale) };
        match beside {
            Beside::Nothing => {}
            Beside::Ratios => register.scale.factors = vec![factor(300), factor(301)],
            Beside::Exponent => {
                let address = start + 8;
                let table = Table::Holding;
                register.scale.exponent = Some(Exponent { table, address, kind: exponent });
            }
        }
        register
    }
}

/// Values with this one, and a total power where it is a phase's.
fn values(quantity: Quantity, value: i64) -> Option<Values> {
    let mut values = Values::default();
    let energy = u64::try_from(value).ok().filter(|wh| *wh <= MAX_ENERGY_WH).map(Energy::from_wh);
    let power = Some(value).filter(|power| power.abs() <= MAX_POWER_W);
    match quantity {
        Quantity::EnergyImport => values.energy_import = Some(energy?),
        Quantity::EnergyExport => values.energy_export = Some(energy?),
        Quantity::Power | Quantity::PowerImport | Quantity::PowerExport => {
            values.power_w = Some(power?);
        }
        Quantity::PhasePower(phase) => {
            values.phase_power_w[phase.index()] = Some(power?);
            values.power_w = power;
        }
        Quantity::Reactive => values.reactive_var = Some(power?),
        Quantity::Voltage(phase) => {
            let voltage = u32::try_from(value).ok().filter(|dv| *dv <= MAX_VOLTAGE_DV);
            values.voltage_dv[phase.index()] = Some(voltage?);
        }
        Quantity::Current(phase) => {
            let current = i32::try_from(value).ok().filter(|ca| ca.abs() <= MAX_CURRENT_CA);
            values.current_ca[phase.index()] = Some(current?);
        }
        Quantity::Frequency => {
            let frequency = u32::try_from(value).ok();
            values.frequency_chz = Some(frequency.filter(|chz| (4_000..=7_000).contains(chz))?);
        }
        Quantity::PowerFactor(_) => {
            let factor = i32::try_from(value).ok().filter(|milli| milli.abs() <= 1_000);
            values.power_factor_milli = Some(factor?);
        }
    }
    Some(values)
}

/// What one in the register is, in the domain's unit.
fn step(register: &Register, image: &Image) -> Number {
    let at = |address| image[&(Table::Holding, address)];
    let mut step = Number::decimal(register.scale.decimal);
    for factor in &register.scale.factors {
        step = step.times(Number::whole(at(factor.block.start).into())).unwrap();
    }
    let exponent = register.scale.exponent.map_or(0, |exponent| at(exponent.address).cast_signed());
    step.times_ten_to(i32::from(exponent) + register.quantity.places()).unwrap()
}

/// Whether the register holds every value of the domain's to the last digit.
fn finer(register: &Register, step: Number) -> bool {
    match register.kind {
        Kind::F64 => true,
        Kind::F32 | Kind::T5 | Kind::T6 | Kind::T7 => false,
        _ => step.times_ten_to(3).and_then(Number::rounded).is_some_and(|step| step.abs() <= 1_000),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// A value comes back as near as its register is fine: as it was where the register is finer
    /// than values of the domain are.
    #[test]
    fn values_come_back(
        register in any_register(),
        value in prop_oneof![
            -1_000_i64..=1_000,
            4_000_i64..=7_000,
            -70_000_000_i64..=70_000_000,
            0..=10_000_000_000_000_i64,
        ],
        ratios in (1_u16..=5, 1_u16..=400),
    ) {
        let Some(values) = values(register.quantity, value) else { return Ok(()) };
        let meter = profile(vec![register.clone()]);
        let given = [((Table::Holding, 300), ratios.0), ((Table::Holding, 301), ratios.1)];
        let image = meter.image_over(&given.into(), &values);
        let step = step(&register, &image);
        let held = Number::whole(value.into()).divided(step).unwrap();
        let said = meter.values(&readout(&meter, &image));
        if register.kind.holds(held) && finer(&register, step) {
            prop_assert_eq!(said, Ok(values));
        } else if let (Ok(said), true) = (said, register.kind.holds(held)) {
            let off = of(&said, register.quantity).unwrap() - i128::from(value);
            // Half a step of the register and half of the domain, and what a packed decimal leaves out.
            let most = step.abs().and_then(Number::rounded).unwrap() + 2 + i128::from(value.abs() >> 19);
            prop_assert!(off.abs() * 2 <= most, "off by {} of {}", off, value);
        }
    }

    /// Any words in any registers give values within the limits or a reason, and never panic.
    #[test]
    fn any_words(
        registers in vec(any_register(), 1..8),
        words in vec(prop_oneof![Just(0), Just(0xFFFF), any::<u16>()], 320),
        left_out in 0_u16..250,
    ) {
        let meter = Profile {
            registers: registers.into_iter().map(optional).collect(),
            ..profile(vec![register(Quantity::Frequency, 0, Kind::U16, "1")])
        };
        prop_assume!(meter.check().is_ok());
        let mut image: Image = (0..).zip(words).map(|(at, word)| ((Table::Holding, at), word)).collect();
        image.remove(&(Table::Holding, left_out));
        match meter.values(&readout(&meter, &image)) {
            Ok(said) => {
                prop_assert!(said.voltage_dv.iter().flatten().all(|dv| *dv <= MAX_VOLTAGE_DV));
                prop_assert!(said.power_w.is_none_or(|power| power.abs() <= MAX_POWER_W));
                prop_assert!(said.power_factor_milli.is_none_or(|milli| milli.abs() <= 1_000));
                drop(meter.image(&said));
            }
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }
}
