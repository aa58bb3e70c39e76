//! Whether buses can read their meters as often as the config wants.

use super::{
    bus::Bus,
    fault::{Faults, Place},
    meter::Meter,
};
use crate::metering::{
    Limits, Line,
    plan::{Rules, plan},
};

/// What a meter takes to begin its answer, where nothing is known of it; those on the market take
/// 5 to 30 ms.
const LATENCY_US: u64 = 10_000;

/// Warns of each bus that cannot keep up; `places` are theirs.
pub(super) fn check(buses: &[Bus], places: &[Place], meters: &[Meter], faults: &mut Faults<'_>) {
    for (bus, place) in buses.iter().zip(places) {
        let line = bus.port.line(bus.turnaround_ms, bus.timeout_ms);
        let rounds: Vec<(u64, u64)> = meters
            .iter()
            .filter(|meter| meter.bus == bus.name)
            .map(|meter| (round_us(&line, meter), u64::from(meter.poll_interval_ms)))
            .collect();
        // A microsecond of each millisecond is a part in a thousand; rounded up for each meter.
        let load: u64 = rounds.iter().map(|(us, every_ms)| us.div_ceil((*every_ms).max(1))).sum();
        if load > 1000 {
            let cycle_ms = rounds.iter().map(|(us, _)| us).sum::<u64>().div_ceil(1000);
            let text = format!(
                "cannot keep up: one reading of each of its {} meter(s) takes about {cycle_ms} ms, \
                 and their intervals ask for {} % of the line",
                rounds.len(),
                load / 10
            );
            let hint = "a longer poll_interval_ms, or a higher speed of the line";
            faults.warn(place, text, hint);
        }
    }
}

/// One reading of a meter, with the requests that the bus will make.
fn round_us(line: &Line, meter: &Meter) -> u64 {
    let profile = &meter.profile;
    let limits = Limits {
        max_registers: profile.max_registers,
        max_gap: profile.max_gap,
        unreadable: profile.unreadable.clone(),
    };
    let wanted = profile.blocks();
    let byte_us = u64::from(line.byte_us);
    let gap_us = line.gap_us(u32::from(profile.silence_ms) * 1000);
    // A request and the frame around its answer; a register is two bytes.
    let frame_us = gap_us + line.request_us() + LATENCY_US;
    let rules = Rules {
        limits: &limits,
        request_us: frame_us,
        register_us: 2 * byte_us,
        closed: &[],
        cuts: &[],
        owed: &[],
    };
    let requests = plan(&wanted, &rules).unwrap_or(wanted);
    requests.iter().map(|block| frame_us + line.answer_us(*block)).sum()
}
