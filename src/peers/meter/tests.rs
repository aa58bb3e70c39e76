//! The slave against bytes computed by hand; faults against what they say.

#![expect(clippy::unwrap_used, reason = "tests")]

mod on_the_line;

use std::sync::Arc;

use super::{Fault, Flow, Framing, Lasting, Load, Meters, Slave, Step, Wire, mbap, rtu};
use crate::{
    domain::{
        quantity::Energy,
        time::{Mono, Now},
    },
    protocol::modbus::{
        Block, Confidence, Decimal, Image, Kind, Need, Phase, Profile, Quantity, Readout, Register,
        Scale, Table, WordOrder,
    },
};

/// Input registers 0 to 3 with 0x0102, 0x0304, ...
fn image() -> Image {
    (0..4).map(|n| ((Table::Input, n), 0x0102 + n * 0x0202)).collect()
}

fn meters(slaves: Vec<Slave>) -> Meters {
    Meters::new(slaves, Arc::new(Now::default))
}

/// A line with the slave 1 of [`image`].
fn line() -> (Meters, Wire) {
    let meters = meters(vec![Slave::fixed(1, image())]);
    (meters.clone(), Wire::new(meters, Framing::Rtu))
}

/// Everything that goes out, with its moment.
fn drained(wire: &mut Wire) -> Vec<(u64, Vec<u8>)> {
    std::iter::from_fn(|| {
        let at = wire.deadline()?;
        wire.take(at).map(|bytes| (at.0, bytes))
    })
    .collect()
}

/// What comes of asking for input registers 0 and 1 of the slave 1 at a moment.
fn asked_at(wire: &mut Wire, now: u64) -> Vec<(u64, Vec<u8>)> {
    wire.hear(&REQUEST, Mono(now));
    drained(wire)
}

/// As [`asked_at`], all bytes together.
fn asked(wire: &mut Wire) -> Vec<u8> {
    asked_at(wire, 0).into_iter().flat_map(|(_, bytes)| bytes).collect()
}

/// Slave 1, function 4, start 0, count 2, check sum.
const REQUEST: [u8; 8] = [0x01, 0x04, 0x00, 0x00, 0x00, 0x02, 0x71, 0xCB];

/// Its answer: four bytes, 0x0102 and 0x0304.
const ANSWER: [u8; 9] = [0x01, 0x04, 0x04, 0x01, 0x02, 0x03, 0x04, 0x5A, 0x8B];

#[test]
fn the_sum_is_that_of_the_specification() {
    // The check value of CRC-16/MODBUS.
    assert_eq!(rtu::crc16(b"123456789"), 0x4B37);
}

#[test]
fn a_request_is_answered_byte_by_byte() {
    let (_, mut wire) = line();
    assert_eq!(asked(&mut wire), ANSWER);
}

#[test]
fn a_request_in_pieces_is_answered_once() {
    let (_, mut wire) = line();
    for byte in &REQUEST[..7] {
        wire.hear(&[*byte], Mono(0));
        assert!(drained(&mut wire).is_empty());
    }
    wire.hear(&REQUEST[7..], Mono(1));
    assert_eq!(drained(&mut wire), [(1, ANSWER.to_vec())]);
}

#[test]
fn a_request_behind_noise_is_found_and_one_with_a_wrong_sum_is_not() {
    let (_, mut wire) = line();
    wire.hear(&[0xFF, 0x00, 0x55], Mono(0));
    assert_eq!(asked(&mut wire), ANSWER);
    let mut damaged = REQUEST;
    damaged[5] ^= 1;
    wire.hear(&damaged, Mono(1));
    assert!(drained(&mut wire).is_empty());
}

#[test]
fn half_a_request_is_forgotten_after_a_silence() {
    let (_, mut wire) = line();
    wire.hear(&[0x01, 0x04, 0x00], Mono(1_000));
    assert_eq!(asked_at(&mut wire, 2_000), [(2_000, ANSWER.to_vec())]);
}

