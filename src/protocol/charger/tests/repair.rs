//! Texts of piles that are not UTF-8.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{AT, golden, sealed_body};
use crate::protocol::vectors::vectors;
use crate::{
    domain::{
        event::{PileEvent, PileNotice, PileRequest},
        id::{ConnectionId, RecordNo},
        wire::{Original, Revision},
    },
    protocol::charger::{
        apdu::{self, Apdu, RECEIVED_LIMIT},
        backend, readable,
        repair::{self, REPAIRED_LIMIT},
        topic::Class,
        v1_10::texts::SHAPES,
        wire::v1_10 as wire,
    },
};

/// Stands in a message for a text that is not UTF-8; nothing else in it has this letter.
const MARK: &str = "~";

fn read(bytes: &[u8]) -> PileEvent {
    backend::decode(ConnectionId(1), Class::Command, bytes).unwrap().event
}

fn apdu(code: u8, body: impl Into<Bytes>) -> Apdu {
    Apdu { revision: Revision::V1_10, code, sequence: 1, at_s: 0, body: body.into() }
}

/// A message in which each `~` is the byte.
fn with_byte<M: Message>(message: &M, byte: u8) -> Vec<u8> {
    let is_mark = |b: u8| if b == MARK.as_bytes()[0] { byte } else { b };
    message.encode_to_vec().into_iter().map(is_mark).collect()
}

fn kept(event: PileEvent) -> Original {
    match event {
        PileEvent::Requested { request, .. } => match request {
            PileRequest::Boot { original, .. }
            | PileRequest::Authorize { original, .. }
            | PileRequest::Warning { original, .. } => original,
            PileRequest::Start(start) => start.original,
            PileRequest::End(end) => end.original,
            other => panic!("{other:?}"),
        },
        PileEvent::Told(PileNotice::Progress(progress)) => progress.original,
        other => panic!("{other:?}"),
    }
}

