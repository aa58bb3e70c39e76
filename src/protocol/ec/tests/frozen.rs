//! What orders become on the wire, and which cannot be told.

use prost::Message as _;

use crate::{
    domain::{
        id::{KeyTime, OrderKey, OrderSeq, PileCode, PlugNo, RecordNo},
        order::{Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
        time::Stamp,
        wire::{Original, Revision},
    },
    protocol::{
        charger::wire::v1_10::{Cost, CostBill, MessageId, StopTransactionReq},
        dialect::Unfit,
        ec::{
            Confirm, Settings,
            frame::{Cutter, LENGTH_LIMIT},
            freeze,
            message::{Message, Record},
        },
    },
};

const START_S: i64 = 1_795_000_000;

pub fn settings() -> Settings {
    Settings {
        organisation: 1000,
        heartbeat_ms: 60_000,
        realtime_ms: 60_000,
        confirm: Confirm::Tcp,
        resend_ms: 600_000,
        amount_includes_service: true,
    }
}

pub fn ended() -> Order {
    let key = OrderKey {
        pile: PileCode::new("3101150012000001").unwrap(),
        record: RecordNo::new("17").unwrap(),
        started: KeyTime(START_S),
    };
    Order {
        seq: OrderSeq(1),
        id: key.id(),
        key,
        connector: None,
        plug: Some(PlugNo(2)),
        state: OrderState::Recorded,
        flags: Flags::default(),
        card: None,
        transaction: None,
        opened: Stamp::default(),
        started_s: Some(START_S),
        meter_start: None,
        progress: None,
        ending: Some(Ending {
            ended_s: Some(START_S + 3600),
            meter_start: None,
            meter_stop: None,
            energy: Energy::from_wh(24_680),
            cost: Some(Money::from_tenth_fen(43_215)),
            reason: 0,
            recorded: Stamp::default(),
            original: None,
        }),
        start: None,
        metering: None,
        deliveries: Vec::new(),
    }
}

/// With another ending.
fn ending(change: impl FnOnce(&mut Ending)) -> Order {
    let mut order = ended();
    change(order.ending.as_mut().unwrap());
    order
}

fn record(order: &Order, settings: &Settings) -> Record {
    let mut cutter = Cutter::new(LENGTH_LIMIT);
    cutter.push(&freeze(order, settings).unwrap());
    let message = Message::decode(&cutter.cut().unwrap()).unwrap();
    assert!(!cutter.is_amid());
    let Some(Message::Record(record)) = message else { panic!("{message:?}") };
    record
}

#[track_caller]
fn refused(order: &Order) -> String {
    freeze(order, &settings()).unwrap_err().to_string()
}

#[test]
fn an_order_becomes_a_record_under_its_id_and_the_same_every_time() {
    let order = ended();
    let told = record(&order, &settings());
    assert_eq!((told.pile.as_str(), told.gun), ("3101150012000001", 2));
    assert_eq!(told.trade.as_str(), order.id.as_str());
    assert_eq!((told.start_s, told.end_s), (1_795_000_000, 1_795_003_600));
    // Amounts are rounded half up from 0.1 fen.
    assert_eq!((told.energy_wh, told.amount_fen, told.service_fen), (24_680, 4322, 0));
    assert_eq!(freeze(&order, &settings()), freeze(&order, &settings()));
}

#[test]
fn what_is_missing_or_outside_of_its_range_is_refused_by_its_field() {
    let missing_start = Order { started_s: None, ..ended() };
    assert_eq!(refused(&missing_start), "start cannot be carried: unknown");
    assert_eq!(refused(&Order { ending: None, ..ended() }), "end cannot be carried: unknown");
    assert_eq!(refused(&ending(|e| e.ended_s = None)), "end cannot be carried: unknown");
    assert_eq!(refused(&Order { plug: None, ..ended() }), "gun cannot be carried: unknown");
    let plug = Some(PlugNo(256));
    assert_eq!(refused(&Order { plug, ..ended() }), "gun cannot be carried: 256");
    let late = ending(|e| e.ended_s = Some(1 << 32));
    assert_eq!(refused(&late), "end cannot be carried: 4294967296");
    let early = Order { started_s: Some(-1), ..ended() };
    assert_eq!(refused(&early), "start cannot be carried: -1");
    let owed = ending(|e| e.cost = Some(Money::from_tenth_fen(-10)));
    assert_eq!(refused(&owed), "amount cannot be carried: -1");
    let much = ending(|e| e.energy = Energy::from_wh(1 << 32));
    assert_eq!(refused(&much), "energy cannot be carried: 4294967296");
}

#[test]
fn what_the_server_is_known_to_drop_is_not_wanted() {
    let empty = ending(|e| e.energy = Energy::default());
    let at_once = ending(|e| e.ended_s = Some(START_S));
    let backwards = ending(|e| e.ended_s = Some(START_S - 1));
    for order in [empty, at_once, backwards] {
        let unfit = freeze(&order, &settings()).unwrap_err();
        assert!(matches!(unfit, Unfit::Unwanted { .. }), "{unfit}");
    }
}

/// With a bill of two periods, each with a service fee.
fn billed(change: impl FnOnce(&mut Ending)) -> Order {
    let bill = |servicecost| CostBill { electriccost: 1000, servicecost, ..CostBill::default() };
    let cost = Cost { bills: vec![bill(700), bill(501)], ..Cost::default() };
    let stop = StopTransactionReq { cost: Some(cost), ..StopTransactionReq::default() };
    let code = u8::try_from(i32::from(MessageId::IdStopTransactionReq)).unwrap();
    let body = stop.encode_to_vec().into();
    ending(|ending| {
        ending.original = Some(Original { revision: Revision::V1_10, code, body });
        change(ending);
    })
}

#[test]
fn the_service_fee_is_the_bills_and_the_amount_has_it_or_not_as_it_is_set() {
    let amounts = |order: &Order, amount_includes_service| {
        let told = record(order, &Settings { amount_includes_service, ..settings() });
        (told.amount_fen, told.service_fen)
    };
    let order = billed(|_| {});
    assert_eq!(amounts(&order, true), (4322, 1201));
    assert_eq!(amounts(&order, false), (4322 - 1201, 1201));
    let without_total = billed(|ending| ending.cost = None);
    assert_eq!(amounts(&without_total, true), (3201, 1201));
    let rebate = billed(|ending| ending.cost = Some(Money::from_fen(1000)));
    assert_eq!(amounts(&rebate, true), (1000, 1201));
    let settings = Settings { amount_includes_service: false, ..settings() };
    assert_eq!(
        freeze(&rebate, &settings).unwrap_err().to_string(),
        "amount without service fee cannot be carried: 1000 less 1201 fen"
    );
}

#[test]
fn an_order_without_cost_and_bill_is_told_with_the_amount_0() {
    assert_eq!(record(&ending(|e| e.cost = None), &settings()).amount_fen, 0);
}
