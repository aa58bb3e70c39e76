//! The table of texts against the messages as `proto/` has them.

use std::collections::BTreeMap;

use crate::protocol::charger::{
    v1_10::repair::{Part, SHAPES, Shape},
    wire::v1_10::MessageId,
};

const PROTO: &str = include_str!("../../../../proto/charger_v1_10.proto");

/// Type and name of each field by number, of each message by name.
type Messages = BTreeMap<String, BTreeMap<u32, (String, String)>>;

fn messages() -> Messages {
    let mut messages = Messages::new();
    let mut open: Vec<&str> = Vec::new();
    for line in PROTO.lines() {
        let line = line.split("//").next().unwrap().trim().trim_start_matches("repeated ");
        match line.split([' ', ';']).collect::<Vec<_>>()[..] {
            ["message" | "enum", name, "{"] => {
                open.push(name);
                messages.entry(open.join(".")).or_default();
            }
            ["}"] => drop(open.pop()),
            [kind, name, "=", number, ""] => {
                let field = (kind.to_owned(), name.to_owned());
                messages.get_mut(&open.join(".")).unwrap().insert(number.parse().unwrap(), field);
            }
            _ => {}
        }
    }
    messages
}

fn has_texts(messages: &Messages, name: &str) -> bool {
    messages.get(name).is_some_and(|fields| {
        fields.values().any(|(kind, _)| kind == "string" || has_texts(messages, kind))
    })
}

/// Every text of the message, and no other field, is in the table as what it is.
fn compare(messages: &Messages, name: &str, shape: Shape) {
    let fields = &messages[name];
    let is_text = |(_, (kind, _)): &(&u32, &(String, String))| {
        kind == "string" || kind.starts_with("map<") || has_texts(messages, kind)
    };
    let wanted: Vec<u32> = fields.iter().filter(is_text).map(|(number, _)| *number).collect();
    let found: Vec<u32> = shape.iter().map(|(number, _)| *number).collect();
    assert_eq!(found, wanted, "{name}");
    for (number, part) in shape {
        let (kind, field) = &fields[number];
        let is_name = matches!(field.as_str(), "recordId" | "id" | "idToken");
        match part {
            Part::Text => assert!(kind == "string" && !is_name, "{name}.{field}"),
            Part::Name => assert!(kind == "string" && is_name, "{name}.{field}"),
            Part::Inner(inner) => compare(messages, kind, inner),
        }
    }
}

#[test]
fn the_table_holds_every_text_of_its_messages() {
    let messages = messages();
    assert!(messages.len() > 100, "{} read", messages.len());
    for (id, shape) in SHAPES {
        compare(&messages, id.as_str_name().strip_prefix("ID_").unwrap(), shape);
    }
}

#[test]
fn the_table_holds_every_message_of_an_order() {
    for id in [
        MessageId::IdStartTransactionReq,
        MessageId::IdStopTransactionReq,
        MessageId::IdTransactionReq,
        MessageId::IdChargingInfoReq,
    ] {
        assert!(SHAPES.iter().any(|(found, _)| *found == id), "{id:?}");
    }
}
