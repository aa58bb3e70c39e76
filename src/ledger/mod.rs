//! The memory of the site: orders, deliveries and a journal in one SQLite file.
//!
//! One writer, the heart, calls [`Ledger::commit`] with what a step decided: all entries of a
//! batch go into **one** transaction with **one** sync, and only then are its commands released.
//! Everybody else reads on a second connection.
//!
//! # What always holds
//!
//! 1. A commit that returned is on the disk, and survives a power cut at any later moment.
//! 2. A commit that failed left nothing; [`Ledger::load`] gives what memory has to be.
//! 3. Every journalled fact is a row whose hash covers the row before it.
//! 4. A damaged file is kept; the site starts on what can be read of it.
//!
//! # Where to read
//!
//! `schema.sql` the tables · `apply*.rs` entries into rows · `rows.rs` rows into orders ·
//! `metering.rs` what meters say · `keys.rs` how an order is found · `recent.rs` what was confirmed
//! last · `fact.rs`, `journal.rs` the chain · `dates.rs` runs without a clock ·
//! `open.rs`, `schema.rs`, `salvage.rs` start · `ballast.rs` a full disk.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior};

mod apply;
mod apply_deliveries;
mod apply_site;
mod apply_uplinks;
pub mod backup;
mod ballast;
mod caches;
mod columns;
mod copy;
mod dates;
mod error;
mod fact;
mod journal;
mod journal_rows;
mod keys;
mod load;
mod lookup;
mod metering;
mod note;
mod open;
mod phase;
mod prune;
mod reader;
mod recent;
mod rows;
mod salvage;
mod schema;
mod stats;
mod verify;
mod versions;

use apply::Writer;
use ballast::Ballast;
use caches::Caches;
use note::Note;
use stats::{DAY_MS, Written};

pub use ballast::BALLAST_BYTES;
pub use copy::{is_there, look, open_copy, open_salvaged_copy};
pub use error::LedgerError;
pub use fact::FactKind;
pub use journal::Head;
pub use journal_rows::JournalRow;
pub use open::{FILE, Opening};
pub use phase::{Phase, Phases};
pub use prune::Pruned;
pub use reader::{Counts, Dossier, Filter, Life, Reader, Summary};
pub use salvage::Salvaged;
pub use schema::Migrated;
pub use stats::Stats;
pub use verify::Verdict;
pub use versions::{VERSIONS_KEPT, Version};

use crate::{
    domain::{order::Order, time::BootId},
    site::{
        Lookup,
        entry::Entry,
        restore::Image,
        step::{Released, Step},
    },
};

/// How the ledger is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Free space below which the store counts as full, in MB.
    pub min_free_mb: u64,
    /// Size of a page of a new file.
    pub page_bytes: u32,
    /// Length of the log, in pages, at which it is moved into the file.
    pub checkpoint_pages: u32,
    /// Greatest length of the file, in pages; tests simulate a full disk with it.
    pub max_pages: Option<u32>,
    /// SQLite's file system, by name; tests count and cut with it.
    pub vfs: Option<String>,
    /// Who is told what an opening is busy with.
    pub phases: Phases,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            min_free_mb: 64,
            // Chosen by measured bytes per order: docs/decisions/0005-ledger-layout.md.
            page_bytes: 1024,
            checkpoint_pages: 1000,
            max_pages: None,
            vfs: None,
            phases: Phases::default(),
        }
    }
}

/// Commits between two looks at the free space.
const SPACE_CHECK_COMMITS: u32 = 64;

/// The memory of the site; its only writer.
#[derive(Debug)]
pub struct Ledger {
    conn: Connection,
    dir: PathBuf,
    options: Options,
    boot: BootId,
    /// `None` after a failed commit: the next use reads it anew.
    caches: Option<Caches>,
    ballast: Ballast,
    commits: u32,
    written: Written,
    _lock: File,
}

