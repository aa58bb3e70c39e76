//! What the site sees of its piles, and says to them.

use std::time::Duration;

use bytes::Bytes;
use sitepilot::broker::{DoorEvent, DoorsError, SendError, To};

use crate::mqtt_raw::{Connect, GUARD, House, Raw, ack, describe, name, publish, say};

#[test]
fn a_pile_comes_reports_is_answered_and_goes() {
    let house = House::open();
    let mut pile = house.pile("P1");
    pile.send(&publish("U/P1/boot", b"hello", 0, 0));
    assert_eq!(house.event(), "P1 U/P1/boot q0 hello");
    pile.ask(&publish("U/P1/order", b"one", 1, 7), &ack(0x40, 7));
    assert_eq!(house.event(), "P1 U/P1/order q1 one");
    pile.ask(&publish("U/P1/order", b"two", 2, 8), &ack(0x50, 8));
    assert_eq!(house.event(), "P1 U/P1/order q2 two");
    pile.ask(&ack(0x62, 8), &ack(0x70, 8));
    pile.subscribe(&[("D/P1/#", 2)], &[2]);
    house.doors.send(&name("P1"), say("D/P1/x", "hi", 1)).unwrap();
    let got = pile.publish();
    assert_eq!((got.topic.as_str(), got.qos, got.dup), ("D/P1/x", 1, false));
    pile.send(&ack(0x40, got.id));
    pile.send(&[0xe0, 0]);
    assert_eq!(house.event(), "gone P1: disconnected");
    pile.expect_end();
    house.close().unwrap();
}

#[test]
fn observers_get_copies_and_what_the_site_publishes() {
    let house = House::open();
    let mut display = house.client("display");
    display.subscribe(&[("U/#", 1), ("D/#", 1)], &[1, 0x80]);
    let mut pile = house.pile("P1");
    pile.send(&publish("U/P1/state", b"charging", 2, 1));
    let got = display.publish();
    assert_eq!((got.topic.as_str(), got.payload.as_slice()), ("U/P1/state", &b"charging"[..]));
    assert_eq!(got.qos, 1);
    display.send(&ack(0x40, got.id));
    house.doors.publish("U/site", &Bytes::from_static(b"fine"), false).unwrap();
    assert_eq!(display.publish().topic, "U/site");
    let events: Vec<_> = house.events.try_iter().map(|event| describe(&event)).collect();
    assert_eq!(events, ["P1 U/P1/state q2 charging"], "observers are not announced");
    house.close().unwrap();
}

#[test]
fn messages_before_the_subscription_wait_for_it() {
    let house = House::open();
    let mut pile = house.pile("P1");
    for payload in ["a", "b"] {
        house.doors.send(&name("P1"), say("D/P1/x", payload, 2)).unwrap();
    }
    pile.expect_quiet();
    pile.subscribe(&[("D/P1/+", 1)], &[1]);
    let (first, second) = (pile.publish(), pile.publish());
    assert_eq!((first.payload, first.qos), (b"a".to_vec(), 1));
    assert_eq!((second.payload, second.qos), (b"b".to_vec(), 1));
    let sent: Vec<_> = (0..100).map(|_| house.doors.send(&name("P1"), say("x", "", 0))).collect();
    assert!(sent.contains(&Ok(())));
    assert_eq!(sent[99], Err(SendError::Full));
    house.close().unwrap();
}

#[test]
fn an_answer_goes_to_its_connection_only() {
    let house = House::open();
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    let Ok(DoorEvent::Connected { connection, .. }) = house.events.recv_timeout(GUARD) else {
        panic!("expected Connected");
    };
    assert_eq!(raw.packet(), (0x20, vec![0, 0]));
    raw.subscribe(&[("D/P1/#", 2)], &[2]);
    let answer = To::Connection(connection);
    house.doors.send(&answer, say("D/P1/a", "answer", 2)).unwrap();
    house.doors.send(&name("P1"), say("D/P1/a", "word", 1)).unwrap();
    assert_eq!(raw.publish().payload, b"answer");
    assert_eq!(raw.publish().payload, b"word");
    drop(raw);
    assert_eq!(house.event(), "gone P1: link lost");
    assert_eq!(house.doors.send(&answer, say("D/P1/a", "x", 1)), Err(SendError::NotConnected));
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![1, 0]));
    let got = raw.publish();
    assert_eq!((got.payload, got.dup), (b"word".to_vec(), true), "the answer has died");
    raw.expect_quiet();
    house.close().unwrap();
}

