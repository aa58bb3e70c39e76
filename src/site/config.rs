//! What the site has to know of the place.

use std::collections::BTreeMap;

use crate::domain::{
    connector::PileKind,
    id::{ConnectorNo, MeterName, PileCode, PlugNo, UplinkName},
    quantity::Energy,
    reading::Measures,
    wire::Revision,
};

use super::wire::Wire;

/// What the site has to know of the place.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// The piles.
    pub piles: BTreeMap<PileCode, PileConfig>,
    /// The uplinks, in the order of the config.
    pub uplinks: Vec<UplinkConfig>,
    /// The meters.
    pub meters: Vec<MeterConfig>,
    /// Between heartbeats of a pile, in s.
    pub heartbeat_interval_s: u32,
    /// How long an interrupted order waits for the pile's own report, in ms.
    pub interrupted_grace_ms: u64,
    /// How long an order without a dated clock is held back from uplinks, in ms.
    pub undated_hold_ms: u64,
    /// Stop a running session when the backend refuses it.
    pub stop_refused: bool,
}

/// A pile of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PileConfig {
    /// What it speaks.
    pub revision: Revision,
    /// Direct or alternating current.
    pub kind: PileKind,
    /// Site-wide numbers of its connectors, in its own order: the pile's number 1 comes first.
    pub connectors: Vec<ConnectorNo>,
}

impl PileConfig {
    /// The site-wide number of a connector.
    #[must_use]
    pub fn connector(&self, plug: PlugNo) -> Option<ConnectorNo> {
        self.connectors.get(usize::from(plug.0).checked_sub(1)?).copied()
    }
}

/// A meter in the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterConfig {
    /// Its name.
    pub name: MeterName,
    /// What it measures.
    pub measures: Measures,
    /// A reading older than this is not used, in ms.
    pub stale_after_ms: u64,
    /// What the installation can carry: energy does not grow faster.
    pub max_power_w: u64,
    /// How far the pile's energy of an order may be off the meter's before somebody has to look:
    /// by this part of it, or by [`MeterConfig::tolerance`], whichever is more.
    pub tolerance_permille: u32,
    /// See [`MeterConfig::tolerance_permille`].
    pub tolerance: Energy,
    /// Between two messages with its values to each uplink, in ms.
    pub report_interval_ms: u64,
}

/// An uplink in the config.
#[derive(Debug, Clone)]
pub struct UplinkConfig {
    /// Its name.
    pub name: UplinkName,
    /// What it speaks, with the settings of that wire.
    pub wire: Wire,
    /// Authorises cards and assigns transaction ids.
    pub primary: bool,
    /// May start and stop.
    pub commands: bool,
    /// An order settles only with its confirmation.
    pub required: bool,
    /// How long a pile's request waits for the backend, in ms.
    pub answer_timeout_ms: u64,
    /// It wants orders that ended at or after this, unix seconds, also those recorded before it
    /// was in the config; `None`: those recorded since it is there.
    pub orders_since_s: Option<i64>,
    /// Orders of its backlog in a second, at most; `None`: as many as its window allows.
    pub max_orders_per_s: Option<u32>,
}

impl SiteConfig {
    /// Takes a pile in, or what has changed of it; the uplinks learn where its connectors are.
    pub fn admit(&mut self, pile: PileCode, config: PileConfig) {
        for uplink in &mut self.uplinks {
            uplink.wire.place(pile, &config.connectors);
        }
        self.piles.insert(pile, config);
    }

    /// Where a connector is: its pile and the pile's own number of it.
    #[must_use]
    pub fn place(&self, connector: ConnectorNo) -> Option<(PileCode, PlugNo)> {
        self.piles.iter().find_map(|(pile, config)| {
            let at = config.connectors.iter().position(|no| *no == connector)?;
            Some((*pile, PlugNo(u16::try_from(at + 1).ok()?)))
        })
    }

    /// The meter of a connector.
    #[must_use]
    pub fn meter_of(&self, connector: ConnectorNo) -> Option<&MeterConfig> {
        self.meters.iter().find(|meter| meter.measures == Measures::Connector(connector))
    }

    /// The site-wide number of a pile's connector.
    #[must_use]
    pub fn connector(&self, pile: PileCode, plug: PlugNo) -> Option<ConnectorNo> {
        self.piles.get(&pile)?.connector(plug)
    }
}
