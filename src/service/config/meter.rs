//! `[[meter]]`

use std::{collections::BTreeMap, sync::Arc};

use super::{
    bus::Bus,
    fault::Faults,
    pile::Pile,
    reader::{At, Section},
    seat,
};
use crate::{
    domain::{
        id::{BusName, ConnectorNo, MeterName},
        quantity::Energy,
        reading::Measures,
    },
    protocol::modbus::Profile,
    service::profiles::Shelf,
    site::MeterConfig,
};

/// A meter in the config.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Its name.
    pub name: MeterName,
    /// The bus it is on.
    pub bus: BusName,
    /// Its address there.
    pub address: u8,
    /// What is read; the ratios of transformers are in it.
    pub profile: Arc<Profile>,
    /// What it measures.
    pub measures: Measures,
    /// How often it is read.
    pub poll_interval_ms: u32,
    /// After that long without a good reading its values are not shown as present any more.
    pub stale_after_ms: u64,
    /// What the installation can carry: an energy that grows faster is not believed.
    pub max_power_w: u64,
    /// How much a pile's own reading may differ, in 0.001 of the energy.
    pub tolerance_permille: u32,
    /// How much it may differ in any case.
    pub tolerance: Energy,
    /// Between two reports to the uplinks.
    pub report_interval_ms: u64,
}

impl Meter {
    /// What the site has to know.
    #[must_use]
    pub fn site_config(&self) -> MeterConfig {
        MeterConfig {
            name: self.name.clone(),
            measures: self.measures,
            stale_after_ms: self.stale_after_ms,
            max_power_w: self.max_power_w,
            tolerance_permille: self.tolerance_permille,
            tolerance: self.tolerance,
            report_interval_ms: self.report_interval_ms,
        }
    }
}

/// Tables that others refer to.
#[derive(Debug)]
pub(super) struct Listed<'a, T> {
    pub(super) list: &'a [T],
    /// Whether each could be read. One that could not has a fault already, and who refers to it
    /// needs none.
    pub(super) is_whole: bool,
}

/// What a meter's table refers to.
pub(super) struct Around<'a> {
    /// Where profiles are found.
    pub(super) shelf: &'a Shelf,
    pub(super) piles: Listed<'a, Pile>,
    pub(super) buses: Listed<'a, Bus>,
}

/// What must not appear twice, and where it appeared first.
#[derive(Debug, Default)]
struct Seen {
    seats: seat::Seen,
    measured: BTreeMap<Measures, String>,
}

pub(super) fn read_all(
    sections: Vec<Section<'_>>,
    around: &Around<'_>,
    faults: &mut Faults<'_>,
) -> Vec<Meter> {
    let mut seen = Seen::default();
    let each = sections.into_iter();
    each.filter_map(|section| read(section, around, &mut seen, faults)).collect()
}

fn read(
    mut section: Section<'_>,
    around: &Around<'_>,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> Option<Meter> {
    let owner = section.place().key.clone();
    let (seat, bus) = seat::read(&mut section, around, &mut seen.seats, faults);
    let measures = measures(&mut section, around, faults);
    if let Some(at) = &measures {
        measured_once(&mut seen.measured, at, &owner, faults);
    }
    let times = Times::read(&mut section, bus.as_ref().map(|bus| bus.timeout_ms), faults);
    let judged = Judged::read(&mut section, faults);
    section.finish(faults);
    let seat = seat?;
    Some(Meter {
        name: seat.name,
        bus: seat.bus,
        address: seat.address,
        profile: seat.profile,
        measures: measures?.value,
        poll_interval_ms: times.poll_ms,
        stale_after_ms: times.stale_after_ms,
        max_power_w: judged.max_power_w,
        tolerance_permille: judged.tolerance_permille,
        tolerance: judged.tolerance,
        report_interval_ms: times.report_ms,
    })
}

fn measures(
    section: &mut Section<'_>,
    around: &Around<'_>,
    faults: &mut Faults<'_>,
) -> Option<At<Measures>> {
    const HINT: &str = "\"site\", or { pile = \"3101150012000001\", connector = 1 }";
    if section.has_text("measures") {
        let at = section.text("measures", faults)?;
        if at.value == "site" {
            return Some(at.map(|_| Measures::Site));
        }
        faults.add(&at.place, format!("is nothing that is measured: {}", at.value), HINT);
        return None;
    }
    let table = section.section("measures", faults);
    if !section.has("measures") {
        section.required("measures", None::<At<()>>, faults, HINT);
    }
    connector(table?, around, faults)
}

