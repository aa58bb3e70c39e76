//! Faults on the line: nothing wrong is believed, and nobody else pays for it for long.

use std::collections::BTreeSet;

use sitepilot::{
    domain::reading::ReadFault,
    metering::{Line, Micros, Outcome, Slave},
    protocol::modbus::Block,
};

use crate::wire::{Fault, World, begins, holding, meter, rounds, slave};

const SECOND: u64 = 1_000_000;

/// Three meters with two requests each.
fn three(interval_ms: u32) -> Vec<Slave> {
    let wanted = [holding(0, 2), holding(2, 2), holding(100, 4)];
    (1..=3).map(|number| slave(number, interval_ms, &wanted)).collect()
}

fn any_fault(rng: &mut fastrand::Rng) -> Fault {
    let late = match rng.u8(0..4) {
        // Just when the next request goes out, or a little later.
        0 => rng.u64(250_000..450_000),
        1 => rng.u64(0..3 * SECOND),
        2 => rng.u64(0..20 * SECOND),
        _ => rng.u64(300_000..1_200_000),
    };
    match rng.u8(0..14) {
        0 => Fault::Silent,
        1..=4 => Fault::Late(late),
        5 => Fault::Half,
        6 => Fault::Flip(rng.usize(..4096)),
        7 => Fault::WrongAddress,
        8 => Fault::WrongFunction,
        9 => Fault::WrongCount,
        10 => Fault::NoiseBefore(rng.usize(1..40)),
        11 => Fault::NoiseAfter(rng.usize(1..40)),
        12 => Fault::Twice(rng.u64(0..25_000)),
        _ if rng.bool() => Fault::Noise(rng.usize(1..300)),
        _ => Fault::LateException(rng.u8(4..7), late),
    }
}

/// Thousands of faults of all kinds, in all places. What is accepted is what the register held
/// when it was asked, always.
fn random_faults(line: Line, seed: u64, faults: u32) -> World {
    let mut world = World::new(line, three(1000), 20_000);
    world.rng = fastrand::Rng::with_seed(seed);
    let mut rng = fastrand::Rng::with_seed(!seed);
    for _ in 0..faults {
        let at = rng.usize(..3);
        world.slaves[at].once = any_fault(&mut rng);
        let until = world.now + rng.u64(100_000..4 * SECOND);
        world.run(until);
    }
    world
}

#[test]
fn nothing_wrong_is_believed_over_thousands_of_random_faults() {
    for (baud, faults) in [(9600, 5000), (115_200, 5000)] {
        let world = random_faults(Line::serial(baud, 5, 300), u64::from(baud), faults);
        println!(
            "{baud} baud: {faults} faults planned, {} answers believed, {} of them wrong",
            world.accepted, world.wrong
        );
        tell_costs(&world);
        assert!(world.accepted > 20_000, "most of the time the meters are read");
        assert_eq!(world.wrong, 0);
    }
}

fn tell_costs(world: &World) {
    for fault in [ReadFault::NoAnswer, ReadFault::Damaged, ReadFault::Stray] {
        let costs: Vec<u64> =
            world.costs.iter().filter(|cost| cost.fault == fault).map(|cost| cost.us).collect();
        let most = costs.iter().max().unwrap() / 1000;
        let mean = costs.iter().sum::<u64>() / costs.len() as u64 / 1000;
        println!("  {fault}: {} times, cost the line {mean} ms, at most {most} ms", costs.len());
    }
}

fn serial() -> Line {
    Line::serial(9600, 5, 300)
}

/// One value and no register around it: there is no other count to ask for.
fn lonely(number: u8) -> Slave {
    let mut slave = slave(number, 1000, &[holding(0, 2)]);
    slave.limits.max_gap = 0;
    slave
}

#[test]
fn nothing_wrong_is_believed_of_slaves_with_a_single_value() {
    let mut world = World::new(serial(), (1..=3).map(lonely).collect(), 20_000);
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let at = rng.usize(..3);
        world.slaves[at].once = Fault::Late(rng.u64(250_000..4_900_000));
        let until = world.now + rng.u64(100_000..20 * SECOND);
        world.run(until);
    }
    println!("a single value: {} answers believed, {} wrong", world.accepted, world.wrong);
    assert!(world.accepted > 5_000);
    assert_eq!(world.wrong, 0);
}

