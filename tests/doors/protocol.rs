//! What is refused, and how; nobody else may notice.

use crate::mqtt_raw::{
    Connect, House, Raw, ack, first_answer, packet, publish, publish_flags, subscribe, text,
    unsubscribe,
};

#[test]
fn refused_logins_hear_the_reason() {
    let house = House::open();
    let good = Connect::new("any");
    let cases: Vec<(Connect, u8)> = vec![
        (Connect { password: Some("wrong".into()), ..good.clone() }, 5),
        (Connect { password: None, ..good.clone() }, 5),
        (Connect { username: None, password: None, ..good.clone() }, 5),
        (Connect { username: Some("nobody".into()), ..good.clone() }, 5),
        (Connect { client_id: String::new(), clean: false, ..good.clone() }, 2),
        (Connect { client_id: "x".repeat(129), ..good.clone() }, 2),
        (Connect { protocol: ("MQTT", 5), ..good.clone() }, 1),
        (Connect { protocol: ("MQTT", 6), ..good.clone() }, 1),
        (Connect { protocol: ("MQIsdp", 3), ..good.clone() }, 1),
    ];
    let count = u64::try_from(cases.len()).unwrap();
    for (connect, code) in cases {
        let mut raw = Raw::dial(house.address());
        raw.send(&connect.bytes());
        assert_eq!(raw.next(), Some((0x20, vec![0, code])), "{:?}", connect.client_id);
        raw.expect_end();
    }
    assert_eq!(house.doors.counters().refused_logins, count);
    assert!(house.events.is_empty());
    let mut nameless = Raw::dial(house.address());
    nameless.send(&Connect { client_id: String::new(), ..good }.bytes());
    assert_eq!(nameless.packet(), (0x20, vec![0, 0]));
    house.close().unwrap();
}

#[test]
fn ids_with_meaning_in_topics_are_refused_every_time() {
    let house = House::open();
    for id in ["pile/01", "a+b", "a#", "$a", "a\u{1}b"] {
        for _ in 0..3 {
            let connect = Connect { client_id: id.to_owned(), ..Connect::new("any") };
            assert_eq!(first_answer(house.address(), &connect.bytes()), Some((0x20, vec![0, 2])));
        }
    }
    house.client("any").expect_quiet();
    house.close().unwrap();
}

#[test]
fn what_is_no_mqtt_ends_the_connection_and_only_that() {
    let house = House::open();
    let mut witness = house.client("any");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("second CONNECT", Connect::new("any2").bytes()),
        ("QoS 3", packet(0x36, &[0, 1, b'a', 0, 1])),
        ("packet id 0", publish("a", b"", 1, 0)),
        ("topic with #", publish("a/#", b"", 0, 0)),
        ("topic with +", publish("a/+/b", b"", 1, 1)),
        ("empty topic", publish("", b"x", 0, 0)),
        ("topic with NUL", publish("a\0b", b"x", 0, 0)),
        ("topic not UTF-8", packet(0x30, &[0, 1, 0xff])),
        ("topic beyond the packet", packet(0x30, &[0, 9, b'a'])),
        ("too many levels", publish(&"/".repeat(40), b"", 0, 0)),
        ("filter a#", subscribe(1, &[("a#", 0)])),
        ("filter a/#/b", subscribe(1, &[("good", 0), ("a/#/b", 0)])),
        ("empty filter", subscribe(1, &[("", 0)])),
        ("no filter", subscribe(1, &[])),
        ("subscription with QoS 3", subscribe(1, &[("a", 3)])),
        ("subscription with reserved bits", subscribe(1, &[("a", 0x81)])),
        ("DUP with QoS 0", publish_flags("a", b"", 8, 0)),
        ("subscription with id 0", subscribe(0, &[("a", 0)])),
        ("unsubscribe without filter", unsubscribe(1, &[])),
        ("unsubscribe a bad filter", unsubscribe(1, &["a#"])),
        ("SUBSCRIBE flags", packet(0x80, &subscribe(1, &[("a", 0)])[2..])),
        ("PUBREL flags", packet(0x60, &[0, 1])),
        ("PUBACK too long", packet(0x40, &[0, 1, 0])),
        ("type 0", vec![0, 0]),
        ("type 15", vec![0xf0, 0]),
        ("CONNACK from a client", vec![0x20, 2, 0, 0]),
        ("endless length", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("too long", vec![0x30, 0xff, 0xff, 0xff, 0x7f]),
    ];
    let count = u64::try_from(cases.len()).unwrap();
    for (what, bytes) in cases {
        let mut raw = house.client("any2");
        raw.send(&bytes);
        assert_eq!(raw.next(), None, "{what}");
        witness.expect_quiet();
    }
    assert_eq!(house.doors.counters().malformed, count);
    house.close().unwrap();
}

