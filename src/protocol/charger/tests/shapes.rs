//! The tables of texts against the messages as `proto/` has them.

use super::proto::Proto;
use crate::protocol::charger::{
    repair::{Part, Shape, shape_of},
    v1_0, v1_10,
    wire::v1_10::MessageId,
};

fn has_texts(proto: &Proto, name: &str) -> bool {
    proto.messages.get(name).is_some_and(|fields| {
        fields.values().any(|field| field.kind == "string" || has_texts(proto, &field.kind))
    })
}

/// Every text of the message, and no other field, is in the table as what it is.
fn compare(proto: &Proto, name: &str, shape: Shape) {
    let fields = &proto.messages[name];
    let is_text =
        |kind: &str| kind == "string" || kind.starts_with("map<") || has_texts(proto, kind);
    let wanted: Vec<u32> = fields
        .iter()
        .filter(|(_, field)| is_text(&field.kind))
        .map(|(number, _)| *number)
        .collect();
    let found: Vec<u32> = shape.iter().map(|(number, _)| *number).collect();
    assert_eq!(found, wanted, "{name}");
    for (number, part) in shape {
        let field = &fields[number];
        let is_name = matches!(field.name.as_str(), "recordId" | "id" | "idToken");
        match part {
            Part::Text => assert!(field.kind == "string" && !is_name, "{name}.{}", field.name),
            Part::Name => assert!(field.kind == "string" && is_name, "{name}.{}", field.name),
            Part::Inner(inner) => compare(proto, &field.kind, inner),
        }
    }
}

#[test]
fn the_tables_hold_every_text_of_their_messages() {
    let old = v1_0::texts::SHAPES.map(|(id, shape)| (id.as_str_name(), shape));
    let new = v1_10::texts::SHAPES.map(|(id, shape)| (id.as_str_name(), shape));
    for (proto, shapes) in [(Proto::v1_0(), old), (Proto::v1_10(), new)] {
        assert!(proto.messages.len() > 50, "{} read", proto.messages.len());
        for (id, shape) in shapes {
            compare(&proto, id.strip_prefix("ID_").unwrap(), shape);
        }
    }
}

#[test]
fn the_tables_hold_every_message_of_an_order() {
    for id in [
        MessageId::IdStartTransactionReq,
        MessageId::IdStopTransactionReq,
        MessageId::IdTransactionReq,
        MessageId::IdChargingInfoReq,
    ] {
        let code = u8::try_from(i32::from(id)).unwrap();
        assert!(shape_of(&v1_10::texts::SHAPES, code).is_some(), "{id:?}");
        assert!(shape_of(&v1_0::texts::SHAPES, code).is_some(), "{id:?}");
    }
}