#[test]
fn what_is_not_there_is_refused() {
    let (meters, mut wire) = line();
    let mut refusal = |pdu: &[u8]| {
        wire.hear(&rtu::frame(1, pdu), Mono(0));
        drained(&mut wire).remove(0).1
    };
    // Function 3: nothing in that table; 4: past the end; 0x2B: unknown; 125 and more: too many.
    assert_eq!(refusal(&[3, 0, 0, 0, 1]), rtu::frame(1, &[0x83, 2]));
    assert_eq!(refusal(&[4, 0, 3, 0, 2]), rtu::frame(1, &[0x84, 2]));
    assert_eq!(refusal(&[0x2B, 0x0E, 1, 0]), rtu::frame(1, &[0xAB, 1]));
    assert_eq!(refusal(&[6, 0, 0, 0, 1]), rtu::frame(1, &[0x86, 1]));
    assert_eq!(refusal(&[4, 0, 0, 0, 126]), rtu::frame(1, &[0x84, 3]));
    assert_eq!(refusal(&[4, 0, 0, 0, 0]), rtu::frame(1, &[0x84, 3]));
    let refused: Vec<_> = meters.news().try_iter().map(|exchange| exchange.refused).collect();
    assert_eq!(refused, [2, 2, 1, 1, 3, 3].map(Some));
}

#[test]
fn a_meter_refuses_more_registers_than_it_can() {
    let slave = Slave::fixed(1, image()).with_max_registers(1);
    let mut wire = Wire::new(meters(vec![slave]), Framing::Rtu);
    assert_eq!(asked(&mut wire), rtu::frame(1, &[0x84, 3]));
}

#[test]
fn nobody_answers_for_an_address_without_a_meter() {
    let (meters, mut wire) = line();
    wire.hear(&rtu::frame(2, &[4, 0, 0, 0, 1]), Mono(0));
    assert!(drained(&mut wire).is_empty());
    // A converter says so.
    let mut wire = Wire::new(meters, Framing::Tcp);
    wire.hear(&mbap::frame(5, 2, &[4, 0, 0, 0, 1]), Mono(0));
    assert_eq!(drained(&mut wire)[0].1, [0, 5, 0, 0, 0, 3, 2, 0x84, 0x0B]);
}

#[test]
fn modbus_tcp_repeats_the_transaction() {
    let (meters, _) = line();
    let mut wire = Wire::new(meters, Framing::Tcp);
    let request = [0x12, 0x34, 0, 0, 0, 6, 1, 4, 0, 0, 0, 2];
    wire.hear(&request[..9], Mono(0));
    assert_eq!(wire.deadline(), None);
    wire.hear(&request[9..], Mono(0));
    let answer = [0x12, 0x34, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4];
    assert_eq!(drained(&mut wire), [(0, answer.to_vec())]);
}

#[test]
fn energy_does_not_depend_on_how_often_it_is_asked() {
    let steps = [
        Step { for_ms: 700, power_w: 7_040 },
        Step { for_ms: 0, power_w: 9_999_999 },
        Step { for_ms: 301, power_w: -1_001 },
    ];
    let (mut often, mut once) = (Load::steps(&steps), Load::steps(&steps));
    (0..=3_600_000).step_by(997).for_each(|at| often.follow(Mono(at)));
    often.follow(Mono(3_600_000));
    once.follow(Mono(3_600_000));
    assert_eq!(often, once);
    // 3596 rounds of 1001 ms and 404 ms of the first step.
    let mut slave = Slave::fixed(1, image());
    slave.set_load(&Load::steps(&steps), Mono(0));
    let values = slave.values(Mono(3_600_000));
    let import_wms: u64 = (3_596 * 700 + 404) * 7_040;
    assert_eq!(values.energy_import, Some(Energy::from_wh(import_wms / 3_600_000)));
    let export_wms: u64 = 3_596 * 301 * 1_001;
    assert_eq!(values.energy_export, Some(Energy::from_wh(export_wms / 3_600_000)));
}

