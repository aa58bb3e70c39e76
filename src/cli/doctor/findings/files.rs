//! Owners and modes.

use super::{Topic, known};
use crate::cli::doctor::facts::{Entry, Facts, Files};

/// Bits of everybody.
const EVERYBODY: u32 = 0o007;

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let Some(files) = known(&facts.files) else { return };
    let Some(data_dir) = files.data.first() else {
        if known(&facts.config).is_some_and(|config| config.is_there) {
            let path = files.data_dir.display();
            topic.note(
                format!("there is no data directory yet: {path}"),
                "the first start makes it",
            );
        }
        return;
    };
    owners(files, data_dir, topic);
    modes(files, topic);
    damaged(files, topic);
    config(files, topic);
}

fn owners(files: &Files, data_dir: &Entry, topic: &mut Topic) {
    let path = data_dir.path.display();
    let wanted = files.service_uid.unwrap_or(data_dir.uid);
    if data_dir.uid != wanted {
        topic.severe(
            format!("the data directory belongs to another user: {path}: {}", data_dir.owner),
            format!("chown -R sitepilot:sitepilot {path}"),
        );
        return;
    }
    let strangers: Vec<_> = files.data.iter().filter(|entry| entry.uid != wanted).collect();
    if let Some(first) = strangers.first() {
        let (shown, owner) = (first.path.display(), &first.owner);
        topic.severe(
            format!(
                "files of the service belong to another user, so that it cannot write them: \
                 {shown}: {owner}{}",
                more(strangers.len())
            ),
            format!("chown -R --reference={path} {path}"),
        );
    }
}

fn modes(files: &Files, topic: &mut Topic) {
    let is_open = |entry: &&Entry| !entry.is_dir && entry.mode & EVERYBODY != 0;
    // Whoever cannot get into the directory cannot read what is in it.
    let is_reached = files.data.first().is_some_and(|dir| dir.mode & EVERYBODY != 0);
    let open: Vec<_> = files.data.iter().filter(is_open).filter(|_| is_reached).collect();
    if let Some(first) = open.first() {
        let text =
            format!("can be read by everybody: {}{}", first.path.display(), more(open.len()));
        topic.wrong(text, format!("chmod o= {}", files.data_dir.display()));
    }
}

fn damaged(files: &Files, topic: &mut Topic) {
    let is_damaged = |entry: &&Entry| {
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("ledger.damaged-") && name.ends_with(".db")
    };
    for entry in files.data.iter().filter(is_damaged) {
        let path = entry.path.display();
        topic.note(
            format!("a damaged ledger was set aside: {path}"),
            format!("what is still in it: sitepilot orders import {path}; then remove it"),
        );
    }
}

/// The service has to be able to read what is in the directory of its config.
fn config(files: &Files, topic: &mut Topic) {
    let Some(uid) = files.service_uid else { return };
    let is_read = |entry: &Entry| {
        // A directory has to be entered.
        let bits = if entry.is_dir { 0o5 } else { 0o4 };
        let shift = match entry {
            _ if entry.uid == uid => 6,
            _ if files.service_gids.contains(&entry.gid) => 3,
            _ => 0,
        };
        entry.mode >> shift & bits == bits
    };
    let hidden: Vec<_> =
        files.config.iter().filter(|entry| entry.is_needed && !is_read(entry)).collect();
    if let Some(first) = hidden.first() {
        let path = first.path.display();
        topic.wrong(
            format!("the service may not read: {path}{}", more(hidden.len())),
            format!("chgrp sitepilot {path}; chmod g+r {path}"),
        );
    }
}

/// That the first is not the only one.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    }
}
