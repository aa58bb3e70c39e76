//! What does not follow the protocol, and topics.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::vector;
use crate::{
    domain::{
        id::ConnectionId,
        wire::{ErrorCode, Revision},
    },
    protocol::charger::{
        apdu::{self, Apdu, RECEIVED_LIMIT},
        backend,
        error::{DecodeError, QUOTE_LIMIT},
        readable,
        topic::{self, Class, Direction, Topic},
        wire::v1_10::{self as wire, MessageId},
    },
};

fn refused(bytes: &[u8]) -> DecodeError {
    backend::decode(ConnectionId(1), Class::Command, bytes).unwrap_err()
}

fn sealed(code: u8, body: &[u8]) -> Bytes {
    super::sealed_body(code, 9, None, Bytes::copy_from_slice(body))
}

#[test]
fn a_payload_that_cannot_be_parsed_is_answered_with_3() {
    // A string of 5 bytes of which there is one.
    let error = refused(&sealed(0x12, &[0x0a, 5, b'x']));
    assert_eq!((error.code, error.sequence), (ErrorCode::Protocol, Some(9)));
    assert_eq!(error.at, "StartTransactionReq");
    let answer = Apdu::decode(&error.answer(Revision::V1_10, Some(5)).unwrap()).unwrap();
    assert_eq!((answer.code, answer.sequence, answer.at_s), (0xff, 9, 5));
    let message = wire::MessageError::decode(answer.body).unwrap();
    assert_eq!(message.error, 3);
    assert!(message.description.starts_with("StartTransactionReq: wanted"), "{message:?}");
}

#[test]
fn a_field_of_another_type_is_answered_with_4() {
    // recordId as a number, the same one level deeper, and after a text that is not UTF-8.
    for body in [&[0x08, 1][..], &[0x1a, 2, 0x08, 1], &[0x12, 1, 0xff, 0x08, 1]] {
        let error = refused(&sealed(0x12, body));
        assert_eq!((error.code, error.sequence), (ErrorCode::TypeViolation, Some(9)), "{body:?}");
    }
    // A state of a connector whose number is not UTF-8 tells of nothing.
    assert_eq!(refused(&sealed(0x1b, &[0x12, 1, 0xff])).code, ErrorCode::TypeViolation);
}

#[test]
fn an_envelope_with_a_field_of_another_type_is_answered_with_4() {
    let mut bytes = sealed(0x12, &[]).to_vec();
    bytes.extend([0x20, 1]);
    let error = refused(&bytes);
    assert_eq!((error.code, error.sequence), (ErrorCode::TypeViolation, Some(9)));
}

#[test]
fn an_unknown_code_is_answered_with_1() {
    for code in [0x7f, 0x18] {
        let error = refused(&sealed(code, &[]));
        assert_eq!((error.code, error.sequence), (ErrorCode::NotSupported, Some(9)));
    }
    let far = wire::Apdu { message_id: 70_000, sequence_id: 4, ..Default::default() };
    let error = refused(&far.encode_to_vec());
    assert_eq!((error.code, error.sequence), (ErrorCode::NotSupported, Some(4)));
}

#[test]
fn an_answer_that_cannot_be_read_is_not_answered() {
    for bytes in [sealed(0x90, &[0x0a, 5]), sealed(0xff, &[0x12, 1, 0xff]), sealed(0xfe, &[])] {
        let error = refused(&bytes);
        assert_eq!((error.sequence, error.answer(Revision::V1_10, None)), (None, None), "{error}");
    }
}

#[test]
fn what_is_no_envelope_is_answered_with_3_and_no_sequence_id() {
    for bytes in [&b"hello"[..], &[0xff; 40], &[0x18]] {
        let error = refused(bytes);
        assert_eq!((error.sequence, error.code), (Some(0), ErrorCode::Protocol), "{error}");
        assert!(error.answer(Revision::V1_10, None).is_some());
    }
}

#[test]
fn a_pile_is_answered_in_the_revision_of_its_bytes() {
    // A start of revision 1.0 whose text is cut.
    let error = refused(&[0x08, 0x12, 0x10, 0x05, 0x1a, 2, 0x0a, 5]);
    assert_eq!((error.code, error.revision), (ErrorCode::Protocol, Some(Revision::V1_0)));
    let answer = Apdu::decode(&error.answer(Revision::V1_10, Some(7)).unwrap()).unwrap();
    assert_eq!((answer.revision, answer.code), (Revision::V1_0, 0xff));
    assert_eq!((answer.sequence, answer.at_s), (5, 7));
}

#[test]
fn an_envelope_that_is_too_large_is_not_read() {
    let error = refused(&vec![0; RECEIVED_LIMIT + 1]);
    assert_eq!(error.found, "65537 bytes");
    let body = Bytes::from(vec![0; apdu::SENT_LIMIT]);
    assert!(apdu::seal_body(Revision::V1_10, 1, 1, None, body).is_err());
}

