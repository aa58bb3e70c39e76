//! What waits to be sent on one uplink: what is live first; then backlog and telemetry in turn, so
//! that a month of orders does not hide the present, nor a busy site its orders.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use tokio::sync::Notify;

use super::counters::{Counters, one};
use crate::{
    domain::reply::{ToUplink, UplinkMessage, Urgency},
    site::{LIVE_ORDERS_LIMIT, UNDER_WAY_LIMIT, WINDOW_LIMIT},
};

/// Requests and answers that may wait: each connector has a few at a time, and the site asks
/// again for what gets lost.
const LIVE_LIMIT: usize = 1024;

/// Orders among the live messages have room of their own, as many as the site sends: where the
/// transport confirms, one that is dropped is not sent again while the link stands.
const LIVE_LIMIT_OF_ORDERS: usize = LIVE_LIMIT + LIVE_ORDERS_LIMIT;

/// All that is under way on a link whose transport confirms: nothing is said twice there. It is
/// more than a whole window of unanswered orders and each of them once more after its deadline.
const BACKLOG_LIMIT: usize = UNDER_WAY_LIMIT;
const _: () = assert!(BACKLOG_LIMIT >= 2 * WINDOW_LIMIT);

/// A moment's values of 200 piles; older ones are worth nothing.
const TELEMETRY_LIMIT: usize = 512;

/// A message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The link is down.
    #[error("the link is down")]
    Down,
    /// Too much waits already.
    #[error("no room")]
    Full,
}

/// The queues of one uplink; cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    filled: Notify,
    overrun: Notify,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Queues {
    is_open: bool,
    /// An order was not taken for want of room.
    is_overrun: bool,
    live: VecDeque<ToUplink>,
    backlog: VecDeque<ToUplink>,
    telemetry: VecDeque<ToUplink>,
    /// The last one that was not live was an order of the backlog.
    was_backlog: bool,
}

impl Outbox {
    /// A closed outbox; the link opens it when it is connected.
    #[must_use]
    pub fn new(counters: Arc<Counters>) -> Self {
        let queues = Mutex::new(Queues::default());
        Self {
            shared: Arc::new(Shared {
                queues,
                filled: Notify::new(),
                overrun: Notify::new(),
                counters,
            }),
        }
    }

    /// Takes a message; never blocks. A message told while the link is down is meant for a
    /// connection that has ended.
    ///
    /// # Errors
    ///
    /// If it was not taken. Telemetry is always taken; the oldest gives way.
    pub fn push(&self, message: ToUplink) -> Result<(), Refused> {
        let taken = self.queues().push(message, &self.shared.counters);
        match taken {
            Ok(()) => self.shared.filled.notify_one(),
            Err(_) => {
                one(&self.shared.counters.shed);
                self.shared.overrun.notify_one();
            }
        }
        taken
    }

    /// Returns when an order has found no room since the outbox was opened. The site sends no more
    /// than there is room for, but what it sent before it forgot everything, for a ledger that took
    /// nothing, may still wait here. Where the transport confirms, only another link brings such an
    /// order back.
    pub(super) async fn overrun(&self) {
        while !self.queues().is_overrun {
            self.shared.overrun.notified().await;
        }
    }

    pub(super) fn open(&self) {
        let mut queues = self.queues();
        *queues = Queues { is_open: true, ..Queues::default() };
    }

    pub(super) fn close(&self) {
        let old = std::mem::take(&mut *self.queues());
        let lost = old.live.len() + old.backlog.len() + old.telemetry.len();
        let lost = u64::try_from(lost).unwrap_or(u64::MAX);
        self.shared.counters.shed.fetch_add(lost, Ordering::Relaxed);
    }

    /// The next message, if there is one. Only the link calls it.
    pub(super) fn take(&self) -> Option<ToUplink> {
        self.queues().pop()
    }

    /// The next message; waits for one. Only the link calls it.
    pub(super) async fn next(&self) -> ToUplink {
        loop {
            if let Some(message) = self.take() {
                return message;
            }
            self.shared.filled.notified().await;
        }
    }

    /// Whether nothing that matters waits.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let queues = self.queues();
        queues.live.is_empty() && queues.backlog.is_empty()
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn push(&mut self, message: ToUplink, counters: &Counters) -> Result<(), Refused> {
        if !self.is_open {
            return Err(Refused::Down);
        }
        let is_order = matches!(message.message, UplinkMessage::Transaction { .. });
        let (queue, limit) = match message.urgency {
            Urgency::Live if is_order => (&mut self.live, LIVE_LIMIT_OF_ORDERS),
            Urgency::Live => (&mut self.live, LIVE_LIMIT),
            Urgency::Backlog => (&mut self.backlog, BACKLOG_LIMIT),
            Urgency::Telemetry => (&mut self.telemetry, TELEMETRY_LIMIT),
        };
        if queue.len() >= limit {
            if message.urgency != Urgency::Telemetry {
                self.is_overrun |= is_order;
                return Err(Refused::Full);
            }
            queue.pop_front();
            one(&counters.shed);
        }
        queue.push_back(message);
        Ok(())
    }