#[test]
fn a_load_that_changes_leaves_the_registers() {
    let mut slave = Slave::fixed(1, image());
    slave.set_energy(Energy::from_wh(1_000), Mono(0));
    slave.set_load(&Load::constant(3_600), Mono(0));
    slave.set_load(&Load::constant(-7_200), Mono(10_000));
    let values = slave.values(Mono(20_000));
    assert_eq!(values.energy_import, Some(Energy::from_wh(1_010)));
    assert_eq!(values.energy_export, Some(Energy::from_wh(20)));
    assert_eq!(values.power_w, Some(-7_200));
    assert_eq!(values.phase_power_w, [Some(-2_400); 3]);
    slave.replace(Mono(20_000));
    assert_eq!(slave.values(Mono(20_000)).energy_import, Some(Energy::default()));
}

#[test]
fn a_meter_that_is_fed_shows_what_it_is_fed_with() {
    let mut wh = 1_000;
    let mut slave = Slave::fixed(1, image()).fed_by(move || {
        wh += 10;
        Flow { import: Energy::from_wh(wh), power_w: 36_000 }
    });
    slave.set_load(&Load::constant(-7), Mono(0));
    let read = |slave: &mut Slave, ms| slave.values(Mono(ms)).energy_import;
    assert_eq!(read(&mut slave, 1_000), Some(Energy::from_wh(1_010)));
    assert_eq!(read(&mut slave, 9_000), Some(Energy::from_wh(1_020)), "nothing by itself");
    assert_eq!(slave.values(Mono(9_000)).power_w, Some(36_000));
}

#[test]
fn a_fault_lasts_as_ordered() {
    let (meters, mut wire) = line();
    meters.with(1, |slave, _| slave.fail(Fault::Silent, Lasting::Answers(2)));
    assert_eq!([asked(&mut wire), asked(&mut wire)], [const { Vec::<u8>::new() }; 2]);
    assert_eq!(asked(&mut wire), ANSWER);
    meters.with(1, |slave, _| slave.fail(Fault::Silent, Lasting::Until(Mono(100))));
    assert!(asked_at(&mut wire, 99).is_empty());
    assert_eq!(asked_at(&mut wire, 100), [(100, ANSWER.to_vec())]);
    meters.with(1, |slave, _| slave.fail(Fault::Silent, Lasting::ForEver));
    (0..100).for_each(|_| assert!(asked(&mut wire).is_empty()));
    meters.with(1, |slave, _| slave.be_well());
    assert_eq!(asked(&mut wire), ANSWER);
}

#[test]
fn a_slow_meter_answers_one_after_the_other_and_loses_what_is_too_much() {
    let (meters, mut wire) = line();
    meters.with(1, |slave, _| slave.fail(Fault::Late { ms: 300 }, Lasting::ForEver));
    (0..6).for_each(|n| wire.hear(&REQUEST, Mono(n * 10)));
    let at: Vec<u64> = drained(&mut wire).into_iter().map(|(at, _)| at).collect();
    assert_eq!(at, [300, 600, 900, 1_200]);
    // When it has caught up, it is as slow as before and no slower.
    assert_eq!(asked_at(&mut wire, 5_000)[0].0, 5_300);
}

/// A value of one or two input registers.
fn register(quantity: Quantity, start: u16, kind: Kind, scale: Decimal) -> Register {
    Register {
        quantity,
        block: Block { table: Table::Input, start, count: kind.registers() },
        kind,
        words: WordOrder::Big,
        scale: Scale::fixed(scale),
        absent: Vec::new(),
        need: Need::Required,
        confidence: Confidence::High,
        source: "a test".to_owned(),
    }
}

