//! `site.toml`: one file, typed, every fault told at once with its line.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

mod bus;
pub(in crate::service) mod fault;
mod meter;
mod named;
mod observer;
mod pace;
mod paths;
mod pile;
pub(in crate::service) mod reader;
mod registration;
mod seat;
mod secret;
mod table;
mod tls;
mod uplink;
mod zones;

#[cfg(test)]
mod meter_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod uplink_tests;

pub use bus::Bus;
pub use fault::{ConfigError, Fault};
pub use meter::Meter;
pub use named::files_named_in;
pub use observer::Observer;
pub use paths::Paths;
pub use pile::Pile;
pub use registration::Registration;
pub use seat::{Lines, Seat};
pub use secret::{CREDENTIALS_BY_HAND, MAX_SECRET_BYTES, NoSecret, Secret};
pub use table::{Broker, Control, Ledger, Log, Place};
pub use tls::Tls;
pub use uplink::{Access, Charger, Ec, Endpoint, Far, Jcpp, Pace, Peaq, Uplink};

use super::{expiry, profiles::Shelf};
use crate::{
    domain::id::PileCode,
    site::{PileConfig, SiteConfig},
    sys::file::read_small_text,
};
use fault::Faults;
use meter::Listed;
use reader::{At, Section};

/// The config, whole and consistent.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the place is.
    pub site: Place,
    /// Where piles connect.
    pub broker: Broker,
    /// The piles.
    pub piles: Vec<Pile>,
    /// The lines with meters.
    pub buses: Vec<Bus>,
    /// The meters.
    pub meters: Vec<Meter>,
    /// The uplinks.
    pub uplinks: Vec<Uplink>,
    /// Where HTTP listens; `None`: nowhere.
    pub http: Option<std::net::SocketAddr>,
    /// How orders are kept.
    pub ledger: Ledger,
    /// Where commands come in.
    pub control: Control,
    /// What is logged.
    pub log: Log,
    /// What was seen while it was read that is not wrong but surely not meant.
    noticed: Vec<Fault>,
}

/// Largest config file; a site of a thousand piles needs a tenth of it.
const MAX_FILE_BYTES: u64 = 4 << 20;

impl Config {
    /// Reads and checks a config and what it points to.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path).map_err(|error| unreadable(path, &error))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a config; `path` is where it came from.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut faults = Faults::new(path, text);
        for error in &errors {
            faults.add_syntax(error);
        }
        let config = if errors.is_empty() {
            let shelf = Shelf::beside(path);
            read_root(Section::root(document.get_ref()), &shelf, &mut faults)
        } else {
            None
        };
        let noticed = faults.finish()?;
        let config = config.expect("a table that could not be read has left a fault");
        Ok(Self { noticed, ..config })
    }

    /// What is not wrong but surely not meant, or will be wrong soon; `path` is the config's own,
    /// `now_s` the unix time if anybody knows it.
    #[must_use]
    pub fn warnings(&self, path: &Path, now_s: Option<i64>) -> Vec<Fault> {
        let expiry = self.broker.tls.as_ref().and_then(|tls| {
            Some(Fault {
                file: tls.certificate_file.clone(),
                line: None,
                key: String::new(),
                text: expiry::warning(tls.keys.ends_s(), now_s)?,
                hint: Some("renew it, then: systemctl reload sitepilot".to_owned()),
            })
        });
        let is_led = self.uplinks.iter().any(|uplink| uplink.primary);
        let is_commanded = self.uplinks.iter().any(|uplink| uplink.commands);
        let nobody = if is_commanded { "" } else { ", and nobody may command" };
        let unled = (!is_led).then(|| Fault {
            file: path.to_owned(),
            line: None,
            key: "uplink".to_owned(),
            text: format!("none is primary: nobody is asked about cards{nobody}"),
            hint: Some("primary = true in one of kind \"charger\"".to_owned()),
        });
        expiry.into_iter().chain(unled).chain(self.noticed.iter().cloned()).collect()
    }

    /// What the site has to know; `piles`: all that it has, those of this config and others.
    #[must_use]
    pub fn site_config(&self, piles: BTreeMap<PileCode, PileConfig>) -> SiteConfig {
        let mut site = SiteConfig {
            piles: BTreeMap::new(),
            uplinks: self.uplinks.iter().map(Uplink::site_config).collect(),
            meters: self.meters.iter().map(Meter::site_config).collect(),
            heartbeat_interval_s: self.site.heartbeat_interval_s,
            interrupted_grace_ms: self.site.interrupted_grace_ms,
            undated_hold_ms: self.site.undated_hold_ms,
            stop_refused: self.site.stop_refused,
        };
        for (code, pile) in piles {
            site.admit(code, pile);
        }
        site
    }
}

