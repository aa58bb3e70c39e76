//! Reports of ends that wait for a reading of the meter.

use super::{Site, command::Command, metering::waits_for, turn::Turn};
use crate::domain::{
    id::{ConnectorNo, MeterName, OrderSeq, PileCode, RequestId},
    order::{EndReport, Order},
    reading::{Measures, Sample},
    time::Mono,
};

/// A report of an end waits for a reading taken after it that long: a meter answers within a
/// second, and no pile gives up so soon.
const HOLD_MS: u64 = 1_500;

/// A reading that a held report waits for is asked for that often, where it fails: one disturbed
/// answer is not to cost an order its meter, and there is no time for more.
const HOLD_TRIES: u8 = 3;

/// A report of an end, as it is worked off.
pub(super) struct End<'a> {
    pub(super) pile: PileCode,
    pub(super) id: RequestId,
    pub(super) report: &'a EndReport,
    /// What the ledger had for it.
    pub(super) known: &'a [Order],
}

/// Whether a report has just come, or was held for a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Now,
    /// A reading counts from then on.
    Held(Mono),
}

/// A report of an end that waits for a reading; nothing of it is recorded or answered yet, so that
/// whatever happens the pile repeats it.
#[derive(Debug)]
pub(super) struct Held {
    order: OrderSeq,
    pile: PileCode,
    id: RequestId,
    report: EndReport,
    known: Vec<Order>,
    /// A reading counts from here on.
    since: Mono,
    /// How often one has been asked for.
    tries: u8,
}

impl Site {
    /// Holds a report back until its meter has been read; `false`: there is nothing to wait for.
    pub(super) fn hold(&mut self, end: &End<'_>, turn: &mut Turn) -> bool {
        if self.config.meters.is_empty() {
            return false;
        }
        let Some(order) = self.meant(end, turn) else { return false };
        let Some(connector) = order.connector else { return false };
        let seq = order.seq;
        if self.left.get(&connector).is_some_and(|left| left.seq == seq) {
            self.drop_left(connector, turn);
        }
        if let Some(held) = self.held.get_mut(&connector).filter(|held| held.order == seq) {
            if says_the_same(&held.report, end.report) {
                // Asked again: the newest request is the one to be answered.
                (held.pile, held.id) = (end.pile, end.id);
                return true;
            }
            self.release(connector, turn);
        }
        let Some(order) = self.book.get(seq).filter(|order| order.state.is_open()) else {
            return false;
        };
        let Some(meter) = waits_for(order).filter(|_| self.is_live_end(order, end.report, turn))
        else {
            return false;
        };
        let meter = meter.clone();
        // Another order's, which has no reading by now.
        self.release(connector, turn);
        turn.order(Command::ReadMeter { meter });
        let held = Held {
            order: seq,
            pile: end.pile,
            id: end.id,
            report: end.report.clone(),
            known: end.known.to_vec(),
            since: turn.now.mono,
            tries: 1,
        };
        self.held.insert(connector, held);
        self.suspects.remove(&seq);
        true
    }

    /// Works off the report that is held at a connector.
    pub(super) fn release(&mut self, connector: ConnectorNo, turn: &mut Turn) {
        let Some(held) = self.held.remove(&connector) else { return };
        let Held { pile, id, report, known, since, .. } = &held;
        let end = End { pile: *pile, id: *id, report, known };
        self.work_off(&end, Arrival::Held(*since), turn);
    }

    /// The reading that a held report waits for failed.
    pub(super) fn ask_again(&mut self, meter: &MeterName, turn: &mut Turn) {
        let measures = self.meters.measures(meter);
        let Some(Measures::Connector(connector)) = measures else { return };
        let held = self.held.get_mut(&connector).filter(|held| held.tries < HOLD_TRIES);
        let Some(held) = held else { return };
        held.tries += 1;
        turn.order(Command::ReadMeter { meter: meter.clone() });
    }

    /// Works off the reports for which no reading came.
    pub(super) fn expire_held(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let is_due = |held: &Held| now.since_ms(held.since) >= HOLD_MS;
        let due = self.held.iter().filter(|(_, held)| is_due(held));
        let connectors: Vec<ConnectorNo> = due.map(|(connector, _)| *connector).collect();
        for connector in connectors {
            self.release(connector, turn);
        }
    }

    pub(super) fn held_deadline(&self) -> Option<Mono> {
        self.held.values().map(|held| held.since.plus_ms(HOLD_MS)).min()
    }

    /// A reading has come: whether a report waits for one that is taken later.
    pub(super) fn waits_still(
        &mut self,
        connector: ConnectorNo,
        sample: Sample,
        turn: &mut Turn,
    ) -> bool {
        let Some(held) = self.held.get(&connector) else { return false };
        let is_too_old = sample.at.mono < held.since;
        if !is_too_old {
            self.release(connector, turn);
        }
        is_too_old
    }
}

fn says_the_same(held: &EndReport, report: &EndReport) -> bool {
    held.kind == report.kind
        && held.meter_stop == report.meter_stop
        && held.ended == report.ended
        && held.cost == report.cost
}
