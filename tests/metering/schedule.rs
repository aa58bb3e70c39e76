//! Who is asked when.

use sitepilot::{
    domain::reading::ReadFault,
    metering::{Answer, Bus, Line, Micros, Next, Outcome, Slave},
};

use crate::{
    limit,
    wire::{Fault, World, begins, holding, meter, rounds, slave},
};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

fn line() -> Line {
    Line::serial(9600, 5, 300)
}

/// One value of two registers: a request of 60 ms with all silences.
fn small(number: u8, interval_ms: u32) -> Slave {
    slave(number, interval_ms, &[holding(0, 2)])
}

fn world(slaves: Vec<Slave>) -> World {
    World::new(line(), slaves, 10 * MS)
}

#[test]
fn every_slave_keeps_its_own_interval_without_drift() {
    let mut world = world(vec![small(1, 1000), small(2, 700), small(3, 2500)]);
    let outcomes = world.run(700 * SECOND);
    for (number, interval_ms) in [(1, 1000), (2, 700), (3, 2500)] {
        let begins = begins(&outcomes, number);
        let slots = 700 * SECOND / (interval_ms * MS);
        assert!(begins.len() as u64 >= slots - 1 && begins.len() as u64 <= slots + 1);
        for (slot, begin) in begins.iter().enumerate() {
            let due = slot as u64 * interval_ms * MS;
            // The first begins when the bus has listened for a while.
            assert!((due..due + 250 * MS).contains(begin), "meter {number}: {begin} for {due}");
        }
    }
}

#[test]
fn a_stall_is_followed_by_one_reading_not_by_all_that_were_missed() {
    let mut world = world(vec![small(1, 1000), small(2, 1000)]);
    world.run(10 * SECOND);
    world.now = 70 * SECOND + 500 * MS;
    let outcomes = world.run(71 * SECOND - MS);
    assert_eq!(begins(&outcomes, 1).len(), 1);
    assert_eq!(begins(&outcomes, 2).len(), 1);
    let outcomes = world.run(72 * SECOND - MS);
    assert_eq!(begins(&outcomes, 1).len(), 1, "back on its grid");
}

#[test]
fn an_overloaded_bus_serves_everybody_alike_and_is_never_idle() {
    let mut slaves: Vec<Slave> = (1..=9).map(|number| small(number, 100)).collect();
    slaves.push(small(10, 3000));
    let mut world = world(slaves);
    let outcomes = world.run(120 * SECOND);
    let rounds = rounds(&outcomes);
    let fast: Vec<usize> = (1..=9).map(|number| rounds[&meter(number)]).collect();
    assert!(fast.iter().max().unwrap() - fast.iter().min().unwrap() <= 1, "{fast:?}");
    assert_eq!(rounds[&meter(10)], 40, "it asks for less and gets it");
    assert!(world.bus.health(Micros(world.now)).load_permille >= 990);
    // No busier than the slaves allow, and as busy as that: 3.5 characters and the turnaround.
    assert_eq!(world.least_gap_us, 4011 + 5000);
}

#[test]
fn a_slave_that_wants_more_silence_gets_it() {
    let mut slaves = vec![small(1, 100), small(2, 100)];
    for slave in &mut slaves {
        slave.silence_us = 60_000;
    }
    let mut world = world(slaves);
    world.run(10 * SECOND);
    assert_eq!(world.least_gap_us, 60_000);
}

#[test]
fn silence_is_three_and_a_half_characters_and_fixed_above_19200_baud() {
    assert_eq!(Line::serial(9600, 0, 1).silence_us, 4011);
    assert_eq!(Line::serial(19_200, 0, 1).silence_us, 2006);
    assert_eq!(Line::serial(38_400, 0, 1).silence_us, 1750);
    assert_eq!(Line::serial(9600, 0, 1).byte_us, 1146);
}

