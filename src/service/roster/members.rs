//! The piles of the site and what is decided about them; pure.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::account::{Account, Use};
use crate::{
    domain::{
        connector::PileKind,
        id::{ConnectorNo, PileCode},
        wire::Revision,
    },
    service::{config::Secret, piles::is_same},
    site::PileConfig,
};

/// Piles that were admitted without the config knowing them: as many as the doors take by
/// default. Whoever has the registration code could otherwise fill the flash.
pub const ADMITTED_LIMIT: usize = 256;

/// Connectors of an admitted pile; real ones have one to four.
pub const CONNECTORS_LIMIT: usize = 16;

/// Longest serial number of a pile, in characters.
const SERIAL_LIMIT: usize = 64;

/// Where a pile is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The config, with the password of its file, if it names one.
    Configured {
        /// Void as soon as an account was issued.
        password: Option<Secret>,
    },
    /// Admitted by its registration.
    Admitted {
        /// Types of its connectors, as it reported them.
        connector_types: Vec<i32>,
    },
}

/// A pile of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its serial number; no two have the same.
    pub serial: String,
    /// What it should speak.
    pub revision: Revision,
    /// What it spoke last, which counts more.
    pub heard: Option<Revision>,
    /// Direct or alternating current.
    pub kind: PileKind,
    /// Site-wide numbers of its connectors, in the pile's own order.
    pub connectors: Vec<ConnectorNo>,
    /// Where it is known from.
    pub origin: Origin,
    /// What it registered for.
    pub account: Option<Account>,
}

impl Member {
    /// What the site has to know of it.
    pub fn site_config(&self) -> PileConfig {
        PileConfig { revision: self.revision, kind: self.kind, connectors: self.connectors.clone() }
    }
}

/// A pile that asks for an account, as far as it matters here.
#[derive(Debug, Clone)]
pub struct Applicant {
    /// Its serial number.
    pub serial: String,
    /// What it speaks.
    pub revision: Revision,
    /// How many connectors it says it has.
    pub connectors: usize,
    /// Their types, as reported.
    pub connector_types: Vec<i32>,
}

/// Why a pile gets no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Message, topic and client id do not name the same pile.
    #[error("message, topic and client id name different piles")]
    Identity,
    /// Not the registration code of this site.
    #[error("wrong registration code")]
    Code,
    /// Nobody knows the serial number, and the registration is closed.
    #[error("unknown serial number")]
    Unknown,
    /// It has an account and has used it.
    #[error("registered already")]
    Registered,
    /// The serial number cannot be used, or it reports too many connectors.
    #[error("serial number or number of connectors cannot be used")]
    Unusable,
    /// No codes or connector numbers are left.
    #[error("the site has no room for it")]
    NoRoom,
    /// Too many wrong codes have come from there; this one was not looked at.
    #[error("too many wrong codes before, try later")]
    Later,
    /// It cannot be written down now.
    #[error("cannot be kept now")]
    Unkept,
}

impl Refusal {
    /// The status on the wire; the tables only say that 0 is yes.
    pub const fn status(self) -> i32 {
        match self {
            Self::Code => 1,
            Self::Registered => 2,
            Self::Unknown => 3,
            Self::Identity => 4,
            Self::Unusable => 5,
            Self::NoRoom => 6,
            Self::Unkept => 7,
            Self::Later => 8,
        }
    }
}

/// What becomes of a pile that may have an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its code.
    pub code: PileCode,
    /// As it will be, still with the account it had.
    pub member: Member,
}

/// Something that is to be written down, then done.
#[derive(Debug, Clone)]
pub enum Change {
    /// A pile gets the account that it has in the grant.
    Issue(Box<Grant>),
    /// A pile may register again.
    Forget(PileCode),
    /// What has happened already: first logins, connectors of the config.
    Nothing,
}

/// How a login went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// With an issued account for the first time: it is to be written down.
    First,
    /// As before.
    Known,
}

