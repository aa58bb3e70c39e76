//! The orders in memory: those that run, those being delivered, and the newest ended ones.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{BATCH_LIMIT, entry::Entry, restore::Image, turn::Turn};
use crate::domain::{
    dating::{Calendar, Epoch},
    id::{
        ConnectorNo, OrderId, OrderSeq, PileCode, Place, PlugNo, RecordNo, TransactionId,
        UplinkName,
    },
    order::{DeliveryState, Ending, Order, OrderState, Progress},
    quantity::{Energy, Money},
    time::{BootId, ClockQuality, Mono},
};

/// Ended orders kept for inputs of the same batch, which were looked up before the batch began.
const RECENT_LIMIT: usize = 2 * BATCH_LIMIT;

/// Readings of a running order that are kept are at least this far apart: flash wears out, and an
/// interrupted order loses at most this much.
const KEEP_PROGRESS_MS: u64 = 60_000;

/// Open orders of one pile. It has a few connectors, and the interrupted orders of an hour beside
/// those that run; a pile that begins more is not to slow the others down.
const OPEN_LIMIT: usize = 32;

/// Disputes remembered to recognise a repeated one; a forgotten one is recorded once more.
const DISPUTES_LIMIT: usize = 256;

#[derive(Debug)]
pub(super) struct Book {
    orders: BTreeMap<OrderSeq, Order>,
    last: OrderSeq,
    last_place: Place,
    recent: VecDeque<OrderSeq>,
    kept: BTreeMap<OrderSeq, Mono>,
    disputes: BTreeMap<OrderSeq, Ending>,
    sweep_above: usize,
    /// Runs as the ledger dates them; what was read before it did is dated here.
    calendar: Calendar,
    pub(super) total: u64,
    pub(super) unsettled: u64,
}

impl Book {
    pub(super) fn restore(image: &Image) -> Self {
        Self {
            orders: image.open.iter().map(|order| (order.seq, order.clone())).collect(),
            last: image.last_seq,
            last_place: image.last_place,
            recent: VecDeque::new(),
            kept: BTreeMap::new(),
            disputes: BTreeMap::new(),
            sweep_above: 4 * RECENT_LIMIT,
            calendar: image.calendar.clone(),
            total: image.orders,
            unsettled: image.unsettled,
        }
    }

    pub(super) fn get(&self, seq: OrderSeq) -> Option<&Order> {
        self.orders.get(&seq)
    }

    pub(super) fn get_mut(&mut self, seq: OrderSeq) -> Option<&mut Order> {
        self.orders.get_mut(&seq)
    }

    pub(super) fn len(&self) -> usize {
        self.orders.len()
    }

    /// When an ended order was recorded; `None`: it is not in memory, or no clock knew it.
    pub(super) fn recorded_unix_ms(&self, seq: OrderSeq) -> Option<i64> {
        let wall = self.get(seq)?.ending.as_ref()?.recorded.wall;
        (wall.quality != ClockQuality::Unset).then_some(wall.unix_ms)
    }

    /// What the ledger has done to many orders at once is taken over.
    pub(super) fn refresh(&mut self, image: &Image) {
        (self.total, self.unsettled) = (image.orders, image.unsettled);
        self.last_place = self.last_place.max(image.last_place);
        self.calendar.clone_from(&image.calendar);
        self.orders.values_mut().for_each(|order| order.date_by(&image.calendar));
    }

    pub(super) fn open(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter(|order| order.state.is_open())
    }

    pub(super) fn open_of(&self, pile: PileCode) -> impl Iterator<Item = &Order> {
        self.open().filter(move |order| order.key.pile == pile)
    }

    /// The open order to be closed before the pile begins another one, if it has too many: rather
    /// an interrupted one, or one at no connector, than one that runs.
    pub(super) fn surplus_of(&self, pile: PileCode) -> Option<OrderSeq> {
        let open = || self.open_of(pile);
        let runs = |order: &&Order| {
            (order.state != OrderState::Interrupted, order.connector.is_some(), order.seq)
        };
        (open().count() >= OPEN_LIMIT).then(|| open().min_by_key(runs))?.map(|order| order.seq)
    }

    pub(super) fn open_at(&self, connector: ConnectorNo) -> Option<&Order> {
        self.open().filter(|order| order.connector == Some(connector)).last()
    }

    /// The running order with this record number, rather the one at this connector.
    pub(super) fn running(
        &self,
        pile: PileCode,
        record: &RecordNo,
        plug: PlugNo,
    ) -> Option<OrderSeq> {
        let named = self.open_of(pile).filter(|order| order.key.record == *record);
        named.max_by_key(|order| (order.plug == Some(plug), order.seq)).map(|order| order.seq)
    }

    pub(super) fn by_transaction(&self, transaction: &TransactionId) -> Option<&Order> {
        self.open().find(|order| {
            order.transaction.as_ref() == Some(transaction)
                || order.id.as_str() == transaction.as_str()
        })
    }

    pub(super) fn by_id(&self, id: OrderId) -> Option<OrderSeq> {
        self.orders.values().find(|order| order.id == id).map(|order| order.seq)
    }

    /// What a report can mean: memory first, then what the ledger had when the batch began;
    /// newest first.
    pub(super) fn candidates<'a>(&'a self, pile: PileCode, known: &'a [Order]) -> Vec<&'a Order> {
        let mut found: Vec<&Order> =
            self.orders.values().filter(|order| order.key.pile == pile).collect();
        found.extend(known.iter().filter(|order| !self.orders.contains_key(&order.seq)));
        found.sort_by_key(|order| std::cmp::Reverse(order.seq));
        found
    }

