//! `uplinks.toml`: the accounts that backends have issued.
//!
//! Not in the ledger, so that a damaged ledger can be set aside without losing them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::id::UplinkName,
    sys::{self, file::read_small_text},
    uplink::{Account, Accounts, Login},
};

/// Name of the file in the data directory.
const FILE: &str = "uplinks.toml";

/// Longest file that is read: more accounts than a site can have uplinks.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Only the controller reads it.
const MODE: u32 = 0o600;

/// The file, by uplink.
#[derive(Default, Serialize, Deserialize)]
struct Document {
    #[serde(default)]
    uplink: BTreeMap<String, Row>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    device: String,
    username: String,
    password: String,
}

/// Issued accounts, in memory and on disk.
pub struct Credentials {
    file: PathBuf,
    document: Mutex<Document>,
}

impl std::fmt::Debug for Credentials {
    /// Leaves the passwords out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file; a missing one is empty.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read: registering again would be refused, so somebody has
    /// to look.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let file = data_dir.join(FILE);
        let document = match read_small_text(&file, MAX_FILE_BYTES) {
            Ok(text) => toml::from_str(&text).map_err(|error| {
                let text = format!("{}: {}", file.display(), error.message());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Document::default(),
            Err(error) => return Err(error),
        };
        Ok(Self { file, document: Mutex::new(document) })
    }
}

impl Accounts for Credentials {
    fn find(&self, uplink: &UplinkName) -> Option<Account> {
        let document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        let row = document.uplink.get(uplink.as_str())?.clone();
        let login = Login { username: row.username, password: row.password };
        Some(Account { device: row.device, login })
    }

    fn keep(&self, uplink: &UplinkName, account: &Account) -> io::Result<()> {
        let mut document = self.document.lock().unwrap_or_else(PoisonError::into_inner);
        let row = Row {
            device: account.device.clone(),
            username: account.login.username.clone(),
            password: account.login.password.clone(),
        };
        document.uplink.insert(uplink.to_string(), row);
        let text = toml::to_string(&*document).map_err(io::Error::other)?;
        sys::replace_file(&self.file, &text, MODE)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    fn account(password: &str) -> Account {
        let login = Login { username: "u".to_owned(), password: password.to_owned() };
        Account { device: "D1".to_owned(), login }
    }

    #[test]
    fn accounts_survive_a_restart_and_the_previous_version_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let name = UplinkName::new("cloud").unwrap();
        let credentials = Credentials::open(dir.path()).unwrap();
        assert_eq!(credentials.find(&name), None);
        credentials.keep(&name, &account("one \"quoted\"")).unwrap();
        credentials.keep(&name, &account("two")).unwrap();
        assert_eq!(Credentials::open(dir.path()).unwrap().find(&name), Some(account("two")));
        let old = fs::read_to_string(dir.path().join("uplinks.toml.old")).unwrap();
        assert!(old.contains("quoted"));
        assert!(!format!("{credentials:?}").contains("two"));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_new_registration() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "uplink = 7").unwrap();
        let error = Credentials::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