#[test]
fn patience_counts_from_the_end_of_the_request_to_the_end_of_the_answer() {
    let mut bus = Bus::new(line(), vec![small(1, 1000)], Micros(0));
    let Next::Ask(ask) = bus.next(Micros(SECOND)) else { panic!("it is due") };
    assert_eq!(ask.patience_us, (8 + 9) * 1146 + 300_000);
    assert_eq!(bus.sent(Micros(SECOND)), Micros(SECOND + ask.patience_us));
    assert_eq!(bus.next(Micros(SECOND)), Next::Wait { until: Micros(SECOND + ask.patience_us) });
}

#[test]
fn a_silent_slave_is_asked_in_its_next_slot_and_then_backed_off() {
    let mut world = world(vec![slave(1, 1000, &[holding(0, 2), holding(100, 4)])]);
    world.slaves[0].always = Fault::Silent;
    world.run(10 * 3600 * SECOND);
    let asked: Vec<u64> = world.slaves[0].asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(asked[1], SECOND, "its own next slot");
    let apart: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (failures, apart) in apart.iter().enumerate().skip(1) {
        let back_off = (2 * (failures as u64 + 1)).min(300) * SECOND;
        let cost = 500 * MS;
        assert!((back_off..back_off + cost).contains(apart), "after {failures}: {apart}");
    }
    assert!(apart.last().unwrap() >= &(300 * SECOND), "the longest back-off was reached");
}

#[test]
fn recovery_is_noticed_at_the_first_answer() {
    let mut world = world(vec![small(1, 1000), small(2, 1000)]);
    world.slaves[0].always = Fault::Silent;
    world.run(600 * SECOND);
    let health = world.bus.health(Micros(world.now));
    assert!(health.slaves[0].backed_off_until.is_some());
    world.slaves[0].always = Fault::None;
    let outcomes = world.run(1000 * SECOND);
    let begins = begins(&outcomes, 1);
    let health = world.bus.health(Micros(world.now));
    assert_eq!((health.slaves[0].backed_off_until, health.slaves[0].failures), (None, 0));
    assert!(begins[1] - begins[0] <= SECOND, "it is read at its own interval from then on");
}

#[test]
fn a_whole_line_that_comes_back_is_read_at_once() {
    let mut world = world((1..=8).map(|number| small(number, 1000)).collect());
    world.run(10 * SECOND);
    for slave in &mut world.slaves {
        slave.always = Fault::Silent;
    }
    world.run(1200 * SECOND);
    for slave in &mut world.slaves {
        slave.always = Fault::None;
    }
    // Each would be tried within five minutes; when one answers, the others are not left to that.
    world.bus.read_now(&meter(3));
    let outcomes = world.run(1600 * SECOND);
    let first: Vec<u64> = (1..=8).map(|number| begins(&outcomes, number)[0]).collect();
    let apart = first.iter().max().unwrap() - first.iter().min().unwrap();
    assert!(apart <= 4 * SECOND, "{apart} µs from the first to the last of them");
}

/// A slave among many dead ones has its slots, all of them, and each begins late by no more than
/// one time-out and the quarantine.
#[test]
fn dead_neighbours_take_no_slots_from_the_living() {
    let mut world = world((1..=30).map(|number| small(number, 1000)).collect());
    world.run(20 * SECOND);
    for slave in &mut world.slaves[1..] {
        slave.always = Fault::Silent;
    }
    // All of them fall silent in the middle of their slot: that costs once, each.
    world.run(40 * SECOND);
    let outcomes = world.run(640 * SECOND);
    let begins = begins(&outcomes, 1);
    let most = line().patience_us(holding(0, 4)) + u64::from(line().quarantine_us) + 20 * MS;
    let late = begins.iter().map(|begin| begin % SECOND).max().unwrap();
    println!(
        "{} slots of 600 with 29 dead neighbours, late by at most {} ms",
        begins.len(),
        late / MS
    );
    assert_eq!(begins.len(), 600);
    assert!(late <= most, "{late} of {most}");
}

#[test]
fn a_slave_that_is_backed_off_is_tried_when_nobody_falls_due_meanwhile() {
    let mut world = world(vec![small(1, 1000), small(2, 1000)]);
    world.run(10 * SECOND);
    world.slaves[1].always = Fault::Silent;
    world.run(15 * SECOND);
    let outcomes = world.run(600 * SECOND);
    let late = begins(&outcomes, 1).iter().map(|begin| begin % SECOND).max().unwrap();
    assert!(world.slaves[1].asked.len() > 20, "it is tried: {}", world.slaves[1].asked.len());
    assert!(late <= 10 * MS, "{late} µs");
}

