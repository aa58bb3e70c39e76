//! When uplinks that are told things are told them: in turn, and at once when something changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Site, Wire, turn::Turn};
use crate::domain::{
    connector::ConnectorState,
    id::{ConnectorNo, OrderSeq, PileCode, UplinkName},
    news::Happening,
    reply::{UplinkMessage, Urgency},
    time::Mono,
};

/// Between two changes of a connector that are told: a loose contact changes a state many times in
/// a second, and nobody at the far end can follow that. The last state is told in any case.
const CHANGE_PAUSE_MS: u64 = 1_000;

/// Between two snapshots of the site: it is whole every time, and a morning's arrivals come at
/// once.
const SNAPSHOT_PAUSE_MS: u64 = 2_000;

/// Between two snapshots that differ in nothing but measured values; these are told as they come.
const SNAPSHOT_VALUES_MS: u64 = 60_000;

/// The least time between two rounds, whatever the config says.
const LEAST_ROUND_MS: u64 = 1_000;

/// What is told at once when it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outward {
    shown: Shown,
    order: Option<OrderSeq>,
}

/// The part of it that is news of a connector; orders are told of by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shown {
    is_reachable: bool,
    state: Option<ConnectorState>,
    warnings: BTreeSet<i64>,
}

/// What was last told of a connector.
#[derive(Debug, Default)]
struct Told {
    what: Outward,
    at: Option<Mono>,
}

/// What is due on the links, and what has changed.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    links: BTreeMap<UplinkName, Beat>,
    /// Piles of which something may have changed in this step.
    touched: BTreeSet<PileCode>,
    told: BTreeMap<ConnectorNo, Told>,
    /// Connectors that changed too soon after the last time.
    behind: BTreeSet<(Mono, ConnectorNo)>,
}

/// What is due on one link.
#[derive(Debug)]
enum Beat {
    /// Images of connectors.
    Images(Rounds<ConnectorNo>),
    /// Signs of life of piles.
    Alive(Rounds<PileCode>),
    /// Snapshots of the site.
    Snapshots(Snapshots),
}

impl Beat {
    fn deadline(&self) -> Option<Mono> {
        match self {
            Self::Images(rounds) => rounds.deadline(),
            Self::Alive(rounds) => rounds.deadline(),
            Self::Snapshots(snapshots) => snapshots.due,
        }
    }
}

impl Rhythm {
    /// Something may have changed at a pile.
    pub(super) fn touch(&mut self, pile: PileCode) {
        self.touched.insert(pile);
    }

    /// Something changed that only the snapshot shows.
    pub(super) fn changed(&mut self) {
        for snapshots in self.snapshots() {
            snapshots.want(SNAPSHOT_PAUSE_MS);
        }
    }

    /// Something was measured.
    pub(super) fn measured(&mut self) {
        for snapshots in self.snapshots() {
            snapshots.want(SNAPSHOT_VALUES_MS);
        }
    }

    fn snapshots(&mut self) -> impl Iterator<Item = &mut Snapshots> {
        self.links.values_mut().filter_map(|beat| match beat {
            Beat::Snapshots(snapshots) => Some(snapshots),
            Beat::Images(_) | Beat::Alive(_) => None,
        })
    }

    /// A link is down: nothing is due on it.
    pub(super) fn link_lost(&mut self, name: &UplinkName) {
        self.links.remove(name);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let due = self.links.values().filter_map(Beat::deadline);
        due.chain(self.behind.first().map(|(at, _)| *at)).min()
    }
}

/// The same for each of many, spread over the time so that they do not all come at once.
#[derive(Debug)]
struct Rounds<K> {
    every_ms: u64,
    due: BTreeSet<(Mono, K)>,
}

impl<K: Copy + Ord> Rounds<K> {
    /// The first of all comes a part of the round from now, the last a whole one.
    fn new(every_ms: u64, keys: &[K], now: Mono) -> Self {
        let every_ms = every_ms.max(LEAST_ROUND_MS);
        let of_all = u64::try_from(keys.len()).unwrap_or(u64::MAX).max(1);
        // Rounded down.
        let at = |nth: u64| now.plus_ms(every_ms.saturating_mul(nth) / of_all);
        let due = (1..).zip(keys).map(|(nth, key)| (at(nth), *key)).collect();
        Self { every_ms, due }
    }

    /// Those whose turn it is; their next one comes a round later.
    fn take_due(&mut self, now: Mono) -> Vec<K> {
        let mut taken = Vec::new();
        while let Some((at, key)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.pop_first();
            let next = at.plus_ms(self.every_ms);
            // What was missed is not made up for.
            let next = if next <= now { now.plus_ms(self.every_ms) } else { next };
            self.due.insert((next, key));
            taken.push(key);
        }
        taken
    }

    /// There are others than before: new ones have their turn now.
    fn follow(&mut self, keys: &[K], now: Mono) {
        self.due.retain(|(_, key)| keys.contains(key));
        let known: BTreeSet<K> = self.due.iter().map(|(_, key)| *key).collect();
        self.due.extend(keys.iter().filter(|key| !known.contains(key)).map(|key| (now, *key)));
    }

    fn deadline(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }
}

/// When the site is told whole.
#[derive(Debug)]
struct Snapshots {
    told: Mono,
    due: Option<Mono>,
}

