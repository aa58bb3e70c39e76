use super::*;
use crate::broker::config::DoorsConfig;
use crate::broker::counters::Counters;
use crate::broker::hub::{Guest, Seated, Sit};
use crate::broker::pipe;
use crate::broker::registry::{Identity, Route};
use crate::broker::session::{Reply, Transmit};

/// A hub whose router goes nowhere: parcels are dispatched by the test.
fn hub() -> Hub {
    let config = DoorsConfig::new(([127, 0, 0, 1], 0).into());
    let (pipe, _end) = pipe::open().expect("a router");
    Hub::new(config, Arc::new(Counters::default()), pipe)
}

fn access() -> Access {
    let all = vec![Filter::new("#").expect("valid")];
    Access { publish: all.clone(), subscribe: all }
}

fn sit(hub: &mut Hub, number: u64) -> (ConnectionId, Seated) {
    let (connection, name) = (ConnectionId(number), format!("n{number}"));
    let identity = Identity { name, route: Route::Router, access: access() };
    match hub.sit(&Guest::new(connection, &identity, "c", true), Mono(0)) {
        Sit::Seated(seated) => (connection, seated),
        _ => panic!("no seat"),
    }
}

fn subscribe(hub: &mut Hub, connection: ConnectionId, filter: &str) {
    hub.subscribe(connection, 1, &[(filter.to_owned(), 0)], &access()).expect("valid");
}

fn delivered(hub: &mut Hub, connection: ConnectionId) -> Vec<Bytes> {
    let session = hub.session(connection).expect("seated");
    let sent = std::iter::from_fn(|| session.transmit(Mono(0)));
    sent.filter_map(|transmit| match transmit {
        Transmit::Publish { message, .. } => Some(message.payload),
        Transmit::Reply(Reply::ConnAck { .. } | Reply::SubAck { .. }) => None,
        Transmit::Reply(other) => panic!("{other:?}"),
    })
    .collect()
}

fn published(payload: &Bytes) -> Publish {
    Publish { topic: "x".to_owned(), payload: payload.clone(), qos: 0, id: 0, retain: false }
}

#[test]
fn what_was_published_before_a_subscription_does_not_reach_it() {
    let mut hub = hub();
    let (old, _old) = sit(&mut hub, 1);
    let (new, _new) = sit(&mut hub, 2);
    subscribe(&mut hub, old, "x");
    let texts = ["before", "after"].map(Bytes::from);
    assert_eq!(hub.route(&"P1".into(), &published(&texts[0])), Ok(()));
    subscribe(&mut hub, new, "x");
    // Made anew, it does not lose what is under way.
    subscribe(&mut hub, old, "x");
    assert_eq!(hub.route(&"P1".into(), &published(&texts[1])), Ok(()));
    for (sequence, text) in (0..).zip(&texts) {
        hub.dispatch(sequence, 0, "x", text);
    }
    assert_eq!(delivered(&mut hub, old), texts);
    assert_eq!(delivered(&mut hub, new), texts[1..]);
}

#[test]
fn nothing_is_said_to_a_connection_that_parts_and_its_seat_stays_taken() {
    let mut hub = hub();
    let (one, _one) = sit(&mut hub, 1);
    subscribe(&mut hub, one, "x");
    hub.part(one, Mono(0));
    let message =
        || Outgoing { topic: "x".to_owned(), payload: Bytes::new(), qos: 1, expires_in: None };
    for to in [To::Connection(one), To::Name("n1".to_owned())] {
        assert_eq!(hub.send(&to, message(), Mono(0)), Err(SendError::NotConnected));
    }
    let identity = Identity { name: "n1".to_owned(), route: Route::Router, access: access() };
    let guest = Guest::new(ConnectionId(2), &identity, "c", true);
    assert!(matches!(hub.sit(&guest, Mono(0)), Sit::Occupied(_)));
    hub.leave(one, Mono(0));
    assert!(matches!(hub.sit(&guest, Mono(0)), Sit::Seated(_)));
}
