//! `restore`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use super::{Common, Exit, Failure};
use crate::{
    ledger::{
        self, LedgerError,
        backup::{About, Draft, Item, Lock, Seated},
    },
    service::{
        backup::{Places, check_names, directory_of},
        config::Paths,
    },
    sys,
};

/// `restore`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The backup
    file: PathBuf,
    /// Set aside what is there
    #[arg(long)]
    force: bool,
    /// Only the ledger; config and accounts stay as they are
    #[arg(long, conflicts_with = "config_only")]
    ledger_only: bool,
    /// Only the config with its secrets; ledger and accounts stay as they are
    #[arg(long)]
    config_only: bool,
}

/// What of a backup is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Ledger,
    Config,
}

impl Part {
    const fn has_ledger(self) -> bool {
        matches!(self, Self::All | Self::Ledger)
    }

    fn has(self, item: &Item) -> bool {
        match self {
            Self::All => true,
            Self::Ledger => false,
            Self::Config => item.path.starts_with("config/"),
        }
    }
}

/// Puts a backup in its place. The config comes last, and an old one leaves first: a restore that
/// is cut off leaves a site that does not start, until it is restored again.
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let part = match (arguments.ledger_only, arguments.config_only) {
        (true, _) => Part::Ledger,
        (_, true) => Part::Config,
        (false, false) => Part::All,
    };
    let shown = arguments.file.display();
    let place = Restore::plan(common, &arguments.file, part);
    let place = place.with_context(|| format!("of no use as a backup: {shown}"))?;
    if !arguments.force {
        place.refuse_to_replace()?;
    }
    place.restore(arguments)?;
    Ok(Exit::Done)
}

/// A backup and where it goes.
struct Restore<'a> {
    config: &'a Path,
    about: About,
    /// Name of the config among the files.
    main: String,
    data_dir: PathBuf,
    part: Part,
}

impl<'a> Restore<'a> {
    /// Looks into the backup for where its parts belong.
    fn plan(common: &'a Common, file: &Path, part: Part) -> anyhow::Result<Self> {
        let backup = Draft::read(file)?;
        let about = backup.about()?.ok_or_else(|| {
            let hint = "hint: sitepilot orders import takes orders over from a ledger";
            anyhow!("it is a ledger, but no backup\n{hint}")
        })?;
        let name = Path::new(&about.config).file_name().unwrap_or_default().to_string_lossy();
        let main = format!("config/{name}");
        let present = Paths::load(&common.config).ok();
        let data_dir = match (part, present) {
            (Part::Ledger, Some(present)) => present.data_dir,
            _ => data_dir_in(&backup.luggage()?, &main, &common.config)
                .unwrap_or_else(|| about.data_dir.clone().into()),
        };
        Ok(Self { config: &common.config, about, main, data_dir, part })
    }

    fn refuse_to_replace(&self) -> anyhow::Result<()> {
        let hint = "hint: --force sets aside what is there, and deletes nothing";
        if self.part != Part::Ledger && self.config.symlink_metadata().is_ok() {
            return Err(anyhow!("there is a config already: {}\n{hint}", self.config.display()));
        }
        let shown = self.data_dir.display();
        let is_there = self.part.has_ledger() && ledger::is_there(&self.data_dir)?;
        if is_there { Err(anyhow!("there is a ledger already: {shown}\n{hint}")) } else { Ok(()) }
    }

    fn restore(&self, arguments: &Arguments) -> anyhow::Result<()> {
        let file = &arguments.file;
        let places = Places::new(self.config, &self.data_dir)?;
        places.make_data_dir()?;
        let _lock = places.in_data_dir(Lock::take)?.map_err(running)?;
        // What is checked is the copy that becomes the ledger.
        let draft = sys::file::open(file).map_err(anyhow::Error::from).and_then(|backup| {
            places.in_data_dir(|dir| Seated::copy(backup, dir))?.map_err(Into::into)
        });
        let mut draft = draft.with_context(|| format!("cannot copy {}", file.display()))?;
        let (summary, verdict) =
            draft.check().with_context(|| format!("of no use as a backup: {}", file.display()))?;
        if let Some((row, what)) = verdict.bad {
            let bad = format!("the journal in the backup does not hold: row {row}: {what}");
            if !arguments.force {
                return Err(anyhow!("{bad}\nhint: --force restores it all the same"));
            }
            eprintln!("{bad}");
        }
        let luggage = draft.luggage()?;
        check_names(&luggage).map_err(anyhow::Error::msg)?;

        let mut aside = Vec::new();
        if self.part != Part::Ledger {
            aside.extend(places.take_config_away()?);
        }
        let is_last = |item: &&Item| item.path == self.main;
        for item in luggage.iter().filter(|item| self.part.has(item) && !is_last(item)) {
            aside.extend(places.put(item, &self.main)?);
        }
        if self.part.has_ledger() {
            let replaced = places.in_data_dir(|_| draft.take_seat())??;
            if let Some(rows) = replaced.newer_rows {
                eprintln!("the ledger that was there has {rows} journal rows more than the backup");
                eprintln!(
                    "hint: once the controller runs, sudo sitepilot orders import FILE takes over those orders"
                );
            }
            aside.extend(replaced.aside);
        }
        for item in luggage.iter().filter(|item| self.part.has(item) && is_last(item)) {
            aside.extend(places.put(item, &self.main)?);
        }
        for path in aside {
            eprintln!("kept: {}", path.display());
        }
        self.tell(&summary, luggage.iter().filter(|item| self.part.has(item)).count());
        Ok(())
    }

    fn tell(&self, summary: &ledger::Summary, files: usize) {
        let About { site, made_at, version, .. } = &self.about;
        eprintln!("restored: site {site}, as it was at {made_at}, from version {version}");
        if self.part.has_ledger() {
            let (all, unsettled) = (summary.counts.orders, summary.counts.unsettled);
            let dir = self.data_dir.display();
            eprintln!("{dir}: {all} orders, {unsettled} of them not settled");
        }
        eprintln!("{files} files, the config is {}", self.config.display());
        let (before, now) =
            (directory_of(Path::new(&self.about.config)), directory_of(self.config));
        if self.part != Part::Ledger && before != now {
            let (before, now) = (before.display(), now.display());
            eprintln!("the config was in {before} and is in {now}: mend the paths in it");
        }
        eprintln!("next: sudo sitepilot check && sudo systemctl start sitepilot");
    }
}

/// The data directory that a config in a backup names.
fn data_dir_in(luggage: &[Item], main: &str, config: &Path) -> Option<PathBuf> {
    let item = luggage.iter().find(|item| item.path == main)?;
    let text = std::str::from_utf8(&item.body).ok()?;
    Some(Paths::parse(config, text).ok()?.data_dir)
}

fn running(error: LedgerError) -> anyhow::Error {
    match error {
        LedgerError::Locked(_) => {
            anyhow!("a controller is running on it\nhint: systemctl stop sitepilot")
        }
        error => error.into(),
    }
}