#[test]
fn neighbouring_requests_of_a_reading_have_different_counts() {
    let far = [holding(0, 2), holding(200, 2), holding(400, 2), holding(600, 5), holding(800, 5)];
    let mut world = world(vec![slave(1, 1000, &far)]);
    world.run(10 * SECOND);
    let counts: Vec<u16> = world.slaves[0].asked.iter().map(|(_, block)| block.count).collect();
    assert_eq!(counts.len(), 50);
    assert_eq!(counts[..5].iter().sum::<u16>(), 16, "put in order, and none is longer for it");
    for round in counts.chunks(5) {
        assert!(round.windows(2).all(|pair| pair[0] != pair[1]), "{round:?}");
    }
    // Where no order helps, one of them is longer.
    let mut world = World::new(line(), vec![slave(1, 1000, &far[..2])], 10 * MS);
    world.run(SECOND);
    let counts: Vec<u16> = world.slaves[0].asked.iter().map(|(_, block)| block.count).collect();
    assert_eq!(counts, [2, 3]);
}

#[test]
fn between_two_slaves_that_do_not_answer_everybody_else_is_asked() {
    let mut slaves: Vec<Slave> = (1..=4).map(|number| small(number, 1)).collect();
    slaves.extend((5..=12).map(|number| small(number, 1)));
    let mut world = world(slaves);
    world.run(5 * SECOND);
    for slave in &mut world.slaves[4..] {
        slave.always = Fault::Silent;
    }
    world.run(12 * SECOND);
    for slave in &mut world.slaves {
        slave.asked.clear();
    }
    world.run(120 * SECOND);
    let mut dead: Vec<u64> = Vec::new();
    for slave in &world.slaves[4..] {
        dead.extend(slave.asked.iter().map(|(at, _)| *at));
    }
    dead.sort_unstable();
    assert!(dead.len() > 20, "they are asked now and then: {}", dead.len());
    for pair in dead.windows(2) {
        for living in &world.slaves[..4] {
            let asked = living.asked.iter().filter(|(at, _)| pair[0] < *at && *at < pair[1]);
            assert!(asked.count() >= 1, "between {} and {}", pair[0], pair[1]);
        }
    }
}

#[test]
fn a_wished_reading_comes_next_also_of_a_slave_that_is_backed_off() {
    let mut world = world((1..=6).map(|number| small(number, 200)).collect());
    world.slaves[5].always = Fault::Silent;
    world.run(300 * SECOND);
    world.slaves[5].always = Fault::None;
    let wished = world.now;
    world.bus.read_now(&meter(6));
    let outcomes = world.run(wished + SECOND);
    let begin = begins(&outcomes, 6)[0];
    assert!((wished..wished + 100 * MS).contains(&begin), "{} µs later", begin - wished);
}

#[test]
fn a_reading_that_began_before_the_wish_does_not_fulfil_it() {
    let far = [holding(0, 2), holding(500, 3), holding(900, 4)];
    let mut world = world(vec![slave(1, 60_000, &far), small(2, 60_000)]);
    while world.slaves[0].asked.len() < 2 {
        world.step();
    }
    let wished = world.now;
    world.bus.read_now(&meter(1));
    let outcomes = world.run(wished + SECOND);
    assert!(begins(&outcomes, 1)[0] >= wished);
    assert_eq!(begins(&outcomes, 1).len(), 1, "the one that was under way is dropped");
    // A second wish while the first one is being fulfilled is another reading.
    world.bus.read_now(&meter(1));
    world.step();
    world.step();
    let again = world.now;
    world.bus.read_now(&meter(1));
    let outcomes = world.run(again + SECOND);
    assert_eq!(begins(&outcomes, 1).iter().filter(|begin| **begin >= again).count(), 1);
    assert_eq!(begins(&outcomes, 1).len(), 2);
}

