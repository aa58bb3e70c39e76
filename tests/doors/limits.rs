//! Every limit, and that reaching it disturbs nobody else.

use std::io::Write;
use std::time::Duration;

use sitepilot::broker::Pace;

use crate::mqtt_raw::{Connect, House, Raw, ack, first_answer, name, publish, say};

#[test]
fn full_doors_say_so_and_open_again() {
    let house = House::with(100, |config| config.max_connections = 2);
    let mut one = house.client("any1");
    let two = house.client("any2");
    for _ in 0..3 {
        let answer = first_answer(house.address(), &Connect::new("any3").bytes());
        assert_eq!(answer, Some((0x20, vec![0, 3])));
    }
    // A take-over needs no further seat.
    let mut again = house.client("any1");
    one.expect_end();
    drop(two);
    house.wait_for(|counters| counters.connections == 1);
    house.client("any3").expect_quiet();
    again.expect_quiet();
    assert_eq!(house.doors.counters().refused_full, 3);
    house.close().unwrap();
}

#[test]
fn silent_and_slow_connections_are_cut_and_stop_nobody() {
    let house = House::with(100, |config| config.connect_timeout = Duration::from_millis(1500));
    let mut silent: Vec<_> = (0..300).map(|_| Raw::dial(house.address())).collect();
    house.client("any").expect_quiet();
    let mut slow = Raw::dial(house.address());
    let bytes = Connect::new("any2").bytes();
    let mut cut = false;
    for byte in bytes.iter().cycle().take(bytes.len() - 1) {
        std::thread::sleep(Duration::from_millis(100));
        if slow.stream.write_all(&[*byte]).is_err() {
            cut = true;
            break;
        }
    }
    if !cut {
        slow.expect_end();
    }
    for raw in &mut silent {
        raw.expect_end();
    }
    assert_eq!(house.doors.counters().silent, 301);
    house.close().unwrap();
}

#[test]
fn packets_up_to_the_limit_pass() {
    let house = House::with(100, |config| config.max_packet_bytes = 10_000);
    let mut any = house.client("any");
    any.subscribe(&[("t", 0)], &[0]);
    let payload = vec![b'x'; 10_000 - 3];
    any.send(&publish("t", &payload, 0, 0));
    assert_eq!(any.publish().payload, payload);
    // One byte more; the header is enough to be refused.
    any.send(&publish("t", &[b'x'; 10_000 - 2], 0, 0)[..5]);
    any.expect_end();
    house.close().unwrap();
}

#[test]
fn filters_per_session_are_limited() {
    let house = House::with(100, |config| config.max_subscriptions = 2);
    let mut any = house.client("any");
    any.subscribe(&[("a", 0), ("b", 0), ("c", 0), ("a", 1)], &[0, 0, 0x80, 1]);
    any.ask(&crate::mqtt_raw::unsubscribe(1, &["a"]), &ack(0xb0, 1));
    any.subscribe(&[("c", 0)], &[0]);
    house.close().unwrap();
}

#[test]
fn retained_topics_are_limited() {
    let house = House::with(100, |config| config.max_retained_topics = 2);
    let mut any = house.client("any");
    for topic in ["a", "b", "c", "a"] {
        any.send(&crate::mqtt_raw::publish_flags(topic, topic.as_bytes(), 0x01, 0));
    }
    any.subscribe(&[("#", 0)], &[0]);
    assert_eq!([any.publish().topic, any.publish().topic], ["a", "b"]);
    any.expect_quiet();
    assert_eq!(house.doors.counters().dropped_retained, 1);
    house.close().unwrap();
}

#[test]
fn the_session_away_longest_makes_room() {
    let house = House::with(100, |config| config.max_sessions = 2);
    let visit = |user: &str| {
        let mut raw = Raw::dial(house.address());
        raw.send(&Connect::persistent(user).bytes());
        let (_, body) = raw.packet();
        drop(raw);
        house.wait_for(|counters| counters.connections == 0);
        std::thread::sleep(Duration::from_millis(2));
        body[0]
    };
    assert_eq!(["any1", "any2", "any1", "any3"].map(visit), [0, 0, 1, 0]);
    assert_eq!(["any1", "any2"].map(visit), [1, 0]);
    house.close().unwrap();
}

