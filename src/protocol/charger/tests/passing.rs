//! Messages that are passed on: what they name, and what the other side reads.

use bytes::Bytes;
use prost::Message;

use super::{AT, ORDER, pile, sealed_body};
use crate::{
    domain::{
        event::{PileEvent, PileNotice, PileRequest, UplinkAnswer, UplinkEvent, UplinkRequest},
        id::{CallId, ConnectionId, ConnectorNo, OrderId, RequestId, Sequence, TransactionId},
        passing::{Deposit, Names, Pass, Passed},
        reply::{PileCall, PileReply, ToPile, ToUplink, UplinkMessage, UplinkReply, Urgency},
        time::Mono,
        wire::Revision::{self, V1_0, V1_10},
    },
    protocol::charger::{
        apdu::{self, Apdu},
        backend, station,
        topic::Class,
        wire::{
            v1_0,
            v1_10::{self as wire, MessageId as Id},
        },
    },
};

const CONNECTION: ConnectionId = ConnectionId(3);
const TRANSACTION: &str = "T-77";

fn code(id: Id) -> u8 {
    u8::try_from(i32::from(id)).unwrap()
}

/// The pile's connectors 1 and 2 are 11 and 12 of the site.
fn names() -> Names {
    let connectors = [11, 12].into_iter().filter_map(ConnectorNo::new).collect();
    let order = OrderId::new(ORDER).unwrap();
    let orders = vec![(order, Some(TransactionId::new(TRANSACTION).unwrap()))];
    Names { pile: pile(), connectors, orders }
}

fn settings(revision: Revision) -> station::Settings {
    station::Settings {
        revision,
        part_number: String::new(),
        serial: String::new(),
        vendor: String::new(),
        elec_data_unit: station::ELEC_DATA_UNIT,
        connectors: Default::default(),
    }
}

fn wanted(revision: Revision, id: Id, body: Vec<u8>) -> Pass {
    let bytes = apdu::seal_body(revision, code(id), 5, None, body.into()).unwrap();
    match station::decode(Class::Command, &bytes, &settings(revision)).unwrap() {
        UplinkEvent::Requested { request: UplinkRequest::Pass(pass), .. } => pass,
        other => panic!("{other:?}"),
    }
}

fn told(revision: Revision, id: Id, body: Vec<u8>) -> Pass {
    let bytes = apdu::seal_body(revision, code(id), 5, None, body.into()).unwrap();
    match backend::decode(CONNECTION, Class::Command, &bytes).unwrap().event {
        PileEvent::Requested { request: PileRequest::Pass(pass), .. }
        | PileEvent::Told(PileNotice::Pass(pass)) => pass,
        other => panic!("{other:?}"),
    }
}

/// What a pile reads of a message of the backend.
fn down(pass: Pass, revision: Revision) -> Bytes {
    let request = PileCall::Pass(Passed { original: pass.original, names: names() });
    let call = ToPile::Call { connection: CONNECTION, call: CallId(1), request, expires: Mono(9) };
    let (class, bytes) = backend::encode(&call, revision, Some(AT)).unwrap().unwrap();
    assert_eq!(class, Class::Command);
    Apdu::decode(&bytes).unwrap().body
}

/// What a backend reads of a message of a pile.
fn up(pass: Pass, revision: Revision) -> Bytes {
    let message = UplinkMessage::Passed(Passed { original: pass.original, names: names() });
    let message = ToUplink { sequence: Sequence(1), message, urgency: Urgency::Live };
    let sent = station::encode(&message, &settings(revision), Some(AT)).unwrap();
    Apdu::decode(&sent.unwrap().1).unwrap().body
}

/// What a pile of 1.10 reads of a message of 1.10.
fn passed_down<M: Message + Default>(id: Id, message: &M) -> M {
    M::decode(down(wanted(V1_10, id, message.encode_to_vec()), V1_10)).unwrap()
}

fn component(evse: &str, connector: &str) -> Option<wire::ComponentType> {
    Some(wire::ComponentType {
        name: "Connector".to_owned(),
        evse_id: evse.to_owned(),
        connector_id: connector.to_owned(),
        ..Default::default()
    })
}

fn at_site() -> Option<wire::ComponentType> {
    component(pile().as_str(), "12")
}

fn at_pile() -> Option<wire::ComponentType> {
    component("", "2")
}

