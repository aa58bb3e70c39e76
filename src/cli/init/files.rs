//! Files that are written all or not at all.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rustix::{
    fs::{CWD, RenameFlags, chown, fchown, renameat_with},
    process::{Gid, Uid},
};

use super::GROUP;
use crate::sys::{
    file::beside,
    user::{group_named, is_root},
};

/// Predecessors that are kept of one file; whoever has more has not looked for long.
const MAX_OLD: u32 = 1000;

/// Whom written files belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// Whoever runs the command.
    Caller,
    /// Root, and the service reads them.
    Service { gid: u32 },
}

impl Owner {
    /// As this program may make them.
    pub(super) fn here() -> anyhow::Result<Self> {
        if !is_root() {
            return Ok(Self::Caller);
        }
        let group = group_named(GROUP).context("cannot read the groups of this machine")?;
        Ok(group.map_or(Self::Caller, |gid| Self::Service { gid }))
    }

    const fn mode(self) -> u32 {
        match self {
            Self::Caller => 0o600,
            Self::Service { .. } => 0o640,
        }
    }

    fn ids(self) -> Option<(Option<Uid>, Option<Gid>)> {
        match self {
            Self::Caller => None,
            Self::Service { gid } => Some((Some(Uid::ROOT), Some(Gid::from_raw(gid)))),
        }
    }
}

/// What to do with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is an error.
    Refused,
    /// It is kept as `NAME.old`.
    SetAside,
}

/// Files that are being written beside their places, until all of them are put there. Whatever is
/// not put there is removed again.
#[derive(Debug)]
pub(super) struct Staging {
    owner: Owner,
    existing: Existing,
    /// Directories that were made, the outer ones first.
    made: Vec<PathBuf>,
    waiting: Vec<PathBuf>,
    placed: Vec<Placed>,
    is_done: bool,
}

/// A file in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    /// What was there before.
    pub(super) old: Option<PathBuf>,
}

impl Staging {
    /// Makes the directory, if it is not there.
    pub(super) fn begin(dir: &Path, owner: Owner, existing: Existing) -> anyhow::Result<Self> {
        let (made, waiting, placed) = Default::default();
        let mut staging = Self { owner, existing, made, waiting, placed, is_done: false };
        let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            let make = || {
                DirBuilder::new().mode(0o700).create(dir)?;
                // Whatever the caller's mask: the service has to come in.
                fs::set_permissions(dir, Permissions::from_mode(0o750))?;
                let ids = owner.ids();
                ids.map_or(Ok(()), |(uid, gid)| chown(dir, uid, gid)).map_err(io::Error::from)
            };
            make().with_context(|| format!("cannot make {}", dir.display()))?;
            staging.made.push(dir.to_owned());
        }
        Ok(staging)
    }

    /// Writes a file beside its place; where it waits.
    pub(super) fn write(&mut self, path: &Path, text: &str) -> anyhow::Result<PathBuf> {
        let new = beside(path, ".new");
        self.waiting.push(path.to_owned());
        let write = || {
            // Of a run that the power ended.
            ignore_missing(fs::remove_file(&new))?;
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            if let Some((uid, gid)) = self.owner.ids() {
                fchown(&file, uid, gid)?;
            }
            file.set_permissions(Permissions::from_mode(self.owner.mode()))?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", new.display()))?;
        Ok(new)
    }

    /// Puts the files in their places, in the order in which they were written.
    pub(super) fn place(mut self) -> anyhow::Result<Vec<Placed>> {
        while let Some(path) = self.waiting.first().cloned() {
            let old =
                self.put(&path).with_context(|| format!("cannot write {}", path.display()))?;
            self.waiting.remove(0);
            self.placed.push(Placed { path, old });
        }
        for dir in self.placed.iter().filter_map(|placed| placed.path.parent()) {
            File::open(dir)?.sync_all()?;
        }
        self.is_done = true;
        Ok(std::mem::take(&mut self.placed))
    }

    fn put(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let new = beside(path, ".new");
        if self.existing == Existing::SetAside && path.exists() {
            let old = set_aside(path)?;
            fs::rename(&new, path)?;
            return Ok(Some(old));
        }
        // Something may have come in between.
        renameat_with(CWD, &new, CWD, path, RenameFlags::NOREPLACE)?;
        Ok(None)
    }
}

impl Drop for Staging {
    /// Nothing more can be done about what cannot be removed; it is no config and does no harm.
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        for path in &self.waiting {
            let _ = fs::remove_file(beside(path, ".new"));
        }
        for placed in self.placed.iter().rev() {
            let _ = match &placed.old {
                Some(old) => fs::rename(old, &placed.path),
                None => fs::remove_file(&placed.path),
            };
        }
        for dir in self.made.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Another name for what is there, so that its own may be given anew.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let names = (1..MAX_OLD).map(|number| match number {
        1 => beside(path, ".old"),
        _ => beside(path, &format!(".old.{number}")),
    });
    for old in names {
        match fs::hard_link(path, &old) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done.map(|()| old),
        }
    }
    Err(io::Error::other("too many old ones are kept"))
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn staging(dir: &Path, existing: Existing) -> Staging {
        Staging::begin(dir, Owner::Caller, existing).unwrap()
    }

    #[test]
    fn files_come_into_their_places_together_and_private() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let mut staging = staging(&dir, Existing::Refused);
        for name in ["one", "two"] {
            let waits = staging.write(&dir.join(name), name).unwrap();
            assert_eq!(fs::read_to_string(waits).unwrap(), name);
        }
        assert_eq!(names(&dir), ["one.new", "two.new"]);
        let placed = staging.place().unwrap();
        assert_eq!(placed[1], Placed { path: dir.join("two"), old: None });
        assert_eq!(names(&dir), ["one", "two"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&dir.join("one")), mode(&dir)), (0o600, 0o750));
    }

    #[test]
    fn what_is_given_up_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let mut given_up = staging(&dir, Existing::Refused);
        given_up.write(&dir.join("one"), "1").unwrap();
        drop(given_up);
        assert_eq!(names(root.path()), [""; 0]);
    }

    #[test]
    fn nothing_is_replaced_and_a_failure_takes_back_what_was_placed() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        let mut staging = staging(dir, Existing::Refused);
        for name in ["one", "two", "three"] {
            staging.write(&dir.join(name), "new").unwrap();
        }
        fs::write(dir.join("two"), "of somebody else").unwrap();
        let error = staging.place().unwrap_err();
        assert!(format!("{error:#}").contains("two: File exists"), "{error:#}");
        assert_eq!(names(dir), ["two"]);
        assert_eq!(fs::read_to_string(dir.join("two")).unwrap(), "of somebody else");
    }

    #[test]
    fn predecessors_are_kept_and_come_back_after_a_failure() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        for text in ["1", "2", "3"] {
            let mut staging = staging(dir, Existing::SetAside);
            staging.write(&dir.join("one"), text).unwrap();
            staging.place().unwrap();
        }
        assert_eq!(names(dir), ["one", "one.old", "one.old.2"]);
        assert_eq!(fs::read_to_string(dir.join("one.old.2")).unwrap(), "2");

        let mut staging = staging(dir, Existing::SetAside);
        staging.write(&dir.join("one"), "4").unwrap();
        staging.write(&dir.join("two"), "4").unwrap();
        fs::remove_file(dir.join("two.new")).unwrap();
        staging.place().unwrap_err();
        assert_eq!(names(dir), ["one", "one.old", "one.old.2"]);
        assert_eq!(fs::read_to_string(dir.join("one")).unwrap(), "3");
    }
}
