//! What happens on the uplinks: on line, off line, answers and requests.

use super::{
    Site,
    alarm::AlarmKind,
    command::Command,
    entry::Entry,
    link::Link,
    passing::is_answer_to,
    questions::Purpose,
    remote::Wish,
    reports::ANNOUNCE_AGAIN_MS,
    settlement::{Outcome, at_connector},
    turn::Turn,
};
use crate::domain::{
    event::{Named, UplinkAnswer, UplinkEvent, UplinkRequest},
    id::{ConnectorNo, OrderId, OrderSeq, RequestId, Sequence, TransactionId, UplinkName},
    order::{Order, OrderState},
    reply::{PileReply, UplinkMessage, UplinkReply, Urgency},
    wire::{ErrorCode, Original},
};

impl Site {
    pub(super) fn uplink_event(&mut self, name: &UplinkName, event: UplinkEvent, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        match event {
            UplinkEvent::Connected => self.link_connected(name, turn),
            UplinkEvent::Disconnected { reason } => self.link_lost(name, reason, turn),
            UplinkEvent::LoginRefused { reason } => {
                let kind = AlarmKind::LoginRefused(name.clone());
                self.alarms.raise(kind, turn.stamp(), reason.clone());
                self.link_lost(name, format!("login refused: {reason}"), turn);
            }
            UplinkEvent::Answered { sequence, answer, at_s } => {
                link.hear(turn.now.mono);
                self.offer_time(at_s, turn);
                self.answered(name, sequence, answer, turn);
            }
            UplinkEvent::Requested { sequence, digest, request } => {
                link.hear(turn.now.mono);
                if !link.is_repetition(turn, sequence, digest) {
                    self.requested(name, sequence, request, turn);
                }
            }
        }
    }

    fn offer_time(&mut self, unix_s: i64, turn: &mut Turn) {
        if unix_s >= crate::domain::time::EARLIEST_S {
            turn.order(Command::Time { unix_s });
        }
    }

    fn link_connected(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get(name) else { return };
        if link.is_online() && !link.decides() {
            // What was under way on the link before it is sent again on this one.
            self.link_lost(name, "another connection took its place".to_owned(), turn);
        }
        let Some(link) = self.links.get_mut(name) else { return };
        link.connected(turn);
        let is_up = link.is_online();
        self.alarms.clear(&AlarmKind::LoginRefused(name.clone()));
        if is_up {
            self.link_up(name, turn);
        }
    }

    fn link_lost(&mut self, name: &UplinkName, reason: String, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        link.disconnected(turn, reason);
        if !link.decides() {
            self.calls.forget_asker(name);
        }
        self.rhythm.link_lost(name);
        let orphaned = link.questions.orphaned();
        for sequence in self.calls.forget_passes(name) {
            turn.remember(Entry::PassClosed { uplink: name.clone(), sequence });
        }
        for purpose in orphaned {
            self.unanswered(name, purpose, turn);
        }
    }

    /// A question found no answer: whoever waits is answered locally.
    fn unanswered(&mut self, name: &UplinkName, purpose: Purpose, turn: &mut Turn) {
        match purpose {
            Purpose::Authorize { pile, id, card } => self.authorize_locally(pile, id, &card, turn),
            Purpose::Start { seq, pile: Some(id) } => {
                let verdict = self.book.get(seq).map(|order| self.local_start_verdict(order));
                if let Some(verdict) = verdict {
                    self.answer_locally(seq, id, verdict, turn);
                }
            }
            Purpose::Stop { seq } => {
                if let Some(link) = self.links.get_mut(name) {
                    link.outbox.overdue(seq, turn.now.mono);
                }
            }
            Purpose::Again { .. } => self.history_answered(name),
            Purpose::Pass { pile, id, .. } => {
                let text = "the backend did not answer".to_owned();
                turn.answer(pile, id, PileReply::Error { code: ErrorCode::Internal, text });
            }
            Purpose::Start { pile: None, .. }
            | Purpose::Boot
            | Purpose::Heartbeat
            | Purpose::Transaction { .. }
            | Purpose::Resent
            | Purpose::Warning => {}
        }
    }

