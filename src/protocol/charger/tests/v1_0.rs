//! Revision 1.0, alone and under or above 1.10.

use bytes::Bytes;
use prost::Message;

use super::{AT, ORDER, assert_same, cloud, golden, kept, original, pile, vector, vectors};
use crate::{
    domain::{
        card::Verdict,
        event::{
            Named, PileEvent, PileNotice, PileRequest, UplinkAnswer, UplinkEvent, UplinkRequest,
        },
        id::{
            CallId, ConnectionId, ConnectorNo, OrderId, PlugNo, RecordNo, RequestId, Sequence,
            StartToken,
        },
        order::{EndKind, Order},
        quantity::{Energy, Money},
        reply::{PileCall, PileReply, ToPile, ToUplink, UplinkMessage, UplinkReply, Urgency},
        time::{Mono, PileTime},
        wire::{ErrorCode, Original, Revision},
    },
    protocol::charger::{
        apdu::Apdu,
        backend,
        error::EncodeError,
        message::Outgoing,
        readable,
        registration::{registration_answer, registration_request},
        station::{self, Settings},
        table,
        topic::Class,
        wire::v1_0 as wire,
    },
};

const CONNECTION: ConnectionId = ConnectionId(3);

fn vector_1_0(name: &str) -> Bytes {
    vectors::vector(golden::V1_0, name)
}

fn original_1_0(name: &str) -> Original {
    kept(&vector_1_0(name))
}

fn event(name: &str) -> PileEvent {
    let said = backend::decode(CONNECTION, Class::Command, &vector_1_0(name)).unwrap();
    assert_eq!(said.revision, Revision::V1_0);
    said.event
}

