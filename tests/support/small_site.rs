//! The configuration of a site with one pile of two connectors and one backend.

use sitepilot::{
    domain::{
        connector::PileKind,
        id::{ConnectorNo, PileCode, UplinkName},
        wire::Revision,
    },
    protocol::charger::station,
    site::{PileConfig, SiteConfig, UplinkConfig, Wire},
};

/// Code of the pile.
pub const PILE: &str = "3101150012000001";

pub fn pile() -> PileCode {
    PileCode::new(PILE).expect("a code")
}

pub fn cloud() -> UplinkName {
    UplinkName::new("cloud").expect("a name")
}

/// The site, by what its pile and its backend speak.
pub fn config(of_pile: Revision, of_cloud: Revision) -> SiteConfig {
    let connectors: Vec<ConnectorNo> = [11, 12].into_iter().filter_map(ConnectorNo::new).collect();
    SiteConfig {
        uplinks: vec![UplinkConfig {
            name: cloud(),
            wire: Wire::Charger(station(of_cloud, &connectors)),
            primary: true,
            commands: true,
            required: true,
            answer_timeout_ms: 3_000,
            orders_since_s: None,
            max_orders_per_s: None,
        }],
        piles: [(pile(), PileConfig { revision: of_pile, kind: PileKind::Dc, connectors })].into(),
        meters: Vec::new(),
        heartbeat_interval_s: 60,
        interrupted_grace_ms: 3_600_000,
        undated_hold_ms: 600_000,
        stop_refused: true,
    }
}

fn station(revision: Revision, connectors: &[ConnectorNo]) -> station::Settings {
    let mut station = station::Settings {
        revision,
        part_number: "SITEPILOT-1".to_owned(),
        serial: "SP-1".to_owned(),
        vendor: "ACME".to_owned(),
        elec_data_unit: station::ELEC_DATA_UNIT,
        connectors: [].into(),
    };
    station.place(pile(), connectors);
    station
}
