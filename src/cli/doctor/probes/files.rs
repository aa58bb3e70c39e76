//! Owners, modes and sizes of our files.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    super::facts::{Entry, Files, Known},
    config::Reading,
    names::Names,
};
use crate::sys::user::{owner_of, user_named};

/// Entries of a directory that are listed, with those of the directories in it.
const MAX_ENTRIES: usize = 500;

/// Directories inside directories: `/etc/sitepilot/piles` and the like.
const MAX_DEPTH: usize = 3;

/// Where the package has its config; a directory of somebody else's is not looked into.
const CONFIG_DIR: &str = "/etc/sitepilot";

/// `user`: whom the unit runs as; without one it is whom the data belongs to.
pub(in crate::cli::doctor) fn look(
    config: &Path,
    reading: &Reading,
    user: Option<&str>,
) -> Known<Files> {
    let mut names = Names::new();
    let data_dir = &reading.data_dir;
    let service = match user {
        Some(name) => user_named(name).ok().flatten(),
        None => owner_of(data_dir).ok(),
    };
    let mut data = Vec::new();
    walk(data_dir, 0, &mut names, &mut data);
    Ok(Files {
        config: of_config(config, reading, &mut names),
        data_dir: data_dir.clone(),
        data,
        service_uid: service.map(|user| user.uid),
        service_gids: service.and_then(|user| user.groups().ok()).unwrap_or_default(),
    })
}

/// The config, where it lies, what it names, and what else lies there.
fn of_config(config: &Path, reading: &Reading, names: &mut Names) -> Vec<Entry> {
    let named = reading.assigned.iter().filter(|a| !a.is_comment && a.key.ends_with("_file"));
    let named = named.map(|a| PathBuf::from(&a.value));
    let beside = config.parent().map(Path::to_owned);
    let needed: BTreeSet<PathBuf> =
        beside.into_iter().chain([config.into()]).chain(named).collect();
    let mut found = Vec::new();
    if config.parent() == Some(Path::new(CONFIG_DIR)) {
        walk(Path::new(CONFIG_DIR), 0, names, &mut found);
    }
    let listed: BTreeSet<PathBuf> = found.iter().map(|entry| entry.path.clone()).collect();
    let rest = needed.difference(&listed).take(MAX_ENTRIES);
    let mut rest: Vec<_> = rest.filter_map(|path| entry(path, names).ok()).collect();
    found.append(&mut rest);
    found.iter_mut().for_each(|entry| entry.is_needed = needed.contains(&entry.path));
    found
}

/// Adds a path and all below it, as far as this user may look; links are not followed.
fn walk(path: &Path, depth: usize, names: &mut Names, found: &mut Vec<Entry>) {
    if found.len() >= MAX_ENTRIES {
        return;
    }
    let Ok(entry) = entry(path, names) else { return };
    let is_dir = entry.is_dir;
    found.push(entry);
    if is_dir && depth < MAX_DEPTH {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).take(MAX_ENTRIES).collect();
        paths.sort();
        paths.iter().for_each(|path| walk(path, depth + 1, names, found));
    }
}

fn entry(path: &Path, names: &mut Names) -> io::Result<Entry> {
    let meta = fs::symlink_metadata(path)?;
    let is_link = meta.file_type().is_symlink();
    Ok(Entry {
        path: path.to_owned(),
        is_dir: meta.is_dir(),
        is_needed: false,
        uid: meta.uid(),
        gid: meta.gid(),
        owner: names.owner(meta.uid(), meta.gid()),
        // The mode of a link says nothing; its target has its own.
        mode: if is_link { 0o640 } else { meta.mode() & 0o7777 },
        bytes: meta.len(),
        modified_s: meta.mtime(),
    })
}
