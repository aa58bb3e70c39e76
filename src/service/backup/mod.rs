//! What travels with a ledger in a backup, and where it goes.
//!
//! Names in a backup begin with the folder they belong into: `config/` for what lies beside the
//! config, `data/` for what lies beside the ledger. Nothing else is taken, and nothing else is
//! written.

use std::path::{Component, Path, PathBuf};

mod collect;
mod place;

pub use collect::{Collected, collect};
pub use place::{Places, check_names};

/// Files beside the ledger that are not made anew by themselves, and whether a site may have none.
const BESIDE_LEDGER: [&str; 3] = ["clock", "piles.toml", "uplinks.toml"];

/// Most files of a config: a thousand piles with a password each, with room.
const MAX_FILES: usize = 4096;

/// Largest file of a config, in bytes: the limit of the config itself.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Most bytes of a config with its secrets, certificates and profiles.
const MAX_BYTES: u64 = 32 << 20;

/// Folders within folders of a config.
const MAX_DEPTH: usize = 8;

/// Longest name of a file in a backup, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// Where a file of a backup belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Belongs {
    /// Below the directory of the config.
    Config(PathBuf),
    /// In the data directory.
    Data(&'static str),
}

impl Belongs {
    /// Reads a name in a backup; fails if it would lead anywhere else.
    fn read(name: &str) -> Result<Self, String> {
        let foreign = || format!("a file in the backup has a name of its own: {name:?}");
        let (folder, rest) = name.split_once('/').ok_or_else(foreign)?;
        let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
        let mut parts = Path::new(rest).components();
        let is_tame = parts.all(|part| matches!(part, Component::Normal(_)))
            && rest.split('/').all(is_plain)
            && rest.split('/').count() <= MAX_DEPTH
            && name.len() <= MAX_NAME_BYTES
            && !name.contains(char::is_control);
        match folder {
            "config" if is_tame => Ok(Self::Config(rest.into())),
            "data" => {
                let known = BESIDE_LEDGER.into_iter().find(|known| *known == rest);
                known.map(Self::Data).ok_or_else(foreign)
            }
            _ => Err(foreign()),
        }
    }
}

/// The directory a config is in.
#[must_use]
pub fn directory_of(config: &Path) -> PathBuf {
    match config.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A path that has no links in it, or the path itself if it cannot be followed.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_lead_below_the_two_directories_only() {
        let config = |path: &str| Belongs::Config(path.into());
        assert_eq!(Belongs::read("config/site.toml").unwrap(), config("site.toml"));
        assert_eq!(Belongs::read("config/tls/site.key").unwrap(), config("tls/site.key"));
        assert_eq!(Belongs::read("data/piles.toml").unwrap(), Belongs::Data("piles.toml"));
        for name in [
            "",
            "site.toml",
            "config",
            "config/",
            "config//etc/passwd",
            "/etc/passwd",
            "config/../x",
            "config/a/../../x",
            "config/./x",
            "config/a//b",
            "config/a/",
            "config/.ssh/authorized_keys",
            "config/a\nb",
            "data/ledger.db",
            "data/../x",
            "data/",
            "other/x",
            "config/a/b/c/d/e/f/g/h/i",
        ] {
            let told = Belongs::read(name).unwrap_err();
            assert!(told.contains("a name of its own"), "{name}: {told}");
        }
        let long = format!("config/{}", "x".repeat(MAX_NAME_BYTES));
        assert!(Belongs::read(&long).is_err());
    }
}
