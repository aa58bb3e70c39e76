//! What piles report of orders: new, repeated, conflicting, late.

use super::{
    Site,
    alarm::AlarmKind,
    entry::{Entry, VersionKind},
    figures,
    hold::{Arrival, End},
    identity,
    link::Announced,
    questions::Purpose,
    turn::Turn,
};
use crate::domain::{
    card::Verdict,
    id::{OrderSeq, PileCode, PlugNo, RequestId},
    news::Happening,
    order::{EndKind, EndReport, Flags, Order, OrderState, ProgressReport, StartReport},
    reply::{OrderRef, PileReply, UplinkMessage, Urgency},
    wire::Original,
};

/// Silence after which a running order is announced to a backend once more.
pub(super) const ANNOUNCE_AGAIN_MS: u64 = 30_000;

impl Site {
    /// Charging has begun.
    pub(super) fn started(
        &mut self,
        pile: PileCode,
        id: RequestId,
        report: &StartReport,
        known: &[Order],
        turn: &mut Turn,
    ) {
        if let Some(connector) = self.config.connector(pile, report.plug) {
            self.release(connector, turn);
        }
        let candidates = self.book.candidates(pile, known);
        let seq = match identity::of_start(report, pile, &candidates).cloned() {
            Some(order) if !order.state.is_open() => {
                // Begun and ended long ago: the pile only missed the answer.
                let reply = start_reply(&order, report.plug, Verdict::Accepted, None);
                return turn.answer(pile, id, reply);
            }
            Some(order) => {
                self.book.resume(order.seq, turn);
                self.goes_on(order.seq, turn);
                order.seq
            }
            None => self.open_order(pile, report, turn),
        };
        self.suspects.remove(&seq);
        self.answer_start(seq, pile, id, report, turn);
    }

    fn open_order(&mut self, pile: PileCode, report: &StartReport, turn: &mut Turn) -> OrderSeq {
        let connector = self.config.connector(pile, report.plug);
        let before = connector.and_then(|no| self.book.open_at(no)).map(|order| order.seq);
        let metering = self.begin_metering(connector, before, pile, report, turn);
        if let Some(before) = before {
            self.book.interrupt(before, "the pile began another order there", turn);
            self.suspects.entry(before).or_insert(turn.now.mono);
        }
        let (stamp, seq) = (turn.stamp(), self.book.next_seq());
        let key = identity::Named::in_start(report, pile).key(stamp, seq);
        // A pile need not say whose card it was told to charge for.
        let card = report.card.clone().or_else(|| self.remotes.card(report.token.as_ref()));
        let is_booted = self.piles.get(&pile).is_some_and(|pile| pile.is_booted);
        let is_senseless = connector.is_none() || !is_booted;
        let order = Order {
            seq,
            id: key.id(),
            key,
            connector,
            plug: Some(report.plug),
            state: OrderState::Charging,
            flags: Flags { senseless: is_senseless, ..Flags::default() },
            card,
            transaction: self.remotes.transaction(report.token.as_ref()),
            opened: stamp,
            started_s: figures::billed_time(report.at, stamp),
            meter_start: report.meter,
            progress: None,
            ending: None,
            start: Some(report.original.clone()),
            metering,
            deliveries: Vec::new(),
        };
        if is_senseless {
            self.alarm_senseless(&order, turn);
        }
        if let Some(surplus) = self.book.surplus_of(pile) {
            self.close_estimated(surplus, turn);
        }
        if let Some(connector) = connector {
            self.remotes.begun(connector);
        }
        self.book.begin(order, turn);
        seq
    }

