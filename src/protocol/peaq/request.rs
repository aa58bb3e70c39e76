//! What a gateway asks for, and which of it waits for an answer.

use std::collections::BTreeMap;

use prost::Message;
use sha2::{Digest, Sha256};

use super::{
    super::dialect::NotOfWire,
    event,
    told::{response, transaction},
    wire::{
        events::{Event, EventType, event::Data},
        gateway::{
            AuthorizeRequestData, AuthorizeResponseData, CheckAvailabilityRequestData,
            CheckAvailabilityResponseData, StartTransactionRequestData,
            StartTransactionResponseData, StopTransactionRequestData, StopTransactionResponseData,
        },
    },
};
use crate::domain::{
    connector::RunningOrder,
    event::{RemoteStart, UplinkRequest},
    id::{CardNo, ConnectorNo, Sequence},
    reply::UplinkReply,
    time::Mono,
};

/// Requests that wait at the same time: more than a site has connectors that somebody asks about
/// at once.
pub(super) const OPEN_LIMIT: usize = 64;

/// A request that the site has not answered by then is not answered any more, and gives up its
/// place: the site fails every one of its own long before.
const OPEN_MS: u64 = 600_000;

/// Characters of a peer's text that are quoted to it.
pub(super) const QUOTE_LIMIT: usize = 64;

/// Why a request does not reach the site; told to whom it came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) String);

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Authorize,
    Availability,
    Start,
    Stop,
}

/// A request, of which nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    kind: Kind,
    /// What the envelope says it is.
    event_id: i32,
    /// `None`: the envelope is empty.
    fields: Option<Fields>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    client: String,
    /// Empty where the request has none.
    consumer: String,
    /// 0 where the request has none.
    connector: i32,
}

impl Asked {
    /// What an event asks for, by its data; by its id where it has none.
    pub(super) fn of(event: Event) -> Result<Self, NotOfWire> {
        let event_id = event.event_id;
        let asked = |kind, client, consumer, connector| {
            Ok(Self { kind, event_id, fields: Some(Fields { client, consumer, connector }) })
        };
        match event.data {
            Some(Data::AuthorizeRequestData(data)) => {
                let AuthorizeRequestData { charge_point_client_id, consumer_public_key } = data;
                asked(Kind::Authorize, charge_point_client_id, consumer_public_key, 0)
            }
            Some(Data::CheckAvailabilityRequestData(data)) => {
                let CheckAvailabilityRequestData { charge_point_client_id, connector_id } = data;
                asked(Kind::Availability, charge_point_client_id, String::new(), connector_id)
            }
            Some(Data::StartTransactionRequestData(data)) => {
                let StartTransactionRequestData {
                    charge_point_client_id,
                    connector_id,
                    consumer_public_key,
                } = data;
                asked(Kind::Start, charge_point_client_id, consumer_public_key, connector_id)
            }
            Some(Data::StopTransactionRequestData(data)) => {
                let StopTransactionRequestData {
                    charge_point_client_id,
                    connector_id,
                    consumer_public_key,
                } = data;
                asked(Kind::Stop, charge_point_client_id, consumer_public_key, connector_id)
            }
            Some(data) => Err(no_request(event::kind(&data).as_str_name().to_owned())),
            None => {
                let kind = Kind::announced(event_id);
                let kind = kind.ok_or_else(|| no_request(format!("event {event_id}, no data")))?;
                Ok(Self { kind, event_id, fields: None })
            }
        }
    }

    /// What the site is asked.
    pub(super) fn request(&self, client_id: &str) -> Result<UplinkRequest, Refusal> {
        let Some(fields) = &self.fields else {
            return Err(Refusal("data: none".to_owned()));
        };
        let wanted = self.kind.event_id();
        if self.event_id != i32::from(wanted) {
            let (wanted, number) = (wanted.as_str_name(), i32::from(wanted));
            let found = self.event_id;
            let why = format!("event_id: wanted {number} ({wanted}) for its data, found {found}");
            return Err(Refusal(why));
        }
        if fields.client != client_id {
            let found = quoted(&fields.client);
            let why = format!("charge_point_client_id: wanted {client_id:?}, found {found}");
            return Err(Refusal(why));
        }
        fields.request(self.kind)
    }

    /// The answer.
    pub(super) fn answer(
        &self,
        accepted: bool,
        message: &str,
        order: Option<&RunningOrder>,
    ) -> Data {
        let consumer = self.fields.as_ref().map(|fields| fields.consumer.clone());
        let consumer_public_key = consumer.unwrap_or_default();
        let resp = Some(response(accepted, message));
        match self.kind {
            Kind::Authorize => {
                Data::AuthorizeResponseData(AuthorizeResponseData { consumer_public_key, resp })
            }
            Kind::Availability => {
                Data::CheckAvailabilityResponseData(CheckAvailabilityResponseData { resp })
            }
            Kind::Start => {
                let data = StartTransactionResponseData { consumer_public_key, resp };
                Data::StartTransactionResponseData(data)
            }
            Kind::Stop => {
                let connector = self.fields.as_ref().map_or(0, |fields| fields.connector);
                let is_own = |card: &CardNo| card.as_str() == consumer_public_key;
                let info = order.and_then(|order| transaction(order, connector, is_own));
                let transaction_info = info.map(|(_, info)| info);
                Data::StopTransactionResponseData(StopTransactionResponseData {
                    consumer_public_key,
                    transaction_info,
                    resp,
                })
            }
        }
    }
}

