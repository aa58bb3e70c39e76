//! The account a simulated pile was issued, in a file of its own.

use std::{io, path::Path};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::sys::{self, file::read_small_text};

/// Longest file that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Nobody else reads a password.
const MODE: u32 = 0o600;

/// What a pile logs in with.
#[derive(Serialize, Deserialize)]
pub struct Account {
    /// Its code.
    pub code: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl From<(&str, &str, &str)> for Account {
    fn from((code, username, password): (&str, &str, &str)) -> Self {
        let [code, username, password] = [code, username, password].map(ToOwned::to_owned);
        Self { code, username, password }
    }
}

impl Account {
    /// The account in a file; `None` if there is no file yet.
    pub fn read(file: &Path) -> anyhow::Result<Option<Self>> {
        match read_small_text(file, MAX_BYTES) {
            Ok(text) => toml::from_str(&text).map(Some).with_context(|| file.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    /// Writes it down.
    pub fn keep(&self, file: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        sys::replace_file(file, &text, MODE).with_context(|| file.display().to_string())
    }
}