    fn answer_start(
        &mut self,
        seq: OrderSeq,
        pile: PileCode,
        id: RequestId,
        report: &StartReport,
        turn: &mut Turn,
    ) {
        let Some(order) = self.book.get(seq).cloned() else { return };
        if self.remotes.is_failed(report.token.as_ref()) {
            return self.refuse_late_start(&order, pile, id, report.plug, turn);
        }
        if let Some((verdict, backend)) = self.start_answers.get(&seq).cloned() {
            return turn.answer(pile, id, start_reply(&order, report.plug, verdict, backend));
        }
        let verdict = self.local_start_verdict(&order);
        match self.primary_mut().filter(|link| link.is_online()) {
            Some(link) if verdict.is_accepted() => {
                if link.questions.wait_again(seq, id) {
                    return;
                }
                link.announced.remove(&seq);
                if let Some(order) = self.book.get_mut(seq) {
                    order.state = OrderState::Authorised;
                }
                self.announce(seq, Some(id), turn);
            }
            Some(_) | None => {
                self.announce(seq, None, turn);
                self.answer_locally(seq, id, verdict, turn);
            }
        }
    }

    /// The site decides on a start itself.
    pub(super) fn answer_locally(
        &mut self,
        seq: OrderSeq,
        id: RequestId,
        verdict: Verdict,
        turn: &mut Turn,
    ) {
        let Some(order) = self.book.get_mut(seq) else { return };
        if order.state == OrderState::Authorised {
            order.state = OrderState::Charging;
        }
        // A start the backend has given its id to before is not news to it.
        order.flags.offline |= order.transaction.is_none();
        let plug = order.plug.unwrap_or(PlugNo(0));
        let reply = start_reply(order, plug, verdict, None);
        turn.answer(order.key.pile, id, reply);
    }

    /// What the site itself says of a start: a full store and a card known to be bad are reasons
    /// to say no; anything else is charging already, and charging goes on.
    pub(super) fn local_start_verdict(&self, order: &Order) -> Verdict {
        if self.is_storage_full {
            return Verdict::SystemError;
        }
        let known = order.card.as_ref().and_then(|card| self.cards.get(card)).copied();
        known.unwrap_or(Verdict::Accepted)
    }

    /// Tells every backend on line of a running order; the primary's answer goes to the pile.
    pub(super) fn announce(&mut self, seq: OrderSeq, waiting: Option<RequestId>, turn: &mut Turn) {
        let Some(order) = self.book.get(seq) else { return };
        let Some(original) = order.start.clone() else { return };
        let order_ref = reference(order);
        let is_offline = order.flags.offline;
        let is_metered = order_ref.meter_start.is_some();
        for link in self.stations_mut() {
            let waiting = waiting.filter(|_| link.config.primary);
            let is_announced = link.announced.contains_key(&seq);
            if is_announced && waiting.is_none() {
                continue;
            }
            let patience_ms =
                if waiting.is_some() { link.config.answer_timeout_ms } else { ANNOUNCE_AGAIN_MS };
            let deadline = turn.now.mono.plus_ms(patience_ms);
            let order = order_ref.clone();
            let message =
                UplinkMessage::Start { order, original: original.clone(), offline: is_offline };
            let purpose = Purpose::Start { seq, pile: waiting };
            link.announced.insert(seq, Announced { is_answered: false, is_metered });
            link.ask(turn, message, Urgency::Live, purpose, Some(deadline));
        }
    }

    /// How an order goes on.
    pub(super) fn progressed(&mut self, pile: PileCode, report: &ProgressReport, turn: &mut Turn) {
        let Some(seq) = self.book.running(pile, &report.record, report.plug) else {
            self.counters.unknown_progress += 1;
            return;
        };
        self.suspects.remove(&seq);
        self.book.resume(seq, turn);
        self.goes_on(seq, turn);
        self.book.progress(seq, report.energy, report.cost, turn);
        self.last_progress.insert(seq, report.original.clone());
        self.pass_progress(seq, &report.original, turn);
        if let Some(state) = report.state {
            self.note_state(pile, report.plug, state);
        }
        let plug = Some(report.plug);
        self.measured(pile, plug, &report.gauges, &report.original, turn);
        self.news_of_connector(pile, plug, &report.original, Happening::Progress, turn);
    }

