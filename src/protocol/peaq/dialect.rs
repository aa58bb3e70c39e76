//! Topics and payloads of an uplink to a gateway.

use bytes::Bytes;
use prost::Message;

use super::{
    super::dialect::{Dialect, Heard, NotOfWire, Publication, Unfit},
    Settings, event, readable,
    request::{self, Asked, Open, Refusal},
    state,
    wire::events::{Event, event::Data},
};
use crate::domain::{
    event::UplinkEvent,
    reply::{ToUplink, UplinkMessage},
    time::Now,
};

/// A connection to a gateway. Remembers which requests wait for their answers.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    open: Open,
}

impl Gateway {
    /// For an uplink with these settings. No two connections of a run may have the same number:
    /// it keeps an answer of the site from being taken for that to a request of this connection.
    #[must_use]
    pub const fn new(settings: Settings, connection: u32) -> Self {
        Self { settings, open: Open::new(connection) }
    }

    fn topic(&self, kind: &str) -> String {
        format!("{}/{}/{kind}", self.settings.topic_prefix, self.settings.client_id)
    }

    fn publication(&self, kind: &str, payload: Bytes, retain: bool) -> Publication {
        Publication { topic: self.topic(kind), payload, retain, confirms: None }
    }

    fn event(&self, data: Data) -> Publication {
        self.publication("event", encoded(data), false)
    }

    fn heard(&mut self, event: Event, now: Now) -> Result<Heard, NotOfWire> {
        let digest = request::digest(&event);
        let asked = Asked::of(event)?;
        let taken = asked.request(&self.settings.client_id).and_then(|request| {
            let sequence = self.open.admit(&asked, digest, now.mono)?;
            Ok(UplinkEvent::Requested { sequence, digest, request })
        });
        Ok(match taken {
            Ok(event) => Heard::Event(Box::new(event)),
            Err(Refusal(why)) => Heard::Answer(self.event(asked.answer(false, &why, None))),
        })
    }
}

impl Dialect for Gateway {
    fn filters(&self) -> Vec<String> {
        vec![self.topic("request")]
    }

    fn encode(&mut self, message: &ToUplink, _: Now) -> Result<Vec<Publication>, Unfit> {
        Ok(match &message.message {
            UplinkMessage::News(news) => {
                event::of(news, &self.settings).map(|data| self.event(data)).into_iter().collect()
            }
            UplinkMessage::Snapshot(image) => {
                let state = state::of(image, &self.settings.client_id);
                vec![self.publication("state", state.encode_to_vec().into(), true)]
            }
            // To a request of this connection; one of an earlier connection is heard by nobody.
            UplinkMessage::Answer(reply) => {
                let data = self.open.answer(message.sequence, reply);
                data.map(|data| self.event(data)).into_iter().collect()
            }
            // Meant for other wires.
            _ => Vec::new(),
        })
    }

    fn decode(&mut self, topic: &str, payload: &[u8], now: Now) -> Result<Heard, NotOfWire> {
        if topic != self.topic("request") {
            let found = topic.chars().take(request::QUOTE_LIMIT).collect();
            return Err(NotOfWire { at: "topic", wanted: "the topic of requests", found });
        }
        self.heard(readable::event(payload)?, now)
    }
}

/// An event with the id that belongs to its data.
fn encoded(data: Data) -> Bytes {
    let event_id = event::kind(&data).into();
    Event { event_id, data: Some(data) }.encode_to_vec().into()
}
