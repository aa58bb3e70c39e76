//! What meters mean for orders: the readings at the start, in between and at the end.
//!
//! An order is billed by the meter of its connector where that was read at the start and at the
//! end; else by the pile's figures, and then nothing of the meter is in them. A sample is taken
//! only where it is certain what it belongs to: of an order whose start or end came late, or whose
//! meter was replaced, it is not.

use super::{
    Site,
    alarm::AlarmKind,
    command::Command,
    entry::{Entry, SamplePart},
    figures,
    hold::Arrival,
    turn::Turn,
};
use crate::domain::{
    id::{ConnectorNo, MeterName, OrderSeq, PileCode},
    order::{EndKind, EndReport, Order, StartReport},
    reading::{Measures, Metering, Sample},
    time::{Mono, PileTime, Stamp},
};

/// The first reading after a start counts as the start's for that long; contactors close and
/// vehicles draw little until then.
const START_WAIT_MS: u64 = 10_000;

/// A start or an end that the pile dates further back than this has waited somewhere: the meter
/// has moved on since.
const LATE_S: i64 = 60;

/// Between the samples of a running order.
pub const CURVE_MS: u64 = 300_000;

/// Samples of one order in between, at most: two days. A cable that stays plugged in for longer
/// has its start and its end all the same.
pub const CURVE_LIMIT: usize = 576;

/// An order that was open when the next one began at its connector, for which there was no reading
/// yet: the one that the next one begins with is its last.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) seq: OrderSeq,
    since: Mono,
}

impl Site {
    /// Gives up on the orders that were left open, where the next one has no reading either.
    pub(super) fn expire_left(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let is_due = |left: &Left| now.since_ms(left.since) > START_WAIT_MS;
        let due = self.left.iter().filter(|(_, left)| is_due(left));
        let connectors: Vec<ConnectorNo> = due.map(|(connector, _)| *connector).collect();
        for connector in connectors {
            self.drop_left(connector, turn);
        }
    }

    pub(super) fn left_deadline(&self) -> Option<Mono> {
        self.left.values().map(|left| left.since.plus_ms(START_WAIT_MS + 1)).min()
    }

    /// Whether the meter still shows what it showed when the order ended.
    pub(super) fn is_live_end(&self, order: &Order, report: &EndReport, turn: &Turn) -> bool {
        match age_s(report.ended, turn) {
            Some(age_s) if is_recent(age_s) => true,
            // The pile has been there all the time: its clock is wrong.
            _ => report.kind == EndKind::Stop && !self.suspects.contains_key(&order.seq),
        }
    }

    /// Whether the meter still shows what it showed when the order began.
    fn is_live_start(&self, pile: PileCode, report: &StartReport, turn: &Turn) -> bool {
        let is_settled = self.piles.get(&pile).is_some_and(|pile| {
            let since = pile.since.filter(|_| pile.connection.is_some());
            let there_ms = since.map(|since| turn.now.mono.since_ms(since.mono));
            there_ms.is_some_and(|ms| i64::try_from(ms / 1000).is_ok_and(|s| s >= LATE_S))
        });
        // A pile keeps a start until it has a link, not longer.
        is_settled || age_s(report.at, turn).is_some_and(is_recent)
    }

    /// What the meter says at the start of an order, and with it at the end of the one that the
    /// pile left open there.
    pub(super) fn begin_metering(
        &mut self,
        connector: Option<ConnectorNo>,
        before: Option<OrderSeq>,
        pile: PileCode,
        report: &StartReport,
        turn: &mut Turn,
    ) -> Option<Metering> {
        let connector = connector?;
        let meter = self.config.meter_of(connector)?.name.clone();
        let is_live = self.is_live_start(pile, report, turn);
        self.drop_left(connector, turn);
        if before.is_some() {
            self.ended.insert(connector, turn.now.mono);
        }
        let start = self.fresh_since_end(connector, &meter, turn).filter(|_| is_live);
        if let Some(before) = before {
            match start {
                None if is_live => self.leave(connector, before, turn),
                start => self.latch_stop(before, start, turn),
            }
        }
        if !is_live {
            let text = format!(
                "an order at connector {connector} began before the site heard of it; it is billed by the pile's values"
            );
            self.alarms.raise(AlarmKind::MeterUnused(connector), turn.stamp(), text);
            return None;
        }
        match start {
            Some(_) => self.keep_reading(&meter, turn),
            None => turn.order(Command::ReadMeter { meter: meter.clone() }),
        }
        let pile_start = report.meter;
        let (curve, stop, pile_stop) = (Vec::new(), None, None);
        Some(Metering { meter, start, curve, stop, pile_start, pile_stop })
    }

