//! Any message of a file of `proto/`, written by the file and not by the code under test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/support/proto.rs"]
pub mod proto;

use prost::encoding::{WireType, encode_key, encode_varint};

use self::proto::{Field, Label, Proto, delimited};

/// Messages made from bytes: the same bytes make the same message.
pub struct Maker<'a> {
    proto: &'a Proto,
    choices: Box<dyn Iterator<Item = u8> + 'a>,
}

impl<'a> Maker<'a> {
    /// Where the choices end, the rest of the message is empty.
    pub fn new(proto: &'a Proto, choices: &'a [u8]) -> Self {
        Self { proto, choices: Box::new(choices.iter().copied()) }
    }

    fn choice(&mut self) -> u8 {
        self.choices.next().unwrap_or(0)
    }

    /// A message as every encoder writes it: fields by number, those that are empty left out, rows
    /// of maps by key.
    pub fn message(&mut self, name: &str) -> Vec<u8> {
        let fields = &self.proto.messages[name];
        let among: Vec<u32> = fields
            .iter()
            .filter(|(_, field)| field.label == Label::Among)
            .map(|(number, _)| *number)
            .collect();
        let chosen = among.get(usize::from(self.choice()) % (among.len() + 1)).copied();
        let mut body = Vec::new();
        for (number, field) in fields {
            let count = match field.label {
                Label::Among => u8::from(chosen == Some(*number)),
                Label::Repeated => self.choice() % 3,
                Label::Plain | Label::Optional => self.choice() % 2,
            };
            for row in 0..count {
                self.field(*number, field, row, &mut body);
            }
        }
        body
    }

    fn field(&mut self, number: u32, field: &Field, row: u8, body: &mut Vec<u8>) {
        if let Some((key, value)) = field.kind.strip_prefix("map<").and_then(|s| s.split_once(", "))
        {
            return self.map(number, key, value.trim_end_matches('>'), body);
        }
        let is_empty =
            field.label == Label::Optional && row == 0 && self.choice().is_multiple_of(4);
        self.value(number, &field.kind, is_empty, body);
    }

    fn map(&mut self, number: u32, key: &str, value: &str, body: &mut Vec<u8>) {
        for row in 1..=self.choice() % 3 {
            let mut entry = Vec::new();
            if key == "string" {
                delimited(1, &[b'a' + row], &mut entry);
            } else {
                varint(1, u64::from(row), &mut entry);
            }
            // One that is empty is written by some and not by others.
            let inner = self.message(value);
            if !inner.is_empty() {
                delimited(2, &inner, &mut entry);
            }
            delimited(number, &entry, body);
        }
    }

    fn value(&mut self, number: u32, kind: &str, is_empty: bool, body: &mut Vec<u8>) {
        let kind = kind.rsplit_once("gateway.").map_or(kind, |(_, kind)| kind);
        match kind {
            "string" | "bytes" if is_empty => delimited(number, &[], body),
            "string" => {
                let text = ["a", "\"\n", "山", "\u{7f}\\", "1.0"][usize::from(self.choice()) % 5];
                delimited(number, text.repeat(usize::from(self.choice() % 3) + 1).as_bytes(), body);
            }
            "bytes" => delimited(number, &[self.choice(), self.choice()], body),
            "bool" => varint(number, 1, body),
            "float" => {
                encode_key(number, WireType::ThirtyTwoBit, body);
                body.extend((f32::from(self.choice()) + 0.1).to_le_bytes());
            }
            kind if self.proto.messages.contains_key(kind) => {
                let inner = self.message(kind);
                delimited(number, &inner, body);
            }
            kind => {
                let wide = [self.choice(); 8].map(|byte| byte.wrapping_add(self.choice()));
                let wide = i64::from_le_bytes(wide);
                let narrow =
                    i64::from(i32::from_le_bytes(wide.to_le_bytes()[..4].try_into().unwrap()));
                let value = if kind == "int64" { wide } else { narrow };
                varint(number, if value == 0 { 1 } else { value.cast_unsigned() }, body);
            }
        }
    }
}

fn varint(number: u32, value: u64, body: &mut Vec<u8>) {
    encode_key(number, WireType::Varint, body);
    encode_varint(value, body);
}
