//! A site with one pile and one backend, whose words are bytes; both answer whatever they are
//! asked with the least that is an answer.

use std::convert::Infallible;

use bytes::Bytes;
use prost::Message;
use sitepilot::{
    domain::{
        connector::PileKind,
        event::{PileEvent, PileRequest, UplinkEvent},
        id::{ConnectionId, ConnectorNo, PileCode, RequestId},
        time::{ClockQuality, Mono, Now, Wall},
        wire::{Original, Revision},
    },
    protocol::charger::{
        apdu::Apdu,
        backend, station, table,
        topic::Class,
        wire::{v1_0, v1_10},
    },
    site::{Input, PileConfig, Site, command::Command, restore::Image},
};

use crate::small_site::{self, cloud, config};

const CONNECTION: ConnectionId = ConnectionId(1);
const SECOND_CONNECTION: ConnectionId = ConnectionId(2);

pub const SECOND: &str = "3101150012000002";

const AT_S: i64 = 1_767_225_600;

/// Sequence id of the request that is looked at: neither side of the site gets so far by itself.
const SEQUENCE: u32 = 77_777;

/// Who talks with the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Pile,
    Backend,
}

/// Something the site said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub to: Peer,
    /// Which pile; `None` for the backend.
    pub pile: Option<PileCode>,
    pub code: u8,
    pub body: Bytes,
    /// Says the sequence id of the request that is looked at.
    pub is_to_request: bool,
}

pub struct Desk {
    site: Site,
    settings: station::Settings,
    pile: Revision,
}

impl Desk {
    pub fn new(pile: Revision, backend: Revision) -> Self {
        let config = config(pile, backend);
        let settings = config.uplinks[0].wire.station().expect("a charging-station uplink").clone();
        let (site, step) = Site::restore(Image::default(), config, now());
        assert!(step.commands().is_empty(), "nothing to say before anybody is there");
        let mut desk = Self { site, settings, pile };
        let event = PileEvent::Connected { connection: CONNECTION, address: String::new() };
        desk.step(Input::Pile { pile: small_site::pile(), event, known: Vec::new() });
        desk.converse(Peer::Pile, 0x01);
        let input = Input::Uplink { uplink: cloud(), event: UplinkEvent::Connected };
        let said = desk.step(input);
        desk.settle(said);
        desk
    }

    /// Says the least that is a message of this code, answers whatever the site asks because of
    /// it, and gives what the site has said, but for questions of its own about other things.
    pub fn converse(&mut self, from: Peer, code: u8) -> Vec<Said> {
        let body = minimal(self.revision(from), from, code);
        let said = self.hear(from, code, SEQUENCE, body);
        self.settle(said)
    }

    /// A second pile comes, with connectors 21 and 22.
    pub fn second_pile(&mut self) {
        let connectors = [21, 22].into_iter().filter_map(ConnectorNo::new).collect();
        let config = PileConfig { revision: Revision::V1_10, kind: PileKind::Dc, connectors };
        let pile = PileCode::new(SECOND).unwrap();
        self.step(Input::PileAdmitted { pile, config });
        for event in [
            PileEvent::Connected { connection: SECOND_CONNECTION, address: String::new() },
            PileEvent::Requested {
                id: RequestId { connection: SECOND_CONNECTION, sequence: 1 },
                request: PileRequest::Boot {
                    nameplate: Box::default(),
                    original: Original { revision: self.pile, code: 1, body: Bytes::new() },
                },
            },
        ] {
            self.step(Input::Pile { pile, event, known: Vec::new() });
        }
    }

    /// The backend says this, and nobody answers the site.
    pub fn wants(&mut self, code: u8, sequence: u32, message: &impl Message) -> Vec<Said> {
        let said = self.hear(Peer::Backend, code, sequence, message.encode_to_vec().into());
        said.into_iter().map(|(said, _)| said).collect()
    }

    fn revision(&self, of: Peer) -> Revision {
        match of {
            Peer::Pile => self.pile,
            Peer::Backend => self.settings.revision,
        }
    }

    /// Both peers answer until nothing is asked any more.
    fn settle(&mut self, said: Vec<(Said, u32)>) -> Vec<Said> {
        let mut all = Vec::new();
        let mut open = std::collections::VecDeque::from(said);
        while let Some((said, sequence)) = open.pop_front() {
            let revision = self.revision(said.to);
            if let Some(answer) = table::answer_to(revision, said.code) {
                let body = minimal(revision, said.to, answer);
                open.extend(self.hear(said.to, answer, sequence, body));
            }
            all.push(said);
        }
        all
    }

