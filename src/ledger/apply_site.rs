//! Entries into rows: what is not about an order.

use rusqlite::params;

use super::{
    apply::Writer,
    columns::{OriginalColumns, StampColumns, VERDICTS, place},
    dates,
    error::LedgerError,
    fact::{Fact, FactKind},
    rows,
};
use crate::{
    domain::{
        id::{OrderSeq, Sequence, UplinkName},
        time::{BootId, Stamp},
    },
    site::{
        REMOTES_LIMIT,
        entry::{Entry, OpenRemote},
    },
};

impl Writer<'_> {
    pub(super) fn apply_to_site(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::ClockLearned { boot, epoch_ms, at } => self.clock_learned(*boot, *epoch_ms, *at),
            Entry::ClockStepped { by_ms, at } => {
                let mut fact = Fact::new(FactKind::ClockStepped, *at);
                fact.signed(*by_ms);
                self.journal(OrderSeq(0), fact).map(drop)
            }
            Entry::CardJudged { card, verdict, at } => {
                let at = StampColumns::from(*at);
                let sql = "INSERT OR REPLACE INTO cards (card, verdict, boot, mono, wall, quality)
                    VALUES (?,?,?,?,?,?)";
                let verdict = place(&VERDICTS, *verdict);
                let card = card.as_str();
                self.conn
                    .prepare_cached(sql)?
                    .execute(params![card, verdict, at.boot, at.mono, at.wall, at.quality])?;
                Ok(())
            }
            Entry::CardsCleared => Ok(self.conn.execute("DELETE FROM cards", []).map(drop)?),
            Entry::TariffKept { id, original } => {
                let original = OriginalColumns::from(Some(original));
                let sql = "INSERT OR REPLACE INTO tariff (one, id, revision, code, body)
                    VALUES (1,?,?,?,?)";
                let id = id.cast_signed();
                self.conn
                    .execute(sql, params![id, original.revision, original.code, original.body])?;
                Ok(())
            }
            Entry::SequencesReserved { uplink, up_to } => self.reserved(uplink, *up_to),
            Entry::RemoteOpened(remote) => self.remote_opened(remote),
            Entry::RemoteClosed { uplink, sequence } => self.remote_closed(uplink, *sequence),
            Entry::PassOpened { uplink, sequence } => {
                let sql = "INSERT OR IGNORE INTO passes (uplink, sequence) VALUES (?1, ?2)";
                self.pass(sql, uplink, *sequence)
            }
            Entry::PassClosed { uplink, sequence } => {
                let sql = "DELETE FROM passes WHERE uplink = ?1 AND sequence = ?2";
                self.pass(sql, uplink, *sequence)
            }
            _ => Ok(()),
        }
    }

    fn clock_learned(&mut self, boot: BootId, epoch_ms: i64, at: Stamp) -> Result<(), LedgerError> {
        let mut fact = Fact::new(FactKind::ClockLearned, at);
        fact.number(boot.0);
        fact.signed(epoch_ms);
        self.journal(OrderSeq(0), fact)?;
        dates::learn(self.conn, boot, epoch_ms, at.wall.quality)?;
        self.caches.calendar = rows::calendar(self.conn)?;
        Ok(())
    }

    fn pass(
        &mut self,
        sql: &str,
        uplink: &UplinkName,
        sequence: Sequence,
    ) -> Result<(), LedgerError> {
        let uplink = self.caches.uplink(self.conn, uplink)?;
        self.conn.prepare_cached(sql)?.execute([uplink, sequence.0.cast_signed()])?;
        Ok(())
    }

    fn reserved(&mut self, uplink: &UplinkName, up_to: Sequence) -> Result<(), LedgerError> {
        let uplink = self.caches.uplink(self.conn, uplink)?;
        let sql = "INSERT INTO sequences (uplink, up_to) VALUES (?1, ?2)
            ON CONFLICT (uplink) DO UPDATE SET up_to = max(up_to, ?2)";
        self.conn.prepare_cached(sql)?.execute([uplink, up_to.0.cast_signed()])?;
        Ok(())
    }

    fn remote_opened(&mut self, remote: &OpenRemote) -> Result<(), LedgerError> {
        let uplink = self.caches.uplink(self.conn, &remote.uplink)?;
        let at = StampColumns::from(remote.at);
        let transaction = remote.transaction.as_ref().map(|transaction| transaction.as_str());
        let sql = "SELECT 1 FROM remotes WHERE uplink = ?1 AND sequence = ?2 AND tx IS ?3
            AND boot = ?4 AND mono = ?5";
        let sequence = remote.sequence.0.cast_signed();
        let mut known = self.conn.prepare_cached(sql)?;
        if known.exists(params![uplink, sequence, transaction, at.boot, at.mono])? {
            return Ok(());
        }
        let sql = "INSERT INTO remotes (uplink, sequence, tx, boot, mono, wall, quality, closed)
            VALUES (?,?,?,?,?,?,?,0)";
        self.conn.prepare_cached(sql)?.execute(params![
            uplink,
            sequence,
            transaction,
            at.boot,
            at.mono,
            at.wall,
            at.quality,
        ])?;
        let sql = "DELETE FROM remotes WHERE closed = 1 AND id <= ?1";
        let last = self.conn.last_insert_rowid();
        self.conn.prepare_cached(sql)?.execute([last - i64::from(REMOTES_LIMIT)])?;
        Ok(())
    }

    fn remote_closed(
        &mut self,
        uplink: &UplinkName,
        sequence: Sequence,
    ) -> Result<(), LedgerError> {
        let no = self.caches.uplink(self.conn, uplink)?;
        let sql = "UPDATE remotes SET closed = 1 WHERE uplink = ?1 AND sequence = ?2";
        let closed = self.conn.prepare_cached(sql)?.execute([no, sequence.0.cast_signed()])?;
        if closed == 0 {
            let what = format!("{uplink} has no remote start {}", sequence.0);
            return Err(LedgerError::contradiction(what));
        }
        Ok(())
    }
}
