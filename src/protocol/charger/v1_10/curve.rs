//! `elecData`: how the energy of an order came about, one byte per started five minutes.

use bytes::Bytes;

use crate::domain::{
    order::{Ending, Order},
    quantity::Energy,
    reading::{Metering, Sample},
};

/// Of one byte, in ms.
const INTERVAL_MS: u64 = 300_000;

/// Bytes of an order: thirty days. What an order that never ends takes later is in the last one.
const BYTES_LIMIT: u64 = 30 * 24 * 12;

/// Energy of the order at a moment of it.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    ms: u64,
    wh: u64,
}

/// The energy of each started five minutes in `unit`, by the connector's meter; `None` unless the
/// meter's readings are the ones billed.
///
/// Rounded so that the bytes from the first to any other add up to what was metered by then. What
/// a byte cannot hold is carried to the following ones, so that the sum stays right as long as
/// there are any; what is left behind the last one is lost. Between two samples the energy is
/// taken to flow evenly, also where the meter was away for longer.
pub fn elec_data(order: &Order, unit: Energy) -> Option<Bytes> {
    let ending = order.ending.as_ref()?;
    let metering = order.metering.as_ref()?;
    let (start, stop) = billed(metering, ending)?;
    let points = points(metering, start, stop, ending.energy.wh());
    let count = count(order, ending, &points);
    let metered = (1..=count).map(|interval| {
        if interval == count { ending.energy.wh() } else { at(&points, interval * INTERVAL_MS) }
    });
    Some(bytes(metered, unit.wh().max(1)))
}

/// The meter's samples at start and stop, if they are what is billed.
fn billed(metering: &Metering, ending: &Ending) -> Option<(Sample, Sample)> {
    let (start, stop) = (metering.start?, metering.stop?);
    let is_billed = ending.meter_start == Some(start.energy.rounded_10_wh())
        && ending.meter_stop == Some(stop.energy.rounded_10_wh());
    is_billed.then_some((start, stop))
}

/// The samples from start to stop; neither time nor energy falls, and no energy is above `total`.
fn points(metering: &Metering, start: Sample, stop: Sample, total: u64) -> Vec<Point> {
    let samples: Vec<Sample> = metering.curve.iter().copied().chain([stop]).collect();
    let times: Option<Vec<u64>> =
        samples.iter().map(|sample| sample.at.since_ms(start.at)).collect();
    // Where no clock knows them, the samples are one interval apart.
    let times =
        times.unwrap_or_else(|| (1..).map(|n| n * INTERVAL_MS).take(samples.len()).collect());
    let mut points = vec![Point::default()];
    let mut last = Point::default();
    for (ms, sample) in times.into_iter().zip(samples) {
        let wh = sample.energy.since(start.energy).map_or(last.wh, Energy::wh);
        last = Point { ms: ms.max(last.ms), wh: wh.clamp(last.wh, total.max(last.wh)) };
        points.push(last);
    }
    points
}

/// Started intervals: of the billed time, unless that is further than one from what the site saw,
/// as with a pile whose clock was set in between.
fn count(order: &Order, ending: &Ending, points: &[Point]) -> u64 {
    let seen_ms = points.last().map_or(0, |last| last.ms);
    let billed_s =
        ending.ended_s.zip(order.started_s).map(|(end, start)| end.saturating_sub(start));
    let billed_ms = billed_s.and_then(|s| u64::try_from(s).ok()).map(|s| s.saturating_mul(1000));
    let billed_ms = billed_ms.filter(|ms| ms.abs_diff(seen_ms) <= INTERVAL_MS);
    billed_ms.unwrap_or(seen_ms).div_ceil(INTERVAL_MS).clamp(1, BYTES_LIMIT)
}

/// Energy of the order at a moment of it.
fn at(points: &[Point], ms: u64) -> u64 {
    let next = points.partition_point(|point| point.ms < ms);
    let (Some(before), Some(after)) = (points.get(next.wrapping_sub(1)), points.get(next)) else {
        return points.last().map_or(0, |last| last.wh);
    };
    let part = u128::from(after.wh - before.wh) * u128::from(ms - before.ms);
    let part = part / u128::from(after.ms - before.ms).max(1);
    before.wh + u64::try_from(part).unwrap_or(0)
}

/// The differences of what was metered at the end of each interval.
fn bytes(metered: impl Iterator<Item = u64>, unit: u64) -> Bytes {
    let mut given = 0;
    let byte = |wh: u64| {
        let units = wh.saturating_add(unit / 2) / unit;
        let byte = u8::try_from(units.saturating_sub(given)).unwrap_or(u8::MAX);
        given += u64::from(byte);
        byte
    };
    metered.map(byte).collect()
}
