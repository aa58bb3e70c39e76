//! Puts the files of a backup where they belong.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};

use super::{Belongs, directory_of};
use crate::{
    ledger::backup::Item,
    sys::{
        file::beside,
        user::{self, User},
    },
};

/// User and group of the service, where a package has made them.
const SERVICE: &str = "sitepilot";

/// Versions of one file that are kept beside it; whoever has more has not looked for long.
const MAX_ASIDE: u32 = 1000;

/// Where files go, and whom they are to belong to.
#[derive(Debug)]
pub struct Places {
    config: PathBuf,
    data_dir: PathBuf,
    config_owner: User,
    data_owner: User,
}

impl Places {
    /// As a package would have it: the config is root's and the service's group reads it, the data
    /// are the service's. Where the directories are there and somebody else's, they stay so.
    ///
    /// # Errors
    ///
    /// When the users of this machine cannot be read.
    pub fn new(config: &Path, data_dir: &Path) -> anyhow::Result<Self> {
        let (config_owner, data_owner) = if user::is_root() {
            let group = user::group_named(SERVICE)?;
            let root = User { gid: group.unwrap_or(User::ROOT.gid), ..User::ROOT };
            let stranger = owner(&directory_of(config))?.filter(|it| it.uid != User::ROOT.uid);
            let service = user::user_named(SERVICE)?;
            if let Some(service) = service {
                must_be_of(service, data_dir)?;
            }
            let data_owner = owner(data_dir)?.or(service).unwrap_or(User::ROOT);
            (stranger.unwrap_or(root), data_owner)
        } else {
            (User::current(), User::current())
        };
        let (config, data_dir) = (config.to_owned(), data_dir.to_owned());
        Ok(Self { config, data_dir, config_owner, data_owner })
    }

    /// Makes the data directory if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn make_data_dir(&self) -> anyhow::Result<()> {
        make_dirs(&self.data_dir, self.data_owner)
    }

    /// Does something in the data directory as the user it belongs to.
    ///
    /// # Errors
    ///
    /// When this program may not be that user.
    pub fn in_data_dir<R>(&self, work: impl FnOnce(&Path) -> R) -> io::Result<R> {
        user::act_as(self.data_owner, || work(&self.data_dir))
    }

    /// Takes the present config away, so that nothing starts on a half of each; where to.
    ///
    /// # Errors
    ///
    /// When it cannot be renamed.
    pub fn take_config_away(&self) -> anyhow::Result<Option<PathBuf>> {
        let path = &self.config;
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let aside = set_aside(path).and_then(|aside| fs::remove_file(path).map(|()| aside));
        aside.map(Some).with_context(|| format!("cannot set {} aside", path.display()))
    }

    /// Writes one file, synced, under its name; where the file is kept that had it before. One
    /// that is the same already stays.
    ///
    /// # Errors
    ///
    /// When its name leads elsewhere, or it cannot be written.
    pub fn put(&self, item: &Item, main: &str) -> anyhow::Result<Option<PathBuf>> {
        let belongs = Belongs::read(&item.path).map_err(anyhow::Error::msg)?;
        let (path, owner) = match belongs {
            Belongs::Data(name) => (self.data_dir.join(name), self.data_owner),
            Belongs::Config(_) if item.path == main => (self.config.clone(), self.config_owner),
            Belongs::Config(name) => (directory_of(&self.config).join(name), self.config_owner),
        };
        make_dirs(&directory_of(&path), owner)?;
        // The service's group reads what is root's; nobody else reads more than before.
        let is_shared = owner.uid == User::ROOT.uid && owner.gid != User::ROOT.gid;
        let mode = (item.mode & 0o644) | if is_shared { 0o640 } else { 0o600 };
        let write = || match owner.uid == User::ROOT.uid {
            true => write(&path, &item.body, mode, Some(owner)),
            false => user::act_as(owner, || write(&path, &item.body, mode, None))?,
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Whether a backup may be restored: every name in it leads to where it belongs.
///
/// # Errors
///
/// The first name that does not.
pub fn check_names(luggage: &[Item]) -> Result<(), String> {
    luggage.iter().try_for_each(|item| Belongs::read(&item.path).map(drop))
}

/// Where the package keeps the data.
const DATA_DIR: &str = "/var/lib/sitepilot";

/// Root puts nothing into a directory of root's own because a backup names it: the service's user
/// may have written the backup. Another place than the package's is made by hand.
fn must_be_of(service: User, data_dir: &Path) -> anyhow::Result<()> {
    let shown = data_dir.display();
    let hint = format!("hint: sudo install -d -m 0750 -o {SERVICE} -g {SERVICE} {shown}");
    match owner(data_dir)? {
        Some(owner) if owner.uid == User::ROOT.uid && service.uid != User::ROOT.uid => {
            Err(anyhow!("the data directory of the backup belongs to root: {shown}\n{hint}"))
        }
        None if data_dir != Path::new(DATA_DIR) => {
            Err(anyhow!("the data directory of the backup is not there: {shown}\n{hint}"))
        }
        _ => Ok(()),
    }
}

/// Whom a directory belongs to, if it is there.
fn owner(dir: &Path) -> io::Result<Option<User>> {
    match user::owner_of(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        owner => owner.map(Some),
    }
}

fn make_dirs(dir: &Path, owner: User) -> anyhow::Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    for dir in missing.into_iter().rev().filter(|dir| *dir != Path::new("")) {
        let make = || {
            DirBuilder::new().mode(0o750).create(dir)?;
            if user::is_root() { chown(dir, Some(owner.uid), Some(owner.gid)) } else { Ok(()) }
        };
        make().with_context(|| format!("cannot make {}", dir.display()))?;
    }
    Ok(())
}

fn write(path: &Path, body: &[u8], mode: u32, owner: Option<User>) -> io::Result<Option<PathBuf>> {
    if fs::read(path).is_ok_and(|present| present == body) {
        return Ok(None);
    }
    let new = beside(path, ".restore-new");
    // Of a run that was cut off.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(body)?;
    if let Some(owner) = owner {
        fchown(&file, Some(owner.uid), Some(owner.gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    let aside = path.symlink_metadata().is_ok().then(|| set_aside(path)).transpose()?;
    fs::rename(&new, path)?;
    File::open(directory_of(path))?.sync_all()?;
    Ok(aside)
}

/// Another name for what is there, so that its own may be given anew.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 1..MAX_ASIDE {
        let aside = beside(path, &format!(".before-restore-{number}"));
        match fs::hard_link(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done.map(|()| aside),
        }
    }
    Err(io::Error::other("too many old ones are kept"))
}