    /// The newest reading, unless it was taken before the end of the order before: what that drew
    /// since is not the next one's.
    fn fresh_since_end(
        &self,
        connector: ConnectorNo,
        meter: &MeterName,
        turn: &Turn,
    ) -> Option<Sample> {
        let ended = self.ended.get(&connector).copied().unwrap_or(Mono(0));
        self.meters.fresh_since(meter, ended, turn.now.mono)
    }

    /// An order was left open, and the next one begins with a reading that is still to come.
    fn leave(&mut self, connector: ConnectorNo, seq: OrderSeq, turn: &mut Turn) {
        match self.book.get(seq).and_then(waits_for) {
            Some(_) => {
                self.left.insert(connector, Left { seq, since: turn.now.mono });
            }
            None => self.latch_stop(seq, None, turn),
        }
    }

    /// No reading came that would be the last of the order that was left open there.
    pub(super) fn drop_left(&mut self, connector: ConnectorNo, turn: &mut Turn) {
        let Some(left) = self.left.remove(&connector) else { return };
        self.latch_stop(left.seq, None, turn);
    }

    /// Orders that were left open when the controller went down before there was a reading.
    pub(super) fn drop_left_before_restart(&mut self, turn: &mut Turn) {
        let is_left = |order: &&Order| {
            let newest = order.connector.and_then(|connector| self.book.open_at(connector));
            waits_for(order).is_some() && newest.is_some_and(|newest| newest.seq != order.seq)
        };
        let left: Vec<OrderSeq> = self.book.open().filter(is_left).map(|order| order.seq).collect();
        for seq in left {
            self.latch_stop(seq, None, turn);
        }
    }

    /// Another order has begun where this one is still open: it has ended by now.
    fn latch_stop(&mut self, seq: OrderSeq, reading: Option<Sample>, turn: &mut Turn) {
        let Some(order) = self.book.get_mut(seq) else { return };
        let Some(metering) = &mut order.metering else { return };
        if metering.stop.is_some() {
            return;
        }
        match reading.filter(|_| metering.start.is_some()) {
            Some(sample) => {
                metering.stop = Some(sample);
                turn.remember(Entry::SampleKept { seq, part: SamplePart::Stop, sample });
            }
            None => self.drop_metering(seq, "no reading when the next order began there", turn),
        }
    }

    /// An order is heard of that counted as ended when the next one began there.
    pub(super) fn goes_on(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let order = self.book.get(seq).filter(|order| order.state.is_open());
        let metering = order.and_then(|order| order.metering.as_ref());
        let is_left = self.left.values().any(|left| left.seq == seq);
        if is_left || metering.is_some_and(|metering| metering.stop.is_some()) {
            self.drop_metering(seq, "it went on after the next order began there", turn);
        }
    }

    /// An order comes that was not heard of while it ran. Where it may have run during one that is
    /// open there, the meter's readings of that are of both.
    pub(super) fn end_metering_around(
        &mut self,
        connector: Option<ConnectorNo>,
        started: PileTime,
        turn: &mut Turn,
    ) {
        if connector.is_none() {
            return;
        }
        let there = self.book.open().filter(|order| order.connector == connector);
        let mixed: Vec<OrderSeq> =
            there.filter(|order| may_share(order, started)).map(|order| order.seq).collect();
        for seq in mixed {
            self.drop_metering(seq, "the pile reports another order there", turn);
        }
    }