fn record_of(code: u8, body: Vec<u8>) -> RecordNo {
    match read(&sealed_body(code, 1, None, body.into())) {
        PileEvent::Requested { request: PileRequest::Start(start), .. } => start.record,
        PileEvent::Requested { request: PileRequest::End(end), .. } => end.record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_with_texts_in_gbk_are_read_and_kept_repaired() {
    for (revision, file) in [(Revision::V1_0, golden::GBK_1_0), (Revision::V1_10, golden::GBK)] {
        let vectors = vectors(file);
        assert_eq!(vectors.len(), SHAPES.len(), "one for each message that is repaired");
        for vector in vectors {
            assert!(readable::decode(revision, &vector.bytes).is_err(), "{}", vector.name);
            let sent = Apdu::decode(&vector.bytes).unwrap();
            let kept = kept(read(&vector.bytes));
            let again = apdu::seal_body(revision, kept.code, sent.sequence, Some(AT), kept.body);
            let text = readable::decode(revision, &again.unwrap()).unwrap();
            assert_eq!(text, vector.text, "{}", vector.name);
        }
    }
}

#[test]
fn start_and_stop_with_the_same_broken_number_belong_together() {
    let start = wire::StartTransactionReq { record_id: MARK.into(), ..Default::default() };
    let stop = wire::StopTransactionReq {
        record_id: MARK.into(),
        timestamp: AT,
        reason_desc: MARK.into(),
        ..Default::default()
    };
    let record = record_of(0x12, with_byte(&start, 0xff));
    assert!(record.as_str().starts_with("unnamed-"), "{record}");
    assert_eq!(record_of(0x13, with_byte(&stop, 0xff)), record);
    // The other byte has the same replacement character.
    assert_ne!(record_of(0x12, with_byte(&start, 0xfe)), record);
}

#[test]
fn two_cards_with_broken_numbers_stay_two() {
    let request = wire::AuthorizeReq {
        id_data: Some(wire::IdToken { id: MARK.into(), ..Default::default() }),
        ..Default::default()
    };
    let card = |byte| {
        let bytes = sealed_body(0x14, 1, None, with_byte(&request, byte).into());
        match read(&bytes) {
            PileEvent::Requested { request: PileRequest::Authorize { card, .. }, .. } => card,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(card(0xff), card(0xff));
    assert_ne!(card(0xff), card(0xfe));
}

#[test]
fn what_would_grow_too_large_loses_its_broken_texts_alone() {
    let stop = wire::StopTransactionReq {
        record_id: "17".into(),
        reason_desc: MARK.repeat(REPAIRED_LIMIT / 2),
        elec_data: vec![0xff; 288].into(),
        ..Default::default()
    };
    let body = with_byte(&stop, 0xff);
    let repaired = repair::texts(&apdu(0x13, body.clone())).unwrap();
    assert!(repaired.body.len() < body.len());
    let wanted = wire::StopTransactionReq { reason_desc: String::new(), ..stop };
    assert_eq!(wire::StopTransactionReq::decode(repaired.body).unwrap(), wanted);
}

#[test]
fn other_messages_are_not_repaired() {
    let state = wire::StatusNotificationReq { evse_id: MARK.into(), ..Default::default() };
    assert_eq!(repair::texts(&apdu(0x1b, with_byte(&state, 0xff))), None);
}

/// Bytes built of fields, so that many of them are messages in part.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::collection::vec(prop_oneof![Just(0xff), any::<u8>()], 0..20);
    let field = (1_u8..16, value).prop_map(|(tag, value)| {
        let length = u8::try_from(value.len()).unwrap();
        [&[tag << 3 | 2, length][..], &value].concat()
    });
    let fields = prop::collection::vec(field, 0..12).prop_map(|fields| fields.concat());
    prop_oneof![fields, prop::collection::vec(any::<u8>(), 0..64)]
}

fn codes() -> impl Strategy<Value = u8> {
    prop::sample::select(SHAPES.map(|(id, _)| u8::try_from(i32::from(id)).unwrap()).to_vec())
}

fn is_broken_text(apdu: &Apdu) -> bool {
    let error =
        readable::decode(Revision::V1_10, &sealed_body(apdu.code, 1, None, apdu.body.clone()));
    error.is_err_and(|error| error.found.contains("invalid string"))
}

proptest! {
    #[test]
    fn any_bytes_are_repaired_once_and_within_the_limit(
        code in prop_oneof![codes(), any::<u8>()], body in bodies(), times in 1_usize..500,
    ) {
        let mut body = body.repeat(times);
        body.truncate(RECEIVED_LIMIT);
        let sent = apdu(code, body);
        if let Some(repaired) = repair::texts(&sent) {
            prop_assert!(repaired.body.len() <= REPAIRED_LIMIT.max(sent.body.len()));
            prop_assert!(!is_broken_text(&repaired));
            prop_assert_eq!(repair::texts(&repaired), None);
        }
    }

    #[test]
    fn a_text_is_all_that_changes(
        reason in prop::collection::vec(any::<u8>(), 1..100),
        elec_data in prop::collection::vec(any::<u8>(), 0..300),
        meter_stop in 0.0..1e9, timestamp in any::<i64>(), later in any::<u16>(),
    ) {
        prop_assume!(std::str::from_utf8(&reason).is_err());
        let tag = String::from_utf8_lossy(&reason).into_owned();
        let bill = wire::CostBill { tag, electric: 1204, ..Default::default() };
        let whole = wire::StopTransactionReq {
            record_id: "17".into(),
            meter_stop,
            timestamp,
            elec_data: elec_data.into(),
            cost: Some(wire::Cost { bills: vec![bill], totalcost: 2470, ..Default::default() }),
            ..Default::default()
        };
        let mut body = whole.encode_to_vec();
        // `reason_desc`, then a field of a later revision.
        body.extend([12 << 3 | 2, u8::try_from(reason.len()).unwrap()]);
        body.extend(&reason);
        let unknown = [&[0xfa, 0x3f, 2][..], &later.to_be_bytes()].concat();
        body.extend(&unknown);
        let repaired = repair::texts(&apdu(0x13, body)).unwrap().body;
        prop_assert!(repaired.ends_with(&unknown));
        let reason_desc = String::from_utf8_lossy(&reason).into_owned();
        let wanted = wire::StopTransactionReq { reason_desc, ..whole };
        prop_assert_eq!(wire::StopTransactionReq::decode(repaired).unwrap(), wanted);
    }

    #[test]
    fn what_can_be_read_is_left_alone(name in prop::sample::select(vec![
        "pile-boot", "pile-authorize", "pile-start", "pile-stop", "pile-transaction",
        "pile-charging", "pile-warning",
    ])) {
        prop_assert_eq!(repair::texts(&Apdu::decode(&super::vector(name)).unwrap()), None);
    }
}
