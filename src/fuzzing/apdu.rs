//! Any bytes as an envelope, from a pile and from a cloud.

use std::collections::BTreeMap;

use crate::{
    domain::{id::ConnectionId, wire::Revision},
    protocol::charger::{
        apdu::Apdu,
        backend,
        error::DecodeError,
        readable, registration,
        station::{self, ELEC_DATA_UNIT, Settings},
        topic::Class,
    },
};

/// Code of `MessageError`.
const ERROR_CODE: u8 = 0xff;

/// Time stamp of our answers, unix seconds.
const AT_S: i64 = 1_795_000_000;

/// Reads the bytes behind the first, which says on which topic they came.
///
/// # Panics
///
/// If a promise is broken.
pub fn apdu(data: &[u8]) {
    let Some((choice, payload)) = data.split_first() else { return };
    let class = match choice % 3 {
        0 => Class::Command,
        1 => Class::Telemetry,
        _ => Class::Registration,
    };
    let envelope = Apdu::decode(payload);
    check(&envelope, backend::decode(ConnectionId(1), class, payload));
    for revision in [Revision::V1_0, Revision::V1_10] {
        check(&envelope, station::decode(class, payload, &settings(revision)));
        if let Ok(text) = readable::decode(revision, payload) {
            assert!(text.starts_with("APDU "), "{text}");
        }
    }
    // An answer to a registration is read or refused; either is no promise to check.
    let _ = registration::registration_answer(payload);
}

fn settings(revision: Revision) -> Settings {
    Settings {
        revision,
        part_number: "SP-1".to_owned(),
        serial: "000123".to_owned(),
        vendor: "ACME".to_owned(),
        elec_data_unit: ELEC_DATA_UNIT,
        connectors: BTreeMap::new(),
    }
}

/// What cannot be read is answered to the one who sent it, or not at all; an answer never.
fn check<T>(envelope: &Result<Apdu, DecodeError>, read: Result<T, DecodeError>) {
    let Err(error) = read else {
        assert!(envelope.is_ok(), "a message without an envelope");
        return;
    };
    assert!(error.found.chars().count() <= 120, "quotes too much: {error}");
    let Some(answer) = error.answer(Revision::V1_10, Some(AT_S)) else { return };
    let answer = Apdu::decode(&answer).expect("our own answer is an envelope");
    assert_eq!((answer.code, answer.at_s), (ERROR_CODE, AT_S));
    if let Ok(envelope) = envelope {
        assert!(!envelope.is_answer(), "an answer is answered");
        assert_eq!(answer.sequence, envelope.sequence);
    }
}
