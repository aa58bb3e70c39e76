//! What a backend remembers of the telemetry of a site's meters.

use std::collections::BTreeMap;

use super::*;
use crate::{
    domain::{
        id::{ConnectorNo, OrderId, PileCode, Sequence},
        quantity::Energy,
        reading::Values,
        reply::{MeteredPlace, ToUplink, UplinkMessage, Urgency},
    },
    peers::apdu::wire,
    protocol::charger::station::{self, ELEC_DATA_UNIT},
};

fn telemetry(revision: Revision, place: MeteredPlace, values: Values) -> bytes::Bytes {
    let settings = station::Settings {
        revision,
        part_number: String::new(),
        serial: String::new(),
        vendor: String::new(),
        elec_data_unit: ELEC_DATA_UNIT,
        connectors: BTreeMap::new(),
    };
    let message = UplinkMessage::Metered { place, values };
    let message = ToUplink { sequence: Sequence(7), message, urgency: Urgency::Telemetry };
    station::encode(&message, &settings, None).unwrap().unwrap().1
}

fn a_backend_remembers_what_meters_say(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    let (energy_import, power_w) = (Some(Energy::from_wh(12_340)), Some(-560));
    let values = Values { energy_import, power_w, ..Values::default() };
    let pile = PileCode::new(CODE).unwrap();
    let order = OrderId::new(&format!("{CODE}ABCDEFGHIJKLMNOP")).ok();
    let connector = ConnectorNo::new(3).unwrap();
    let place = MeteredPlace::Connector { pile, connector, order };
    for place in [MeteredPlace::Site, place, MeteredPlace::Site] {
        let payload = telemetry(revision, place, values);
        let now = w.now();
        w.backend.receive("/U/M/SIM", &payload, now);
    }
    let measured = w.backend.measured();
    assert_eq!(w.backend.telemetry(), 3);
    let said = BTreeMap::from([(134, 1234.0), (142, -56.0)]);
    let of = |component: wire::Components, connector: &str| {
        let measured = &measured[&(component.into(), connector.to_owned())];
        assert_eq!(measured.values, said);
        measured.reports
    };
    assert_eq!(of(wire::Components::CpMeter, ""), 2);
    assert_eq!(of(wire::Components::CpConnector, "3"), 1);
}

in_both_revisions! {
    a_backend_remembers_what_meters_say
}
