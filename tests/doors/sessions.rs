//! QoS 1 and 2 in both directions, over reconnects; what rumqttd's own server gets wrong.

use crate::mqtt_raw::{
    Connect, House, Raw, ack, name, packet, publish, publish_flags, say, unsubscribe,
};

fn resume(house: &House, user: &str, session_present: u8) -> Raw {
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent(user).bytes());
    assert_eq!(raw.packet(), (0x20, vec![session_present, 0]));
    raw
}

fn payloads(house: &House, count: usize) -> Vec<String> {
    let texts = (0..count).map(|_| house.event());
    texts.map(|text| text.rsplit(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_repeated_qos_2_publish_is_handed_over_once() {
    let house = House::open();
    let mut pile = house.pile("P1");
    pile.ask(&publish("U/P1/x", b"first", 2, 1), &ack(0x50, 1));
    pile.ask(&publish_flags("U/P1/x", b"first", 0x0c, 1), &ack(0x50, 1));
    pile.ask(&ack(0x62, 1), &ack(0x70, 1));
    pile.ask(&publish("U/P1/x", b"second", 2, 1), &ack(0x50, 1));
    pile.ask(&publish("U/P1/x", b"third", 2, 2), &ack(0x50, 2));
    assert_eq!(payloads(&house, 3), ["first", "second", "third"]);
    // Released in any order, and more than once.
    for id in [2, 1, 1, 77] {
        pile.ask(&ack(0x62, id), &ack(0x70, id));
    }
    assert!(house.events.is_empty());
    house.close().unwrap();
}

#[test]
fn a_link_cut_between_pubrec_and_pubrel_loses_and_doubles_nothing() {
    let house = House::open();
    let mut pile = resume(&house, "P1", 0);
    pile.ask(&publish("U/P1/x", b"one", 2, 5), &ack(0x50, 5));
    pile.ask(&publish("U/P1/x", b"two", 2, 6), &ack(0x50, 6));
    drop(pile);
    let want = ["connected P1", "P1 U/P1/x q2 one", "P1 U/P1/x q2 two", "gone P1: link lost"];
    assert_eq!(want.map(|_| house.event()), want);
    let mut pile = resume(&house, "P1", 1);
    pile.ask(&ack(0x62, 5), &ack(0x70, 5));
    // This client missed the PUBREC of the second.
    pile.ask(&publish_flags("U/P1/x", b"two", 0x0c, 6), &ack(0x50, 6));
    pile.ask(&ack(0x62, 6), &ack(0x70, 6));
    pile.ask(&publish("U/P1/x", b"three", 2, 6), &ack(0x50, 6));
    assert_eq!(house.event(), "connected P1");
    assert_eq!(house.event(), "P1 U/P1/x q2 three");
    house.close().unwrap();
}

#[test]
fn unacknowledged_messages_come_again_with_id_and_dup() {
    let house = House::open();
    let mut pile = resume(&house, "P1", 0);
    pile.subscribe(&[("D/P1/#", 2)], &[2]);
    for (payload, qos) in [("a", 2), ("b", 2), ("c", 1)] {
        house.doors.send(&name("P1"), say("D/P1/x", payload, qos)).unwrap();
    }
    let first = [pile.publish(), pile.publish(), pile.publish()];
    assert!(first.iter().all(|got| !got.dup));
    pile.ask(&ack(0x50, first[0].id), &ack(0x62, first[0].id));
    drop(pile);
    let mut pile = resume(&house, "P1", 1);
    assert_eq!(pile.packet(), (0x62, first[0].id.to_be_bytes().to_vec()), "PUBREL again");
    let again = [pile.publish(), pile.publish()];
    for (first, again) in first[1..].iter().zip(&again) {
        assert!(again.dup);
        assert_eq!((first.id, &first.payload, first.qos), (again.id, &again.payload, again.qos));
    }
    // Acknowledged in another order than sent.
    pile.send(&ack(0x40, again[1].id));
    pile.send(&ack(0x70, first[0].id));
    pile.ask(&ack(0x50, again[0].id), &ack(0x62, again[0].id));
    pile.send(&ack(0x70, again[0].id));
    pile.expect_quiet();
    drop(pile);
    resume(&house, "P1", 1).expect_quiet();
    house.close().unwrap();
}

#[test]
fn delivery_has_the_lesser_qos() {
    let house = House::open();
    let mut any = house.client("any");
    any.subscribe(&[("s0", 0), ("s1", 1), ("s2", 2)], &[0, 1, 2]);
    let mut source = house.client("any2");
    for granted in 0..3_u8 {
        for qos in 0..3_u8 {
            source.send(&publish(&format!("s{granted}"), b"x", qos, 1 + u16::from(qos)));
            if qos > 0 {
                source.packet();
            }
            if qos == 2 {
                source.ask(&ack(0x62, 3), &ack(0x70, 3));
            }
            let got = any.publish();
            assert_eq!(got.qos, granted.min(qos), "{granted} {qos}");
        }
    }
    house.close().unwrap();
}

#[test]
fn overlapping_filters_deliver_once() {
    let house = House::open();
    let mut any = house.client("any");
    any.subscribe(&[("a/#", 0), ("a/+", 1), ("a/b", 0)], &[0, 1, 0]);
    any.ask(&publish("x", b"", 1, 3), &ack(0x40, 3));
    any.send(&publish("a/b", b"once", 2, 4));
    let mut publishes = 0;
    for _ in 0..2 {
        let (first, _) = any.packet();
        publishes += u8::from(first >> 4 == 3);
        assert!(first == 0x50 || first == 0x32, "{first:02x}: PUBREC, and PUBLISH with QoS 1");
    }
    assert_eq!(publishes, 1);
    any.expect_quiet();
    house.close().unwrap();
}

#[test]
fn while_away_qos_1_is_kept_and_qos_0_is_not() {
    let house = House::open();
    let mut away = resume(&house, "any", 0);
    away.subscribe(&[("x", 2)], &[2]);
    drop(away);
    house.wait_for(|counters| counters.connections == 0);
    let mut source = house.client("any2");
    source.subscribe(&[("x", 0)], &[0]);
    for (payload, qos) in [(b"lost", 0), (b"kept", 1)] {
        source.send(&publish("x", payload, qos, 1));
    }
    // All has come through the router when the source has it itself.
    while source.packet().1 != [&[0, 1, b'x'][..], b"kept"].concat() {}
    let mut away = resume(&house, "any", 1);
    let got = away.publish();
    assert_eq!((got.payload, got.qos, got.dup), (b"kept".to_vec(), 1, false));
    house.close().unwrap();
}

#[test]
fn retained_messages_by_the_standard() {
    let house = House::open();
    let mut source = house.client("any");
    source.ask(&publish_flags("r/a", b"kept", 0x03, 1), &ack(0x40, 1));
    source.ask(&publish("r/a", b"", 1, 2), &ack(0x40, 2));
    let mut any = house.client("any2");
    any.subscribe(&[("r/+", 2), ("r/#", 0)], &[2, 0]);
    let got = any.publish();
    assert_eq!((got.payload.as_slice(), got.qos, got.retain), (&b"kept"[..], 1, true));
    any.send(&ack(0x40, got.id));
    any.expect_quiet();
    // Subscribed again, it comes again.
    any.subscribe(&[("r/a", 0)], &[0]);
    assert_eq!(any.publish().payload, b"kept");
    // Live it is not marked; an empty one clears.
    source.send(&publish_flags("r/a", b"", 0x01, 0));
    let got = any.publish();
    assert_eq!((got.payload.as_slice(), got.retain), (&b""[..], false));
    any.subscribe(&[("r/a", 0)], &[0]);
    any.expect_quiet();
    house.close().unwrap();
}

#[test]
fn a_subscriber_sees_what_is_published_after_its_subscription_only() {
    let house = House::open();
    let mut old = house.client("any");
    old.subscribe(&[("#", 0)], &[0]);
    let mut new = house.client("any2");
    let mut both = publish("x", b"before", 0, 0);
    both.extend(publish_flags("x", b"retained", 0x01, 0));
    new.send(&both);
    new.subscribe(&[("x", 0)], &[0]);
    new.send(&publish("x", b"after", 0, 0));
    assert_eq!(
        (new.publish().payload, new.publish().payload),
        (b"retained".to_vec(), b"after".to_vec())
    );
    for want in ["before", "retained", "after"] {
        assert_eq!(old.publish().payload, want.as_bytes());
    }
    house.close().unwrap();
}

#[test]
fn unsubscribe_is_always_answered() {
    let house = House::open();
    let mut any = house.client("any");
    any.subscribe(&[("x", 0)], &[0]);
    any.ask(&unsubscribe(3, &["never/seen"]), &ack(0xb0, 3));
    any.ask(&unsubscribe(4, &["x", "y"]), &ack(0xb0, 4));
    any.send(&publish("x", b"", 0, 0));
    any.expect_quiet();
    any.ask(&packet(0x62, &[0, 9]), &ack(0x70, 9));
    house.close().unwrap();
}