#[test]
fn what_is_late_does_not_arrive() {
    let house = House::open();
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]));
    raw.subscribe(&[("D/P1/#", 1)], &[1]);
    drop(raw);
    while house.event() != "gone P1: link lost" {}
    house.wait_for(|counters| counters.connections == 0);
    let mut late = say("D/P1/start", "late", 1);
    late.expires_in = Some(Duration::ZERO);
    house.doors.send(&name("P1"), late).unwrap();
    house.doors.send(&name("P1"), say("D/P1/start", "kept", 1)).unwrap();
    assert_eq!(
        house.doors.send(&name("P1"), say("D/P1/start", "chance", 0)),
        Err(SendError::NotConnected)
    );
    assert_eq!(house.doors.send(&name("P1"), say("other", "", 1)), Err(SendError::NotSubscribed));
    assert_eq!(house.doors.send(&name("P2"), say("D/P2/x", "", 1)), Err(SendError::NotConnected));
    assert_eq!(house.doors.send(&name("P1"), say("D/#", "", 1)), Err(SendError::Invalid));
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![1, 0]));
    assert_eq!(raw.publish().payload, b"kept");
    assert_eq!(house.doors.counters().expired_messages, 1);
    house.close().unwrap();
}

#[test]
fn a_full_inbox_stops_its_own_connections_only_and_loses_nothing() {
    // Room for the two Connected and one message.
    let house = House::with(3, |_| {});
    let mut any = house.client("any");
    any.subscribe(&[("x", 0)], &[0]);
    let mut connect = Connect::new("P1");
    connect.keep_alive = 1;
    let mut pile = Raw::dial(house.address());
    pile.send(&connect.bytes());
    assert_eq!(pile.packet(), (0x20, vec![0, 0]));
    let mut other = house.client("P2");
    for id in 1..=20 {
        pile.send(&publish("U/P1/order", &[b'0' + u8::try_from(id).unwrap()], 2, id));
    }
    house.wait_for(|counters| counters.inbox_waits == 1);
    other.send(&publish("U/P2/order", b"x", 1, 1));
    house.wait_for(|counters| counters.inbox_waits == 2);
    // Longer than one and a half keep-alive times: the pile cannot be heard, so it is not silent.
    std::thread::sleep(Duration::from_millis(2500));
    any.send(&publish("x", b"alive", 0, 0));
    assert_eq!(any.publish().payload, b"alive");
    let mut events = Vec::new();
    while events.len() < 23 {
        events.push(house.event());
    }
    let orders = events.iter().filter(|event| event.starts_with("P1 U/P1/order"));
    let want: Vec<_> =
        (1..=20).map(|id| format!("P1 U/P1/order q2 {}", char::from(b'0' + id))).collect();
    assert_eq!(orders.collect::<Vec<_>>(), want.iter().collect::<Vec<_>>());
    for id in 1..=20 {
        assert_eq!(pile.packet(), (0x50, vec![0, id]));
    }
    assert_eq!(other.packet(), (0x40, vec![0, 1]));
    house.close().unwrap();
}

#[test]
fn shutdown_writes_what_waits_and_says_goodbye() {
    let house = House::open();
    let mut pile = house.pile("P1");
    pile.subscribe(&[("D/P1/#", 0)], &[0]);
    let mut silent = Raw::dial(house.address());
    let mut any = Raw::dial(house.address());
    let will = Some(("U/P1/will".to_owned(), "dead".to_owned(), 0, false));
    any.send(&Connect { will, ..Connect::new("any") }.bytes());
    assert_eq!(any.packet(), (0x20, vec![0, 0]));
    for _ in 0..50 {
        house.doors.send(&name("P1"), say("D/P1/x", "bye", 0)).unwrap();
    }
    let (doors, events, address) = (house.doors.clone(), house.events.clone(), house.address());
    house.close().unwrap();
    for _ in 0..50 {
        assert_eq!(pile.publish().payload, b"bye");
    }
    pile.expect_end();
    any.expect_end();
    silent.expect_end();
    let left: Vec<_> = events.try_iter().map(|event| describe(&event)).collect();
    assert_eq!(left, ["gone P1: shutdown"]);
    assert_eq!(doors.send(&name("P1"), say("D/P1/x", "", 0)), Err(SendError::Closed));
    assert_eq!(doors.publish("x", &Bytes::new(), false), Err(SendError::Closed));
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(doors.counters().connections, 0);
}

#[test]
fn doors_without_a_site_behind_them_close() {
    let mut house = House::open();
    let mut pile = house.pile("P1");
    house.events = flume::bounded(1).1;
    pile.send(&publish("U/P1/x", b"", 0, 0));
    pile.expect_end();
    assert!(matches!(house.end(), Err(DoorsError::InboxClosed)));
}