    /// Raises an alarm for a backend that says nothing on a link that is up.
    fn watch_silence(&mut self, name: &UplinkName, turn: &Turn) {
        let Some(link) = self.links.get(name) else { return };
        let kind = AlarmKind::Silent(name.clone());
        if !link.is_silent(turn.now.mono) {
            self.alarms.clear(&kind);
        } else if !self.alarms.stands(&kind) {
            let text = match link.decides() {
                true => "the link is up, but the backend answers nothing",
                false => "the link is up, but it confirms no order",
            };
            self.alarms.raise(kind, turn.stamp(), text.to_owned());
        }
    }

    /// Questions nobody answered in time.
    pub(super) fn expire_questions(&mut self, turn: &mut Turn) {
        let names: Vec<UplinkName> = self.links.keys().cloned().collect();
        for name in names {
            self.watch_silence(&name, turn);
            let Some(link) = self.links.get_mut(&name) else { continue };
            link.keep_alive(turn);
            for (sequence, purpose) in link.questions.expired(turn.now.mono) {
                let Some(link) = self.links.get_mut(&name) else { continue };
                match purpose {
                    // A late answer to a start still assigns its transaction id.
                    Purpose::Start { seq, pile: Some(_) } => {
                        let deadline = turn.now.mono.plus_ms(ANNOUNCE_AGAIN_MS);
                        link.questions.stop_waiting(sequence, seq, deadline);
                    }
                    Purpose::Start { seq, pile: None } => self.announce_once_more(&name, seq, turn),
                    Purpose::Authorize { .. } | Purpose::Again { .. } | Purpose::Pass { .. } => {
                        link.questions.close(sequence);
                    }
                    _ => {}
                }
                self.unanswered(&name, purpose, turn);
            }
        }
    }

    /// The backend said nothing to an announcement: what it was not told of may get lost there.
    fn announce_once_more(&mut self, name: &UplinkName, seq: OrderSeq, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        if link.announced.get(&seq).is_some_and(|announced| !announced.is_answered) {
            link.announced.remove(&seq);
            self.announce(seq, None, turn);
        }
    }

    fn answered(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        answer: UplinkAnswer,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(purpose) = link.questions.purpose(sequence).cloned() else {
            link.strays += 1;
            return;
        };
        if let UplinkAnswer::Error { code, text } = answer {
            return self.refused(name, sequence, purpose, code, &text, turn);
        }
        match (purpose, answer) {
            (Purpose::Boot, UplinkAnswer::Boot { status, time_s, interval_s }) => {
                link.questions.close(sequence);
                self.boot_answered(name, status, time_s, interval_s, turn);
            }
            (Purpose::Heartbeat, UplinkAnswer::Heartbeat)
            | (Purpose::Warning, UplinkAnswer::Warning) => {
                link.questions.close(sequence);
            }
            (
                Purpose::Authorize { pile, id, card },
                UplinkAnswer::Authorize { verdict, original },
            ) => {
                link.questions.close(sequence);
                self.authorized(pile, id, card, verdict, original, turn);
            }
            (Purpose::Start { seq, pile }, answer @ UplinkAnswer::Start { .. }) => {
                self.start_conf(name, sequence, (seq, pile), answer, turn);
            }
            (Purpose::Stop { seq }, UplinkAnswer::Stop { transaction, connector, .. }) => {
                self.stop_conf(name, sequence, seq, (&transaction, &connector), turn);
            }
            (
                Purpose::Transaction { seq },
                UplinkAnswer::Transaction { status, order, connector },
            ) => self.transaction_conf(name, sequence, seq, (status, &order, &connector), turn),
            (Purpose::Transaction { seq }, UplinkAnswer::Delivered) if link.is_delivered() => {
                self.delivered(name, sequence, seq, &Outcome::Confirmed, turn);
            }
            (Purpose::Resent, UplinkAnswer::Delivered) => {
                link.questions.close(sequence);
                link.resend.delivered();
            }
            (Purpose::Again { .. }, UplinkAnswer::Transaction { .. }) => {
                link.questions.close(sequence);
                self.history_answered(name);
            }
            (Purpose::Pass { pile, id, code }, UplinkAnswer::Other(original))
                if is_answer_to(&original, code) =>
            {
                link.questions.close(sequence);
                self.backend_answered(pile, id, original, turn);
            }
            (purpose, answer) => {
                let text = format!("{answer:?} is no answer to {purpose:?}");
                self.alarms.raise(AlarmKind::WrongAnswer(name.clone()), turn.stamp(), text);
            }
        }
    }