/// The piles of the site.
#[derive(Debug, Clone)]
pub struct Members {
    /// Codes of admitted piles begin with it.
    pub site_code: String,
    /// What piles give that are admitted.
    pub admitted_kind: PileKind,
    /// By code.
    pub piles: BTreeMap<PileCode, Member>,
    /// Accounts of piles that are not in the config any more; their codes stay taken.
    pub former: BTreeMap<PileCode, (String, Account)>,
    /// The highest connector number that was ever given; 0 if none was.
    pub highest: u16,
    /// The pile whose account is being replaced: the old one is void, the new one not written yet.
    pub held: Option<PileCode>,
    /// Something has happened that is not written down.
    pub is_unsaved: bool,
}

impl Members {
    /// A pile spoke a revision; the one it should speak, if it has just turned away from it.
    pub fn heard(&mut self, pile: PileCode, revision: Revision) -> Option<Revision> {
        let member = self.piles.get_mut(&pile)?;
        let before = member.heard.replace(revision).unwrap_or(member.revision);
        (before != revision && member.revision != revision).then_some(member.revision)
    }

    /// The one pile with this code or this serial number.
    pub fn named(&self, name: &str) -> Option<PileCode> {
        let is_it =
            |(code, member): &(&PileCode, &Member)| code.as_str() == name || member.serial == name;
        let mut found = self.piles.iter().filter(is_it).map(|(code, _)| *code);
        let first = found.next();
        // Nobody can tell who is meant if one's serial is another's code.
        first.filter(|_| found.next().is_none())
    }

