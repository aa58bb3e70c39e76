//! `[[uplink]]`

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use super::{
    fault::Faults,
    later::{self, NOT_YET},
    pile,
    reader::{At, Section},
    secret::{self, Secret},
};
use crate::{
    domain::{id::UplinkName, quantity::Energy, wire::Revision},
    protocol::charger::station::{self, ELEC_DATA_UNIT},
    site::{UplinkConfig, Wire},
};

/// An uplink of the charging-station protocol.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// Its name.
    pub name: UplinkName,
    /// What the backend speaks.
    pub revision: Revision,
    /// Where the backend is.
    pub endpoint: Endpoint,
    /// Part number, as registered.
    pub part_number: String,
    /// Serial number, as registered.
    pub serial: String,
    /// Vendor, as registered.
    pub vendor: String,
    /// What a registration is allowed with.
    pub registration_code: Secret,
    /// The default account's name.
    pub username: String,
    /// The default account's password.
    pub password: Secret,
    /// Authorises cards and assigns transaction ids.
    pub primary: bool,
    /// May start and stop.
    pub commands: bool,
    /// An order settles only with its confirmation.
    pub required: bool,
    /// How long a pile's request waits for the backend, in ms.
    pub answer_timeout_ms: u64,
    /// What one step of the `elecData` is that the site makes of a meter's readings.
    pub elec_data_unit: Energy,
    /// Between attempts after a refused login.
    pub login_retry: Duration,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// Publishes of QoS 2 that may be unacknowledged at the same time.
    pub max_inflight: u64,
}

/// Where a backend is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// With TLS: who signs the backend's certificate; `None` is plain TCP.
    pub ca_file: Option<PathBuf>,
}

impl Uplink {
    /// Without the connectors of the piles.
    pub(super) fn site_config(&self) -> UplinkConfig {
        UplinkConfig {
            name: self.name.clone(),
            wire: Wire::Charger(station::Settings {
                revision: self.revision,
                part_number: self.part_number.clone(),
                serial: self.serial.clone(),
                vendor: self.vendor.clone(),
                connectors: BTreeMap::new(),
                elec_data_unit: self.elec_data_unit,
            }),
            primary: self.primary,
            commands: self.commands,
            required: self.required,
            answer_timeout_ms: self.answer_timeout_ms,
            orders_since_s: None,
            max_orders_per_s: None,
        }
    }
}

