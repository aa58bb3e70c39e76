//! How orders reach the backends: queued, sent, confirmed, refused, settled.

use super::{
    Site, Wire,
    alarm::{AlarmKind, Alarms},
    command::{Command, Query},
    entry::Entry,
    figures,
    link::Link,
    outbox::{LOAD_LIMIT, Waiting},
    questions::Purpose,
    turn::Turn,
};
use crate::{
    domain::{
        event::Named,
        id::{ConnectorNo, OrderSeq, Place, Sequence, UplinkName},
        order::{Delivery, DeliveryState, Order},
        reply::{UplinkMessage, Urgency},
        time::{ClockQuality, Stamp},
        wire::ErrorCode,
    },
    protocol::dialect::Unfit,
};

/// What a backend answered to a delivery.
pub(super) enum Outcome<'a> {
    Confirmed,
    Refused(String),
    Error(ErrorCode, &'a str),
}

impl Site {
    /// The deliveries of an order that is being recorded.
    pub(super) fn new_deliveries(&self, place: Place) -> Vec<Delivery> {
        let takers = self.links.values().filter(|link| link.takes_orders());
        takers.map(|link| Delivery::queued(link.config.name.clone(), place)).collect()
    }

    /// An order is on record: live to the backends that know of it and to whom the transport takes
    /// it, into the outbox of the others, but for those whose wire cannot carry it.
    pub(super) fn dispatch(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(order) = self.book.get(seq).cloned() else { return };
        let is_metered = figures::by_meter(&order).is_some();
        let undated = self.undated(turn);
        let (mut at_once, mut unfit_for) = (Vec::new(), Vec::new());
        for link in self.links.values_mut() {
            let Some(delivery) = order.delivery(&link.config.name) else { continue };
            link.outbox.add((delivery.place, seq), turn.now.wall.unix_ms);
            // A stop carries one reading: the one at the start must have been of the same meter.
            let announced = link.announced.remove(&seq);
            let fits =
                announced.is_some_and(|told| told.is_answered && told.is_metered == is_metered);
            if undated.waits(&order, &link.config.wire) {
                continue;
            }
            if link.is_delivered() {
                // What the wire cannot carry is found now, also while the link is down.
                match link.config.wire.freeze(&order) {
                    Err(unfit) => unfit_for.push((link.config.name.clone(), unfit)),
                    Ok(_) if link.is_online() => at_once.push(link.config.name.clone()),
                    Ok(_) => {}
                }
            } else if link.is_online() && fits {
                stop_live(link, &order, delivery.place, turn);
            }
        }
        for (name, unfit) in unfit_for {
            self.unfit(&name, seq, &unfit, turn);
        }
        for name in at_once {
            self.send_order(&name, seq, Urgency::Live, turn);
        }
        // A site without a required uplink owes nobody.
        self.settle_if_done(seq, turn);
    }

    fn undated(&self, turn: &Turn) -> Undated {
        let (hold_ms, is_dating) = (self.config.undated_hold_ms, self.is_dating);
        Undated { at: turn.stamp(), hold_ms, is_dating }
    }

    /// Fills every window: what was silent too long, then what is next.
    pub(super) fn drain(&mut self, turn: &mut Turn) {
        let names: Vec<UplinkName> = self.links.keys().cloned().collect();
        for name in names {
            self.drain_one(&name, turn);
        }
    }

    fn drain_one(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        if !link.is_online() {
            return;
        }
        if link.outbox.unpause(turn.now.mono) {
            self.alarms.clear(&AlarmKind::Refusing(name.clone()));
        }
        link.pace.relax();
        self.resend_on(name, turn);
        self.send_due(name, turn);
        let Some(link) = self.links.get_mut(name) else { return };
        if let Some(after) = link.outbox.wants_load(turn.now.mono) {
            let uplink = name.clone();
            turn.order(Command::Load(Query::Backlog { uplink, after, limit: LOAD_LIMIT }));
        }
    }

