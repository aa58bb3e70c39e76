//! Orders as records.

use bytes::Bytes;
use prost::Message;

use super::{assert_message, at, order as id, pile, settings};
use crate::{
    domain::{
        bill::{Band, Bill, BillRow},
        id::{KeyTime, OrderKey, OrderSeq, PlugNo, RecordNo, Sequence},
        order::{Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
        reply::{ToUplink, UplinkMessage, Urgency},
        time::{Now, Stamp},
        wire::{Original, Revision},
    },
    protocol::{
        charger::wire::v1_10,
        dialect::Dialect,
        jcpp::{self, dialect::Queue, record::frozen, wire::UplinkQueueMessage},
    },
};

/// The order of the vectors.
fn order() -> Order {
    let record = RecordNo::new("17").unwrap();
    let body = Bytes::from_static(b"stop");
    Order {
        seq: OrderSeq(42),
        key: OrderKey { pile: pile(), record, started: KeyTime(1_794_996_400) },
        id: id(),
        connector: None,
        plug: Some(PlugNo(1)),
        state: OrderState::Recorded,
        flags: Flags { offline: true, estimated: true, ..Flags::default() },
        card: None,
        transaction: None,
        opened: at(),
        started_s: Some(1_794_996_400),
        meter_start: None,
        progress: None,
        ending: Some(Ending {
            ended_s: Some(1_795_000_000),
            meter_start: None,
            meter_stop: None,
            energy: Energy::from_wh(12_340),
            cost: Some(Money::from_fen(1728)),
            reason: 16,
            recorded: at(),
            original: Some(Original { revision: Revision::V1_10, code: 1, body }),
        }),
        start: None,
        metering: None,
        deliveries: Vec::new(),
    }
}

fn row(tag: &str, wh: u64, fen: [i32; 3]) -> BillRow {
    let [energy_cost, service_cost, occupancy_cost] = fen.map(Money::from_fen);
    let (tag, energy) = (tag.to_owned(), Energy::from_wh(wh));
    BillRow { from: 450, until: 1440, tag, energy, energy_cost, service_cost, occupancy_cost }
}

fn bill() -> Bill {
    let rows = vec![
        row("TIP", 1000, [150, 100, 0]),
        row("峰", 2500, [263, 250, 0]),
        row("flat", 1840, [200, 122, 100]),
        row("night", 2000, [100, 200, 0]),
        row("valley", 1000, [26, 100, 0]),
        row(" 谷 ", 2000, [50, 200, 0]),
        row("", 1000, [0, 100, 0]),
        row("deep", 1000, [10, 100, 0]),
    ];
    Bill { tariff: Some(7), rows }
}

fn ending(order: &mut Order) -> &mut Ending {
    order.ending.as_mut().unwrap()
}

#[test]
fn an_order_is_told_by_the_bands_of_its_bill() {
    assert_message(&frozen(&order(), Some(&bill()), &settings()).unwrap(), "order");
}

#[test]
fn an_order_that_no_broker_would_take_is_refused_and_not_sent_in_vain() {
    // A pile may say so in a message of 60 kB; in JSON each sign is six.
    let tag = "\u{1}".repeat(60_000);
    let bill = Bill { tariff: None, rows: vec![row(&tag, 1000, [100, 100, 0])] };
    let unfit = frozen(&order(), Some(&bill), &settings()).unwrap_err().to_string();
    assert!(unfit.starts_with("message cannot be carried: "), "{unfit}");
}

#[test]
fn a_bill_without_bands_is_told_by_its_periods() {
    let mut order = order();
    order.flags.estimated = false;
    let later = BillRow { from: 1_794_996_400, until: 1_795_000_000, ..row(" ", 10, [-2, 0, 0]) };
    let rows = vec![row("", 1200, [100, 50, 1]), later];
    let mut bill = Bill { tariff: None, rows };
    assert_message(&frozen(&order, Some(&bill), &settings()).unwrap(), "order-periods");
    // What is no time of day and no moment: everything is flat, and said to be unknown.
    bill.rows[0].until = 1441;
    let told = frozen(&order, Some(&bill), &settings()).unwrap();
    let told = UplinkQueueMessage::decode(told).unwrap().transaction_record_request.unwrap();
    let bands = told.detail.unwrap().peak_valley.unwrap();
    assert_eq!((&*bands.flat_energy_k_wh, &*bands.flat_amount_yuan), ("1.210", "1.490"));
    assert_eq!(told.additional_info.unwrap(), r#"{"stopReason":"16","unknownTags":"\"\""}"#);
}

#[test]
fn what_is_not_known_of_an_order_is_left_out() {
    let mut order = order();
    (order.plug, order.started_s) = (None, None);
    let end = ending(&mut order);
    (end.ended_s, end.cost, end.reason, end.original) = (None, None, 8, None);
    assert_message(&frozen(&order, None, &settings()).unwrap(), "order-closed");
    order.plug = Some(PlugNo(1));
    order.flags = Flags::default();
    let end = ending(&mut order);
    (end.energy, end.reason, end.recorded) = (Energy::default(), 0, Stamp::default());
    assert_message(&frozen(&order, Some(&Bill::default()), &settings()).unwrap(), "order-undated");
}

#[test]
fn an_order_that_does_not_fit_is_refused_with_its_field() {
    let mut order = order();
    let refused = |order: &Order, bill: Option<&Bill>| {
        frozen(order, bill, &settings()).unwrap_err().to_string()
    };
    let tariff = Bill { tariff: Some(u64::MAX), rows: Vec::new() };
    let found = refused(&order, Some(&tariff));
    assert_eq!(found, "pricingId cannot be carried: 18446744073709551615");
    order.plug = Some(PlugNo(100));
    assert_eq!(refused(&order, None), "gunNo cannot be carried: 100");
    order.ending = None;
    let wanted = format!("endTs cannot be carried: order {} has not ended", order.id);
    assert_eq!(refused(&order, None), wanted);
}

#[test]
fn the_bill_is_read_from_the_message_that_ended_the_order() {
    let mut order = order();
    let bill = |tag: &str, electric, electriccost| v1_10::CostBill {
        tag: tag.to_owned(),
        electric,
        electriccost,
        ..v1_10::CostBill::default()
    };
    let cost = v1_10::Cost {
        bills: vec![bill("peak", 100, 105), bill("night", 20, 11)],
        tariffid: 9,
        ..v1_10::Cost::default()
    };
    let stop = v1_10::StopTransactionReq { cost: Some(cost), ..Default::default() };
    ending(&mut order).original = Some(Original {
        revision: Revision::V1_10,
        code: u8::try_from(i32::from(v1_10::MessageId::IdStopTransactionReq)).unwrap(),
        body: stop.encode_to_vec().into(),
    });
    let mut settings = settings();
    let unknown = jcpp::unknown_tags(&order, &settings);
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["night"]);
    let bands = |settings: &jcpp::Settings| {
        let message = UplinkQueueMessage::decode(jcpp::freeze(&order, settings).unwrap()).unwrap();
        let record = message.transaction_record_request.unwrap();
        assert_eq!(record.pricing_id, 9);
        record.detail.unwrap().peak_valley.unwrap()
    };
    let told = bands(&settings);
    assert_eq!((&*told.peak_energy_k_wh, &*told.peak_amount_yuan), ("1.000", "1.050"));
    assert_eq!((&*told.flat_energy_k_wh, &*told.flat_amount_yuan), ("0.200", "0.110"));
    settings.tags.set("night", Band::Valley);
    assert!(jcpp::unknown_tags(&order, &settings).is_empty());
    assert_eq!(bands(&settings).valley_amount_yuan, "0.110");
}

#[test]
fn every_sending_of_an_order_is_the_same_and_the_acknowledgement_confirms_it() {
    let payload = jcpp::freeze(&order(), &settings()).unwrap();
    assert_eq!(jcpp::freeze(&order(), &settings()).unwrap(), payload);
    let message = UplinkMessage::Transaction { pile: pile(), payload: payload.clone() };
    let message = ToUplink { sequence: Sequence(5), message, urgency: Urgency::Backlog };
    let told = Queue::new(settings()).encode(&message, Now::default()).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].topic, "jcpp/uplink/3101150012000001");
    assert_eq!((&told[0].payload, told[0].confirms), (&payload, Some(Sequence(5))));
    assert!(!told[0].retain);
}

#[test]
fn an_order_of_a_lost_ledger_has_the_same_ids_when_it_is_told_again() {
    let mut other = order();
    other.seq = OrderSeq(1);
    other.opened = Stamp::default();
    let ids = |order: &Order| {
        let told = UplinkQueueMessage::decode(jcpp::freeze(order, &settings()).unwrap()).unwrap();
        [told.message_id_msb, told.message_id_lsb, told.session_id_msb, told.session_id_lsb]
    };
    assert_eq!(ids(&other), ids(&order()));
    ending(&mut other).energy = Energy::from_wh(12_350);
    assert_ne!(ids(&other)[..2], ids(&order())[..2], "another version of it is another message");
    assert_eq!(ids(&other)[2..], ids(&order())[2..]);
}
