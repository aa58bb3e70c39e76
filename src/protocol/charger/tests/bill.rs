//! Bills of piles, in both revisions.

use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::{cloud, golden, original, vectors};
use crate::{
    domain::{
        bill::{Bill, BillRow},
        order::Order,
        quantity::{Energy, Money},
        wire::{Original, Revision},
    },
    protocol::charger::{
        bill,
        wire::{v1_0, v1_10},
    },
};

/// The order of the vectors, of which no start is known, ended by this message.
fn ended(ending: Option<Original>) -> Order {
    let mut order = Order { start: None, ..cloud::order() };
    order.ending.as_mut().unwrap().original = ending;
    order
}

fn by(revision: Revision, code: u8, message: &impl Message) -> Option<Bill> {
    let body = message.encode_to_vec().into();
    bill::of(&ended(Some(Original { revision, code, body })))
}

/// The bill read from each of the four messages that carry one.
fn readings(tariffid: u64, bills: &[v1_10::CostBill]) -> [Option<Bill>; 4] {
    let old = bills.iter().map(|row| v1_0::CostBill::decode(row.encode_to_vec().as_slice()));
    let old = old.map(Result::unwrap).collect();
    let old = Some(v1_0::Cost { tariffid, bills: old, totalcost: 1, ..Default::default() });
    let new = bills.to_vec();
    let new = Some(v1_10::Cost { tariffid, bills: new, totalcost: 1, ..Default::default() });
    let (ten, one) = (Revision::V1_10, Revision::V1_0);
    [
        by(ten, 0x13, &v1_10::StopTransactionReq { cost: new.clone(), ..Default::default() }),
        by(ten, 0x31, &v1_10::TransactionReq { cost: new, ..Default::default() }),
        by(one, 0x13, &v1_0::StopTransactionReq { cost: old.clone(), ..Default::default() }),
        by(one, 0x31, &v1_0::TransactionReq { cost: old, ..Default::default() }),
    ]
}

prop_compose! {
    fn any_row()(
        numbers in prop::array::uniform5(any::<i32>()),
        tag in "\\PC{0,8}",
        electric in 0..=i32::MAX,
    ) -> v1_10::CostBill {
        let [timestart, timeend, electriccost, servicecost, occupycost] = numbers;
        v1_10::CostBill {
            timestart, timeend, tag, electric, electriccost, servicecost, occupycost,
        }
    }
}

/// What a row with an energy that makes sense says.
fn wanted(said: &v1_10::CostBill) -> BillRow {
    BillRow {
        from: said.timestart,
        until: said.timeend,
        tag: said.tag.clone(),
        energy: Energy::from_wh(u64::from(said.electric.unsigned_abs()) * 10),
        energy_cost: Money::from_fen(said.electriccost),
        service_cost: Money::from_fen(said.servicecost),
        occupancy_cost: Money::from_fen(said.occupycost),
    }
}

proptest! {
    #[test]
    fn every_row_of_a_bill_is_read_as_it_was_written(
        tariff in any::<u64>(),
        said in vec(any_row(), 1..20),
    ) {
        let rows = said.iter().map(wanted).collect();
        let bill = Bill { tariff: (tariff != 0).then_some(tariff), rows };
        for read in readings(tariff, &said) {
            prop_assert_eq!(read.as_ref(), Some(&bill));
        }
    }

    #[test]
    fn a_bill_with_an_energy_below_nought_has_no_rows(
        mut said in vec(any_row(), 1..20),
        at in any::<prop::sample::Index>(),
        electric in i32::MIN..0,
    ) {
        let at = at.index(said.len());
        said[at].electric = electric;
        prop_assert_eq!(readings(0, &said), [None, None, None, None]);
        let without = Bill { tariff: Some(7), rows: Vec::new() };
        for read in readings(7, &said) {
            prop_assert_eq!(read.as_ref(), Some(&without));
        }
    }

    #[test]
    fn the_sums_of_a_bill_are_sums(said in vec(any_row(), 0..50)) {
        let sum = |cost: fn(&v1_10::CostBill) -> i64| said.iter().map(cost).sum::<i64>();
        let bill = Bill { tariff: None, rows: said.iter().map(wanted).collect() };
        prop_assert_eq!(bill.service_cost().fen(), sum(|row| row.servicecost.into()));
        let all = |row: &v1_10::CostBill| {
            [row.electriccost, row.servicecost, row.occupycost].map(i64::from).iter().sum()
        };
        prop_assert_eq!(bill.cost().fen(), sum(all));
        let energy = sum(|row| row.electric.into());
        prop_assert_eq!(bill.energy().wh(), energy.unsigned_abs() * 10);
    }
}

#[test]
fn the_bill_of_the_vectors_is_read_in_both_revisions() {
    let old = |name| super::kept(&vectors::vector(golden::V1_0, name));
    let endings = [
        original("pile-stop"),
        original("pile-transaction"),
        old("pile-stop"),
        old("pile-transaction"),
    ];
    for ending in endings {
        let order = ended(Some(ending));
        let bill = bill::of(&order).unwrap();
        let ending = order.ending.unwrap();
        assert_eq!((bill.tariff, bill.rows.len()), (Some(7), 1));
        assert_eq!((bill.rows[0].from, bill.rows[0].until), (540, 600));
        assert_eq!(bill.rows[0].tag, "peak");
        assert_eq!((bill.energy(), Some(bill.cost())), (ending.energy, ending.cost));
        assert_eq!(bill.service_cost(), Money::from_fen(1203));
    }
}

#[test]
fn the_tariff_of_the_start_is_that_of_a_bill_that_names_none() {
    let start = v1_10::StartTransactionReq { tariff_id: 9, ..Default::default() };
    let body = start.encode_to_vec().into();
    let start = Some(Original { revision: Revision::V1_10, code: 0x12, body });
    let named = |ending| {
        bill::of(&Order { start: start.clone(), ..ended(ending) }).and_then(|bill| bill.tariff)
    };
    assert_eq!(named(Some(original("pile-stop"))), Some(7));
    assert_eq!(named(Some(original("pile-boot"))), Some(9));
    assert_eq!(named(None), Some(9), "an order that the site closed");
}

#[test]
fn an_order_without_rows_and_tariff_has_no_bill() {
    assert_eq!(readings(0, &[]), [None, None, None, None]);
    assert_eq!(bill::of(&ended(None)), None);
    assert_eq!(bill::of(&ended(Some(original("pile-boot")))), None);
    assert_eq!(bill::of(&Order { ending: None, ..ended(None) }), None);
}