    /// The meter is not used for an order any more.
    pub(super) fn drop_metering(&mut self, seq: OrderSeq, reason: &str, turn: &mut Turn) {
        let Some(order) = self.book.get_mut(seq) else { return };
        let Some(metering) = order.metering.take() else { return };
        let (id, connector) = (order.id, order.connector);
        let at = turn.stamp();
        turn.remember(Entry::MeteringDropped { seq, reason: reason.to_owned(), at });
        if let Some(connector) = connector {
            let meter = metering.meter;
            let text = format!(
                "order {id} will be billed by the pile's values, not by meter {meter}: {reason}"
            );
            self.alarms.raise(AlarmKind::MeterUnused(connector), at, text);
        }
    }

    /// The config may name other meters than in the run before.
    pub(super) fn drop_foreign_metering(&mut self, turn: &mut Turn) {
        let is_foreign = |order: &&Order| {
            let meter = order.connector.and_then(|connector| self.config.meter_of(connector));
            let metering = order.metering.as_ref().filter(|metering| metering.stop.is_none());
            metering.is_some_and(|own| meter.is_none_or(|meter| meter.name != own.meter))
        };
        let foreign: Vec<OrderSeq> =
            self.book.open().filter(is_foreign).map(|order| order.seq).collect();
        for seq in foreign {
            self.drop_metering(seq, "the config names another meter for the connector", turn);
        }
    }

    /// A meter was replaced: its orders have no reading to compare with.
    pub(super) fn drop_metering_of(&mut self, meter: &MeterName, turn: &mut Turn) {
        let is_its = |order: &&Order| {
            let metering = order.metering.as_ref();
            metering.is_some_and(|own| own.meter == *meter && own.stop.is_none())
        };
        let orders: Vec<OrderSeq> =
            self.book.open().filter(is_its).map(|order| order.seq).collect();
        for seq in orders {
            self.drop_metering(seq, "the meter was replaced in mid-order", turn);
        }
    }

    /// A meter was read: what that means for the order at its connector.
    pub(super) fn metered(&mut self, meter: &MeterName, measures: Measures, turn: &mut Turn) {
        let Measures::Connector(connector) = measures else { return };
        let Some(sample) = self.meters.fresh(meter, turn.now.mono) else { return };
        if self.waits_still(connector, sample, turn) {
            return;
        }
        let is_after_end = self.ended.get(&connector).is_none_or(|ended| sample.at.mono >= *ended);
        let Some(order) = self.book.open_at(connector) else { return };
        let (seq, opened) = (order.seq, order.opened);
        let is_full = self.is_storage_full;
        let Some(metering) = self.book.get_mut(seq).and_then(|order| order.metering.as_mut())
        else {
            return;
        };
        let part = match metering.start {
            None if is_after_end && is_starting(opened, sample.at) => {
                metering.start = Some(sample);
                SamplePart::Start
            }
            Some(start) if !is_full && is_due(metering, start, sample.at) => {
                metering.curve.push(sample);
                SamplePart::Curve
            }
            _ => return,
        };
        turn.remember(Entry::SampleKept { seq, part, sample });
        if part == SamplePart::Start
            && let Some(left) = self.left.remove(&connector)
        {
            self.latch_stop(left.seq, Some(sample), turn);
        }
        self.keep_reading(meter, turn);
    }

    /// What the meter says at the end of an order, and the pile beside it.
    pub(super) fn end_metering(
        &mut self,
        order: &mut Order,
        report: &EndReport,
        arrival: Arrival,
        turn: &mut Turn,
    ) {
        let now = turn.now.mono;
        let heard = if let Arrival::Held(since) = arrival { since } else { now };
        if let Some(connector) = order.connector {
            self.drop_left(connector, turn);
            self.ended.insert(connector, heard);
        }
        let waits_for = waits_for(order).cloned();
        let pile_start = order.meter_start.or(report.meter_start);
        let Some(metering) = &mut order.metering else { return };
        metering.pile_start = pile_start;
        metering.pile_stop = report.meter_stop;
        if let (Arrival::Held(since), Some(meter)) = (arrival, waits_for) {
            metering.stop = self.meters.fresh_since(&meter, since, now);
            self.keep_reading(&meter, turn);
        }
        self.compare(order, turn);
    }