    fn send_due(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get(name) else { return };
        if link.resend.goes_first() {
            return;
        }
        for seq in link.outbox.due(turn.now.mono) {
            let link = self.links.get_mut(name);
            if !link.is_some_and(|link| link.pace.allows(turn.now.mono)) {
                return;
            }
            self.send_order(name, seq, Urgency::Backlog, turn);
        }
    }

    /// Sends an order whole, as the wire has it; the same bytes each time.
    fn send_order(&mut self, name: &UplinkName, seq: OrderSeq, urgency: Urgency, turn: &mut Turn) {
        let undated = self.undated(turn);
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(order) = self.book.get_mut(seq) else { return };
        let Some(place) = order.delivery(name).map(|delivery| delivery.place) else { return };
        let is_live = urgency == Urgency::Live;
        let is_held = undated.waits(order, &link.config.wire);
        if is_held || (is_live && !link.outbox.has_live_room()) {
            return;
        }
        let payload = match freeze(order, name, &link.config.wire, &mut self.alarms, turn) {
            Ok(payload) => payload,
            Err(unfit) => return self.unfit(name, seq, &unfit, turn),
        };
        let message = UplinkMessage::Transaction { pile: order.key.pile, payload };
        link.ask(turn, message, urgency, Purpose::Transaction { seq }, None);
        let attempts = if is_live {
            link.outbox.sent_live((place, seq), None);
            1
        } else {
            link.pace.took(turn.now.mono);
            link.outbox.sent((place, seq), turn.now.mono)
        };
        if let Some(delivery) = order.delivery_mut(name) {
            delivery.attempts = attempts;
        }
    }

    /// The wire has no place for an order, or the far side is known to drop it.
    fn unfit(&mut self, name: &UplinkName, seq: OrderSeq, unfit: &Unfit, turn: &mut Turn) {
        match unfit {
            Unfit::Range { .. } => self.quarantine(name, seq, unfit.to_string(), turn),
            Unfit::Unwanted { .. } => self.waive(name, seq, unfit.to_string(), turn),
        }
    }

    /// The far side does not want an order: it is not owed any more, and settles.
    fn waive(&mut self, name: &UplinkName, seq: OrderSeq, reason: String, turn: &mut Turn) {
        let at = turn.stamp();
        let Some((link, delivery)) = self.owed(name, seq) else { return };
        delivery.state = DeliveryState::Retired;
        delivery.last_error = Some(reason.clone());
        link.outbox.done(seq);
        let text = self.book.get(seq).and_then(|order| unpaid(order, &reason));
        if let Some(text) = text {
            self.alarms.raise(AlarmKind::Waived(name.clone()), at, text);
        }
        turn.remember(Entry::DeliveryWaived { seq, uplink: name.clone(), at, reason });
        self.settle_if_done(seq, turn);
    }

    /// Orders the ledger owes an uplink have been read.
    pub(super) fn backlog_loaded(
        &mut self,
        name: &UplinkName,
        asked: u16,
        orders: Vec<Order>,
        turn: &Turn,
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        let place = |order: &Order| order.delivery(name).map(|d| (d.place, order.seq));
        let places: Vec<Waiting> = orders.iter().filter_map(place).collect();
        let fresh = link.outbox.loaded(turn.now.mono, asked, &places);
        for order in orders {
            if fresh.contains(&order.seq) {
                self.book.adopt(order);
            }
        }
    }

    /// The backend answered a stop or an offline order.
    pub(super) fn delivered(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        seq: OrderSeq,
        outcome: &Outcome<'_>,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        link.questions.close(sequence);
        let now = turn.now.mono;
        match outcome {
            Outcome::Confirmed => self.confirm(name, seq, turn),
            Outcome::Error(code, _) if code.is_passing() => link.outbox.postponed(seq, now),
            Outcome::Error(code, text) => {
                let reason = format!("error {code:?}: {text}");
                self.refuse(name, seq, reason, turn);
            }
            Outcome::Refused(reason) => self.refuse(name, seq, reason.clone(), turn),
        }
    }

