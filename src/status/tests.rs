#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::tz::TimeZone;
use serde_json::json;

use super::{
    dossier::{Dossier, DossierView},
    view::OrderView,
};
use crate::domain::{
    id::{
        CardNo, ConnectorNo, KeyTime, MeterName, OrderKey, OrderSeq, PileCode, Place, RecordNo,
        UplinkName,
    },
    order::{Delivery, DeliveryState, Ending, Flags, Order, OrderState},
    quantity::{Energy, Money},
    reading::{Metering, Sample},
    time::{BootId, ClockQuality, Mono, Stamp, Wall},
};

/// 2026-01-01T00:00:00Z
const NEW_YEAR_S: i64 = 1_767_225_600;

fn stamp(quality: ClockQuality) -> Stamp {
    let wall = Wall { unix_ms: NEW_YEAR_S * 1000 + 1234, quality };
    Stamp { boot: BootId(1), mono: Mono(5), wall }
}

fn order() -> Order {
    let key = OrderKey {
        pile: PileCode::new("3101150012000001").unwrap(),
        record: RecordNo::new("17").unwrap(),
        started: KeyTime(NEW_YEAR_S),
    };
    let ending = Ending {
        ended_s: Some(NEW_YEAR_S + 3600),
        meter_start: Some(Energy::from_wh(100_000)),
        meter_stop: Some(Energy::from_wh(112_340)),
        energy: Energy::from_wh(12_340),
        cost: Some(Money::from_tenth_fen(12_345)),
        reason: 9,
        recorded: stamp(ClockQuality::Synced),
        original: None,
    };
    let mut delivery = Delivery::queued(UplinkName::new("cloud").unwrap(), Place(1));
    delivery.state = DeliveryState::Confirmed;
    delivery.confirmed = Some(stamp(ClockQuality::Synced));
    Order {
        seq: OrderSeq(3),
        id: key.id(),
        key,
        connector: ConnectorNo::new(2),
        plug: None,
        state: OrderState::Settled,
        flags: Flags { offline: true, disputed: true, ..Flags::default() },
        card: CardNo::new("88120000001234").ok(),
        transaction: None,
        opened: stamp(ClockQuality::Synced),
        started_s: Some(NEW_YEAR_S),
        meter_start: None,
        progress: None,
        ending: Some(ending),
        start: None,
        metering: None,
        deliveries: vec![delivery],
    }
}

fn shown(order: &Order) -> serde_json::Value {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    serde_json::to_value(OrderView::of(order, &zone)).unwrap()
}

#[test]
fn an_order_looks_as_the_contract_says() {
    let order = order();
    let wanted = json!({
        "id": order.id.as_str(),
        "pile": "3101150012000001",
        "connector": 2,
        "record": "17",
        "transaction_id": null,
        "state": "settled",
        "flags": ["offline", "disputed"],
        "started_at": "2026-01-01T08:00:00+08:00",
        "ended_at": "2026-01-01T09:00:00+08:00",
        "energy_wh": 12_340,
        "cost_fen": 1235,
        "offline": true,
        "meter_start_wh": 100_000,
        "meter_stop_wh": 112_340,
        "reason": 9,
        "reason_name": "PowerLoss",
        "card": "1234",
        "position": 3,
        "deliveries": [{
            "uplink": "cloud",
            "state": "confirmed",
            "attempts": 0,
            "confirmed_at": "2026-01-01T08:00:01+08:00",
            "last_error": null,
        }],
    });
    assert_eq!(shown(&order), wanted);
}

#[test]
fn a_time_nobody_knows_is_null_and_says_why() {
    let mut order = order();
    order.started_s = None;
    order.deliveries[0].confirmed = Some(stamp(ClockQuality::Unset));
    let shown = shown(&order);
    assert_eq!((&shown["started_at"], &shown["clock"]), (&json!(null), &json!("unset")));
    assert_eq!(shown["deliveries"][0]["confirmed_at"], json!(null));
}

#[test]
fn an_order_with_a_meter_shows_both_readings_and_which_is_billed() {
    let sample = |wh| Sample { energy: Energy::from_wh(wh), at: stamp(ClockQuality::Synced) };
    let mut order = order();
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let show = |order: &Order| {
        let (versions, journal) = (Vec::new(), Vec::new());
        let dossier = Dossier { order: order.clone(), versions, journal };
        serde_json::to_value(DossierView::of(&dossier, &zone)).unwrap()
    };
    assert_eq!(show(&order).get("metering"), None);
    order.metering = Some(Metering {
        meter: MeterName::new("M1").unwrap(),
        start: Some(sample(1_000_004)),
        curve: vec![sample(1_000_400), sample(1_000_900)],
        stop: Some(sample(1_001_016)),
        pile_start: Some(Energy::from_wh(100_000)),
        pile_stop: None,
    });
    let wanted = json!({
        "meter": "M1",
        "billed": "meter",
        "start_wh": 1_000_004,
        "stop_wh": 1_001_016,
        "pile_start_wh": 100_000,
        "pile_stop_wh": null,
        "curve_wh": [1_000_400, 1_000_900],
    });
    assert_eq!(show(&order)["metering"], wanted);
    order.metering.as_mut().unwrap().stop = None;
    assert_eq!(show(&order)["metering"]["billed"], "pile");
    order.ending = None;
    assert_eq!(show(&order)["metering"]["billed"], json!(null));
}