#[test]
fn a_port_that_goes_and_comes_back_is_told_once_and_survived() {
    let mut world = world(vec![small(1, 1000), small(2, 1000)]);
    world.run(10 * SECOND);
    let now = Micros(world.now);
    let gone = world.bus.port_gone("unplugged", now);
    let fault = ReadFault::PortGone("unplugged".to_owned());
    assert_eq!(
        gone,
        [1, 2].map(|number| Outcome::Failed(meter(number), fault.clone(), now)).to_vec()
    );
    assert_eq!(world.bus.port_gone("still", now), Vec::new());
    assert!(matches!(world.bus.next(now), Next::Wait { .. }));
    assert_eq!(world.run(60 * SECOND), Vec::new());
    assert_eq!(world.bus.health(now).port_gone.as_deref(), Some("still"));
    world.bus.port_back(Micros(world.now));
    let outcomes = world.run(61 * SECOND - MS);
    assert_eq!(rounds(&outcomes).len(), 2, "both are read at once");
}

#[test]
fn what_is_told_out_of_turn_changes_nothing() {
    let mut bus = Bus::new(line(), vec![small(1, 1000)], Micros(0));
    assert_eq!(bus.answered(Answer::Words(vec![1, 2]), Micros(5)), None);
    assert_eq!(bus.sent(Micros(7)), Micros(7));
    bus.read_now(&meter(9));
    bus.port_back(Micros(8));
    let mut empty = Bus::new(line(), vec![slave(1, 1000, &[])], Micros(0));
    assert!(matches!(empty.next(Micros(SECOND)), Next::Wait { .. }));
}

#[test]
fn words_of_another_count_are_an_answer_to_something_else() {
    let mut bus = Bus::new(line(), vec![small(1, 1000)], Micros(0));
    assert!(matches!(bus.next(Micros(SECOND)), Next::Ask(_)));
    bus.sent(Micros(SECOND));
    let now = Micros(SECOND + 50 * MS);
    let outcome = bus.answered(Answer::Words(vec![1, 2, 3]), now);
    assert_eq!(outcome, Some(Outcome::Failed(meter(1), ReadFault::Stray, now)));
}

#[test]
fn health_tells_of_each_slave_and_of_the_line() {
    let mut world = world(vec![small(1, 1000), small(2, 1000)]);
    world.slaves[1].always = Fault::Exception(4);
    world.run(120 * SECOND);
    let health = world.bus.health(Micros(world.now));
    assert_eq!(health.slaves[0].rounds, 120);
    assert_eq!(health.slaves[0].requests, 120);
    assert_eq!(health.slaves[0].round_trip_us, 17 * 1146 + 10 * MS);
    assert_eq!(health.slaves[0].smoothed_us, 17 * 1146 + 10 * MS);
    assert_eq!(health.slaves[1].refusals, 120, "a refusal costs nobody a time-out: no back-off");
    assert_eq!(health.slaves[1].failures, 120);
    assert_eq!(health.slaves[1].last_fault, Some(ReadFault::Refused(4)));
    // Two silences, requests and answers of one and of the other in each second.
    let busy_us = 2 * (9011 + 10 * MS) + (17 + 13) * 1146;
    let load = u64::from(health.load_permille);
    assert!(load.abs_diff(busy_us / 1000) <= 3, "{load} of {busy_us}");
}

/// The aim is five per cent; virtual time is exact, so it can be asserted.
#[test]
fn a_bus_of_32_meters_comes_near_what_the_wire_allows() {
    for baud in [9600, 115_200] {
        let line = Line::serial(baud, 5, 300);
        let slaves = limit::site(32, 1);
        let price = limit::price(baud.into(), 5000, line.silence_us.into());
        let least: u64 = slaves.iter().map(|slave| limit::reading_ns(slave, price)).sum();
        let cycle = limit::cycle_ns(line, slaves, line.silence_us.into(), 3);
        println!("{baud} baud: cycle {cycle} ns, limit {least} ns");
        assert!(cycle * 995 <= least * 1000, "faster than the wire: the limit is wrong");
        assert!(cycle * 100 <= least * 105);
    }
}
