//! Orders and entries as a site would make them.

#![allow(dead_code, reason = "each test uses a part of it")]

use bytes::Bytes;
use sitepilot::{
    domain::{
        id::{
            CardNo, ConnectorNo, KeyTime, OrderKey, OrderSeq, PileCode, Place, PlugNo, RecordNo,
            UplinkName,
        },
        order::{Delivery, Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
        time::{BootId, ClockQuality, Mono, Stamp, Wall},
        wire::{Original, Revision},
    },
    ledger::{Ledger, Opening, Options},
    site::entry::Entry,
};

/// Options of a test: small, and never full for want of space on the tester's disk.
pub fn options() -> Options {
    Options { min_free_mb: 0, ..Options::default() }
}

pub fn open(dir: &std::path::Path) -> (Ledger, Opening) {
    Ledger::open(dir, options()).expect("opens")
}

pub fn pile(number: u64) -> PileCode {
    PileCode::new(&format!("31011500{number:08}")).expect("16 digits")
}

pub fn uplink(name: &str) -> UplinkName {
    UplinkName::new(name).expect("short and plain")
}

/// A stamp of run 1 whose clock is kept.
pub fn stamp(ms: u64) -> Stamp {
    let unix_ms = 1_790_000_000_000 + ms.cast_signed();
    let wall = Wall { unix_ms, quality: ClockQuality::Synced };
    Stamp { boot: BootId(1), mono: Mono(ms), wall }
}

/// A stamp of a run without a clock.
pub fn undated(boot: u64, ms: u64) -> Stamp {
    Stamp { boot: BootId(boot), mono: Mono(ms), wall: Wall::default() }
}

/// A message with as many bytes as piles usually send.
pub fn original(code: u8, seed: u64, length: usize) -> Original {
    let body: Vec<u8> =
        (0..length).map(|at| seed.wrapping_mul(31).wrapping_add(at as u64) as u8).collect();
    Original { revision: Revision::V1_10, code, body: Bytes::from(body) }
}

/// An order that has just begun.
pub fn opened(seq: u64, number: u64, at: Stamp) -> Order {
    let record = RecordNo::new(&format!("{seq:012}")).expect("short");
    let key = OrderKey {
        pile: pile(number),
        record,
        started: KeyTime(1_790_000_000 + seq.cast_signed()),
    };
    Order {
        seq: OrderSeq(seq),
        id: key.id(),
        key,
        connector: ConnectorNo::new(u16::try_from(number % 400 + 1).expect("small")),
        plug: Some(PlugNo(1)),
        state: OrderState::Charging,
        flags: Flags::default(),
        card: Some(CardNo::new(&format!("88{:014}", seq % 977)).expect("short")),
        transaction: None,
        opened: at,
        started_s: at.wall.known_s(),
        meter_start: Some(Energy::from_wh(1_000_000 + seq * 10)),
        progress: None,
        ending: None,
        start: Some(original(13, seq, 64)),
        metering: None,
        deliveries: Vec::new(),
    }
}

/// The same order, ended.
pub fn ended(order: &Order, at: Stamp, uplinks: &[UplinkName]) -> Order {
    let energy = Energy::from_wh(order.seq.0 % 5000 * 10);
    let mut order = order.clone();
    order.state = OrderState::Recorded;
    order.progress = None;
    order.ending = Some(Ending {
        ended_s: at.wall.known_s(),
        meter_start: order.meter_start,
        meter_stop: order.meter_start.map(|meter| meter.saturating_add(energy)),
        energy,
        cost: Some(Money::from_fen(i32::try_from(order.seq.0 % 9000).expect("small"))),
        reason: 1,
        recorded: at,
        original: Some(original(15, order.seq.0, 80)),
    });
    // Recorded in another order than begun.
    let place = Place(1_000_000 - order.seq.0);
    order.deliveries = uplinks.iter().map(|name| Delivery::queued(name.clone(), place)).collect();
    order
}

/// What a live confirmation adds.
pub fn confirmed(order: &Order, uplink: &UplinkName, at: Stamp) -> Entry {
    Entry::DeliveryConfirmed { seq: order.seq, uplink: uplink.clone(), at, attempts: 1 }
}

pub fn settled(order: &Order, at: Stamp) -> Entry {
    Entry::OrderSettled { seq: order.seq, at }
}

pub fn open_entry(order: &Order) -> Entry {
    Entry::OrderOpened(Box::new(order.clone()))
}

pub fn record_entry(order: &Order) -> Entry {
    Entry::OrderRecorded(Box::new(order.clone()))
}
