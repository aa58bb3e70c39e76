//! What the secrets are, so that they can be taken out.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::super::{
    scrub::is_secret_key,
    tolerant::{Assignment, assignments},
};
use super::config::Reading;
use crate::sys::file;

/// Longest file that is read: a key with its certificates.
const MAX_BYTES: u64 = 64 << 10;

/// Files that are read: one for each of the most piles there can be, and some.
const MAX_FILES: usize = 8192;

/// Most bytes of all of them: accounts that the service has written may name any files.
const MAX_ALL_BYTES: usize = 8 << 20;

/// Shorter lines behind the first are no secrets of their own.
const MIN_FURTHER_BYTES: usize = 8;

/// Where systemd puts the credentials of the unit.
const OF_UNIT: &str = "/run/credentials/sitepilot.service";

/// Files of the data directory that hold what was issued, and their last versions.
const ISSUED: [&str; 3] = ["uplinks.toml", "piles.toml", "site.toml"];
const VERSIONS: [&str; 3] = ["", ".old", ".new"];

/// What was issued to piles is kept as a hash, which nobody needs either.
const HASHED: [&str; 2] = ["hash", "salt"];

/// The secrets, as far as they could be read.
#[derive(Debug, Default)]
pub(in crate::cli::doctor) struct Secrets {
    pub(in crate::cli::doctor) values: Vec<String>,
    /// Files that this user may not read.
    pub(in crate::cli::doctor) unread: usize,
    /// Texts in which long numbers are no cards.
    pub(in crate::cli::doctor) known: Vec<String>,
    /// Files that were looked at.
    seen: BTreeSet<PathBuf>,
    /// Bytes that were read of them.
    bytes: usize,
}

/// Collects them; `units`: the files of the unit.
pub(in crate::cli::doctor) fn collect(
    config: &Path,
    reading: &Reading,
    units: &[PathBuf],
) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.assigned(&reading.assigned);
    for name in reading.assigned.iter().filter(|a| a.key.ends_with("_credential")) {
        for directory in env::var_os("CREDENTIALS_DIRECTORY").into_iter().chain([OF_UNIT.into()]) {
            secrets.file(&Path::new(&directory).join(&name.value));
        }
    }
    units.iter().for_each(|unit| secrets.unit(unit));
    let beside = config.parent().unwrap_or(Path::new("."));
    for dir in [reading.data_dir.as_path(), beside] {
        for name in ISSUED {
            VERSIONS
                .iter()
                .for_each(|version| secrets.issued(&dir.join(format!("{name}{version}"))));
        }
    }
    secrets.known.extend(reading.text.clone().ok());
    secrets
}

impl Secrets {
    /// What a config assigns, or names a file for.
    fn assigned(&mut self, assigned: &[Assignment]) {
        for Assignment { key, value, .. } in assigned {
            let is_public = ["ca_file", "certificate_file"].iter().any(|end| key.ends_with(end));
            if is_secret_key(key) {
                self.values.push(value.clone());
            } else if key.ends_with("_file") && !is_public {
                self.file(Path::new(value));
            }
        }
    }

    /// A file whose first line is a secret; the others may be.
    fn file(&mut self, path: &Path) {
        let Some(text) = self.read(path) else { return };
        let mut lines = text.lines().map(str::trim);
        self.values.extend(lines.next().map(ToOwned::to_owned));
        let further = lines.filter(|line| line.len() >= MIN_FURTHER_BYTES);
        let further = further.filter(|line| !line.starts_with("-----"));
        self.values.extend(further.map(ToOwned::to_owned));
    }

    /// A file of accounts that were issued.
    fn issued(&mut self, path: &Path) {
        let Some(text) = self.read(path) else { return };
        let found = assignments(&text);
        self.assigned(&found);
        let hashed = found.into_iter().filter(|a| HASHED.contains(&a.key.as_str()));
        self.values.extend(hashed.map(|a| a.value));
        self.known.push(text);
    }

    /// A file of the unit: where its credentials come from, or what they are.
    fn unit(&mut self, path: &Path) {
        let Some(text) = self.read(path) else { return };
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            let Some((_, value)) = value.split_once(':') else { continue };
            match key.trim() {
                "LoadCredential" => self.file(Path::new(value.trim())),
                "SetCredential" => self.values.push(value.trim().to_owned()),
                _ => {}
            }
        }
    }

    /// A small file; a pipe or a device is none. What is not there has no secret in it.
    fn read(&mut self, path: &Path) -> Option<String> {
        if self.seen.len() >= MAX_FILES || !self.seen.insert(path.to_owned()) {
            return None;
        }
        match read(path) {
            Ok(text) if self.bytes.saturating_add(text.len()) <= MAX_ALL_BYTES => {
                self.bytes += text.len();
                Some(text)
            }
            Ok(_) => {
                self.unread += 1;
                None
            }
            Err(error) => {
                self.unread += usize::from(error.kind() == io::ErrorKind::PermissionDenied);
                None
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = file::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
