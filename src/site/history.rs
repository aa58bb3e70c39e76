//! A backend asks for what was: orders again, or a message again.

use std::collections::VecDeque;

use super::{
    Site,
    command::{Command, Query},
    questions::Purpose,
    turn::Turn,
};
use crate::domain::{
    event::{HistoryLevel, HistoryQuery, TriggerKind},
    id::{ConnectorNo, OrderSeq, Sequence, UplinkName},
    order::{Order, OrderState},
    reply::{UplinkMessage, UplinkReply, Urgency},
    time::Mono,
    wire::ErrorCode,
};

/// Orders sent again at the same time: history must not crowd out the backlog.
const AGAIN_WINDOW: usize = 16;

/// Read from the ledger at once.
const PAGE: u16 = 64;

/// Questions for history that wait for the one being answered.
const WAITING_LIMIT: usize = 4;

/// Silence after which the next order is sent all the same.
const AGAIN_MS: u64 = 30_000;

/// Questions for history on one link: one is being answered, a few wait.
#[derive(Debug, Default)]
pub(super) struct Histories {
    run: Option<Run>,
    waiting: VecDeque<(Sequence, HistoryQuery)>,
}

#[derive(Debug)]
struct Run {
    sequence: Sequence,
    query: HistoryQuery,
    cursor: OrderSeq,
    queue: VecDeque<OrderSeq>,
    in_flight: usize,
    is_counted: bool,
    /// A page is being read; nothing to go on with until it is here.
    is_reading: bool,
    /// The last page was read.
    is_read: bool,
}

impl Histories {
    pub(super) fn holds(&self, seq: OrderSeq) -> bool {
        self.run.as_ref().is_some_and(|run| run.queue.contains(&seq))
    }
}

impl Site {
    /// A backend wants orders again.
    pub(super) fn history_wanted(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        query: HistoryQuery,
        turn: &mut Turn,
    ) {
        if query.level == HistoryLevel::Current {
            return self.running_wanted(name, sequence, query.connector, turn);
        }
        let Some(link) = self.links.get_mut(name) else { return };
        if link.histories.run.is_none() {
            return self.begin_history(name, sequence, query, turn);
        }
        if link.histories.waiting.len() < WAITING_LIMIT {
            link.histories.waiting.push_back((sequence, query));
            return;
        }
        let text = "too many questions for history at the same time".to_owned();
        link.reply(turn, sequence, UplinkReply::Error { code: ErrorCode::Internal, text });
    }

    /// Running orders are announced again: a whole order would close them at the backend.
    fn running_wanted(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        connector: Option<ConnectorNo>,
        turn: &mut Turn,
    ) {
        let running = self.running_at(connector);
        let count = u32::try_from(running.len()).unwrap_or(u32::MAX);
        self.reply_to(name, sequence, UplinkReply::History { count }, turn);
        self.announce_again(name, &running, turn);
    }

    fn running_at(&self, connector: Option<ConnectorNo>) -> Vec<OrderSeq> {
        let is_there = |order: &&Order| connector.is_none() || order.connector == connector;
        let runs = |order: &&Order| order.state != OrderState::Interrupted;
        self.book.open().filter(is_there).filter(runs).map(|order| order.seq).collect()
    }

    fn announce_again(&mut self, name: &UplinkName, running: &[OrderSeq], turn: &mut Turn) {
        for seq in running {
            if let Some(link) = self.links.get_mut(name)
                && link.knows(*seq)
            {
                link.announced.remove(seq);
            }
            self.announce(*seq, None, turn);
        }
    }

    fn begin_history(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        query: HistoryQuery,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        link.histories.run = Some(Run {
            sequence,
            query,
            cursor: OrderSeq(0),
            queue: VecDeque::new(),
            in_flight: 0,
            is_counted: false,
            is_reading: false,
            is_read: false,
        });
        self.read_history(name, turn);
    }

    fn read_history(&mut self, name: &UplinkName, turn: &mut Turn) {
        let run = self.links.get_mut(name).and_then(|link| link.histories.run.as_mut());
        let Some(run) = run else { return };
        run.is_reading = true;
        turn.order(Command::Load(Query::History {
            uplink: name.clone(),
            sequence: run.sequence,
            query: run.query,
            after: run.cursor,
            limit: PAGE,
        }));
    }

    /// A page of history has been read.
    pub(super) fn history_loaded(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        orders: Vec<Order>,
        total: u64,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(run) = link.histories.run.as_mut().filter(|run| run.sequence == sequence) else {
            return;
        };
        run.is_reading = false;
        run.is_read = orders.len() < usize::from(PAGE);
        run.cursor = orders.last().map_or(run.cursor, |order| order.seq);
        let is_first = !std::mem::replace(&mut run.is_counted, true);
        // What is still owed comes with the backlog, once.
        let again = orders
            .into_iter()
            .filter(|order| order.delivery(name).is_none_or(|delivery| !delivery.state.is_owed()));
        for order in again {
            run.queue.push_back(order.seq);
            self.book.adopt(order);
        }
        if is_first {
            let count = u32::try_from(total).unwrap_or(u32::MAX);
            link.reply(turn, sequence, UplinkReply::History { count });
        }
        self.history_on(name, turn);
    }

