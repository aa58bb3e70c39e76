//! Which order a report means.

use crate::domain::{
    id::{KeyTime, OrderKey, OrderSeq, PileCode, PlugNo, RecordNo, StartToken},
    order::{EndReport, Order, StartReport},
    time::{PileTime, Stamp},
};

/// What names an order in a pile's report.
pub(super) struct Named<'a> {
    pub(super) pile: PileCode,
    pub(super) record: &'a RecordNo,
    pub(super) plug: Option<PlugNo>,
    pub(super) started: PileTime,
    pub(super) token: Option<&'a StartToken>,
}

impl<'a> Named<'a> {
    pub(super) fn in_start(report: &'a StartReport, pile: PileCode) -> Self {
        let (record, token) = (&report.record, report.token.as_ref());
        Self { pile, record, plug: Some(report.plug), started: report.at, token }
    }

    pub(super) fn in_end(report: &'a EndReport, pile: PileCode) -> Self {
        let (record, token) = (&report.record, report.token.as_ref());
        Self { pile, record, plug: report.plug, started: report.started, token }
    }

    /// The key of a new order.
    pub(super) fn key(&self, first_seen: Stamp, seq: OrderSeq) -> OrderKey {
        let started = KeyTime::new(self.started, first_seen, seq);
        OrderKey { pile: self.pile, record: self.record.clone(), started }
    }

    fn matches(&self, order: &Order) -> bool {
        order.key.pile == self.pile && order.key.record == *self.record
    }

    /// The order that is certainly meant: by its id, by its whole key, or, where one side does not
    /// know the start, the one still open under this record number.
    fn certain<'o>(&self, candidates: &[&'o Order]) -> Option<&'o Order> {
        let by_id = candidates
            .iter()
            .find(|order| self.token.is_some_and(|token| token.as_str() == order.id.as_str()));
        let by_key = candidates
            .iter()
            .find(|order| self.started.known().is_some_and(|s| s == order.key.started.0));
        let is_open = |order: &&&Order| {
            order.state.is_open()
                && (self.started == PileTime::Unknown || order.key.started.is_mark())
        };
        // A pile that counts anew may have the same number running on two connectors.
        let open = || {
            let mut open = candidates.iter().filter(is_open);
            let here = open.clone().find(|order| self.plug.is_some() && order.plug == self.plug);
            here.or_else(|| open.next())
        };
        by_id.or(by_key).or_else(open).copied()
    }
}

/// The order a start means; `None`: a new one. `candidates` are newest first.
pub(super) fn of_start<'o>(
    report: &StartReport,
    pile: PileCode,
    candidates: &[&'o Order],
) -> Option<&'o Order> {
    let named = Named::in_start(report, pile);
    let candidates = of_record(&named, candidates);
    named.certain(&candidates).or_else(|| {
        // An ended order whose start no clock knew is the same one if its meter began there too.
        let meter = report.meter?;
        candidates
            .iter()
            .find(|order| order.key.started.is_mark() && order.meter_start == Some(meter))
            .copied()
    })
}

/// The order an ending means; `None`: a new one. `is_on_record` tells whether an ended order has
/// the report's figures.
pub(super) fn of_end<'o>(
    report: &EndReport,
    pile: PileCode,
    candidates: &[&'o Order],
    is_on_record: impl Fn(&Order) -> bool,
) -> Option<&'o Order> {
    let named = Named::in_end(report, pile);
    let candidates = of_record(&named, candidates);
    named.certain(&candidates).or_else(|| {
        let unsure =
            |order: &&&Order| report.started == PileTime::Unknown || order.key.started.is_mark();
        let same = candidates.iter().filter(unsure).find(|order| is_on_record(order));
        // Ended at the same second but billed otherwise: the same order, disputed; and an order
        // the site closed itself waits for just this report.
        let told_otherwise = || {
            candidates.iter().filter(unsure).find(|order| {
                order.flags.estimated
                    || (report.ended != PileTime::Unknown
                        && order.ending.as_ref().and_then(|e| e.ended_s) == report.ended.known())
            })
        };
        same.or_else(told_otherwise).copied()
    })
}

fn of_record<'o>(named: &Named<'_>, candidates: &[&'o Order]) -> Vec<&'o Order> {
    candidates.iter().copied().filter(|order| named.matches(order)).collect()
}
