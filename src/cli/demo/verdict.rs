//! The verdict of a demo: what the piles were answered for, against ledger and cloud.

use std::{collections::BTreeMap, fmt};

use super::{
    bus::{TOLERANCE_PERMILLE, TOLERANCE_WH},
    cast::Role,
    far::Arrived,
};
use crate::{
    domain::{
        id::PileCode,
        order::{Order, OrderState},
        quantity::Energy,
        wire::Revision,
    },
    peers::pile::AnsweredOrder,
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

/// Whether a demo had meters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metering {
    /// It had.
    #[default]
    Expected,
    /// The system had no pseudo-terminal for them.
    Impossible,
}

/// What the meters billed, and what the piles counted beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metered {
    /// Orders that a meter billed.
    pub orders: usize,
    by_meters: Energy,
    by_piles: Energy,
    /// Those whose two energies do not agree.
    pub off: Vec<String>,
}

/// What came of a demo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Orders in the ledger.
    pub recorded: usize,
    /// Of these, settled.
    pub settled: usize,
    /// What a pile was answered for and the ledger does not have, or not with these figures.
    pub lost: Vec<String>,
    /// What arrived at each uplink.
    pub uplinks: Vec<Arrived>,
    /// Whether there were meters.
    pub metering: Metering,
    /// What they billed.
    pub metered: Metered,
    /// The piles' own books.
    pub piles: Vec<PileBook>,
    /// Orders the site closed itself.
    pub estimated: usize,
    /// Orders reported again with other figures.
    pub disputed: usize,
}

impl Verdict {
    /// Compares the books of piles and ledger; those of the uplinks are compared already.
    #[must_use]
    pub fn of(
        piles: Vec<PileBook>,
        ledger: &[Order],
        uplinks: Vec<Arrived>,
        metering: Metering,
    ) -> Self {
        let mut verdict = Self {
            uplinks,
            recorded: ledger.len(),
            settled: ledger.iter().filter(|order| order.state == OrderState::Settled).count(),
            estimated: ledger.iter().filter(|order| order.flags.estimated).count(),
            disputed: ledger.iter().filter(|order| order.flags.disputed).count(),
            metering,
            metered: Metered::of(ledger),
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
        verdict.piles = piles;
        verdict
    }

    /// Whether every pile came in, nothing was lost on any way, nothing is anywhere twice, and the
    /// meters were of use.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let all_settled = self.settled == self.recorded && self.recorded > 0;
        let all_piles = self.piles.iter().all(|pile| pile.boots > 0);
        let all_meters = match self.metering {
            Metering::Expected => self.metered.orders > 0 && self.metered.off.is_empty(),
            Metering::Impossible => true,
        };
        let all_arrived = self.uplinks.iter().all(Arrived::is_good);
        let all_orders = all_settled && self.lost.is_empty() && all_arrived;
        all_orders && all_piles && all_meters
    }
}

fn key(order: &Order) -> (PileCode, String, i64) {
    (order.key.pile, order.key.record.to_string(), order.key.started.0)
}

/// What a meter billed and what the pile counted, where a meter was read at start and end.
fn two_energies(order: &Order) -> Option<(Energy, Option<Energy>)> {
    let between = |start: Energy, stop: Energy| stop.rounded_10_wh().since(start.rounded_10_wh());
    let metering = order.metering.as_ref()?;
    let (start, stop) = metering.start.zip(metering.stop)?;
    let by_pile = metering.pile_start.zip(metering.pile_stop);
    let by_pile = by_pile.and_then(|(start, stop)| between(start, stop));
    Some((between(start.energy, stop.energy)?, by_pile))
}

/// Whether the ledger has the pile's figures: billed, or beside those of the meter.
fn has(order: &Order, told: &AnsweredOrder) -> bool {
    order.ending.as_ref().is_some_and(|ending| {
        let energy = match two_energies(order) {
            Some((by_meter, by_pile)) => by_pile.filter(|_| ending.energy == by_meter),
            None => Some(ending.energy),
        };
        energy == Some(told.energy) && ending.cost.is_none_or(|cost| cost.fen() == told.cost.fen())
    })
}

