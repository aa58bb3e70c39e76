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
    uplink: i64,
    pos: i64,
    state: DeliveryState,
}

/// A delivery that goes no further.
struct Refusal<'a> {
    uplink: &'a UplinkName,
    at: Stamp,
    reason: &'a str,
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
                self.quarantined(*seq, &Refusal { uplink, at: *at, reason })
            }
            Entry::DeliveryRequeued { seq, uplink, at } => self.requeued(*seq, uplink, *at),
            Entry::DeliveryWaived { seq, uplink, at, reason } => {
                self.waived(*seq, &Refusal { uplink, at: *at, reason })
            }
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
            .prepare_cached("INSERT INTO frozen (delivery, body) VALUES (?,?)")?
            .execute(params![columns::delivery(seq, pos)?, payload])?;
        Ok(())
    }

    fn find(&self, seq: OrderSeq, uplink: &UplinkName) -> Result<Found, LedgerError> {
        let unknown = || contradicts(seq, &format!("has no delivery for {uplink}"));
        let no = *self.caches.uplinks.get(uplink).ok_or_else(unknown)?;
        let sql = "SELECT pos, state FROM deliveries WHERE seq = ?1 AND uplink = ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let found = statement.query_row(params![seq.0.cast_signed(), no], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?))
        });
        let (pos, state) = found.optional()?.ok_or_else(unknown)?;
        Ok(Found { uplink: no, pos, state: columns::value(&DELIVERIES, state)? })
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
        // Where it is from before there was a table by number.
        let sql = "SELECT body FROM frozen WHERE delivery = ?3 UNION ALL
            SELECT body FROM payloads WHERE seq = ?1 AND pos = ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let known = statement
            .query_row(
                params![seq.0.cast_signed(), found.pos, columns::delivery(seq, found.pos)?],
                |row| row.get::<_, Vec<u8>>(0),
            )
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
        let n = self.journal(seq, fact)?;
        self.caches.heard.note(self.conn, found.uplink, n.cast_unsigned())?;
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

    fn quarantined(&mut self, seq: OrderSeq, no: &Refusal<'_>) -> Result<(), LedgerError> {
        let found = self.find(seq, no.uplink)?;
        match found.state {
            DeliveryState::Quarantined => Ok(()),
            DeliveryState::Queued | DeliveryState::Sent => {
                self.refused(seq, found.pos, FactKind::Quarantined, no)?;
                self.set_state(seq, found.pos, DeliveryState::Quarantined)
            }
            DeliveryState::Confirmed | DeliveryState::Retired => {
                Err(contradicts(seq, &format!("is not owed to {}", no.uplink)))
            }
        }
    }

    fn waived(&mut self, seq: OrderSeq, no: &Refusal<'_>) -> Result<(), LedgerError> {
        let found = self.find(seq, no.uplink)?;
        match found.state {
            // What was confirmed has arrived, whatever is thought of it now.
            DeliveryState::Confirmed | DeliveryState::Retired => Ok(()),
            DeliveryState::Queued | DeliveryState::Sent | DeliveryState::Quarantined => {
                self.refused(seq, found.pos, FactKind::Waived, no)?;
                self.set_state(seq, found.pos, DeliveryState::Retired)
            }
        }
    }

    /// Notes why a delivery goes no further.
    fn refused(
        &mut self,
        seq: OrderSeq,
        pos: i64,
        kind: FactKind,
        no: &Refusal<'_>,
    ) -> Result<(), LedgerError> {
        let reason = columns::bounded(no.reason);
        let mut fact = Fact::new(kind, no.at);
        fact.uplink(no.uplink);
        fact.text(reason);
        self.journal(seq, fact)?;
        self.conn
            .prepare_cached("UPDATE deliveries SET error = ?3 WHERE seq = ?1 AND pos = ?2")?
            .execute(params![seq.0.cast_signed(), pos, reason])?;
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
}
