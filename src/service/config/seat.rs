//! What of a `[[meter]]` has to do with its bus. Commands beside a stopped controller need no more.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use toml::de::DeTable;

use super::{
    ConfigError,
    bus::{self, Bus},
    fault::Faults,
    meter::{Around, Listed},
    once, read as read_file,
    reader::{At, Section},
    unreadable,
};
use crate::{
    domain::id::{BusName, MeterName},
    protocol::modbus::{Decimal, Profile},
    service::profiles::{ProfileError, Shelf},
};

/// A meter on its bus.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its name.
    pub name: MeterName,
    /// The bus.
    pub bus: BusName,
    /// Its address there.
    pub address: u8,
    /// What is read; the ratios of transformers are in it.
    pub profile: Arc<Profile>,
}

/// What must not appear twice, and where it appeared first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: BTreeMap<MeterName, String>,
    addresses: BTreeMap<(BusName, u64), String>,
}

/// The buses of a config and who is on them, for people who may not read its secrets.
#[derive(Debug, Clone)]
pub struct Lines {
    /// The buses.
    pub buses: Vec<Bus>,
    /// The meters.
    pub seats: Vec<Seat>,
    /// Where profiles are found.
    pub shelf: Shelf,
}

impl Lines {
    /// Reads them from a config.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or what is wrong with these.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_file(path).map_err(|error| unreadable(path, &error))?;
        let mut faults = Faults::new(path, &text);
        let (document, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            faults.add_syntax(error);
        }
        let mut root = Section::root(document.get_ref());
        let shelf = Shelf::beside(path);
        let buses = bus::read_all(root.sections("bus", &mut faults), &mut faults);
        let around = Around {
            shelf: &shelf,
            piles: Listed { list: &[], is_whole: false },
            buses: Listed { list: &buses, is_whole: true },
        };
        let mut seen = Seen::default();
        let meters = root.sections("meter", &mut faults).into_iter();
        let seats = meters
            .filter_map(|mut section| read(&mut section, &around, &mut seen, &mut faults).0)
            .collect();
        faults.finish()?;
        Ok(Self { buses, seats, shelf })
    }

    /// The bus of this name.
    #[must_use]
    pub fn bus(&self, name: &BusName) -> Option<&Bus> {
        self.buses.iter().find(|bus| bus.name == *name)
    }

    /// The meter of this name.
    #[must_use]
    pub fn seat(&self, name: &MeterName) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.name == *name)
    }
}

/// The seat, and the bus, which may be known where the rest is not.
pub(super) fn read<'a>(
    section: &mut Section<'_>,
    around: &Around<'a>,
    seen: &mut Seen,
    faults: &mut Faults<'_>,
) -> (Option<Seat>, Option<&'a Bus>) {
    let owner = section.place().key.clone();
    let name = name(section, faults);
    if let Some(at) = &name {
        once(&mut seen.names, at.clone(), &owner, faults);
    }
    let bus = on_bus(section, around, faults);
    let address = section.number("address", 1..=247, faults);
    let address = section.required("address", address, faults, "as set at the meter, 1 to 247");
    if let (Some(bus), Some(at)) = (&bus, &address) {
        alone(&mut seen.addresses, bus, at, &owner, faults);
    }
    let profile = profile(section, around, faults);
    let seat = || {
        Some(Seat {
            name: name?.value,
            bus: bus?.name.clone(),
            address: u8::try_from(address?.value).ok()?,
            profile: profile?,
        })
    };
    (seat(), bus)
}

fn name(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<MeterName>> {
    let at = section.text("name", faults);
    let at = section.required("name", at, faults, "a short name, such as \"incomer\"")?;
    match MeterName::new(&at.value) {
        Ok(name) => Some(at.map(|_| name)),
        Err(error) => {
            let hint = "up to 32 letters, digits, dots and dashes";
            faults.add(&at.place, format!("is not a name: {}: {error}", at.value), hint);
            None
        }
    }
}

fn on_bus<'a>(
    section: &mut Section<'_>,
    around: &Around<'a>,
    faults: &mut Faults<'_>,
) -> Option<&'a Bus> {
    let at = bus::name(section, "bus", "the name of a [[bus]]", faults)?;
    let buses = around.buses.list;
    let found = buses.iter().find(|bus| bus.name == at.value);
    if found.is_none() && around.buses.is_whole {
        let names: Vec<_> = buses.iter().map(|bus| bus.name.as_str()).collect();
        let hint = match names.as_slice() {
            [] => "there is no table [[bus]]".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        faults.add(&at.place, format!("names a bus that is missing: {}", at.value), hint);
    }
    found
}

fn alone(
    seen: &mut BTreeMap<(BusName, u64), String>,
    bus: &Bus,
    address: &At<u64>,
    owner: &str,
    faults: &mut Faults<'_>,
) {
    let key = (bus.name.clone(), address.value);
    if let Some(first) = seen.get(&key) {
        let text = format!("is used by {first} on {} too: {}", bus.name, address.value);
        faults.add(&address.place, text, "two meters of one address answer at the same time");
    } else {
        seen.insert(key, owner.to_owned());
    }
}

fn profile(
    section: &mut Section<'_>,
    around: &Around<'_>,
    faults: &mut Faults<'_>,
) -> Option<Arc<Profile>> {
    let at = section.text("profile", faults);
    let hint = "the kind of meter, such as \"eastron-sdm630\"";
    let at = section.required("profile", at, faults, hint);
    let ct = section.decimal("ct_ratio", faults);
    let vt = section.decimal("vt_ratio", faults);
    let at = at?;
    let profile = find(&at, around.shelf, faults)?;
    if !profile.verified {
        let text = format!(
            "has fewer than two independent sources that agree on energy, power, voltages and \
             currents: {}",
            at.value
        );
        faults.warn(&at.place, text, "compare with the display: sitepilot meters read NAME");
    }
    let Some(place) = ct.as_ref().or(vt.as_ref()).map(|at| at.place.clone()) else {
        return Some(Arc::new(profile));
    };
    let ratio = |at: Option<At<Decimal>>| at.map_or(Decimal::ONE, |at| at.value);
    match profile.with_ratios(ratio(ct), ratio(vt)) {
        Ok(profile) => Some(Arc::new(profile)),
        Err(why) => {
            faults.add(&place, format!("cannot be used: {why}"), "primary divided by secondary");
            None
        }
    }
}

fn find(at: &At<String>, shelf: &Shelf, faults: &mut Faults<'_>) -> Option<Profile> {
    match shelf.find(&at.value) {
        Ok(profile) => return Some(profile),
        Err(ProfileError::Unknown { name, hint }) => {
            faults.add(&at.place, format!("is no profile of a meter: {name}"), hint);
        }
        Err(ProfileError::Faulty(of_profile)) => {
            let text = format!("names a profile with faults: {}", at.value);
            faults.add(&at.place, text, "they are told with its file");
            faults.take(of_profile);
        }
    }
    None
}
