//! Entries into rows: deliveries.

use rusqlite::{OptionalExtension, params};

use super::{
    apply::{Writer, contradicts},
    columns::{self, DELIVERIES, StampColumns, place},
    error::LedgerError,
    fact::{Fact, FactKind},
};
use crate::{
    domain::{
        id::{OrderSeq, UplinkName},
        order::{Delivery, DeliveryState, Order},
        time::Stamp,
    },
    site::entry::Entry,
};

/// A delivery's place and state.
struct Found {
    pos: i64,
    state: DeliveryState,
}

impl Writer<'_> {
    pub(super) fn apply_to_deliveries(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::PayloadFrozen { seq, uplink, payload } => {
                self.payload_frozen(*seq, uplink, payload)
            }
            Entry::DeliveryConfirmed { seq, uplink, at, attempts } => {
                self.confirmed(*seq, uplink, *at, *attempts)
            }
            Entry::DeliveryQuarantined { seq, uplink, at, reason } => {
                self.quarantined(*seq, uplink, *at, columns::bounded(reason))
            }
            Entry::DeliveryRequeued { seq, uplink, at } => self.requeued(*seq, uplink, *at),
            Entry::UplinkRetired { uplink, at } => self.uplink_retired(uplink, *at),
            _ => Ok(()),
        }
    }

    pub(super) fn insert_deliveries(&mut self, order: &Order) -> Result<(), LedgerError> {
        for (pos, delivery) in (0_i64..).zip(&order.deliveries) {
            self.insert_delivery(order.seq, pos, delivery)?;
        }
        Ok(())
    }

    fn insert_delivery(
        &mut self,
        seq: OrderSeq,
        pos: i64,
        delivery: &Delivery,
    ) -> Result<(), LedgerError> {
        let uplink = self.caches.uplink(self.conn, &delivery.uplink)?;
        let at = delivery.confirmed.map(StampColumns::from);
        let at = at.as_ref();
        let sql = "INSERT INTO deliveries (seq, pos, uplink, state, place, attempts, boot, mono,
            wall, quality, error) VALUES (?,?,?,?,?,?,?,?,?,?,?)";
        self.conn.prepare_cached(sql)?.execute(params![
            seq.0.cast_signed(),
            pos,
            uplink,
            place(&DELIVERIES, delivery.state),
            delivery.place.0.cast_signed(),
            delivery.attempts,
            at.map(|at| at.boot),
            at.map(|at| at.mono),
            at.map(|at| at.wall),
            at.map(|at| at.quality),
            delivery.last_error.as_deref().map(columns::bounded),
        ])?;
        match &delivery.payload {
            Some(payload) => self.insert_payload(seq, pos, payload),
            None => Ok(()),
        }
    }

    fn insert_payload(&self, seq: OrderSeq, pos: i64, payload: &[u8]) -> Result<(), LedgerError> {
        self.conn
            .prepare_cached("INSERT INTO payloads (seq, pos, body) VALUES (?,?,?)")?
            .execute(params![seq.0.cast_signed(), pos, payload])?;
        Ok(())
    }

    fn find(&self, seq: OrderSeq, uplink: &UplinkName) -> Result<Found, LedgerError> {
        let unknown = || contradicts(seq, &format!("has no delivery for {uplink}"));
        let no = self.caches.uplinks.get(uplink).ok_or_else(unknown)?;
        let sql = "SELECT pos, state FROM deliveries WHERE seq = ?1 AND uplink = ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let found = statement.query_row(params![seq.0.cast_signed(), no], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?))
        });
        let (pos, state) = found.optional()?.ok_or_else(unknown)?;
        Ok(Found { pos, state: columns::value(&DELIVERIES, state)? })
    }

    fn set_state(&self, seq: OrderSeq, pos: i64, state: DeliveryState) -> Result<(), LedgerError> {
        self.conn
            .prepare_cached("UPDATE deliveries SET state = ?3 WHERE seq = ?1 AND pos = ?2")?
            .execute(params![seq.0.cast_signed(), pos, place(&DELIVERIES, state)])?;
        Ok(())
    }

    fn payload_frozen(
        &mut self,
        seq: OrderSeq,
        uplink: &UplinkName,
        payload: &[u8],
    ) -> Result<(), LedgerError> {
        let found = self.find(seq, uplink)?;
        let sql = "SELECT body FROM payloads WHERE seq = ?1 AND pos = ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let known = statement
            .query_row(params![seq.0.cast_signed(), found.pos], |row| row.get::<_, Vec<u8>>(0))
            .optional()?;
        match known {
            Some(known) if known != payload => {
                Err(contradicts(seq, &format!("has another frozen payload for {uplink}")))
            }
            Some(_) if !found.state.is_owed() => Ok(()),
            Some(_) => self.set_state(seq, found.pos, DeliveryState::Sent),
            // Confirmed by a live stop, and the backend asks for the whole order afterwards.
            None if !found.state.is_owed() => self.insert_payload(seq, found.pos, payload),
            None => {
                self.insert_payload(seq, found.pos, payload)?;
                self.set_state(seq, found.pos, DeliveryState::Sent)
            }
        }
    }

    fn confirmed(
        &mut self,
        seq: OrderSeq,
        uplink: &UplinkName,
        at: Stamp,
        attempts: u32,
    ) -> Result<(), LedgerError> {
        // A yes counts whenever it comes, also for what was quarantined or given up.
        let found = self.find(seq, uplink)?;
        if found.state == DeliveryState::Confirmed {
            return Ok(());
        }
        let mut fact = Fact::new(FactKind::Confirmed, at);
        fact.uplink(uplink);
        fact.number(attempts.into());
        self.journal(seq, fact)?;
        let at = StampColumns::from(at);
        let sql =
            "UPDATE deliveries SET state = ?3, attempts = ?4, boot = ?5, mono = ?6, wall = ?7,
            quality = ?8 WHERE seq = ?1 AND pos = ?2";
        self.conn.prepare_cached(sql)?.execute(params![
            seq.0.cast_signed(),
            found.pos,
            place(&DELIVERIES, DeliveryState::Confirmed),
            attempts,
            at.boot,
            at.mono,
            at.wall,
            at.quality,
        ])?;
        Ok(())
    }

    fn quarantined(
        &mut self,
        seq: OrderSeq,
        uplink: &UplinkName,
        at: Stamp,
        reason: &str,
    ) -> Result<(), LedgerError> {
        let found = self.find(seq, uplink)?;
        match found.state {
            DeliveryState::Quarantined => return Ok(()),
            DeliveryState::Queued | DeliveryState::Sent => {}
            DeliveryState::Confirmed | DeliveryState::Retired => {
                return Err(contradicts(seq, &format!("is not owed to {uplink}")));
            }
        }
        let mut fact = Fact::new(FactKind::Quarantined, at);
        fact.uplink(uplink);
        fact.text(reason);
        self.journal(seq, fact)?;
        let sql = "UPDATE deliveries SET state = ?3, error = ?4 WHERE seq = ?1 AND pos = ?2";
        let state = place(&DELIVERIES, DeliveryState::Quarantined);
        self.conn.prepare_cached(sql)?.execute(params![
            seq.0.cast_signed(),
            found.pos,
            state,
            reason
        ])?;
        Ok(())
    }

    fn requeued(
        &mut self,
        seq: OrderSeq,
        uplink: &UplinkName,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let found = self.find(seq, uplink)?;
        match found.state {
            DeliveryState::Queued => return Ok(()),
            DeliveryState::Quarantined => {}
            DeliveryState::Sent | DeliveryState::Confirmed | DeliveryState::Retired => {
                return Err(contradicts(seq, &format!("is not in quarantine for {uplink}")));
            }
        }
        let mut fact = Fact::new(FactKind::Requeued, at);
        fact.uplink(uplink);
        self.journal(seq, fact)?;
        self.set_state(seq, found.pos, DeliveryState::Queued)
    }

    /// Closes what is open for the uplink, and settles the orders that nobody else is owed.
    fn uplink_retired(&mut self, uplink: &UplinkName, at: Stamp) -> Result<(), LedgerError> {
        let no = self.caches.uplink(self.conn, uplink)?;
        let mut fact = Fact::new(FactKind::UplinkRetired, at);
        fact.uplink(uplink);
        self.journal(OrderSeq(0), fact)?;
        let retired = place(&DELIVERIES, DeliveryState::Retired);
        let sql = "UPDATE deliveries SET state = ?2 WHERE uplink = ?1 AND state IN (0, 1, 3)";
        self.conn.execute(sql, [no, retired])?;
        self.conn.execute(
            "DELETE FROM live WHERE state = 4 AND NOT EXISTS (
               SELECT 1 FROM deliveries d WHERE d.seq = live.seq AND d.state IN (0, 1, 3))",
            [],
        )?;
        Ok(())
    }
}