    pub(super) fn pass_progress(&mut self, seq: OrderSeq, original: &Original, turn: &mut Turn) {
        let Some(order) = self.book.get(seq) else { return };
        let order_ref = reference(order);
        for link in self.stations_mut() {
            // Not before the backend has answered the announcement.
            if link.knows(seq) {
                let message = UplinkMessage::Progress {
                    order: order_ref.clone(),
                    original: original.clone(),
                };
                link.tell(turn, message, Urgency::Telemetry);
            }
        }
    }

    /// An order has ended, or a whole order came.
    pub(super) fn ended(
        &mut self,
        pile: PileCode,
        id: RequestId,
        report: &EndReport,
        known: &[Order],
        turn: &mut Turn,
    ) {
        let end = End { pile, id, report, known };
        if !self.hold(&end, turn) {
            self.work_off(&end, Arrival::Now, turn);
        }
    }

    /// The order in memory or in the ledger that a report of an end means.
    pub(super) fn meant(&self, end: &End<'_>, turn: &Turn) -> Option<Order> {
        let (report, stamp) = (end.report, turn.stamp());
        let candidates = self.book.candidates(end.pile, end.known);
        let is_on_record = |order: &Order| {
            order.ending.is_some() && figures::other_version(order, report, stamp).is_none()
        };
        identity::of_end(report, end.pile, &candidates, is_on_record).cloned()
    }

    /// Records what a report of an end says, and answers it.
    pub(super) fn work_off(&mut self, end: &End<'_>, arrival: Arrival, turn: &mut Turn) {
        let End { pile, id, report, .. } = *end;
        let order = match self.meant(end, turn) {
            Some(order) if order.ending.is_some() => {
                let order = self.ended_again(order, report, turn);
                let reply = end_reply(&order, report);
                return turn.answer(pile, id, reply);
            }
            Some(order) => order,
            None => self.order_without_start(pile, report, turn),
        };
        let order = self.close(order, report, arrival, turn);
        turn.answer(pile, id, end_reply(&order, report));
    }

    fn close(
        &mut self,
        mut order: Order,
        report: &EndReport,
        arrival: Arrival,
        turn: &mut Turn,
    ) -> Order {
        self.end_metering(&mut order, report, arrival, turn);
        let made = figures::of_report(&order, report, turn.stamp());
        let mut ending = made.ending;
        order.meter_start = order.meter_start.or(report.meter_start);
        order.card = order.card.or_else(|| report.card.clone());
        order.plug = order.plug.or(report.plug);
        order.flags.senseless |= made.is_senseless;
        // A second of difference between two clocks must not date an end before its start.
        if let (Some(start), Some(end)) = (order.started_s, ending.ended_s)
            && report.ended.known().is_none()
        {
            ending.ended_s = Some(end.max(start));
        }
        order.ending = Some(ending);
        self.record_order(order, turn)
    }

    /// Records an order that has its ending, and hands it to the uplinks.
    pub(super) fn record_order(&mut self, mut order: Order, turn: &mut Turn) -> Order {
        let seq = order.seq;
        order.state = OrderState::Recorded;
        order.flags.offline |= !self.is_known_upstream(seq);
        let place = self.book.next_place();
        order.deliveries = self.new_deliveries(place);
        if order.flags.senseless {
            self.alarm_senseless(&order, turn);
        }
        self.book.record(order.clone(), turn);
        self.let_go(&order);
        self.dispatch(seq, turn);
        order
    }

    /// Forgets what is only known of an order as long as it runs.
    pub(super) fn let_go(&mut self, order: &Order) {
        self.suspects.remove(&order.seq);
        self.last_progress.remove(&order.seq);
        self.start_answers.remove(&order.seq);
        self.order_left(order);
        self.guests.left(order);
        self.rhythm.touch(order.key.pile);
        self.rhythm.changed();
    }

    fn is_known_upstream(&self, seq: OrderSeq) -> bool {
        self.links
            .values()
            .filter(|link| link.config.primary)
            .any(|link| link.is_online() && link.knows(seq))
    }

