//! Faults on the line: nothing wrong is believed, and nobody else pays for it for long.

use sitepilot::{
    domain::reading::ReadFault,
    metering::{Line, Slave},
};

use crate::wire::{Fault, World, holding, slave};

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
