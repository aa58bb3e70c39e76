//! The controller as the backend of its piles.

use super::{AT, ORDER, assert_same, original, sealed, vector};
use crate::{
    domain::{
        card::Verdict,
        connector::ConnectorState,
        event::{PileAnswer, PileEvent, PileNotice, PileRequest},
        id::{CallId, ConnectionId, OrderId, PlugNo, RecordNo, RequestId, StartToken},
        order::EndKind,
        quantity::{Energy, Money},
        reply::{PileCall, PileReply, ToPile},
        time::{Mono, PileTime},
        wire::{ErrorCode, Revision},
    },
    protocol::charger::{
        backend,
        topic::Class,
        wire::v1_10::{self as wire, MessageId},
    },
};

const CONNECTION: ConnectionId = ConnectionId(3);

fn event(name: &str) -> PileEvent {
    backend::decode(CONNECTION, Class::Command, &vector(name)).unwrap().event
}

fn request(name: &str) -> PileRequest {
    match event(name) {
        PileEvent::Requested { id, request } => {
            assert_eq!(id.connection, CONNECTION);
            request
        }
        other => panic!("{other:?}"),
    }
}

/// A message of a pile as this test writes it.
fn sent<M: prost::Message>(id: MessageId, message: &M) -> PileEvent {
    let code = u8::try_from(i32::from(id)).unwrap();
    let bytes = sealed(code, 5, None, message);
    backend::decode(CONNECTION, Class::Command, &bytes).unwrap().event
}

