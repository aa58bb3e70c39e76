//! The meters of a demo: an RS-485 bus on a pseudo-terminal, with a meter of the site and one at
//! each connector of the first pile.

use std::{path::Path, sync::Arc};

use super::{place, story::PLUGS};
use crate::{
    domain::quantity::Energy,
    peers::{
        handle::{Clock, Handle},
        meter::{Fault, Flow, Lasting, Meters, Slave, pty},
        pile::Pile,
    },
    service::profiles::Shelf,
};

/// The pile whose connectors have meters.
pub const METERED_PILE: usize = 0;

/// Address of the meter of the first connector; those of the others follow.
const FIRST_ADDRESS: u8 = 2;

/// The site's meter, and where it is on the bus.
const INCOMER: (&str, &str, u8) = ("incomer", "eastron-sdm630", 1);

/// What the connectors' meters are called, and of which kind they are.
const AT_CONNECTORS: [(&str, &str); PLUGS as usize] =
    [("pile-A-1", "carlogavazzi-em340"), ("pile-A-2", "abb-b23-b24")];

/// The connector whose meter falls silent for a while.
pub const SILENT_PLUG: u16 = 2;

const MS_PER_HOUR: u64 = 3_600_000;

/// What the site takes beside the metered connectors.
const BASE_W: u64 = 12_000;

/// A connector's meter is not the pile's own: it counts so much more, as two meters differ.
const MORE_PERMILLE: u64 = 4;

/// Where the registers begin; meters of a site are not new.
const BEGINNING_WH: u64 = 1_234_000;

/// Tolerated between a pile and its meter. The coarsest of the meters counts in 100 Wh, which is
/// felt in an order of a few seconds.
pub const TOLERANCE_PERMILLE: u64 = 30;
pub const TOLERANCE_WH: u64 = 300;

/// What the installation can carry: the connectors charge much faster than real ones.
const MAX_POWER_W: u64 = 10_000_000;

/// Each meter is read so often, in ms, and trusted for so long.
const POLL_MS: u64 = 250;
const STALE_MS: u64 = 4_000;

/// The meters, and the port they are at.
pub struct Bus {
    meters: Meters,
    socket: pty::Socket,
}

impl Bus {
    /// Builds the bus.
    ///
    /// # Errors
    ///
    /// If the system has no pseudo-terminals.
    pub fn build(pile: &Handle<Pile>, clock: &Clock) -> anyhow::Result<Self> {
        let shelf = Shelf::built_in();
        let (_, kind, address) = INCOMER;
        let mut slaves = vec![slave(&shelf, kind, address)?.fed_by(site(pile, clock))];
        for (plug, (_, kind)) in (1..=PLUGS).zip(AT_CONNECTORS) {
            let feed = connector(pile.clone(), plug);
            slaves.push(slave(&shelf, kind, address_of(plug))?.fed_by(feed));
        }
        let meters = Meters::new(slaves, Arc::clone(clock));
        let socket = pty::start(None, meters.clone())?;
        Ok(Self { meters, socket })
    }

    /// The meter of a connector answers no more.
    pub fn fall_silent(&self, plug: u16) {
        self.meters.with(address_of(plug), |slave, _| slave.fail(Fault::Silent, Lasting::ForEver));
    }

    /// It answers again.
    pub fn speak(&self, plug: u16) {
        self.meters.with(address_of(plug), |slave, _| slave.be_well());
    }

    /// What the config says of it.
    pub fn tables(&self) -> String {
        tables(self.socket.path())
    }
}

fn slave(shelf: &Shelf, kind: &str, address: u8) -> anyhow::Result<Slave> {
    Ok(Slave::of(Arc::new(shelf.find(kind)?), address))
}

/// What a connector's meter counts.
fn connector(pile: Handle<Pile>, plug: u16) -> impl FnMut() -> Flow + Send + 'static {
    let mut first = None;
    move || {
        let flow = pile.with(|pile, now| pile.flow(plug, now));
        let (shown, power_w) = flow.unwrap_or_default();
        let flown = shown.since(*first.get_or_insert(shown)).unwrap_or_default().wh();
        let counted = flown + flown * MORE_PERMILLE / 1_000;
        Flow {
            import: Energy::from_wh(BEGINNING_WH + counted),
            power_w: i64::try_from(power_w).unwrap_or(i64::MAX),
        }
    }
}

/// What the site's meter counts.
fn site(pile: &Handle<Pile>, clock: &Clock) -> impl FnMut() -> Flow + Send + 'static {
    let mut connectors: Vec<_> = (1..=PLUGS).map(|plug| connector(pile.clone(), plug)).collect();
    let clock = Arc::clone(clock);
    move || {
        let base_wh = clock().mono.0.saturating_mul(BASE_W) / MS_PER_HOUR;
        let mut sum = Flow {
            import: Energy::from_wh(base_wh),
            power_w: i64::try_from(BASE_W).unwrap_or(i64::MAX),
        };
        for flow in connectors.iter_mut().map(|connector| connector()) {
            sum.import = sum.import.saturating_add(flow.import);
            sum.power_w = sum.power_w.saturating_add(flow.power_w);
        }
        sum
    }
}

fn tables(port: &Path) -> String {
    let port = port.display();
    let mut text = format!(
        r#"
[[bus]]
name = "rs485-1"
serial = {{ port = "{port}", baud = 115200, parity = "none", stop_bits = 1 }}
timeout_ms = 200
"#
    );
    let (name, kind, address) = INCOMER;
    text.push_str(&table(name, kind, address, "\"site\""));
    for (plug, (name, kind)) in (1..=PLUGS).zip(AT_CONNECTORS) {
        let connector = place::connector(METERED_PILE, plug);
        let code = place::pile_code(METERED_PILE);
        let measures = format!("{{ pile = \"{code}\", connector = {connector} }}");
        text.push_str(&table(name, kind, address_of(plug), &measures));
    }
    text
}

fn table(name: &str, kind: &str, address: u8, measures: &str) -> String {
    let tolerance_percent = TOLERANCE_PERMILLE / 10;
    format!(
        r#"
[[meter]]
name = "{name}"
bus = "rs485-1"
address = {address}
profile = "{kind}"
measures = {measures}
poll_interval_ms = {POLL_MS}
stale_after_ms = {STALE_MS}
max_power_w = {MAX_POWER_W}
tolerance_percent = {tolerance_percent}
tolerance_wh = {TOLERANCE_WH}
report_interval_s = 5
"#
    )
}

fn address_of(plug: u16) -> u8 {
    u8::try_from(plug - 1).map_or(FIRST_ADDRESS, |more| FIRST_ADDRESS + more)
}
