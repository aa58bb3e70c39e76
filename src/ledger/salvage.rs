//! What can be read of a damaged file, taken over into a new one.
//!
//! The new file is built beside the damaged one and takes its place only when it is whole, so a
//! power cut in between loses nothing: the salvage is begun again, or only finished.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior, params_from_iter, types::Value};

use super::{
    Options,
    apply::Writer,
    caches::Caches,
    columns::{STATES, place},
    error::LedgerError,
    fact::FactKind,
    journal, keys, load, metering,
    note::Note,
    open,
    phase::{Phase, Phases},
    rows, schema,
};
use crate::domain::{
    id::{OrderSeq, Place, UplinkName},
    order::{Delivery, DeliveryState, Order, OrderState},
};

pub(super) const NEW_FILE: &str = "ledger.salvage.db";

/// Orders taken over in one transaction: the log in front of the new file stays small.
const BATCH: usize = 500;

/// Reads of a damaged file, at most: a start must end. Each row that cannot be read takes about
/// twenty, so this is some ten thousand of them.
const READS: u32 = 200_000;

/// What was salvaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The damaged file, kept.
    pub set_aside: PathBuf,
    /// What was wrong with it.
    pub why: String,
    /// Orders taken over.
    pub kept: u64,
    /// Orders that cannot be read, as far as can be told: nothing can where not even the tables
    /// are found.
    pub lost: u64,
}

