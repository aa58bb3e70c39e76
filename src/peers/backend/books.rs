//! What the backend has seen of every order, so that a test can count lost, doubled and altered.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sha2::{Digest, Sha256};

use crate::peers::apdu::wire;

/// Copies kept of one order; a peer that repeats more often than this has failed already.
const COPIES_MAX: usize = 1_000;

/// What kind of message carried a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `StartTransactionReq`.
    Start,
    /// `StopTransactionReq`.
    Stop,
    /// `TransactionReq`.
    Transaction,
}

/// One copy of an order, or of a part of it, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Message.
    pub kind: Kind,
    /// Position among all copies of all orders, from 1.
    pub arrival: u64,
    /// SHA-256 of the inner payload.
    pub digest: [u8; 32],
    /// Transaction id it carried.
    pub transaction_id: String,
    /// Whether it was answered with yes.
    pub confirmed: bool,
}

/// Figures of an order, as far as its messages have told.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Unix seconds.
    pub start_s: Option<i64>,
    /// Unix seconds.
    pub stop_s: Option<i64>,
    /// 0.01 kWh.
    pub meter_start: Option<f64>,
    /// 0.01 kWh.
    pub meter_stop: Option<f64>,
    /// Fen.
    pub cost_fen: Option<i32>,
}

impl Figures {
    fn of_start(m: &wire::StartTransactionReq) -> Self {
        Self { start_s: Some(m.timestamp), meter_start: Some(m.meter_start), ..Default::default() }
    }

    fn of_stop(m: &wire::StopTransactionReq) -> Self {
        Self {
            stop_s: Some(m.timestamp),
            meter_stop: Some(m.meter_stop),
            cost_fen: m.cost.as_ref().map(|c| c.totalcost),
            ..Default::default()
        }
    }

    fn of_transaction(m: &wire::TransactionReq) -> Self {
        Self {
            start_s: Some(m.time_start),
            stop_s: Some(m.time_stop),
            meter_start: Some(m.meter_start),
            meter_stop: Some(m.meter_stop),
            cost_fen: m.cost.as_ref().map(|c| c.totalcost),
        }
    }

    /// Fills in what is missing; `false` if something known is told otherwise.
    fn learn(&mut self, new: Self) -> bool {
        fn one<T: PartialEq + std::marker::Copy>(old: &mut Option<T>, new: Option<T>) -> bool {
            let agree = !matches!((*old, new), (Some(a), Some(b)) if a != b);
            *old = old.or(new);
            agree
        }
        let agreed = [
            one(&mut self.start_s, new.start_s),
            one(&mut self.stop_s, new.stop_s),
            one(&mut self.meter_start, new.meter_start),
            one(&mut self.meter_stop, new.meter_stop),
            one(&mut self.cost_fen, new.cost_fen),
        ];
        agreed.into_iter().all(|agree| agree)
    }

    /// Energy in 0.01 kWh, once both meters are known.
    #[must_use]
    pub fn energy(&self) -> Option<f64> {
        Some(self.meter_stop? - self.meter_start?)
    }
}

/// An order in the backend's books.
#[derive(Debug, Clone, Default)]
pub struct Booked {
    /// `recordId`.
    pub record: String,
    /// Pile code.
    pub evse: String,
    /// Connector.
    pub connector: String,
    /// Id this backend gave it; empty if it was never asked.
    pub transaction_id: String,
    /// First figures told.
    pub figures: Figures,
    /// The pile's own mark of it; empty if none was told.
    pub mark: String,
    /// The first message of each kind, in the words of 1.10.
    pub reports: BTreeMap<Kind, Report>,
    /// Copies, as they arrived.
    pub copies: Vec<Copy>,
    /// Charging informations.
    pub infos: u64,
    /// Charging informations that came while no start had been answered.
    pub early_infos: u64,
    /// Whether a later message told other figures.
    pub contradicted: bool,
}

impl Booked {
    /// Whether its end was answered with yes.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.copies.iter().any(|c| c.kind != Kind::Start && c.confirmed)
    }

    /// Whether two copies of it disagree in payload or figures.
    #[must_use]
    pub fn is_altered(&self) -> bool {
        let transactions = self.copies.iter().filter(|c| c.kind == Kind::Transaction);
        let digests: BTreeSet<[u8; 32]> = transactions.map(|c| c.digest).collect();
        self.contradicted || digests.len() > 1
    }
}

/// The books, by device and `recordId`.
#[derive(Debug, Clone, Default)]
pub struct Books {
    orders: BTreeMap<(String, String), Booked>,
    arrivals: u64,
}

/// An order message that arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// An order began.
    Start(wire::StartTransactionReq),
    /// It ended.
    Stop(wire::StopTransactionReq),
    /// It ended, told as a whole.
    Transaction(wire::TransactionReq),
}

impl Report {
    fn kind(&self) -> Kind {
        match self {
            Self::Start(_) => Kind::Start,
            Self::Stop(_) => Kind::Stop,
            Self::Transaction(_) => Kind::Transaction,
        }
    }

