//! Disks and flash memories.

use super::{Topic, known};
use crate::cli::doctor::facts::{Disk, Facts, Flash, Holds};

/// Free room that new charging needs, unless the config says otherwise.
const MIN_FREE_MB: u64 = 64;

/// So many times that room, and there is time to do something about it.
const SCARCE: u64 = 4;

/// Room for anything that lives for a moment.
const PASSING_FREE_MB: u64 = 16;

/// A small part of the files that a file system can have.
const FEW_FILES_PERCENT: u64 = 2;

/// Eight tenths of a flash's life are used: it is time to order another.
const OLD_TENTHS: u8 = 9;

/// What it says when its life is over.
const OVER_TENTHS: u8 = 11;

/// Gone with the power.
const IN_MEMORY: [&str; 3] = ["tmpfs", "ramfs", "devtmpfs"];

/// Without owners, locks or a promise that what is synced is there.
const UNFIT: [&str; 10] =
    ["vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "nfs", "nfs4", "cifs", "smb3"];

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    let min_free_mb = known(&facts.config).map_or(0, |config| config.min_free_mb);
    let min_free_mb = if min_free_mb == 0 { MIN_FREE_MB } else { min_free_mb };
    let mut told = Vec::new();
    for disk in known(&facts.disks).into_iter().flatten() {
        if disk.holds == Holds::Data {
            fitness(disk, topic);
        }
        // Of two on one file system the first is enough.
        if !told.contains(&&disk.mount) {
            room(disk, min_free_mb, topic);
            told.push(&disk.mount);
        }
    }
    known(&facts.flash).into_iter().flatten().for_each(|flash| wear(flash, topic));
}

fn fitness(disk: &Disk, topic: &mut Topic) {
    let (path, kind) = (disk.path.display(), disk.kind.as_str());
    if IN_MEMORY.contains(&kind) {
        topic.severe(
            format!("the ledger is in memory: orders are gone with the power: {path} is on {kind}"),
            "name another data_dir, or mount a disk there",
        );
    } else if UNFIT.contains(&kind) {
        topic.wrong(
            format!("the ledger is on a file system that is not made for it: {path} is on {kind}"),
            "ext4, f2fs, btrfs or xfs on a disk of this machine",
        );
    } else if kind == "overlay" {
        topic.wrong(
            format!("the ledger may be gone with the power: {path} is on an overlay"),
            "raspi-config, Performance, Overlay File System; in a container mount a volume there",
        );
    }
    if disk.is_read_only {
        topic.severe(
            format!("the ledger's file system is read-only: {}", disk.mount.display()),
            "dmesg; a dying card goes read-only: back up, replace it",
        );
    }
}

fn room(disk: &Disk, min_free_mb: u64, topic: &mut Topic) {
    let (mount, free) = (disk.mount.display(), disk.free_mb);
    let text = format!("{mount}: {free} MB of {} MB are free", disk.total_mb);
    let hint = "du -xh / | sort -h | tail; journalctl --vacuum-size=100M; apt clean";
    match disk.holds {
        Holds::Data if free < min_free_mb => {
            topic.severe(format!("the disk is full, new charging is refused: {text}"), hint);
        }
        Holds::Data if free < SCARCE * min_free_mb => {
            topic.wrong(format!("the disk is nearly full: {text}"), hint);
        }
        Holds::Config | Holds::Logs | Holds::Passing if free < PASSING_FREE_MB => {
            topic.wrong(format!("the disk is nearly full: {text}"), hint);
        }
        _ => {}
    }
    if disk.free_files_percent.is_some_and(|percent| percent < FEW_FILES_PERCENT) {
        topic.wrong(
            format!("{mount}: has room for hardly any more files"),
            "df -i; which has most?",
        );
    }
    if disk.errors > 0 {
        topic.wrong(
            format!("{mount}: the file system has noted errors: {}", disk.errors),
            "back up; then fsck at the next start, and think of another card",
        );
    }
}

fn wear(flash: &Flash, topic: &mut Topic) {
    let Flash { name, used_tenths, spare } = flash;
    let used = u16::from(*used_tenths).saturating_sub(1) * 10;
    let hint = "sitepilot backup FILE, to another disk; then replace it";
    if *used_tenths >= OVER_TENTHS || *spare >= 3 {
        topic.severe(format!("the flash memory {name} is worn out"), hint);
    } else if *used_tenths >= OLD_TENTHS || *spare == 2 {
        let text = format!("the flash memory {name} comes to its end: {used} % of its life used");
        topic.wrong(text, hint);
    }
}
