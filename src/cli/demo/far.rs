//! What arrived at the far sides of a demo, against the ledger.

use std::{collections::BTreeSet, fmt};

use super::place::REGULATOR;
use crate::{
    domain::{
        id::OrderId,
        order::{DeliveryState, Ending, Order},
    },
    peers::{backend, ec},
};

/// What arrived at one far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// What the audience calls it.
    pub name: &'static str,
    /// Orders that are there, as the ledger has them.
    pub orders: usize,
    /// Orders that are not there, or not with these figures.
    pub lost: Vec<String>,
    /// What is there twice or in two ways, or in no ledger.
    pub duplicated: Vec<String>,
    /// Orders that the far side would have dropped, and that were not sent to it.
    pub waived: Vec<String>,
    /// Copies that came, of all orders.
    pub copies: u64,
}

impl Arrived {
    fn at(name: &'static str) -> Self {
        let (lost, duplicated, waived) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, orders: 0, lost, duplicated, waived, copies: 0 }
    }

    /// At the cloud, which answers.
    #[must_use]
    pub fn at_cloud(ledger: &[Order], cloud: &backend::Books) -> Self {
        let mut arrived = Self::at("cloud");
        for order in ledger {
            if is_booked(order, cloud) {
                arrived.orders += 1;
            } else {
                arrived.lost.push(order.id.to_string());
            }
        }
        let copies = cloud.orders().map(|booked| u64::try_from(booked.copies.len()).unwrap_or(0));
        arrived.copies = copies.sum();
        arrived.duplicated = cloud.doubled();
        arrived.duplicated.extend(cloud.altered());
        let settled = cloud.orders().filter(|booked| booked.is_settled());
        arrived.add_unknown(ledger, settled.map(|booked| booked.record.as_str()));
        arrived
    }

    /// At the regulator, whose server keeps records by trade number and answers nothing.
    #[must_use]
    pub fn at_regulator(ledger: &[Order], server: &ec::Books) -> Self {
        let mut arrived = Self { copies: server.copies(), ..Self::at(REGULATOR) };
        for order in ledger {
            let record = server.record(order.id.as_str());
            if record.is_some_and(|record| is_recorded(order, record)) {
                arrived.orders += 1;
            } else if let Some(why) = waived(order).filter(|_| record.is_none()) {
                arrived.waived.push(format!("{}: {why}", order.id));
            } else {
                arrived.lost.push(order.id.to_string());
            }
        }
        arrived.duplicated = server.altered();
        let mut begins = BTreeSet::new();
        let again = server.records().filter(|r| !begins.insert((&r.pile, r.gun, r.start_s)));
        arrived.duplicated.extend(again.map(|record| record.trade.clone()));
        arrived.add_unknown(ledger, server.records().map(|record| record.trade.as_str()));
        arrived
    }

    /// Whether everything is there, once.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.duplicated.is_empty()
    }

    /// What is there that the ledger does not have.
    fn add_unknown<'a>(&mut self, ledger: &[Order], ids: impl Iterator<Item = &'a str>) {
        let known = |id: &str| OrderId::new(id).is_ok_and(|id| ledger.iter().any(|o| o.id == id));
        self.duplicated.extend(ids.filter(|id| !known(id)).map(ToOwned::to_owned));
    }
}

/// Whether the cloud has said yes to this order with the ledger's energy.
fn is_booked(order: &Order, cloud: &backend::Books) -> bool {
    let Some(booked) = cloud.order(order.id.as_str()) else { return false };
    let Some(ending) = &order.ending else { return false };
    // The cloud's books are in 0.01 kWh.
    let hundredths = u32::try_from(ending.energy.wh() / 10).map(f64::from);
    let same =
        hundredths.is_ok_and(|own| booked.figures.energy().is_none_or(|e| (e - own).abs() < 0.01));
    booked.is_settled() && same
}

/// Whether a record has the ledger's figures.
fn is_recorded(order: &Order, record: &ec::Record) -> bool {
    let Some(Ending { ended_s, energy, cost, .. }) = &order.ending else { return false };
    let times = [order.started_s, *ended_s];
    times == [Some(record.start_s.into()), Some(record.end_s.into())]
        && energy.wh() == u64::from(record.energy_wh)
        && cost.is_none_or(|cost| cost.fen() == i64::from(record.amount_fen))
}