#[test]
fn visitors_are_few_and_leave_nothing_behind() {
    let house = House::with(100, |config| {
        config.max_sessions = 2;
        config.max_visitors = 2;
    });
    let come = |user: &str| {
        let mut raw = Raw::dial(house.address());
        raw.send(&Connect::persistent(user).bytes());
        let (_, body) = raw.packet();
        (raw, body)
    };
    drop(come("P1"));
    house.wait_for(|counters| counters.connections == 0);
    // Nobody else's session makes room for them, however many come.
    for number in 0..5 {
        let (raw, answer) = come(&format!("V{number}"));
        assert_eq!(answer, [0, 0]);
        drop(raw);
        house.wait_for(|counters| counters.connections == 0);
    }
    let (pile, answer) = come("P1");
    assert_eq!(answer, [1, 0], "its session was kept");
    let _two = [come("V1").0, come("V2").0];
    assert_eq!(come("V3").1, [0, 3]);
    assert_eq!(come("V2").1, [0, 0], "in its own place");
    drop(pile);
    house.close().unwrap();
}

#[test]
fn an_outbox_refuses_the_newest() {
    let house = House::with(100, |config| config.max_outbox_messages = 3);
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]));
    raw.subscribe(&[("D/P1/#", 1)], &[1]);
    drop(raw);
    house.wait_for(|counters| counters.connections == 0);
    let sent = [0, 1, 2, 3, 4]
        .map(|number| house.doors.send(&name("P1"), say("D/P1/x", &number.to_string(), 1)).is_ok());
    assert_eq!(sent, [true, true, true, false, false]);
    assert_eq!(house.doors.counters().dropped_messages, 2);
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![1, 0]));
    assert_eq!([raw.publish().payload, raw.publish().payload], [b"0", b"1"]);
    house.close().unwrap();
}

#[test]
fn a_reader_that_stops_holds_nobody_and_is_cut() {
    let house = House::with(100, |config| {
        config.write_timeout = Duration::from_secs(2);
        config.pace = Pace::UNLIMITED;
    });
    let mut stuck = house.client("any1");
    stuck.subscribe(&[("flood", 0)], &[0]);
    let mut fast = house.client("any2");
    fast.subscribe(&[("flood", 1)], &[1]);
    let mut source = house.client("any3");
    let payload = vec![b'x'; 20_000];
    // Each message waits for the fast reader's copy, so its own outbox never fills.
    for number in 0..600_u16 {
        source.ask(&publish("flood", &payload, 1, number + 1), &ack(0x40, number + 1));
        let got = fast.publish();
        assert_eq!(got.payload.len(), payload.len());
        fast.send(&ack(0x40, got.id));
    }
    house.wait_for(|counters| counters.stuck_writers == 1);
    assert!(house.doors.counters().dropped_messages > 0);
    fast.expect_quiet();
    house.close().unwrap();
}

#[test]
fn a_client_that_reads_no_answers_is_not_listened_to() {
    let house = House::with(100, |config| {
        config.write_timeout = Duration::from_secs(2);
        config.pace = Pace::UNLIMITED;
    });
    let mut deaf = house.client("any1");
    deaf.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let pings = [0xc0, 0].repeat(10_000);
    // Until the sockets of both sides are full.
    while deaf.stream.write_all(&pings).is_ok() {}
    house.client("any2").expect_quiet();
    house.wait_for(|counters| counters.stuck_writers == 1);
    house.close().unwrap();
}

#[test]
fn unreleased_hand_shakes_are_limited() {
    let house = House::open();
    let mut any = house.client("any");
    for id in 1..=1024 {
        any.ask(&publish("x", b"", 2, id), &ack(0x50, id));
    }
    any.ask(&publish("x", b"", 2, 1), &ack(0x50, 1));
    any.send(&publish("x", b"", 2, 1025));
    any.expect_end();
    house.close().unwrap();
}
