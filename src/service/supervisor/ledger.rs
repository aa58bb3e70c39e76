//! Opens the ledger.

use std::path::Path;

use anyhow::anyhow;
use tracing::{error, info};

use crate::{
    ledger::{Ledger, LedgerError, Opening, Options, Salvaged},
    service::config::Config,
};

/// Opens the ledger and tells whatever the opening found; damage also in words for an alarm.
pub(super) fn open(config: &Config) -> anyhow::Result<(Ledger, Option<String>)> {
    let data_dir = &config.site.data_dir;
    let min_free_mb = u64::from(config.ledger.min_free_mb);
    let options = Options { min_free_mb, ..Options::default() };
    let opened = Ledger::open(data_dir, options).map_err(|error| unopened(data_dir, error))?;
    let (ledger, opening) = opened;
    let damage = told(opening);
    Ok((ledger, damage))
}

/// Tells what the opening found; what is gone, in words.
fn told(opening: Opening) -> Option<String> {
    let Opening { is_fresh, migrated, salvaged, missing_rows } = opening;
    if is_fresh {
        info!("new ledger");
    }
    if let Some(migrated) = migrated {
        info!(from = migrated.from, to = migrated.to, copies = ?migrated.copies, "ledger migrated");
    }
    if let Some(salvaged) = salvaged {
        let Salvaged { set_aside, why, kept, lost } = salvaged;
        let file = set_aside.display();
        error!(%file, why, kept, lost, "the ledger was damaged and is set aside");
        let text = format!("was damaged, is kept as {file}: {kept} orders salvaged, {lost} lost");
        return Some(text);
    }
    (missing_rows > 0).then(|| {
        error!(missing_rows, "the ledger lacks rows that it had: its file or its log is gone");
        format!("lacks {missing_rows} rows that it had: its file or its log is gone")
    })
}

/// Names the directory of a ledger that cannot be opened.
fn unopened(data_dir: &Path, error: LedgerError) -> anyhow::Error {
    // A start by hand leaves files of another user.
    let hint = match error {
        LedgerError::Io(_) => "\nhint: all in it must belong to the user that runs this",
        _ => "",
    };
    anyhow!("{}: {error}{hint}", data_dir.display())
}