    fn stop_conf(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        seq: OrderSeq,
        (transaction, connector): (&Named<TransactionId>, &Named<ConnectorNo>),
        turn: &mut Turn,
    ) {
        let matches = |order: &Order| {
            let is_transaction =
                order.transaction.is_none() || transaction.allows(order.transaction.as_ref());
            is_transaction && at_connector(order, connector)
        };
        if self.is_about(name, seq, matches, turn) {
            self.delivered(name, sequence, seq, &Outcome::Confirmed, turn);
        }
    }

    fn transaction_conf(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        seq: OrderSeq,
        (status, id, connector): (i32, &Named<OrderId>, &Named<ConnectorNo>),
        turn: &mut Turn,
    ) {
        let matches = |order: &Order| id.allows(Some(&order.id)) && at_connector(order, connector);
        if self.is_about(name, seq, matches, turn) {
            let outcome = match status {
                0 => Outcome::Confirmed,
                _ => Outcome::Refused(format!("status {status}")),
            };
            self.delivered(name, sequence, seq, &outcome, turn);
        }
    }

    fn start_conf(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        (seq, pile): (OrderSeq, Option<RequestId>),
        answer: UplinkAnswer,
        turn: &mut Turn,
    ) {
        let UplinkAnswer::Start { transaction, order: id, connector, verdict, original } = answer
        else {
            return;
        };
        let matches = |order: &Order| id.allows(Some(&order.id)) && at_connector(order, &connector);
        if !self.is_about(name, seq, matches, turn) {
            return;
        }
        let Some(link) = self.links.get_mut(name) else { return };
        link.questions.close(sequence);
        if let Some(announced) = link.announced.get_mut(&seq) {
            announced.is_answered = true;
        }
        let is_primary = link.config.primary;
        let said = super::admission::StartAnswer { transaction, verdict, original };
        self.start_answered(seq, pile, said, is_primary, turn);
    }

    /// `MessageError` came instead of an answer.
    fn refused(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        purpose: Purpose,
        code: ErrorCode,
        text: &str,
        turn: &mut Turn,
    ) {
        let outcome = Outcome::Error(code, text);
        match purpose {
            Purpose::Transaction { seq } => self.delivered(name, sequence, seq, &outcome, turn),
            Purpose::Pass { pile, id, .. } => {
                if let Some(link) = self.links.get_mut(name) {
                    link.questions.close(sequence);
                }
                turn.answer(pile, id, PileReply::Error { code, text: text.to_owned() });
            }
            // A live stop that is refused may still be taken as an offline order.
            other => {
                if let Some(link) = self.links.get_mut(name) {
                    link.questions.close(sequence);
                }
                if other == Purpose::Boot {
                    self.boot_answered(name, -1, 0, 0, turn);
                } else {
                    self.unanswered(name, other, turn);
                }
            }
        }
    }

    fn boot_answered(
        &mut self,
        name: &UplinkName,
        status: i32,
        time_s: i64,
        interval_s: i32,
        turn: &mut Turn,
    ) {
        self.offer_time(time_s, turn);
        let Some(link) = self.links.get_mut(name) else { return };
        let came_up = link.booted(turn, status, interval_s);
        let refused = AlarmKind::BootRefused(name.clone());
        if status != 0 {
            let text = format!("boot refused with status {status}");
            self.alarms.raise(refused, turn.stamp(), text);
            return;
        }
        self.alarms.clear(&refused);
        if came_up {
            self.link_up(name, turn);
        }
    }