impl Kind {
    const ALL: [Self; 4] = [Self::Authorize, Self::Availability, Self::Start, Self::Stop];

    const fn event_id(self) -> EventType {
        match self {
            Self::Authorize => EventType::AuthorizeRequest,
            Self::Availability => EventType::CheckAvailabilityRequest,
            Self::Start => EventType::StartTransactionRequest,
            Self::Stop => EventType::StopTransactionRequest,
        }
    }

    fn announced(event_id: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| i32::from(kind.event_id()) == event_id)
    }
}

impl Fields {
    fn request(&self, kind: Kind) -> Result<UplinkRequest, Refusal> {
        Ok(match kind {
            Kind::Authorize => UplinkRequest::Authorize { card: self.card()? },
            Kind::Availability => {
                UplinkRequest::Availability { connector: Some(self.connector()?) }
            }
            Kind::Start => UplinkRequest::RemoteStart(RemoteStart {
                connector: Some(self.connector()?),
                transaction: None,
                card: Some(self.card()?),
                original: None,
            }),
            Kind::Stop => {
                let (card, connector) = (Some(self.card()?), Some(self.connector()?));
                UplinkRequest::RemoteStop { transaction: None, connector, card, original: None }
            }
        })
    }

    /// The consumer's key, as the site knows who pays.
    fn card(&self) -> Result<CardNo, Refusal> {
        CardNo::new(&self.consumer).map_err(|error| {
            Refusal(format!("consumer_public_key: {error}: {}", quoted(&self.consumer)))
        })
    }

    fn connector(&self) -> Result<ConnectorNo, Refusal> {
        let number = u16::try_from(self.connector).ok().and_then(ConnectorNo::new);
        number.ok_or_else(|| {
            Refusal(format!("connector_id: wanted 1 to 9999, found {}", self.connector))
        })
    }
}

/// Requests that wait for their answers.
#[derive(Debug)]
pub(super) struct Open {
    /// The sequence ids of a connection begin behind this.
    first: u64,
    count: u32,
    requests: BTreeMap<Sequence, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    digest: u64,
    since: Mono,
}

impl Open {
    pub(super) const fn new(connection: u32) -> Self {
        // Widens.
        Self { first: (connection as u64) << 32, count: 0, requests: BTreeMap::new() }
    }

    /// Makes a request wait. Requests have no ids: one of the same bytes as one that waits is its
    /// repetition and shares its answer. Where too many wait, the newest is refused: the others
    /// are under way, and it would be false to call them failed.
    pub(super) fn admit(
        &mut self,
        asked: &Asked,
        digest: u64,
        now: Mono,
    ) -> Result<Sequence, Refusal> {
        let same = |waiting: &Waiting| waiting.digest == digest && waiting.asked == *asked;
        if let Some((sequence, _)) = self.requests.iter().find(|(_, waiting)| same(waiting)) {
            return Ok(*sequence);
        }
        if self.requests.len() >= OPEN_LIMIT {
            self.requests.retain(|_, waiting| now.since_ms(waiting.since) < OPEN_MS);
        }
        if self.requests.len() >= OPEN_LIMIT {
            let why = format!("{OPEN_LIMIT} requests wait for their answers already: ask later");
            return Err(Refusal(why));
        }
        self.count = self.count.wrapping_add(1);
        let sequence = Sequence(self.first | u64::from(self.count));
        self.requests.insert(sequence, Waiting { asked: asked.clone(), digest, since: now });
        Ok(sequence)
    }

    /// The answer to one that waits; `None` if none does, or the wire has no such answer.
    pub(super) fn answer(&mut self, sequence: Sequence, reply: &UplinkReply) -> Option<Data> {
        let (accepted, message, order) = verdict(reply)?;
        let waiting = self.requests.remove(&sequence)?;
        Some(waiting.asked.answer(accepted, message, order))
    }
}

fn verdict(reply: &UplinkReply) -> Option<(bool, &str, Option<&RunningOrder>)> {
    match reply {
        UplinkReply::Authorize { accepted, reason }
        | UplinkReply::RemoteStart { accepted, reason, .. } => Some((*accepted, reason, None)),
        UplinkReply::Availability { available, reason } => Some((*available, reason, None)),
        UplinkReply::RemoteStop { accepted, reason, order } => {
            Some((*accepted, reason, order.as_deref()))
        }
        UplinkReply::Error { text, .. } => Some((false, text, None)),
        _ => None,
    }
}

/// 64 bits of SHA-256 over an event.
pub(super) fn digest(event: &Event) -> u64 {
    let hash = Sha256::digest(event.encode_to_vec());
    hash.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

fn no_request(found: String) -> NotOfWire {
    NotOfWire { at: "Event", wanted: "a request", found }
}

fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(QUOTE_LIMIT).collect::<String>())
}