#[test]
fn bad_first_packets_end_the_connection_without_an_answer() {
    let house = House::open();
    let good = Connect::new("any");
    let mut reserved = good.clone();
    reserved.flags = 1;
    let will = Some(("a/#".to_owned(), "x".to_owned(), 0, false));
    let cases = [
        publish("a", b"", 0, 0),
        vec![0xc0, 0],
        reserved.bytes(),
        Connect { username: None, ..good.clone() }.bytes(),
        Connect { will, ..good.clone() }.bytes(),
        Connect { client_id: "x".repeat(5000), ..good.clone() }.bytes(),
        packet(0x10, &text("MQTT")),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    for bytes in cases {
        assert_eq!(first_answer(house.address(), &bytes), None, "{bytes:02x?}");
    }
    house.client("any").expect_quiet();
    house.close().unwrap();
}

#[test]
fn another_piles_topics_are_out_of_reach() {
    let house = House::open();
    let mut any = house.client("any");
    any.subscribe(&[("#", 0)], &[0]);
    let mut pile = house.pile("P1");
    pile.ask(&publish("U/P2/order", b"forged", 1, 1), &ack(0x40, 1));
    pile.ask(&publish("U/P2/order", b"forged", 2, 2), &ack(0x50, 2));
    pile.ask(&ack(0x62, 2), &ack(0x70, 2));
    pile.subscribe(
        &[
            ("D/P2/#", 1),
            ("#", 1),
            ("D/+/x", 1),
            ("D/P1/x", 1),
            ("$share/g/D/P1/x", 1),
            ("$SYS/#", 0),
        ],
        &[0x80, 0x80, 0x80, 1, 0x80, 0x80],
    );
    pile.send(&publish("U/P1/order", b"true", 0, 0));
    assert_eq!(house.event(), "P1 U/P1/order q0 true");
    assert_eq!(any.publish().payload, b"true");
    let counters = house.doors.counters();
    assert_eq!((counters.denied_publishes, counters.denied_subscriptions), (2, 5));
    house.close().unwrap();
}

#[test]
fn a_shared_subscription_is_refused_and_harms_nobody() {
    let house = House::open();
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("any").bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]));
    raw.subscribe(&[("$share/g/t", 1), ("t", 1)], &[0x80, 1]);
    raw.send(&publish("t", b"x", 0, 0));
    assert_eq!(raw.publish().payload, b"x");
    drop(raw);
    house.client("any2").expect_quiet();
    house.close().unwrap();
}

#[test]
fn random_packets_hurt_only_their_sender() {
    let house = House::open();
    let mut witness = house.client("any");
    witness.subscribe(&[("witness", 1)], &[1]);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..400 {
        let mut raw = if round % 2 == 0 {
            Raw::dial(house.address())
        } else {
            // One of several names, so that sessions are resumed and taken over too.
            let mut raw = Raw::dial(house.address());
            let user = format!("any{}", random.u8(2..6));
            raw.send(&Connect { clean: random.bool(), ..Connect::new(&user) }.bytes());
            raw.packet();
            raw
        };
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..6) {
            let kinds = [0x10, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0];
            let first = if random.u8(..4) == 0 { random.u8(..) } else { kinds[random.usize(..11)] };
            let mut body: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..4)).collect();
            if random.bool() {
                body.splice(0..0, [0, 1, b'a', 0, 1]);
            }
            let mut one = packet(first, &body);
            if random.u8(..5) == 0 {
                one.truncate(random.usize(..one.len()));
            }
            bytes.extend(one);
        }
        raw.send(&bytes);
    }
    witness.send(&publish("witness", b"alive", 0, 0));
    assert_eq!(witness.publish().payload, b"alive");
    house.close().unwrap();
}