fn request(name: &str) -> PileRequest {
    match event(name) {
        PileEvent::Requested { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

fn answered(sequence: u64, reply: PileReply) -> Option<Bytes> {
    let message = ToPile::Answer { id: RequestId { connection: CONNECTION, sequence }, reply };
    backend::encode(&message, Revision::V1_0, Some(AT)).unwrap().map(|(_, bytes)| bytes)
}

fn settings(revision: Revision) -> Settings {
    Settings { revision, ..cloud::settings() }
}

fn told(revision: Revision, sequence: u64, message: UplinkMessage) -> Option<Bytes> {
    let message = ToUplink { sequence: Sequence(sequence), message, urgency: Urgency::Live };
    station::encode(&message, &settings(revision), Some(AT)).unwrap().map(|(_, bytes)| bytes)
}

fn heard(name: &str) -> UplinkEvent {
    station::decode(Class::Command, &vector_1_0(name), &settings(Revision::V1_0)).unwrap()
}

/// The recorded order of a pile of 1.0.
fn order_1_0() -> Order {
    let mut order = cloud::order();
    order.start = Some(original_1_0("pile-start"));
    order.ending.as_mut().unwrap().original = Some(original_1_0("pile-stop"));
    order
}

/// The two files are written from the same messages by Python, which leaves out of 1.0 what 1.0
/// does not have.
#[test]
fn a_message_of_1_10_becomes_what_can_be_said_of_it_in_1_0() {
    let mut carried = 0;
    for new in vectors::vectors(golden::V1_10) {
        let names = vectors::vectors(golden::V1_0).into_iter();
        // Each names its own revision.
        let Some(old) = names.filter(|old| old.name != "up-boot").find(|old| old.name == new.name)
        else {
            continue;
        };
        let Apdu { sequence, at_s, .. } = Apdu::decode(&new.bytes).unwrap();
        let carried_over = Outgoing::kept(kept(&new.bytes));
        let sealed = carried_over.seal(Revision::V1_0, sequence, Some(at_s)).unwrap();
        assert_same(&sealed.unwrap(), &old.bytes);
        carried += 1;
    }
    assert!(carried > 35, "{carried} are in both files");
}

#[test]
fn a_pile_of_1_0_is_understood() {
    let PileRequest::Start(start) = request("pile-start") else { panic!() };
    assert_eq!((start.plug, start.meter), (PlugNo(1), Some(Energy::from_wh(1_042_210))));
    assert_eq!((start.at, start.original), (PileTime::Known(AT), original_1_0("pile-start")));
    let PileRequest::End(whole) = request("pile-transaction") else { panic!() };
    assert_eq!((whole.kind, whole.plug), (EndKind::Whole, Some(PlugNo(1))));
    assert_eq!((whole.started, whole.ended), (PileTime::Known(AT), PileTime::Known(AT + 3600)));
    let PileRequest::Warning { plug, code, cleared, .. } = request("pile-warning") else {
        panic!()
    };
    assert_eq!((plug, code, cleared), (Some(PlugNo(1)), 1030, false));
    let PileEvent::Told(PileNotice::Telemetry { status, .. }) = event("pile-telemetry") else {
        panic!()
    };
    assert_eq!(status, Some(3));
}

#[test]
fn a_stop_of_1_0_says_neither_connector_nor_start() {
    let PileRequest::End(stop) = request("pile-stop") else { panic!() };
    assert_eq!((stop.kind, stop.plug, stop.started), (EndKind::Stop, None, PileTime::Unknown));
    assert_eq!(stop.record, RecordNo::new("17").unwrap());
    assert_eq!(stop.token.unwrap().as_str(), ORDER);
    assert_eq!((stop.cost, stop.reason), (Some(Money::from_fen(2470)), 1));
}

#[test]
fn a_stop_reason_is_told_by_its_number_in_1_10() {
    let stop = wire::StopTransactionReq { reason: 99_999_999, ..Default::default() };
    let apdu =
        wire::Apdu { message_id: 0x13, payload: stop.encode_to_vec().into(), ..Default::default() };
    let said = backend::decode(CONNECTION, Class::Command, &apdu.encode_to_vec()).unwrap();
    let PileEvent::Requested { request: PileRequest::End(end), .. } = said.event else { panic!() };
    assert_eq!(readable::stop_reason(end.reason), Some("Server_Error"));
}

#[test]
fn a_pile_of_1_0_is_answered() {
    let order = OrderId::new(ORDER).unwrap();
    let record = RecordNo::new("17").unwrap();
    let boot = PileReply::Boot { accepted: true, time_s: Some(AT), interval_s: 30 };
    assert_same(&answered(1, boot).unwrap(), &vector_1_0("boot-conf"));
    let cost = Some(Money::from_fen(2470));
    let stop = PileReply::Stop { order: Some(order), plug: None, cost };
    assert_same(&answered(7, stop).unwrap(), &vector_1_0("stop-conf"));
    let whole = PileReply::Transaction { record: record.clone(), plug: Some(PlugNo(1)) };
    assert_same(&answered(8, whole).unwrap(), &vector_1_0("transaction-conf"));
    // What a backend of either revision said of a start.
    for backend in [original("cloud-start-conf"), original_1_0("cloud-start-conf")] {
        let (record, backend) = (record.clone(), Some(backend));
        let (plug, verdict) = (PlugNo(1), Verdict::Accepted);
        let start = PileReply::Start { order, record, plug, verdict, backend };
        assert_same(&answered(5, start).unwrap(), &vector_1_0("start-conf"));
    }
}

fn called(revision: Revision, call: u64, request: PileCall) -> Bytes {
    let (connection, expires) = (CONNECTION, Mono(0));
    let message = ToPile::Call { connection, call: CallId(call), request, expires };
    backend::encode(&message, revision, Some(AT)).unwrap().unwrap().1
}

#[test]
fn requests_of_either_cloud_reach_a_pile_of_1_0() {
    for kept in [original, original_1_0] {
        let (plug, token) = (PlugNo(1), StartToken::new("tok-1").unwrap());
        let start = PileCall::RemoteStart {
            plug,
            token,
            card: None,
            backend: Some(kept("cloud-remote-start")),
        };
        let start = called(Revision::V1_0, 13, start);
        assert_same(&start, &vector_1_0("remote-start-to-pile"));
        let (order, backend) = (OrderId::new(ORDER).unwrap(), Some(kept("cloud-remote-stop")));
        let stop = PileCall::RemoteStop { order, plug: Some(PlugNo(1)), backend };
        assert_same(&called(Revision::V1_0, 14, stop), &vector_1_0("remote-stop-to-pile"));
        let tariff = called(Revision::V1_0, 3, PileCall::Tariff(kept("cloud-tariff")));
        assert_same(&tariff, &vector_1_0("cloud-tariff"));
    }
}

#[test]
fn requests_of_a_cloud_of_1_0_reach_a_pile_of_1_10() {
    let tariff = PileCall::Tariff(original_1_0("cloud-tariff"));
    assert_same(&called(Revision::V1_10, 3, tariff), &vector("cloud-tariff"));
    let (plug, token) = (PlugNo(1), StartToken::new("tok-1").unwrap());
    let backend = Some(original_1_0("cloud-remote-start"));
    let start =
        called(Revision::V1_10, 13, PileCall::RemoteStart { plug, token, card: None, backend });
    assert_same(&start, &vector("remote-start-to-pile"));
}

#[test]
fn what_has_no_answer_in_1_0_gets_none() {
    assert_eq!(answered(11, PileReply::Warning { code: 1030, cleared: false }), None);
    let trigger = |accepted| UplinkMessage::Answer(UplinkReply::Trigger { accepted });
    assert_eq!(told(Revision::V1_0, 37, trigger(true)), None);
    let refused = told(Revision::V1_0, 37, trigger(false)).unwrap();
    assert_same(&refused, &vector_1_0("up-trigger-refused"));
}

#[test]
fn a_cloud_of_1_0_gets_the_start_of_either_pile() {
    for original in [original("pile-start"), original_1_0("pile-start")] {
        let message = UplinkMessage::Start { order: cloud::reference(), original, offline: true };
        let bytes = told(Revision::V1_0, 25, message).unwrap();
        assert_same(&bytes, &vector_1_0("up-start"));
    }
}

#[test]
fn a_cloud_of_1_0_gets_the_order_of_either_pile() {
    for order in [cloud::order(), order_1_0()] {
        let payload = station::freeze_transaction(&order, &settings(Revision::V1_0));
        let bytes =
            told(Revision::V1_0, 28, UplinkMessage::Transaction { pile: pile(), payload }).unwrap();
        assert_same(&bytes, &vector_1_0("up-transaction"));
        let stop = UplinkMessage::Stop { order: Box::new(order) };
        assert_same(&told(Revision::V1_0, 27, stop).unwrap(), &vector_1_0("up-stop"));
    }
}

#[test]
fn a_cloud_of_1_10_gets_the_order_of_a_pile_of_1_0() {
    let stop = UplinkMessage::Stop { order: Box::new(order_1_0()) };
    let bytes = told(Revision::V1_10, 27, stop).unwrap();
    let text = readable::decode(Revision::V1_10, &bytes).unwrap();
    for line in ["connector_id: \"12\"", "meter_stop: 105425.0", "reason_desc: \"card\"", "soc: 81"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn an_order_frozen_before_the_uplinks_revision_was_changed_is_carried_over() {
    let [old, new] = [Revision::V1_0, Revision::V1_10];
    let frozen = |revision| station::freeze_transaction(&order_1_0(), &settings(revision));
    for (before, after) in [(old, new), (new, old)] {
        let changed = UplinkMessage::Transaction { pile: pile(), payload: frozen(before) };
        let unchanged = UplinkMessage::Transaction { pile: pile(), payload: frozen(after) };
        let (found, wanted) =
            (told(after, 28, changed).unwrap(), told(after, 28, unchanged).unwrap());
        let read = |bytes: &Bytes| readable::decode(after, bytes).unwrap();
        // 1.0 does not carry the pile's code.
        let without = |text: String| text.replace(&format!("    evse_id: \"{}\",\n", pile()), "");
        assert_eq!(without(read(&found)), without(read(&wanted)));
    }
}

#[test]
fn what_a_battery_says_goes_whole_from_1_0_to_1_0() {
    let progress = |original| UplinkMessage::Progress { order: cloud::reference(), original };
    let bytes = told(Revision::V1_0, 26, progress(original_1_0("pile-battery"))).unwrap();
    assert_same(&bytes, &vector_1_0("up-battery"));
    let bytes = told(Revision::V1_10, 26, progress(original_1_0("pile-battery"))).unwrap();
    let text = readable::decode(Revision::V1_10, &bytes).unwrap();
    assert!(text.contains("soc: 42") && text.contains("status: ChsEvConnected"), "{text}");
}

#[test]
fn the_state_of_a_connector_is_a_measured_value_in_1_0() {
    let (connector, state) = (ConnectorNo::new(12).unwrap(), 2);
    let status = UplinkMessage::Status { pile: pile(), connector, state };
    let text = readable::decode(Revision::V1_0, &told(Revision::V1_0, 32, status).unwrap());
    let text = text.unwrap();
    assert!(text.contains("measurand: 144") && text.contains("value: 2"), "{text}");
    assert_eq!(told(Revision::V1_0, 33, UplinkMessage::Heartbeat), None);
}

#[test]
fn answers_of_a_cloud_of_1_0_name_what_they_can() {
    let UplinkEvent::Answered { answer, sequence, .. } = heard("cloud-stop-conf") else { panic!() };
    let UplinkAnswer::Stop { transaction, connector, cost, .. } = answer else { panic!() };
    assert_eq!((sequence, cost), (Sequence(27), Money::from_fen(2470)));
    assert_eq!((transaction, connector), (Named::Nothing, Named::Nothing));
    let UplinkEvent::Answered { answer, .. } = heard("cloud-start-conf") else { panic!() };
    let UplinkAnswer::Start { transaction, order, original, .. } = answer else { panic!() };
    assert_eq!(transaction.unwrap().as_str(), "T-77");
    assert_eq!(order, Named::This(OrderId::new(ORDER).unwrap()));
    assert_eq!(original, original_1_0("cloud-start-conf"));
}

#[test]
fn requests_of_a_cloud_of_1_0_are_understood() {
    let asked = |name| match heard(name) {
        UplinkEvent::Requested { request, .. } => request,
        other => panic!("{other:?}"),
    };
    let UplinkRequest::RemoteStart(start) = asked("cloud-remote-start") else { panic!() };
    assert_eq!(start.connector, ConnectorNo::new(12));
    let UplinkRequest::RemoteStop { transaction, connector, .. } = asked("cloud-remote-stop")
    else {
        panic!()
    };
    assert_eq!((transaction.unwrap().as_str(), connector), ("T-77", None));
    let UplinkRequest::Tariff { id, original } = asked("cloud-tariff") else { panic!() };
    assert_eq!((id, original), (7, original_1_0("cloud-tariff")));
    let UplinkRequest::History(history) = asked("cloud-history") else { panic!() };
    assert_eq!(history.connector, None);
}

#[test]
fn the_controller_registers_at_a_cloud_of_1_0() {
    let request = registration_request(&settings(Revision::V1_0), "secret").unwrap();
    let apdu = Apdu::decode(&request).unwrap();
    assert_eq!(apdu.revision, Revision::V1_0);
    let asked = wire::DeviceRegistrationReq::decode(apdu.body).unwrap();
    assert_eq!((asked.connector_number, asked.registration_code.as_str()), (2, "secret"));
    let answer = registration_answer(&vector_1_0("cloud-registration-conf")).unwrap();
    assert!(answer.is_accepted());
    assert_eq!((answer.device_code.as_str(), answer.password.as_str()), ("D-1", "p"));
}

fn boot_with(sequence: i32) -> Bytes {
    wire::Apdu { message_id: 1, sequence_id: sequence, ..Default::default() }.encode_to_vec().into()
}

#[test]
fn a_sequence_id_that_became_negative_is_answered_as_it_came() {
    for sequence in [0, 1, i32::MAX, i32::MIN, -1] {
        let said = backend::decode(CONNECTION, Class::Command, &boot_with(sequence)).unwrap();
        let PileEvent::Requested { id, .. } = said.event else { panic!() };
        let reply = PileReply::Boot { accepted: true, time_s: None, interval_s: 30 };
        let answer = answered(id.sequence, reply).unwrap();
        assert_eq!(wire::Apdu::decode(answer).unwrap().sequence_id, sequence);
    }
}

#[test]
fn a_sequence_id_of_more_than_32_bits_is_no_sequence_id_of_1_0() {
    // Code 1, sequence id 2^32 + 5.
    let bytes = [0x08, 1, 0x10, 0x85, 0x80, 0x80, 0x80, 0x10];
    let error = backend::decode(CONNECTION, Class::Command, &bytes).unwrap_err();
    assert_eq!((error.at, error.code), ("APDU.sequenceId", ErrorCode::Protocol));
    assert_eq!(error.answer(Revision::V1_0, None), None, "it cannot be said which is answered");
    let ours = Outgoing::kept(original_1_0("pile-boot")).seal(Revision::V1_0, 1 << 32, None);
    assert_eq!(ours.unwrap_err(), EncodeError::Sequence(1 << 32));
}

#[test]
fn a_reservation_is_not_given_another_number() {
    use crate::protocol::charger::wire::v1_10::{CancelReservationReq, MessageId, ReserveNowReq};
    let lowered = |id, message: Outgoing| {
        let written = message.written_in(Revision::V1_0);
        assert_eq!(written.is_ok(), id <= i64::from(i32::MAX), "{id}: {written:?}");
    };
    for id in [1, i64::from(i32::MAX), i64::from(i32::MAX) + 1] {
        let cancel = CancelReservationReq { id };
        lowered(id, Outgoing::new(MessageId::IdCancelReservationReq, &cancel));
        let reserve = ReserveNowReq { id: id.cast_unsigned(), ..Default::default() };
        lowered(id, Outgoing::new(MessageId::IdReserveNowReq, &reserve));
    }
}

#[test]
fn the_site_asks_for_what_the_table_has() {
    for revision in [Revision::V1_0, Revision::V1_10] {
        let abilities = revision.abilities();
        assert_eq!(abilities.heartbeats, table::has(revision, 0x02));
        assert_eq!(abilities.confirms_warnings, table::answer_to(revision, 0x33).is_some());
    }
}

#[test]
fn a_heartbeat_is_unknown_in_1_0() {
    let bytes = wire::Apdu { message_id: 2, sequence_id: 4, ..Default::default() }.encode_to_vec();
    let error = backend::decode(CONNECTION, Class::Command, &bytes).unwrap_err();
    assert_eq!((error.code, error.sequence), (ErrorCode::NotSupported, Some(4)));
}

#[test]
fn a_message_of_the_other_revision_is_none_of_this_uplink() {
    let error = station::decode(Class::Command, &vector("cloud-tariff"), &settings(Revision::V1_0));
    let error = error.unwrap_err();
    assert_eq!(error.to_string(), "APDU: wanted the revision of the uplink, found revision 1.10");
    assert_eq!(error.sequence, None);
}
