//! Gathers the files that travel with a ledger.

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};

use super::{
    BESIDE_LEDGER, Belongs, MAX_BYTES, MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, canonical,
    directory_of,
};
use crate::{
    ledger::backup::Item,
    service::config,
    sys::{file, user},
};

/// What was gathered.
#[derive(Debug, Default)]
pub struct Collected {
    /// The files.
    pub luggage: Vec<Item>,
    /// What was not taken and why, for people.
    pub left_out: Vec<String>,
}

impl Collected {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.luggage.iter().map(|item| u64::try_from(item.body.len()).unwrap_or(u64::MAX)).sum()
    }

    fn add(&mut self, name: String, file: File, meta: &Metadata) -> io::Result<()> {
        let mut body = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut body)?;
        self.luggage.push(Item { path: name, mode: meta.permissions().mode() & 0o777, body });
        Ok(())
    }
}

/// Gathers what lies beside a config and beside its ledger. Root does so as the owner of each
/// directory: a link in it leads only to what that user may read. Hidden files, what is no file,
/// and what is beyond the limits is left out, and so is `except`: the backup itself.
///
/// # Errors
///
/// If the config itself, or accounts beside the ledger, cannot be taken: without them a backup is
/// none.
pub fn collect(config: &Path, data_dir: &Path, except: &Path) -> anyhow::Result<Collected> {
    let mut found = Collected::default();
    user::act_as_owner_of(data_dir, || beside_ledger(data_dir, &mut found))
        .with_context(|| data_dir.display().to_string())??;
    let dir = directory_of(config);
    let mut walk = Walk {
        dir: &dir,
        config,
        never: [data_dir, except].map(canonical).into(),
        found: &mut found,
        bytes: 0,
    };
    user::act_as_owner_of(&dir, || walk.all()).with_context(|| dir.display().to_string())??;
    let named = named_elsewhere(config, &dir);
    found.left_out.extend(
        named
            .into_iter()
            .map(|path| format!("{}: the config names it, and it lies elsewhere", path.display())),
    );
    Ok(found)
}

fn beside_ledger(data_dir: &Path, found: &mut Collected) -> anyhow::Result<()> {
    for name in BESIDE_LEDGER {
        let path = data_dir.join(name);
        let file = match file::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let hint = "hint: use sudo";
                return Err(anyhow!("cannot read {}: {error}\n{hint}", path.display()));
            }
            file => file.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let meta = file.metadata()?;
        if !meta.is_file() || meta.len() > MAX_FILE_BYTES {
            return Err(anyhow!("not a file of a controller: {}", path.display()));
        }
        found.add(format!("data/{name}"), file, &meta)?;
    }
    Ok(())
}

/// A walk below the directory of a config.
struct Walk<'a> {
    dir: &'a Path,
    config: &'a Path,
    never: BTreeSet<PathBuf>,
    found: &'a mut Collected,
    bytes: u64,
}

