//! Which piles the site has: the one owner of who they are, for doors, site, uplinks and pages.
//!
//! Piles of the config, and those that were admitted by their registration; `members` decides,
//! pure, `file` keeps it. What changes is first written, then done, then told.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::config::{Config, ConfigError, Fault, Pile};
use crate::{
    domain::{connector::PileKind, id::PileCode, wire::Revision},
    protocol::charger::registration::Registered,
    site::PileConfig,
};

mod account;
mod file;
mod members;
#[cfg(test)]
mod tests;

pub use account::{Account, Use, chance, new_password};
pub use members::{
    Applicant, CONNECTORS_LIMIT, Change, Entry, Grant, Member, Mode, Origin, Refusal, code_for,
    is_usable_serial,
};

use file::Contents;
use members::Members;

/// The piles of the site, for everybody who has to know them.
#[derive(Debug)]
pub struct Roster {
    file: PathBuf,
    members: Mutex<Members>,
}

impl Roster {
    /// The piles of a config and of `piles.toml`.
    ///
    /// # Errors
    ///
    /// If the file is damaged, or the two contradict each other.
    pub fn open(config: &Config) -> Result<Self, ConfigError> {
        let registration = config.broker.registration.as_ref();
        let mode = match registration.is_some_and(|registration| registration.is_open) {
            true => Mode::Open,
            false => Mode::Closed,
        };
        let roster = Self::new(&config.site.data_dir, &config.site.code, &config.piles);
        // Without the table, piles that were admitted once are still there.
        let kind = registration.map_or(PileKind::Dc, |registration| registration.kind);
        roster.remember(mode, kind)
    }

    /// Adds what the file knows; `kind`: what admitted piles give.
    fn remember(self, mode: Mode, kind: PileKind) -> Result<Self, ConfigError> {
        let contents = file::read(&self.file).map_err(|fault| ConfigError(vec![fault]))?;
        self.members().admitted_kind = kind;
        let clashes = merge(&mut self.members(), contents, mode);
        let faults = clashes.into_iter().map(|(code, text)| Fault {
            file: self.file.clone(),
            line: None,
            key: format!("pile.{code}"),
            text,
            hint: Some(format!("change the config, or take {code} out of this file if it is gone")),
        });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Ok(self) } else { Err(ConfigError(faults)) }
    }

    /// The piles of a config, as if none had registered.
    #[must_use]
    pub fn new(data_dir: &Path, site: &str, piles: &[Pile]) -> Self {
        Self { file: file::path(data_dir), members: Mutex::new(configured(site, piles)) }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Their codes.
    #[must_use]
    pub fn codes(&self) -> Vec<PileCode> {
        self.members().piles.keys().copied().collect()
    }

    /// What a pile is to be spoken to in: what it spoke last, before that what it should speak;
    /// `None` if there is no such pile.
    #[must_use]
    pub fn revision_of(&self, pile: PileCode) -> Option<Revision> {
        self.members().piles.get(&pile).map(|member| member.heard.unwrap_or(member.revision))
    }

    /// A pile spoke a revision. It is answered in it, whatever it should speak: an order that
    /// can be read must not be lost. The one it should speak, if it has just turned away from it.
    pub fn heard(&self, pile: PileCode, revision: Revision) -> Option<Revision> {
        self.members().heard(pile, revision)
    }

    /// The one pile with this code or this serial number, as it stands in a certificate.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<PileCode> {
        self.members().named(name)
    }

    /// Serial number of a pile; `None` if there is no such pile.
    #[must_use]
    pub fn serial_of(&self, pile: PileCode) -> Option<String> {
        self.members().piles.get(&pile).map(|member| member.serial.clone())
    }

    /// All that is known of them, for people.
    #[must_use]
    pub fn piles(&self) -> BTreeMap<PileCode, Member> {
        self.members().piles.clone()
    }

    /// What the site has to know of them.
    #[must_use]
    pub fn site_piles(&self) -> BTreeMap<PileCode, PileConfig> {
        let members = self.members();
        members.piles.iter().map(|(code, member)| (*code, member.site_config())).collect()
    }

    /// Whether a pile may come in with this password; remembers the first time it does. `now_s`:
    /// unix seconds, if a clock knows.
    ///
    /// # Errors
    ///
    /// Why not, for the log.
    pub fn login(
        &self,
        pile: PileCode,
        given: &[u8],
        now_s: Option<i64>,
    ) -> Result<Entry, &'static str> {
        self.members().login(pile, given, now_s)
    }

    /// What becomes of a pile that has shown the right code.
    ///
    /// # Errors
    ///
    /// Why it gets no account.
    pub fn decide(&self, applicant: &Applicant, mode: Mode) -> Result<Grant, Refusal> {
        self.members().decide(applicant, mode)
    }

    /// Whether a pile has an account that can be forgotten.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub fn may_forget(&self, pile: PileCode) -> Result<(), &'static str> {
        self.members().may_forget(pile)
    }

    /// Whether an account that was issued is valid and waits for its first login.
    #[must_use]
    pub fn awaits(&self, account: &Registered) -> bool {
        let members = self.members();
        let code = PileCode::new(&account.device_code).ok();
        let issued = code.and_then(|code| members.piles.get(&code)?.account.as_ref());
        issued.is_some_and(|issued| {
            issued.used == Use::Never && issued.is_password(account.password.as_bytes())
        })
    }

    /// Whether something has happened that is not written down.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.members().is_unsaved
    }

    /// Writes a change down, then does it. Waits for the disk. One at a time: whoever decided
    /// about the change must be the only one who makes changes.
    ///
    /// # Errors
    ///
    /// If it is not on disk; then nothing has changed.
    pub fn make(&self, change: &Change) -> io::Result<()> {
        let text = self.hold(change)?;
        let written = file::write(&self.file, &text);
        let mut members = self.members();
        members.held = None;
        match &written {
            Ok(()) => members.apply(change),
            Err(_) => members.is_unsaved = true,
        }
        written
    }

    /// Lets the old account of the change's pile end; the file as it is to be.
    fn hold(&self, change: &Change) -> io::Result<String> {
        let mut members = self.members();
        let mut next = members.clone();
        next.apply(change);
        let text = file::text(&next)?;
        members.held = match change {
            Change::Issue(grant) => Some(grant.code),
            Change::Forget(code) => Some(*code),
            Change::Nothing => None,
        };
        members.is_unsaved = false;
        Ok(text)
    }
}

