//! Secrets by file or systemd credential.

use std::{
    fmt, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    fault::Faults,
    reader::{At, Section},
};
use crate::sys::file::read_small;

/// A secret; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret that came from elsewhere, such as a backend.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret in a file: its first line, without the blanks around it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn in_file(bytes: Vec<u8>) -> Result<Self, NoSecret> {
        let text = String::from_utf8(bytes).map_err(|_| NoSecret::NotText)?;
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() { Err(NoSecret::Empty) } else { Ok(Self(line.to_owned())) }
    }

    /// The secret itself; not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Why there is no secret in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// Its bytes are no text.
    #[error("is not a text")]
    NotText,
    /// Nothing stands in its first line.
    #[error("is an empty file")]
    Empty,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Longest secret; MQTT carries a password with a 16-bit length, and nobody types more.
pub const MAX_SECRET_BYTES: u64 = 4096;

/// Where systemd puts the credentials of the unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// How to look at a config with credentials by hand.
pub const CREDENTIALS_BY_HAND: &str = "only the service has them (LoadCredential=); by hand: \
     sudo CREDENTIALS_DIRECTORY=/etc/sitepilot/credentials sitepilot check";

/// Reads `<name>_file` or `<name>_credential`.
pub(super) fn read(
    section: &mut Section<'_>,
    file_key: &'static str,
    credential_key: &'static str,
    faults: &mut Faults<'_>,
) -> Option<Secret> {
    let (path, privacy) = locate(section, file_key, credential_key, faults)?;
    let read = read_file(&path, privacy, MAX_SECRET_BYTES, faults)?;
    let shown = path.value.display();
    match Secret::in_file(read.value.1) {
        Ok(secret) => Some(secret),
        Err(error) => {
            faults.add(&path.place, format!("{error}: {shown}"), "write the secret into it");
            None
        }
    }
}

/// Where `<name>_file` or `<name>_credential` is.
pub(super) fn locate(
    section: &mut Section<'_>,
    file_key: &'static str,
    credential_key: &'static str,
    faults: &mut Faults<'_>,
) -> Option<(At<PathBuf>, Privacy)> {
    let file = section.text(file_key, faults);
    let credential = section.text(credential_key, faults);
    match (file, credential) {
        (Some(file), None) => Some((file.map(PathBuf::from), Privacy::Checked)),
        (None, Some(name)) => Some((credential_path(&name, faults)?, Privacy::Given)),
        (Some(_), Some(name)) => {
            let text = format!("stands beside {file_key}");
            faults.add(&name.place, text, "keep one of the two");
            None
        }
        (None, None) => {
            let hint = format!("name a file with the secret in it, or use {credential_key}");
            if !section.has(credential_key) {
                let _: Option<At<()>> = section.required(file_key, None, faults, &hint);
            }
            None
        }
    }
}

/// Whether the file's mode matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Not everybody may read it.
    Checked,
    /// systemd sets the mode, or everybody may read it.
    Given,
}

fn credential_path(name: &At<String>, faults: &mut Faults<'_>) -> Option<At<PathBuf>> {
    let Some(directory) = std::env::var_os(CREDENTIALS) else {
        let text = format!("names a credential, but there are none: {}", name.value);
        faults.add(&name.place, text, CREDENTIALS_BY_HAND);
        return None;
    };
    let path = Path::new(&directory).join(&name.value);
    Some(At { value: path, place: name.place.clone() })
}

/// The file and what is in it, if it is not too long and, where that matters, private.
pub(super) fn read_file(
    path: &At<PathBuf>,
    privacy: Privacy,
    max_bytes: u64,
    faults: &mut Faults<'_>,
) -> Option<At<(PathBuf, Vec<u8>)>> {
    let shown = path.value.display();
    match read_small(&path.value, max_bytes) {
        Ok((_, meta)) if privacy == Privacy::Checked && meta.permissions().mode() & 0o007 != 0 => {
            let text = format!("can be read by everybody: {shown}");
            faults.add(&path.place, text, format!("chmod 0640 {shown}"));
            None
        }
        Ok((bytes, _)) => Some(path.clone().map(|path| (path, bytes))),
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => "create it, mode 0640 if it is secret",
                io::ErrorKind::PermissionDenied => "let the user sitepilot's group read it",
                _ => "name a small file that can be read",
            };
            faults.add(&path.place, format!("cannot be read: {shown}: {error}"), hint);
            None
        }
    }
}
