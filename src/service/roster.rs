//! Which piles the site has: the one owner of who they are, for doors, site, uplinks and pages.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use super::{
    config::{Pile, Secret},
    piles::is_same,
};
use crate::{
    domain::{
        id::{ConnectorNo, PileCode},
        wire::Revision,
    },
    site::PileConfig,
};

/// A pile of the site.
#[derive(Debug, Clone)]
struct Member {
    serial: String,
    revision: Revision,
    /// What it spoke last, which counts more.
    heard: Option<Revision>,
    /// Site-wide numbers, in the pile's own order.
    connectors: Vec<ConnectorNo>,
    password: Secret,
}

/// The piles of the site, for everybody who has to know them.
#[derive(Debug)]
pub struct Roster(RwLock<BTreeMap<PileCode, Member>>);

impl Roster {
    /// The piles of a config.
    #[must_use]
    pub fn of(piles: &[Pile]) -> Self {
        let member = |pile: &Pile| Member {
            serial: pile.serial.clone(),
            revision: pile.revision,
            heard: None,
            connectors: pile.connectors.clone(),
            password: pile.password.clone(),
        };
        Self(RwLock::new(piles.iter().map(|pile| (pile.code, member(pile))).collect()))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<PileCode, Member>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Their codes.
    #[must_use]
    pub fn codes(&self) -> Vec<PileCode> {
        self.read().keys().copied().collect()
    }

    /// What a pile is to be spoken to in: what it spoke last, before that what it should speak;
    /// `None` if there is no such pile.
    #[must_use]
    pub fn revision_of(&self, pile: PileCode) -> Option<Revision> {
        self.read().get(&pile).map(|member| member.heard.unwrap_or(member.revision))
    }

    /// A pile spoke a revision. It is answered in it, whatever it should speak: an order that
    /// can be read must not be lost. The one it should speak, if it has just turned away from it.
    pub fn heard(&self, pile: PileCode, revision: Revision) -> Option<Revision> {
        if self.revision_of(pile)? == revision {
            return None;
        }
        let mut members = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let member = members.get_mut(&pile)?;
        member.heard = Some(revision);
        (member.revision != revision).then_some(member.revision)
    }

    /// Their serial numbers.
    #[must_use]
    pub fn serials(&self) -> BTreeMap<PileCode, String> {
        self.read().iter().map(|(code, member)| (*code, member.serial.clone())).collect()
    }

    /// What the site has to know of them.
    #[must_use]
    pub fn site_piles(&self) -> BTreeMap<PileCode, PileConfig> {
        let config = |member: &Member| PileConfig {
            revision: member.revision,
            connectors: member.connectors.clone(),
        };
        self.read().iter().map(|(code, member)| (*code, config(member))).collect()
    }

    /// The one pile with this code or this serial number, as it stands in a certificate.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<PileCode> {
        let members = self.read();
        let is_it =
            |(code, member): &(&PileCode, &Member)| code.as_str() == name || member.serial == name;
        let mut found = members.iter().filter(is_it).map(|(code, _)| *code);
        let first = found.next();
        // Nobody can tell whose certificate it is if one's serial is another's code.
        first.filter(|_| found.next().is_none())
    }

    /// Whether this is the pile's password; `None` if there is no such pile.
    #[must_use]
    pub fn is_password(&self, pile: PileCode, given: &[u8]) -> Option<bool> {
        let members = self.read();
        members.get(&pile).map(|member| is_same(member.password.expose().as_bytes(), given))
    }
}
