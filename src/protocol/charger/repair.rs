//! Texts of piles that are not UTF-8.
//!
//! Some piles write stop reasons or customer names in GBK. Protobuf knows UTF-8 alone and refuses
//! the whole message for them; but a pile must never be made to forget an order. So in the
//! messages an order depends on, broken texts are rewritten and the rest stays as it is.

use std::borrow::Cow;

use bytes::Bytes;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_varint, skip_field,
};

use super::{
    apdu::{Apdu, RECEIVED_LIMIT},
    v1_0, v1_10,
};
use crate::domain::wire::Revision;
use Part::{Inner, Name, Text};

/// Largest message that repairing makes, in bytes, unless it was larger before: what a pile could
/// have sent in its envelope, so that a repaired order is sent on like any other. Only names and
/// replacement characters make it longer; where they do not fit, broken texts are left empty.
pub const REPAIRED_LIMIT: usize = RECEIVED_LIMIT - 1024;

/// The fields of a message that are, or contain, texts, by number.
pub type Shape = &'static [(u32, Part)];

/// A field that is, or contains, texts.
#[derive(Debug)]
pub enum Part {
    /// For people, or for comparing with what the site gave: replacement characters do no harm.
    Text,
    /// Tells one order or card from others. What replaces it is made from its bytes, so that
    /// start and stop still belong together and no two cards become one.
    Name,
    /// A message.
    Inner(Shape),
}

/// The same with texts in UTF-8; `None` if they were, or if the message is not repaired: it is not
/// in the table, or cannot be parsed.
pub fn texts(apdu: &Apdu) -> Option<Apdu> {
    let shape = match apdu.revision {
        Revision::V1_0 => shape_of(&v1_0::texts::SHAPES, apdu.code),
        Revision::V1_10 => shape_of(&v1_10::texts::SHAPES, apdu.code),
    }?;
    let readable = mend(shape, &apdu.body, readable)?;
    let mended =
        if readable.len() <= REPAIRED_LIMIT { readable } else { mend(shape, &apdu.body, empty)? };
    (mended != apdu.body).then(|| Apdu { body: Bytes::from(mended), ..apdu.clone() })
}

/// The texts of the message of a code, if it is repaired.
pub fn shape_of<Id: Copy + Into<i32>>(shapes: &[(Id, Shape)], code: u8) -> Option<Shape> {
    let found = shapes.iter().find(|(id, _)| (*id).into() == i32::from(code));
    found.map(|(_, shape)| *shape)
}

/// What stands in for a broken text.
type StandIn = fn(&Part, &[u8]) -> String;

fn readable(part: &Part, broken: &[u8]) -> String {
    match part {
        Name => v1_10::made_name(broken),
        Text | Inner(_) => String::from_utf8_lossy(broken).into_owned(),
    }
}

fn empty(_: &Part, _: &[u8]) -> String {
    String::new()
}

/// Copies a message field by field, with a stand-in for each broken text; `None` if it cannot be
/// parsed. It goes no deeper than the table.
fn mend(shape: Shape, mut rest: &[u8], stand_in: StandIn) -> Option<Vec<u8>> {
    let mut mended = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let field = rest;
        let (tag, kind) = decode_key(&mut rest).ok()?;
        let is_text =
            |(number, _): &&(u32, Part)| *number == tag && kind == WireType::LengthDelimited;
        let Some((_, part)) = shape.iter().find(is_text) else {
            skip_field(kind, tag, &mut rest, DecodeContext::default()).ok()?;
            mended.extend_from_slice(&field[..field.len() - rest.len()]);
            continue;
        };
        mended.extend_from_slice(&field[..field.len() - rest.len()]);
        let value = mend_part(part, delimited(&mut rest)?, stand_in)?;
        encode_varint(u64::try_from(value.len()).ok()?, &mut mended);
        mended.extend_from_slice(&value);
    }
    Some(mended)
}

fn mend_part<'a>(part: &Part, value: &'a [u8], stand_in: StandIn) -> Option<Cow<'a, [u8]>> {
    Some(match part {
        Inner(shape) => mend(shape, value, stand_in)?.into(),
        Name | Text if std::str::from_utf8(value).is_ok() => value.into(),
        Name | Text => stand_in(part, value).into_bytes().into(),
    })
}

/// Takes a length and that many bytes.
fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(value)
}
