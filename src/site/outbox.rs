//! What one uplink is owed: a bounded window over the ledger.

use std::collections::{BTreeMap, BTreeSet};

use super::{Confirmation, resend::RESENT_WINDOW, restore::Owed};
use crate::domain::{
    id::{OrderSeq, Place},
    reply::Urgency,
    time::Mono,
};

/// Widest window. An order takes one round trip where the backend's broker hands it over at
/// PUBLISH and two where it waits for PUBREL, so this many move ten thousand orders in some
/// thirty or sixty of them, in half a megabyte of memory. The answers may queue up at that
/// broker, which commonly keeps a thousand for a client and drops more.
pub const WINDOW_LIMIT: usize = 512;

/// The window where the transport confirms: fixed, for it does the repeating. A confirmation may
/// take two minutes, two heartbeats of the far side; this many then move 30,000 orders, a month of
/// a large site, in an hour.
pub const DELIVERED_WINDOW: usize = 1024;

/// Orders under way beside that window that went when they were recorded: they wait for no backlog.
/// Above it they go with the backlog.
pub const LIVE_ORDERS_LIMIT: usize = 256;

/// Orders under way on one link, at most: whoever carries them has room for as many, since where
/// the transport confirms none of them is said twice.
pub const UNDER_WAY_LIMIT: usize = DELIVERED_WINDOW + LIVE_ORDERS_LIMIT + RESENT_WINDOW;

/// The window after a start or a loss: a backend that has just come up is not overrun.
const NARROWEST: usize = 16;

/// Read from the ledger at once.
pub(super) const LOAD_LIMIT: u16 = 256;

/// Silence before the first repetition of an offline order.
const RESEND_MS: u64 = 30_000;

/// Longest silence between repetitions.
const RESEND_MOST_MS: u64 = 600_000;

/// Refusals in a row that stop the draining: a backend with a broken store must not quarantine
/// everything.
const REFUSALS_LIMIT: u32 = 5;

/// How long draining stays stopped.
const REFUSED_PAUSE_MS: u64 = 600_000;

/// Between two reads that found nothing, though something is owed: it may just be on its way.
const EMPTY_LOAD_MS: u64 = 200;

/// An order that waits for its turn; sorts by the order of recording.
pub(super) type Waiting = (Place, OrderSeq);

/// An order that is being delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InFlight {
    place: Place,
    attempts: u32,
    urgency: Urgency,
    /// When silence has lasted long enough; `None`: it is sent once on a link.
    deadline: Option<Mono>,
}

#[derive(Debug)]
pub(super) struct Outbox {
    confirmation: Confirmation,
    window: BTreeMap<OrderSeq, InFlight>,
    /// In memory and not sent on this link.
    ready: BTreeSet<Waiting>,
    /// Answered since the ledger was asked, whose answer may still show them as owed. At most a
    /// window and what goes live meanwhile.
    answered: BTreeSet<OrderSeq>,
    cursor: Place,
    is_loading: bool,
    load_after: Mono,
    width: usize,
    refusals: u32,
    paused_until: Option<Mono>,
    pub(super) owed: Owed,
    /// Confirmations since the link came up, for the estimate of the time to go.
    pub(super) confirmed: u64,
    pub(super) draining_since: Option<Mono>,
}

impl Outbox {
    pub(super) fn restore(owed: Owed, confirmation: Confirmation) -> Self {
        Self {
            confirmation,
            window: BTreeMap::new(),
            ready: BTreeSet::new(),
            answered: BTreeSet::new(),
            cursor: Place(0),
            is_loading: false,
            load_after: Mono(0),
            width: narrowest(confirmation),
            refusals: 0,
            paused_until: None,
            owed,
            confirmed: 0,
            draining_since: None,
        }
    }

    pub(super) fn holds(&self, seq: OrderSeq) -> bool {
        self.window.contains_key(&seq) || self.ready.iter().any(|(_, ready)| *ready == seq)
    }

