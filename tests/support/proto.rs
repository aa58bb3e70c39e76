//! The messages as `proto/` has them, and bodies by the names of their fields: neither written nor
//! read by the code under test.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests that use parts of it")]

use std::collections::BTreeMap;

use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};

/// What stands for an open `oneof`.
const ONE_OF: &str = "oneof";

/// Deepest nesting that is walked: no message of the tables holds another of its kind.
const DEPTH_LIMIT: usize = 6;

pub struct Field {
    pub kind: String,
    pub name: String,
    pub label: Label,
}

/// How often a field can be there, and among which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Left out where it is empty or zero.
    Plain,
    /// Also told where it is empty.
    Optional,
    Repeated,
    /// One of several.
    Among,
}

/// The file of a revision.
#[derive(Default)]
pub struct Proto {
    /// Fields by number, of each message by name.
    pub messages: BTreeMap<String, BTreeMap<u32, Field>>,
    /// Names by number, of each enum by name.
    pub enums: BTreeMap<String, BTreeMap<i32, String>>,
}

/// One number, text or flag that a message can hold, and where.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Names on the way to it, without case and underscores.
    pub path: String,
    /// Numbers on the way to it.
    pub numbers: Vec<u32>,
    /// Its type.
    pub kind: String,
}

impl Proto {
    pub fn v1_0() -> Self {
        Self::of(include_str!("../../proto/charger_v1_0.proto"))
    }

    pub fn v1_10() -> Self {
        Self::of(include_str!("../../proto/charger_v1_10.proto"))
    }

    /// Takes in what a file has.
    pub fn of(text: &str) -> Self {
        let (mut proto, mut open) = (Self::default(), Vec::new());
        for line in text.lines() {
            let line = line.split("//").next().unwrap().trim();
            let labels = [("repeated ", Label::Repeated), ("optional ", Label::Optional)];
            let labelled =
                labels.iter().find_map(|(word, of)| Some((line.strip_prefix(word)?, of)));
            let (line, label) = labelled.unwrap_or((line, &Label::Plain));
            proto.line(&line.split([' ', ';']).collect::<Vec<_>>(), *label, &mut open);
        }
        proto
    }