/// Ends a replacement that was cut off: the new file is whole if the damaged one is gone already.
pub(super) fn finish(dir: &Path) -> Result<(), LedgerError> {
    if dir.join(open::FILE).exists() {
        return remove(dir);
    }
    if dir.join(NEW_FILE).exists() {
        fs::rename(dir.join(NEW_FILE), dir.join(open::FILE))?;
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<(), LedgerError> {
    for suffix in ["", "-wal", "-shm"] {
        open::remove_if_there(&dir.join(format!("{NEW_FILE}{suffix}")))?;
    }
    Ok(())
}

/// Replaces a damaged file by what can be read of it.
pub(super) fn replace(
    dir: &Path,
    options: &Options,
    noted: &Note,
    why: String,
) -> Result<Salvaged, LedgerError> {
    remove(dir)?;
    let mut new = open::connect(&dir.join(NEW_FILE), options)?;
    schema::migrate(&mut new, &schema::MIGRATIONS, None, &options.phases)?;
    let (kept, lost) = match open_damaged(dir, options) {
        Ok(old) => take_over(&old, &mut new, noted, &options.phases)?,
        Err(_) => {
            journal::set_anchor(&new, &noted.head, "nothing could be salvaged")?;
            (0, 0)
        }
    };
    new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    drop(new);
    let aside = open::set_aside(dir, open::DAMAGED)?;
    let set_aside = aside.unwrap_or_else(|| dir.join(open::FILE));
    finish(dir)?;
    Ok(Salvaged { set_aside, why, kept, lost })
}

/// A connection to the damaged file on which the small tables, one page of which would cost all
/// orders, are shadowed by copies of what can be read of them.
fn open_damaged(dir: &Path, options: &Options) -> Result<Connection, LedgerError> {
    let old = open::connect_to_read(&dir.join(open::FILE), options)?;
    let known = i64::try_from(schema::MIGRATIONS.len()).expect("there are few");
    let version = schema::version(&old)?;
    if !(schema::OLDEST_ALIKE..=known).contains(&version) {
        return Err(LedgerError::corrupt("the schema cannot be read, or is an older one"));
    }
    if version < schema::FIRST_ENLISTING {
        // Deliveries are read with it.
        old.execute_batch("CREATE TEMP TABLE frozen (delivery INTEGER PRIMARY KEY, body BLOB)")?;
    }
    for table in ["piles", "uplinks", "live", "transactions"] {
        let sql = format!("CREATE TEMP TABLE {table} AS SELECT * FROM main.{table} WHERE FALSE");
        old.execute_batch(&sql)?;
        copy(&old, &format!("main.{table}"), &old, &format!("temp.{table}"))?;
    }
    old.execute_batch(
        "CREATE INDEX temp.live_seq ON live (seq);
         CREATE INDEX temp.transactions_seq ON transactions (seq);
         CREATE INDEX temp.piles_no ON piles (no);
         CREATE INDEX temp.uplinks_no ON uplinks (no);",
    )?;
    Ok(old)
}

/// Copies the rows before the first damage and those after the last.
fn copy(from: &Connection, table: &str, to: &Connection, into: &str) -> Result<(), LedgerError> {
    for order in ["", "ORDER BY 1 DESC"] {
        let Ok(mut select) = from.prepare(&format!("SELECT * FROM {table} {order}")) else {
            return Ok(());
        };
        let columns = select.column_count();
        let marks = vec!["?"; columns].join(",");
        let mut insert = to.prepare(&format!("INSERT OR IGNORE INTO {into} VALUES ({marks})"))?;
        let mut rows = select.query([])?;
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let values: Result<Vec<Value>, _> =
                        (0..columns).map(|at| row.get(at)).collect();
                    if let Ok(values) = values {
                        insert.execute(params_from_iter(values))?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => break,
            }
        }
    }
    Ok(())
}

/// Takes over all that can be read; gives the numbers of orders kept and lost.
fn take_over(
    old: &Connection,
    new: &mut Connection,
    noted: &Note,
    phases: &Phases,
) -> Result<(u64, u64), LedgerError> {
    phases.tell(Phase::Salvaging { orders: 0 });
    let head = journal::head(old).ok().filter(|head| head.n > noted.head.n).unwrap_or(noted.head);
    journal::set_anchor(new, &head, "salvaged")?;
    for table in [
        "piles",
        "uplinks",
        "boots",
        "cards",
        "tariff",
        "sequences",
        "remotes",
        "passes",
        "versions",
        "meters",
        "enlisted",
        "required",
    ] {
        copy(old, table, new, table)?;
    }
    copy(old, "(SELECT * FROM meta WHERE key IN ('pruned_to', 'required'))", new, "meta")?;
    let mut caches = Caches::load(new)?;
    let uplinks = Uplinks::taken_over(new, &caches)?;
    let mut search = Search { old, reads: 0, found: BTreeSet::new(), lost: 0 };
    // Every order took a row of the journal, so a greater position is damage.
    search.range(0, last_seq(old).min(head.n));
    let (mut kept, mut lost) = (0, search.lost);
    let found: Vec<OrderSeq> = search.found.into_iter().collect();
    for batch in found.chunks(BATCH) {
        let write = new.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for seq in batch {
            let Some(order) = read(old, *seq, &uplinks) else {
                lost += 1;
                continue;
            };
            if keep(&write, &mut caches, &order)? {
                kept += 1;
            } else {
                lost += 1;
            }
        }
        if caches.recent.len() >= keys::BULK {
            caches.recent.store(&write, &caches.piles)?;
        }
        write.commit()?;
        phases.tell(Phase::Salvaging { orders: kept });
    }
    if schema::version(old)? < schema::FIRST_ENLISTING {
        new.execute_batch(schema::CHARGERS)?;
    }
    Ok((kept, lost))
}

/// What is known of uplinks.
struct Uplinks {
    /// Those that take orders.
    takers: Vec<UplinkName>,
    /// Those that decide settlement; `None`: all.
    required: Option<BTreeSet<UplinkName>>,
}

impl Uplinks {
    /// What could be taken over; what is not whole is forgotten, and the site says it again.
    fn taken_over(new: &Connection, caches: &Caches) -> Result<Self, LedgerError> {
        new.execute_batch(
            "DELETE FROM enlisted WHERE uplink NOT IN (SELECT no FROM uplinks);
             DELETE FROM required WHERE uplink NOT IN (SELECT no FROM uplinks);
             DELETE FROM meta WHERE key = 'required' AND value <> (SELECT count(*) FROM required);
             DELETE FROM required WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'required');",
        )?;
        let mut takers: Vec<UplinkName> = load::enlisted(new)?.into_keys().collect();
        if takers.is_empty() {
            takers = caches.uplinks.keys().cloned().collect();
        }
        Ok(Self { takers, required: load::required(new)? })
    }

    fn decides(&self, uplink: &UplinkName) -> bool {
        self.required.as_ref().is_none_or(|required| required.contains(uplink))
    }
}

