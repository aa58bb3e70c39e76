//! The bill of an order, as its pile made it.

use super::{v1_10, wire::v1_10::CostBill};
use crate::domain::{
    bill::{Bill, BillRow},
    order::Order,
    quantity::{Energy, Money},
};

/// The bill in the message that ended an order: `cost.bills` of `StopTransactionReq` or
/// `TransactionReq`, in either revision. Energies are whole 10 Wh, costs whole fen. The tariff is
/// the bill's, else the one the order was started with.
///
/// It is the pile's own, unchanged, and need not fit the order: where a meter is billed, its
/// energies add up to what the pile counted and not to the order's energy, and nothing is scaled.
/// `totalcost`, which is the order's cost, is a number of its own on the wire: [`Bill::cost`] says
/// whether the rows add up to it.
///
/// There are no rows if the order has not ended, if the site closed it, if the pile sent none, or
/// if one has an energy below nought: the rest would be half a bill. `None` if no tariff is named
/// either.
#[must_use]
pub fn of(order: &Order) -> Option<Bill> {
    let cost = v1_10::order::cost(order).unwrap_or_default();
    let named = [cost.tariffid, v1_10::order::tariff_at_start(order)];
    let tariff = named.into_iter().find(|tariff| *tariff != 0);
    let rows = cost.bills.into_iter().map(row).collect::<Option<Vec<_>>>().unwrap_or_default();
    (tariff.is_some() || !rows.is_empty()).then_some(Bill { tariff, rows })
}

fn row(said: CostBill) -> Option<BillRow> {
    Some(BillRow {
        from: said.timestart,
        until: said.timeend,
        tag: said.tag,
        energy: Energy::from_wh(u64::try_from(said.electric).ok()? * 10),
        energy_cost: Money::from_fen(said.electriccost),
        service_cost: Money::from_fen(said.servicecost),
        occupancy_cost: Money::from_fen(said.occupycost),
    })
}
