//! `[[uplink]]`

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use super::{
    fault::{Faults, Place},
    reader::{At, Section},
    table,
};
use crate::{
    domain::id::UplinkName,
    site::{Confirmation, UplinkConfig, Wire},
};

mod charger;
mod ec;
mod endpoint;
mod queue;
mod role;

pub use charger::Charger;
pub use ec::Ec;
pub use endpoint::Endpoint;
pub use queue::{Access, Jcpp, Pace, Peaq};

use role::{Kind, Role};

/// An uplink.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// Its name.
    pub name: UplinkName,
    /// Authorises cards and assigns transaction ids.
    pub primary: bool,
    /// May start and stop.
    pub commands: bool,
    /// An order settles only with its confirmation.
    pub required: bool,
    /// How long a pile's request waits for the backend, in ms.
    pub answer_timeout_ms: u64,
    /// It wants orders that ended at or after this, unix seconds; `None`: those recorded since it
    /// is there.
    pub orders_since_s: Option<i64>,
    /// Orders of its backlog in a second, at most.
    pub max_orders_per_s: Option<u32>,
    /// Who is at the other end.
    pub far: Far,
}

/// Who is at the other end of an uplink, and how it is reached.
#[derive(Debug, Clone)]
pub enum Far {
    /// A backend of the charging-station protocol.
    Charger(Box<Charger>),
    /// A server of EC TCP.
    Ec(Ec),
    /// The queue of a JCPP application.
    Jcpp(Box<Jcpp>),
    /// A gateway of peaq.
    Peaq(Box<Peaq>),
}

impl Far {
    /// What is spoken there; without the connectors of the piles.
    #[must_use]
    pub fn wire(&self) -> Wire {
        match self {
            Self::Charger(charger) => Wire::Charger(charger.station()),
            Self::Ec(ec) => Wire::Ec(ec.settings.clone()),
            Self::Jcpp(jcpp) => Wire::Jcpp(jcpp.settings.clone()),
            Self::Peaq(peaq) => Wire::Peaq(peaq.settings.clone()),
        }
    }

    /// Host and client id, where it is a broker.
    fn client(&self) -> Option<(&str, String)> {
        match self {
            Self::Charger(charger) => Some((&charger.endpoint.host, charger.client_id())),
            Self::Ec(_) => None,
            Self::Jcpp(jcpp) => Some((&jcpp.access.endpoint.host, jcpp.access.client_id.clone())),
            Self::Peaq(peaq) => Some((&peaq.access.endpoint.host, peaq.access.client_id.clone())),
        }
    }
}

impl Uplink {
    /// Without the connectors of the piles.
    pub(super) fn site_config(&self) -> UplinkConfig {
        UplinkConfig {
            name: self.name.clone(),
            wire: self.far.wire(),
            primary: self.primary,
            commands: self.commands,
            required: self.required,
            answer_timeout_ms: self.answer_timeout_ms,
            orders_since_s: self.orders_since_s,
            max_orders_per_s: self.max_orders_per_s,
        }
    }
}

/// What the uplinks have to know of the site's table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    code: &'a str,
    zone: &'a TimeZone,
}

impl<'a> Around<'a> {
    /// Of a site; UTC and no code where it has a fault, which has been told.
    pub(super) fn of(site: Option<&'a table::Place>) -> Self {
        static UTC: TimeZone = TimeZone::UTC;
        site.map_or(Self { code: "", zone: &UTC }, |site| Self {
            code: &site.code,
            zone: &site.timezone,
        })
    }
}

/// `None` if there are uplinks that cannot be read.
pub(super) fn read_all(
    root: &mut Section<'_>,
    around: Around<'_>,
    faults: &mut Faults<'_>,
) -> Option<Vec<Uplink>> {
    let sections = root.sections("uplink", faults);
    if sections.is_empty() {
        if !root.has("uplink") {
            let hint = "write at least one table [[uplink]]";
            let _: Option<At<()>> = root.required("uplink", None, faults, hint);
        }
        return None;
    }
    let place = sections[0].place().clone();
    let mut seen = Seen::default();
    let uplinks: Vec<_> =
        sections.into_iter().map(|section| read(section, around, &mut seen, faults)).collect();
    let uplinks: Vec<Uplink> = uplinks.into_iter().collect::<Option<_>>()?;
    check_settlement(&uplinks, &place, faults);
    Some(uplinks)
}