fn start_of(message: &wire::StartTransactionReq) -> crate::domain::order::StartReport {
    match sent(MessageId::IdStartTransactionReq, message) {
        PileEvent::Requested { request: PileRequest::Start(start), .. } => start,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_boot_is_read() {
    let PileRequest::Boot { nameplate, original } = request("pile-boot") else { panic!() };
    assert_eq!((nameplate.firmware.as_str(), original.code), ("2.1", 1));
    assert_eq!((nameplate.serial.as_str(), nameplate.model.as_str()), ("ZD240117001", "DC"));
    let id = RequestId { connection: CONNECTION, sequence: 1 };
    assert!(matches!(event("pile-boot"), PileEvent::Requested { id: found, .. } if found == id));
}

#[test]
fn plain_requests_are_read() {
    assert_eq!(request("pile-heartbeat"), PileRequest::Heartbeat);
    assert_eq!(request("pile-tariff-wanted"), PileRequest::Tariff);
    let PileRequest::Pass(log) = request("pile-log-status") else { panic!() };
    assert_eq!(log.original, original("pile-log-status"));
    let PileRequest::Authorize { card, .. } = request("pile-authorize") else { panic!() };
    assert_eq!(card.as_str(), "8812");
    let PileRequest::Warning { plug, code, cleared, .. } = request("pile-warning") else {
        panic!()
    };
    assert_eq!((plug, code, cleared), (Some(PlugNo(1)), 1030, false));
    let PileRequest::Status { plug, state, .. } = request("pile-status") else { panic!() };
    assert_eq!((plug, state), (PlugNo(1), 2));
}

#[test]
fn a_start_is_read_and_its_meter_rounded_half_up() {
    let PileRequest::Start(start) = request("pile-start") else { panic!() };
    assert_eq!(start.record.as_str(), "17");
    assert_eq!(start.plug, PlugNo(1));
    assert_eq!(start.card.unwrap().as_str(), "8812");
    assert_eq!(start.token.unwrap().as_str(), "tok-1");
    assert_eq!(start.meter, Some(Energy::from_wh(1_042_210)));
    assert_eq!(start.at, PileTime::Known(AT));
    assert_eq!(start.original, original("pile-start"));
}

#[test]
fn a_stop_is_read() {
    let PileRequest::End(end) = request("pile-stop") else { panic!() };
    assert_eq!(end.record.as_str(), "17");
    assert_eq!((end.kind, end.started), (EndKind::Stop, PileTime::Unknown));
    assert_eq!(end.plug, Some(PlugNo(1)));
    assert_eq!(end.token.unwrap().as_str(), ORDER);
    assert_eq!((end.meter_start, end.meter_stop), (None, Some(Energy::from_wh(1_054_250))));
    assert_eq!(end.ended, PileTime::Known(AT + 3600));
    assert_eq!(end.cost, Some(Money::from_fen(2470)));
    assert_eq!(end.reason, 1);
}

#[test]
fn a_whole_order_is_read() {
    let PileRequest::End(end) = request("pile-transaction") else { panic!() };
    assert_eq!((end.kind, end.started), (EndKind::Whole, PileTime::Known(AT)));
    assert_eq!(end.meter_start, Some(Energy::from_wh(1_042_210)));
    assert_eq!(end.meter_stop, Some(Energy::from_wh(1_054_250)));
    assert_eq!(end.card.unwrap().as_str(), "8812");
}

#[test]
fn notices_have_no_answer() {
    let PileEvent::Told(PileNotice::Progress(info)) = event("pile-charging") else { panic!() };
    assert_eq!((info.record.as_str(), info.plug), ("17", PlugNo(1)));
    assert_eq!(info.energy, Some(Energy::from_wh(2500)));
    assert_eq!(info.state, Some(ConnectorState::Charging));
    assert_eq!(info.cost, Some(Money::from_fen(512)));
    let PileEvent::Told(PileNotice::Telemetry { plug, status, .. }) = event("pile-telemetry")
    else {
        panic!()
    };
    assert_eq!((plug, status), (Some(PlugNo(1)), Some(3)));
    let PileEvent::Told(PileNotice::Telemetry { status, .. }) = event("pile-meter-values") else {
        panic!()
    };
    assert_eq!(status, None);
}

#[test]
fn answers_carry_the_call() {
    let answer = |name| match event(name) {
        PileEvent::Answered { call, answer } => (call, answer),
        other => panic!("{other:?}"),
    };
    let (call, said) = answer("pile-remote-start-conf");
    assert_eq!(call, CallId(13));
    assert!(matches!(said, PileAnswer::RemoteStart { accepted: false, .. }));
    assert_eq!(answer("pile-remote-stop-conf").1, PileAnswer::RemoteStop { accepted: true });
    assert_eq!(answer("pile-tariff-conf").1, PileAnswer::Tariff { accepted: false });
    assert_eq!(answer("pile-error"), (CallId(16), PileAnswer::Error(ErrorCode::TypeViolation)));
}

#[test]
fn an_order_without_a_usable_number_gets_one() {
    let nameless = wire::StartTransactionReq { timestamp: AT, ..Default::default() };
    let record = start_of(&nameless).record;
    assert!(record.as_str().starts_with("unnamed-"), "{record}");
    assert_eq!(record.as_str().len(), "unnamed-".len() + 16);
    assert_eq!(record, start_of(&nameless).record, "a repetition is the same order");
    let later = wire::StartTransactionReq { timestamp: AT + 1, ..nameless };
    assert_ne!(record, start_of(&later).record);
}

#[test]
fn start_and_stop_with_the_same_unusable_number_belong_together() {
    let record_id = "x".repeat(65);
    let start = wire::StartTransactionReq { record_id: record_id.clone(), ..Default::default() };
    let stop = wire::StopTransactionReq { record_id, ..Default::default() };
    let PileEvent::Requested { request: PileRequest::End(end), .. } =
        sent(MessageId::IdStopTransactionReq, &stop)
    else {
        panic!()
    };
    assert_eq!(start_of(&start).record, end.record);
}

#[test]
fn senseless_meters_are_no_meters() {
    for meter_start in [f64::NAN, f64::INFINITY, -1.0, 1.1e9] {
        let start = wire::StartTransactionReq { meter_start, ..Default::default() };
        assert_eq!(start_of(&start).meter, None, "{meter_start}");
    }
    for (meter_start, wh) in [(0.0, 0), (0.49, 0), (0.5, 10), (1e9, 10_000_000_000)] {
        let start = wire::StartTransactionReq { meter_start, ..Default::default() };
        assert_eq!(start_of(&start).meter, Some(Energy::from_wh(wh)), "{meter_start}");
    }
}

#[test]
fn a_plug_that_is_no_number_is_none_that_exists() {
    for (text, number) in [("", 0), ("A", 0), ("70000", 0), ("-1", 0), (" 02 ", 2)] {
        let start = wire::StartTransactionReq { connector_id: text.into(), ..Default::default() };
        assert_eq!(start_of(&start).plug, PlugNo(number), "{text:?}");
    }
}

fn order() -> OrderId {
    OrderId::new(ORDER).unwrap()
}

fn record() -> RecordNo {
    RecordNo::new("17").unwrap()
}

fn answered(sequence: u64, reply: PileReply) -> bytes::Bytes {
    let message = ToPile::Answer { id: RequestId { connection: CONNECTION, sequence }, reply };
    let (class, bytes) = backend::encode(&message, Revision::V1_10, Some(AT)).unwrap().unwrap();
    assert_eq!(class, Class::Command);
    bytes
}

#[test]
fn plain_answers_are_written() {
    let boot = PileReply::Boot { accepted: true, time_s: Some(AT), interval_s: 30 };
    assert_same(&answered(1, boot), &vector("boot-conf"));
    assert_same(&answered(2, PileReply::Heartbeat), &vector("heartbeat-conf"));
    let warning = PileReply::Warning { code: 1030, cleared: false };
    assert_same(&answered(11, warning), &vector("warning-conf"));
    assert_same(&answered(12, PileReply::Status { plug: PlugNo(1) }), &vector("status-conf"));
    let stop = PileReply::Stop {
        order: Some(order()),
        plug: Some(PlugNo(1)),
        cost: Some(Money::from_fen(2470)),
    };
    assert_same(&answered(7, stop), &vector("stop-conf"));
    let whole = PileReply::Transaction { record: record(), plug: Some(PlugNo(1)) };
    assert_same(&answered(8, whole), &vector("transaction-conf"));
}

#[test]
fn what_the_backend_said_of_a_card_reaches_the_pile_without_its_id() {
    let backend = Some(original("cloud-authorize-conf"));
    let reply = PileReply::Authorize { verdict: Verdict::NotHere, backend };
    assert_same(&answered(4, reply), &vector("authorize-conf"));
}

#[test]
fn what_the_backend_said_of_a_start_reaches_the_pile_with_the_sites_ids() {
    let reply = PileReply::Start {
        order: order(),
        record: record(),
        plug: PlugNo(1),
        verdict: Verdict::Accepted,
        backend: Some(original("cloud-start-conf")),
    };
    assert_same(&answered(5, reply), &vector("start-conf"));
}

#[test]
fn the_sites_verdict_stands_above_the_backends() {
    let backend = Some(original("cloud-authorize-conf"));
    let bytes = answered(4, PileReply::Authorize { verdict: Verdict::Blocked, backend });
    let text = readable(&bytes);
    assert!(text.contains("status: AsBlocked"), "{text}");
}

#[test]
fn a_record_number_of_the_sites_making_is_not_shown() {
    let nameless = start_of(&wire::StartTransactionReq::default()).record;
    let text = readable(&answered(8, PileReply::Transaction { record: nameless, plug: None }));
    assert!(!text.contains("record_id"), "{text}");
}

#[test]
fn an_unset_clock_is_not_given_to_a_pile() {
    let reply = PileReply::Boot { accepted: true, time_s: None, interval_s: 30 };
    let id = RequestId { connection: CONNECTION, sequence: 1 };
    let (_, bytes) =
        backend::encode(&ToPile::Answer { id, reply }, Revision::V1_10, None).unwrap().unwrap();
    let text = readable(&bytes);
    assert!(text.contains("timestamp 0"), "{text}");
    assert!(!text.contains("current_time"), "{text}");
}

fn called(call: u64, request: PileCall) -> bytes::Bytes {
    let (connection, expires) = (CONNECTION, Mono(0));
    let message = ToPile::Call { connection, call: CallId(call), request, expires };
    backend::encode(&message, Revision::V1_10, Some(AT)).unwrap().unwrap().1
}

#[test]
fn requests_of_the_backend_reach_the_pile_with_the_sites_ids() {
    let start = PileCall::RemoteStart {
        plug: PlugNo(1),
        token: StartToken::new("tok-1").unwrap(),
        card: None,
        backend: Some(original("cloud-remote-start")),
    };
    assert_same(&called(13, start), &vector("remote-start-to-pile"));
    let stop = PileCall::RemoteStop {
        order: order(),
        plug: Some(PlugNo(1)),
        backend: Some(original("cloud-remote-stop")),
    };
    assert_same(&called(14, stop), &vector("remote-stop-to-pile"));
    assert_same(&called(3, PileCall::Tariff(original("cloud-tariff"))), &vector("cloud-tariff"));
}

#[test]
fn a_tariff_that_is_none_is_not_sent() {
    let (connection, expires) = (CONNECTION, Mono(0));
    let request = PileCall::Tariff(original("pile-boot"));
    let message = ToPile::Call { connection, call: CallId(1), request, expires };
    let error = backend::encode(&message, Revision::V1_10, None).unwrap_err();
    assert_eq!(error.to_string(), "SetTariffReq to pass on: found code 0x01");
}

fn readable(bytes: &[u8]) -> String {
    let revision = crate::domain::wire::Revision::V1_10;
    crate::protocol::charger::readable::decode(revision, bytes).unwrap()
}
