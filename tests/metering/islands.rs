//! Meters that have the registers of their values and none between.

use sitepilot::metering::{Line, Outcome};

use crate::wire::{World, holding, meter, slave};

const SECOND: u64 = 1_000_000;

/// Two values of one length make the bus ask for one of them with a register more; that this is
/// refused says nothing about the value.
#[test]
fn a_register_that_was_only_asked_for_to_tell_answers_apart_may_be_missing() {
    let wanted = [holding(10, 2), holding(20, 2), holding(200, 2), holding(210, 2)];
    let mut world = World::new(Line::serial(9600, 5, 300), vec![slave(1, 1000, &wanted)], 20_000);
    world.slaves[0].illegal =
        vec![holding(0, 10), holding(12, 8), holding(22, 178), holding(202, 8), holding(212, 100)];
    let mut last = None;
    while world.now < 20 * SECOND {
        if let Some(outcome) = world.step() {
            last = Some(outcome);
        }
    }
    let Some(Outcome::Round(name, readout, _)) = last else { panic!("not read: {last:?}") };
    assert_eq!(name, meter(1));
    for value in wanted {
        assert!(readout.words(value).is_some(), "{value:?} is there, and was not read");
    }
    assert_eq!(world.wrong, 0);
}