    fn hear(&mut self, from: Peer, code: u8, sequence: u32, body: Bytes) -> Vec<(Said, u32)> {
        let revision = self.revision(from);
        let bytes = sealed(revision, code, sequence, body);
        let read = match from {
            Peer::Pile => backend::decode(CONNECTION, Class::Command, &bytes).map(|said| {
                Input::Pile { pile: small_site::pile(), event: said.event, known: Vec::new() }
            }),
            Peer::Backend => station::decode(Class::Command, &bytes, &self.settings)
                .map(|event| Input::Uplink { uplink: cloud(), event }),
        };
        match read {
            Ok(input) => self.step(input),
            // As the shells do.
            Err(error) => {
                let pile = (from == Peer::Pile).then(small_site::pile);
                let answer = error.answer(revision, Some(AT_S));
                answer.map(|bytes| opened(from, pile, &bytes)).into_iter().collect()
            }
        }
    }

    fn step(&mut self, input: Input) -> Vec<(Said, u32)> {
        let step = self.site.step(input, now());
        let released = step.commit_with(|_| Ok::<_, Infallible>(())).unwrap();
        released.into_iter().filter_map(|command| self.say(command)).collect()
    }

    fn say(&self, command: Command) -> Option<(Said, u32)> {
        match command {
            Command::Pile { pile, message } => {
                let (_, bytes) = backend::encode(&message, self.pile, Some(AT_S)).unwrap()?;
                Some(opened(Peer::Pile, Some(pile), &bytes))
            }
            Command::Uplink { message, .. } => {
                let encoded = station::encode(&message, &self.settings, Some(AT_S)).unwrap();
                Some(opened(Peer::Backend, None, &encoded?.1))
            }
            Command::Load(_)
            | Command::ReadMeter { .. }
            | Command::Time { .. }
            | Command::Operator { .. } => None,
        }
    }
}

fn opened(to: Peer, pile: Option<PileCode>, bytes: &[u8]) -> (Said, u32) {
    let apdu = Apdu::decode(bytes).unwrap();
    let sequence = u32::try_from(apdu.sequence).unwrap();
    let is_to_request = sequence == SEQUENCE;
    (Said { to, pile, code: apdu.code, body: apdu.body, is_to_request }, sequence)
}

fn sealed(revision: Revision, code: u8, sequence: u32, payload: Bytes) -> Bytes {
    match revision {
        Revision::V1_0 => v1_0::Apdu {
            message_id: code.into(),
            sequence_id: sequence.cast_signed(),
            payload,
            timestamp: 0,
        }
        .encode_to_vec(),
        Revision::V1_10 => v1_10::Apdu {
            message_id: code.into(),
            sequence_id: sequence.into(),
            payload,
            ..Default::default()
        }
        .encode_to_vec(),
    }
    .into()
}

/// The body of the least message of a code that its sender can mean.
pub fn minimal(revision: Revision, from: Peer, code: u8) -> Bytes {
    let token = v1_10::IdToken { id: "8812".to_owned(), ..Default::default() };
    match (from, code) {
        // Field 1 of 1.0 and of 1.10, both with the number of the card in field 1.
        (Peer::Pile, 0x14) => {
            v1_10::AuthorizeReq { id_data: Some(token), ..Default::default() }.encode_to_vec()
        }
        (Peer::Backend, 0x34) => match revision {
            Revision::V1_0 => {
                v1_0::SetTariffReq { tariffid: 1, ..Default::default() }.encode_to_vec()
            }
            Revision::V1_10 => {
                v1_10::SetTariffReq { tariffid: 1, ..Default::default() }.encode_to_vec()
            }
        },
        // Asks for a boot, which both revisions have.
        (Peer::Backend, 0x24) => match revision {
            Revision::V1_0 => {
                v1_0::TriggerMessageReq { request: 1, ..Default::default() }.encode_to_vec()
            }
            Revision::V1_10 => {
                v1_10::TriggerMessageReq { request: 1, ..Default::default() }.encode_to_vec()
            }
        },
        _ => Vec::new(),
    }
    .into()
}

fn now() -> Now {
    let wall = Wall { unix_ms: AT_S * 1000, quality: ClockQuality::Synced };
    Now { mono: Mono(1_000), wall }
}