    /// An order was recorded: it is owed from now on. Goes into memory only where nothing older
    /// waits on disk, so that the order of recording is kept.
    pub(super) fn add(&mut self, order: Waiting, recorded_unix_ms: i64) {
        let nothing_on_disk = self.on_disk() == 0;
        self.owed.orders += 1;
        self.owed.oldest_unix_ms.get_or_insert(recorded_unix_ms);
        if nothing_on_disk && self.ready.len() < WINDOW_LIMIT {
            self.ready.insert(order);
        }
    }

    fn on_disk(&self) -> u64 {
        let in_memory = u64::try_from(self.window.len() + self.ready.len()).unwrap_or(u64::MAX);
        self.owed.orders.saturating_sub(in_memory)
    }

    /// Whether an order that was just recorded may go ahead of the window.
    pub(super) fn has_live_room(&self) -> bool {
        let live = self.window.values().filter(|flight| flight.urgency == Urgency::Live);
        live.count() < LIVE_ORDERS_LIMIT
    }

    /// An order is sent when it is recorded, ahead of the window.
    pub(super) fn sent_live(&mut self, order: Waiting, deadline: Option<Mono>) {
        self.ready.remove(&order);
        let (place, seq) = order;
        let urgency = Urgency::Live;
        self.window.insert(seq, InFlight { place, attempts: 1, urgency, deadline });
    }

    /// Orders read from the ledger; gives those that were not in memory.
    pub(super) fn loaded(&mut self, now: Mono, asked: u16, orders: &[Waiting]) -> Vec<OrderSeq> {
        if !std::mem::take(&mut self.is_loading) {
            // Asked for before memory was restored.
            return Vec::new();
        }
        match orders.last() {
            Some((last, _)) if orders.len() == usize::from(asked) => self.cursor = *last,
            _ => {
                // The end of the ledger: what is still owed comes from its beginning.
                self.cursor = Place(0);
                self.load_after = now.plus_ms(EMPTY_LOAD_MS);
            }
        }
        let answered = std::mem::take(&mut self.answered);
        let is_fresh = |(_, seq): &Waiting| !self.holds(*seq) && !answered.contains(seq);
        let fresh: Vec<Waiting> = orders.iter().copied().filter(is_fresh).collect();
        self.ready.extend(&fresh);
        fresh.into_iter().map(|(_, seq)| seq).collect()
    }

    /// Where to read on, if the window will want more.
    pub(super) fn wants_load(&mut self, now: Mono) -> Option<Place> {
        (self.is_hungry() && self.load_after <= now && !self.is_paused(now)).then(|| {
            self.is_loading = true;
            self.cursor
        })
    }

    fn is_hungry(&self) -> bool {
        // Half of the widest window is read sooner than the other half is confirmed.
        let enough = self.width.min(WINDOW_LIMIT);
        !self.is_loading && self.ready.len() < enough && self.on_disk() > 0
    }

    pub(super) fn is_paused(&self, now: Mono) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// Ends a pause whose time is over; `true` if it just ended.
    pub(super) fn unpause(&mut self, now: Mono) -> bool {
        let over = self.paused_until.is_some_and(|until| until <= now);
        if over {
            self.paused_until = None;
        }
        over
    }

    /// The next orders to send now: silent ones again, then new ones, oldest first.
    pub(super) fn due(&self, now: Mono) -> Vec<OrderSeq> {
        if self.is_paused(now) {
            return Vec::new();
        }
        let is_silent = |flight: &InFlight| flight.deadline.is_some_and(|at| at <= now);
        let silent = self.window.iter().filter(|(_, flight)| is_silent(flight));
        let room = self.width.saturating_sub(self.window.len());
        silent
            .map(|(seq, _)| *seq)
            .chain(self.ready.iter().take(room).map(|(_, seq)| *seq))
            .collect()
    }