#[test]
fn a_card_without_a_number_is_refused() {
    assert_eq!(refused(&sealed(0x14, &[])).at, "AuthorizeReq.IdData.id");
}

#[test]
fn what_is_quoted_is_short() {
    let error = DecodeError::new("Request.field", "less", "é".repeat(5000), ErrorCode::Protocol);
    assert_eq!(error.found.chars().count(), QUOTE_LIMIT);
}

#[test]
fn of_a_card_that_is_none_only_its_length_is_told() {
    let long = wire::AuthorizeReq {
        id_data: Some(wire::IdToken { id: "é".repeat(5000), ..Default::default() }),
        ..Default::default()
    };
    assert_eq!(refused(&sealed(0x14, &long.encode_to_vec())).found, "5000 characters");
}

#[test]
fn every_code_of_a_pile_is_decoded() {
    for code in 0x01..0x80_u8 {
        let is_known = MessageId::try_from(i32::from(code)).is_ok();
        let read = backend::decode(ConnectionId(1), Class::Command, &sealed(code, &[]));
        // A card without a number is the one empty request that says nothing.
        assert_eq!(read.is_ok(), is_known && code != 0x14, "{code:#x}: {read:?}");
    }
}

#[test]
fn topics_are_written_and_read() {
    let text = Topic::up(Class::Command, "D1").to_string();
    assert_eq!(text, "/U/C/D1");
    assert_eq!(Topic::parse(&text), Some(Topic::up(Class::Command, "D1")));
    assert_eq!(Topic::down(Class::Registration, "s-1").to_string(), "/D/R/s-1");
    assert_eq!(Topic::parse("/U/M/x").map(|t| t.class), Some(Class::Telemetry));
    let deeper = Topic::parse("/D/C/D1/a/b").unwrap();
    assert_eq!((deeper.direction, deeper.id), (Direction::Down, "D1"));
}

#[test]
fn what_is_no_topic_is_refused() {
    for text in [
        "",
        "/",
        "/U/C",
        "/U/C/",
        "U/C/D1",
        "/X/C/D1",
        "/U/X/D1",
        "/U/C/D1/x",
        "/D/M/D1/x",
        "/U/C/+",
        "/U/C/#",
        "/U/C/a\u{0}",
        "/u/c/D1",
        "//U/C/D1",
    ] {
        assert_eq!(Topic::parse(text), None, "{text:?}");
    }
    assert_eq!(Topic::parse(&format!("/U/C/{}", "x".repeat(129))), None);
}

#[test]
fn a_station_may_have_its_own_filters_only() {
    for filter in ["/D/C/D1", "/D/C/D1/#", "/D/M/D1"] {
        assert!(topic::is_station_filter(filter, "D1"), "{filter}");
        assert!(!topic::is_station_filter(filter, "D2"), "{filter}");
    }
    for filter in ["#", "/D/C/#", "/D/C/+", "/D/C/D1/x", "/U/C/D1", "/D/R/D1", "/D/C/D1/x/#"] {
        assert!(!topic::is_station_filter(filter, "D1"), "{filter}");
    }
    let [(commands, 2), (telemetry, 0)] = topic::station_filters("D1") else { panic!() };
    assert!(topic::is_station_filter(&commands, "D1"));
    assert!(topic::is_station_filter(&telemetry, "D1"));
}

/// Envelopes with a code of the table around bytes that are often, but not always, a message.
fn envelopes() -> impl Strategy<Value = Bytes> {
    let body = prop::collection::vec(any::<u8>(), 0..64);
    let cut = (any::<prop::sample::Index>(), any::<u8>());
    let names = ["pile-start", "pile-transaction", "cloud-tariff", "cloud-list", "pile-telemetry"];
    let bent = (prop::sample::select(names.to_vec()), cut).prop_map(|(name, (at, byte))| {
        let mut bytes = vector(name).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        Bytes::from(bytes)
    });
    prop_oneof![
        (any::<u8>(), body).prop_map(|(code, body)| sealed(code, &body)),
        bent,
        prop::collection::vec(any::<u8>(), 0..128).prop_map(Bytes::from),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in envelopes()) {
        if let Err(error) = backend::decode(ConnectionId(1), Class::Command, &bytes) {
            prop_assert!(error.found.chars().count() <= QUOTE_LIMIT);
        }
        let _ = readable::decode(Revision::V1_10, &bytes);
        let _ = readable::decode(Revision::V1_0, &bytes);
        let _ = Topic::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn an_envelope_comes_out_as_it_went_in(
        code in any::<u8>(), sequence in any::<u64>(), at_s in 0..i64::from(i32::MAX),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        // Code 0 is left out by the encoding and so cannot be told from revision 1.0.
        prop_assume!(code != 0);
        let bytes = super::sealed_body(code, sequence, Some(at_s), body.clone().into());
        let wanted = Apdu { revision: Revision::V1_10, code, sequence, at_s, body: body.into() };
        prop_assert_eq!(Apdu::decode(&bytes).unwrap(), wanted);
    }
}
