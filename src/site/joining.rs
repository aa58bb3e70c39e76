//! Uplinks that come into the config and go out of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Confirmation, Site, SiteConfig, UplinkConfig,
    alarm::AlarmKind,
    entry::Entry,
    restore::{Image, Owed},
    snapshot::UplinkStatus,
    turn::Turn,
};
use crate::domain::{id::UplinkName, order::Order, time::Stamp};

/// An uplink that is not in the config any more, with deliveries that are not closed.
#[derive(Debug)]
pub(super) struct Former {
    /// What it spoke; `None`: from before uplinks were enlisted.
    kind: Option<String>,
    /// Settlement waits for it until it is retired.
    pub(super) required: bool,
    owed: Owed,
    since: Stamp,
}

impl Former {
    /// Those that a config lacks.
    pub(super) fn all(
        image: &Image,
        config: &SiteConfig,
        since: Stamp,
    ) -> BTreeMap<UplinkName, Self> {
        let gone = image.unclosed.iter().filter(|name| is_gone(name, config));
        gone.map(|name| {
            let kind = image.enlisted.get(name).map(|enlisted| enlisted.kind.clone());
            let owed = image.owed.get(name).copied().unwrap_or_default();
            let required = was_required(name, image);
            (name.clone(), Self { kind, required, owed, since })
        })
        .collect()
    }

    pub(super) fn status(&self, name: UplinkName) -> UplinkStatus {
        UplinkStatus {
            name,
            kind: self.kind.clone().unwrap_or_default(),
            required: self.required,
            state: "removed",
            since: self.since,
            reason: "not in the config any more".to_owned(),
            backlog: self.owed.orders,
            oldest_unix_ms: self.owed.oldest_unix_ms,
            in_flight: 0,
            in_memory: 0,
            rate_per_min: None,
            eta_s: None,
            strays: 0,
        }
    }
}

impl Site {
    /// Says which uplinks were removed without being retired.
    pub(super) fn watch_former(&mut self, turn: &Turn) {
        for (name, former) in &self.former {
            let kept = match former.owed.orders {
                0 => "orders it refused are kept".to_owned(),
                orders => format!("orders it is owed: {orders}"),
            };
            let text = format!(
                "uplink {name} is not in the config any more, {kept}; put it back, or give it up \
                 with `sitepilot uplinks retire {name}`"
            );
            self.alarms.raise(AlarmKind::Removed(name.clone()), turn.stamp(), text);
        }
    }

    /// Owes an uplink that was removed nothing more.
    pub(super) fn retire(&mut self, uplink: UplinkName, turn: &mut Turn) -> Result<String, String> {
        if self.links.contains_key(&uplink) {
            return Err("still in the config; take it out first".to_owned());
        }
        if self.former.remove(&uplink).is_none() {
            return Err("no order waits for an uplink of this name".to_owned());
        }
        self.alarms.clear(&AlarmKind::Removed(uplink.clone()));
        let given_up = self.book.give_up(&uplink);
        turn.remember(Entry::UplinkRetired { uplink, at: turn.stamp() });
        // The ledger settles all that is complete now; what is in memory has to follow.
        for seq in given_up {
            self.settle_if_done(seq, turn);
        }
        Ok("retired: it is owed nothing more".to_owned())
    }

    /// Whether an uplink wants this order of the past by its config.
    pub(super) fn wants_past(&self, uplink: &UplinkName, order: &Order) -> bool {
        let since_s = self.links.get(uplink).and_then(|link| link.config.orders_since_s);
        let ended_s = order.ending.as_ref().and_then(|ending| ending.ended_s);
        // As the ledger has it: what nothing dates is wanted too.
        since_s.is_some_and(|since_s| ended_s.is_none_or(|ended_s| ended_s >= since_s))
    }

    /// Takes over what the ledger has derived of a step for which [`super::step::Step::is_derived`]
    /// holds, once that step is committed: numbers of orders, what each uplink is owed, and dates.
    pub fn refresh(&mut self, image: &Image) {
        self.is_dating = false;
        self.book.refresh(image);
        for (name, link) in &mut self.links {
            link.outbox.refresh(image.owed.get(name).copied().unwrap_or_default());
        }
    }
}

/// Enlists the uplinks that are new, or want more of the past, and says who decides settlement. One
/// that is gone wants nothing of the past, so that it gets what it missed if it comes back.
pub(super) fn news(config: &SiteConfig, image: &Image, at: Stamp) -> Vec<Entry> {
    let takes = |uplink: &&UplinkConfig| uplink.wire.confirmation() != Confirmation::None;
    let takers = || config.uplinks.iter().filter(takes);
    let enlisted = takers().filter(|uplink| wants_enlisting(uplink, image)).map(|uplink| {
        let (name, kind) = (uplink.name.clone(), uplink.wire.kind().to_owned());
        Entry::UplinkEnlisted { uplink: name, kind, since_s: uplink.orders_since_s, at }
    });
    let gone = image
        .enlisted
        .iter()
        .filter(|(name, known)| is_gone(name, config) && known.since_s.is_some());
    let left = gone.map(|(name, known)| {
        let (uplink, kind) = (name.clone(), known.kind.clone());
        Entry::UplinkEnlisted { uplink, kind, since_s: None, at }
    });
    let mut news: Vec<Entry> = enlisted.chain(left).collect();
    let required = takers().filter(|uplink| uplink.required).map(|uplink| &uplink.name);
    // One that was taken out decides until somebody says that it is given up.
    let unclosed = image.unclosed.iter();
    let removed = unclosed.filter(|name| is_gone(name, config) && was_required(name, image));
    let uplinks: BTreeSet<UplinkName> = required.chain(removed).cloned().collect();
    if image.required.as_ref() != Some(&uplinks) {
        news.push(Entry::RequiredChanged { uplinks, at });
    }
    news
}

fn is_gone(name: &UplinkName, config: &SiteConfig) -> bool {
    config.uplinks.iter().all(|uplink| uplink.name != *name)
}

/// Before anybody said which uplinks are required, all were.
fn was_required(name: &UplinkName, image: &Image) -> bool {
    image.required.as_ref().is_none_or(|required| required.contains(name))
}

/// Whether the ledger does not know of it, or knows of fewer orders it wants. What was given is
/// not taken back.
fn wants_enlisting(config: &UplinkConfig, image: &Image) -> bool {
    let Some(known) = image.enlisted.get(&config.name) else { return true };
    match (config.orders_since_s, known.since_s) {
        (Some(wanted), Some(known)) => wanted < known,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