/// Energy at 0 in 0.1 kWh, voltage of L1 at 4, current of L1 at 8.
fn profile(voltage: Phase) -> Profile {
    let registers = vec![
        register(Quantity::EnergyImport, 0, Kind::U32, Decimal::new(100, 0)),
        register(Quantity::Voltage(voltage), 4, Kind::U16, Decimal::new(1, -1)),
        register(Quantity::Current(Phase::L1), 8, Kind::U16, Decimal::new(1, -2)),
    ];
    Profile {
        name: "a-meter".to_owned(),
        manufacturer: "somebody".to_owned(),
        model: "a meter".to_owned(),
        verified: false,
        source: "a test".to_owned(),
        max_registers: 5,
        max_gap: 2,
        unreadable: vec![Block { table: Table::Input, start: 3, count: 1 }],
        silence_ms: 0,
        serial: None,
        address: None,
        identity: Vec::new(),
        registers,
    }
}

#[test]
fn a_meter_of_a_profile_has_its_registers_and_limits() {
    let mut slave = Slave::of(Arc::new(profile(Phase::L1)), 9);
    slave.set_energy(Energy::from_wh(7_000_000), Mono(0));
    slave.set_load(&Load::constant(2_300), Mono(0));
    let meters = meters(vec![slave]);
    let read = |start, count| words(&meters, 9, start, count);
    // 70 000 x 0.1 kWh is 0x0001_1170; 2 is in a gap of two, one of which is not readable.
    assert_eq!(read(0, 3), Ok(vec![0x0001, 0x1170, 0]));
    assert_eq!(read(0, 4), Err(2), "3 is unreadable");
    assert_eq!(read(4, 2), Err(2), "a gap of three is not there");
    assert_eq!((read(4, 1), read(8, 1)), (Ok(vec![2_300]), Ok(vec![1_000])), "all through L1");
    assert_eq!(read(0, 6), Err(3), "more than the meter can");
}

#[test]
fn a_meter_of_three_phases_has_a_third_on_each() {
    let mut slave = Slave::of(Arc::new(profile(Phase::L2)), 1);
    slave.set_load(&Load::constant(6_900), Mono(0));
    let meters = meters(vec![slave]);
    assert_eq!(words(&meters, 1, 8, 1), Ok(vec![1_000]));
}

#[test]
fn what_the_meter_says_is_read_back_by_its_profile() {
    let profile = profile(Phase::L1);
    let mut slave = Slave::of(Arc::new(profile.clone()), 1);
    slave.set_energy(Energy::from_wh(123_400), Mono(0));
    let meters = meters(vec![slave]);
    let mut readout = Readout::default();
    for block in profile.blocks() {
        readout.add(block, words(&meters, 1, block.start, block.count).unwrap());
    }
    let values = profile.values(&readout).unwrap();
    assert_eq!(values.energy_import, Some(Energy::from_wh(123_400)));
    assert_eq!((values.voltage_dv[0], values.current_ca[0]), (Some(2_300), Some(0)));
}

/// The words that a slave answers a request with, or its exception.
fn words(meters: &Meters, address: u8, start: u16, count: u16) -> Result<Vec<u16>, u8> {
    let [s0, s1] = start.to_be_bytes();
    let [c0, c1] = count.to_be_bytes();
    let mut wire = Wire::new(meters.clone(), Framing::Tcp);
    wire.hear(&mbap::frame(7, address, &[4, s0, s1, c0, c1]), Mono(0));
    let (_, bytes) = drained(&mut wire).remove(0);
    if bytes[7] == 0x84 {
        return Err(bytes[8]);
    }
    assert_eq!((bytes[7], u16::from(bytes[8])), (4, count * 2));
    Ok(bytes[9..].chunks(2).map(|w| u16::from_be_bytes([w[0], w[1]])).collect())
}

/// What comes of one fault.
fn under(fault: Fault) -> Vec<(u64, Vec<u8>)> {
    let (meters, mut wire) = line();
    meters.with(1, |slave, _| slave.fail(fault, Lasting::Answers(1)));
    let said = asked_at(&mut wire, 10);
    assert_eq!(asked_at(&mut wire, 5_000), [(5_000, ANSWER.to_vec())], "well again");
    said
}