fn connector(
    mut table: Section<'_>,
    around: &Around<'_>,
    faults: &mut Faults<'_>,
) -> Option<At<Measures>> {
    let code = table.text("pile", faults);
    let code = table.required("pile", code, faults, "the code of a [[pile]]");
    let number = table.number("connector", 1..=9999, faults);
    let number = table.required("connector", number, faults, "its site-wide number");
    table.finish(faults);
    let (code, number) = (code?, number?);
    let connector = ConnectorNo::new(u16::try_from(number.value).ok()?)?;
    let Some(pile) = around.piles.list.iter().find(|pile| pile.code.as_str() == code.value) else {
        if around.piles.is_whole {
            let text = format!("names a pile that is missing: {}", code.value);
            faults.add(&code.place, text, "a pile with a meter has a table [[pile]]");
        }
        return None;
    };
    if !pile.connectors.contains(&connector) {
        let has: Vec<_> = pile.connectors.iter().map(ToString::to_string).collect();
        let text = format!("is none of {}: {connector}", pile.code);
        faults.add(&number.place, text, format!("it has: {}", has.join(", ")));
        return None;
    }
    Some(number.map(|_| Measures::Connector(connector)))
}

fn measured_once(
    seen: &mut BTreeMap<Measures, String>,
    at: &At<Measures>,
    owner: &str,
    faults: &mut Faults<'_>,
) {
    if let Some(first) = seen.get(&at.value) {
        let what = match at.value {
            Measures::Site => "the site".to_owned(),
            Measures::Connector(connector) => format!("connector {connector}"),
        };
        let text = format!("{what} is measured by {first} too");
        faults.add(&at.place, text, "one meter is the one of record");
    } else {
        seen.insert(at.value, owner.to_owned());
    }
}

/// How often a meter is read and told of.
struct Times {
    poll_ms: u32,
    stale_after_ms: u64,
    report_ms: u64,
}

/// Twice the time for which a meter is left alone that may still owe an answer no other can be told
/// from: one lost answer is no silence.
const MIN_STALE_MS: u64 = 10_000;

impl Times {
    fn read(section: &mut Section<'_>, timeout_ms: Option<u32>, faults: &mut Faults<'_>) -> Self {
        // Ten times a second is more than any meter measures; an hour is enough to notice that
        // one has died.
        let poll_ms = section.number_or("poll_interval_ms", 100..=3_600_000, 1000, faults);
        // Two readings may be lost before anybody is told.
        let stale_ms = (3 * poll_ms + u64::from(timeout_ms.unwrap_or(0))).max(MIN_STALE_MS);
        let stale_after = section.number("stale_after_ms", 1000..=86_400_000, faults);
        if let Some(at) = stale_after.as_ref().filter(|at| at.value <= poll_ms) {
            let text = format!("is not longer than the time between two readings: {}", at.value);
            faults.add(&at.place, text, format!("more than {poll_ms}"));
        }
        let report_s = section.number_or("report_interval_s", 5..=86_400, 60, faults);
        Self {
            poll_ms: u32::try_from(poll_ms).unwrap_or(u32::MAX),
            stale_after_ms: stale_after.map_or(stale_ms, |at| at.value),
            report_ms: report_s * 1000,
        }
    }
}

/// What is believed of a meter, and of a pile beside it.
struct Judged {
    max_power_w: u64,
    tolerance_permille: u32,
    tolerance: Energy,
}

impl Judged {
    fn read(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Self {
        let max_power_w = section.number_or("max_power_w", 100..=1_000_000_000, 1_000_000, faults);
        let percent = section.number_or("tolerance_percent", 0..=100, 3, faults);
        let wh = section.number_or("tolerance_wh", 0..=1_000_000, 100, faults);
        Self {
            max_power_w,
            tolerance_permille: u32::try_from(percent * 10).unwrap_or(u32::MAX),
            tolerance: Energy::from_wh(wh),
        }
    }
}
