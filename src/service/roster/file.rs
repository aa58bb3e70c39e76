//! `piles.toml`: the piles that registered, and the accounts they were issued, hashed.
//!
//! Not in the ledger, so that a damaged ledger can be set aside without locking the piles out.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Use},
    members::{CONNECTORS_LIMIT, Member, Members, Origin},
};
use crate::{
    domain::{
        id::{ConnectorNo, PileCode},
        wire::Revision,
    },
    service::config::Fault,
    sys::{self, file::read_small_text},
};

/// Name of the file in the data directory.
const FILE: &str = "piles.toml";

/// Only the controller reads it.
const MODE: u32 = 0o600;

/// Largest file that is read: ten times what the most piles take.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// The highest connector number ever given; the next pile gets higher ones.
    #[serde(default)]
    highest_connector: u16,
    #[serde(default)]
    pile: BTreeMap<String, Row>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    serial: String,
    /// Of a pile that the config does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted: Option<AdmittedRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<AccountRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmittedRow {
    revision: String,
    connectors: Vec<u16>,
    connector_types: Vec<i32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountRow {
    salt: String,
    /// SHA-256 of salt and password.
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_at: Option<String>,
    logged_in: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_in_at: Option<String>,
}

/// What the file says of one pile.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    pub(super) serial: String,
    /// Revision, connectors and their types of a pile the config does not know.
    pub(super) admitted: Option<(Revision, Vec<ConnectorNo>, Vec<i32>)>,
    pub(super) account: Option<Account>,
}

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) highest: u16,
    pub(super) piles: BTreeMap<PileCode, Registered>,
}

/// Where the file is.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Reads the file; a missing one is empty.
///
/// # Errors
///
/// When it is there and cannot be read: without it piles could not log in, and connector numbers
/// would be given anew, so somebody has to look.
pub(super) fn read(path: &Path) -> Result<Contents, Fault> {
    let fault = |key: String, text: String| {
        let hint = format!("put its last version back: {}.old", path.display());
        Fault { file: path.to_owned(), line: None, key, text, hint: Some(hint) }
    };
    let whole = |text: String| fault(String::new(), format!("cannot be read: {text}"));
    let text = match read_small_text(path, MAX_FILE_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let hint = "use sudo; the service reads it as its owner, the user sitepilot".to_owned();
            return Err(Fault { hint: Some(hint), ..whole(error.to_string()) });
        }
        Err(error) => return Err(whole(error.to_string())),
    };
    let document: Document =
        toml::from_str(&text).map_err(|error| whole(error.message().to_owned()))?;
    let piles = document.pile.into_iter().map(|(code, row)| {
        let read = row.read().and_then(|row| Ok((PileCode::new(&code).map_err(text_of)?, row)));
        read.map_err(|text| fault(format!("pile.{code}"), text))
    });
    Ok(Contents { highest: document.highest_connector, piles: piles.collect::<Result<_, _>>()? })
}

/// Writes the file, whole or not at all.
///
/// # Errors
///
/// If it is not on disk.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    sys::replace_file(path, text, MODE)
}

/// The file as it is to be.
pub(super) fn text(members: &Members) -> io::Result<String> {
    let present = members.piles.iter().filter_map(|(code, pile)| Some((*code, Row::of(pile)?)));
    let former = members.former.iter().map(|(code, (serial, account))| {
        let account = Some(AccountRow::of(account));
        (*code, Row { serial: serial.clone(), admitted: None, account })
    });
    let pile = former.chain(present).map(|(code, row)| (code.to_string(), row)).collect();
    let document = Document { highest_connector: members.highest, pile };
    toml::to_string(&document).map_err(io::Error::other)
}

fn text_of(error: impl Display) -> String {
    error.to_string()
}

impl Row {
    /// `None` if there is nothing to remember of it.
    fn of(pile: &Member) -> Option<Self> {
        let admitted = match &pile.origin {
            Origin::Configured { .. } => None,
            Origin::Admitted { connector_types } => Some(AdmittedRow {
                revision: pile.revision.name().to_owned(),
                connectors: pile.connectors.iter().map(|no| no.get()).collect(),
                connector_types: connector_types.clone(),
            }),
        };
        let account = pile.account.as_ref().map(AccountRow::of);
        let is_worth_it = admitted.is_some() || account.is_some();
        is_worth_it.then(|| Self { serial: pile.serial.clone(), admitted, account })
    }

    fn read(self) -> Result<Registered, String> {
        let admitted = self.admitted.map(AdmittedRow::read).transpose()?;
        let account = self.account.map(AccountRow::read).transpose()?;
        Ok(Registered { serial: self.serial, admitted, account })
    }
}

impl AdmittedRow {
    fn read(self) -> Result<(Revision, Vec<ConnectorNo>, Vec<i32>), String> {
        let revision = match self.revision.as_str() {
            "1.0" => Revision::V1_0,
            "1.10" => Revision::V1_10,
            other => return Err(format!("is not a revision: {other}")),
        };
        let numbers = self.connectors.iter().map(|number| {
            ConnectorNo::new(*number).ok_or_else(|| format!("is not a connector: {number}"))
        });
        let connectors: Vec<_> = numbers.collect::<Result<_, _>>()?;
        if connectors.is_empty() || connectors.len() > CONNECTORS_LIMIT {
            return Err(format!("has the wrong number of connectors: {}", connectors.len()));
        }
        Ok((revision, connectors, self.connector_types))
    }
}

impl AccountRow {
    fn of(account: &Account) -> Self {
        let used = match account.used {
            Use::Never => None,
            Use::Since(at_s) => Some(at_s),
        };
        Self {
            salt: data_encoding::HEXLOWER.encode(&account.salt),
            hash: data_encoding::HEXLOWER.encode(&account.hash),
            issued_at: account.issued_s.and_then(time),
            logged_in: used.is_some(),
            logged_in_at: used.flatten().and_then(time),
        }
    }

    fn read(self) -> Result<Account, String> {
        Ok(Account {
            salt: hex(&self.salt)?,
            hash: hex(&self.hash)?,
            issued_s: seconds(self.issued_at.as_deref())?,
            used: match self.logged_in {
                true => Use::Since(seconds(self.logged_in_at.as_deref())?),
                false => Use::Never,
            },
        })
    }
}

fn hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(text_of)?;
    bytes.try_into().map_err(|bytes: Vec<u8>| format!("has {} bytes, wanted {N}", bytes.len()))
}

fn time(unix_s: i64) -> Option<String> {
    Timestamp::from_second(unix_s).ok().map(|at| at.to_string())
}

fn seconds(text: Option<&str>) -> Result<Option<i64>, String> {
    let time = text.map(|text| text.parse::<Timestamp>().map_err(text_of));
    Ok(time.transpose()?.map(Timestamp::as_second))
}
