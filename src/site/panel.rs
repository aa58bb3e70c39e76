//! What piles tell of their connectors in numbers: states, values, warnings; for uplinks that are
//! told.

use std::collections::{BTreeMap, BTreeSet};

use super::Site;
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState, RunningOrder},
        gauge::Gauges,
        heard::Heard,
        id::{ConnectorNo, PileCode, PlugNo},
        order::{Order, OrderState},
        quantity::Energy,
        time::{Mono, Stamp},
    },
    protocol::charger::connector_state,
};

/// A value older than this is not shown. Piles send what they measure every minute at the least:
/// by then three were missing, and a connector would look alive by what was.
pub const GAUGE_FRESH_MS: u64 = 180_000;

/// Warnings that stand at a connector, or at a pile as a whole, at the same time. With this many
/// there is nothing more to be learned from another; it is told when it comes, and not kept.
const WARNINGS_LIMIT: usize = 32;

/// What is known of a pile's connectors, and of the pile as a whole.
#[derive(Debug, Default)]
pub(super) struct Panel {
    plugs: BTreeMap<PlugNo, Face>,
    whole: Face,
}

/// What is known of one connector.
#[derive(Debug, Default)]
struct Face {
    state: Option<ConnectorState>,
    heard: Heard,
    warnings: BTreeSet<i64>,
}

impl Panel {
    /// The pile came up: it will say again what is wrong with it.
    pub(super) fn booted(&mut self) {
        self.whole.warnings.clear();
        self.plugs.values_mut().for_each(|face| face.warnings.clear());
    }

    pub(super) fn state(&self, plug: PlugNo) -> Option<ConnectorState> {
        self.plugs.get(&plug)?.state
    }

    /// The codes that stand, of the connector and of its pile.
    pub(super) fn warnings(&self, plug: PlugNo) -> BTreeSet<i64> {
        let own = self.plugs.get(&plug).map(|face| &face.warnings);
        own.into_iter().flatten().chain(&self.whole.warnings).copied().collect()
    }

    /// How many connectors something is kept of.
    #[cfg(test)]
    pub(super) fn plugs(&self) -> usize {
        self.plugs.len()
    }

    fn gauges(&self, plug: PlugNo, now: Mono) -> Gauges {
        let oldest = Mono(now.0.saturating_sub(GAUGE_FRESH_MS));
        let mut gauges = self.whole.heard.since(oldest);
        if let Some(face) = self.plugs.get(&plug) {
            gauges.merge(&face.heard.since(oldest));
        }
        gauges
    }
}

impl Site {
    /// Where it is kept what a pile says of a connector, or of itself. `None`: it has no such
    /// connector, and nothing is kept.
    fn face(&mut self, code: PileCode, plug: Option<PlugNo>) -> Option<&mut Face> {
        if let Some(plug) = plug {
            self.config.connector(code, plug)?;
        }
        let panel = &mut self.piles.get_mut(&code)?.panel;
        Some(match plug {
            Some(plug) => panel.plugs.entry(plug).or_default(),
            None => &mut panel.whole,
        })
    }

    /// A pile says in which state a connector is, by the number of measurand 144.
    pub(super) fn note_state_number(&mut self, code: PileCode, plug: PlugNo, number: i32) {
        if let Some(state) = connector_state(number) {
            self.note_state(code, plug, state);
        }
    }

    pub(super) fn note_state(&mut self, code: PileCode, plug: PlugNo, state: ConnectorState) {
        let Some(face) = self.face(code, Some(plug)) else { return };
        if state == ConnectorState::Idle && face.state != Some(state) {
            face.heard.forget_vehicle();
        }
        face.state = Some(state);
    }

    /// A pile has measured; `true` if the battery of a vehicle said something new.
    pub(super) fn note_gauges(
        &mut self,
        code: PileCode,
        plug: Option<PlugNo>,
        gauges: &Gauges,
        now: Mono,
    ) -> bool {
        let Some(face) = self.face(code, plug) else { return false };
        let before = face.heard.battery().clone();
        face.heard.take(gauges, now);
        before != *face.heard.battery()
    }

    pub(super) fn note_warning(
        &mut self,
        code: PileCode,
        plug: Option<PlugNo>,
        (warning, is_over): (i64, bool),
    ) {
        let Some(face) = self.face(code, plug) else { return };
        if is_over {
            face.warnings.remove(&warning);
        } else if face.warnings.len() < WARNINGS_LIMIT {
            face.warnings.insert(warning);
        }
    }

    /// An order of a connector is over: what was measured of it, and of its vehicle, was of that.
    pub(super) fn order_left(&mut self, order: &Order) {
        let runs = order.connector.and_then(|connector| self.book.open_at(connector));
        if runs.is_none_or(|running| running.seq == order.seq)
            && let Some(plug) = order.plug
            && let Some(face) = self.face(order.key.pile, Some(plug))
        {
            face.heard.forget_vehicle();
        }
    }

    /// A connector as it is now; `None`: no pile has it.
    pub(super) fn connector_image(
        &self,
        connector: ConnectorNo,
        at: Stamp,
    ) -> Option<ConnectorImage> {
        let (code, plug) = self.config.place(connector)?;
        let pile = self.piles.get(&code)?;
        let meter = self.config.meter_of(connector);
        Some(ConnectorImage {
            pile: code,
            kind: self.config.piles.get(&code)?.kind,
            plug,
            connector,
            is_reachable: pile.is_ready(),
            state: pile.panel.state(plug),
            warnings: pile.panel.warnings(plug),
            gauges: pile.panel.gauges(plug, at.mono),
            meter: meter.and_then(|meter| self.meters.good(&meter.name, at.mono)),
            order: self.running_at_connector(connector).map(|order| self.running(order, at)),
        })
    }

    /// The order that runs at a connector.
    pub(super) fn running_at_connector(&self, connector: ConnectorNo) -> Option<&Order> {
        let open = self.book.open_at(connector)?;
        (open.state != OrderState::Interrupted).then_some(open)
    }

    /// An order that runs, for those who show it.
    pub(super) fn running(&self, order: &Order, at: Stamp) -> RunningOrder {
        let metered = order.metering.as_ref().and_then(|metering| metering.start);
        let elapsed_ms = at.since_ms(order.opened);
        RunningOrder {
            id: order.id,
            seq: order.seq,
            card: order.card.clone(),
            started_s: order.started_s,
            // Of an order of an earlier run that no clock has dated, only the time since is known.
            elapsed_s: elapsed_ms.unwrap_or(at.mono.0) / 1000,
            meter_start: metered.map(|sample| sample.energy).or(order.meter_start),
            energy: self.energy_so_far(order, at.mono),
            cost: order.progress.and_then(|progress| progress.cost),
        }
    }

    /// By the meter of the connector if the order will be billed by that, else as the pile says.
    fn energy_so_far(&self, order: &Order, now: Mono) -> Option<Energy> {
        let metering = order.metering.as_ref();
        let metered = metering.and_then(|metering| {
            let start = metering.start?;
            self.meters.fresh(&metering.meter, now)?.energy.since(start.energy)
        });
        metered.or(order.progress.map(|progress| progress.energy))
    }
}