    /// The order was on record before this report came.
    fn ended_again(&mut self, mut order: Order, report: &EndReport, turn: &mut Turn) -> Order {
        let (seq, id) = (order.seq, order.id);
        let said = figures::other_version(&order, report, turn.stamp());
        let Some(said) = said.filter(|said| !self.book.is_known_dispute(seq, said)) else {
            return order;
        };
        let kind =
            if order.flags.estimated { VersionKind::Corrected } else { VersionKind::Disputed };
        if kind == VersionKind::Disputed {
            order.flags.disputed = true;
            if let Some(held) = self.book.get_mut(seq) {
                held.flags.disputed = true;
            }
            let text =
                format!("pile {} reports order {id} again with other figures", order.key.pile);
            self.alarms.raise(AlarmKind::Disputed(id), turn.stamp(), text);
        }
        let at = turn.stamp();
        turn.remember(Entry::VersionKept { seq, kind, ending: Box::new(said), at });
        order
    }

    /// An ending whose start the site never heard: a whole order, or a stop without start.
    fn order_without_start(
        &mut self,
        pile: PileCode,
        report: &EndReport,
        turn: &mut Turn,
    ) -> Order {
        let (stamp, seq) = (turn.stamp(), self.book.next_seq());
        let key = identity::Named::in_end(report, pile).key(stamp, seq);
        let connector = report.plug.and_then(|plug| self.config.connector(pile, plug));
        self.end_metering_around(connector, report.started, turn);
        let is_booted = self.piles.get(&pile).is_some_and(|pile| pile.is_booted);
        Order {
            seq,
            id: key.id(),
            key,
            connector,
            plug: report.plug,
            state: OrderState::Recorded,
            flags: Flags {
                offline: true,
                senseless: !is_booted || report.kind == EndKind::Stop,
                ..Flags::default()
            },
            card: report.card.clone(),
            transaction: self.remotes.transaction(report.token.as_ref()),
            opened: stamp,
            started_s: match report.kind {
                EndKind::Whole => figures::billed_time(report.started, stamp),
                EndKind::Stop => None,
            },
            meter_start: report.meter_start,
            progress: None,
            ending: None,
            start: None,
            metering: None,
            deliveries: Vec::new(),
        }
    }

    /// The site closes an order whose pile never came back to it.
    pub(super) fn close_estimated(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(mut order) = self.book.get(seq).cloned() else { return };
        self.estimate_metering(&mut order, turn);
        let ending = figures::estimated(&order, turn.stamp());
        order.flags.estimated = true;
        order.ending = Some(ending);
        self.record_order(order, turn);
    }

    fn alarm_senseless(&mut self, order: &Order, turn: &Turn) {
        let text = format!("order {} makes no sense as reported", order.id);
        self.alarms.raise(AlarmKind::Senseless(order.key.pile), turn.stamp(), text);
    }
}

/// What names an order to a backend.
pub(super) fn reference(order: &Order) -> OrderRef {
    OrderRef {
        id: order.id,
        transaction: order.transaction.clone(),
        pile: order.key.pile,
        connector: order.connector,
        started_s: order.started_s,
        meter_start: order.metering.as_ref().and_then(|m| m.start).map(|sample| sample.energy),
    }
}

pub(super) fn start_reply(
    order: &Order,
    plug: PlugNo,
    verdict: Verdict,
    backend: Option<Original>,
) -> PileReply {
    PileReply::Start { order: order.id, record: order.key.record.clone(), plug, verdict, backend }
}

fn end_reply(order: &Order, report: &EndReport) -> PileReply {
    let plug = report.plug.or(order.plug);
    match report.kind {
        EndKind::Stop => PileReply::Stop {
            order: Some(order.id),
            plug,
            cost: order.ending.as_ref().and_then(|ending| ending.cost),
        },
        EndKind::Whole => PileReply::Transaction { record: report.record.clone(), plug },
    }
}