    /// An order sent again was answered, or its time is over.
    pub(super) fn history_answered(&mut self, name: &UplinkName) {
        let run = self.links.get_mut(name).and_then(|link| link.histories.run.as_mut());
        if let Some(run) = run {
            run.in_flight = run.in_flight.saturating_sub(1);
        }
    }

    /// Sends what there is room for; reads on, or ends.
    pub(super) fn history_on(&mut self, name: &UplinkName, turn: &mut Turn) {
        loop {
            let run = self.links.get_mut(name).and_then(|link| link.histories.run.as_mut());
            let Some(run) = run else { return };
            if run.is_reading {
                return;
            }
            let next = if run.in_flight < AGAIN_WINDOW { run.queue.pop_front() } else { None };
            let Some(seq) = next else { break };
            run.in_flight += 1;
            self.send_again(name, seq, turn);
        }
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(run) = link.histories.run.as_mut() else { return };
        let is_empty = run.queue.is_empty() && run.in_flight == 0;
        if is_empty && run.is_read {
            link.histories.run = None;
            if let Some((sequence, query)) = link.histories.waiting.pop_front() {
                self.begin_history(name, sequence, query, turn);
            }
        } else if is_empty {
            self.read_history(name, turn);
        }
    }

    fn send_again(&mut self, name: &UplinkName, seq: OrderSeq, turn: &mut Turn) {
        let pile = self.book.get(seq).map(|order| order.key.pile);
        let Some((pile, payload)) = pile.zip(self.payload_again(name, seq, turn)) else {
            return self.history_answered(name);
        };
        let Some(link) = self.links.get_mut(name) else { return };
        let deadline: Mono = turn.now.mono.plus_ms(AGAIN_MS);
        let message = UplinkMessage::Transaction { pile, payload };
        link.ask(turn, message, Urgency::Backlog, Purpose::Again { seq }, Some(deadline));
    }

    /// A backend wants a message again.
    pub(super) fn triggered(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        what: TriggerKind,
        connector: Option<ConnectorNo>,
        turn: &mut Turn,
    ) {
        let accepted = self.links.get(name).is_some_and(|link| link.can_repeat(what))
            && connector.is_none_or(|no| self.config.place(no).is_some());
        self.reply_to(name, sequence, UplinkReply::Trigger { accepted }, turn);
        if !accepted {
            return;
        }
        match what {
            TriggerKind::Boot => {
                if let Some(link) = self.links.get_mut(name) {
                    link.ask(turn, UplinkMessage::Boot, Urgency::Live, Purpose::Boot, None);
                }
            }
            TriggerKind::Heartbeat => {
                if let Some(link) = self.links.get_mut(name) {
                    link.heartbeat(turn);
                }
            }
            TriggerKind::Tariff => {
                if let Some(link) = self.links.get_mut(name) {
                    link.tell(turn, UplinkMessage::TariffRequest, Urgency::Live);
                }
            }
            TriggerKind::Start => {
                let running = self.running_at(connector);
                self.announce_again(name, &running, turn);
            }
            TriggerKind::Progress => self.progress_again(connector, turn),
            TriggerKind::Status => self.status_again(name, connector, turn),
            TriggerKind::Telemetry => self.telemetry_again(connector, turn),
            // The window is being filled anyway; nothing is sent twice for being asked for.
            TriggerKind::Transactions | TriggerKind::Other => {}
        }
    }

    fn progress_again(&mut self, connector: Option<ConnectorNo>, turn: &mut Turn) {
        for seq in self.running_at(connector) {
            if let Some(original) = self.last_progress.get(&seq).cloned() {
                self.pass_progress(seq, &original, turn);
            }
        }
    }

    fn status_again(&mut self, name: &UplinkName, connector: Option<ConnectorNo>, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        for (code, pile) in &self.piles {
            for (plug, state) in &pile.status {
                let at = self.config.connector(*code, *plug);
                if let Some(no) = at.filter(|no| connector.is_none_or(|wanted| wanted == *no)) {
                    let message =
                        UplinkMessage::Status { pile: *code, connector: no, state: *state };
                    link.tell(turn, message, Urgency::Live);
                }
            }
        }
    }

    fn telemetry_again(&mut self, connector: Option<ConnectorNo>, turn: &mut Turn) {
        let place = connector.and_then(|no| self.config.place(no));
        let known: Vec<_> = self
            .piles
            .iter()
            .flat_map(|(code, pile)| {
                pile.telemetry.iter().map(|(plug, last)| (*code, *plug, last.clone()))
            })
            .filter(|(code, plug, _)| {
                place.is_none_or(|(pile, at)| (*code, *plug) == (pile, Some(at)))
            })
            .collect();
        for (pile, plug, original) in known {
            self.pass_telemetry(pile, plug, &original, turn);
        }
        self.metered_again(connector, turn);
    }
}
