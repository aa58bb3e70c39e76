//! What is asked, and what is answered.

use super::{
    EVENTS, REQUESTS, assert_event, card, connector, encoded, gateway, running, settings, vector,
};
use crate::{
    domain::{
        event::{RemoteStart, UplinkEvent, UplinkRequest},
        id::Sequence,
        reply::{UplinkMessage, UplinkReply},
        time::{Mono, Now},
        wire::ErrorCode,
    },
    protocol::{
        dialect::{Dialect, Heard},
        peaq::{
            dialect::Gateway,
            readable,
            request::OPEN_LIMIT,
            wire::{
                events::{Event, EventType, event::Data},
                gateway::AuthorizeRequestData,
            },
        },
    },
};
use prost::Message;

/// What each request means to the site, in the order of the vectors' names.
const KINDS: [&str; 4] = ["authorize", "availability", "start", "stop"];

fn requested(gateway: &mut Gateway, payload: &[u8], now: Now) -> (Sequence, UplinkRequest) {
    match gateway.decode(REQUESTS, payload, now).unwrap() {
        Heard::Event(event) => match *event {
            UplinkEvent::Requested { sequence, request, .. } => (sequence, request),
            other => panic!("{other:?}"),
        },
        Heard::Answer(answer) => panic!("{}", readable::decode(&answer.payload).unwrap()),
    }
}

fn asked(gateway: &mut Gateway, name: &str) -> (Sequence, UplinkRequest) {
    requested(gateway, &vector(name), Now::default())
}

fn request(name: &str) -> UplinkRequest {
    let connector = Some(connector(12));
    match name {
        "authorize" => UplinkRequest::Authorize { card: card() },
        "availability" => UplinkRequest::Availability { connector },
        "start" => UplinkRequest::RemoteStart(RemoteStart {
            connector,
            transaction: None,
            card: Some(card()),
            original: None,
        }),
        _ => {
            let card = Some(card());
            UplinkRequest::RemoteStop { transaction: None, connector, card, original: None }
        }
    }
}

fn reply(name: &str, accepted: bool, reason: &str) -> UplinkReply {
    let reason = reason.to_owned();
    match name {
        "authorize" => UplinkReply::Authorize { accepted, reason },
        "availability" => UplinkReply::Availability { available: accepted, reason },
        "start" => UplinkReply::RemoteStart { accepted, reason, pile: None },
        _ => {
            let order = accepted.then(|| Box::new(running()));
            UplinkReply::RemoteStop { accepted, reason, order }
        }
    }
}

#[test]
fn requests_reach_the_site_and_answers_carry_the_key_back() {
    for (accepted, reason, prefix) in [(true, "", "granted"), (false, "no", "denied")] {
        let mut gateway = gateway();
        assert_eq!(gateway.filters(), [REQUESTS]);
        for name in KINDS {
            let (sequence, found) = asked(&mut gateway, &format!("asked-{name}"));
            assert_eq!(found, request(name));
            let answer = UplinkMessage::Answer(reply(name, accepted, reason));
            let told = encoded(&mut gateway, sequence, answer.clone());
            assert_eq!(told.len(), 1);
            assert_event(&told[0], &format!("{prefix}-{name}"));
            assert!(encoded(&mut gateway, sequence, answer).is_empty(), "answered twice");
        }
    }
}

#[test]
fn an_error_of_the_site_is_an_answer() {
    let mut gateway = gateway();
    for name in KINDS {
        let (sequence, _) = asked(&mut gateway, &format!("asked-{name}"));
        let answer = UplinkReply::Error { code: ErrorCode::NotSupported, text: "no".to_owned() };
        let told = encoded(&mut gateway, sequence, UplinkMessage::Answer(answer));
        assert_event(&told[0], &format!("denied-{name}"));
    }
}

#[test]
fn a_stop_tells_no_card_but_that_of_the_asker() {
    let mut gateway = gateway();
    let (sequence, _) = asked(&mut gateway, "asked-stop");
    let mut order = running();
    order.card = Some(crate::domain::id::CardNo::new("8812").unwrap());
    let (accepted, reason, order) = (true, String::new(), Some(Box::new(order)));
    let answer = UplinkReply::RemoteStop { accepted, reason, order };
    let told = encoded(&mut gateway, sequence, UplinkMessage::Answer(answer));
    let event = Event::decode(told[0].payload.as_ref()).unwrap();
    let Some(Data::StopTransactionResponseData(data)) = event.data else { panic!("{event:?}") };
    let info = data.transaction_info.unwrap();
    assert_eq!((info.id, &*info.id_tag), (42, ""));
}

