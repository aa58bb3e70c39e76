//! A simulated meter with a profile's registers, asked by a bus, in virtual time.

use std::{collections::BTreeMap, sync::Arc};

use sitepilot::{
    domain::{
        id::MeterName,
        quantity::Energy,
        reading::{ReadFault, Values},
        time::{Mono, Now},
    },
    metering::{Answer, Ask, Bus, Limits, Line, Micros, Next, Outcome, Slave as Wanted},
    peers::meter::{Framing, Meters, Slave, Wire, rtu},
    protocol::modbus::{
        Block, FactorForm, Image, Kind, Phase, Profile, Quantity, Readout, Table, WordOrder,
    },
};

use super::range::milli;

const ADDRESS: u8 = 17;

/// Steps of the bus until a reading must have come; a meter has 30 values at most.
const STEPS_MAX: usize = 1_000;

/// What stands in registers between values: it must not get into them.
const RUBBISH: u16 = 0xA5C3;

/// A meter measures this; those with less leave parts out.
fn measured() -> [Values; 4] {
    let values = |import, power_w: i64, dv, ca, factor| Values {
        energy_import: Some(Energy::from_wh(import)),
        energy_export: Some(Energy::from_wh(import / 3)),
        power_w: Some(power_w),
        phase_power_w: [Some(power_w / 2), Some(power_w - power_w / 2 - 7), Some(7)],
        reactive_var: Some(-power_w / 5),
        voltage_dv: [Some(dv), Some(dv + 3), Some(dv - 4)],
        current_ca: [Some(ca), Some(ca / 2), Some(0)],
        frequency_chz: Some(4_998),
        power_factor_milli: Some(factor),
    };
    [
        values(0, 7, 2_300, 0, 0),
        values(1_234_570, 11_040, 2_317, 1_598, 987),
        values(4_294_960_000, 152_400, 2_402, 24_530, 1_000),
        values(99_999_990, -21_930, 2_251, 3_104, 870),
    ]
}

/// Reads what a meter of this profile measures, with its own ratios, and compares.
pub fn read_back(profile: &Profile) {
    for values in measured() {
        let values = one_phase_of(profile, values);
        compare(profile, &profile.image(&values), &values, 1);
    }
}

/// Likewise with 40 in the registers that others are multiplied with by current.
pub fn read_back_behind_transformers(profile: &Profile) {
    const CT: u16 = 40;
    let factors = profile.registers.iter().filter(|it| matches!(it.quantity, Quantity::Current(_)));
    let ct = factors.flat_map(|register| &register.scale.factors).next().unwrap().block;
    let image = Image::from([((ct.table, ct.start), CT)]);
    for values in measured() {
        let image = profile.image_over(&image, &values);
        assert_eq!(image[&(ct.table, ct.start)], CT);
        compare(profile, &image, &values, CT.into());
    }
}

/// With everything on L1 for a meter of one phase.
fn one_phase_of(profile: &Profile, mut values: Values) -> Values {
    let three = profile.registers.iter().any(|it| it.quantity == Quantity::Voltage(Phase::L2));
    if !three {
        values.phase_power_w = [values.power_w, None, None];
    }
    values
}

fn compare(profile: &Profile, image: &Image, given: &Values, ratio: i128) {
    let readout = read(profile, image);
    let read = profile.values(&readout);
    let read = read.unwrap_or_else(|why| panic!("{}: {why}\n{given:?}", profile.name));
    assert_read(profile, given, &read, ratio);
}

/// What was read is what a meter measured, as far as its registers can hold it.
pub fn assert_read(profile: &Profile, given: &Values, read: &Values, ratio: i128) {
    let mut expected = BTreeMap::new();
    for register in &profile.registers {
        let at = register.quantity;
        let tolerance = tolerance(profile, at, of(given, at).unwrap_or(0), ratio);
        expected.insert(name_of(at), (of(given, at), tolerance));
    }
    if !expected.contains_key("power") && expected.contains_key("power_l1") {
        let tolerance = Phase::ALL.map(|phase| expected[&*format!("power_{phase}")].1);
        expected.insert("power".into(), (given.power_w.map(Into::into), tolerance.iter().sum()));
    }
    for (name, value) in flat(read) {
        let of = format!("{}: {name} of {given:?}", profile.name);
        match (value, expected.get(&name)) {
            (None, None) => {}
            (Some(value), Some((Some(wanted), tolerance))) => {
                let off = (value - wanted).abs();
                assert!(off <= *tolerance, "{of}: {value} for {wanted}, give or take {tolerance}");
            }
            (value, expected) => panic!("{of}: {value:?} for {expected:?}"),
        }
    }
}

/// How far a value may be off by what its registers can hold, in the domain's unit.
fn tolerance(profile: &Profile, quantity: Quantity, value: i128, ratio: i128) -> i128 {
    let registers = profile.registers.iter().filter(|it| it.quantity == quantity);
    let each = registers.map(|register| {
        let has_exponent = register.scale.exponent.is_some();
        match register.kind {
            // Half of the last bit.
            Kind::F32 => value.abs() >> 23,
            Kind::T5 | Kind::T6 => value.abs() >> 22,
            Kind::F64 => 0,
            // The number is as great as fits.
            Kind::I16 if has_exponent => value.abs() / 6_000,
            Kind::I32 if has_exponent => value.abs() >> 24,
            Kind::I16
            | Kind::U16
            | Kind::I32
            | Kind::U32
            | Kind::I64
            | Kind::U64
            | Kind::T7
            | Kind::Bcd(_) => {
                let units = 10_i128.pow(quantity.places().unsigned_abs());
                let step = milli(units, register.scale.decimal) * ratio / 1_000;
                if step <= 1 { 0 } else { (step + 1) / 2 }
            }
        }
    });
    each.sum()
}

