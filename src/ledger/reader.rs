//! Reading beside the writer: another thread's connection, or a copy of a stopped controller's
//! file.

use std::path::Path;

use rusqlite::{Connection, named_params};

use super::{
    Options,
    caches::Caches,
    columns::{self, STATES, place},
    copy::{self, Copy},
    error::LedgerError,
    journal::{self, Head},
    journal_rows::{self, JournalRow},
    load, lookup, open, recent, rows, schema,
    verify::{self, Verdict},
    versions::{self, Version},
};
use crate::{
    domain::{
        event::{HistoryLevel, HistoryQuery},
        id::{OrderId, OrderSeq, PileCode, Place, UplinkName},
        order::{Order, OrderState},
        time::ClockQuality,
    },
    site::command::Query,
    sys::user,
};

/// When an order began, in unix seconds; as [`Order::date`] would date it.
const STARTED: &str = "COALESCE(o.started_s, CASE WHEN o.quality = 0 THEN
 (SELECT (b.epoch_ms + o.mono) / 1000 FROM boots b WHERE b.boot = o.boot) END)";

/// Orders that [`Reader::export`] holds in memory at a time.
const EXPORT_PAGE: u16 = 500;

/// Which orders to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only in this state.
    pub state: Option<OrderState>,
    /// Only of this pile.
    pub pile: Option<PileCode>,
    /// Only begun at or after, unix seconds; what has no date is listed too.
    pub since_s: Option<i64>,
    /// Only earlier positions than this one: where the page before ended.
    pub after: Option<OrderSeq>,
}

/// Numbers of orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub orders: u64,
    /// Ended, not settled.
    pub unsettled: u64,
    /// Not ended.
    pub open: u64,
}

/// A ledger in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Numbers of orders.
    pub counts: Counts,
    /// When the first of the orders that are not settled was recorded, unix ms; `None` if there is
    /// none, or no clock knew it.
    pub oldest_unsettled_ms: Option<i64>,
    /// Number of the schema.
    pub schema: i64,
    /// Bytes of the file, with what stands in its log yet.
    pub bytes: u64,
    /// The last row of the journal.
    pub head: Head,
    /// Whether a controller runs on it.
    pub life: Life,
}

/// Whether a controller runs on a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// One does.
    Running,
    /// None does, or it is a copy.
    Stopped,
}

/// All that the ledger has of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The order.
    pub order: Order,
    /// Other versions of it, as they came.
    pub versions: Vec<Version>,
    /// Its rows of the journal, oldest first.
    pub journal: Vec<JournalRow>,
}

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    /// Removed with the reader, after the connection.
    copy: Option<Copy>,
}

impl Reader {
    pub(super) fn beside(dir: &Path, options: &Options) -> Result<Self, LedgerError> {
        let conn = open::connect_to_read(&dir.join(open::FILE), options)?;
        Ok(Self { conn, copy: None })
    }

