//! `backup`

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    path::{self, Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use serde_json::json;

use super::{Common, Exit, Failure, table};
use crate::{
    clock::Clock,
    ledger::{
        self, LedgerError, Summary,
        backup::{self as books, About, Source},
    },
    service::{
        backup::{Collected, collect, directory_of},
        config::Paths,
    },
    sys::user::{self, User},
};

/// `backup`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file to be made, in a directory that is there
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Only if this version would migrate the ledger
    #[arg(long)]
    if_outdated: bool,
}

/// Most files that are named one by one.
const NAMED: usize = 20;

/// One file with all that a site needs: its ledger, running or stopped, its registry, the accounts
/// it was issued, and its config with all secrets.
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let paths = common.paths()?;
    let Arguments { file, force, if_outdated } = arguments;
    let is_there = ledger::is_there(&paths.data_dir);
    if *if_outdated && !is_needed(is_there.as_ref().is_ok_and(|is_there| *is_there), &paths)? {
        return Ok(Exit::Done);
    }
    let shown = paths.data_dir.display();
    if !is_there.with_context(|| format!("cannot look for a ledger: {shown}"))? {
        return Err(anyhow!("there is no ledger to back up: {shown}").into());
    }
    if !force && file.symlink_metadata().is_ok() {
        let hint = "hint: --force replaces it";
        return Err(anyhow!("{} is there already\n{hint}", file.display()).into());
    }
    let done = make(common, &paths, file);
    let done = done.with_context(|| format!("no backup was made: {}", file.display()))?;
    Ok(done.tell(common, file))
}

/// Whether the ledger has an older schema than this program's; tells why not.
fn is_needed(is_there: bool, paths: &Paths) -> Result<bool, Failure> {
    if !is_there {
        eprintln!("nothing to back up: there is no ledger");
        return Ok(false);
    }
    let (found, known) = (books::schema_of(&paths.data_dir)?, books::schema_of_this_program());
    if found >= known {
        eprintln!("nothing to back up: the ledger has schema {found}, which this version keeps");
    }
    Ok(found < known)
}

/// What a backup has in it.
struct Made {
    summary: Summary,
    bad: Option<String>,
    collected: Collected,
    bytes: u64,
}

/// A file that goes away unless it is finished.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed is replaced by the next backup to the same place.
        let _ = books::discard(&self.0);
    }
}

fn make(common: &Common, paths: &Paths, file: &Path) -> anyhow::Result<Made> {
    let name = file.file_name().context("it needs the name of a file")?;
    let dir = directory_of(file);
    let writer = writer(&dir, &paths.data_dir)?;
    let mut partial = name.to_owned();
    partial.push(".partial");
    let partial = dir.join(partial);
    let source = Source::open(&paths.data_dir).context("cannot open the ledger")?;
    let mut draft = user::act_as(writer, || {
        books::discard(&partial)?;
        let guard = Partial(partial.clone());
        anyhow::Ok((source.copy_to(&partial).map_err(no_room)?, guard))
    })??;
    // Later than the ledger: what it tells of is in them.
    let collected = collect(&common.config, &paths.data_dir, &partial)?;
    let about = about(common, paths);
    user::act_as(writer, || {
        draft.0.pack(&about, &collected.luggage).map_err(no_room)?;
        let (summary, verdict) = draft.0.check().context("the ledger is damaged")?;
        let (draft, guard) = draft;
        draft.close().map_err(no_room)?;
        let bytes = fs::metadata(&partial)?.len();
        fs::rename(&partial, file)?;
        drop(guard);
        File::open(&dir)?.sync_all()?;
        let bad = verdict.bad.map(|(row, what)| format!("row {row}: {what}"));
        Ok(Made { summary, bad, collected, bytes })
    })?
}

fn no_room(error: LedgerError) -> anyhow::Error {
    match error {
        LedgerError::Full => anyhow!("there is no room for it"),
        error => error.into(),
    }
}

/// Who writes it. In the data directory that is the user it belongs to, also where root asks for
/// it: root leaves nothing of its own there.
fn writer(dir: &Path, data_dir: &Path) -> anyhow::Result<User> {
    let owner = if user::is_root() { user::owner_of(data_dir)? } else { User::current() };
    let (given, data_dir) = (path::absolute(data_dir)?, data_dir.canonicalize()?);
    if !dir.try_exists()? {
        let parent = directory_of(dir).canonicalize().unwrap_or_default();
        if !parent.starts_with(&data_dir) {
            return Err(anyhow!("there is no directory {}", dir.display()));
        }
        user::act_as(owner, || DirBuilder::new().mode(0o700).create(dir))??;
    }
    // By its name as well: in there, a link may lead wherever the owner wants root to write.
    let is_inside =
        path::absolute(dir)?.starts_with(&given) || dir.canonicalize()?.starts_with(&data_dir);
    Ok(if is_inside { owner } else { User::current() })
}

fn about(common: &Common, paths: &Paths) -> About {
    let now = Clock::passing().now().wall.known_s().and_then(|s| Timestamp::from_second(s).ok());
    About {
        site: paths.code.clone(),
        made_at: now.map_or_else(String::new, |now| now.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        config: common.config.display().to_string(),
        data_dir: paths.data_dir.display().to_string(),
    }
}

impl Made {
    fn tell(&self, common: &Common, file: &Path) -> Exit {
        let Self { summary, bad, collected, bytes } = self;
        let files = collected.luggage.len();
        if common.json {
            table::json(&json!({
                "file": file,
                "bytes": bytes,
                "orders": summary.counts.orders,
                "unsettled": summary.counts.unsettled,
                "open": summary.counts.open,
                "schema": summary.schema,
                "head": summary.head.to_string(),
                "bad": bad,
                "files": files,
                "left_out": collected.left_out,
            }));
        }
        eprintln!(
            "{}: {bytes} bytes: {} orders, {} of them not settled, {} running, and {files} files",
            file.display(),
            summary.counts.orders,
            summary.counts.unsettled,
            summary.counts.open,
        );
        for left_out in collected.left_out.iter().take(NAMED) {
            eprintln!("not in it: {left_out}");
        }
        if let more @ 1.. = collected.left_out.len().saturating_sub(NAMED) {
            eprintln!("not in it: {more} more");
        }
        eprintln!("it holds the site's passwords and keys: keep it as safe as these");
        match bad {
            None => Exit::Done,
            Some(bad) => {
                eprintln!("the journal does not hold, and the backup has it as it is: {bad}");
                Exit::Failed
            }
        }
    }
}