    pub(super) fn next_seq(&mut self) -> OrderSeq {
        self.last = OrderSeq(self.last.0 + 1);
        self.last
    }

    pub(super) fn next_place(&mut self) -> Place {
        self.last_place = Place(self.last_place.0 + 1);
        self.last_place
    }

    pub(super) fn begin(&mut self, order: Order, turn: &mut Turn) {
        self.total += 1;
        turn.remember(Entry::OrderOpened(Box::new(order.clone())));
        self.orders.insert(order.seq, order);
    }

    /// Records an ended order, new or running.
    pub(super) fn record(&mut self, order: Order, turn: &mut Turn) {
        if !self.orders.contains_key(&order.seq) {
            self.total += 1;
        }
        self.unsettled += 1;
        turn.remember(Entry::OrderRecorded(Box::new(order.clone())));
        self.kept.remove(&order.seq);
        self.touch(order.seq);
        self.orders.insert(order.seq, order);
    }

    /// Takes an order into memory that the ledger has.
    pub(super) fn adopt(&mut self, mut order: Order) {
        self.touch(order.seq);
        order.date_by(&self.calendar);
        self.orders.entry(order.seq).or_insert(order);
    }

    fn touch(&mut self, seq: OrderSeq) {
        self.recent.push_back(seq);
        if self.recent.len() > RECENT_LIMIT {
            self.recent.pop_front();
        }
    }

    pub(super) fn progress(
        &mut self,
        seq: OrderSeq,
        energy: Option<Energy>,
        cost: Option<Money>,
        turn: &mut Turn,
    ) {
        let at = turn.stamp();
        let Some(order) = self.orders.get_mut(&seq) else { return };
        let Some(energy) = energy else { return };
        // A reading that falls is not taken: the last good one is what an estimate would bill.
        if order.progress.is_some_and(|last| last.energy > energy) {
            return;
        }
        let progress = Progress { energy, cost, at };
        order.progress = Some(progress);
        let due =
            self.kept.get(&seq).is_none_or(|kept| at.mono.since_ms(*kept) >= KEEP_PROGRESS_MS);
        if due {
            self.kept.insert(seq, at.mono);
            turn.remember(Entry::ProgressKept { seq, progress });
        }
    }

    pub(super) fn interrupt(&mut self, seq: OrderSeq, reason: &str, turn: &mut Turn) {
        let Some(order) = self.orders.get_mut(&seq) else { return };
        if !order.state.is_open() || order.state == OrderState::Interrupted {
            return;
        }
        order.state = OrderState::Interrupted;
        // The newest reading may not have been kept yet; an estimate will need it.
        if let Some(progress) = order.progress {
            turn.remember(Entry::ProgressKept { seq, progress });
        }
        let at = turn.stamp();
        turn.remember(Entry::OrderInterrupted { seq, at, reason: reason.to_owned() });
    }

    pub(super) fn resume(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(order) = self.orders.get_mut(&seq) else { return };
        if order.state == OrderState::Interrupted {
            order.state = OrderState::Charging;
            turn.remember(Entry::OrderResumed { seq, at: turn.stamp() });
        }
    }

    pub(super) fn assign(&mut self, seq: OrderSeq, transaction: TransactionId, turn: &mut Turn) {
        let Some(order) = self.orders.get_mut(&seq) else { return };
        if order.transaction.as_ref() != Some(&transaction) {
            order.transaction = Some(transaction.clone());
            turn.remember(Entry::TransactionAssigned { seq, transaction, at: turn.stamp() });
        }
    }

    /// Closes what is open for an uplink, and gives the orders it was open of.
    pub(super) fn give_up(&mut self, uplink: &UplinkName) -> Vec<OrderSeq> {
        let mut given_up = Vec::new();
        for order in self.orders.values_mut() {
            let seq = order.seq;
            let Some(delivery) = order.delivery_mut(uplink) else { continue };
            if delivery.state != DeliveryState::Confirmed {
                delivery.state = DeliveryState::Retired;
                given_up.push(seq);
            }
        }
        given_up
    }

    pub(super) fn settle(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(order) = self.orders.get_mut(&seq) else { return };
        if order.state == OrderState::Recorded {
            order.state = OrderState::Settled;
            self.unsettled = self.unsettled.saturating_sub(1);
            turn.remember(Entry::OrderSettled { seq, at: turn.stamp() });
        }
    }

    /// Whether this other version of an order is already on record, as far as memory goes.
    pub(super) fn is_known_dispute(&mut self, seq: OrderSeq, ending: &Ending) -> bool {
        let known = self.disputes.get(&seq).is_some_and(|known| known.same_figures(ending));
        if !known {
            if self.disputes.len() >= DISPUTES_LIMIT {
                self.disputes.pop_first();
            }
            self.disputes.insert(seq, ending.clone());
        }
        known
    }

    /// Dates what this run stamped before the clock was good, as the ledger does where it reads.
    pub(super) fn learn_clock(&mut self, boot: BootId, epoch: Epoch) {
        for order in self.orders.values_mut() {
            order.date(boot, epoch);
        }
    }

    /// Forgets ended orders nobody holds, once enough have gathered.
    pub(super) fn sweep(&mut self, held: impl Fn(OrderSeq) -> bool) {
        if self.orders.len() <= self.sweep_above {
            return;
        }
        let recent: BTreeSet<OrderSeq> = self.recent.iter().copied().collect();
        self.orders
            .retain(|seq, order| order.state.is_open() || recent.contains(seq) || held(*seq));
        self.sweep_above = (2 * self.orders.len()).max(4 * RECENT_LIMIT);
    }
}
