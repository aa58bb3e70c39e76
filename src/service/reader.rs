//! Reads the ledger beside the heart, so that a long read never holds up a commit: one thread
//! for the site's own questions, one for pages and commands.

use tokio::sync::oneshot;

use crate::{
    domain::{id::OrderId, order::Order},
    ledger::{Dossier, Filter, LedgerError, Reader, Verdict},
    site::{Input, command::Query},
    status::{self, Noted, OtherVersion, Verified},
};

/// Questions that may wait: the site asks one at a time for each uplink, and once for every
/// request for history.
pub const HISTORY_QUEUE: usize = 1024;

/// Pages that may wait.
pub const PAGES_QUEUE: usize = 16;

/// Answers the site's questions until nobody asks any more or the site has ended.
///
/// # Errors
///
/// If the ledger cannot be read: an empty answer would tell the site that nothing is owed.
pub fn answer_site(
    reader: &Reader,
    questions: &flume::Receiver<Query>,
    inbox: &flume::Sender<Input>,
) -> Result<(), LedgerError> {
    for query in questions {
        let (orders, total) = reader.query(&query)?;
        if inbox.send(Input::Loaded { query, orders, total }).is_err() {
            break;
        }
    }
    Ok(())
}

/// What a page wants.
#[derive(Debug)]
pub enum Page {
    /// A list of orders.
    List {
        /// Which.
        filter: Filter,
        /// At most that many.
        limit: u16,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Vec<Order>, LedgerError>>,
    },
    /// All that is known of one order.
    One {
        /// Which.
        id: OrderId,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Option<Dossier>, LedgerError>>,
    },
    /// A check of the journal.
    Verify {
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Verdict, LedgerError>>,
    },
}

/// What a check of the journal found, for people and scripts.
#[must_use]
pub fn verified(verdict: &Verdict) -> Verified {
    Verified {
        rows: verdict.rows,
        orders: verdict.orders,
        anchor: verdict.anchor.to_string(),
        head: verdict.head.to_string(),
        bad: verdict.bad.as_ref().map(|(row, what)| format!("row {row}: {what}")),
    }
}

/// All that is known of one order, for people and scripts.
#[must_use]
pub fn dossier(dossier: Dossier) -> status::Dossier {
    let versions = dossier.versions.into_iter().map(|version| OtherVersion {
        kind: version.kind,
        ending: version.ending,
        at: version.at,
    });
    let journal = dossier.journal.into_iter().map(|row| Noted {
        n: row.n,
        kind: row.kind.name(),
        at: row.at,
        detail: row.detail,
        hash: row.hash,
    });
    status::Dossier {
        order: dossier.order,
        versions: versions.collect(),
        journal: journal.collect(),
    }
}

/// Answers pages until nobody asks any more.
pub fn answer_pages(reader: &Reader, pages: &flume::Receiver<Page>) {
    for page in pages {
        // Whoever asked may have gone.
        match page {
            Page::List { filter, limit, answer } => {
                let _ = answer.send(reader.list(&filter, limit));
            }
            Page::One { id, answer } => {
                let _ = answer.send(reader.dossier(&id));
            }
            Page::Verify { answer } => {
                let _ = answer.send(reader.verify());
            }
        }
    }
}
