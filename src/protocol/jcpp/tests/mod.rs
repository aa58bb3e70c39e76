//! The wire against vectors of another encoder, and against nonsense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod golden;
mod news;
mod orders;
mod properties;

use bytes::Bytes;

use super::Settings;
use crate::{
    domain::{
        bill::Tags,
        connector::{ConnectorImage, ConnectorState, PileKind, RunningOrder},
        gauge::Gauges,
        id::{ConnectionId, ConnectorNo, OrderId, OrderSeq, PileCode, PlugNo},
        news::{Happening, News},
        time::{BootId, ClockQuality, Mono, Stamp, Wall},
        wire::{Original, Revision},
    },
    protocol::vectors,
};

const PILE: &str = "3101150012000001";
const ORDER: &str = "3101150012000001ABCDEFGHIJKLMNOP";
const AT_MS: i64 = 1_795_000_000_123;

fn settings() -> Settings {
    Settings {
        topic_prefix: "jcpp/uplink".to_owned(),
        protocol_name: "goiot".to_owned(),
        heartbeat_ms: 60_000,
        tags: Tags::default(),
    }
}

fn pile() -> PileCode {
    PileCode::new(PILE).unwrap()
}

fn order() -> OrderId {
    OrderId::new(ORDER).unwrap()
}

fn at() -> Stamp {
    let wall = Wall { unix_ms: AT_MS, quality: ClockQuality::Synced };
    Stamp { boot: BootId(3), mono: Mono(4000), wall }
}

/// Something that a message of the pile caused.
fn news(what: Happening) -> News {
    let body = Bytes::from_static(b"\x0a\x02DC");
    News {
        pile: pile(),
        at: at(),
        session: Some(ConnectionId(7)),
        address: "10.0.0.5:50123".to_owned(),
        cause: Some(Original { revision: Revision::V1_10, code: 1, body }),
        what,
    }
}

/// A connector at which the order of the vectors runs, and of which nothing is measured.
fn image() -> ConnectorImage {
    ConnectorImage {
        pile: pile(),
        kind: PileKind::Dc,
        plug: PlugNo(1),
        connector: ConnectorNo::new(12).unwrap(),
        is_reachable: true,
        state: Some(ConnectorState::Charging),
        warnings: [].into(),
        gauges: Gauges::default(),
        meter: None,
        order: Some(RunningOrder {
            id: order(),
            seq: OrderSeq(42),
            card: None,
            started_s: None,
            elapsed_s: 0,
            meter_start: None,
            energy: None,
            cost: None,
        }),
    }
}

/// The bytes of a vector.
#[track_caller]
fn vector(name: &str) -> Bytes {
    vectors::vector(golden::VECTORS, name)
}

/// Says in words where two messages differ.
#[track_caller]
fn assert_message(found: &[u8], name: &str) {
    let text = |bytes: &[u8]| super::readable::decode(bytes).unwrap();
    assert_eq!(text(found), text(&vector(name)), "{name}");
    assert_eq!(found, vector(name), "{name}");
}