    /// Reads beside the controller that runs on a directory, of whatever version it is. Root reads
    /// as the owner of the file: SQLite may make its index anew.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub(super) fn of_running(path: &Path) -> Result<Self, LedgerError> {
        let file = copy::file_of(path);
        user::act_as_keeper_of(&file, || {
            let conn = open::connect_to_read(&file, &Options::default())?;
            let reader = Self { conn, copy: None };
            // All files are open from here on.
            schema::version(&reader.conn)?;
            Ok(reader)
        })?
    }

    pub(super) const fn of_copy(conn: Connection, copy: Copy) -> Self {
        Self { conn, copy: Some(copy) }
    }

    /// Answers a question of the site: the orders, at most as many as asked for, in the order the
    /// query names, and how many match in all.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn query(&self, query: &Query) -> Result<(Vec<Order>, u64), LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        match query {
            Query::Backlog { uplink, after, limit } => self.backlog(uplink, *after, *limit),
            Query::Recent { uplink, within_ms, until, after, limit } => {
                recent::recent(&self.conn, uplink, (*within_ms, *until), (*after, *limit))
            }
            Query::History { uplink, query, after, limit, .. } => {
                self.history(uplink, query, *after, *limit)
            }
        }
    }

    fn backlog(
        &self,
        uplink: &UplinkName,
        after: Place,
        limit: u16,
    ) -> Result<(Vec<Order>, u64), LedgerError> {
        // The condition on the state is the one of the index, so that history costs nothing.
        let owed =
            "FROM deliveries d WHERE d.uplink = (SELECT no FROM uplinks WHERE name = :uplink)
            AND d.state IN (0, 1, 3) AND d.state <> 3";
        let condition = format!(
            "WHERE o.seq IN
             (SELECT d.seq {owed} AND d.place > :after ORDER BY d.place LIMIT :limit)"
        );
        let params = named_params! {
            ":uplink": uplink.as_str(), ":after": after.0.cast_signed(), ":limit": limit,
        };
        let calendar = rows::calendar(&self.conn)?;
        let mut orders = rows::select(&self.conn, &calendar, &condition, params)?;
        orders.sort_by_key(|order| order.delivery(uplink).map(|delivery| delivery.place));
        let mut count = self.conn.prepare_cached(&format!("SELECT count(*) {owed}"))?;
        let params = named_params! { ":uplink": uplink.as_str() };
        let total: i64 = count.query_row(params, |row| row.get(0))?;
        Ok((orders, total.cast_unsigned()))
    }

    fn history(
        &self,
        uplink: &UplinkName,
        query: &HistoryQuery,
        after: OrderSeq,
        limit: u16,
    ) -> Result<(Vec<Order>, u64), LedgerError> {
        let level = match query.level {
            HistoryLevel::Current => "l.state < 4 AND :uplink IS NOT NULL",
            HistoryLevel::Unsettled => {
                "o.seq IN (SELECT d.seq FROM deliveries d WHERE d.state IN (0, 1, 3)
                  AND d.uplink = (SELECT no FROM uplinks WHERE name = :uplink))"
            }
            HistoryLevel::All => "e.seq IS NOT NULL AND :uplink IS NOT NULL",
        };
        let matching = format!(
            "WHERE {level} AND (:connector IS NULL OR o.connector = :connector)
             AND (:from IS NULL OR {STARTED} >= :from)
             AND (:until IS NULL OR {STARTED} <= :until)"
        );
        let from = "FROM orders o LEFT JOIN live l ON l.seq = o.seq
            LEFT JOIN endings e ON e.seq = o.seq";
        let connector = query.connector.map(|connector| connector.get());
        let params = named_params! {
            ":uplink": uplink.as_str(), ":connector": connector,
            ":from": query.from_s, ":until": query.until_s,
        };
        let mut count = self.conn.prepare_cached(&format!("SELECT count(*) {from} {matching}"))?;
        let total: i64 = count.query_row(params, |row| row.get(0))?;
        let params = named_params! {
            ":uplink": uplink.as_str(), ":connector": connector,
            ":from": query.from_s, ":until": query.until_s,
            ":after": after.0.cast_signed(), ":limit": limit,
        };
        let condition = format!("{matching} AND o.seq > :after ORDER BY o.seq LIMIT :limit");
        let calendar = rows::calendar(&self.conn)?;
        let orders = rows::select(&self.conn, &calendar, &condition, params)?;
        Ok((orders, total.cast_unsigned()))
    }

    /// Orders, newest first.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn list(&self, filter: &Filter, limit: u16) -> Result<Vec<Order>, LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        let state = match filter.state {
            None => "TRUE",
            Some(OrderState::Settled) => "l.seq IS NULL",
            Some(_) => "l.state = :state",
        };
        let condition = format!(
            "WHERE {state} AND (:pile IS NULL OR p.code = :pile)
             AND (:since IS NULL OR COALESCE({STARTED}, :since) >= :since)
             AND o.seq < :before AND :state IS :state ORDER BY o.seq DESC LIMIT :limit"
        );
        let pile = filter.pile;
        let params = named_params! {
            ":state": filter.state.map(|state| place(&STATES, state)),
            ":pile": pile.as_ref().map(PileCode::as_str),
            ":since": filter.since_s,
            ":before": filter.after.map_or(i64::MAX, |seq| seq.0.cast_signed()),
            ":limit": limit,
        };
        let calendar = rows::calendar(&self.conn)?;
        rows::select(&self.conn, &calendar, &condition, params)
    }

    /// All orders of a filter, newest first, read in pages so that the writer is not held up.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`, and those of `give`.
    pub fn export<E: From<LedgerError>>(
        &self,
        filter: &Filter,
        mut give: impl FnMut(&Order) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut filter = filter.clone();
        loop {
            let page = self.list(&filter, EXPORT_PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            filter.after = Some(last.seq);
            page.iter().try_for_each(&mut give)?;
        }
    }

    /// Other versions of an order, as they came.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn versions(&self, seq: OrderSeq) -> Result<Vec<Version>, LedgerError> {
        let calendar = rows::calendar(&self.conn)?;
        let mut versions = versions::of(&self.conn, seq)?;
        versions.iter_mut().for_each(|version| version.date(&calendar));
        Ok(versions)
    }

    /// What the journal says of an order, oldest first.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn journal(&self, seq: OrderSeq) -> Result<Vec<JournalRow>, LedgerError> {
        journal_rows::of_order(&self.conn, seq)
    }

    /// All that is known of the order with this id, as of one moment.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn dossier(&self, id: &OrderId) -> Result<Option<Dossier>, LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        let caches = Caches::load(&self.conn)?;
        let Some(order) = lookup::by_id(&self.conn, &caches, id)?.pop() else { return Ok(None) };
        let (versions, journal) = (self.versions(order.seq)?, self.journal(order.seq)?);
        Ok(Some(Dossier { order, versions, journal }))
    }

    /// Checks the journal's chain, and the orders against it.
    ///
    /// # Errors
    ///
    /// `Corrupt` if rows cannot be read at all, `Io`.
    pub fn verify(&self) -> Result<Verdict, LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        let noted = self.copy.as_ref().and_then(Copy::noted);
        verify::verify(&self.conn, noted)
    }

    /// The ledger in figures; of a file of any schema.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn summary(&self) -> Result<Summary, LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        let life = if self.copy.is_some() { Life::Stopped } else { Life::Running };
        summary(&self.conn, life)
    }

    /// Numbers of orders.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn counts(&self) -> Result<Counts, LedgerError> {
        let _snapshot = self.conn.unchecked_transaction()?;
        counts(&self.conn)
    }
}