#[test]
fn faults_of_the_line_do_what_they_say() {
    assert_eq!(under(Fault::Late { ms: 250 }), [(260, ANSWER.to_vec())]);
    assert_eq!(under(Fault::Half), [(10, ANSWER[..4].to_vec())]);
    let split = [(10, ANSWER[..4].to_vec()), (40, ANSWER[4..].to_vec())];
    assert_eq!(under(Fault::Split { ms: 30 }), split);
    assert_eq!(under(Fault::Twice), [(10, [ANSWER, ANSWER].concat())]);
    let noise = vec![1, 3, 0xFF];
    let before = [&noise[..], &ANSWER].concat();
    assert_eq!(under(Fault::NoiseBefore(noise.clone())), [(10, before)]);
    let behind = [&ANSWER, &noise[..]].concat();
    assert_eq!(under(Fault::NoiseAfter(noise)), [(10, behind)]);
    assert_eq!(under(Fault::Echo), [(10, REQUEST.to_vec()), (10, ANSWER.to_vec())]);

    let (_, flipped) = under(Fault::Flip).remove(0);
    let wrong = flipped.iter().zip(ANSWER).map(|(is, was)| (is ^ was).count_ones());
    assert_eq!(wrong.sum::<u32>(), 1);
    let (_, noisy) = under(Fault::NoiseBefore(Vec::new())).remove(0);
    assert!(noisy.len() > ANSWER.len() && noisy.ends_with(&ANSWER));
    let babble = under(Fault::Babble { ms: 200 });
    assert_eq!((babble.len(), &babble[0].1[..]), (11, &ANSWER[..]));
    assert_eq!(babble.last().unwrap().0, 210);
}

#[test]
fn faults_of_the_meter_are_whole_frames() {
    let frame = |address, pdu: &[u8]| vec![(10, rtu::frame(address, pdu))];
    assert_eq!(under(Fault::WrongAddress), frame(2, &[4, 4, 1, 2, 3, 4]));
    assert_eq!(under(Fault::WrongFunction), frame(1, &[3, 4, 1, 2, 3, 4]));
    assert_eq!(under(Fault::WrongCount { by: -1 }), frame(1, &[4, 2, 1, 2]));
    assert_eq!(under(Fault::WrongCount { by: 1 }), frame(1, &[4, 6, 1, 2, 3, 4, 0, 0]));
    assert_eq!(under(Fault::WrongCount { by: -9 }), frame(1, &[4, 0]));
    assert_eq!(under(Fault::Exception(6)), frame(1, &[0x84, 6]));
}

#[test]
fn a_stuck_meter_says_the_same_until_it_is_well() {
    let draw = |values: &crate::domain::reading::Values| -> Image {
        let wh = values.energy_import.map_or(0, Energy::wh);
        [((Table::Input, 0), u16::try_from(wh).unwrap())].into()
    };
    let moment = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let clock = Arc::clone(&moment);
    let now = move || Now {
        mono: Mono(clock.load(std::sync::atomic::Ordering::Relaxed)),
        ..Now::default()
    };
    let meters = Meters::new(vec![Slave::new(1, draw)], Arc::new(now));
    meters.with(1, |slave, now| slave.set_load(&Load::constant(3_600), now));
    let mut wire = Wire::new(meters.clone(), Framing::Rtu);
    let mut read_at = |ms: u64| {
        moment.store(ms, std::sync::atomic::Ordering::Relaxed);
        wire.hear(&rtu::frame(1, &[4, 0, 0, 0, 1]), Mono(ms));
        drained(&mut wire).remove(0).1[4]
    };
    assert_eq!(read_at(1_000), 1);
    meters.with(1, |slave, _| slave.fail(Fault::Stuck, Lasting::ForEver));
    assert_eq!([read_at(5_000), read_at(9_000)], [5, 5]);
    meters.with(1, |slave, _| slave.be_well());
    assert_eq!(read_at(9_000), 9);
}
