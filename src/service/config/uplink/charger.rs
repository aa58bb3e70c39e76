//! `kind = "charger"`: the charging-station protocol over MQTT.

use std::collections::BTreeMap;

use super::{
    super::{
        fault::Faults,
        pile,
        reader::Section,
        secret::{self, Secret},
    },
    endpoint::{self, Endpoint},
    needed,
    queue::{Pace, pace},
};
use crate::{
    domain::{quantity::Energy, wire::Revision},
    protocol::charger::station::{self, ELEC_DATA_UNIT},
};

/// A backend of the charging-station protocol.
#[derive(Debug, Clone)]
pub struct Charger {
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
    /// What one step of the `elecData` is that the site makes of a meter's readings.
    pub elec_data_unit: Energy,
    /// How a connection to its broker is kept.
    pub pace: Pace,
}

impl Charger {
    /// Without the connectors of the piles.
    #[must_use]
    pub fn station(&self) -> station::Settings {
        station::Settings {
            revision: self.revision,
            part_number: self.part_number.clone(),
            serial: self.serial.clone(),
            vendor: self.vendor.clone(),
            connectors: BTreeMap::new(),
            elec_data_unit: self.elec_data_unit,
        }
    }

    pub(super) fn client_id(&self) -> String {
        self.station().client_id()
    }
}

pub(super) fn read(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Charger> {
    let revision = pile::revision(section, faults);
    let endpoint = endpoint::broker(section, faults);
    let part_number = needed(section, "part_number", "as agreed with the backend", faults);
    let serial = needed(section, "serial", "as agreed with the backend", faults);
    let vendor = needed(section, "vendor", "as agreed with the backend", faults);
    let code =
        secret::read(section, "registration_code_file", "registration_code_credential", faults);
    let username = needed(section, "username", "the backend's default account", faults);
    let password = secret::read(section, "password_file", "password_credential", faults);
    let elec_data_unit_wh =
        section.number_or("elec_data_unit_wh", 1..=100_000, ELEC_DATA_UNIT.wh(), faults);
    let pace = pace(section, faults);
    Some(Charger {
        revision: revision?,
        endpoint: endpoint?,
        part_number: part_number?,
        serial: serial?,
        vendor: vendor?,
        registration_code: code?,
        username: username?,
        password: password?,
        elec_data_unit: Energy::from_wh(elec_data_unit_wh),
        pace,
    })
}
