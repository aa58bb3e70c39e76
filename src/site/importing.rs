//! Orders of another ledger: of one that was set aside, or newer than this one.

use super::{Site, figures, turn::Turn};
use crate::domain::{
    id::{OrderSeq, UplinkName},
    order::{Delivery, DeliveryState, Order, OrderState},
};

impl Site {
    /// Takes an order over if it is not here, or is open here and has ended there; `known`: what
    /// the ledger has under its id.
    pub(super) fn take_over(
        &mut self,
        order: Order,
        known: &[Order],
        turn: &mut Turn,
    ) -> Result<String, String> {
        let running = self.ends_by_import(&order);
        let is_here = !known.is_empty() || self.book.by_id(order.id).is_some();
        if is_here && running.is_none() {
            return Err("on record already".to_owned());
        }
        Ok(self.import(order, running, turn))
    }

    /// The order that is open here and has ended in the other ledger, as after a return to an
    /// older copy: an estimate made here would differ from what was delivered from there.
    fn ends_by_import(&self, order: &Order) -> Option<OrderSeq> {
        order.ending.as_ref()?;
        let held = self.book.get(self.book.by_id(order.id)?)?;
        // One that runs is not ended by a mere estimate.
        let is_over = held.state == OrderState::Interrupted || !order.flags.estimated;
        (held.state.is_open() && is_over).then_some(held.seq)
    }

    /// Takes an order from another ledger as it is; what it still owes is owed here. `running`:
    /// the one that it ends.
    fn import(&mut self, mut order: Order, running: Option<OrderSeq>, turn: &mut Turn) -> String {
        order.seq = running.unwrap_or_else(|| self.book.next_seq());
        let seq = order.seq;
        if order.ending.is_none() {
            order.ending = Some(figures::estimated(&order, turn.stamp()));
            order.flags.estimated = true;
        }
        let was_settled = order.state == OrderState::Settled;
        let place = self.book.next_place();
        let deliveries = self.new_deliveries(place).into_iter().map(|new| {
            let known = order.delivery(&new.uplink).cloned();
            // Its place in the other ledger says nothing here.
            let known = known.map(|delivery| Delivery { place, ..delivery });
            known.unwrap_or_else(|| match was_settled && !self.wants_past(&new.uplink, &order) {
                // Settled there: whoever is missing never asked for it.
                true => Delivery { state: DeliveryState::Retired, ..new },
                false => new,
            })
        });
        order.deliveries = deliveries.collect();
        order.state = OrderState::Recorded;
        let owed: Vec<UplinkName> = order
            .deliveries
            .iter()
            .filter(|delivery| delivery.state.is_owed())
            .map(|delivery| delivery.uplink.clone())
            .collect();
        let id = order.id;
        self.book.record(order.clone(), turn);
        if running.is_some() {
            self.let_go(&order);
        }
        for name in &owed {
            if let Some(link) = self.links.get_mut(name) {
                link.outbox.add((place, seq), turn.now.wall.unix_ms);
            }
        }
        if was_settled {
            // It stays so, though somebody may be owed it.
            self.book.settle(seq, turn);
        }
        self.settle_if_done(seq, turn);
        format!("order {id} imported")
    }
}