/// `None` if there are uplinks that cannot be read.
pub(super) fn read_all(root: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Vec<Uplink>> {
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
        sections.into_iter().map(|section| read(section, &mut seen, faults)).collect();
    let uplinks: Vec<Uplink> = uplinks.into_iter().collect::<Option<_>>()?;
    if !uplinks.iter().any(|uplink| uplink.required) {
        let hint = "set required = true in at least one uplink";
        faults.add(&place, "no uplink is required, so that no order could ever settle", hint);
    }
    Some(uplinks)
}

/// What must not appear twice.
#[derive(Debug, Default)]
struct Seen {
    names: BTreeSet<UplinkName>,
    primary: Option<String>,
}

fn read(mut section: Section<'_>, seen: &mut Seen, faults: &mut Faults<'_>) -> Option<Uplink> {
    let name = name(&mut section, seen, faults);
    let kind = section.text("kind", faults);
    let kind = section.required("kind", kind, faults, "\"charger\"");
    let primary = section.flag("primary", faults);
    if let Some(at) = primary.as_ref().filter(|at| at.value) {
        match &seen.primary {
            Some(first) => {
                let text = format!("is true in {first} too");
                faults.add(&at.place, text, "at most one uplink is primary");
            }
            None => seen.primary = Some(section.place().key.clone()),
        }
    }
    let primary = primary.is_some_and(|at| at.value);
    match kind.as_ref().map(|at| at.value.as_str()) {
        Some("charger") => read_charger(section, name, primary, faults),
        Some("ec" | "jcpp" | "peaq") => {
            let at = kind?;
            faults.add(&at.place, format!("{NOT_YET}: {}", at.value), "only \"charger\" for now");
            later::read_other_uplink(section, &at.value, faults);
            None
        }
        Some(other) => {
            let hint = "\"charger\", \"ec\", \"jcpp\" or \"peaq\"";
            faults.add(&kind.as_ref()?.place, format!("is not a kind of uplink: {other}"), hint);
            None
        }
        None => None,
    }
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

fn read_charger(
    mut section: Section<'_>,
    name: Option<UplinkName>,
    primary: bool,
    faults: &mut Faults<'_>,
) -> Option<Uplink> {
    let revision = pile::revision(&mut section, faults);
    let endpoint = endpoint(&mut section, faults);
    let part_number = needed(&mut section, "part_number", "as agreed with the backend", faults);
    let serial = needed(&mut section, "serial", "as agreed with the backend", faults);
    let vendor = needed(&mut section, "vendor", "as agreed with the backend", faults);
    let registration_code = secret::read(
        &mut section,
        "registration_code_file",
        "registration_code_credential",
        faults,
    );
    let username = needed(&mut section, "username", "the backend's default account", faults);
    let password = secret::read(&mut section, "password_file", "password_credential", faults);
    let commands = section.flag("commands", faults).map_or(primary, |at| at.value);
    let required = section.flag("required", faults).is_none_or(|at| at.value);
    // Below 100 ms no link answers; beyond 30 s no driver waits at a pile.
    let answer_timeout_ms = section.number_or("answer_timeout_ms", 100..=30_000, 3000, faults);
    let elec_data_unit_wh =
        section.number_or("elec_data_unit_wh", 1..=100_000, ELEC_DATA_UNIT.wh(), faults);
    // A refused login is a matter for people; five minutes neither floods nor forgets.
    let login_retry_s = section.number_or("login_retry_s", 1..=86_400, 300, faults);
    // MQTT 3.1.1 has no way to say how much a broker bears. With more than 20 unfinished publishes
    // mosquitto 2.0.11 was seen to cut the client, or to pass on fewer than it took.
    let max_inflight = section.number_or("max_inflight", 1..=1000, 20, faults);
    let keep_alive_s = section.number_or("keep_alive_s", 5..=3600, 30, faults);
    section.finish(faults);
    Some(Uplink {
        name: name?,
        revision: revision?,
        endpoint: endpoint?,
        part_number: part_number?,
        serial: serial?,
        vendor: vendor?,
        registration_code: registration_code?,
        username: username?,
        password: password?,
        primary,
        commands,
        required,
        answer_timeout_ms,
        elec_data_unit: Energy::from_wh(elec_data_unit_wh),
        login_retry: Duration::from_secs(login_retry_s),
        keep_alive: Duration::from_secs(keep_alive_s),
        max_inflight,
    })
}

fn needed(
    section: &mut Section<'_>,
    key: &'static str,
    hint: &str,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let at = section.text(key, faults);
    let at = section.required(key, at, faults, hint)?;
    // It becomes part of a client id, a topic or a login.
    if at.value.len() > 64 || at.value.chars().any(|c| c.is_control() || "/+#$".contains(c)) {
        let text = format!("has characters that are not allowed, or too many: {}", at.value);
        faults.add(&at.place, text, "up to 64 characters without / + # $");
        return None;
    }
    Some(at.value)
}

/// Where the system keeps the certificates it trusts.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

fn endpoint(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Endpoint> {
    let url = section.text("url", faults);
    let url = section.required("url", url, faults, "such as \"mqtts://mqtt.example.com:8883\"");
    let ca_file = section.text("ca_file", faults);
    let url = url?;
    let Some((secure, host, port)) = split_url(&url.value) else {
        let hint =
            "mqtt://HOST:PORT or mqtts://HOST:PORT; account and topic have keys of their own";
        faults.add(&url.place, format!("is not a URL of a backend: {}", url.value), hint);
        return None;
    };
    if !secure {
        return Some(Endpoint { host, port, ca_file: None });
    }
    let place = ca_file.as_ref().map_or_else(|| url.place.clone(), |at| at.place.clone());
    let file = ca_file.map_or_else(|| PathBuf::from(SYSTEM_CA_FILE), |at| PathBuf::from(at.value));
    if let Err(error) = std::fs::File::open(&file) {
        let text = format!("needs certificates that cannot be read: {}: {error}", file.display());
        faults.add(&place, text, "name them with ca_file, or install ca-certificates");
    }
    Some(Endpoint { host, port, ca_file: Some(file) })
}

/// Whether with TLS, host and port.
fn split_url(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let (secure, default) = match scheme {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return None,
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (rest, default),
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    (port != 0 && !host.is_empty() && host.chars().all(plain))
        .then(|| (secure, host.to_owned(), port))
}