    /// An order was sent as an offline order.
    pub(super) fn sent(&mut self, order: Waiting, now: Mono) -> u32 {
        self.ready.remove(&order);
        let (place, seq) = order;
        self.draining_since.get_or_insert(now);
        let attempts = self.window.get(&seq).map_or(0, |flight| flight.attempts);
        if attempts > 0 {
            // Somebody is silent: the link or the backend has less room than thought.
            self.width = (self.width / 2).max(narrowest(self.confirmation));
        }
        let deadline = match self.confirmation {
            Confirmation::Answered => Some(now.plus_ms(patience_ms(attempts))),
            // The transport repeats, or the link ends.
            Confirmation::Delivered | Confirmation::None => None,
        };
        let urgency = Urgency::Backlog;
        let flight = InFlight { place, attempts: attempts + 1, urgency, deadline };
        self.window.insert(seq, flight);
        attempts + 1
    }

    /// A live stop was not answered: the order goes the offline way at once.
    pub(super) fn overdue(&mut self, seq: OrderSeq, now: Mono) {
        if let Some(flight) = self.window.remove(&seq) {
            self.ready.insert((flight.place, seq));
            self.load_after = self.load_after.max(now);
        }
    }

    /// The backend asked to be given time with this one.
    pub(super) fn postponed(&mut self, seq: OrderSeq, now: Mono) {
        if let Some(flight) = self.window.get_mut(&seq) {
            flight.deadline = Some(now.plus_ms(patience_ms(flight.attempts)));
        }
    }

    pub(super) fn confirmed(&mut self, seq: OrderSeq) -> u32 {
        self.refusals = 0;
        self.paused_until = None;
        self.width = (self.width + 1).min(widest(self.confirmation));
        self.confirmed += u64::from(self.draining_since.is_some());
        self.done(seq)
    }

    /// Counts a refusal; `true` if draining stops now.
    pub(super) fn refused(&mut self, now: Mono) -> bool {
        self.refusals += 1;
        let stop = self.refusals >= REFUSALS_LIMIT;
        if stop {
            self.refusals = 0;
            self.paused_until = Some(now.plus_ms(REFUSED_PAUSE_MS));
        }
        stop
    }

    /// An order is not owed any more; gives its attempts.
    pub(super) fn done(&mut self, seq: OrderSeq) -> u32 {
        self.ready.retain(|(_, ready)| *ready != seq);
        if self.is_loading {
            self.answered.insert(seq);
        }
        let attempts = self.window.remove(&seq).map_or(0, |flight| flight.attempts);
        self.owed.orders = self.owed.orders.saturating_sub(1);
        if self.owed.orders == 0 {
            self.owed.oldest_unix_ms = None;
            self.draining_since = None;
            self.confirmed = 0;
        }
        attempts
    }

    /// The ledger has counted anew.
    pub(super) fn refresh(&mut self, owed: Owed) {
        self.owed = owed;
        // What it has put among the others is found from the beginning.
        self.cursor = Place(0);
    }

    /// An operator wants it sent again, whatever was said of it.
    pub(super) fn requeued(&mut self, order: Waiting, recorded_unix_ms: i64) {
        self.answered.remove(&order.1);
        self.paused_until = None;
        self.add(order, recorded_unix_ms);
    }

    /// Nothing that was under way counts any more; everything is sent again.
    pub(super) fn link_lost(&mut self) {
        let held = std::mem::take(&mut self.window);
        self.ready.extend(held.into_iter().map(|(seq, flight)| (flight.place, seq)));
        self.width = narrowest(self.confirmation);
        self.draining_since = None;
        self.confirmed = 0;
    }

    pub(super) fn window_len(&self) -> usize {
        self.window.len()
    }

    /// Orders that are held in memory for this uplink.
    pub(super) fn in_memory(&self) -> usize {
        self.window.len() + self.ready.len()
    }

    /// The oldest that is owed, if it is in memory.
    pub(super) fn oldest(&self) -> Option<OrderSeq> {
        let under_way = self.window.iter().map(|(seq, flight)| (flight.place, *seq));
        let (place, seq) = under_way.chain(self.ready.first().copied()).min()?;
        // Whatever lies before the cursor has been read.
        (self.on_disk() == 0 || place <= self.cursor).then_some(seq)
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        if let Some(until) = self.paused_until {
            return Some(until);
        }
        let silent = self.window.values().filter_map(|flight| flight.deadline).min();
        let load = self.is_hungry().then_some(self.load_after);
        silent.into_iter().chain(load).min()
    }
}

