//! The config: what is wrong with it, and where it says things are, also where it is broken.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::{
    facts::{Config, Known, Unknown},
    tolerant::{self, Assignment},
};
use crate::{
    clock::Clock,
    service::{
        config::{self, ConfigError, Fault, Paths},
        roster::Roster,
    },
    sys::{
        file::read_small,
        user::{User, act_as, is_root, owner_of, user_named},
    },
};

/// Longest text that is read; the controller reads no longer one.
const MAX_BYTES: u64 = 4 << 20;

/// Whom the package makes the service run as.
const USER: &str = "sitepilot";

/// The config, as far as it can be read.
#[derive(Debug, Clone)]
pub(in crate::cli::doctor) struct Reading {
    pub(in crate::cli::doctor) text: Known<String>,
    /// All that is assigned in it, also in comments.
    pub(in crate::cli::doctor) assigned: Vec<Assignment>,
    pub(in crate::cli::doctor) data_dir: PathBuf,
    pub(in crate::cli::doctor) socket: PathBuf,
    pub(in crate::cli::doctor) facts: Known<Config>,
}

/// Where the package has things.
const DATA_DIR: &str = "/var/lib/sitepilot";
const SOCKET: &str = "/run/sitepilot/control.sock";

impl Reading {
    /// Of a config that could not be looked at.
    pub(in crate::cli::doctor) fn unknown(why: Unknown) -> Self {
        Self {
            text: Err(why.clone()),
            assigned: Vec::new(),
            data_dir: DATA_DIR.into(),
            socket: SOCKET.into(),
            facts: Err(why),
        }
    }
}

pub(in crate::cli::doctor) fn read(path: &Path) -> Reading {
    let text = text(path);
    let assigned = text.as_deref().map(tolerant::assignments).unwrap_or_default();
    let named = |table: &str, key: &str, default: &str| {
        let mut found = assigned.iter().filter(|a| !a.is_comment && a.table == table);
        let found = found.find(|a| a.key == key).map(|a| a.value.as_str());
        PathBuf::from(found.unwrap_or(default))
    };
    let (data_dir, socket) = match Paths::load(path) {
        Ok(paths) => (paths.data_dir, paths.socket),
        Err(_) => (named("site", "data_dir", DATA_DIR), named("control", "socket", SOCKET)),
    };
    let facts = Ok(judge(path, &data_dir));
    Reading { text, assigned, data_dir, socket, facts }
}

fn text(path: &Path) -> Known<String> {
    let unknown = |error: std::io::Error| Unknown(format!("{}: {error}", path.display()));
    let (bytes, _) = read_small(path, MAX_BYTES).map_err(unknown)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks it as the user who works with it: root can read what the service cannot.
fn judge(path: &Path, data_dir: &Path) -> Config {
    let service = is_root().then(|| service_user(data_dir)).flatten();
    let checked = match service {
        Some(user) => act_as(user, || check(path)).unwrap_or_else(|_| check(path)),
        None => check(path),
    };
    let mut facts = Config { is_there: is_there(path), ..Config::default() };
    match checked {
        Ok((config, warnings)) => {
            facts.listen = listeners(&config);
            facts.min_free_mb = u64::from(config.ledger.min_free_mb);
            facts.warnings = warnings;
        }
        Err(faults) => {
            let may_judge = is_root() || is_service(data_dir);
            let all = faults.0.into_iter();
            let (credentials, rest): (Vec<_>, Vec<_>) = all.partition(is_of_credential);
            let (unjudged, faults): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|fault| !may_judge && is_denied(fault));
            facts.credentials = credentials.len();
            (facts.unjudged, facts.faults) = (unjudged.len(), faults);
        }
    }
    facts
}

fn is_there(path: &Path) -> bool {
    !matches!(fs::metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// Whom the data directory belongs to, or whom the package makes.
pub(in crate::cli::doctor) fn service_user(data_dir: &Path) -> Option<User> {
    owner_of(data_dir).ok().or_else(|| user_named(USER).ok().flatten())
}

fn check(path: &Path) -> Result<(config::Config, Vec<Fault>), ConfigError> {
    let config = config::Config::load(path)?;
    Roster::open(&config)?;
    let warnings = config.warnings(path, Clock::passing().now().wall.known_s());
    Ok((config, warnings))
}

/// Whether the service runs as the user of this program.
fn is_service(data_dir: &Path) -> bool {
    service_user(data_dir).is_some_and(|user| user.uid == User::current().uid)
}

/// Credentials are there for the service only.
fn is_of_credential(fault: &Fault) -> bool {
    fault.key.ends_with("_credential") && fault.text.starts_with("names a credential, but")
}

fn is_denied(fault: &Fault) -> bool {
    fault.text.contains(&std::io::Error::from(rustix::io::Errno::ACCESS).to_string())
}

fn listeners(config: &config::Config) -> Vec<(String, std::net::SocketAddr)> {
    let tls = config.broker.tls.as_ref().map(|tls| tls.listen);
    let all = [
        ("broker.listen", config.broker.listen),
        ("broker.tls.listen", tls),
        ("http.listen", config.http),
    ];
    all.into_iter().filter_map(|(key, at)| Some((key.to_owned(), at?))).collect()
}
