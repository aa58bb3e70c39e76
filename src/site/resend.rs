//! Orders sent again although they are confirmed: where the transport confirms, the far side may
//! have had the last ones in its memory only when the link broke.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Site,
    command::{Command, Query},
    questions::Purpose,
    turn::Turn,
};
use crate::domain::{
    id::{OrderSeq, PileCode, UplinkName},
    order::Order,
    reply::{UplinkMessage, Urgency},
    time::Stamp,
};

/// Under way at the same time and not confirmed. Further ones wait for these, and the backlog goes
/// on meanwhile: a far side that takes minutes to confirm holds nothing up for hours.
pub(super) const RESENT_WINDOW: usize = 1024;

/// Read from the ledger at once. Twice that of a backlog: each page is found by reading the journal
/// back from the last confirmation.
const PAGE: u16 = 512;

/// What is sent again on one link.
#[derive(Debug, Default)]
pub(super) struct Resend {
    run: Option<Run>,
    under_way: usize,
    /// When the first link came up on which not everything has arrived: what it was to resend is
    /// older than what was confirmed on it.
    owing: Option<Stamp>,
}

#[derive(Debug)]
struct Run {
    /// Confirmed before this link came up.
    until: Stamp,
    /// What comes after that.
    then: Option<Stamp>,
    cursor: OrderSeq,
    queue: VecDeque<(PileCode, Bytes)>,
    /// A page is being read.
    is_reading: bool,
    /// The last page was read.
    is_read: bool,
}

impl Resend {
    /// Whether the backlog has to wait for it.
    pub(super) const fn goes_first(&self) -> bool {
        self.run.is_some() && self.under_way < RESENT_WINDOW
    }

    pub(super) fn delivered(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.note_end();
    }

    /// Ends with its link; what has not arrived is still owed.
    pub(super) fn link_lost(&mut self) {
        (self.run, self.under_way) = (None, 0);
    }

    fn begin(&mut self, since: Stamp) {
        let first = *self.owing.get_or_insert(since);
        self.under_way = 0;
        self.run = Some(Run::new(first, (first != since).then_some(since)));
    }

    /// Goes on to the next part, or ends.
    fn turn_over(&mut self) {
        let over = self.run.take_if(|run| run.is_read && run.queue.is_empty());
        if let Some(until) = over.and_then(|run| run.then) {
            self.run = Some(Run::new(until, None));
        }
        self.note_end();
    }

    fn note_end(&mut self) {
        if self.run.is_none() && self.under_way == 0 {
            self.owing = None;
        }
    }
}

impl Run {
    fn new(until: Stamp, then: Option<Stamp>) -> Self {
        let (cursor, queue) = (OrderSeq(0), VecDeque::new());
        Self { until, then, cursor, queue, is_reading: false, is_read: false }
    }
}

impl Site {
    /// A link is up: what was confirmed last on the one before goes again.
    pub(super) fn begin_resend(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        if link.config.wire.resend_ms().is_none() {
            return;
        }
        link.resend.begin(link.since);
        self.read_recent(name, turn);
    }

    /// Reads the next page once the one before has gone.
    fn read_recent(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(within_ms) = link.config.wire.resend_ms() else { return };
        let Some(run) = &mut link.resend.run else { return };
        if run.is_reading || run.is_read || !run.queue.is_empty() {
            return;
        }
        run.is_reading = true;
        let (uplink, until, after) = (name.clone(), run.until, run.cursor);
        turn.order(Command::Load(Query::Recent { uplink, within_ms, until, after, limit: PAGE }));
    }

    /// A page of confirmed orders has been read.
    pub(super) fn recent_loaded(
        &mut self,
        name: &UplinkName,
        (until, after): (Stamp, OrderSeq),
        orders: &[Order],
    ) {
        let Some(link) = self.links.get_mut(name) else { return };
        let Some(run) = &mut link.resend.run else { return };
        // An answer to a question of an earlier link is not waited for.
        if !run.is_reading || (run.until, run.cursor) != (until, after) {
            return;
        }
        run.is_reading = false;
        run.is_read = orders.len() < usize::from(PAGE);
        run.cursor = orders.last().map_or(run.cursor, |order| order.seq);
        let copies = orders.iter().filter_map(|order| {
            let payload = order.delivery(name)?.payload.clone()?;
            Some((order.key.pile, payload))
        });
        run.queue.extend(copies);
    }

    /// Sends what there is room for.
    pub(super) fn resend_on(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get_mut(name) else { return };
        while link.resend.goes_first() && link.pace.allows(turn.now.mono) {
            let copy = link.resend.run.as_mut().and_then(|run| run.queue.pop_front());
            let Some((pile, payload)) = copy else { break };
            link.resend.under_way += 1;
            link.pace.took(turn.now.mono);
            let message = UplinkMessage::Transaction { pile, payload };
            link.ask(turn, message, Urgency::Backlog, Purpose::Resent, None);
        }
        link.resend.turn_over();
        self.read_recent(name, turn);
    }
}