    /// The link and the delivery of an order, if it is still owed.
    fn owed(&mut self, name: &UplinkName, seq: OrderSeq) -> Option<(&mut Link, &mut Delivery)> {
        let link = self.links.get_mut(name)?;
        let delivery = self.book.get_mut(seq)?.delivery_mut(name)?;
        delivery.state.is_owed().then_some((link, delivery))
    }

    fn confirm(&mut self, name: &UplinkName, seq: OrderSeq, turn: &mut Turn) {
        let at = turn.stamp();
        let Some((link, delivery)) = self.owed(name, seq) else { return };
        delivery.state = DeliveryState::Confirmed;
        delivery.confirmed = Some(at);
        link.questions.close_order(seq);
        let attempts = link.outbox.confirmed(seq);
        turn.remember(Entry::DeliveryConfirmed { seq, uplink: name.clone(), at, attempts });
        self.alarms.clear(&AlarmKind::Refusing(name.clone()));
        self.settle_if_done(seq, turn);
    }

    /// The backend said no. One that says so to everything is left alone for a while.
    fn refuse(&mut self, name: &UplinkName, seq: OrderSeq, reason: String, turn: &mut Turn) {
        // The reason is shown and logged, and may quote the card.
        let card = self.book.get(seq).and_then(|order| order.card.as_ref());
        let reason = card.map_or_else(|| reason.clone(), |card| card.hide_in(&reason));
        let Some((link, _)) = self.owed(name, seq) else { return };
        if link.outbox.refused(turn.now.mono) {
            let kind = AlarmKind::Refusing(name.clone());
            self.alarms.raise(kind, turn.stamp(), reason.clone());
        }
        self.quarantine(name, seq, reason, turn);
    }

    fn quarantine(&mut self, name: &UplinkName, seq: OrderSeq, reason: String, turn: &mut Turn) {
        let at = turn.stamp();
        let Some((link, delivery)) = self.owed(name, seq) else { return };
        delivery.state = DeliveryState::Quarantined;
        delivery.last_error = Some(reason.clone());
        link.questions.close_order(seq);
        link.outbox.done(seq);
        let uplink = name.clone();
        turn.remember(Entry::DeliveryQuarantined { seq, uplink, at, reason: reason.clone() });
        self.alarms.raise(AlarmKind::Quarantine(name.clone()), at, reason);
    }

    pub(super) fn settle_if_done(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(order) = self.book.get(seq) else { return };
        let required = self.links.values().filter(|link| link.config.required);
        let removed = self.former.iter().filter(|(_, former)| former.required);
        let mut names = required.map(|link| &link.config.name).chain(removed.map(|(name, _)| name));
        let done = names.all(|name| {
            order.delivery(name).is_none_or(|delivery| {
                matches!(delivery.state, DeliveryState::Confirmed | DeliveryState::Retired)
            })
        });
        if done {
            self.book.settle(seq, turn);
        }
    }

    /// Whether the ids an answer carries are those of the order that was sent; if not, it settles
    /// nothing and raises an alarm.
    pub(super) fn is_about(
        &mut self,
        name: &UplinkName,
        seq: OrderSeq,
        matches: impl FnOnce(&Order) -> bool,
        turn: &Turn,
    ) -> bool {
        let is_it = self.book.get(seq).is_some_and(matches);
        if !is_it {
            let id = self.book.get(seq).map(|order| order.id.to_string()).unwrap_or_default();
            let text = format!("the answer to order {id} names another one");
            self.alarms.raise(AlarmKind::WrongAnswer(name.clone()), turn.stamp(), text);
        }
        is_it
    }

    /// Freezes what an uplink gets of an order it has confirmed before and wants again.
    pub(super) fn payload_again(
        &mut self,
        name: &UplinkName,
        seq: OrderSeq,
        turn: &mut Turn,
    ) -> Option<bytes::Bytes> {
        let link = self.links.get(name)?;
        let order = self.book.get_mut(seq)?;
        freeze(order, name, &link.config.wire, &mut self.alarms, turn).ok()
    }

