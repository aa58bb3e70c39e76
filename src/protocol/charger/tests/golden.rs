//! Vectors made by Python's protobuf: bytes to text, and the same bytes again.

use bytes::Bytes;

use crate::{
    domain::wire::Revision,
    protocol::{
        charger::{
            apdu::{self, Apdu},
            readable,
        },
        vectors::{assert_texts, vectors},
    },
};

pub const V1_10: &str = include_str!("../../../../tests/golden/charger-1.10.txt");
pub const GBK: &str = include_str!("../../../../tests/golden/charger-1.10-gbk.txt");
pub const GBK_1_0: &str = include_str!("../../../../tests/golden/charger-1.0-gbk.txt");
pub const V1_0: &str = include_str!("../../../../tests/golden/charger-1.0.txt");

#[test]
fn bytes_of_1_10_read_as_their_text() {
    assert_texts(V1_10, |bytes| readable::decode(Revision::V1_10, bytes));
}

#[test]
fn bytes_of_1_0_read_as_their_text() {
    assert_texts(V1_0, |bytes| readable::decode(Revision::V1_0, bytes));
}

fn sealed_again(apdu: &Apdu, body: Bytes) -> Bytes {
    let Apdu { revision, code, sequence, at_s, .. } = *apdu;
    apdu::seal_body(revision, code, sequence, Some(at_s), body).unwrap()
}

#[test]
fn messages_of_1_10_are_written_as_they_were_read() {
    let vectors = vectors(V1_10);
    assert!(vectors.len() > 50, "the file is cut: {} vectors", vectors.len());
    for vector in vectors {
        let apdu = Apdu::decode(&vector.bytes).unwrap();
        let body = Bytes::from(readable::again_1_10(&apdu).unwrap());
        assert_eq!(sealed_again(&apdu, body), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn messages_of_1_0_are_written_as_they_were_read() {
    for vector in vectors(V1_0) {
        let apdu = Apdu::decode(&vector.bytes).unwrap();
        let body = Bytes::from(readable::again_1_0(&apdu).unwrap());
        assert_eq!(sealed_again(&apdu, body), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn the_text_of_the_other_revision_is_refused() {
    let vector = &vectors(V1_0)[0];
    let error = readable::decode(Revision::V1_10, &vector.bytes).unwrap_err();
    assert_eq!(error.to_string(), "APDU revision: wanted 1.10, found 1.0");
}