pub(super) fn counts(conn: &Connection) -> Result<Counts, LedgerError> {
    let recent = "SELECT count(*) FROM orders WHERE seq >
        COALESCE((SELECT value FROM meta WHERE key = 'indexed_to'), 0)";
    let indexed = load::count(conn, "SELECT count(*) FROM keys")?;
    let of_live = |condition: &str| {
        load::count(conn, &format!("SELECT count(*) FROM live WHERE state {condition}"))
    };
    Ok(Counts {
        orders: (indexed + load::count(conn, recent)?).cast_unsigned(),
        unsettled: of_live("= 4")?.cast_unsigned(),
        open: of_live("< 4")?.cast_unsigned(),
    })
}

/// The ledger in figures.
pub(super) fn summary(conn: &Connection, life: Life) -> Result<Summary, LedgerError> {
    let pages = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = pages("page_count")?.saturating_mul(pages("page_size")?);
    Ok(Summary {
        counts: counts(conn)?,
        oldest_unsettled_ms: oldest_unsettled_ms(conn)?,
        schema: schema::version(conn)?,
        bytes: bytes.cast_unsigned(),
        head: journal::head(conn)?,
        life,
    })
}

fn oldest_unsettled_ms(conn: &Connection) -> Result<Option<i64>, LedgerError> {
    let calendar = rows::calendar(conn)?;
    let sql = "SELECT e.boot, e.mono, e.wall, e.quality FROM live l
        JOIN endings e ON e.seq = l.seq WHERE l.state = 4";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut oldest: Option<i64> = None;
    while let Some(row) = rows.next()? {
        let wall = rows::dated(&calendar, columns::stamp(row, 0)?).wall;
        if wall.quality != ClockQuality::Unset {
            oldest = Some(oldest.map_or(wall.unix_ms, |before| before.min(wall.unix_ms)));
        }
    }
    Ok(oldest)
}