/// Values far apart that all need the same count, and a slave that says everything twice, the second
/// time while the next request is under way.
#[test]
fn no_reading_of_a_slave_that_answers_twice_is_wrong() {
    let wanted = [holding(0, 2), holding(20, 2), holding(40, 2), holding(60, 2)];
    let mut believed_wrong = 0;
    for wanted in [&wanted[..], &[wanted[0], holding(10, 6), wanted[1], wanted[2]]] {
        let mut slaves = vec![slave(1, 500, wanted), slave(2, 500, wanted)];
        slaves.iter_mut().for_each(|slave| slave.limits.max_gap = 0);
        let mut world = World::new(Line::serial(115_200, 5, 300), slaves, 40_000);
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..3000 {
            let at = rng.usize(..2);
            world.slaves[at].always = match rng.u8(..3) {
                0 => Fault::Twice(rng.u64(..40_000)),
                1 => Fault::Twice(rng.u64(8_000..45_000)),
                _ => Fault::None,
            };
            world.run(world.now + rng.u64(100_000..2 * SECOND));
        }
        println!("{} answers believed, {} of them wrong", world.accepted, world.wrong);
        assert_eq!(world.wrong_readings, 0);
        believed_wrong += world.wrong;
    }
    assert!(believed_wrong > 0, "the fault that this is about happens");
}

/// A bit that flips on the way does not make an answer owed: it was there.
#[test]
fn after_a_disturbed_answer_a_slave_without_another_count_is_read_in_its_next_slot() {
    let mut world = World::new(serial(), vec![lonely(1), lonely(2)], 20_000);
    world.run(10 * SECOND);
    world.slaves[0].once = Fault::Flip(40);
    let outcomes = world.run(15 * SECOND);
    assert_eq!(rounds(&outcomes)[&meter(1)], 4, "{outcomes:?}");
    assert_eq!(world.wrong, 0);
}

/// Each kind of fault, once, on a bus that is otherwise well: the line is free again after one
/// time-out and the quarantine, and the next reading of everybody is right.
#[test]
fn a_fault_costs_the_others_one_time_out_and_the_quarantine() {
    let all = [
        Fault::Silent,
        Fault::Late(350_000),
        Fault::Late(385_000),
        Fault::Half,
        Fault::Flip(30),
        Fault::WrongAddress,
        Fault::WrongFunction,
        Fault::WrongCount,
        Fault::NoiseBefore(9),
        Fault::NoiseAfter(9),
        Fault::Noise(30),
        Fault::Twice(0),
    ];
    for fault in all {
        let mut world = World::new(serial(), three(1000), 20_000);
        world.run(10 * SECOND);
        world.slaves[0].once = fault;
        let outcomes = world.run(11 * SECOND);
        assert!(
            matches!(&outcomes[0], Outcome::Failed(name, ..) if *name == meter(1)),
            "{fault:?}"
        );
        assert_eq!(rounds(&outcomes).len(), 2, "{fault:?}: the others are read in the same slot");
        let [cost] = world.costs.as_slice() else { panic!("{fault:?}: {:?}", world.costs) };
        println!("{fault:?}: {} of at most {} ms", cost.us / 1000, cost.allowed_us / 1000);
        // A late answer may begin just before the quarantine is over, and is heard to its end.
        assert!(cost.us <= cost.allowed_us + cost.answer_us, "{fault:?}");
        let outcomes = world.run(12 * SECOND);
        assert_eq!(rounds(&outcomes).len(), 3, "{fault:?}");
        assert_eq!(world.wrong, 0, "{fault:?}");
    }
}

/// The answer comes just as the next request goes out, to another slave: both are lost, and the
/// slot of that one with them. Nothing is taken for anything else, and then all is well again.
#[test]
fn an_answer_that_meets_the_next_request_costs_that_slot_and_no_more() {
    for late in (390_000..470_000).step_by(1_000) {
        let mut world = World::new(serial(), three(1000), 20_000);
        world.run(10 * SECOND);
        world.slaves[0].once = Fault::Late(late);
        let outcomes = world.run(11 * SECOND);
        assert!(rounds(&outcomes).contains_key(&meter(3)), "late by {late}: {outcomes:?}");
        let outcomes = world.run(12 * SECOND);
        assert_eq!(rounds(&outcomes).len(), 3, "late by {late}: {outcomes:?}");
        assert_eq!(world.wrong, 0, "late by {late}");
    }
}

#[test]
fn a_late_answer_that_was_waited_for_ends_the_waiting() {
    let mut world = World::new(serial(), three(1000), 20_000);
    world.run(10 * SECOND);
    world.slaves[0].once = Fault::Late(310_000);
    world.run(11 * SECOND);
    assert!(world.costs[0].us < world.costs[0].allowed_us - 50_000, "{:?}", world.costs);
}

