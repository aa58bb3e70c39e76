//! The verdict of a demo: what the piles were answered for, against ledger and cloud.

use std::{collections::BTreeMap, fmt};

use super::cast::Role;
use crate::{
    domain::{
        id::{OrderId, PileCode},
        order::{Order, OrderState},
        quantity::Energy,
        wire::Revision,
    },
    peers::{backend::Books, pile::AnsweredOrder},
};

/// What became of one pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PileBook {
    /// What the audience calls it.
    pub name: char,
    /// What it speaks.
    pub revision: Revision,
    /// How often its boot was accepted.
    pub boots: u32,
    /// The orders it was answered for, with the code it had.
    pub orders: Vec<(PileCode, AnsweredOrder)>,
}

impl PileBook {
    /// An empty one.
    pub const fn of(role: &Role) -> Self {
        Self { name: role.name, revision: role.revision, boots: 0, orders: Vec::new() }
    }

    fn energy(&self) -> Energy {
        let energies = self.orders.iter().map(|(_, order)| order.energy);
        energies.fold(Energy::default(), Energy::saturating_add)
    }
}

/// What came of a demo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Orders in the ledger.
    pub recorded: usize,
    /// Of these, settled.
    pub settled: usize,
    /// What a pile was answered for and ledger or cloud do not have, or not with these figures.
    pub lost: Vec<String>,
    /// What the cloud settled twice, or was told in two ways.
    pub duplicated: Vec<String>,
    /// The piles' own books.
    pub piles: Vec<PileBook>,
    /// Orders the site closed itself.
    pub estimated: usize,
    /// Orders reported again with other figures.
    pub disputed: usize,
}

impl Verdict {
    /// Compares the three books.
    #[must_use]
    pub fn of(piles: Vec<PileBook>, ledger: &[Order], cloud: &Books) -> Self {
        let mut verdict = Self {
            recorded: ledger.len(),
            settled: ledger.iter().filter(|order| order.state == OrderState::Settled).count(),
            estimated: ledger.iter().filter(|order| order.flags.estimated).count(),
            disputed: ledger.iter().filter(|order| order.flags.disputed).count(),
            ..Self::default()
        };
        let by_key: BTreeMap<(PileCode, String, i64), &Order> =
            ledger.iter().map(|order| (key(order), order)).collect();
        for (pile, told) in piles.iter().flat_map(|pile| &pile.orders) {
            let found = by_key.get(&(*pile, told.record.to_string(), told.started_s));
            let same = found.is_some_and(|order| has(order, told));
            if !same {
                verdict.lost.push(format!("{pile} record {}: not in the ledger", told.record));
            }
        }
        for order in ledger {
            if !is_booked(order, cloud) {
                verdict.lost.push(format!("{}: not in the cloud", order.id));
            }
        }
        verdict.piles = piles;
        verdict.duplicated = cloud.doubled();
        verdict.duplicated.extend(cloud.altered());
        verdict.duplicated.extend(unknown(ledger, cloud));
        verdict
    }

    /// Whether every pile came in, nothing was lost and nothing settled twice.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let all_settled = self.settled == self.recorded && self.recorded > 0;
        let all_piles = self.piles.iter().all(|pile| pile.boots > 0);
        all_settled && all_piles && self.lost.is_empty() && self.duplicated.is_empty()
    }
}

fn key(order: &Order) -> (PileCode, String, i64) {
    (order.key.pile, order.key.record.to_string(), order.key.started.0)
}

fn has(order: &Order, told: &AnsweredOrder) -> bool {
    order.ending.as_ref().is_some_and(|ending| {
        ending.energy == told.energy && ending.cost.is_none_or(|c| c.fen() == told.cost.fen())
    })
}

/// Whether the cloud has said yes to this order with the ledger's energy.
fn is_booked(order: &Order, cloud: &Books) -> bool {
    let Some(booked) = cloud.order(order.id.as_str()) else { return false };
    let Some(ending) = &order.ending else { return false };
    // The cloud's books are in 0.01 kWh.
    let hundredths = u32::try_from(ending.energy.wh() / 10).map(f64::from);
    let same =
        hundredths.is_ok_and(|own| booked.figures.energy().is_none_or(|e| (e - own).abs() < 0.01));
    booked.is_settled() && same
}