    fn pop(&mut self) -> Option<ToUplink> {
        if let Some(live) = self.live.pop_front() {
            return Some(live);
        }
        let is_telemetry =
            !self.telemetry.is_empty() && (self.was_backlog || self.backlog.is_empty());
        self.was_backlog = !is_telemetry;
        if is_telemetry { self.telemetry.pop_front() } else { self.backlog.pop_front() }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use bytes::Bytes;

    use crate::domain::id::{PileCode, Sequence};

    fn message(sequence: usize, urgency: Urgency) -> ToUplink {
        let sequence = Sequence(u64::try_from(sequence).unwrap());
        ToUplink { sequence, message: UplinkMessage::Heartbeat, urgency }
    }

    fn open() -> Outbox {
        let outbox = Outbox::new(Arc::default());
        outbox.open();
        outbox
    }

    #[test]
    fn live_goes_first_and_the_rest_takes_turns() {
        let outbox = open();
        let (live, backlog, telemetry) = (Urgency::Live, Urgency::Backlog, Urgency::Telemetry);
        for (sequence, urgency) in [
            (1, telemetry),
            (2, telemetry),
            (3, backlog),
            (4, backlog),
            (5, backlog),
            (6, live),
            (7, live),
        ] {
            outbox.push(message(sequence, urgency)).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| outbox.queues().pop())
            .map(|message| message.sequence.0)
            .collect();
        assert_eq!(order, [6, 7, 3, 1, 4, 2, 5]);
    }

    #[test]
    fn every_queue_has_its_limit_and_the_oldest_telemetry_gives_way() {
        let outbox = open();
        for sequence in 0..TELEMETRY_LIMIT + 3 {
            outbox.push(message(sequence, Urgency::Telemetry)).unwrap();
        }
        assert_eq!(outbox.queues().telemetry.len(), TELEMETRY_LIMIT);
        assert_eq!(outbox.queues().pop().unwrap().sequence, Sequence(3));
        for (urgency, limit) in [(Urgency::Live, LIVE_LIMIT), (Urgency::Backlog, BACKLOG_LIMIT)] {
            for sequence in 0..limit {
                outbox.push(message(sequence, urgency)).unwrap();
            }
            assert_eq!(outbox.push(message(0, urgency)), Err(Refused::Full));
        }
        assert_eq!(outbox.shared.counters.counts().shed, 3 + 2);
    }

    #[test]
    fn messages_that_may_be_lost_take_no_room_from_live_orders() {
        let outbox = open();
        for sequence in 0..LIVE_LIMIT {
            outbox.push(message(sequence, Urgency::Live)).unwrap();
        }
        assert_eq!(outbox.push(message(0, Urgency::Live)), Err(Refused::Full));
        let pile = PileCode::new("3101150012000001").unwrap();
        let order = UplinkMessage::Transaction { pile, payload: Bytes::new() };
        let order = || ToUplink { message: order.clone(), ..message(0, Urgency::Live) };
        for _ in 0..LIVE_ORDERS_LIMIT {
            outbox.push(order()).unwrap();
        }
        assert_eq!(outbox.push(order()), Err(Refused::Full), "the site sends no more of them");
    }

    #[tokio::test]
    async fn an_order_that_found_no_room_is_known_until_the_next_link() {
        let outbox = open();
        let pile = PileCode::new("3101150012000001").unwrap();
        let order = UplinkMessage::Transaction { pile, payload: Bytes::new() };
        let order = || ToUplink { message: order.clone(), ..message(0, Urgency::Backlog) };
        for _ in 0..BACKLOG_LIMIT {
            outbox.push(order()).unwrap();
        }
        let is_overrun = async || {
            let now = std::time::Duration::ZERO;
            tokio::time::timeout(now, outbox.overrun()).await.is_ok()
        };
        assert_eq!(outbox.push(message(0, Urgency::Backlog)), Err(Refused::Full));
        assert!(!is_overrun().await, "the rest may be lost");
        assert_eq!(outbox.push(order()), Err(Refused::Full));
        assert!(is_overrun().await);
        outbox.close();
        outbox.open();
        assert!(!is_overrun().await);
    }

    #[test]
    fn what_was_meant_for_an_ended_connection_is_not_sent_on_the_next() {
        let outbox = Outbox::new(Arc::default());
        assert_eq!(outbox.push(message(1, Urgency::Live)), Err(Refused::Down));
        outbox.open();
        outbox.push(message(2, Urgency::Live)).unwrap();
        outbox.close();
        outbox.open();
        assert!(outbox.is_drained());
    }
}