#[test]
fn while_an_answer_is_owed_no_request_has_its_count() {
    let mut world = World::new(serial(), three(1000), 20_000);
    world.run(10 * SECOND);
    let usual = counts(&world, 0);
    for slave in &mut world.slaves {
        slave.asked.clear();
    }
    world.slaves[0].once = Fault::Silent;
    world.run(60 * SECOND);
    let (_, lost) = world.slaves[0].asked[0];
    let later: BTreeSet<u16> =
        world.slaves[0].asked[1..].iter().map(|(_, block)| block.count).collect();
    assert!(usual.contains(&lost.count) && !later.contains(&lost.count), "{lost:?}: {later:?}");
    world.slaves[0].asked.clear();
    world.run(80 * SECOND);
    assert!(counts(&world, 0).contains(&lost.count), "after a minute it is written off");
    assert_eq!(counts(&world, 1), usual, "the others are asked as ever");
}

fn counts(world: &World, at: usize) -> BTreeSet<u16> {
    world.slaves[at].asked.iter().map(|(_, block)| block.count).collect()
}

#[test]
fn a_slave_without_another_count_waits_alone() {
    let mut world = World::new(serial(), vec![lonely(1), lonely(2)], 20_000);
    world.run(10 * SECOND);
    world.slaves[0].once = Fault::Silent;
    let outcomes = world.run(20 * SECOND);
    let asked: Vec<u64> = world.slaves[0].asked.iter().map(|(at, _)| *at).collect();
    let fault = asked.iter().find(|at| **at >= 10 * SECOND).unwrap();
    let next = asked.iter().find(|at| *at > fault).unwrap();
    assert!((5 * SECOND..7 * SECOND).contains(&(next - fault)), "{}", next - fault);
    assert_eq!(begins(&outcomes, 2).len(), 10, "the other one has all its slots");
    // When the late answer was heard, there is nothing to wait for.
    world.slaves[0].once = Fault::Late(320_000);
    world.slaves[0].asked.clear();
    world.run(23 * SECOND);
    assert_eq!(world.slaves[0].asked.len(), 3);
}

#[test]
fn a_slave_that_is_late_for_ever_is_never_believed_and_costs_little() {
    for late in [310_000, 450_000, 900_000, 3 * SECOND] {
        let mut world = World::new(serial(), three(1000), 20_000);
        world.slaves[0].always = Fault::Late(late);
        let outcomes = world.run(1800 * SECOND);
        assert_eq!(world.wrong, 0);
        let rounds = rounds(&outcomes);
        assert_eq!(rounds.get(&meter(1)), None, "{late}");
        println!("late by {late} µs for ever: the others have {} of 1800 slots", rounds[&meter(2)]);
        assert!(rounds[&meter(2)] > 1720 && rounds[&meter(3)] > 1720, "{late}: {rounds:?}");
    }
}

#[test]
fn a_line_that_does_not_fall_silent_is_tried_and_nobody_is_blamed() {
    let mut world = World::new(serial(), three(1000), 20_000);
    world.run(10 * SECOND);
    let byte_us = u64::from(world.line.byte_us);
    let bytes = usize::try_from(60 * SECOND / byte_us).unwrap();
    world.say(10 * SECOND, vec![0x55; bytes]);
    let outcomes = world.run(70 * SECOND);
    let failed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Failed(..))).count();
    assert!(failed >= 20, "it is tried every two seconds and a little: {failed}");
    let health = world.bus.health(Micros(world.now));
    assert!(health.babbles >= 20, "{}", health.babbles);
    assert!(health.slaves.iter().all(|slave| slave.backed_off_until.is_none()));
    let outcomes = world.run(74 * SECOND);
    assert_eq!(rounds(&outcomes).len(), 3, "as soon as it is silent, all are read");
    assert_eq!(world.wrong, 0);
}

/// Which values of a slave a reading brought.
fn read(outcomes: &[Outcome], wanted: &[Block]) -> Vec<Block> {
    let Some(Outcome::Round(_, readout, _)) = outcomes.first() else { panic!("{outcomes:?}") };
    wanted.iter().copied().filter(|value| readout.words(*value).is_some()).collect()
}