/// What the cloud settled that the ledger does not have.
fn unknown(ledger: &[Order], cloud: &Books) -> Vec<String> {
    let known = |record: &str| {
        OrderId::new(record).is_ok_and(|id| ledger.iter().any(|order| order.id == id))
    };
    let strange = cloud.orders().filter(|booked| booked.is_settled() && !known(&booked.record));
    strange.map(|booked| booked.record.clone()).collect()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_good() { "GOOD" } else { "BAD" };
        writeln!(f, "verdict: {word}")?;
        for pile in &self.piles {
            write!(f, "  pile {}      ", pile.name)?;
            match pile.boots {
                0 => writeln!(f, "never came in")?,
                boots => writeln!(
                    f,
                    "{:>5}  orders answered, {}; revision {}, boots: {boots}",
                    pile.orders.len(),
                    pile.energy(),
                    pile.revision.name(),
                )?,
            }
        }
        writeln!(f, "  recorded    {:>5}  orders in the ledger", self.recorded)?;
        writeln!(f, "  settled     {:>5}  confirmed by the cloud", self.settled)?;
        writeln!(f, "  lost        {:>5}", self.lost.len())?;
        writeln!(f, "  duplicated  {:>5}", self.duplicated.len())?;
        write!(
            f,
            "  of these, {} closed by the site with the last reading, {} disputed",
            self.estimated, self.disputed
        )?;
        for lost in &self.lost {
            write!(f, "\n  lost: {lost}")?;
        }
        for duplicated in &self.duplicated {
            write!(f, "\n  duplicated: {duplicated}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::cast::CAST, *};
    use crate::{
        domain::{
            id::{KeyTime, OrderKey, OrderSeq, RecordNo},
            order::{Ending, Flags},
            quantity::Money,
            time::Stamp,
        },
        peers::pile::AnsweredBy,
    };

    fn pile() -> PileCode {
        PileCode::new("3101150012000001").expect("a code")
    }

    fn answered() -> AnsweredOrder {
        AnsweredOrder {
            record: 1,
            connector: 1,
            started_s: 1_767_225_600,
            stopped_s: 1_767_225_700,
            energy: Energy::from_wh(2_000),
            cost: Money::from_fen(200),
            transaction_id: String::new(),
            by: AnsweredBy::Stop,
        }
    }

    fn book(told: AnsweredOrder) -> Vec<PileBook> {
        vec![PileBook { boots: 1, orders: vec![(pile(), told)], ..PileBook::of(&CAST[0]) }]
    }

    fn order() -> Order {
        let record = RecordNo::new("1").expect("a record number");
        let key = OrderKey { pile: pile(), record, started: KeyTime(1_767_225_600) };
        Order {
            seq: OrderSeq(1),
            id: key.id(),
            key,
            connector: None,
            plug: None,
            state: OrderState::Settled,
            flags: Flags::default(),
            card: None,
            transaction: None,
            opened: Stamp::default(),
            started_s: Some(1_767_225_600),
            meter_start: None,
            progress: None,
            ending: Some(Ending {
                ended_s: Some(1_767_225_700),
                meter_start: None,
                meter_stop: None,
                energy: Energy::from_wh(2_000),
                cost: Some(Money::from_fen(200)),
                reason: 0,
                recorded: Stamp::default(),
                original: None,
            }),
            start: None,
            metering: None,
            deliveries: Vec::new(),
        }
    }

    #[test]
    fn an_order_that_only_the_pile_knows_is_lost() {
        let verdict = Verdict::of(book(answered()), &[], &Books::default());
        assert_eq!(verdict.lost.len(), 1);
        assert!(!verdict.is_good());
    }

    #[test]
    fn an_order_with_other_figures_is_lost() {
        let told = AnsweredOrder { energy: Energy::from_wh(2_010), ..answered() };
        let verdict = Verdict::of(book(told), &[order()], &Books::default());
        assert!(verdict.lost.iter().any(|lost| lost.contains("not in the ledger")), "{verdict}");
    }

    #[test]
    fn an_order_the_cloud_never_had_is_lost() {
        let verdict = Verdict::of(book(answered()), &[order()], &Books::default());
        assert_eq!(verdict.lost, [format!("{}: not in the cloud", order().id)]);
        assert!(!verdict.is_good());
    }

    #[test]
    fn a_pile_that_never_came_in_is_bad() {
        let [here, away] = [1, 0].map(|boots| PileBook { boots, ..PileBook::of(&CAST[0]) });
        let verdict = Verdict { recorded: 1, settled: 1, piles: vec![here], ..Verdict::default() };
        assert!(verdict.is_good());
        assert!(!Verdict { piles: vec![away], ..verdict }.is_good());
    }

    #[test]
    fn a_demo_without_orders_proves_nothing() {
        assert!(!Verdict::of(Vec::new(), &[], &Books::default()).is_good());
    }
}