#[test]
fn what_is_wrong_is_answered_and_does_not_reach_the_site() {
    let mut names: Vec<String> = Vec::new();
    for (prefix, kinds) in [
        ("client", &KINDS[..]),
        ("connector0", &KINDS[1..]),
        ("connector-1", &KINDS[1..]),
        ("connector10000", &KINDS[1..]),
        ("keyless", &["authorize", "start", "stop"]),
    ] {
        names.extend(kinds.iter().map(|kind| format!("{prefix}-{kind}")));
    }
    let refused = |name: &str| match name.split_once('-') {
        Some(("connector", rest)) => format!("connector-1-refused-{}", &rest[2..]),
        Some((prefix, kind)) => format!("{prefix}-refused-{kind}"),
        None => format!("{name}-refused"),
    };
    names.extend(["disagrees".to_owned(), "empty".to_owned()]);
    for name in names {
        let heard = gateway().decode(REQUESTS, &vector(&name), Now::default()).unwrap();
        let Heard::Answer(answer) = heard else { panic!("{name} reaches the site") };
        assert_event(&answer, &refused(&name));
    }
}

#[test]
fn what_is_no_request_is_refused_without_an_answer() {
    let mut gateway = gateway();
    let mut refused = |topic: &str, payload: &[u8]| {
        gateway.decode(topic, payload, Now::default()).unwrap_err().to_string()
    };
    let found = refused(EVENTS, &vector("asked-start"));
    assert_eq!(found, format!("topic: wanted the topic of requests, found {EVENTS}"));
    let found = refused(REQUESTS, &vector("granted-start"));
    assert_eq!(found, "Event: wanted a request, found START_TRANSACTION_RESPONSE");
    let found = refused(REQUESTS, &vector("every-unknown-event"));
    assert_eq!(found, "Event: wanted a request, found event 99, no data");
    assert!(refused(REQUESTS, b"\x0d").starts_with("Event: wanted a message of the tables"));
    assert!(refused(REQUESTS, &vector("state")).starts_with("Event: wanted a message"));
}

#[test]
fn an_answer_to_an_earlier_connection_is_not_taken_for_one_of_this() {
    let mut earlier = gateway();
    let (sequence, _) = asked(&mut earlier, "asked-authorize");
    let mut gateway = Gateway::new(settings(), 2);
    let (other, _) = asked(&mut gateway, "asked-start");
    assert_ne!(sequence, other);
    let answer = UplinkMessage::Answer(reply("authorize", true, ""));
    assert!(encoded(&mut gateway, sequence, answer).is_empty());
}

fn authorize(number: usize) -> Vec<u8> {
    let data = AuthorizeRequestData {
        charge_point_client_id: "site-1".to_owned(),
        consumer_public_key: format!("consumer {number}"),
    };
    let data = Some(Data::AuthorizeRequestData(data));
    Event { event_id: EventType::AuthorizeRequest.into(), data }.encode_to_vec()
}

#[test]
fn a_repetition_shares_the_answer() {
    let mut gateway = gateway();
    let (first, _) = asked(&mut gateway, "asked-start");
    let (again, _) = asked(&mut gateway, "asked-start");
    assert_eq!(first, again);
    let (other, _) = requested(&mut gateway, &authorize(1), Now::default());
    assert_ne!(first, other);
    let answer = UplinkMessage::Answer(reply("start", true, ""));
    assert_eq!(encoded(&mut gateway, first, answer).len(), 1);
    let (anew, _) = asked(&mut gateway, "asked-start");
    assert_ne!(first, anew, "an answered one is not repeated but wanted anew");
}

#[test]
fn no_more_requests_wait_than_there_is_room_for() {
    let mut gateway = gateway();
    let at = |ms| Now { mono: Mono(ms), ..Now::default() };
    for number in 0..OPEN_LIMIT {
        requested(&mut gateway, &authorize(number), at(number.try_into().unwrap()));
    }
    // Those that wait are under way; the newest is told to come later.
    let heard = gateway.decode(REQUESTS, &authorize(OPEN_LIMIT), at(1000)).unwrap();
    let Heard::Answer(answer) = heard else { panic!("too many wait") };
    let text = readable::decode(&answer.payload).unwrap();
    assert!(text.contains("64 requests wait for their answers already: ask later"), "{text}");
    // One that is never answered gives up its place.
    requested(&mut gateway, &authorize(OPEN_LIMIT), at(600_000));
    assert!(matches!(
        gateway.decode(REQUESTS, &authorize(OPEN_LIMIT + 1), at(600_000)),
        Ok(Heard::Answer(_))
    ));
}