impl Metered {
    fn of(ledger: &[Order]) -> Self {
        let mut metered = Self::default();
        for order in ledger {
            let Some((by_meter, by_pile)) = two_energies(order) else { continue };
            metered.orders += 1;
            metered.by_meters = metered.by_meters.saturating_add(by_meter);
            metered.by_piles = metered.by_piles.saturating_add(by_pile.unwrap_or_default());
            let tolerated = (by_meter.wh() * TOLERANCE_PERMILLE / 1_000).max(TOLERANCE_WH);
            let is_off = |by_pile: Energy| by_pile.wh().abs_diff(by_meter.wh()) > tolerated;
            if by_pile.is_none_or(is_off) {
                let by_pile = by_pile.map_or("nothing".to_owned(), |energy| energy.to_string());
                metered.off.push(format!("{}: {by_meter}, pile {by_pile}", order.id));
            }
        }
        metered
    }
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
        writeln!(f, "  settled     {:>5}  done at every uplink", self.settled)?;
        writeln!(f, "  lost        {:>5}  between pile and ledger", self.lost.len())?;
        write!(
            f,
            "  of these, {} closed by the site with the last reading, {} disputed",
            self.estimated, self.disputed
        )?;
        match self.metering {
            Metering::Impossible => {
                write!(f, "\n  metered      none  for want of a pseudo-terminal")?
            }
            Metering::Expected => write!(
                f,
                "\n  metered     {:>5}  billed by meter: {}, the pile counted {}; {} do not agree",
                self.metered.orders,
                self.metered.by_meters,
                self.metered.by_piles,
                self.metered.off.len(),
            )?,
        }
        self.uplinks.iter().try_for_each(|arrived| write!(f, "\n{arrived}"))?;
        for off in &self.metered.off {
            write!(f, "\n  meter and pile do not agree: {off}")?;
        }
        for lost in &self.lost {
            write!(f, "\n  lost: {lost}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::cast::CAST, *};
    use crate::{
        domain::{
            id::{KeyTime, MeterName, OrderKey, OrderSeq, RecordNo},
            order::{Ending, Flags},
            quantity::Money,
            reading::Sample,
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

    /// A settled order of 2 kWh and 2 yuan.
    pub(in super::super) fn order() -> Order {
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
        let verdict = Verdict::of(book(answered()), &[], Vec::new(), Metering::Impossible);
        assert_eq!(verdict.lost.len(), 1);
        assert!(!verdict.is_good());
    }

    #[test]
    fn an_order_with_other_figures_is_lost() {
        let told = AnsweredOrder { energy: Energy::from_wh(2_010), ..answered() };
        let verdict = Verdict::of(book(told), &[order()], Vec::new(), Metering::Impossible);
        assert!(verdict.lost.iter().any(|lost| lost.contains("not in the ledger")), "{verdict}");
    }

    #[test]
    fn an_order_that_an_uplink_lost_is_bad() {
        let ledger = [order()];
        let judge = |uplinks| Verdict::of(book(answered()), &ledger, uplinks, Metering::Impossible);
        assert!(judge(Vec::new()).is_good());
        let cloud = Arrived::at_cloud(&ledger, &Default::default());
        assert_eq!(cloud.lost, [order().id.to_string()]);
        assert!(!judge(vec![cloud]).is_good());
    }

    #[test]
    fn a_pile_that_never_came_in_is_bad() {
        let [here, away] = [1, 0].map(|boots| PileBook { boots, ..PileBook::of(&CAST[0]) });
        let metering = Metering::Impossible;
        let verdict =
            Verdict { recorded: 1, settled: 1, piles: vec![here], metering, ..Verdict::default() };
        assert!(verdict.is_good());
        assert!(!Verdict { piles: vec![away], ..verdict }.is_good());
    }

    /// An order that a meter billed with so much more than the pile counted.
    fn metered(more_wh: u64) -> Order {
        let sample = |wh| Some(Sample { energy: Energy::from_wh(wh), at: Stamp::default() });
        let metering = crate::domain::reading::Metering {
            meter: MeterName::new("m").expect("a name"),
            start: sample(70_000),
            curve: Vec::new(),
            stop: sample(72_000 + more_wh),
            pile_start: Some(Energy::from_wh(500)),
            pile_stop: Some(Energy::from_wh(2_500)),
        };
        let mut order = Order { metering: Some(metering), ..order() };
        let ending = order.ending.as_mut().expect("it has ended");
        ending.energy = Energy::from_wh(2_000 + more_wh);
        order
    }

    #[test]
    fn an_order_is_billed_by_its_meter_and_has_the_pile_beside_it() {
        let judge = |order: &Order| {
            let ledger = std::slice::from_ref(order);
            Verdict::of(book(answered()), ledger, Vec::new(), Metering::Expected)
        };
        let verdict = judge(&metered(TOLERANCE_WH));
        assert_eq!((verdict.metered.orders, &verdict.metered.off[..]), (1, &[][..]));
        assert!(!verdict.lost.iter().any(|lost| lost.contains("not in the ledger")), "{verdict}");
        assert_eq!(judge(&metered(TOLERANCE_WH + 10)).metered.off.len(), 1);

        let mut order = metered(100);
        order.ending.as_mut().expect("it has ended").energy = Energy::from_wh(2_000);
        let verdict = judge(&order);
        assert!(verdict.lost.iter().any(|lost| lost.contains("not in the ledger")), "{verdict}");
    }

    #[test]
    fn meters_that_bill_nothing_or_something_else_are_bad() {
        let good = Verdict {
            recorded: 1,
            settled: 1,
            metered: Metered { orders: 1, ..Metered::default() },
            ..Verdict::default()
        };
        assert!(good.is_good());
        assert!(!Verdict { metered: Metered::default(), ..good.clone() }.is_good());
        let off = vec!["an order".to_owned()];
        let metered = Metered { orders: 1, off, ..Metered::default() };
        assert!(!Verdict { metered, ..good }.is_good());
    }

    #[test]
    fn a_demo_without_orders_proves_nothing() {
        assert!(!Verdict::of(Vec::new(), &[], Vec::new(), Metering::Impossible).is_good());
    }
}