fn read(path: &Path) -> io::Result<String> {
    read_small_text(path, MAX_FILE_BYTES)
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => Some(
            "sudo sitepilot init writes one; or name another file with --config FILE".to_owned(),
        ),
        io::ErrorKind::PermissionDenied => Some(
            "use sudo; the service reads it by its group: root:sitepilot, mode 0640".to_owned(),
        ),
        _ => None,
    };
    ConfigError(vec![Fault {
        file: PathBuf::from(path),
        line: None,
        key: String::new(),
        text: format!("cannot be read: {error}"),
        hint,
    }])
}

fn read_root(mut root: Section<'_>, shelf: &Shelf, faults: &mut Faults<'_>) -> Option<Config> {
    let site = required_section(&mut root, "site", faults).and_then(|s| table::place(s, faults));
    let broker = required_section(&mut root, "broker", faults);
    let passwords = match &broker {
        Some(section) if !section.has("registration") => pile::Passwords::Needed,
        // Where the table has a fault of its own, that one is enough.
        _ => pile::Passwords::Optional,
    };
    let broker = broker.and_then(|s| table::broker(s, faults));
    let sections = root.sections("pile", faults);
    let written = sections.len();
    let piles = pile::read_all(sections, passwords, faults);
    let listed = Listed { is_whole: piles.len() == written, list: &piles };
    let (buses, meters) = read_meters(&mut root, shelf, listed, faults);
    let uplinks = uplink::read_all(&mut root, uplink::Around::of(site.as_ref()), faults);
    let http = root.section("http", faults).map(|section| table::http(section, faults));
    let ledger = root.section("ledger", faults).map(|section| table::ledger(section, faults));
    let control = root.section("control", faults).map(|section| table::control(section, faults));
    let log = root.section("log", faults).map(|section| table::log(section, faults));
    if let (Some(broker), Some(Some(http))) = (&broker, &http) {
        table::check_free(&broker.listeners(), http, faults);
    }
    root.finish(faults);
    Some(Config {
        site: site?,
        broker: broker?,
        piles,
        buses,
        meters,
        uplinks: uplinks?,
        http: http.flatten().map(|at| at.value),
        ledger: ledger.unwrap_or_default(),
        control: control.unwrap_or_default(),
        log: log.unwrap_or_default(),
        noticed: Vec::new(),
    })
}

fn read_meters(
    root: &mut Section<'_>,
    shelf: &Shelf,
    piles: Listed<'_, Pile>,
    faults: &mut Faults<'_>,
) -> (Vec<Bus>, Vec<Meter>) {
    let sections = root.sections("bus", faults);
    let places: Vec<_> = sections.iter().map(|section| section.place().clone()).collect();
    let buses = bus::read_all(sections, faults);
    let listed = Listed { is_whole: buses.len() == places.len(), list: &buses };
    let around = meter::Around { shelf, piles, buses: listed };
    let meters = meter::read_all(root.sections("meter", faults), &around, faults);
    if around.buses.is_whole {
        pace::check(&buses, &places, &meters, faults);
    }
    (buses, meters)
}

fn required_section<'t>(
    root: &mut Section<'t>,
    key: &'static str,
    faults: &mut Faults<'_>,
) -> Option<Section<'t>> {
    let section = root.section(key, faults);
    if section.is_none() && !root.has(key) {
        let at = fault::Place { key: key.to_owned(), span: None };
        faults.add(&at, "is missing", format!("write a table [{key}]"));
    }
    section
}

/// Says so if a value was used before; `seen` has who used it.
fn once<T: Ord + std::fmt::Display>(
    seen: &mut BTreeMap<T, String>,
    at: At<T>,
    owner: &str,
    faults: &mut Faults<'_>,
) {
    match seen.get(&at.value) {
        Some(first) => {
            faults.add(
                &at.place,
                format!("is used by {first} too: {}", at.value),
                "each has its own",
            );
        }
        None => {
            seen.insert(at.value, owner.to_owned());
        }
    }
}