    fn line<'a>(&mut self, words: &[&'a str], label: Label, open: &mut Vec<&'a str>) {
        match *words {
            ["oneof", _, "{"] => open.push(ONE_OF),
            ["message", name, "{" | "{}"] => {
                open.push(name);
                self.messages.insert(open.join("."), BTreeMap::new());
                if words[2] == "{}" {
                    open.pop();
                }
            }
            ["enum", name, "{"] => {
                open.push(name);
                self.enums.insert(open.join("."), BTreeMap::new());
            }
            ["}"] => drop(open.pop()),
            [key, value, name, "=", number, ""] if key.starts_with("map<") => {
                self.field(open, label, format!("{key} {value}"), name, number);
            }
            [kind, name, "=", number, ""] => {
                self.field(open, label, kind.to_owned(), name, number);
            }
            [name, "=", number, ""] if !open.is_empty() => {
                let names = self.enums.get_mut(&open.join(".")).unwrap();
                names.insert(number.parse().unwrap(), name.to_owned());
            }
            _ => {}
        }
    }

    fn field(&mut self, open: &[&str], label: Label, kind: String, name: &str, number: &str) {
        let (open, label) = match open {
            [open @ .., ONE_OF] => (open, Label::Among),
            open => (open, label),
        };
        let fields = self.messages.get_mut(&open.join(".")).unwrap();
        fields.insert(number.parse().unwrap(), Field { kind, name: name.to_owned(), label });
    }

    /// Everything that a message can hold.
    pub fn leaves(&self, message: &str) -> Vec<Leaf> {
        let root = Leaf { path: String::new(), numbers: Vec::new(), kind: message.to_owned() };
        let mut leaves = Vec::new();
        self.collect(&root, &mut leaves);
        leaves
    }

    fn collect(&self, at: &Leaf, leaves: &mut Vec<Leaf>) {
        assert!(at.numbers.len() <= DEPTH_LIMIT, "{}", at.path);
        let Some(fields) = self.messages.get(&at.kind) else {
            return leaves.push(at.clone());
        };
        for (number, field) in fields {
            let mut numbers = at.numbers.clone();
            numbers.push(*number);
            let path = format!("{}.{}", at.path, plain(&field.name));
            let mut kind = field.kind.clone();
            if let Some(value) = value_of_map(&kind) {
                numbers.push(2);
                kind = value.to_owned();
            }
            let path = path.trim_start_matches('.').to_owned();
            self.collect(&Leaf { path, numbers, kind }, leaves);
        }
    }

    /// A body that says this one thing. Numbers and texts are the same digits.
    pub fn body(&self, leaf: &Leaf, value: i32) -> Vec<u8> {
        let mut body = Vec::new();
        let (last, outer) = leaf.numbers.split_last().unwrap();
        self.write(&leaf.kind, *last, value, &mut body);
        for number in outer.iter().rev() {
            let mut around = Vec::new();
            delimited(*number, &body, &mut around);
            body = around;
        }
        body
    }

    fn write(&self, kind: &str, number: u32, value: i32, body: &mut Vec<u8>) {
        let text = value.to_string();
        match kind {
            "double" => {
                encode_key(number, WireType::SixtyFourBit, body);
                body.extend(f64::from(value).to_le_bytes());
            }
            "string" | "bytes" => delimited(number, text.as_bytes(), body),
            // A message of the tables that has no fields.
            _ if self.messages.contains_key(kind) => delimited(number, &[], body),
            _ => {
                encode_key(number, WireType::Varint, body);
                encode_varint(if kind == "bool" { 1 } else { u64::try_from(value).unwrap() }, body);
            }
        }
    }

    /// A body that says these things: values by names of fields, with dots between them.
    pub fn body_of(&self, message: &str, values: &BTreeMap<String, String>) -> Vec<u8> {
        let mut body = Vec::new();
        let fields = &self.messages[message];
        for path in values.keys() {
            let name = path.split('.').next().unwrap();
            assert!(fields.values().any(|field| field.name == name), "{message} has no {path}");
        }
        for (number, field) in fields {
            let inner: BTreeMap<String, String> = values
                .iter()
                .filter_map(|(path, value)| {
                    Some((
                        path.strip_prefix(&field.name)?.strip_prefix('.')?.to_owned(),
                        value.clone(),
                    ))
                })
                .collect();
            if let Some(value) = values.get(&field.name) {
                self.scalar(field, *number, value, &mut body);
            } else if !inner.is_empty() {
                delimited(*number, &self.body_of(&field.kind, &inner), &mut body);
            }
        }
        body
    }

    fn scalar(&self, field: &Field, number: u32, value: &str, body: &mut Vec<u8>) {
        match field.kind.as_str() {
            "string" | "bytes" => delimited(number, value.as_bytes(), body),
            "double" => {
                encode_key(number, WireType::SixtyFourBit, body);
                body.extend(value.parse::<f64>().unwrap().to_le_bytes());
            }
            kind => {
                let named = self.enums.get(kind).and_then(|names| {
                    names.iter().find(|(_, name)| *name == value).map(|(at, _)| i64::from(*at))
                });
                let number_of = named.unwrap_or_else(|| value.parse().unwrap());
                encode_key(number, WireType::Varint, body);
                encode_varint(number_of.cast_unsigned(), body);
            }
        }
    }

    /// What a body says, by path: numbers and texts as digits, enums as names.
    pub fn told(&self, message: &str, body: &[u8]) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        self.read(message, "", body, &mut told);
        told
    }

    fn read(&self, message: &str, at: &str, mut rest: &[u8], told: &mut BTreeMap<String, String>) {
        while !rest.is_empty() {
            let (number, wire) = decode_key(&mut rest).unwrap();
            let Some(field) = self.messages[message].get(&number) else {
                panic!("{message} has no field {number}");
            };
            let path = format!("{at}.{}", plain(&field.name)).trim_start_matches('.').to_owned();
            let start = rest;
            let text = match wire {
                WireType::LengthDelimited => {
                    let length = usize::try_from(decode_varint(&mut rest).unwrap()).unwrap();
                    let (value, after) = rest.split_at(length);
                    rest = after;
                    match self.inside(&field.kind, value) {
                        Some((inner, value)) if self.messages.contains_key(inner) => {
                            self.read(inner, &path, value, told);
                            continue;
                        }
                        Some((kind, mut value)) => self.number(kind, &mut value),
                        None if matches!(field.kind.as_str(), "string" | "bytes") => {
                            String::from_utf8(value.to_vec()).unwrap()
                        }
                        // Packed: there is but one.
                        None => self.number(&field.kind, &mut &value[..]),
                    }
                }
                WireType::Varint => self.number(&field.kind, &mut rest),
                _ => {
                    skip_field(wire, number, &mut rest, DecodeContext::default()).unwrap();
                    f64::from_le_bytes(start[..8].try_into().unwrap()).to_string()
                }
            };
            told.insert(path, text);
        }
    }

    /// Type and bytes of a message, or of the value of an entry of a map.
    fn inside<'a>(&self, kind: &'a str, value: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
        if let Some(of_map) = value_of_map(kind) {
            // An entry whose key is left out: its value follows the field's key, and for a
            // message its length.
            let after_key = &value[1..];
            let of_message = self.messages.contains_key(of_map);
            return Some((of_map, if of_message { &after_key[1..] } else { after_key }));
        }
        self.messages.contains_key(kind).then_some((kind, value))
    }

    fn number(&self, kind: &str, rest: &mut &[u8]) -> String {
        let number = decode_varint(rest).unwrap().cast_signed();
        let name = self.enums.get(kind).and_then(|names| names.get(&i32::try_from(number).ok()?));
        name.map_or(number.to_string(), String::clone)
    }
}

/// Writes a text or a message as a field.
pub fn delimited(number: u32, value: &[u8], body: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, body);
    encode_varint(u64::try_from(value.len()).unwrap(), body);
    body.extend(value);
}

/// The type of the values of a map.
fn value_of_map(kind: &str) -> Option<&str> {
    kind.strip_prefix("map<string, ")?.strip_suffix('>')
}

/// A name without case and underscores, which the revisions do not agree in.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('_', "")
}
