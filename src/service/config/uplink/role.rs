//! What an uplink is to the site; which kind may be what.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    super::{
        fault::Faults,
        reader::{At, Section},
    },
    Seen,
};

/// What an uplink speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Charger,
    Ec,
    Jcpp,
    Peaq,
}

/// What an uplink is to the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) primary: bool,
    pub(super) commands: bool,
    pub(super) required: bool,
    pub(super) answer_timeout_ms: u64,
    pub(super) orders_since_s: Option<i64>,
    pub(super) max_orders_per_s: Option<u32>,
}

/// A limit above it is none: no ledger on flash commits that many confirmations in a second.
const MAX_ORDERS_PER_S: u64 = 1000;

const NOT_HERE: &str = "leave it out here";

pub(super) fn kind(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Kind> {
    let at = section.text("kind", faults);
    let hint = "\"charger\", \"ec\", \"jcpp\" or \"peaq\"";
    let at = section.required("kind", at, faults, hint)?;
    match at.value.as_str() {
        "charger" => Some(Kind::Charger),
        "ec" => Some(Kind::Ec),
        "jcpp" => Some(Kind::Jcpp),
        "peaq" => Some(Kind::Peaq),
        other => {
            faults.add(&at.place, format!("is not a kind of uplink: {other}"), hint);
            None
        }
    }
}

pub(super) fn read(
    section: &mut Section<'_>,
    kind: Option<Kind>,
    zone: &TimeZone,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> Role {
    let primary = primary(section, kind, seen, faults);
    let commands = commands(section, kind, faults).unwrap_or(primary);
    let required = required(section, kind, faults);
    // Below 100 ms no link answers; beyond 30 s no driver waits at a pile.
    let answer_timeout_ms = section.number_or("answer_timeout_ms", 100..=30_000, 3000, faults);
    let since = section.date("orders_since", faults);
    let rate = section.number("max_orders_per_s", 1..=MAX_ORDERS_PER_S, faults);
    if kind == Some(Kind::Peaq) {
        let places = [since.as_ref().map(|at| &at.place), rate.as_ref().map(|at| &at.place)];
        for place in places.into_iter().flatten() {
            faults.add(place, "is about orders, and peaq has no message for them", NOT_HERE);
        }
    }
    let orders_since_s = since.and_then(|at| moment(&at, zone, faults));
    let max_orders_per_s = rate.and_then(|at| u32::try_from(at.value).ok());
    Role { primary, commands, required, answer_timeout_ms, orders_since_s, max_orders_per_s }
}

fn primary(
    section: &mut Section<'_>,
    kind: Option<Kind>,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> bool {
    let owner = section.place().key.clone();
    let Some(at) = section.flag("primary", faults).filter(|at| at.value) else { return false };
    if let Some(Kind::Ec | Kind::Jcpp | Kind::Peaq) = kind {
        let text = "is true, but only kind \"charger\" is asked about cards and numbers orders";
        faults.add(&at.place, text, NOT_HERE);
    }
    match &seen.primary {
        Some(first) => {
            let text = format!("is true in {first} too");
            faults.add(&at.place, text, "at most one uplink is primary");
        }
        None => seen.primary = Some(owner),
    }
    true
}

/// `None`: the config does not say.
fn commands(
    section: &mut Section<'_>,
    kind: Option<Kind>,
    faults: &mut Faults<'_>,
) -> Option<bool> {
    let at = section.flag("commands", faults)?;
    if let (true, Some(Kind::Ec | Kind::Jcpp)) = (at.value, kind) {
        let text = "is true, but a far side of this kind has no way to command";
        faults.add(&at.place, text, NOT_HERE);
    }
    Some(at.value)
}

/// Where it is not said: wherever the wire can confirm an order.
fn required(section: &mut Section<'_>, kind: Option<Kind>, faults: &mut Faults<'_>) -> bool {
    let Some(at) = section.flag("required", faults) else { return kind != Some(Kind::Peaq) };
    if let (true, Some(Kind::Peaq)) = (at.value, kind) {
        let text = "is true, but peaq confirms no orders: none would ever settle";
        faults.add(&at.place, text, "required = true in an uplink of another kind");
    }
    at.value
}

/// Unix seconds of a date, with or without time; without an offset it is the site's local time.
fn moment(at: &At<String>, zone: &TimeZone, faults: &mut Faults<'_>) -> Option<i64> {
    let exact = at.value.parse::<Timestamp>().ok();
    let local = || at.value.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok();
    let found = exact.or_else(|| local().map(|zoned| zoned.timestamp()));
    if found.is_none() {
        let hint = "such as 2026-11-01, or 2026-11-01T08:00:00+08:00";
        faults.add(&at.place, format!("is not a date: {}", at.value), hint);
    }
    found.map(Timestamp::as_second)
}