/// The width after a start or a loss.
const fn narrowest(confirmation: Confirmation) -> usize {
    match confirmation {
        Confirmation::Answered => NARROWEST,
        Confirmation::Delivered | Confirmation::None => DELIVERED_WINDOW,
    }
}

const fn widest(confirmation: Confirmation) -> usize {
    match confirmation {
        Confirmation::Answered => WINDOW_LIMIT,
        Confirmation::Delivered | Confirmation::None => DELIVERED_WINDOW,
    }
}

/// How long to wait for an answer after that many attempts without one: twice as long each time.
fn patience_ms(attempts: u32) -> u64 {
    let doubled = 1_u64.checked_shl(attempts).unwrap_or(u64::MAX);
    RESEND_MS.saturating_mul(doubled).min(RESEND_MOST_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Mono = Mono(1000);
    const FIRST: Waiting = (Place(1), OrderSeq(8));
    const SECOND: Waiting = (Place(2), OrderSeq(7));

    fn loading(orders: u64) -> Outbox {
        let owed = Owed { orders, oldest_unix_ms: Some(0) };
        let mut outbox = Outbox::restore(owed, Confirmation::Answered);
        assert_eq!(outbox.wants_load(NOW), Some(Place(0)));
        outbox
    }

    #[test]
    fn what_was_answered_while_the_ledger_was_read_is_not_sent_again() {
        let mut outbox = loading(2);
        assert_eq!(outbox.loaded(NOW, 2, &[FIRST]), [FIRST.1]);
        outbox.sent(FIRST, NOW);
        let later = NOW.plus_ms(EMPTY_LOAD_MS);
        assert_eq!(outbox.wants_load(later), Some(Place(0)));
        outbox.confirmed(FIRST.1);
        assert_eq!(outbox.loaded(later, 2, &[FIRST, SECOND]), [SECOND.1]);
        assert_eq!((outbox.due(later), outbox.owed.orders), (vec![SECOND.1], 1));
    }

    #[test]
    fn an_answer_to_a_question_of_an_earlier_life_is_not_heard() {
        let owed = Owed { orders: 1, oldest_unix_ms: Some(0) };
        let mut outbox = Outbox::restore(owed, Confirmation::Answered);
        assert_eq!(outbox.loaded(NOW, 2, &[FIRST]), []);
    }

    #[test]
    fn where_the_transport_confirms_an_order_is_sent_once_on_a_link_however_long_it_is_silent() {
        let owed = Owed { orders: 2, oldest_unix_ms: Some(0) };
        let mut outbox = Outbox::restore(owed, Confirmation::Delivered);
        assert_eq!(outbox.wants_load(NOW), Some(Place(0)));
        outbox.loaded(NOW, 2, &[FIRST, SECOND]);
        assert_eq!(outbox.due(NOW), [FIRST.1, SECOND.1]);
        outbox.sent(FIRST, NOW);
        outbox.sent(SECOND, NOW);
        let much_later = NOW.plus_ms(30 * 86_400_000);
        assert_eq!((outbox.due(much_later), outbox.deadline()), (vec![], None));
        outbox.confirmed(SECOND.1);
        outbox.link_lost();
        assert_eq!(outbox.due(much_later), [FIRST.1], "put back, and only what is owed");
    }

    #[test]
    fn more_live_orders_than_have_room_go_with_the_backlog() {
        let mut outbox = Outbox::restore(Owed::default(), Confirmation::Delivered);
        let orders = (1..).map(|number| (Place(number), OrderSeq(number)));
        for order in orders.take(LIVE_ORDERS_LIMIT + 1) {
            outbox.add(order, 0);
            if outbox.has_live_room() {
                outbox.sent_live(order, None);
            }
        }
        let last = OrderSeq(u64::try_from(LIVE_ORDERS_LIMIT + 1).unwrap_or_default());
        assert_eq!(outbox.due(NOW), [last], "which has room of its own");
    }
}
