//! The doors from outside: bytes over TCP, and rumqttc as a client of foreign make.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "support/mqtt_raw.rs"]
mod mqtt_raw;

use bytes::Bytes;
use mqtt_raw::{House, ack, publish};
use sitepilot::broker::{Outgoing, SendError, To};

fn say(topic: &str, payload: &str, qos: u8) -> Outgoing {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Outgoing { topic: topic.to_owned(), payload, qos, expires_in: None }
}

fn name(name: &str) -> To {
    To::Name(name.to_owned())
}

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
    assert_eq!(
        (got.topic.as_str(), got.payload.as_slice(), got.qos),
        ("U/P1/state", &b"charging"[..], 1)
    );
    display.send(&ack(0x40, got.id));
    house.doors.publish("U/site", &Bytes::from_static(b"fine"), false).unwrap();
    assert_eq!(display.publish().topic, "U/site");
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