fn configured(site: &str, piles: &[Pile]) -> Members {
    let member = |pile: &Pile| Member {
        serial: pile.serial.clone(),
        revision: pile.revision,
        kind: pile.kind,
        heard: None,
        connectors: pile.connectors.clone(),
        origin: Origin::Configured { password: pile.password.clone() },
        account: None,
    };
    Members {
        site_code: site.to_owned(),
        admitted_kind: PileKind::Dc,
        piles: piles.iter().map(|pile| (pile.code, member(pile))).collect(),
        former: BTreeMap::new(),
        highest: 0,
        held: None,
        is_unsaved: false,
    }
}

/// Adds what the file knows to the piles of the config. What contradicts, by code.
fn merge(members: &mut Members, contents: Contents, mode: Mode) -> Vec<(PileCode, String)> {
    let mut clashes = Vec::new();
    for (code, registered) in contents.piles {
        match clash(members, code, &registered) {
            Some(text) => clashes.push((code, text)),
            None => take_in(members, code, registered),
        }
    }
    let given = members.piles.values().flat_map(|pile| &pile.connectors).map(|no| no.get());
    members.highest = given.max().unwrap_or(0).max(contents.highest);
    // Numbers of piles that are taken out of the config later are not given again either.
    members.is_unsaved = mode == Mode::Open && members.highest > contents.highest;
    clashes
}

/// What an admitted pile has that another pile has too.
fn clash(members: &Members, code: PileCode, registered: &file::Registered) -> Option<String> {
    let (_, connectors, _) = registered.admitted.as_ref()?;
    let serial = &registered.serial;
    if let Some(same) = members.piles.get(&code) {
        let is_other = same.serial != *serial;
        return is_other.then(|| format!("is of serial {serial}, not {}", same.serial));
    }
    let mut others = members.piles.iter();
    others.find_map(|(other, pile)| {
        let taken = connectors.iter().find(|no| pile.connectors.contains(no));
        let taken = taken.map(|no| format!("has a connector of {other} too: {no}"));
        let is_twin = pile.serial == *serial;
        is_twin.then(|| format!("has the serial of {other} too: {serial}")).or(taken)
    })
}

fn take_in(members: &mut Members, code: PileCode, registered: file::Registered) {
    let file::Registered { serial, admitted, account } = registered;
    match (members.piles.get_mut(&code), admitted) {
        // An account is of a serial: one that was issued to the pile's predecessor is void.
        (Some(pile), _) if pile.serial == serial => pile.account = account,
        (Some(_), _) => {}
        (None, Some((revision, connectors, connector_types))) => {
            let origin = Origin::Admitted { connector_types };
            let (heard, kind) = (None, members.admitted_kind);
            let pile = Member { serial, revision, kind, heard, connectors, origin, account };
            members.piles.insert(code, pile);
        }
        (None, None) => {
            if let Some(account) = account {
                members.former.insert(code, (serial, account));
            }
        }
    }
}
