//! Entries into rows: uplinks that come, go, and decide settlement.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, named_params, params};

use super::{
    apply::Writer,
    columns::{DELIVERIES, place},
    error::LedgerError,
    fact::{Fact, FactKind},
    load,
};
use crate::{
    domain::{
        id::{OrderSeq, UplinkName},
        order::DeliveryState,
        time::Stamp,
    },
    site::entry::Entry,
};

/// When an order ended, in unix seconds: as the pile said, else when it was recorded; `NULL` if no
/// clock has dated that either.
const ENDED: &str = "COALESCE(e.ended_s, CASE WHEN e.quality <> 0 THEN e.wall / 1000 ELSE
 (SELECT (b.epoch_ms + e.mono) / 1000 FROM boots b WHERE b.boot = e.boot) END)";

impl Writer<'_> {
    pub(super) fn apply_to_uplinks(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::UplinkEnlisted { uplink, kind, since_s, at } => {
                self.enlisted(uplink, kind, *since_s, *at)
            }
            Entry::RequiredChanged { uplinks, at } => self.required_changed(uplinks, *at),
            Entry::UplinkRetired { uplink, at } => self.uplink_retired(uplink, *at),
            _ => Ok(()),
        }
    }

    fn enlisted(
        &mut self,
        uplink: &UplinkName,
        kind: &str,
        since_s: Option<i64>,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let no = self.caches.uplink(self.conn, uplink)?;
        let sql = "SELECT kind, since_s FROM enlisted WHERE uplink = ?1";
        let known: Option<(String, Option<i64>)> =
            self.conn.query_row(sql, [no], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((known, _)) = known.as_ref().filter(|(known, _)| known != kind) {
            let what = format!("{uplink} takes orders as {known}, not as {kind}");
            return Err(LedgerError::contradiction(what));
        }
        let given = since_s.map_or(Ok(0), |since_s| self.give_the_past(no, since_s))?;
        if given == 0 && known == Some((kind.to_owned(), since_s)) {
            return Ok(());
        }
        let mut fact = Fact::new(FactKind::UplinkEnlisted, at);
        fact.enlisted(uplink, kind, since_s);
        fact.number(given);
        self.journal(OrderSeq(0), fact)?;
        let sql = "INSERT OR REPLACE INTO enlisted (uplink, kind, since_s) VALUES (?,?,?)";
        self.conn.execute(sql, params![no, kind, since_s])?;
        Ok(())
    }

    /// A delivery for each order that ended at or after `since_s` and has none for the uplink;
    /// gives their number. An order that nothing dates gets one too: it is not known to be older,
    /// and an order too many does less harm than one too few.
    ///
    /// The journal row of its recording follows the last place there is, so places keep the order
    /// of recording without a sort, and what is recorded next comes after them all.
    fn give_the_past(&self, no: i64, since_s: i64) -> Result<u64, LedgerError> {
        let last = load::last_place(self.conn)?.0.cast_signed();
        let sql = format!(
            "INSERT INTO deliveries (seq, pos, uplink, state, place, attempts)
             SELECT e.seq,
               (SELECT COALESCE(max(d.pos) + 1, 0) FROM deliveries d WHERE d.seq = e.seq),
               :uplink, :queued, :last + e.n, 0
             FROM endings e WHERE COALESCE({ENDED}, :since) >= :since AND NOT EXISTS
               (SELECT 1 FROM deliveries d WHERE d.seq = e.seq AND d.uplink = :uplink)"
        );
        let given = self.conn.execute(
            &sql,
            named_params! {
                ":uplink": no, ":queued": place(&DELIVERIES, DeliveryState::Queued),
                ":last": last, ":since": since_s,
            },
        )?;
        Ok(u64::try_from(given).unwrap_or(u64::MAX))
    }

    fn required_changed(
        &mut self,
        uplinks: &BTreeSet<UplinkName>,
        at: Stamp,
    ) -> Result<(), LedgerError> {
        let is_new = load::required(self.conn)?.as_ref() != Some(uplinks);
        if is_new {
            self.keep_required(uplinks)?;
        }
        let settled = self.settle_complete()?;
        if !is_new && settled == 0 {
            return Ok(());
        }
        let mut fact = Fact::new(FactKind::RequiredChanged, at);
        fact.number(u64::try_from(uplinks.len()).unwrap_or(u64::MAX));
        uplinks.iter().for_each(|uplink| fact.uplink(uplink));
        self.journal(OrderSeq(0), fact).map(drop)
    }

    fn keep_required(&mut self, uplinks: &BTreeSet<UplinkName>) -> Result<(), LedgerError> {
        self.conn.execute("DELETE FROM required", [])?;
        for uplink in uplinks {
            let no = self.caches.uplink(self.conn, uplink)?;
            self.conn.execute("INSERT INTO required (uplink) VALUES (?1)", [no])?;
        }
        let sql = "INSERT OR REPLACE INTO meta SELECT 'required', count(*) FROM required";
        self.conn.execute(sql, [])?;
        Ok(())
    }

    /// Closes what is open for the uplink, and settles the orders that no required one is owed.
    fn uplink_retired(&mut self, uplink: &UplinkName, at: Stamp) -> Result<(), LedgerError> {
        let no = self.caches.uplink(self.conn, uplink)?;
        let mut fact = Fact::new(FactKind::UplinkRetired, at);
        fact.uplink(uplink);
        self.journal(OrderSeq(0), fact)?;
        let retired = place(&DELIVERIES, DeliveryState::Retired);
        let sql = "UPDATE deliveries SET state = ?2 WHERE uplink = ?1 AND state IN (0, 1, 3)";
        self.conn.execute(sql, [no, retired])?;
        self.settle_complete().map(drop)
    }

    /// Settles every recorded order of which nothing is open for an uplink that decides; until it
    /// was said which ones do, all of them. Gives their number. The fact about the uplinks states
    /// it for all these orders: a fact for each would be a month of them at once.
    fn settle_complete(&self) -> Result<usize, LedgerError> {
        let settled = self.conn.execute(
            "DELETE FROM live WHERE state = 4 AND NOT EXISTS (
               SELECT 1 FROM deliveries d WHERE d.seq = live.seq AND d.state IN (0, 1, 3)
                 AND (d.uplink IN (SELECT uplink FROM required)
                   OR NOT EXISTS (SELECT 1 FROM meta WHERE key = 'required')))",
            [],
        )?;
        Ok(settled)
    }
}