    /// Whether a pile may come in with this password; remembers the first time. `Err`: why not.
    pub fn login(
        &mut self,
        pile: PileCode,
        given: &[u8],
        now_s: Option<i64>,
    ) -> Result<Entry, &'static str> {
        let is_held = self.held == Some(pile);
        let member = self.piles.get_mut(&pile).ok_or("unknown pile")?;
        let is_right = match (&member.account, &member.origin) {
            (Some(account), _) => account.is_password(given),
            (None, Origin::Configured { password: Some(password) }) => {
                is_same(password.expose().as_bytes(), given)
            }
            (None, _) => return Err("not registered"),
        };
        match (is_right, &mut member.account) {
            (false, _) => Err("wrong password"),
            (true, _) if is_held => Err("a new password is being issued"),
            (true, Some(account)) if account.used == Use::Never => {
                account.used = Use::Since(now_s);
                self.is_unsaved = true;
                Ok(Entry::First)
            }
            (true, _) => Ok(Entry::Known),
        }
    }

    /// What becomes of a pile that has shown the right code. `open`: unknown ones are admitted.
    pub fn decide(&self, applicant: &Applicant, mode: Mode) -> Result<Grant, Refusal> {
        let known = self.piles.iter().find(|(_, member)| member.serial == applicant.serial);
        match (known, mode) {
            (Some((code, member)), _) => self.again(*code, member, applicant),
            (None, Mode::Closed) => Err(Refusal::Unknown),
            (None, Mode::Open) => self.admit(applicant),
        }
    }

    fn again(
        &self,
        code: PileCode,
        member: &Member,
        applicant: &Applicant,
    ) -> Result<Grant, Refusal> {
        let is_used = |account: &Account| matches!(account.used, Use::Since(_));
        if member.account.as_ref().is_some_and(is_used) {
            return Err(Refusal::Registered);
        }
        let mut member = member.clone();
        match &mut member.origin {
            Origin::Configured { .. } => {}
            Origin::Admitted { connector_types } => {
                connector_types.clone_from(&applicant.connector_types);
                (member.revision, member.heard) = (applicant.revision, None);
                let more = applicant.connectors.saturating_sub(member.connectors.len());
                member.connectors.extend(self.new_connectors(applicant, more)?);
            }
        }
        Ok(Grant { code, member })
    }

    fn admit(&self, applicant: &Applicant) -> Result<Grant, Refusal> {
        let is_admitted = |member: &&Member| matches!(member.origin, Origin::Admitted { .. });
        if self.piles.values().filter(is_admitted).count() >= ADMITTED_LIMIT {
            return Err(Refusal::NoRoom);
        }
        // With another's code as its serial number it would make that one's certificate void.
        let is_code = self.piles.keys().any(|code| code.as_str() == applicant.serial);
        if is_code || !is_usable_serial(&applicant.serial) {
            return Err(Refusal::Unusable);
        }
        let member = Member {
            serial: applicant.serial.clone(),
            revision: applicant.revision,
            kind: self.admitted_kind,
            heard: None,
            connectors: self.new_connectors(applicant, applicant.connectors)?,
            origin: Origin::Admitted { connector_types: applicant.connector_types.clone() },
            account: None,
        };
        Ok(Grant { code: self.new_code(&applicant.serial).ok_or(Refusal::NoRoom)?, member })
    }

    /// The next connector numbers, above all that were ever given.
    fn new_connectors(
        &self,
        applicant: &Applicant,
        count: usize,
    ) -> Result<Vec<ConnectorNo>, Refusal> {
        let limit = CONNECTORS_LIMIT;
        if applicant.connectors > limit || applicant.connector_types.len() > limit {
            return Err(Refusal::Unusable);
        }
        let next = (self.highest.saturating_add(1)..).map_while(ConnectorNo::new);
        let numbers: Vec<_> = next.take(count).collect();
        if numbers.len() == count { Ok(numbers) } else { Err(Refusal::NoRoom) }
    }

    fn new_code(&self, serial: &str) -> Option<PileCode> {
        code_for(&self.site_code, serial, |code| {
            !self.piles.contains_key(code) && !self.former.contains_key(code)
        })
    }

    /// Does what was written down.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Issue(grant) => {
                let highest = grant.member.connectors.iter().map(|no| no.get()).max();
                self.highest = self.highest.max(highest.unwrap_or(0));
                self.piles.insert(grant.code, grant.member.clone());
            }
            Change::Forget(code) => {
                if let Some(member) = self.piles.get_mut(code) {
                    member.account = None;
                }
            }
            Change::Nothing => {}
        }
    }

    /// Whether a pile has an account that can be forgotten. `Err`: why not.
    pub fn may_forget(&self, pile: PileCode) -> Result<(), &'static str> {
        let member = self.piles.get(&pile).ok_or("no such pile")?;
        member.account.as_ref().map(|_| ()).ok_or("has not registered: there is nothing to forget")
    }
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Known serial numbers only.
    Closed,
    /// Unknown ones too.
    Open,
}

/// Characters of a made code that come from the site's.
const SITE_CHARS: usize = 10;

/// A code for a new pile: its serial number if that is one, else one made from the codes of site
/// and pile, so that it is the same whoever makes it, and when. `None` if none is free.
pub fn code_for(
    site_code: &str,
    serial: &str,
    is_free: impl Fn(&PileCode) -> bool,
) -> Option<PileCode> {
    let made = (0..u8::MAX).filter_map(|attempt| made_code(site_code, serial, attempt));
    PileCode::new(serial).ok().into_iter().chain(made).find(is_free)
}

fn made_code(site: &str, serial: &str, attempt: u8) -> Option<PileCode> {
    let digest = Sha256::new()
        .chain_update(site.as_bytes())
        .chain_update([0])
        .chain_update(serial.as_bytes())
        .chain_update([attempt])
        .finalize();
    let site: String = site.chars().take(SITE_CHARS).collect();
    let tail = data_encoding::BASE32_NOPAD.encode(&digest);
    let code: String = site.chars().chain(tail.chars()).take(16).collect();
    PileCode::new(&code).ok()
}

/// Whether a serial number can stand in a topic, a client id and a file.
pub fn is_usable_serial(serial: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !"/+#$".contains(c);
    !serial.is_empty() && serial.chars().count() <= SERIAL_LIMIT && serial.chars().all(is_plain)
}
