//! From one revision to the other: what both have survives, both ways. Every field of every
//! message is tried, as `proto/` has them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::proto::{Field, Leaf, Proto};
use crate::{
    domain::wire::{Original, Revision},
    protocol::charger::v1_0,
};

/// The same said under two names: in 1.0, in 1.10.
const RENAMED: [(&str, &str, &str); 3] = [
    ("ChargingInfoReq", "bmscharging.soc", "soc"),
    ("ChargingInfoReq", "bmscharging.vin", "vin"),
    ("ReserveNowReq", "idtoken.idtoken", "idtoken.id"),
];

/// Called the same and not the same: what kind of token, and what kind of card.
const NOT_THE_SAME: [(&str, &str); 1] = [("ReserveNowReq", "idtoken.type")];

/// A number that no enum has and every type of number holds; as a text it is a number too.
const VALUE: i32 = 1_234_567;

struct Lab {
    old: Proto,
    new: Proto,
}

/// A message that both revisions have.
struct Message {
    code: u8,
    name: String,
}

impl Lab {
    fn new() -> Self {
        Self { old: Proto::v1_0(), new: Proto::v1_10() }
    }

    fn messages(&self) -> Vec<Message> {
        let ids = &self.old.enums["MessageID"];
        let message = |(code, id): (&i32, &String)| {
            let (code, name) = (u8::try_from(*code).ok()?, id.strip_prefix("ID_")?.to_owned());
            let has_both =
                self.old.messages.contains_key(&name) && self.new.messages.contains_key(&name);
            has_both.then_some(Message { code, name })
        };
        ids.iter().filter_map(message).collect()
    }

    /// What both revisions can say in a message, as leaves of 1.0 and of 1.10.
    fn common(&self, message: &Message) -> Vec<(Leaf, Leaf)> {
        let new: BTreeMap<String, Leaf> = by_path(self.new.leaves(&message.name));
        let old = self.old.leaves(&message.name).into_iter();
        old.filter_map(|leaf| {
            let is_other = NOT_THE_SAME.contains(&(message.name.as_str(), leaf.path.as_str()));
            let path = renamed(&message.name, &leaf.path);
            new.get(&path).filter(|_| !is_other).map(|new| (leaf, new.clone()))
        })
        .collect()
    }

    /// Values of a leaf that say the same in both revisions; of an enum all with a common name.
    fn values(&self, old: &Leaf, new: &Leaf) -> Vec<(i32, i32)> {
        let (Some(before), Some(after)) =
            (self.old.enums.get(&old.kind), self.new.enums.get(&new.kind))
        else {
            return vec![(VALUE, VALUE)];
        };
        let number = |name: &String| after.iter().find(|(_, other)| *other == name);
        let pairs = before.iter().filter_map(|(old, name)| Some((*old, *number(name)?.0)));
        // 0 is left out on the wire.
        let pairs: Vec<_> = pairs.filter(|(old, new)| *old != 0 && *new != 0).collect();
        if pairs.is_empty() { vec![(1, 1)] } else { pairs }
    }
}

fn by_path(leaves: Vec<Leaf>) -> BTreeMap<String, Leaf> {
    leaves.into_iter().map(|leaf| (leaf.path.clone(), leaf)).collect()
}

fn renamed(message: &str, path: &str) -> String {
    let found = RENAMED.iter().find(|(of, old, _)| *of == message && *old == path);
    found.map_or(path, |(.., new)| new).to_owned()
}

fn lift(code: u8, body: &[u8]) -> Bytes {
    v1_0::lift(code, &Bytes::copy_from_slice(body)).unwrap()
}

fn lower(code: u8, body: &[u8], own: Option<&Original>) -> Bytes {
    let (lowered, body) = v1_0::lower(code, &Bytes::copy_from_slice(body), own).unwrap().unwrap();
    assert_eq!(lowered, code);
    body
}

#[test]
fn every_common_field_is_carried_up_and_comes_back() {
    let lab = Lab::new();
    let mut carried = 0;
    for message in lab.messages() {
        for (old, new) in lab.common(&message) {
            for (before, after) in lab.values(&old, &new) {
                let body = lab.old.body(&old, before);
                let lifted = lift(message.code, &body);
                let wanted = lab.new.told(&message.name, &lab.new.body(&new, after));
                let found = lab.new.told(&message.name, &lifted);
                assert_eq!(found, wanted, "{}.{}", message.name, old.path);
                let back = told_1_0(&lab, &message, &lower(message.code, &lifted, None));
                assert_eq!(back, told_1_0(&lab, &message, &body), "{}", message.name);
                carried += 1;
            }
        }
    }
    assert!(carried > 400, "{carried} values were tried");
}

