//! The file systems that hold something of ours.

use std::path::{Path, PathBuf};

use super::{
    super::facts::{Disk, Holds, Known},
    line, page,
};

const MEGABYTE: u64 = 1_000_000;

pub(in crate::cli::doctor) fn look(config: &Path, data_dir: &Path) -> Known<Vec<Disk>> {
    let mounts = page("/proc/self/mountinfo")?;
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::of).collect();
    let temp = std::env::temp_dir();
    let places = [
        (Holds::Data, data_dir),
        (Holds::Config, config),
        (Holds::Logs, Path::new("/var/log")),
        (Holds::Passing, &temp),
    ];
    Ok(places.into_iter().filter_map(|(holds, path)| disk(holds, path, &mounts)).collect())
}

/// A mounted file system.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    kind: String,
    source: String,
    is_read_only: bool,
}

impl Mount {
    /// From a line of `proc_pid_mountinfo(5)`.
    fn of(line: &str) -> Option<Self> {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(4);
        let (at, options) = (place.next()?, place.next()?);
        let mut system = system.split(' ');
        let (kind, source) = (system.next()?, system.next()?);
        let of_system = system.next().unwrap_or_default();
        let is_ro = |options: &str| options.split(',').any(|option| option == "ro");
        Some(Self {
            at: unescaped(at).into(),
            kind: kind.to_owned(),
            source: unescaped(source),
            is_read_only: is_ro(options) || is_ro(of_system),
        })
    }
}

/// Blanks are written as octal numbers there.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

fn disk(holds: Holds, path: &Path, mounts: &[Mount]) -> Option<Disk> {
    // What is not there yet will be where the first of its parents is that exists.
    let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    // Of two at the same place the last one is seen.
    let of = mounts.iter().filter(|mount| there.starts_with(&mount.at));
    let mount = of.max_by_key(|mount| mount.at.components().count())?;
    let room = rustix::fs::statvfs(&there).ok()?;
    let mb = |blocks: u64| blocks.saturating_mul(room.f_frsize) / MEGABYTE;
    let files = room.f_favail.saturating_mul(100).checked_div(room.f_files);
    Some(Disk {
        holds,
        path: path.to_owned(),
        mount: mount.at.clone(),
        kind: mount.kind.clone(),
        source: mount.source.clone(),
        is_read_only: mount.is_read_only,
        total_mb: mb(room.f_blocks),
        free_mb: mb(room.f_bavail),
        free_files_percent: files,
        errors: errors(&mount.source),
    })
}

/// Errors that ext4 has noted, also before the last start.
fn errors(source: &str) -> u64 {
    let device = Path::new(source).canonicalize().unwrap_or_default();
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let count = line(format!("/sys/fs/ext4/{name}/errors_count"));
    count.filter(|_| !name.is_empty()).and_then(|count| count.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_mount_is_read() {
        let line = "36 35 98:0 / /mnt/my\\040disk rw,noatime master:1 - ext4 /dev/root ro,errors=x";
        let mount = Mount::of(line).unwrap();
        assert_eq!((mount.at.as_path(), mount.kind.as_str()), (Path::new("/mnt/my disk"), "ext4"));
        assert!(mount.is_read_only);
        assert_eq!(Mount::of("nonsense"), None);
    }

    #[test]
    fn what_is_not_there_yet_has_a_disk_too() {
        let mount = |at: &str| Mount {
            at: at.into(),
            kind: "ext4".to_owned(),
            source: "none".to_owned(),
            is_read_only: false,
        };
        let mounts = [mount("/"), mount("/nonexistent-mount")];
        let found = disk(Holds::Data, Path::new("/nonexistent/data"), &mounts).unwrap();
        assert_eq!((found.mount.as_path(), found.total_mb > 0), (Path::new("/"), true));
    }
}
