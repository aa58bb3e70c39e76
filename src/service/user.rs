//! Whom the controller runs as when root starts it.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::{DirBuilderExt as _, chown},
    path::Path,
};

use anyhow::Context as _;

use super::config::Paths;
use crate::sys::user::{self, User};

/// Gives root up, for good, for the user that the data directory belongs to; says whom. A ledger
/// that root has written to could not be opened by the service any more. Where everything is
/// root's, or there is no data directory yet, root stays root.
///
/// # Errors
///
/// When that user cannot be told or taken on; the program must not go on then.
pub fn step_down(paths: &Paths) -> anyhow::Result<Option<User>> {
    if !user::is_root() {
        return Ok(None);
    }
    let dir = &paths.data_dir;
    let owner = match user::owner_of(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        owner => owner.with_context(|| dir.display().to_string())?,
    };
    if owner.uid == User::ROOT.uid {
        return Ok(None);
    }
    // The directory's group may be any; what the user makes has its own.
    let owner = user::user_numbered(owner.uid)?.unwrap_or(owner);
    if let Some(dir) = paths.socket.parent() {
        make_for(owner, dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    user::become_user(owner).with_context(|| format!("cannot run as {}", owner.name()))?;
    Ok(Some(owner))
}

/// The directory of the control socket, where only root can make it.
fn make_for(owner: User, dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.try_exists()? {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
    chown(dir, Some(owner.uid), Some(owner.gid))
}