/// Whether orders can settle, and what it means when they do.
fn check_settlement(uplinks: &[Uplink], place: &Place, faults: &mut Faults<'_>) {
    let mut required = uplinks.iter().filter(|uplink| uplink.required).peekable();
    if required.peek().is_none() {
        let hint = "required = true in at least one uplink of another kind than \"peaq\"";
        faults.add(place, "no uplink is required, so that no order could ever settle", hint);
        return;
    }
    let answers = |uplink: &Uplink| uplink.far.wire().confirmation() == Confirmation::Answered;
    if !required.any(answers) {
        let text = "no required uplink answers orders: a settled one was carried to its \
                    destination, but nobody there has said that it is on record";
        faults.warn(
            place,
            text,
            "required = true in an uplink of kind \"charger\", if there is one",
        );
    }
}

/// What must not appear twice.
#[derive(Debug, Default)]
struct Seen {
    names: BTreeSet<UplinkName>,
    primary: Option<String>,
    /// Hosts and client ids, with whose they are.
    clients: BTreeMap<(String, String), String>,
}

fn read(
    mut section: Section<'_>,
    around: Around<'_>,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> Option<Uplink> {
    let place = section.place().clone();
    let name = name(&mut section, seen, faults);
    let kind = role::kind(&mut section, faults);
    let role = role::read(&mut section, kind, around.zone, seen, faults);
    let far = match kind {
        Some(Kind::Charger) => {
            charger::read(&mut section, faults).map(|charger| Far::Charger(Box::new(charger)))
        }
        Some(Kind::Ec) => ec::read(&mut section, &role, faults).map(Far::Ec),
        Some(Kind::Jcpp) => {
            let client_id = name.as_ref().map(|name| format!("sitepilot-{}-{name}", around.code));
            queue::jcpp(&mut section, client_id, faults).map(|jcpp| Far::Jcpp(Box::new(jcpp)))
        }
        Some(Kind::Peaq) => queue::peaq(&mut section, faults).map(|peaq| Far::Peaq(Box::new(peaq))),
        // Which keys there should be, nobody knows.
        None => return None,
    };
    section.finish(faults);
    let far = far?;
    alone(&far, &place, seen, faults);
    let Role { primary, commands, required, answer_timeout_ms, orders_since_s, max_orders_per_s } =
        role;
    Some(Uplink {
        name: name?,
        primary,
        commands,
        required,
        answer_timeout_ms,
        orders_since_s,
        max_orders_per_s,
        far,
    })
}

fn name(section: &mut Section<'_>, seen: &mut Seen, faults: &mut Faults<'_>) -> Option<UplinkName> {
    let at = section.text("name", faults);
    let at = section.required("name", at, faults, "a short name, such as \"cloud\"")?;
    match UplinkName::new(&at.value) {
        Ok(name) if seen.names.insert(name.clone()) => Some(name),
        Ok(name) => {
            faults.add(&at.place, format!("is used twice: {name}"), "each uplink has its own name");
            None
        }
        Err(error) => {
            let hint = "up to 32 letters, digits, dots and dashes";
            faults.add(&at.place, format!("is not a name: {}: {error}", at.value), hint);
            None
        }
    }
}

/// A broker cuts a client for a second one of the same id.
fn alone(far: &Far, place: &Place, seen: &mut Seen, faults: &mut Faults<'_>) {
    let Some((host, client_id)) = far.client() else { return };
    let key = (host.to_ascii_lowercase(), client_id.clone());
    match seen.clients.get(&key) {
        Some(first) => {
            let text = format!("has the MQTT client id of {first} at the same host: {client_id}");
            let hint = "each would cut the other: give it another client_id, or another serial";
            faults.add(place, text, hint);
        }
        None => {
            seen.clients.insert(key, place.key.clone());
        }
    }
}

/// A text that becomes part of a client id, a topic or a login.
fn needed(
    section: &mut Section<'_>,
    key: &'static str,
    hint: &str,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let at = section.text(key, faults);
    let at = section.required(key, at, faults, hint)?;
    plain(at, faults)
}

/// A text that is short and means nothing in a topic.
fn plain(at: At<String>, faults: &mut Faults<'_>) -> Option<String> {
    if at.value.len() > 64 || at.value.chars().any(|c| c.is_control() || "/+#$".contains(c)) {
        let text = format!("has characters that are not allowed, or too many: {}", at.value);
        faults.add(&at.place, text, "up to 64 characters without / + # $");
        return None;
    }
    Some(at.value)
}