#[test]
fn piles_read_their_own_numbers() {
    let reserve = |evse: &str, connector: &str| wire::ReserveNowReq {
        id: 9,
        evse_id: evse.to_owned(),
        connector_id: connector.to_owned(),
        ..Default::default()
    };
    let found = passed_down(Id::IdReserveNowReq, &reserve(pile().as_str(), "12"));
    assert_eq!(found, reserve("", "2"));
    let found = passed_down(Id::IdReserveNowReq, &reserve("", "13"));
    assert_eq!(found, reserve("", ""), "another pile's connector is none of this one's");
    let available = |evse: &str, connector: &str| wire::ChangeAvailabilityReq {
        enabled: true,
        evse_id: evse.to_owned(),
        connector_id: connector.to_owned(),
    };
    let found = passed_down(Id::IdChangeAvailabilityReq, &available(pile().as_str(), "0"));
    assert_eq!(found, available("", "0"), "the whole pile stays the whole pile");
    let qr = |evse: &str, connector: &str| wire::SendQrCodeReq {
        evse_id: evse.to_owned(),
        connector_id: connector.to_owned(),
        qrcode: "https://pay.example/12".to_owned(),
    };
    let found = passed_down(Id::IdSendQrCodeReq, &qr(pile().as_str(), "11"));
    assert_eq!(found, qr("", "1"));
}

#[test]
fn components_are_named_anew_one_by_one() {
    let get = |component| wire::GetVariablesReq {
        get_variables_data: vec![wire::GetVariablesData { component, variable: None }],
    };
    assert_eq!(passed_down(Id::IdGetVariablesReq, &get(at_site())), get(at_pile()));
    let set = |component| wire::SetVariablesReq {
        set_variable_data: vec![wire::set_variables_req::SetVariableData {
            component,
            attribute_value: "16".to_owned(),
            ..Default::default()
        }],
    };
    assert_eq!(passed_down(Id::IdSetVariablesReq, &set(at_site())), set(at_pile()));
    let report =
        |component: Option<_>| wire::GetReportReq { component: component.into_iter().collect() };
    assert_eq!(passed_down(Id::IdGetReportReq, &report(at_site())), report(at_pile()));
    let notify = |component| wire::NotifyReportReq {
        request_id: 4,
        report_data: vec![wire::ReportDataType { component, ..Default::default() }],
        ..Default::default()
    };
    let pass = told(V1_10, Id::IdNotifyReportReq, notify(at_pile()).encode_to_vec());
    let found = wire::NotifyReportReq::decode(up(pass, V1_10)).unwrap();
    assert_eq!(found, notify(at_site()));
}

#[test]
fn remote_control_names_a_connector_where_it_starts_or_stops() {
    let control = |function: &str, parameter: &str| wire::RemoteControlReq {
        function: function.to_owned(),
        parameter: parameter.to_owned(),
    };
    let start = control("RemoteStart", "12");
    assert_eq!(passed_down(Id::IdRemoteControlReq, &start), control("RemoteStart", "2"));
    let pass = wanted(V1_10, Id::IdRemoteControlReq, start.encode_to_vec());
    assert!(pass.address.begins_charging);
    assert_eq!(pass.address.connectors, ConnectorNo::new(12).into_iter().collect());
    let pass = wanted(V1_10, Id::IdRemoteControlReq, control("RemoteStop", "12").encode_to_vec());
    assert!(!pass.address.begins_charging);
    let reset = control("Reset", "1");
    assert_eq!(passed_down(Id::IdRemoteControlReq, &reset), reset);
    let pass = wanted(V1_10, Id::IdRemoteControlReq, reset.encode_to_vec());
    assert_eq!(pass.address, Default::default(), "names nothing");
}

#[test]
fn orders_of_profiles_are_named_anew() {
    let profile = |order: &str| wire::ChargingProfile {
        id: 6,
        transaction_id: order.to_owned(),
        ..Default::default()
    };
    let set = |order: &str| wire::SetChargingProfileReq {
        charging_profile: Some(profile(order)),
        ..Default::default()
    };
    assert_eq!(passed_down(Id::IdSetChargingProfileReq, &set(TRANSACTION)), set(ORDER));
    let pass = wanted(V1_10, Id::IdSetChargingProfileReq, set(TRANSACTION).encode_to_vec());
    assert_eq!(pass.address.orders, [TransactionId::new(TRANSACTION).unwrap()].into());
    assert_eq!(pass.address.deposits, [Deposit::Profile(6)].into());
    let report = |order: &str| wire::ReportChargingProfilesReq {
        charging_profile: vec![profile(order)],
        ..Default::default()
    };
    let pass = told(V1_10, Id::IdReportChargingProfileReq, report(ORDER).encode_to_vec());
    assert_eq!(pass.address.orders, [TransactionId::new(ORDER).unwrap()].into());
    let found = wire::ReportChargingProfilesReq::decode(up(pass, V1_10)).unwrap();
    assert_eq!(found, report(TRANSACTION));
}