impl Ledger {
    /// Opens the ledger of a data directory, or makes it, and counts the run.
    ///
    /// # Errors
    ///
    /// `Locked` if another program has it, `TooNew`, `Full`, `Io`. A damaged file is no error: it
    /// is set aside and what can be read of it is taken over.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opening), LedgerError> {
        let lock = open::lock(dir)?;
        let mut ballast = Ballast::new(dir, options.min_free_mb.saturating_mul(1024 * 1024));
        let opened = match open::open(dir, &options) {
            Err(LedgerError::Full) => {
                ballast.give_up()?;
                open::open(dir, &options)?
            }
            opened => opened?,
        };
        ballast.check()?;
        let ledger = Self {
            conn: opened.conn,
            dir: dir.to_owned(),
            options,
            boot: opened.boot,
            caches: Some(opened.caches),
            ballast,
            commits: 0,
            written: Written::new(),
            _lock: lock,
        };
        Ok((ledger, opened.opening))
    }

    /// What memory has to be: at the start, and after a failed commit.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn load(&mut self) -> Result<Image, LedgerError> {
        let boot = self.boot;
        let (conn, caches) = self.parts()?;
        load::image(conn, caches, boot)
    }

    /// Makes the entries of a step durable, in one transaction with one sync, and gives its
    /// commands free. A step without entries touches nothing.
    ///
    /// # Errors
    ///
    /// Nothing of the step is kept then: `Full`, with the ballast given up, so that what drains
    /// has room; `Contradiction`, `Corrupt`, `Io`.
    pub fn commit(&mut self, step: Step) -> Result<Released, LedgerError> {
        step.commit_with(|entries| self.persist(entries))
    }

    /// Makes entries durable that no command waits for, as [`Self::commit`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`].
    pub fn record(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        self.persist(entries)
    }

    /// What the ledger has for an input, newest first.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn lookup(&mut self, what: &Lookup) -> Result<Vec<Order>, LedgerError> {
        let (conn, caches) = self.parts()?;
        lookup::lookup(conn, caches, what)
    }

    /// A second connection, for another thread, that only reads.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn reader(&self) -> Result<Reader, LedgerError> {
        Reader::beside(&self.dir, &self.options)
    }

    /// Checks the journal's chain, and the orders against it.
    ///
    /// # Errors
    ///
    /// `Corrupt` if rows cannot be read at all, `Io`.
    pub fn verify(&self) -> Result<Verdict, LedgerError> {
        verify::verify(&self.conn, note::read(&self.dir).map(|note| note.head))
    }

    /// Whether the store is full: the ballast is given up, new charging is to be refused.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.ballast.is_full()
    }

    /// Looks at the free space now, gives the ballast up or takes it again; gives
    /// [`Self::is_full`]. Commits do so now and then.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn check_space(&mut self) -> Result<bool, LedgerError> {
        self.ballast.check()?;
        Ok(self.is_full())
    }

    /// The end of the journal's chain, to be logged now and then.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn head(&mut self) -> Result<Head, LedgerError> {
        Ok(self.parts()?.1.head)
    }

    /// Moves the log into the file and notes the head beside it; done at an orderly stop and once
    /// a day.
    ///
    /// # Errors
    ///
    /// `Full`, `Corrupt`, `Io`.
    pub fn checkpoint(&mut self) -> Result<(), LedgerError> {
        let note = Note { boot: self.boot.0, head: self.head()? };
        note::write(&self.dir, &note)?;
        // A reader may keep part of the log from moving; it moves later.
        self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Removes what was recorded more than `retention_days` before `now_unix_ms`: at most `limit`
    /// journal rows at a time, in one transaction, so that the heart is not held up.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`]; nothing is removed then.
    pub fn prune(
        &mut self,
        now_unix_ms: i64,
        retention_days: u32,
        limit: u32,
    ) -> Result<Pruned, LedgerError> {
        let kept_ms = i64::from(retention_days) * DAY_MS;
        self.parts()?;
        let caches = self.caches.as_mut().expect("just filled");
        let write = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // An order leaves the index only if it is in it.
        caches.recent.store(&write, &caches.piles)?;
        let cutoff = now_unix_ms.saturating_sub(kept_ms);
        let done = prune::prune(&write, &caches.calendar, cutoff, limit);
        let done = done.and_then(|pruned| Ok(write.commit().map(|()| pruned)?));
        if done.is_err() {
            self.caches = None;
        }
        done
    }

    /// Figures of the store; the time tells one day from the next.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `Io`.
    pub fn stats(&mut self, now_unix_ms: i64) -> Result<Stats, LedgerError> {
        let (written_bytes, written_today_bytes) = self.written.at(now_unix_ms);
        Ok(Stats {
            counts: reader::counts(&self.conn)?,
            written_bytes,
            written_today_bytes,
            free_bytes: self.ballast.free_bytes()?,
            is_full: self.is_full(),
        })
    }

    fn parts(&mut self) -> Result<(&Connection, &mut Caches), LedgerError> {
        if self.caches.is_none() {
            self.caches = Some(Caches::load(&self.conn)?);
        }
        let caches = self.caches.as_mut().expect("just filled");
        Ok((&self.conn, caches))
    }

    fn persist(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        if entries.is_empty() {
            return Ok(());
        }
        let done = self.write(entries);
        if done.is_err() {
            self.caches = None;
        }
        if matches!(done, Err(LedgerError::Full)) {
            self.ballast.give_up()?;
        }
        self.commits = self.commits.wrapping_add(1);
        if self.commits.is_multiple_of(SPACE_CHECK_COMMITS) {
            self.ballast.check()?;
        }
        done
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), LedgerError> {
        self.parts()?;
        let caches = self.caches.as_mut().expect("just filled");
        let write = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writer = Writer { conn: &write, caches };
        for entry in entries {
            writer.apply(entry)?;
        }
        if caches.recent.len() >= keys::BULK {
            caches.recent.store(&write, &caches.piles)?;
        }
        Ok(write.commit()?)
    }
}
