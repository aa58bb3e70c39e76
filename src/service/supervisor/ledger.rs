//! Opens the ledger.

use std::{io, path::Path, sync::Arc};

use anyhow::anyhow;
use rustix::io::Errno;
use tracing::{error, info};

use crate::{
    ledger::{Ledger, LedgerError, Opening, Options, Phase, Phases, Salvaged},
    service::{config::Config, notify::Manager},
};

/// Opens the ledger and tells whatever the opening found; damage also in words for an alarm. The
/// manager is told what takes so long.
pub(super) fn open(
    config: &Config,
    manager: &Arc<Manager>,
) -> anyhow::Result<(Ledger, Option<String>)> {
    let data_dir = &config.site.data_dir;
    let min_free_mb = u64::from(config.ledger.min_free_mb);
    let manager = manager.clone();
    let phases = Phases::told(move |phase| manager.status(&in_words(phase)));
    let options = Options { min_free_mb, phases, ..Options::default() };
    let opened = Ledger::open(data_dir, options).map_err(|error| unopened(data_dir, &error))?;
    let (ledger, opening) = opened;
    let damage = told(opening);
    Ok((ledger, damage))
}

fn in_words(phase: Phase) -> String {
    match phase {
        Phase::Checking { bytes } => format!("checking the ledger, {} MB", bytes.div_ceil(1 << 20)),
        Phase::Migrating { from, to } => format!("migrating the ledger, schema {from} to {to}"),
        Phase::Restoring { orders } => format!("restoring the ledger, {orders} orders"),
        Phase::Salvaging { orders } => {
            format!("salvaging a damaged ledger, {orders} orders so far")
        }
    }
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
        error!(%file, reason = why, kept, lost, "the ledger was damaged and is set aside");
        let text = format!("was damaged, is kept as {file}: {kept} orders salvaged, {lost} lost");
        return Some(text);
    }
    (missing_rows > 0).then(|| {
        error!(missing_rows, "the ledger lacks rows that it had: its file or its log is gone");
        format!("lacks {missing_rows} rows that it had: its file or its log is gone")
    })
}

/// Names the directory of a ledger that cannot be opened.
fn unopened(data_dir: &Path, error: &LedgerError) -> anyhow::Error {
    let hint = match error {
        LedgerError::Io(cause) => hint(data_dir, cause),
        _ => String::new(),
    };
    anyhow!("{}: {error}{hint}", data_dir.display())
}

/// What helps where the data directory cannot be used.
pub(super) fn hint(data_dir: &Path, cause: &str) -> String {
    let dir = data_dir.display();
    if cause.contains(&io::Error::from(Errno::ROFS).to_string()) {
        return format!(
            "\nhint: make it for the user of the service, and let the unit write there: \
             sudo systemctl edit sitepilot, [Service], ReadWritePaths={dir}; or mount it writable"
        );
    }
    // A start by hand leaves files of another user.
    "\nhint: it and all in it must belong to the user that runs this".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_cannot_be_written_is_told_with_what_helps() {
        let told = |errno: Errno| {
            let error = LedgerError::Io(io::Error::from(errno).to_string());
            unopened(Path::new("/data/site"), &error).to_string()
        };
        assert!(told(Errno::ROFS).contains("ReadWritePaths=/data/site; or mount it writable"));
        assert!(told(Errno::ACCESS).contains("belong to the user that runs this"));
    }
}
