//! The whole translation against vectors of another encoder, and against nonsense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bill;
mod carry;
mod cloud;
mod enrolment;
mod golden;
mod measured;
mod metered;
mod passing;
mod piles;
mod repair;
mod shapes;
#[path = "../../../../tests/support/tables.rs"]
mod tables;
mod v1_0;
mod wrong;

use bytes::Bytes;

use super::apdu::{self, Apdu};
use crate::domain::{
    id::PileCode,
    wire::{Original, Revision},
};
use crate::protocol::{arbitrary::proto, vectors};

const AT: i64 = 1_795_000_000;
const PILE: &str = "3101150012000001";
const ORDER: &str = "3101150012000001ABCDEFGHIJKLMNOP";

fn pile() -> PileCode {
    PileCode::new(PILE).unwrap()
}

/// The bytes of a vector of revision 1.10.
fn vector(name: &str) -> Bytes {
    vectors::vector(golden::V1_10, name)
}

/// An envelope of revision 1.10 around a message.
fn sealed<M: prost::Message>(code: u8, sequence: u64, at_s: Option<i64>, message: &M) -> Bytes {
    sealed_body(code, sequence, at_s, message.encode_to_vec().into())
}

/// An envelope of revision 1.10 around a serialized message.
fn sealed_body(code: u8, sequence: u64, at_s: Option<i64>, body: Bytes) -> Bytes {
    apdu::seal_body(Revision::V1_10, code, sequence, at_s, body).unwrap()
}

/// The message inside a vector, kept as a peer sent it.
fn original(name: &str) -> Original {
    kept(&vector(name))
}

/// The message inside an envelope, kept as a peer sent it.
fn kept(bytes: &[u8]) -> Original {
    let apdu = Apdu::decode(bytes).unwrap();
    Original { revision: apdu.revision, code: apdu.code, body: apdu.body }
}

/// Compares messages as text, which shows what differs.
#[track_caller]
fn assert_same(found: &[u8], wanted: &[u8]) {
    let revision = Apdu::decode(wanted).unwrap().revision;
    let text = |bytes| super::readable::decode(revision, bytes).unwrap();
    assert_eq!(text(found), text(wanted));
    assert_eq!(found, wanted, "the same text in other bytes");
}