/// Why an order was not sent to the regulator, if it is one that its server drops.
fn waived(order: &Order) -> Option<&str> {
    let ending = order.ending.as_ref()?;
    let is_dropped = ending.energy.wh() == 0 || order.started_s >= ending.ended_s;
    let its = order.deliveries.iter().find(|delivery| delivery.uplink.as_str() == REGULATOR)?;
    let is_retired = its.state == DeliveryState::Retired;
    (is_dropped && is_retired).then(|| its.last_error.as_deref().unwrap_or_default())
}

impl fmt::Display for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, orders, copies, .. } = self;
        let [lost, duplicated] = [&self.lost, &self.duplicated].map(|orders| orders.len());
        write!(
            f,
            "  {name:<11} {orders:>5}  orders there, {lost} lost, {duplicated} duplicated; {copies} \
             copies came"
        )?;
        let all = [("lost", &self.lost), ("duplicated", &self.duplicated)];
        for (word, orders) in all.into_iter().chain([("not sent", &self.waived)]) {
            orders.iter().try_for_each(|order| write!(f, "\n  {name}: {word}: {order}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::{super::verdict::tests::order, *};
    use crate::domain::{
        id::{Place, UplinkName},
        order::Delivery,
        quantity::Energy,
        time::Mono,
    };

    fn record(order: &Order) -> ec::Record {
        ec::Record {
            organisation: 1000,
            pile: order.key.pile.to_string(),
            gun: 1,
            trade: order.id.to_string(),
            start_s: 1_767_225_600,
            end_s: 1_767_225_700,
            energy_wh: 2_000,
            amount_fen: 200,
            service_fen: 0,
        }
    }

    fn judged(ledger: &[Order], copies: &[(ec::Record, &'static [u8])]) -> Arrived {
        let mut books = ec::Books::default();
        for (record, bytes) in copies {
            books.note(record.clone(), &(*bytes).into(), Mono(0));
        }
        books.store(Mono(0));
        Arrived::at_regulator(ledger, &books)
    }

    #[test]
    fn an_order_is_at_the_regulator_with_the_figures_of_the_ledger() {
        let (ledger, good) = ([order()], record(&order()));
        let twice = judged(&ledger, &[(good.clone(), b"a"), (good.clone(), b"a")]);
        assert_eq!((twice.orders, twice.copies, twice.is_good()), (1, 2, true));
        let wrong = ec::Record { energy_wh: 1_999, ..good.clone() };
        assert_eq!(judged(&ledger, &[(wrong, b"a")]).lost, slice::from_ref(&good.trade));
        assert_eq!(judged(&ledger, &[]).lost, [good.trade]);
    }

    #[test]
    fn copies_that_differ_and_records_of_no_order_are_bad() {
        let (ledger, good) = ([order()], record(&order()));
        let altered = judged(&ledger, &[(good.clone(), b"a"), (good.clone(), b"b")]);
        assert_eq!(altered.duplicated, slice::from_ref(&good.trade));
        let other = ec::Record { trade: "unknown".to_owned(), ..good.clone() };
        let arrived = judged(&ledger, &[(good, b"a"), (other, b"b")]);
        assert_eq!(arrived.duplicated.len(), 2, "the same begin, and no order of the ledger");
    }

    #[test]
    fn only_an_order_that_would_be_dropped_may_be_held_back() {
        let name = UplinkName::new(REGULATOR).expect("a name");
        let retired = Delivery {
            state: DeliveryState::Retired,
            last_error: Some("no energy".to_owned()),
            ..Delivery::queued(name, Place(1))
        };
        let mut order = Order { deliveries: vec![retired], ..order() };
        assert_eq!(judged(&[order.clone()], &[]).lost.len(), 1);
        order.ending.as_mut().expect("it has ended").energy = Energy::default();
        let arrived = judged(&[order.clone()], &[]);
        assert!(arrived.is_good());
        assert_eq!(arrived.waived, [format!("{}: no energy", order.id)]);
    }
}
