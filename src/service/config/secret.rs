//! Secrets by file or systemd credential.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    fault::Faults,
    reader::{At, Section},
};

/// A secret; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret that came from elsewhere, such as a backend.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself; not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Longest secret; MQTT carries a password with a 16-bit length, and nobody types more.
const MAX_SECRET_BYTES: u64 = 4096;

/// Where systemd puts the credentials of the unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads `<name>_file` or `<name>_credential`.
pub(super) fn read(
    section: &mut Section<'_>,
    file_key: &'static str,
    credential_key: &'static str,
    faults: &mut Faults<'_>,
) -> Option<Secret> {
    let file = section.text(file_key, faults);
    let credential = section.text(credential_key, faults);
    match (file, credential) {
        (Some(file), None) => from_file(&file.map(PathBuf::from), Privacy::Checked, faults),
        (None, Some(name)) => from_credential(&name, faults),
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
enum Privacy {
    Checked,
    /// systemd sets the mode.
    Given,
}

fn from_credential(name: &At<String>, faults: &mut Faults<'_>) -> Option<Secret> {
    let Some(directory) = std::env::var_os(CREDENTIALS) else {
        let text = format!("names a credential, but there are none: {}", name.value);
        faults.add(&name.place, text, "credentials exist only under systemd (LoadCredential=)");
        return None;
    };
    let path = Path::new(&directory).join(&name.value);
    from_file(&At { value: path, place: name.place.clone() }, Privacy::Given, faults)
}

fn from_file(path: &At<PathBuf>, privacy: Privacy, faults: &mut Faults<'_>) -> Option<Secret> {
    let shown = path.value.display();
    match read_secret(&path.value) {
        Ok((_, mode)) if privacy == Privacy::Checked && mode & 0o007 != 0 => {
            let text = format!("can be read by everybody: {shown}");
            faults.add(&path.place, text, format!("chmod 0640 {shown}"));
            None
        }
        Ok((text, _)) if text.is_empty() => {
            faults.add(
                &path.place,
                format!("is an empty file: {shown}"),
                "write the secret into it",
            );
            None
        }
        Ok((text, _)) => Some(Secret(text)),
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => {
                    "create it, mode 0640, with the secret in its first line"
                }
                io::ErrorKind::PermissionDenied => "let the user sitepilot's group read it",
                _ => "",
            };
            faults.add(&path.place, format!("cannot be read: {shown}: {error}"), hint);
            None
        }
    }
}

/// The first line of the file, and its mode.
fn read_secret(path: &Path) -> io::Result<(String, u32)> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::other("not a file"));
    }
    if meta.len() > MAX_SECRET_BYTES {
        return Err(io::Error::other(format!("longer than {MAX_SECRET_BYTES} bytes")));
    }
    let text = fs::read_to_string(path)?;
    let line = text.lines().next().unwrap_or_default().trim();
    Ok((line.to_owned(), meta.permissions().mode()))
}