    /// The order is closed by the site: with the newest that is known of it, the meter's or the
    /// pile's.
    pub(super) fn estimate_metering(&mut self, order: &mut Order, turn: &mut Turn) {
        let Some(meter) = waits_for(order).cloned() else { return };
        let heard = order.progress.map(|progress| progress.at);
        let last = self.meters.last(&meter);
        let is_newest = |sample: &Sample| heard.is_none_or(|heard| !sample.at.is_before(heard));
        let Some(metering) = &mut order.metering else { return };
        metering.stop = last.filter(is_newest);
        self.keep_reading(&meter, turn);
    }

    /// Says what is billed where that is not plain: pile and meter differ, or the meter is not
    /// used.
    fn compare(&mut self, order: &Order, turn: &Turn) {
        let (Some(metering), Some(connector)) = (&order.metering, order.connector) else { return };
        let (unused, off) =
            (AlarmKind::MeterUnused(connector), AlarmKind::MeterDisagrees(connector));
        let (id, meter, pile) = (order.id, &metering.meter, order.key.pile);
        if figures::by_meter(order).is_none() {
            let when = if metering.start.is_none() { "start" } else { "end" };
            let text = format!(
                "order {id} is billed by the pile's values: no reading of meter {meter} at its {when}"
            );
            return self.alarms.raise(unused, turn.stamp(), text);
        }
        self.alarms.clear(&unused);
        let config = self.config.meter_of(connector);
        match config.and_then(|config| figures::disagreement(order, config)) {
            None => self.alarms.clear(&off),
            Some((by_meter, by_pile)) => {
                let by_pile = by_pile.map_or("nothing usable".to_owned(), |by| by.to_string());
                let text = format!(
                    "order {id}: {by_meter} by meter {meter} are billed, pile {pile} says {by_pile}"
                );
                self.alarms.raise(off, turn.stamp(), text);
            }
        }
    }
}

/// How long ago the pile says that it was, where both clocks know.
fn age_s(reported: PileTime, turn: &Turn) -> Option<i64> {
    let (at, now) = reported.known().zip(turn.now.wall.known_s())?;
    Some(now.saturating_sub(at))
}

/// A time that is still to come says as little as one that is long past.
fn is_recent(age_s: i64) -> bool {
    (-LATE_S..=LATE_S).contains(&age_s)
}

/// The meter whose reading at the end is missing, of an order that has one at the start.
pub(super) fn waits_for(order: &Order) -> Option<&MeterName> {
    let metering = order.metering.as_ref()?;
    (metering.start.is_some() && metering.stop.is_none()).then_some(&metering.meter)
}

/// Whether another order, which began then, may have run between the readings of this one.
fn may_share(order: &Order, started: PileTime) -> bool {
    let Some(metering) = &order.metering else { return false };
    let Some(other_s) = started.known() else { return true };
    let is_before = order.started_s.is_some_and(|start_s| other_s < start_s);
    let end_s = metering.stop.and_then(|stop| stop.at.wall.known_s());
    let is_after = end_s.is_some_and(|end_s| other_s >= end_s);
    !is_before && !is_after
}

/// Whether a reading can stand for the start of an order.
fn is_starting(opened: Stamp, at: Stamp) -> bool {
    opened.boot == at.boot && at.mono.since_ms(opened.mono) <= START_WAIT_MS
}

/// Whether the order has entered another interval since its last sample.
fn is_due(metering: &Metering, start: Sample, at: Stamp) -> bool {
    if metering.curve.len() >= CURVE_LIMIT || metering.stop.is_some() {
        return false;
    }
    let last = metering.curve.last().copied().unwrap_or(start);
    let interval = |sample_at: Stamp| sample_at.since_ms(start.at).map(|ms| ms / CURVE_MS);
    match (interval(at), interval(last.at)) {
        (Some(now), Some(then)) => now > then,
        // No clock knew how long the controller was away: from the last sample on.
        _ => at.boot != last.at.boot || at.mono.since_ms(last.at.mono) >= CURVE_MS,
    }
}
