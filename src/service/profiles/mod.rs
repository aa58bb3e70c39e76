//! Profiles of meters by name: the installer's own, those of the package, and those built in.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

mod builtin;
mod file;
mod value;

#[cfg(test)]
mod tests;

use super::config::{ConfigError, Fault, reader::distance};
use crate::{protocol::modbus::Profile, sys::file::read_small_text};
pub use file::parse;

/// Where the package puts profiles.
const PACKAGE_FOLDER: &str = "/usr/share/sitepilot/meters";

/// Largest profile; the longest of ours has a tenth of it.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Files of a folder that are looked at; a folder with more is no folder of profiles.
const MAX_FILES: usize = 1_000;

/// A blueprint lies among the profiles, to be copied.
const BLUEPRINT: &str = "blueprint";

/// Names offered for one that is unknown.
const OFFERED: usize = 3;

/// Letters in which a name may differ from the one that was meant.
const NEAR: usize = 3;

/// Where profiles are found. What lies in an earlier folder overrides what lies in a later one,
/// and all of them what is built in.
#[derive(Debug, Clone)]
pub struct Shelf {
    folders: Vec<PathBuf>,
}

/// Why there is no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Nothing has this name.
    #[error("no profile of a meter is called {name}; {hint}")]
    Unknown {
        /// The name.
        name: String,
        /// Names that are near.
        hint: String,
    },
    /// Its file is wrong.
    #[error(transparent)]
    Faulty(#[from] ConfigError),
}

impl Shelf {
    /// The shelf of a site: `meters/` beside its config, the package's folder, what is built in.
    #[must_use]
    pub fn beside(config: &Path) -> Self {
        let own = config.parent().unwrap_or(Path::new(".")).join("meters");
        Self { folders: vec![own, PACKAGE_FOLDER.into()] }
    }

    /// Only what is built in.
    #[must_use]
    pub const fn built_in() -> Self {
        Self { folders: Vec::new() }
    }

    /// The profile of this name.
    ///
    /// # Errors
    ///
    /// Nothing has the name, or everything that is wrong with its file.
    pub fn find(&self, name: &str) -> Result<Profile, ProfileError> {
        if !is_name(name) {
            return Err(self.unknown(name));
        }
        for folder in &self.folders {
            let path = folder.join(format!("{name}.toml"));
            match read(&path) {
                Ok(text) => return Ok(parse(name, &path, &text)?),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unreadable(path, &error).into()),
            }
        }
        let built_in = builtin::METERS.iter().find(|(known, _)| *known == name);
        let (_, text) = built_in.ok_or_else(|| self.unknown(name))?;
        Ok(parse(name, Path::new(&format!("built-in {name}.toml")), text)?)
    }

    /// All names, in order.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let own = self.folders.iter().flat_map(|folder| names_in(folder));
        let built_in = builtin::METERS.iter().map(|(name, _)| (*name).to_owned());
        own.chain(built_in).collect()
    }

    /// All profiles, in the order of their names, and what is wrong with those that cannot be read.
    #[must_use]
    pub fn all(&self) -> (Vec<Profile>, Vec<ProfileError>) {
        let (mut profiles, mut errors) = (Vec::new(), Vec::new());
        for name in self.names() {
            match self.find(&name) {
                Ok(profile) => profiles.push(profile),
                Err(error) => errors.push(error),
            }
        }
        (profiles, errors)
    }

    fn unknown(&self, name: &str) -> ProfileError {
        let is_near = |known: &String| shares_a_part(known, name) || distance(known, name) <= NEAR;
        let mut names: Vec<String> = self.names().into_iter().filter(is_near).collect();
        names.sort_by_key(|known| (!shares_a_part(known, name), distance(known, name)));
        names.truncate(OFFERED);
        let hint = if names.is_empty() {
            "docs/meters.md lists all; one of your own goes to meters/NAME.toml beside the config"
                .to_owned()
        } else {
            format!("did you mean {}? docs/meters.md lists all", names.join(", "))
        };
        ProfileError::Unknown { name: name.chars().take(80).collect(), hint }
    }
}

/// Whether one of the name's parts between dashes is in the other; those tell of a model.
fn shares_a_part(known: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['_', ' '], "-");
    name.split('-').any(|part| part.len() > 2 && known.contains(part))
}

/// Whether it can name a file in a folder, and nothing outside.
fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_good) && name != BLUEPRINT
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.take(MAX_FILES).filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".toml").filter(|name| is_name(name)).map(str::to_owned)
    });
    names.collect()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn read(path: &Path) -> io::Result<String> {
    read_small_text(path, MAX_FILE_BYTES)
}

fn unreadable(file: PathBuf, error: &io::Error) -> ConfigError {
    let text = format!("cannot be read: {error}");
    ConfigError(vec![Fault { file, line: None, key: String::new(), text, hint: None }])
}
