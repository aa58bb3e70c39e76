//! What is billed: the one place where an order's figures are made.

use crate::domain::{
    order::{EndReport, Ending, Order},
    quantity::Energy,
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

/// The ending a report gives to an order.
pub(super) fn of_report(order: &Order, report: &EndReport, stamp: Stamp) -> Figures {
    let meter_start = order.meter_start.or(report.meter_start).map(Energy::rounded_10_wh);
    let meter_stop = report.meter_stop.map(Energy::rounded_10_wh);
    let metered = meter_start.zip(meter_stop).and_then(|(start, stop)| stop.since(start));
    let heard = order.progress.map(|progress| progress.energy.rounded_10_wh());
    let energy = metered.or(heard).unwrap_or_default();
    let ended_s = billed_time(report.ended, stamp);
    let is_senseless = metered.is_none_or(|energy| energy > MOST_ENERGY)
        || order.started_s.zip(ended_s).is_some_and(|(start, end)| end < start)
        || order.connector.is_none();
    let ending = Ending {
        ended_s,
        meter_start,
        meter_stop,
        energy,
        cost: report.cost,
        reason: report.reason,
        recorded: stamp,
        original: Some(report.original.clone()),
    };
    Figures { ending, is_senseless }
}

/// The ending the site gives to an order whose pile never reported one: the last reading.
pub(super) fn estimated(order: &Order, stamp: Stamp) -> Ending {
    let energy = order.progress.map(|progress| progress.energy.rounded_10_wh()).unwrap_or_default();
    let meter_start = order.meter_start.map(Energy::rounded_10_wh);
    let heard = order.progress.map_or(order.opened, |progress| progress.at);
    Ending {
        // A pile's clock may be ahead of the site's; nothing ends before it has begun.
        ended_s: heard.wall.known_s().max(order.started_s),
        meter_start,
        meter_stop: meter_start.map(|start| start.saturating_add(energy)),
        energy,
        cost: order.progress.and_then(|progress| progress.cost),
        reason: REASON_OFFLINE,
        recorded: stamp,
        original: None,
    }
}
