//! Any bytes as a message of the gateway, and as requests on one connection.

use std::collections::BTreeSet;

use prost::Message;

use crate::{
    domain::{
        event::UplinkEvent,
        id::Sequence,
        reply::{ToUplink, UplinkMessage, UplinkReply, Urgency},
        time::{Mono, Now},
    },
    protocol::{
        dialect::{Dialect, Heard, Publication},
        peaq::{
            Settings,
            dialect::Gateway,
            readable,
            wire::{events::Event, gateway::ChargePointState},
        },
    },
};

const REQUESTS: &str = "peaq/site-1/request";

/// Requests that may wait on a connection.
const MOST_OPEN: usize = 64;

/// Reads the bytes as one message; then as requests, each behind a byte that is its length, and a
/// byte that says after how many seconds it comes and whether the site then answers one.
///
/// # Panics
///
/// If a promise is broken.
pub fn peaq(data: &[u8]) {
    read(data);
    let settings = Settings {
        topic_prefix: "peaq".to_owned(),
        client_id: "site-1".to_owned(),
        model: String::new(),
        vendor: String::new(),
    };
    let mut connection = Connection {
        gateway: Gateway::new(settings, 1),
        open: BTreeSet::new(),
        now: Now::default(),
    };
    let mut rest = data;
    while let [length, pace, after @ ..] = rest {
        let (request, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        connection.now.mono = Mono(connection.now.mono.0 + u64::from(*pace) * 1000);
        connection.ask(request);
        if pace % 2 == 1 {
            connection.answer_one();
        }
    }
    connection.end();
}

fn read(data: &[u8]) {
    let Ok(text) = readable::decode(data) else { return };
    let again = if text.starts_with("peaq state of ") {
        ChargePointState::decode(data).expect("it has been read").encode_to_vec()
    } else {
        assert!(text.starts_with("peaq event "), "{text}");
        Event::decode(data).expect("it has been read").encode_to_vec()
    };
    let again = readable::decode(&again);
    assert_eq!(again.as_ref(), Ok(&text), "written anew, it is another message");
}

struct Connection {
    gateway: Gateway,
    open: BTreeSet<Sequence>,
    now: Now,
}

impl Connection {
    fn ask(&mut self, request: &[u8]) {
        match self.gateway.decode(REQUESTS, request, self.now) {
            Ok(Heard::Event(event)) => {
                let UplinkEvent::Requested { sequence, .. } = *event else {
                    panic!("no request: {event:?}")
                };
                self.open.insert(sequence);
            }
            Ok(Heard::Answer(answer)) => check(&answer),
            Err(error) => assert!(error.found.chars().count() <= 300, "quotes too much: {error}"),
        }
    }

    fn answer_one(&mut self) {
        let Some(sequence) = self.open.pop_first() else { return };
        let open = self.answered(sequence);
        // The oldest may have been let go to make room.
        assert!(open <= 1, "one request has {open} answers");
        assert_eq!(self.answered(sequence), 0, "a request is answered twice");
    }

    fn end(mut self) {
        let open = std::mem::take(&mut self.open);
        let waited = open.into_iter().map(|sequence| self.answered(sequence)).sum::<usize>();
        assert!(waited <= MOST_OPEN, "{waited} requests waited");
    }

    fn answered(&mut self, sequence: Sequence) -> usize {
        let (accepted, reason) = (false, String::new());
        let message = UplinkMessage::Answer(UplinkReply::Authorize { accepted, reason });
        let message = ToUplink { sequence, message, urgency: Urgency::Live };
        let told = self.gateway.encode(&message, self.now).expect("an answer fits");
        told.iter().for_each(check);
        told.len()
    }
}

/// A refusal goes to the consumers' topic and says that it is one.
fn check(answer: &Publication) {
    assert_eq!(answer.topic, "peaq/site-1/event");
    let text = readable::decode(&answer.payload).expect("our own answer is an event");
    assert!(text.contains("_RESPONSE ") && text.contains("error: true"), "{text}");
}