impl Snapshots {
    fn want(&mut self, pause_ms: u64) {
        let at = self.told.plus_ms(pause_ms);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

impl Site {
    /// A link came up on which things are told: everything once, and from now on in turn.
    pub(super) fn begin_rhythm(&mut self, name: &UplinkName, turn: &mut Turn) {
        let Some(link) = self.links.get(name) else { return };
        let now = turn.now.mono;
        let beat = match &link.config.wire {
            Wire::Charger(_) => return,
            Wire::Ec(settings) => {
                Beat::Images(Rounds::new(settings.realtime_ms, &self.connectors(), now))
            }
            Wire::Jcpp(settings) => {
                Beat::Alive(Rounds::new(settings.heartbeat_ms, &self.pile_codes(), now))
            }
            Wire::Peaq(_) => Beat::Snapshots(Snapshots { told: now, due: Some(now) }),
        };
        self.rhythm.links.insert(name.clone(), beat);
        for connector in self.connectors() {
            self.tell_first(name, connector, turn);
        }
    }

    /// What a link has to know of a connector when it comes up.
    fn tell_first(&mut self, name: &UplinkName, connector: ConnectorNo, turn: &mut Turn) {
        match self.links.get(name).map(|link| &link.config.wire) {
            Some(Wire::Ec(_)) => self.tell_image(name, connector, turn),
            Some(Wire::Jcpp(_)) => {
                let Some(image) = self.connector_image(connector, turn.stamp()) else { return };
                if image.is_reachable || image.state.is_some() {
                    let pile = image.pile;
                    self.news_to(name, pile, Happening::Connector(Box::new(image)), turn);
                }
            }
            Some(Wire::Charger(_) | Wire::Peaq(_)) | None => {}
        }
    }

    /// There are other piles or connectors than before.
    pub(super) fn follow_config(&mut self, now: Mono) {
        let (connectors, piles) = (self.connectors(), self.pile_codes());
        for beat in self.rhythm.links.values_mut() {
            match beat {
                Beat::Images(rounds) => rounds.follow(&connectors, now),
                Beat::Alive(rounds) => rounds.follow(&piles, now),
                Beat::Snapshots(snapshots) => snapshots.want(SNAPSHOT_PAUSE_MS),
            }
        }
        self.rhythm.told.retain(|connector, _| connectors.contains(connector));
    }

    pub(super) fn connectors(&self) -> Vec<ConnectorNo> {
        self.config.piles.values().flat_map(|pile| pile.connectors.iter().copied()).collect()
    }

    fn pile_codes(&self) -> Vec<PileCode> {
        self.piles.keys().copied().collect()
    }

    /// Tells what has changed in this step, and what is due.
    pub(super) fn keep_rhythm(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        for pile in std::mem::take(&mut self.rhythm.touched) {
            let config = self.config.piles.get(&pile);
            for connector in config.map(|pile| pile.connectors.clone()).unwrap_or_default() {
                self.tell_change(connector, turn);
            }
        }
        while let Some((_, connector)) = self.rhythm.behind.first().filter(|(at, _)| *at <= now) {
            let connector = *connector;
            self.rhythm.behind.pop_first();
            self.tell_change(connector, turn);
        }
        let names: Vec<UplinkName> = self.rhythm.links.keys().cloned().collect();
        for name in names {
            self.tell_due(&name, turn);
        }
    }

    fn tell_due(&mut self, name: &UplinkName, turn: &mut Turn) {
        let now = turn.now.mono;
        match self.rhythm.links.get_mut(name) {
            Some(Beat::Images(rounds)) => {
                for connector in rounds.take_due(now) {
                    self.tell_image(name, connector, turn);
                }
            }
            Some(Beat::Alive(rounds)) => {
                for pile in rounds.take_due(now) {
                    if self.piles.get(&pile).is_some_and(|pile| pile.connection.is_some()) {
                        self.news_to(name, pile, Happening::Alive, turn);
                    }
                }
            }
            Some(Beat::Snapshots(snapshots)) if snapshots.due.is_some_and(|due| due <= now) => {
                *snapshots = Snapshots { told: now, due: None };
                let snapshot = Box::new(self.site_image(name, turn));
                if let Some(link) = self.links.get_mut(name) {
                    link.tell(turn, UplinkMessage::Snapshot(snapshot), Urgency::Live);
                }
            }
            Some(Beat::Snapshots(_)) | None => {}
        }
    }

    /// Tells of a connector if it is not as it was told last, now or as soon as it may be told.
    fn tell_change(&mut self, connector: ConnectorNo, turn: &mut Turn) {
        let Some(what) = self.outward(connector) else { return };
        let now = turn.now.mono;
        let told = self.rhythm.told.entry(connector).or_default();
        if told.what == what {
            return;
        }
        let may_at = told.at.map_or(now, |at| at.plus_ms(CHANGE_PAUSE_MS));
        if may_at > now {
            self.rhythm.behind.insert((may_at, connector));
            return;
        }
        let is_news = told.what.shown != what.shown;
        *told = Told { what, at: Some(now) };
        self.rhythm.changed();
        self.tell_connector(connector, is_news, turn);
    }

    fn outward(&self, connector: ConnectorNo) -> Option<Outward> {
        let (code, plug) = self.config.place(connector)?;
        let pile = self.piles.get(&code)?;
        let shown = Shown {
            is_reachable: pile.is_ready(),
            state: pile.panel.state(plug),
            warnings: pile.panel.warnings(plug),
        };
        let order = self.running_at_connector(connector).map(|order| order.seq);
        Some(Outward { shown, order })
    }
}