    /// The far side is back: what was kept for it; the window follows.
    fn link_up(&mut self, name: &UplinkName, turn: &mut Turn) {
        if self.links.get(name).is_some_and(Link::decides) {
            self.backend_up(name, turn);
        }
        self.fail_orphans(name, turn);
        self.fail_lost_passes(name, turn);
        self.begin_resend(name, turn);
        self.begin_rhythm(name, turn);
    }

    /// A backend is back: the tariff, warnings, running orders.
    fn backend_up(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        if link.config.primary {
            link.tell(turn, UplinkMessage::TariffRequest, Urgency::Live);
        }
        for warning in std::mem::take(&mut link.warnings) {
            link.warn(turn, warning);
        }
        let running: Vec<OrderSeq> = self
            .book
            .open()
            .filter(|order| order.state != OrderState::Interrupted)
            .map(|order| order.seq)
            .collect();
        for seq in running {
            self.announce(seq, None, turn);
        }
    }

    fn requested(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        request: UplinkRequest,
        turn: &mut Turn,
    ) {
        match request {
            UplinkRequest::RemoteStart(remote) => self.remote_start(name, sequence, &remote, turn),
            UplinkRequest::RemoteStop { transaction, connector, card, original } => {
                let (transaction, card) = (transaction.as_ref(), card.as_ref());
                let which = Wish { connector, transaction, card };
                self.remote_stop(name, sequence, &which, original.as_ref(), turn);
            }
            UplinkRequest::Tariff { id, original } => {
                self.tariff_came(name, sequence, id, original, turn);
            }
            UplinkRequest::History(query) => self.history_wanted(name, sequence, query, turn),
            UplinkRequest::Trigger { what, connector } => {
                self.triggered(name, sequence, what, connector, turn);
            }
            UplinkRequest::Cards { code, replaces_all, cards } => {
                if replaces_all {
                    self.clear_cards(turn);
                }
                for (card, verdict) in cards {
                    self.judge(card, verdict, turn);
                }
                self.reply_to(name, sequence, UplinkReply::Cards { code }, turn);
            }
            UplinkRequest::Authorize { card } => self.let_in(name, sequence, card, turn),
            UplinkRequest::Availability { connector } => {
                self.availability(name, sequence, connector, turn);
            }
            UplinkRequest::ClearCards => {
                self.clear_cards(turn);
                self.reply_to(name, sequence, UplinkReply::ClearCards, turn);
            }
            UplinkRequest::Pass(pass) => self.pass_to_pile(name, sequence, &pass, turn),
            UplinkRequest::Unsupported { code } => {
                let text = format!("message code {code} is not supported");
                let reply = UplinkReply::Error { code: ErrorCode::NotSupported, text };
                self.reply_to(name, sequence, reply, turn);
            }
        }
    }

    pub(super) fn reply_to(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        reply: UplinkReply,
        turn: &mut Turn,
    ) {
        if let Some(link) = self.links.get_mut(name) {
            link.reply(turn, sequence, reply);
        }
    }

    fn tariff_came(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        id: u64,
        original: Original,
        turn: &mut Turn,
    ) {
        let is_primary = self.links.get(name).is_some_and(|link| link.config.primary);
        self.reply_to(name, sequence, UplinkReply::Tariff { accepted: is_primary }, turn);
        if !is_primary {
            return;
        }
        let is_new = self.tariff.as_ref().is_none_or(|(_, known)| *known != original);
        let is_wanted = self.piles.values().any(|pile| pile.wants_tariff);
        if is_new {
            self.tariff = Some((id, original.clone()));
            turn.remember(Entry::TariffKept { id, original });
        }
        if is_new || is_wanted {
            self.spread_tariff(turn);
        }
    }
}