    /// Sends a quarantined delivery again.
    pub(super) fn retry(&mut self, order: Order, turn: &mut Turn) -> Result<String, String> {
        let seq = order.seq;
        self.book.adopt(order);
        let at = turn.stamp();
        let mut again = Vec::new();
        for (name, link) in &mut self.links {
            let Some(delivery) = self.book.get_mut(seq).and_then(|order| order.delivery_mut(name))
            else {
                continue;
            };
            if delivery.state == DeliveryState::Quarantined {
                delivery.state = DeliveryState::Queued;
                link.outbox.requeued((delivery.place, seq), at.wall.unix_ms);
                turn.remember(Entry::DeliveryRequeued { seq, uplink: name.clone(), at });
                again.push(name.to_string());
            }
        }
        if again.is_empty() {
            return Err("no delivery of this order is quarantined".to_owned());
        }
        Ok(format!("queued again for {}", again.join(", ")))
    }
}

/// What is to be said of an order that a far side does not want although it costs something.
fn unpaid(order: &Order, reason: &str) -> Option<String> {
    let cost = order.ending.as_ref()?.cost.filter(|cost| cost.tenth_fen() != 0)?;
    Some(format!("order {} of {} fen was not sent: {reason}", order.id, cost.fen()))
}

/// Tells a backend that knows of an order that it has ended.
fn stop_live(link: &mut Link, order: &Order, place: Place, turn: &mut Turn) {
    let deadline = turn.now.mono.plus_ms(link.config.answer_timeout_ms);
    let message = UplinkMessage::Stop { order: Box::new(order.clone()) };
    link.ask(turn, message, Urgency::Live, Purpose::Stop { seq: order.seq }, Some(deadline));
    link.outbox.sent_live((place, order.seq), Some(deadline.plus_ms(1)));
}

/// What every sending of an order carries: frozen now, or before.
fn freeze(
    order: &mut Order,
    uplink: &UplinkName,
    wire: &Wire,
    alarms: &mut Alarms,
    turn: &mut Turn,
) -> Result<bytes::Bytes, Unfit> {
    let frozen = order.delivery(uplink).and_then(|delivery| delivery.payload.clone());
    if let Some(frozen) = frozen {
        return Ok(frozen);
    }
    let payload = wire.freeze(order)?;
    if let Some(tags) = wire.unknown_tags(order) {
        let text = format!("order {} has tariff tags told as flat: {tags}", order.id);
        alarms.raise(AlarmKind::UnknownTag(uplink.clone()), turn.stamp(), text);
    }
    let seq = order.seq;
    let Some(delivery) = order.delivery_mut(uplink) else { return Ok(payload) };
    delivery.payload = Some(payload.clone());
    if delivery.state == DeliveryState::Queued {
        delivery.state = DeliveryState::Sent;
    }
    let uplink = uplink.clone();
    turn.remember(Entry::PayloadFrozen { seq, uplink, payload: payload.clone() });
    Ok(payload)
}

/// Which orders that no clock has dated are to wait for one.
struct Undated {
    at: Stamp,
    hold_ms: u64,
    is_dating: bool,
}

impl Undated {
    fn waits(&self, order: &Order, wire: &Wire) -> bool {
        let Some(ending) = order.ending.as_ref().filter(|_| order.is_undated()) else {
            return false;
        };
        let since_ms = match ending.recorded.boot == self.at.boot {
            true => self.at.mono.since_ms(ending.recorded.mono),
            // `Mono` never crosses a run: an older order waits from the start of this one.
            false => self.at.mono.0,
        };
        let is_patient = wire.needs_dates() || since_ms < self.hold_ms;
        self.is_dating || (self.at.wall.quality == ClockQuality::Unset && is_patient)
    }
}

/// Whether an answer's connector can be the order's.
pub(super) fn at_connector(order: &Order, named: &Named<ConnectorNo>) -> bool {
    named.allows(order.connector.as_ref())
}