#[test]
fn every_common_field_is_carried_down_and_comes_back() {
    let lab = Lab::new();
    for message in lab.messages() {
        for (old, new) in lab.common(&message) {
            for (before, after) in lab.values(&old, &new) {
                let body = lab.new.body(&new, after);
                let lowered = lower(message.code, &body, None);
                let wanted = told_1_0(&lab, &message, &lab.old.body(&old, before));
                assert_eq!(told_1_0(&lab, &message, &lowered), wanted, "{}", message.name);
                let back = lab.new.told(&message.name, &lift(message.code, &lowered));
                assert_eq!(back, lab.new.told(&message.name, &body), "{}", message.name);
            }
        }
    }
}

/// What a body of 1.0 says, without a status that is told for one that says nothing.
fn told_1_0(lab: &Lab, message: &Message, body: &[u8]) -> BTreeMap<String, String> {
    let mut told = lab.old.told(&message.name, body);
    let nothing_said = ["CHS_Available", "FW_Pending"];
    told.retain(|_, value| !nothing_said.contains(&value.as_str()));
    told
}

/// A message of 1.0 that is made from one of 1.0 says all that one said.
#[test]
fn what_only_1_0_has_is_kept_on_the_way_from_1_0_to_1_0() {
    let lab = Lab::new();
    for message in lab.messages() {
        for leaf in lab.old.leaves(&message.name) {
            let names = lab.old.enums.get(&leaf.kind);
            let values: Vec<i32> =
                names.map_or(vec![VALUE], |names| names.keys().copied().collect());
            for value in values.into_iter().filter(|value| *value != 0) {
                let body = lab.old.body(&leaf, value);
                let code = message.code;
                let own = Original {
                    revision: Revision::V1_0,
                    code,
                    body: Bytes::copy_from_slice(&body),
                };
                let again = lower(code, &lift(code, &body), Some(&own));
                let (found, wanted) =
                    (lab.old.told(&message.name, &again), lab.old.told(&message.name, &body));
                assert_eq!(found, wanted, "{}.{} = {value}", message.name, leaf.path);
            }
        }
    }
}

#[test]
fn what_cannot_be_carried_is_listed_in_the_documentation() {
    let lab = Lab::new();
    let documentation = include_str!("../../../../docs/protocols.md");
    let row = |message: &Message| {
        let (old, new): (Vec<_>, Vec<_>) = lab.common(message).into_iter().unzip();
        let up = lost(&lab.old, &message.name, &old);
        let down = lost(&lab.new, &message.name, &new);
        format!("| `{}` | {up} | {down} |", message.name)
    };
    let rows = lab.messages().into_iter().map(|message| row(&message));
    let wanted: Vec<String> = rows.filter(|row| !row.ends_with("|  |  |")).collect();
    let (_, table) = documentation.split_once("| 1.0 → 1.10 | 1.10 → 1.0 |\n").unwrap();
    // After the line between head and rows.
    let found: Vec<&str> = table.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert_eq!(found.join("\n"), wanted.join("\n"));
}

/// The fields of a message that the other revision lacks.
fn lost(proto: &Proto, message: &str, common: &[Leaf]) -> String {
    let leaves = proto.leaves(message);
    let is_common = |leaf: &Leaf| common.iter().any(|other| other.path == leaf.path);
    let mut texts = Vec::new();
    for (number, field) in &proto.messages[message] {
        let inside = leaves.iter().filter(|leaf| leaf.numbers[0] == *number);
        let (kept, gone): (Vec<&Leaf>, Vec<&Leaf>) = inside.partition(|leaf| is_common(leaf));
        let name = &field.name;
        match (kept.len(), gone.len()) {
            (_, 0) => {}
            (0, _) => texts.push(format!("`{name}`")),
            (kept_count, gone_count) if kept_count < gone_count => {
                let but = named(proto, field, &kept).join("`, `");
                texts.push(format!("`{name}` (but for `{but}`)"));
            }
            _ => {
                let parts = named(proto, field, &gone).into_iter();
                texts.extend(parts.map(|part| format!("`{name}.{part}`")));
            }
        }
    }
    texts.join(", ")
}

/// The fields within a field that lead to leaves.
fn named(proto: &Proto, within: &Field, leaves: &[&Leaf]) -> Vec<String> {
    let fields = &proto.messages[&within.kind];
    let mut names: Vec<String> =
        leaves.iter().map(|leaf| fields[&leaf.numbers[1]].name.clone()).collect();
    names.dedup();
    names
}
