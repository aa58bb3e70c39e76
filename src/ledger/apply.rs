//! Entries into rows: orders.
//!
//! An entry that is already in the rows changes nothing, so that a step whose commit was durable
//! although it was reported as failed may be repeated. An entry that denies the rows is an error.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    caches::Caches,
    columns::{self, OriginalColumns, STATES, StampColumns, place},
    error::LedgerError,
    fact::{Fact, FactKind},
    journal, rows,
    versions::VERSIONS_KEPT,
};
use crate::{
    domain::{
        id::{OrderSeq, TransactionId},
        order::{Ending, Flags, Order, OrderState, Progress},
        time::Stamp,
    },
    site::entry::{Entry, VersionKind},
};

/// Puts entries into the rows of one transaction.
pub(super) struct Writer<'a> {
    pub(super) conn: &'a Connection,
    pub(super) caches: &'a mut Caches,
}

impl Writer<'_> {
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::OrderOpened(order) => self.order_opened(order),
            Entry::ProgressKept { seq, progress } => self.progress_kept(*seq, progress),
            Entry::OrderInterrupted { seq, at, reason } => {
                let mut fact = Fact::new(FactKind::Interrupted, *at);
                fact.text(columns::bounded(reason));
                self.order_moved(*seq, OrderState::Interrupted, fact)
            }
            Entry::OrderResumed { seq, at } => {
                let fact = Fact::new(FactKind::Resumed, *at);
                self.order_moved(*seq, OrderState::Charging, fact)
            }
            Entry::OrderRecorded(order) => self.order_recorded(order),
            Entry::VersionKept { seq, kind, ending, at } => {
                self.version_kept(*seq, *kind, ending, *at)
            }
            Entry::TransactionAssigned { seq, transaction, at } => {
                self.transaction_assigned(*seq, transaction, *at)
            }
            Entry::OrderSettled { seq, at } => self.order_settled(*seq, *at),
            Entry::PayloadFrozen { .. }
            | Entry::DeliveryConfirmed { .. }
            | Entry::DeliveryQuarantined { .. }
            | Entry::DeliveryRequeued { .. }
            | Entry::DeliveryWaived { .. } => self.apply_to_deliveries(entry),
            Entry::UplinkEnlisted { .. }
            | Entry::RequiredChanged { .. }
            | Entry::UplinkRetired { .. } => self.apply_to_uplinks(entry),
            Entry::MeterKept { .. }
            | Entry::MeterReplaced { .. }
            | Entry::MeterBegun { .. }
            | Entry::SampleKept { .. }
            | Entry::MeteringDropped { .. } => self.apply_to_meters(entry),
            Entry::ClockLearned { .. }
            | Entry::ClockStepped { .. }
            | Entry::CardJudged { .. }
            | Entry::CardsCleared
            | Entry::TariffKept { .. }
            | Entry::SequencesReserved { .. }
            | Entry::RemoteOpened(_)
            | Entry::RemoteClosed { .. }
            | Entry::PassOpened { .. }
            | Entry::PassClosed { .. } => self.apply_to_site(entry),
        }
    }

    /// Appends a fact to the journal; gives its number as a column.
    pub(super) fn journal(&mut self, seq: OrderSeq, fact: Fact) -> Result<i64, LedgerError> {
        self.caches.head = journal::append(self.conn, &self.caches.head, seq, &fact.finish())?;
        Ok(self.caches.head.n.cast_signed())
    }

    fn order_opened(&mut self, order: &Order) -> Result<(), LedgerError> {
        if let Some(known) = rows::raw(self.conn, order.seq)? {
            return same_key(&known, order);
        }
        if order.ending.is_some() || !order.state.is_open() {
            return Err(contradicts(order.seq, "is opened although it has ended"));
        }
        self.insert_core(order, FactKind::Opened)?;
        self.set_live(order.seq, order.state, order.progress)
    }

    /// Inserts what is known of an order's beginning.
    pub(super) fn insert_core(&mut self, order: &Order, kind: FactKind) -> Result<(), LedgerError> {
        let pile = self.caches.pile(self.conn, order.key.pile)?;
        let record = order.key.record.as_str();
        let known = self.caches.recent.by_record(self.conn, pile, record)?;
        if let Some((_, seq)) = known.iter().find(|(started, _)| *started == order.key.started.0) {
            return Err(contradicts(order.seq, &format!("has the key of order {}", seq.0)));
        }
        if order.seq <= self.caches.recent.indexed_to {
            return Err(contradicts(order.seq, "is older than the orders of the index"));
        }
        self.write_core(order, kind)?;
        self.caches.recent.insert(pile, record.to_owned(), order.key.started.0, order.seq);
        self.put_metering(order)?;
        match &order.transaction {
            Some(transaction) => self.transaction_assigned(order.seq, transaction, order.opened),
            None => Ok(()),
        }
    }

    fn write_core(&mut self, order: &Order, kind: FactKind) -> Result<(), LedgerError> {
        let pile = self.caches.pile(self.conn, order.key.pile)?;
        let mut fact = Fact::new(kind, order.opened);
        fact.core(order);
        let n = self.journal(order.seq, fact)?;
        let at = StampColumns::from(order.opened);
        let start = OriginalColumns::from(order.start.as_ref());
        let sql = "INSERT OR REPLACE INTO orders (seq, n, pile, record, started, connector, plug,
            flags, card, boot, mono, wall, quality, started_s, meter_start, revision, code, body)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
        self.conn.prepare_cached(sql)?.execute(params![
            order.seq.0.cast_signed(),
            n,
            pile,
            order.key.record.as_str(),
            order.key.started.0,
            order.connector.map(|connector| connector.get()),
            order.plug.map(|plug| plug.0),
            columns::flags_to_bits(order.flags),
            order.card.as_ref().map(|card| card.as_str()),
            at.boot,
            at.mono,
            at.wall,
            at.quality,
            order.started_s,
            order.meter_start.map(columns::energy_column),
            start.revision,
            start.code,
            start.body,
        ])?;
        Ok(())
    }

    pub(super) fn set_live(
        &self,
        seq: OrderSeq,
        state: OrderState,
        progress: Option<Progress>,
    ) -> Result<(), LedgerError> {
        let at = progress.map(|progress| StampColumns::from(progress.at));
        let at = at.as_ref();
        let sql =
            "INSERT OR REPLACE INTO live (seq, state, energy, cost, boot, mono, wall, quality)
            VALUES (?,?,?,?,?,?,?,?)";
        self.conn.prepare_cached(sql)?.execute(params![
            seq.0.cast_signed(),
            place(&STATES, state),
            progress.map(|progress| columns::energy_column(progress.energy)),
            progress.and_then(|progress| progress.cost).map(|cost| cost.tenth_fen()),
            at.map(|at| at.boot),
            at.map(|at| at.mono),
            at.map(|at| at.wall),
            at.map(|at| at.quality),
        ])?;
        Ok(())
    }

    fn progress_kept(&mut self, seq: OrderSeq, progress: &Progress) -> Result<(), LedgerError> {
        let state = self.open_state(seq)?;
        self.set_live(seq, state, Some(*progress))
    }

    fn order_moved(
        &mut self,
        seq: OrderSeq,
        to: OrderState,
        fact: Fact,
    ) -> Result<(), LedgerError> {
        if self.open_state(seq)? == to {
            return Ok(());
        }
        self.journal(seq, fact)?;
        self.conn
            .prepare_cached("UPDATE live SET state = ?2 WHERE seq = ?1")?
            .execute(params![seq.0.cast_signed(), place(&STATES, to)])?;
        Ok(())
    }

    fn live_state(&self, seq: OrderSeq) -> Result<Option<OrderState>, LedgerError> {
        let mut statement = self.conn.prepare_cached("SELECT state FROM live WHERE seq = ?1")?;
        let found = statement.query_row([seq.0.cast_signed()], |row| row.get::<_, i64>(0));
        found.optional()?.map(|state| columns::value(&STATES, state)).transpose()
    }

    pub(super) fn open_state(&self, seq: OrderSeq) -> Result<OrderState, LedgerError> {
        let state = self.live_state(seq)?.filter(|state| state.is_open());
        state.ok_or_else(|| contradicts(seq, "is unknown or has ended"))
    }

    fn order_recorded(&mut self, order: &Order) -> Result<(), LedgerError> {
        let Some(ending) = &order.ending else {
            return Err(contradicts(order.seq, "is recorded without an ending"));
        };
        match rows::raw(self.conn, order.seq)? {
            None => self.insert_core(order, FactKind::Entered)?,
            Some(known) => {
                same_key(&known, order)?;
                if let Some(earlier) = &known.ending {
                    let same = earlier == ending;
                    let changed =
                        || contradicts(order.seq, "is recorded again, with other figures");
                    return same.then_some(()).ok_or_else(changed);
                }
                self.restate(&known, order)?;
            }
        }
        self.insert_ending(order, ending)?;
        if order.state != OrderState::Settled {
            self.set_live(order.seq, OrderState::Recorded, None)?;
            return Ok(());
        }
        self.journal(order.seq, Fact::new(FactKind::Settled, ending.recorded))?;
        self.drop_live(order.seq)
    }

    /// Writes the beginning of an order again if its end brought something new on it.
    fn restate(&mut self, known: &Order, order: &Order) -> Result<(), LedgerError> {
        // Flags and transaction are kept apart from the beginning once the order has ended.
        let same = known.connector == order.connector
            && known.plug == order.plug
            && known.card == order.card
            && known.opened == order.opened
            && known.started_s == order.started_s
            && known.meter_start == order.meter_start
            && known.start == order.start;
        if !same {
            self.write_core(order, FactKind::Restated)?;
        }
        match &order.transaction {
            Some(transaction) if order.transaction != known.transaction => {
                let at = order.ending.as_ref().map_or(order.opened, |ending| ending.recorded);
                self.transaction_assigned(order.seq, transaction, at)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn insert_ending(
        &mut self,
        order: &Order,
        ending: &Ending,
    ) -> Result<(), LedgerError> {
        let mut fact = Fact::new(FactKind::Recorded, ending.recorded);
        fact.ending(ending, undisputed(order.flags), order.metering.as_ref());
        let n = self.journal(order.seq, fact)?;
        let at = StampColumns::from(ending.recorded);
        let original = OriginalColumns::from(ending.original.as_ref());
        let sql = "INSERT INTO endings (seq, n, flags, ended_s, meter_start, meter_stop, energy,
            cost, reason, boot, mono, wall, quality, revision, code, body)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
        self.conn.prepare_cached(sql)?.execute(params![
            order.seq.0.cast_signed(),
            n,
            columns::flags_to_bits(order.flags),
            ending.ended_s,
            ending.meter_start.map(columns::energy_column),
            ending.meter_stop.map(columns::energy_column),
            columns::energy_column(ending.energy),
            ending.cost.map(|cost| cost.tenth_fen()),
            ending.reason,
            at.boot,
            at.mono,
            at.wall,
            at.quality,
            original.revision,
            original.code,
            original.body,
        ])?;
        self.put_metering(order)?;
        self.insert_deliveries(order)
    }

    fn version_kept(
        &mut self,
        seq: OrderSeq,
        kind: VersionKind,
        ending: &Ending,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        self.require_ended(seq)?;
        let known = super::versions::of(self.conn, seq)?;
        let is_known = known.iter().any(|v| v.kind == kind && v.ending.same_figures(ending));
        if is_known || known.len() >= VERSIONS_KEPT {
            return Ok(());
        }
        let fact_kind = match kind {
            VersionKind::Disputed => FactKind::Disputed,
            VersionKind::Corrected => FactKind::Corrected,
        };
        let mut fact = Fact::new(fact_kind, at);
        fact.ending(ending, 0, None);
        self.journal(seq, fact)?;
        super::versions::insert(self.conn, seq, kind, ending, at)?;
        if kind == VersionKind::Disputed {
            self.conn
                .prepare_cached("UPDATE endings SET flags = flags | ?2 WHERE seq = ?1")?
                .execute([seq.0.cast_signed(), columns::DISPUTED])?;
        }
        Ok(())
    }

    fn transaction_assigned(
        &mut self,
        seq: OrderSeq,
        transaction: &TransactionId,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let sql = "SELECT t.id FROM orders o LEFT JOIN transactions t ON t.seq = o.seq
            WHERE o.seq = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let known = statement
            .query_row([seq.0.cast_signed()], |row| row.get::<_, Option<String>>(0))
            .optional()?
            .ok_or_else(|| contradicts(seq, "is unknown"))?;
        if known.as_deref() == Some(transaction.as_str()) {
            return Ok(());
        }
        let mut fact = Fact::new(FactKind::TransactionAssigned, at);
        fact.text(transaction.as_str());
        self.journal(seq, fact)?;
        self.conn
            .prepare_cached("INSERT OR REPLACE INTO transactions (seq, id) VALUES (?,?)")?
            .execute(params![seq.0.cast_signed(), transaction.as_str()])?;
        Ok(())
    }

    fn order_settled(&mut self, seq: OrderSeq, at: Stamp) -> Result<(), LedgerError> {
        self.require_ended(seq)?;
        if self.live_state(seq)?.is_none() {
            return Ok(());
        }
        self.journal(seq, Fact::new(FactKind::Settled, at))?;
        self.drop_live(seq)
    }

    /// An order that has ended and is not in `live` is settled.
    fn drop_live(&self, seq: OrderSeq) -> Result<(), LedgerError> {
        self.conn
            .prepare_cached("DELETE FROM live WHERE seq = ?1")?
            .execute([seq.0.cast_signed()])?;
        Ok(())
    }

    fn require_ended(&self, seq: OrderSeq) -> Result<(), LedgerError> {
        let mut statement = self.conn.prepare_cached("SELECT 1 FROM endings WHERE seq = ?1")?;
        let found = statement.exists([seq.0.cast_signed()])?;
        found.then_some(()).ok_or_else(|| contradicts(seq, "is unknown or has not ended"))
    }
}

/// Flags as the fact of an ending states them.
pub(super) fn undisputed(flags: Flags) -> i64 {
    columns::flags_to_bits(Flags { disputed: false, ..flags })
}

fn same_key(known: &Order, order: &Order) -> Result<(), LedgerError> {
    let differs = || contradicts(order.seq, "has another key than the order at its position");
    (known.key == order.key).then_some(()).ok_or_else(differs)
}

pub(super) fn contradicts(seq: OrderSeq, what: &str) -> LedgerError {
    LedgerError::contradiction(format!("order {} {what}", seq.0))
}
