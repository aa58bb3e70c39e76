//! What is billed: the one place where an order's figures are made.

use super::MeterConfig;
use crate::domain::{
    order::{EndReport, Ending, Order},
    quantity::Energy,
    reading::Metering,
    time::{PileTime, Stamp},
};

/// More than any vehicle takes in one order; above it the figures are recorded but senseless.
const MOST_ENERGY: Energy = Energy::from_wh(2_000_000);

/// A pile's clock may run ahead of the site's by this much before its time is not believed.
const AHEAD_S: i64 = 3600;

/// Stop reason of the wire for an order that the site closes itself: off line.
const REASON_OFFLINE: i32 = 8;

/// An ending and whether it makes sense.
pub(super) struct Figures {
    pub(super) ending: Ending,
    pub(super) is_senseless: bool,
}

/// The time to bill by: the pile's if plausible, else the site's; `None` if no clock knows.
pub(super) fn billed_time(reported: PileTime, stamp: Stamp) -> Option<i64> {
    match (reported.known(), stamp.wall.known_s()) {
        (Some(pile), Some(site)) if pile > site + AHEAD_S => Some(site),
        (Some(pile), _) => Some(pile),
        (None, site) => site,
    }
}

/// What is billed where the meter of the connector was read at the start and at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByMeter {
    pub(super) start: Energy,
    pub(super) stop: Energy,
    pub(super) energy: Energy,
}

/// The meter's figures, if they are those to bill by: both its readings, or neither.
pub(super) fn by_meter(order: &Order) -> Option<ByMeter> {
    let (start, stop) = order.metering.as_ref()?.billed()?;
    let (start, stop) = (start.energy.rounded_10_wh(), stop.energy.rounded_10_wh());
    Some(ByMeter { start, stop, energy: stop.since(start)? })
}

/// The ending a report gives to an order, by the pile's own figures.
fn of_pile(order: &Order, report: &EndReport, stamp: Stamp) -> (Ending, Option<Energy>) {
    let meter_start = order.meter_start.or(report.meter_start).map(Energy::rounded_10_wh);
    let meter_stop = report.meter_stop.map(Energy::rounded_10_wh);
    let metered = meter_start.zip(meter_stop).and_then(|(start, stop)| stop.since(start));
    let heard = order.progress.map(|progress| progress.energy.rounded_10_wh());
    let ending = Ending {
        ended_s: billed_time(report.ended, stamp),
        meter_start,
        meter_stop,
        energy: metered.or(heard).unwrap_or_default(),
        cost: report.cost,
        reason: report.reason,
        recorded: stamp,
        original: Some(report.original.clone()),
    };
    (ending, metered)
}

/// The ending a report gives to an order: by the meter of the connector, else by the pile.
pub(super) fn of_report(order: &Order, report: &EndReport, stamp: Stamp) -> Figures {
    let (mut ending, mut energy) = of_pile(order, report, stamp);
    if let Some(meter) = by_meter(order) {
        energy = Some(meter.energy);
        bill(&mut ending, meter);
    }
    let ends_early = order.started_s.zip(ending.ended_s).is_some_and(|(start, end)| end < start);
    let is_senseless =
        energy.is_none_or(|energy| energy > MOST_ENERGY) || ends_early || order.connector.is_none();
    Figures { ending, is_senseless }
}

const fn bill(ending: &mut Ending, meter: ByMeter) {
    ending.meter_start = Some(meter.start);
    ending.meter_stop = Some(meter.stop);
    ending.energy = meter.energy;
}

/// What a later report says of an ended order that is not on record yet: the pile's own figures,
/// which stand beside the meter's where the meter's are billed. `None`: nothing new.
pub(super) fn other_version(order: &Order, report: &EndReport, stamp: Stamp) -> Option<Ending> {
    let ending = order.ending.as_ref()?;
    let (said, _) = of_pile(order, report, stamp);
    let is_same = match (by_meter(order), &order.metering) {
        (Some(_), Some(metering)) => {
            ending.ended_s == said.ended_s
                && ending.cost == said.cost
                && metering.pile_stop.map(Energy::rounded_10_wh) == said.meter_stop
        }
        _ => ending.same_figures(&said),
    };
    (!is_same).then_some(said)
}

/// How far the pile's energy of an order is off the meter's, if that is more than is tolerated:
/// both, the meter's first. A pile that gives no usable energy is off by all of it.
pub(super) fn disagreement(
    order: &Order,
    config: &MeterConfig,
) -> Option<(Energy, Option<Energy>)> {
    let meter = by_meter(order)?.energy;
    let metering = order.metering.as_ref()?;
    let readings = metering.pile_start.zip(metering.pile_stop);
    let pile = readings
        .map(|(start, stop)| (start.rounded_10_wh(), stop.rounded_10_wh()))
        .and_then(|(start, stop)| stop.since(start));
    let share = u128::from(meter.wh()) * u128::from(config.tolerance_permille) / 1000;
    let tolerated = share.max(u128::from(config.tolerance.wh()));
    let is_off = pile.is_none_or(|pile| u128::from(pile.wh().abs_diff(meter.wh())) > tolerated);
    is_off.then_some((meter, pile))
}

/// The ending the site gives to an order whose pile never reported one: the last reading, the
/// meter's or the pile's.
pub(super) fn estimated(order: &Order, stamp: Stamp) -> Ending {
    let energy = order.progress.map(|progress| progress.energy.rounded_10_wh()).unwrap_or_default();
    let meter_start = order.meter_start.map(Energy::rounded_10_wh);
    let heard = order.progress.map_or(order.opened, |progress| progress.at);
    let mut ending = Ending {
        // A pile's clock may be ahead of the site's; nothing ends before it has begun.
        ended_s: heard.wall.known_s().max(order.started_s),
        meter_start,
        meter_stop: meter_start.map(|start| start.saturating_add(energy)),
        energy,
        cost: order.progress.and_then(|progress| progress.cost),
        reason: REASON_OFFLINE,
        recorded: stamp,
        original: None,
    };
    if let Some(meter) = by_meter(order) {
        bill(&mut ending, meter);
        let still = order.metering.as_ref().and_then(still_since);
        ending.ended_s = ending.ended_s.max(still);
    }
    ending
}

/// When the meter had reached what it showed at the end, in unix seconds: the first sample with
/// that energy.
fn still_since(metering: &Metering) -> Option<i64> {
    let end = metering.stop?.energy.rounded_10_wh();
    let still = metering.samples().find(|sample| sample.energy.rounded_10_wh() >= end)?;
    still.at.wall.known_s()
}
