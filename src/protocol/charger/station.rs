//! The controller as a station: what it says to a backend, and what it hears.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::{
    id::{ConnectorNo, PileCode},
    order::Order,
    wire::Revision,
};

/// Settings of an uplink of the charging-station protocol.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the backend speaks.
    pub revision: Revision,
    /// Part number, as registered.
    pub part_number: String,
    /// Serial number, as registered.
    pub serial: String,
    /// Vendor, as registered.
    pub vendor: String,
    /// Unit of `elecData`, in Wh.
    pub elec_data_unit_wh: u32,
    /// Where each site-wide connector is: its pile, and the pile's own number of it, from 1.
    pub connectors: BTreeMap<ConnectorNo, (PileCode, u16)>,
}

/// The inner message of an offline order. Pure: the same order gives the same bytes, but the site
/// keeps the first ones all the same.
#[must_use]
pub fn freeze_transaction(_order: &Order, _settings: &Settings) -> Bytes {
    Bytes::new()
}