#[test]
fn a_value_that_is_refused_is_found_and_left_out_for_an_hour() {
    let wanted: Vec<Block> = (0..20).map(|at| holding(at * 2, 2)).collect();
    let mut world = World::new(serial(), vec![slave(1, 10_000, &wanted)], 5_000);
    world.slaves[0].illegal = vec![holding(14, 2)];
    let outcomes = world.run(10 * SECOND);
    let read_now = read(&outcomes, &wanted);
    assert_eq!(read_now.len(), 19);
    assert!(!read_now.contains(&holding(14, 2)));
    let refusals = world.bus.health(Micros(world.now)).slaves[0].refusals;
    assert!(refusals <= 6, "by halves: {refusals}");
    assert_eq!(world.bus.health(Micros(world.now)).slaves[0].unavailable, 1);
    world.slaves[0].asked.clear();
    world.run(3500 * SECOND);
    assert_eq!(world.bus.health(Micros(world.now)).slaves[0].refusals, refusals);
    assert_eq!(world.slaves[0].asked.len(), 2 * 349, "one request on each side of it");
    world.slaves[0].illegal.clear();
    world.run(3620 * SECOND);
    let outcomes = world.run(3640 * SECOND);
    assert_eq!(read(&outcomes, &wanted).len(), 20, "after an hour it is tried again");
}

#[test]
fn a_hole_that_cannot_be_read_is_bridged_no_more() {
    let wanted = [holding(0, 2), holding(4, 2), holding(8, 2)];
    let mut world = World::new(serial(), vec![slave(1, 1000, &wanted)], 5_000);
    world.slaves[0].illegal = vec![holding(6, 1)];
    let outcomes = world.run(10 * SECOND);
    assert_eq!(read(&outcomes, &wanted).len(), 3);
    assert_eq!(world.bus.health(Micros(world.now)).slaves[0].refusals, 1);
    assert_eq!(rounds(&outcomes)[&meter(1)], 10);
}

#[test]
fn a_slave_that_dislikes_long_requests_is_asked_for_less() {
    let wanted: Vec<Block> = (0..16).map(|at| holding(at * 2, 2)).collect();
    let mut world = World::new(serial(), vec![slave(1, 1000, &wanted)], 5_000);
    world.slaves[0].most = 10;
    let outcomes = world.run(10 * SECOND);
    assert_eq!(read(&outcomes, &wanted).len(), 16);
    let unavailable = world.bus.health(Micros(world.now)).slaves[0].unavailable;
    assert_eq!(unavailable, 0);
}

#[test]
fn a_slave_that_refuses_everything_fails_and_is_tried_again() {
    let wanted = [holding(0, 2), holding(2, 2)];
    let mut world = World::new(serial(), vec![slave(1, 1000, &wanted)], 5_000);
    world.slaves[0].illegal = vec![holding(0, 100)];
    let outcomes = world.run(10 * SECOND);
    let refused =
        |outcome: &Outcome| matches!(outcome, Outcome::Failed(_, ReadFault::Refused(2), _));
    assert!(outcomes.len() == 10 && outcomes.iter().all(refused), "{outcomes:?}");
    world.slaves[0].illegal.clear();
    let outcomes = world.run(12 * SECOND);
    assert_eq!(read(&outcomes, &wanted).len(), 2);
}

/// The exception that answers the request before comes in place of the answer to this one. It
/// says nothing about this one's values.
#[test]
fn an_exception_that_may_be_late_teaches_nothing() {
    let wanted = [holding(0, 2), holding(2, 2), holding(100, 4)];
    let mut world = World::new(serial(), vec![slave(1, 1000, &wanted)], 5_000);
    world.run(10 * SECOND);
    world.slaves[0].once = Fault::Silent;
    world.run(11 * SECOND);
    world.slaves[0].once = Fault::Exception(2);
    world.run(12 * SECOND);
    let before = world.bus.health(Micros(world.now)).slaves[0].clone();
    assert_eq!((before.refusals, before.failures), (1, 2));
    assert!(before.backed_off_until.is_some(), "as if nothing had come");
    world.slaves[0].asked.clear();
    world.run(80 * SECOND);
    world.slaves[0].asked.clear();
    let outcomes = world.run(81 * SECOND);
    assert_eq!(read(&outcomes, &wanted).len(), 3);
    assert_eq!(world.slaves[0].asked.len(), 2, "nothing is cut that was not cut before");
}

/// A converter that does not reach a slave says so; that is no answer of the slave.
#[test]
fn a_slave_behind_a_converter_is_backed_off_too() {
    let mut world = World::new(Line::tcp(0, 300), three(1000), 1_000);
    world.slaves[0].always = Fault::Exception(11);
    world.run(100 * SECOND);
    assert!(world.slaves[0].asked.len() < 15, "{}", world.slaves[0].asked.len());
    assert_eq!(world.bus.health(Micros(world.now)).slaves[1].rounds, 100);
}