fn of(values: &Values, quantity: Quantity) -> Option<i128> {
    flat(values).remove(&name_of(quantity)).flatten()
}

/// Power in two directions is one value.
fn name_of(quantity: Quantity) -> String {
    match quantity {
        Quantity::PowerImport | Quantity::PowerExport => "power".into(),
        other => other.to_string(),
    }
}

fn flat(values: &Values) -> BTreeMap<String, Option<i128>> {
    let energy = |energy: Option<Energy>| energy.map(|energy| i128::from(energy.wh()));
    let factor = Quantity::PowerFactor(FactorForm::Plain);
    let mut flat = vec![
        (Quantity::EnergyImport, energy(values.energy_import)),
        (Quantity::EnergyExport, energy(values.energy_export)),
        (Quantity::Power, values.power_w.map(Into::into)),
        (Quantity::Reactive, values.reactive_var.map(Into::into)),
        (Quantity::Frequency, values.frequency_chz.map(Into::into)),
        (factor, values.power_factor_milli.map(Into::into)),
    ];
    for phase in Phase::ALL {
        let at = phase.index();
        flat.extend([
            (Quantity::PhasePower(phase), values.phase_power_w[at].map(Into::into)),
            (Quantity::Voltage(phase), values.voltage_dv[at].map(Into::into)),
            (Quantity::Current(phase), values.current_ca[at].map(Into::into)),
        ]);
    }
    flat.into_iter().map(|(quantity, value)| (quantity.to_string(), value)).collect()
}

/// Asks a simulated meter with these registers until a reading is whole.
fn read(profile: &Profile, image: &Image) -> Readout {
    let image = with_rubbish(profile, image);
    let slave = Slave::fixed(ADDRESS, image).with_max_registers(profile.max_registers);
    let mut wire = Wire::new(Meters::new(vec![slave], Arc::new(Now::default)), Framing::Rtu);
    let mut bus = Bus::new(Line::serial(9_600, 5, 300), vec![wanted(profile)], Micros(0));
    let mut now = Micros(0);
    for _ in 0..STEPS_MAX {
        let ask = match bus.next(now) {
            Next::Ask(ask) => ask,
            Next::Listen { until } | Next::Wait { until } => {
                now = Micros(until.0.max(now.0 + 1));
                continue;
            }
        };
        now = Micros(now.0.max(ask.not_before.0));
        let _ = bus.sent(now);
        let answer = ask_over(&mut wire, &ask);
        now = now.plus(50_000);
        match bus.answered(answer, now) {
            Some(Outcome::Round(_, readout, _)) => return readout,
            Some(Outcome::Failed(_, fault, _)) => panic!("{}: {ask:?}: {fault}", profile.name),
            None => {}
        }
    }
    panic!("{}: no reading", profile.name);
}

fn wanted(profile: &Profile) -> Wanted {
    Wanted {
        meter: MeterName::new("bench").unwrap(),
        address: ADDRESS,
        interval_ms: 1_000,
        silence_us: u32::from(profile.silence_ms) * 1_000,
        wanted: profile.blocks(),
        limits: Limits {
            max_registers: profile.max_registers,
            max_gap: profile.max_gap,
            unreadable: profile.unreadable.clone(),
        },
    }
}

/// A request that the meter refuses fails the test: the profile promised that it would not.
fn ask_over(wire: &mut Wire, ask: &Ask) -> Answer {
    let Block { table, start, count } = ask.block;
    let pdu = [&[table.function()][..], &start.to_be_bytes(), &count.to_be_bytes()].concat();
    wire.hear(&rtu::frame(ask.address, &pdu), Mono(0));
    let Some(bytes) = wire.take(Mono(0)) else { return Answer::Fault(ReadFault::NoAnswer) };
    let (answer, sum) = bytes.split_at(bytes.len() - 2);
    assert_eq!(sum, rtu::crc16(answer).to_le_bytes(), "{ask:?}");
    assert_eq!(answer[..2], [ask.address, table.function()], "{ask:?} is refused: {answer:?}");
    let words = answer[3..].chunks(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
    Answer::Words(words.collect())
}

/// The registers that a request may reach over, with something in them.
fn with_rubbish(profile: &Profile, image: &Image) -> Image {
    let mut whole = image.clone();
    let known: Vec<(Table, u16)> = image.keys().copied().collect();
    for pair in known.windows(2) {
        let [(table, last), (other, next)] = pair else { continue };
        if table != other || next - last - 1 > profile.max_gap {
            continue;
        }
        let gap = (last + 1..*next).map(|start| Block { table: *table, start, count: 1 });
        let barred = |it: &Block| profile.unreadable.iter().any(|barred| super::meet(*barred, *it));
        let open = gap.filter(|block| !barred(block));
        whole.extend(open.map(|block| ((*table, block.start), RUBBISH)));
    }
    whole
}

#[test]
fn the_bench_notices_a_wrong_scale_and_a_wrong_order() {
    let profile = super::load("acrel-adl400");
    let [_, values, ..] = measured();
    let image = profile.image(&values);
    let wrong = |spoil: fn(&mut Profile)| {
        let mut other = profile.clone();
        spoil(&mut other);
        std::panic::catch_unwind(|| compare(&other, &image, &values, 1)).is_err()
    };
    assert!(!wrong(|_| {}));
    assert!(wrong(|it| it.registers[0].words = WordOrder::Little));
    assert!(wrong(|it| it.registers[0].scale = it.registers[9].scale.clone()));
    assert!(wrong(|it| it.registers[2].block.start -= 2));
}