impl Walk<'_> {
    fn all(&mut self) -> anyhow::Result<()> {
        // First, so that no limit leaves it out.
        let name = self.config.file_name().context("the config has no name")?;
        let why = self.take(self.config.to_owned(), Path::new(name));
        if let Err(why) = why {
            return Err(anyhow!("cannot take the config: {}: {why}", self.config.display()));
        }
        let mut folders = vec![(self.dir.to_owned(), PathBuf::new(), 1)];
        while let Some((folder, name, depth)) = folders.pop() {
            if self.never.contains(&canonical(&folder)) {
                continue;
            }
            if depth > MAX_DEPTH {
                self.leave(&folder, "too many folders within folders");
                continue;
            }
            let mut entries: Vec<PathBuf> = match fs::read_dir(&folder) {
                Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
                Err(error) => {
                    self.leave(&folder, &error.to_string());
                    continue;
                }
            };
            entries.sort();
            for path in entries {
                let Some(last) = path.file_name() else { continue };
                let name = name.join(last);
                let is_hidden = last.to_string_lossy().starts_with('.');
                let is_taken = path.file_name() == self.config.file_name() && depth == 1;
                if is_hidden || is_taken {
                    continue;
                }
                // Folders behind links would be walked without end.
                match path.symlink_metadata() {
                    Ok(meta) if meta.is_dir() => folders.push((path, name, depth + 1)),
                    _ => {
                        if let Err(why) = self.take(path.clone(), &name) {
                            self.leave(&path, &why);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one file; says why not. What no program reads as a file is passed over.
    fn take(&mut self, path: PathBuf, name: &Path) -> Result<(), String> {
        if self.never.contains(&canonical(&path)) {
            return Ok(());
        }
        // A pipe would be waited for.
        let meta = fs::metadata(&path).map_err(|error| error.to_string())?;
        if !meta.is_file() {
            return Ok(());
        }
        let name = name.to_str().ok_or("its name is no text")?;
        let name = format!("config/{name}");
        Belongs::read(&name)?;
        if meta.len() > MAX_FILE_BYTES {
            return Err(format!("longer than {MAX_FILE_BYTES} bytes"));
        }
        if self.found.luggage.len() >= MAX_FILES {
            return Err(format!("there are more than {MAX_FILES} files"));
        }
        self.bytes += meta.len();
        if self.bytes > MAX_BYTES {
            self.bytes -= meta.len();
            return Err(format!("all files together are longer than {MAX_BYTES} bytes"));
        }
        let file = file::open(&path).map_err(|error| error.to_string())?;
        self.found.add(name, file, &meta).map_err(|error| error.to_string())
    }

    fn leave(&mut self, path: &Path, why: &str) {
        self.found.left_out.push(format!("{}: {why}", path.display()));
    }
}

/// Files that a config names and that lie elsewhere: they stay where they are. A config that cannot
/// be read names none.
fn named_elsewhere(config: &Path, dir: &Path) -> BTreeSet<PathBuf> {
    let dir = canonical(dir);
    let named = config::files_named_in(config).into_iter();
    // Authorities that the system brings are everywhere.
    let is_systems = |path: &Path| path.starts_with("/etc/ssl/certs");
    named.filter(|path| !canonical(path).starts_with(&dir) && !is_systems(path)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A directory with a config and these files.
    fn site(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn names(found: &Collected) -> Vec<&str> {
        found.luggage.iter().map(|item| item.path.as_str()).collect()
    }

    fn gather(dir: &Path) -> Collected {
        collect(&dir.join("site.toml"), &dir.join("data"), &dir.join("x.backup.partial")).unwrap()
    }

    #[test]
    fn what_lies_beside_config_and_ledger_is_taken_and_nothing_else() {
        let dir = site(&[
            ("site.toml", ""),
            ("cloud.password", "secret"),
            ("tls/site.key", "key"),
            ("meters/own.toml", "profile"),
            (".hidden", ""),
            ("x.backup.partial", ""),
            ("data/ledger.db", "orders"),
            ("data/piles.toml", "piles"),
            ("data/ballast", ""),
        ]);
        let password = dir.path().join("cloud.password");
        let text = format!("[uplink]\npassword_file = {password:?}");
        fs::write(dir.path().join("site.toml"), text).unwrap();
        std::os::unix::net::UnixListener::bind(dir.path().join("control.sock")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("broken")).unwrap();
        std::os::unix::fs::symlink("tls", dir.path().join("linked")).unwrap();
        std::os::unix::fs::symlink("tls/site.key", dir.path().join("site.key")).unwrap();
        let found = gather(dir.path());
        let mut wanted = vec![
            "data/piles.toml",
            "config/site.toml",
            "config/cloud.password",
            "config/site.key",
            "config/meters/own.toml",
            "config/tls/site.key",
        ];
        wanted.sort_unstable();
        let mut names = names(&found);
        names.sort_unstable();
        assert_eq!(names, wanted);
        assert_eq!(found.left_out.len(), 1, "{:?}", found.left_out);
        assert!(found.left_out[0].contains("/broken: "), "{:?}", found.left_out);
        let key = found.luggage.iter().find(|item| item.path == "config/site.key").unwrap();
        assert_eq!(key.body, b"key");
        assert!(!format!("{found:?}").contains("secret"), "secrets are not printed");
    }

    #[test]
    fn what_is_too_long_or_lies_elsewhere_is_named() {
        let dir = site(&[("site.toml", ""), ("data/clock", "1")]);
        let config = dir.path().join("site.toml");
        fs::write(&config, "[a]\nkey_file = \"/var/x.key\"\n[[b]]\nca_file = \"/etc/ssl/certs/a\"")
            .unwrap();
        let size = usize::try_from(MAX_FILE_BYTES).unwrap() + 1;
        fs::write(dir.path().join("core"), vec![0; size]).unwrap();
        let found = gather(dir.path());
        assert_eq!(names(&found), ["data/clock", "config/site.toml"]);
        let [long, elsewhere] = &found.left_out[..] else { panic!("{:?}", found.left_out) };
        assert!(long.contains("/core: longer than"), "{long}");
        assert_eq!(elsewhere, "/var/x.key: the config names it, and it lies elsewhere");

        fs::remove_file(&config).unwrap();
        let told = collect(&config, &dir.path().join("data"), Path::new("/x")).unwrap_err();
        assert!(format!("{told:#}").contains("cannot take the config"), "{told:#}");
    }
}