/// Takes an order over; `false` if damage has made it deny another one.
fn keep(new: &Connection, caches: &mut Caches, order: &Order) -> Result<bool, LedgerError> {
    new.execute_batch("SAVEPOINT one")?;
    match (Writer { conn: new, caches }).salvaged(order) {
        Ok(()) => {
            new.execute_batch("RELEASE one")?;
            Ok(true)
        }
        Err(LedgerError::Contradiction(_) | LedgerError::Corrupt(_)) => {
            new.execute_batch("ROLLBACK TO one; RELEASE one")?;
            *caches = Caches::load(new)?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The last position that any table names.
fn last_seq(old: &Connection) -> u64 {
    let tables = ["orders", "endings", "main.live", "deliveries", "keys"];
    let last = |table| load::count(old, &format!("SELECT COALESCE(max(seq), 0) FROM {table}"));
    tables.into_iter().filter_map(|table| last(table).ok()).max().unwrap_or(0).cast_unsigned()
}

/// Looks for rows of orders by halving what cannot be read.
struct Search<'a> {
    old: &'a Connection,
    reads: u32,
    /// A damaged tree may give a row twice, or out of place.
    found: BTreeSet<OrderSeq>,
    lost: u64,
}

impl Search<'_> {
    /// Positions after `after` up to `last`.
    fn range(&mut self, after: u64, last: u64) {
        if after >= last {
            return;
        }
        let Some(reached) = self.forward(after, last) else { return };
        self.reads += 1;
        if reached + 1 == last || self.reads > READS {
            self.lost += last - reached;
            return;
        }
        let middle = reached + (last - reached) / 2;
        self.range(reached, middle);
        self.range(middle, last);
    }

    /// Reads on until the end, or gives the last position that could be read.
    fn forward(&mut self, after: u64, last: u64) -> Option<u64> {
        let sql = "SELECT seq FROM orders WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
        let Ok(mut select) = self.old.prepare_cached(sql) else { return Some(after) };
        let Ok(mut rows) = select.query([after.cast_signed(), last.cast_signed()]) else {
            return Some(after);
        };
        let mut reached = after;
        loop {
            match rows.next().and_then(|row| row.map(|row| row.get::<_, i64>(0)).transpose()) {
                Ok(Some(seq)) => {
                    reached = seq.cast_unsigned().clamp(reached, last);
                    self.found.insert(OrderSeq(reached));
                }
                Ok(None) => return None,
                Err(_) => return Some(reached),
            }
        }
    }
}

/// One order, with what is missing around it replaced by what harms least.
fn read(old: &Connection, seq: OrderSeq, uplinks: &Uplinks) -> Option<Order> {
    let order = whole(old, seq, uplinks).or_else(|| {
        // Its state may be lost: open orders come back as interrupted, ended ones as unsettled.
        let has_ended = old
            .prepare_cached("SELECT 1 FROM endings WHERE seq = ?1")
            .and_then(|mut select| select.exists([seq.0.cast_signed()]))
            .ok()?;
        let state = if has_ended { OrderState::Recorded } else { OrderState::Interrupted };
        let sql = "INSERT INTO temp.live (seq, state) SELECT ?1, ?2
            WHERE NOT EXISTS (SELECT 1 FROM live WHERE seq = ?1)";
        old.execute(sql, [seq.0.cast_signed(), place(&STATES, state)]).ok()?;
        whole(old, seq, uplinks)
    })?;
    Some(reopened(order, uplinks))
}

fn whole(old: &Connection, seq: OrderSeq, uplinks: &Uplinks) -> Option<Order> {
    let mut order = rows::raw_without_deliveries(old, seq).ok()??;
    // What is billed stands in the ending; an order that runs is billed by the pile's values then.
    order.metering = metering::of(old, seq).unwrap_or(None);
    if order.ending.is_some() {
        // Sent twice under the same id is better than never.
        let place = Place(seq.0);
        let again =
            |_| uplinks.takers.iter().map(|name| Delivery::queued(name.clone(), place)).collect();
        order.deliveries = rows::deliveries(old, seq).unwrap_or_else(again);
    }
    Some(order)
}

/// An order that counts as settled only for want of a state is unsettled if something of it is open
/// for an uplink that decides.
fn reopened(mut order: Order, uplinks: &Uplinks) -> Order {
    let is_owed = |delivery: &Delivery| {
        let is_open = delivery.state.is_owed() || delivery.state == DeliveryState::Quarantined;
        is_open && uplinks.decides(&delivery.uplink)
    };
    let is_open = order.deliveries.iter().any(is_owed);
    if order.state == OrderState::Settled && is_open {
        order.state = OrderState::Recorded;
    }
    order
}

impl Writer<'_> {
    fn salvaged(&mut self, order: &Order) -> Result<(), LedgerError> {
        self.insert_core(order, FactKind::Salvaged)?;
        let Some(ending) = &order.ending else {
            return self.set_live(order.seq, order.state, order.progress);
        };
        self.insert_ending(order, ending)?;
        match order.state {
            OrderState::Settled => Ok(()),
            state => self.set_live(order.seq, state, None),
        }
    }
}
