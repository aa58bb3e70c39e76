//! `[[pile]]`

use std::collections::BTreeMap;

use super::{
    fault::Faults,
    once,
    reader::{At, Section},
    secret::{self, Secret},
};
use crate::{
    domain::{
        connector::PileKind,
        id::{ConnectorNo, PileCode},
        wire::Revision,
    },
    service::roster::is_usable_serial,
};

/// A pile in the config.
#[derive(Debug, Clone)]
pub struct Pile {
    /// Its code, also its name at the doors.
    pub code: PileCode,
    /// Its serial number.
    pub serial: String,
    /// What it speaks.
    pub revision: Revision,
    /// Direct or alternating current.
    pub kind: PileKind,
    /// Site-wide numbers of its connectors, in its own order.
    pub connectors: Vec<ConnectorNo>,
    /// What it logs in with until it has registered; `None`: it has to register first.
    pub password: Option<Secret>,
}

/// Connectors of one pile; real ones have one to four.
pub(super) const MAX_CONNECTORS: usize = 16;

/// Whether each pile has to have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passwords {
    Needed,
    /// It may register.
    Optional,
}

pub(super) fn read_all(
    sections: Vec<Section<'_>>,
    passwords: Passwords,
    faults: &mut Faults<'_>,
) -> Vec<Pile> {
    let mut seen = Seen::default();
    let each = sections.into_iter();
    each.filter_map(|section| read(section, passwords, &mut seen, faults)).collect()
}

/// What must not appear twice, and where it appeared first.
#[derive(Debug, Default)]
struct Seen {
    codes: BTreeMap<PileCode, String>,
    serials: BTreeMap<String, String>,
    connectors: BTreeMap<ConnectorNo, String>,
}

fn read(
    mut section: Section<'_>,
    passwords: Passwords,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> Option<Pile> {
    let owner = section.place().key.clone();
    let code = section.text("code", faults);
    let code = section.required("code", code, faults, "16 letters and digits");
    let code = code.and_then(|at| pile_code(at, faults));
    if let Some(at) = &code {
        once(&mut seen.codes, at.clone(), &owner, faults);
    }
    let serial = section.text("serial", faults);
    let serial = section.required("serial", serial, faults, "the number on the pile's plate");
    if let Some(at) = &serial {
        if !is_usable_serial(&at.value) {
            faults.add(&at.place, "cannot stand in a topic", "1 to 64 characters, none of / + # $");
        }
        once(&mut seen.serials, at.clone(), &owner, faults);
    }
    let revision = revision(&mut section, faults);
    let kind = kind(&mut section, faults);
    let numbers = section.numbers("connectors", &(1..=9999), faults);
    let numbers = section.required("connectors", numbers, faults, "such as [1, 2]");
    let connectors = numbers.map(|numbers| connector_list(&numbers, &owner, seen, faults));
    let password = password(&mut section, passwords, faults);
    section.finish(faults);
    Some(Pile {
        code: code?.value,
        serial: serial?.value,
        revision: revision?,
        kind: kind?,
        connectors: connectors?,
        password: password?,
    })
}

/// `Some(None)`: there is none, and none is needed.
fn password(
    section: &mut Section<'_>,
    passwords: Passwords,
    faults: &mut Faults<'_>,
) -> Option<Option<Secret>> {
    let (file, credential) = ("password_file", "password_credential");
    let is_named = section.has(file) || section.has(credential);
    if passwords == Passwords::Optional && !is_named {
        return Some(None);
    }
    secret::read(section, file, credential, faults).map(Some)
}

fn pile_code(at: At<String>, faults: &mut Faults<'_>) -> Option<At<PileCode>> {
    match PileCode::new(&at.value) {
        Ok(code) => Some(at.map(|_| code)),
        Err(error) => {
            let text = format!("is not a pile code: {}: {error}", at.value);
            faults.add(&at.place, text, "16 letters and digits");
            None
        }
    }
}

fn connector_list(
    numbers: &At<Vec<At<u64>>>,
    owner: &str,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> Vec<ConnectorNo> {
    let found = numbers.value.len();
    if found == 0 || found > MAX_CONNECTORS {
        let text = format!("has the wrong number of connectors: {found}");
        faults.add(&numbers.place, text, format!("1 to {MAX_CONNECTORS}"));
    }
    let known = numbers.value.iter().filter_map(|at| {
        let number = ConnectorNo::new(u16::try_from(at.value).ok()?)?;
        Some(At { value: number, place: at.place.clone() })
    });
    let mut list = Vec::new();
    for connector in known {
        list.push(connector.value);
        once(&mut seen.connectors, connector, owner, faults);
    }
    list
}

/// `revision`, for piles and uplinks.
pub(super) fn revision(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Revision> {
    let at = section.text("revision", faults);
    let hint = "\"1.10\" or \"1.0\"";
    let at = section.required("revision", at, faults, hint)?;
    let known = [Revision::V1_10, Revision::V1_0];
    let revision = known.into_iter().find(|revision| revision.name() == at.value);
    if revision.is_none() {
        faults.add(&at.place, format!("is not a revision: {}", at.value), hint);
    }
    revision
}

/// `kind`, for piles and for those that register; direct current where it is not said.
pub(super) fn kind(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<PileKind> {
    let Some(at) = section.text("kind", faults) else {
        return (!section.has("kind")).then_some(PileKind::Dc);
    };
    match at.value.as_str() {
        "dc" => return Some(PileKind::Dc),
        "ac" => return Some(PileKind::Ac),
        other => {
            faults.add(&at.place, format!("is not a kind of pile: {other}"), "\"dc\" or \"ac\"")
        }
    }
    None
}
