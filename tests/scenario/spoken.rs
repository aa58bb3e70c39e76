//! Pile and cloud by their bytes, in the revision the script says: `pile says StopTransactionReq
//! recordId=1 timestamp=@70`. What they are told is shown with every field.

#![allow(dead_code, reason = "shared by test crates that use parts of it")]

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::encoding::{WireType, encode_key, encode_varint};
use sitepilot::{
    domain::{id::ConnectionId, wire::Revision},
    protocol::charger::{apdu::Apdu, backend, station, topic::Class},
    site::{Input, Wire, command::Command},
};

use crate::{
    proto::{Proto, delimited},
    script::Line,
    show,
    small_site::{cloud, config, pile},
    world::BEGIN_S,
};

pub struct Spoken {
    pub pile: Revision,
    pub cloud: Revision,
    /// By what they are told: their names for values to come, and sequence ids by code.
    names: BTreeMap<&'static str, String>,
    asked: BTreeMap<(&'static str, u8), Vec<u64>>,
    sequence: u64,
}

impl Default for Spoken {
    fn default() -> Self {
        let (pile, cloud) = (Revision::V1_10, Revision::V1_10);
        Self { pile, cloud, names: BTreeMap::new(), asked: BTreeMap::new(), sequence: 500 }
    }
}

impl Spoken {
    pub fn with(mut self, who: &str, revision: &str) -> Self {
        let revision = match revision {
            "1.0" => Revision::V1_0,
            "1.10" => Revision::V1_10,
            other => panic!("no revision: {other}"),
        };
        match who {
            "pile" => self.pile = revision,
            _ => self.cloud = revision,
        }
        self
    }

    /// A message of one of them, as an input of the site.
    pub fn heard(
        &mut self,
        who: &str,
        says: &str,
        message: &str,
        line: &Line<'_>,
        connection: ConnectionId,
    ) -> Input {
        let revision = if who == "pile" { self.pile } else { self.cloud };
        let proto = proto(revision);
        let id = format!("ID_{message}");
        let codes = &proto.enums["MessageID"];
        let code = *codes.iter().find(|(_, name)| **name == id).expect("a message").0;
        let code = u8::try_from(code).expect("a code");
        let sequence = if says == "answers" { self.question(who, code) } else { self.next() };
        let values = line.args.iter().map(|(name, value)| ((*name).to_owned(), self.value(value)));
        let body = proto.body_of(message, &values.collect());
        let bytes = envelope(revision, code, sequence, &body);
        if who == "pile" {
            let said = backend::decode(connection, Class::Command, &bytes).expect("is read");
            assert_eq!(said.revision, revision);
            let pile = pile();
            return Input::Pile { pile, event: said.event, known: Vec::new() };
        }
        let settings = config(self.pile, self.cloud).uplinks.remove(0).wire;
        let Wire::Charger(settings) = settings else { panic!("a charging-station uplink") };
        let event = station::decode(Class::Command, &bytes, &settings).expect("is read");
        Input::Uplink { uplink: cloud(), event }
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The newest that is not answered.
    fn question(&mut self, who: &str, answer: u8) -> u64 {
        let who = if who == "pile" { "pile" } else { "cloud" };
        let open = self.asked.get_mut(&(who, answer - 0x80));
        open.and_then(Vec::pop).expect("a question that is not answered")
    }

    /// `@10`: seconds after the beginning; `$order`, `$token`: as they were last told.
    fn value(&self, text: &str) -> String {
        if let Some(after_s) = text.strip_prefix('@') {
            return (BEGIN_S + after_s.parse::<i64>().expect("seconds")).to_string();
        }
        text.strip_prefix('$').map_or(text, |name| &self.names[name]).to_owned()
    }

    /// What leaves, field by field.
    pub fn shown(&mut self, command: &Command, at_s: Option<i64>) -> String {
        let (who, revision, bytes) = match command {
            Command::Pile { message, .. } => {
                let bytes = backend::encode(message, self.pile, at_s).expect("is written");
                ("pile", self.pile, bytes)
            }
            Command::Uplink { message, .. } => {
                let settings = config(self.pile, self.cloud).uplinks.remove(0).wire;
                let Wire::Charger(settings) = settings else { panic!("a charging-station uplink") };
                let bytes = station::encode(message, &settings, at_s).expect("is written");
                ("cloud", self.cloud, bytes)
            }
            other => return show::command(other),
        };
        let Some((class, bytes)) = bytes else {
            return format!("{who} {}: nothing", revision.name());
        };
        format!("{who} {}: {}", revision.name(), self.told(who, revision, class, &bytes))
    }

    fn told(
        &mut self,
        who: &'static str,
        revision: Revision,
        class: Class,
        bytes: &Bytes,
    ) -> String {
        let apdu = Apdu::decode(bytes).expect("an envelope");
        assert_eq!(apdu.revision, revision);
        if !apdu.is_answer() {
            self.asked.entry((who, apdu.code)).or_default().push(apdu.sequence);
        }
        let proto = proto(revision);
        let name = proto.enums["MessageID"][&i32::from(apdu.code)].trim_start_matches("ID_");
        // The only one that is not called like its code.
        let message = if name == "HeartbeatConf" { "HeartbeatResp" } else { name };
        let mut told = proto.told(message, &apdu.body);
        // Another with every release.
        told.remove("firmwareversion");
        self.learn(who, name, &told);
        let fields = told.iter().map(|(path, value)| format!(" {path}={value}"));
        let by = if class == Class::Telemetry { ", as telemetry:" } else { "" };
        format!("{name}{by}{}", fields.collect::<String>())
    }

    fn learn(&mut self, who: &str, name: &str, told: &BTreeMap<String, String>) {
        let (as_name, field) = match (who, name) {
            ("pile", "StartTransactionConf") => ("order", "transactionid"),
            ("pile", "RemoteStartTransactionReq") => ("token", "transactionid"),
            _ => return,
        };
        self.names.insert(as_name, told[field].clone());
    }
}

fn proto(revision: Revision) -> Proto {
    match revision {
        Revision::V1_0 => Proto::v1_0(),
        Revision::V1_10 => Proto::v1_10(),
    }
}

fn envelope(revision: Revision, code: u8, sequence: u64, body: &[u8]) -> Bytes {
    let (code_at, body_at) = match revision {
        Revision::V1_0 => (1, 3),
        Revision::V1_10 => (3, 4),
    };
    let mut bytes = Vec::new();
    for (number, value) in [(code_at, u64::from(code)), (2, sequence)] {
        encode_key(number, WireType::Varint, &mut bytes);
        encode_varint(value, &mut bytes);
    }
    delimited(body_at, body, &mut bytes);
    bytes.into()
}
