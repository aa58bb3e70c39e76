//! The controller as a station of a backend.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{AT, ORDER, assert_same, original, pile, sealed, sealed_body, vector};
use crate::{
    domain::{
        card::Verdict,
        event::{
            HistoryLevel, HistoryQuery, Named, TriggerKind, UplinkAnswer, UplinkEvent,
            UplinkRequest,
        },
        id::{
            CardNo, ConnectorNo, KeyTime, OrderId, OrderKey, OrderSeq, PlugNo, RecordNo, Sequence,
            TransactionId,
        },
        order::{Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
        reply::{OrderRef, ToUplink, UplinkMessage, UplinkReply, Urgency},
        time::Stamp,
        wire::{ErrorCode, Original, Revision},
    },
    protocol::charger::{
        apdu::{Apdu, RECEIVED_LIMIT},
        registration::{registration_answer, registration_request},
        station::{self, ELEC_DATA_UNIT, Settings},
        topic::Class,
        wire::v1_10::{self as wire, MessageId},
    },
};

fn connector() -> ConnectorNo {
    ConnectorNo::new(12).unwrap()
}

pub fn settings() -> Settings {
    Settings {
        revision: Revision::V1_10,
        part_number: "SITEPILOT-1".into(),
        serial: "SP-000123".into(),
        vendor: "ACME".into(),
        elec_data_unit: ELEC_DATA_UNIT,
        connectors: BTreeMap::from([
            (connector(), (pile(), 1)),
            (ConnectorNo::new(13).unwrap(), (pile(), 2)),
        ]),
    }
}

/// The order that the pile's vectors tell of, recorded.
pub fn order() -> Order {
    Order {
        seq: OrderSeq(1),
        key: OrderKey { pile: pile(), record: RecordNo::new("17").unwrap(), started: KeyTime(AT) },
        id: OrderId::new(ORDER).unwrap(),
        connector: Some(connector()),
        plug: Some(PlugNo(1)),
        state: OrderState::Recorded,
        flags: Flags::default(),
        card: Some(CardNo::new("8812").unwrap()),
        transaction: Some(TransactionId::new("T-77").unwrap()),
        opened: Stamp::default(),
        started_s: Some(AT),
        meter_start: Some(Energy::from_wh(1_042_210)),
        progress: None,
        ending: Some(Ending {
            ended_s: Some(AT + 3600),
            meter_start: Some(Energy::from_wh(1_042_210)),
            meter_stop: Some(Energy::from_wh(1_054_250)),
            energy: Energy::from_wh(12_040),
            cost: Some(Money::from_fen(2470)),
            reason: 1,
            recorded: Stamp::default(),
            original: Some(original("pile-stop")),
        }),
        start: Some(original("pile-start")),
        metering: None,
        deliveries: Vec::new(),
    }
}

pub fn reference() -> OrderRef {
    let order = order();
    OrderRef {
        id: order.id,
        transaction: order.transaction,
        pile: pile(),
        connector: order.connector,
        started_s: order.started_s,
        meter_start: None,
    }
}

fn told(sequence: u64, message: UplinkMessage) -> (Class, Bytes) {
    let message = ToUplink { sequence: Sequence(sequence), message, urgency: Urgency::Live };
    station::encode(&message, &settings(), Some(AT)).unwrap().unwrap()
}

fn replied(sequence: u64, reply: UplinkReply) -> Bytes {
    told(sequence, UplinkMessage::Answer(reply)).1
}

fn frozen(order: &Order) -> wire::TransactionReq {
    let payload = station::freeze_transaction(order, &settings());
    wire::TransactionReq::decode(payload).unwrap()
}

#[test]
fn the_boot_names_the_station() {
    let apdu = Apdu::decode(&vector("up-boot")).unwrap();
    let mut boot = wire::BootNotificationReq::decode(apdu.body).unwrap();
    boot.firmware_version = env!("CARGO_PKG_VERSION").into();
    let wanted = sealed(apdu.code, apdu.sequence, Some(AT), &boot);
    assert_same(&told(21, UplinkMessage::Boot).1, &wanted);
}

#[test]
fn a_start_goes_up_with_the_sites_ids_and_rounded() {
    let message = UplinkMessage::Start {
        order: reference(),
        original: original("pile-start"),
        offline: true,
    };
    let (class, bytes) = told(25, message);
    assert_eq!(class, Class::Command);
    assert_same(&bytes, &vector("up-start"));
}

#[test]
fn a_start_of_a_pile_without_a_clock_carries_the_billed_time() {
    let start = wire::StartTransactionReq::default().encode_to_vec().into();
    let original = Original { revision: Revision::V1_10, code: 0x12, body: start };
    let message = UplinkMessage::Start { order: reference(), original, offline: false };
    let body = Apdu::decode(&told(1, message).1).unwrap().body;
    assert_eq!(wire::StartTransactionReq::decode(body).unwrap().timestamp, AT);
}

#[test]
fn charging_information_goes_up_as_telemetry() {
    let message =
        UplinkMessage::Progress { order: reference(), original: original("pile-charging") };
    let (class, bytes) = told(26, message);
    assert_eq!((class, class.qos()), (Class::Telemetry, 0));
    assert_same(&bytes, &vector("up-charging"));
}

#[test]
fn a_stop_goes_up_with_the_ledgers_figures() {
    let message = UplinkMessage::Stop { order: Box::new(order()) };
    assert_same(&told(27, message).1, &vector("up-stop"));
}

#[test]
fn start_and_stop_make_the_same_offline_order_as_the_whole_one() {
    let by_stop = station::freeze_transaction(&order(), &settings());
    let message = UplinkMessage::Transaction { pile: pile(), payload: by_stop.clone() };
    assert_same(&told(28, message).1, &vector("up-transaction"));
    let mut whole = order();
    whole.start = None;
    whole.ending.as_mut().unwrap().original = Some(original("pile-transaction"));
    assert_eq!(station::freeze_transaction(&whole, &settings()), by_stop);
}

#[test]
fn a_whole_order_can_be_told_as_a_stop() {
    let mut whole = order();
    whole.ending.as_mut().unwrap().original = Some(original("pile-transaction"));
    let apdu = Apdu::decode(&vector("up-stop")).unwrap();
    let mut wanted = wire::StopTransactionReq::decode(apdu.body).unwrap();
    // What a whole order carries in another place, or not at all.
    (wanted.seq, wanted.reservation_id) = (0, 5);
    wanted.vin = "LSVAA0000000000001".into();
    wanted.profile = Some(wire::CurrentChargingProfile { id: 3, ..Default::default() });
    wanted.id_data = frozen(&whole).id_data;
    let wanted = sealed(apdu.code, 27, Some(AT), &wanted);
    assert_same(&told(27, UplinkMessage::Stop { order: Box::new(whole) }).1, &wanted);
}

#[test]
fn an_order_the_site_closed_carries_the_start_and_the_ledgers_figures() {
    let mut closed = order();
    let ending = closed.ending.as_mut().unwrap();
    (ending.original, ending.meter_stop, ending.cost) = (None, None, None);
    ending.reason = 9;
    let whole = frozen(&closed);
    assert_eq!((whole.meter_start, whole.meter_stop), (104_221.0, 105_425.0));
    assert_eq!((whole.time_start, whole.time_stop), (AT, AT + 3600));
    assert_eq!((whole.reason, whole.cost), (9, None));
    assert_eq!(whole.service, i32::from(wire::ServiceMode::SmChargeByMoney));
    assert_eq!(whole.id_data.unwrap().customer, "c-1");
}

#[test]
fn an_order_nothing_is_kept_of_still_carries_its_figures() {
    let mut bare = order();
    (bare.start, bare.transaction, bare.connector, bare.meter_start) = (None, None, None, None);
    let ending = bare.ending.as_mut().unwrap();
    (ending.original, ending.meter_start, ending.meter_stop) = (None, None, None);
    let whole = frozen(&bare);
    assert_eq!((whole.meter_start, whole.meter_stop), (0.0, 1204.0));
    assert_eq!((whole.record_id.as_str(), whole.transaction_id.as_str()), (ORDER, ""));
    assert_eq!((whole.connector_id.as_str(), whole.evse_id.as_str()), ("", super::PILE));
    assert_eq!(whole.id_data.unwrap().id, "8812");
    assert_eq!(whole.cost.unwrap().totalcost, 2470);
}

#[test]
fn an_order_of_the_largest_start_and_stop_can_be_sent() {
    let largest = |id: MessageId, body: Vec<u8>| {
        let code = u8::try_from(i32::from(id)).unwrap();
        let sealed = sealed_body(code, 1, None, body.clone().into());
        assert_eq!(sealed.len(), RECEIVED_LIMIT);
        Some(Original { revision: Revision::V1_10, code, body: body.into() })
    };
    // 12 bytes are the envelope, and key and length of the text.
    let text = "x".repeat(RECEIVED_LIMIT - 12);
    let start = wire::StartTransactionReq { pin: text.clone(), ..Default::default() };
    let stop = wire::StopTransactionReq { tac: text, ..Default::default() };
    let mut order = order();
    order.start = largest(MessageId::IdStartTransactionReq, start.encode_to_vec());
    order.ending.as_mut().unwrap().original =
        largest(MessageId::IdStopTransactionReq, stop.encode_to_vec());
    let payload = station::freeze_transaction(&order, &settings());
    assert!(
        told(1, UplinkMessage::Transaction { pile: pile(), payload }).1.len() > 2 * RECEIVED_LIMIT
    );
}

#[test]
fn senseless_readings_of_the_pile_are_replaced_by_the_ledgers() {
    let mut order = order();
    let stop = wire::StopTransactionReq { meter_stop: f64::NAN, ..Default::default() };
    let ending = order.ending.as_mut().unwrap();
    ending.meter_stop = None;
    ending.original =
        Some(Original { revision: Revision::V1_10, code: 0x13, body: stop.encode_to_vec().into() });
    assert_eq!(frozen(&order).meter_stop, 105_425.0);
}

#[test]
fn what_piles_tell_goes_up_with_the_sites_ids() {
    let (connector, order) = (Some(connector()), Some(OrderId::new(ORDER).unwrap()));
    let telemetry = |name| UplinkMessage::Telemetry {
        pile: pile(),
        connector,
        order,
        original: original(name),
    };
    assert_same(&told(29, telemetry("pile-telemetry")).1, &vector("up-telemetry"));
    let values = Apdu::decode(&told(30, telemetry("pile-meter-values")).1).unwrap();
    let values = wire::MeterValuesReq::decode(values.body).unwrap();
    assert_eq!((values.transaction_id.as_str(), values.connector_id.as_str()), ("", "12"));
    let original = original("pile-warning");
    let warning = UplinkMessage::Warning { pile: pile(), connector, order, original };
    assert_same(&told(31, warning).1, &vector("up-warning"));
    let connector = connector.unwrap();
    let status = UplinkMessage::Status { pile: pile(), connector, state: 2 };
    assert_same(&told(32, status).1, &vector("up-status"));
}

#[test]
fn a_card_is_asked_for_as_the_pile_asked() {
    let original = original("pile-authorize");
    let message = UplinkMessage::Authorize { pile: pile(), original };
    assert_same(&told(4, message).1, &vector("pile-authorize"));
    assert_same(&told(3, UplinkMessage::TariffRequest).1, &vector("pile-tariff-wanted"));
    assert_same(&told(2, UplinkMessage::Heartbeat).1, &vector("pile-heartbeat"));
}

#[test]
fn answers_go_up() {
    let refused = UplinkReply::RemoteStart {
        accepted: false,
        reason: "plug in use".into(),
        pile: Some(original("pile-remote-start-conf")),
    };
    assert_same(&replied(33, refused), &vector("up-remote-start-conf"));
    assert_same(&replied(34, UplinkReply::History { count: 3 }), &vector("up-history-conf"));
    let list = UplinkReply::Cards { code: 0x40 };
    assert_same(&replied(35, list), &vector("up-list-conf"));
    let codes = [
        (UplinkReply::Cards { code: 0x1a }, 0x9a),
        (UplinkReply::ClearCards, 0xc8),
        (UplinkReply::RemoteStop { accepted: true, reason: String::new(), order: None }, 0x91),
        (UplinkReply::Tariff { accepted: true }, 0xb4),
        (UplinkReply::Trigger { accepted: true }, 0xa4),
        (UplinkReply::Error { code: ErrorCode::NotSupported, text: String::new() }, 0xff),
    ];
    for (reply, code) in codes {
        assert_eq!(Apdu::decode(&replied(1, reply.clone())).unwrap().code, code, "{reply:?}");
    }
}

#[test]
fn a_refused_remote_start_has_a_reason() {
    let reply = UplinkReply::RemoteStart { accepted: false, reason: "too late".into(), pile: None };
    let body = Apdu::decode(&replied(1, reply)).unwrap().body;
    let conf = wire::RemoteStartTransactionConf::decode(body).unwrap();
    assert_eq!((conf.status, conf.reason, conf.reason_desc.as_str()), (1, 12, "too late"));
}

fn answer(name: &str) -> UplinkAnswer {
    match station::decode(Class::Command, &vector(name), &settings()).unwrap() {
        UplinkEvent::Answered { answer, at_s, .. } => {
            assert_eq!(at_s, AT);
            answer
        }
        other => panic!("{other:?}"),
    }
}

fn request(name: &str) -> UplinkRequest {
    match station::decode(Class::Command, &vector(name), &settings()).unwrap() {
        UplinkEvent::Requested { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_of_the_backend_are_read_with_all_they_name() {
    let boot = UplinkAnswer::Boot { status: 1, time_s: AT, interval_s: 60 };
    assert_eq!(answer("cloud-boot-conf"), boot);
    let UplinkAnswer::Authorize { verdict, .. } = answer("cloud-authorize-conf") else { panic!() };
    assert_eq!(verdict, Verdict::NotHere);
    let UplinkAnswer::Start { transaction, order, connector: at, verdict, .. } =
        answer("cloud-start-conf")
    else {
        panic!()
    };
    assert_eq!(transaction.unwrap().as_str(), "T-77");
    assert_eq!(order, Named::This(OrderId::new(ORDER).unwrap()));
    assert_eq!((at, verdict), (Named::This(connector()), Verdict::Accepted));
    let stop = UplinkAnswer::Stop {
        transaction: Named::This(TransactionId::new("T-77").unwrap()),
        connector: Named::This(connector()),
        cost: Money::from_fen(2470),
        original: original("cloud-stop-conf"),
    };
    assert_eq!(answer("cloud-stop-conf"), stop);
    let (order, connector) = (Named::Foreign, Named::This(connector()));
    let transaction = UplinkAnswer::Transaction { status: 2, order, connector };
    assert_eq!(answer("cloud-transaction-conf"), transaction);
    let error = UplinkAnswer::Error { code: ErrorCode::Internal, text: "database".into() };
    assert_eq!(answer("cloud-error"), error);
}

#[test]
fn silence_on_a_card_is_no_yes_but_silence_on_a_start_is() {
    let verdict = |id: MessageId| {
        let code = u8::try_from(i32::from(id)).unwrap();
        let bytes = sealed_body(code, 1, None, Bytes::new());
        match station::decode(Class::Command, &bytes, &settings()).unwrap() {
            UplinkEvent::Answered {
                answer:
                    UplinkAnswer::Authorize { verdict, .. } | UplinkAnswer::Start { verdict, .. },
                ..
            } => verdict,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(verdict(MessageId::IdAuthorizeConf), Verdict::Unknown);
    assert_eq!(verdict(MessageId::IdStartTransactionConf), Verdict::Accepted);
}

#[test]
fn requests_of_the_backend_are_read() {
    let UplinkRequest::RemoteStart(start) = request("cloud-remote-start") else { panic!() };
    assert_eq!(start.connector, Some(connector()));
    assert_eq!(start.transaction.unwrap().as_str(), "T-77");
    assert_eq!(start.card.unwrap().as_str(), "8812");
    let stop = UplinkRequest::RemoteStop {
        transaction: Some(TransactionId::new("T-77").unwrap()),
        connector: Some(connector()),
        card: None,
        original: Some(original("cloud-remote-stop")),
    };
    assert_eq!(request("cloud-remote-stop"), stop);
    let tariff = UplinkRequest::Tariff { id: 7, original: original("cloud-tariff") };
    assert_eq!(request("cloud-tariff"), tariff);
    let history = HistoryQuery {
        level: HistoryLevel::Unsettled,
        connector: None,
        from_s: Some(AT - 86400),
        until_s: Some(AT),
    };
    assert_eq!(request("cloud-history"), UplinkRequest::History(history));
    let trigger = UplinkRequest::Trigger { what: TriggerKind::Boot, connector: Some(connector()) };
    assert_eq!(request("cloud-trigger"), trigger);
    assert_eq!(request("cloud-clear-cache"), UplinkRequest::ClearCards);
    let UplinkRequest::Pass(reserve) = request("cloud-reserve") else { panic!() };
    assert_eq!(reserve.original, original("cloud-reserve"));
    assert_eq!(reserve.address.connectors, [connector()].into());
    let card = |text| CardNo::new(text).unwrap();
    let cards = UplinkRequest::Cards {
        code: 0x40,
        replaces_all: true,
        cards: vec![(card("8812"), Verdict::Accepted), (card("8813"), Verdict::NoCredit)],
    };
    assert_eq!(request("cloud-list"), cards);
}

#[test]
fn a_repetition_has_the_same_digest_and_another_request_has_not() {
    let digest = |name| match station::decode(Class::Command, &vector(name), &settings()) {
        Ok(UplinkEvent::Requested { digest, .. }) => digest,
        other => panic!("{other:?}"),
    };
    assert_eq!(digest("cloud-remote-start"), digest("cloud-remote-start"));
    assert_ne!(digest("cloud-remote-start"), digest("cloud-remote-stop"));
}

#[test]
fn an_account_is_asked_for_and_given() {
    let bytes = registration_request(&settings(), "secret-code").unwrap();
    let apdu = Apdu::decode(&bytes).unwrap();
    assert_eq!(apdu.code, 0x0a);
    let request = wire::DeviceRegistrationReq::decode(apdu.body).unwrap();
    assert_eq!(request.registration_code, "secret-code");
    assert_eq!(request.connector_number, [2]);
    let given = registration_answer(&vector("cloud-registration-conf")).unwrap();
    assert!(given.is_accepted());
    assert_eq!((given.device_code.as_str(), given.password.as_str()), ("D-1", "p"));
    let shown = format!("{given:?}");
    assert!(!shown.contains("password"), "{shown}");
    let error = registration_answer(&vector("cloud-error")).unwrap_err();
    assert!(error.to_string().contains("database"), "{error}");
}

/// Recorded orders with any figures, and any or no messages of the pile.
fn orders() -> impl Strategy<Value = Order> {
    let figures = (0..u32::MAX, 0..u32::MAX, any::<Option<i32>>(), any::<i32>());
    let times = (any::<Option<i64>>(), any::<Option<i64>>());
    let starts = prop::sample::select(vec![None, Some("pile-start"), Some("pile-boot")]);
    let ends = prop::sample::select(vec![None, Some("pile-stop"), Some("pile-transaction")]);
    (figures, times, starts, ends).prop_map(|((meter, energy, fen, reason), times, start, end)| {
        let units = |units: u32| Energy::from_wh(u64::from(units) * 10);
        let (started_s, ended_s) = times;
        let meter_stop = units(meter).saturating_add(units(energy));
        let ending = Ending {
            ended_s,
            meter_start: Some(units(meter)),
            meter_stop: Some(meter_stop),
            energy: units(energy),
            cost: fen.map(Money::from_fen),
            reason,
            recorded: Stamp::default(),
            original: end.map(original),
        };
        Order { started_s, ending: Some(ending), start: start.map(original), ..order() }
    })
}

proptest! {
    /// What a backend reads in an offline order is what the ledger has, whatever the pile said.
    #[test]
    fn a_frozen_order_says_what_the_ledger_says(order in orders()) {
        let payload = station::freeze_transaction(&order, &settings());
        prop_assert_eq!(&payload, &station::freeze_transaction(&order, &settings()));
        let whole = wire::TransactionReq::decode(payload).unwrap();
        let ending = order.ending.unwrap();
        prop_assert_eq!(whole.record_id, ORDER);
        prop_assert_eq!(whole.transaction_id, "T-77");
        prop_assert_eq!((whole.evse_id.as_str(), whole.connector_id.as_str()), (super::PILE, "12"));
        prop_assert!(order.started_s.is_none_or(|s| s == whole.time_start));
        prop_assert!(ending.ended_s.is_none_or(|s| s == whole.time_stop));
        prop_assert_eq!(whole.reason, ending.reason);
        let total = whole.cost.map(|cost| Money::from_fen(cost.totalcost));
        prop_assert!(ending.cost.is_none() || total == ending.cost);
        let units = |energy: Energy| f64::from(u32::try_from(energy.wh() / 10).unwrap_or(u32::MAX));
        prop_assert_eq!(whole.meter_start, units(ending.meter_start.unwrap()));
        prop_assert_eq!(whole.meter_stop, units(ending.meter_stop.unwrap()));
    }
}