#[test]
fn strangers_are_noticed() {
    let names_strangers = |evse: &str, connector: &str| {
        let reserve = wire::ReserveNowReq {
            evse_id: evse.to_owned(),
            connector_id: connector.to_owned(),
            ..Default::default()
        };
        let pass = wanted(V1_10, Id::IdReserveNowReq, reserve.encode_to_vec());
        pass.address.names_strangers
    };
    assert!(!names_strangers("", ""));
    assert!(!names_strangers(pile().as_str(), "12"));
    assert!(names_strangers("no pile", "12"));
    assert!(names_strangers("", "A"));
    assert!(names_strangers("", "10000"));
}

#[test]
fn answers_are_named_anew() {
    let id = RequestId { connection: CONNECTION, sequence: 8 };
    let said = wire::NotifyReportConf { connector_id: "12".to_owned() };
    let bytes = sealed_body(code(Id::IdNotifyReportConf), 8, None, said.encode_to_vec().into());
    let event = station::decode(Class::Command, &bytes, &settings(V1_10)).unwrap();
    let UplinkEvent::Answered { answer: UplinkAnswer::Other(original), .. } = event else {
        panic!("{event:?}")
    };
    let reply = PileReply::Passed(Passed { original, names: names() });
    let sent = backend::encode(&ToPile::Answer { id, reply }, V1_10, None).unwrap().unwrap().1;
    let found = wire::NotifyReportConf::decode(Apdu::decode(&sent).unwrap().body).unwrap();
    assert_eq!(found.connector_id, "2");

    let results = |component| wire::GetVariablesConf {
        get_variables_result: vec![wire::GetVariablesResult { component, ..Default::default() }],
        category: 3,
    };
    let original = crate::domain::wire::Original {
        revision: V1_10,
        code: code(Id::IdGetVariablesConf),
        body: results(at_pile()).encode_to_vec().into(),
    };
    let reply = UplinkReply::Passed(Passed { original, names: names() });
    let message = UplinkMessage::Answer(reply);
    let message = ToUplink { sequence: Sequence(1), message, urgency: Urgency::Live };
    let sent = station::encode(&message, &settings(V1_10), None).unwrap().unwrap().1;
    let found = wire::GetVariablesConf::decode(Apdu::decode(&sent).unwrap().body).unwrap();
    assert_eq!(found, results(at_site()));
}

#[test]
fn what_names_nothing_goes_byte_for_byte() {
    // A field that is in no table.
    let mut body =
        wire::DataTransferReq { data: "x".to_owned(), ..Default::default() }.encode_to_vec();
    body.extend([0x98, 0x06, 0x01]);
    assert_eq!(down(wanted(V1_10, Id::IdDataTransferReq, body.clone()), V1_10), body);
    assert_eq!(up(told(V1_10, Id::IdDataTransferReq, body.clone()), V1_10), body);
}

#[test]
fn one_revision_reads_the_other() {
    let reserve =
        v1_0::ReserveNowReq { id: 9, connector_id: 12, charge_time: 3600, ..Default::default() };
    let pass = wanted(V1_0, Id::IdReserveNowReq, reserve.encode_to_vec());
    assert_eq!(pass.address.connectors, ConnectorNo::new(12).into_iter().collect());
    let found = wire::ReserveNowReq::decode(down(pass.clone(), V1_10)).unwrap();
    assert_eq!((found.id, found.connector_id.as_str()), (9, "2"));
    let found = v1_0::ReserveNowReq::decode(down(pass, V1_0)).unwrap();
    assert_eq!(found, v1_0::ReserveNowReq { connector_id: 2, ..reserve }, "nothing is lost");

    let upgrade = v1_0::FirmwareStatusNotificationReq {
        status: v1_0::FirmwareStatus::FwDownloading.into(),
        ..Default::default()
    };
    let pass = told(V1_0, Id::IdFirmwareStatusNotificationReq, upgrade.encode_to_vec());
    let found = wire::FirmwareStatusNotificationReq::decode(up(pass.clone(), V1_10)).unwrap();
    assert_eq!(found.status(), wire::FirmwareStatus::FwDownloading);
    assert_eq!(up(pass, V1_0), upgrade.encode_to_vec());
}

#[test]
fn what_cannot_be_read_is_not_passed() {
    let bytes = sealed_body(code(Id::IdGetLogReq), 5, None, Bytes::from_static(b"\x0a"));
    let error = station::decode(Class::Command, &bytes, &settings(V1_10)).unwrap_err();
    assert_eq!(error.sequence, Some(5), "answered at once");
    let bytes = sealed_body(code(Id::IdGetLogConf), 5, None, Bytes::from_static(b"\x0a"));
    let error = backend::decode(CONNECTION, Class::Command, &bytes).unwrap_err();
    assert_eq!(error.sequence, None, "an answer is not answered");
}
