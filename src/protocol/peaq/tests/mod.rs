//! The wire against vectors of another encoder, and against nonsense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod news;
mod properties;
mod requests;
mod snapshot;

use bytes::Bytes;

use super::{Settings, dialect::Gateway, readable};
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState, PileKind, RunningOrder},
        gauge::Gauges,
        id::{CardNo, ConnectorNo, OrderId, OrderSeq, PileCode, PlugNo, Sequence},
        quantity::Energy,
        reply::{ToUplink, UplinkMessage, Urgency},
        time::Now,
    },
    protocol::{
        dialect::{Dialect, Publication},
        vectors,
    },
};

const KEY: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const REQUESTS: &str = "peaq/site-1/request";
const EVENTS: &str = "peaq/site-1/event";

fn settings() -> Settings {
    Settings {
        topic_prefix: "peaq".to_owned(),
        client_id: "site-1".to_owned(),
        model: "SITEPILOT-1".to_owned(),
        vendor: "ACME".to_owned(),
    }
}

fn gateway() -> Gateway {
    Gateway::new(settings(), 1)
}

fn pile() -> PileCode {
    PileCode::new("3101150012000001").unwrap()
}

fn connector(number: u16) -> ConnectorNo {
    ConnectorNo::new(number).unwrap()
}

fn card() -> CardNo {
    CardNo::new(KEY).unwrap()
}

/// The running order of the vectors.
fn running() -> RunningOrder {
    RunningOrder {
        id: OrderId::new("3101150012000001ABCDEFGHIJKLMNOP").unwrap(),
        seq: OrderSeq(42),
        card: Some(card()),
        started_s: Some(1_794_996_400),
        elapsed_s: 3600,
        meter_start: Some(Energy::from_wh(1_042_200)),
        energy: None,
        cost: None,
    }
}

fn image() -> ConnectorImage {
    ConnectorImage {
        pile: pile(),
        kind: PileKind::Dc,
        plug: PlugNo(1),
        connector: connector(12),
        is_reachable: true,
        state: Some(ConnectorState::Charging),
        warnings: [].into(),
        gauges: Gauges {
            output_voltage_dv: Some(4005),
            output_current_ca: Some(12_345),
            ..Gauges::default()
        },
        meter: None,
        order: Some(running()),
    }
}

/// What is published for a message of the site.
fn encoded(gateway: &mut Gateway, sequence: Sequence, message: UplinkMessage) -> Vec<Publication> {
    let message = ToUplink { sequence, message, urgency: Urgency::Live };
    gateway.encode(&message, Now::default()).unwrap()
}

/// The bytes of a vector.
#[track_caller]
fn vector(name: &str) -> Bytes {
    vectors::vector(golden::VECTORS, name)
}

/// An event that is a vector; says in words where it differs.
#[track_caller]
fn assert_event(publication: &Publication, name: &str) {
    assert_eq!(publication.topic, EVENTS);
    assert_eq!((publication.retain, publication.confirms), (false, None));
    assert_message(&publication.payload, name);
}

#[track_caller]
fn assert_message(found: &[u8], name: &str) {
    let text = |bytes: &[u8]| readable::decode(bytes).unwrap();
    assert_eq!(text(found), text(&vector(name)), "{name}");
    assert_eq!(found, vector(name), "{name}");
}