    fn ids(&self) -> (&str, &str, &str, &str) {
        match self {
            Self::Start(m) => (&m.record_id, &m.transaction_id, &m.evse_id, &m.connector_id),
            Self::Stop(m) => (&m.record_id, &m.transaction_id, &m.evse_id, &m.connector_id),
            Self::Transaction(m) => (&m.record_id, &m.transaction_id, &m.evse_id, &m.connector_id),
        }
    }

    fn figures(&self) -> Figures {
        match self {
            Self::Start(m) => Figures::of_start(m),
            Self::Stop(m) => Figures::of_stop(m),
            Self::Transaction(m) => Figures::of_transaction(m),
        }
    }

    /// The pile's own mark of the order, where it sends one.
    fn mark(&self) -> &str {
        match self {
            Self::Start(m) => &m.transparent,
            Self::Stop(m) => &m.tac,
            Self::Transaction(m) => &m.tac,
        }
    }

    fn digest(&self) -> [u8; 32] {
        let bytes = match self {
            Self::Start(m) => m.encode_to_vec(),
            Self::Stop(m) => m.encode_to_vec(),
            Self::Transaction(m) => m.encode_to_vec(),
        };
        Sha256::digest(bytes).into()
    }
}

impl Books {
    /// Every order, by device and `recordId`.
    pub fn orders(&self) -> impl Iterator<Item = &Booked> {
        self.orders.values()
    }

    /// The order with this `recordId`, of whatever device.
    #[must_use]
    pub fn order(&self, record: &str) -> Option<&Booked> {
        self.orders.values().find(|o| o.record == record)
    }

    /// Orders whose end was answered with yes.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.orders.values().filter(|o| o.is_settled()).count()
    }

    /// `recordId`s of which two copies disagree.
    #[must_use]
    pub fn altered(&self) -> Vec<String> {
        self.orders.values().filter(|o| o.is_altered()).map(|o| o.record.clone()).collect()
    }

    /// `recordId`s that stand for an order which another `recordId` stands for as well: it has
    /// the same mark of the pile, or begins at the same time and meter on the same connector.
    /// The latter says nothing of an order that left the meter where it was.
    #[must_use]
    pub fn doubled(&self) -> Vec<String> {
        let (mut marks, mut begins) = (BTreeSet::new(), BTreeSet::new());
        let mut doubled = Vec::new();
        for order in self.orders.values().filter(|o| o.is_settled()) {
            let Figures { start_s, meter_start, .. } = order.figures;
            let begin = (&order.evse, &order.connector, start_s, meter_start.map(f64::to_bits));
            let has_moved = start_s.is_some() && order.figures.energy().is_some_and(|e| e > 0.0);
            let is_marked_again = !order.mark.is_empty() && !marks.insert(&order.mark);
            let begins_again = has_moved && !begins.insert(begin);
            if is_marked_again || begins_again {
                doubled.push(order.record.clone());
            }
        }
        doubled
    }

    /// Notes a copy; the caller says later with [`Books::confirm`] that it was answered.
    pub(super) fn note(&mut self, device: &str, report: Report) -> &mut Booked {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let (record, transaction_id, evse, connector) = report.ids();
        let order = self.entry(device, record);
        let told = [
            (&mut order.evse, evse),
            (&mut order.connector, connector),
            (&mut order.mark, report.mark()),
        ];
        for (kept, told) in told {
            if kept.is_empty() {
                told.clone_into(kept);
            }
        }
        let figures = report.figures();
        // An order told as a whole stands for itself: its site may have announced the start with
        // the reading of one meter and bill it by another, that of the connector or the pile's.
        if report.kind() == Kind::Transaction && order.copies.iter().all(|c| c.kind == Kind::Start)
        {
            order.figures.meter_start = figures.meter_start;
        }
        if !order.figures.learn(figures) {
            order.contradicted = true;
        }
        if order.copies.len() < COPIES_MAX {
            order.copies.push(Copy {
                kind: report.kind(),
                arrival,
                digest: report.digest(),
                transaction_id: transaction_id.to_owned(),
                confirmed: false,
            });
        }
        order.reports.entry(report.kind()).or_insert(report);
        order
    }

    /// The last copy of an order was answered with yes.
    pub(super) fn confirm(&mut self, device: &str, record: &str) {
        if let Some(copy) = self.entry(device, record).copies.last_mut() {
            copy.confirmed = true;
        }
    }

    pub(super) fn info(&mut self, device: &str, record: &str) {
        let order = self.entry(device, record);
        order.infos += 1;
        if !order.copies.iter().any(|c| c.kind == Kind::Start && c.confirmed) {
            order.early_infos += 1;
        }
    }

    fn entry(&mut self, device: &str, record: &str) -> &mut Booked {
        let key = (device.to_owned(), record.to_owned());
        self.orders
            .entry(key)
            .or_insert_with(|| Booked { record: record.to_owned(), ..Default::default() })
    }
}
