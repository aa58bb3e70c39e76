//! Coming and going: wills, take-over, keep-alive, kicks.

use std::time::Duration;

use crate::mqtt_raw::{Connect, House, Raw, ack, name, publish, say};

fn with_will(user: &str, topic: &str, payload: &str, qos: u8, retain: bool) -> Connect {
    let will = Some((topic.to_owned(), payload.to_owned(), qos, retain));
    Connect { will, ..Connect::new(user) }
}

fn connect(house: &House, connect: &Connect) -> Raw {
    let mut raw = Raw::dial(house.address());
    raw.send(&connect.bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]));
    raw
}

#[test]
fn a_will_is_published_unless_the_client_says_goodbye() {
    let house = House::open();
    let mut display = house.client("display");
    display.subscribe(&[("U/#", 0)], &[0]);
    let pile = connect(&house, &with_will("P1", "U/P1/will", "lost", 1, true));
    assert_eq!(house.event(), "connected P1");
    drop(pile);
    assert_eq!(house.event(), "P1 U/P1/will q1 lost");
    assert_eq!(house.event(), "gone P1: link lost");
    let got = display.publish();
    assert_eq!((got.payload, got.retain), (b"lost".to_vec(), false));
    let mut late = house.client("any");
    late.subscribe(&[("U/P1/will", 2)], &[2]);
    let got = late.publish();
    assert_eq!((got.payload, got.qos, got.retain), (b"lost".to_vec(), 1, true));
    let mut pile = connect(&house, &with_will("P1", "U/P1/will", "again", 0, false));
    pile.send(&[0xe0, 0]);
    pile.expect_end();
    assert_eq!(house.event(), "connected P1");
    assert_eq!(house.event(), "gone P1: disconnected");
    display.expect_quiet();
    house.close().unwrap();
}

#[test]
fn a_will_outside_the_clients_topics_is_refused() {
    let house = House::open();
    let mut raw = Raw::dial(house.address());
    raw.send(&with_will("P1", "U/P2/will", "x", 0, false).bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 5]));
    raw.expect_end();
    house.close().unwrap();
}

#[test]
fn a_take_over_ends_the_old_connection_first() {
    let house = House::open();
    let mut old = connect(&house, &with_will("P1", "U/P1/will", "old", 0, false));
    let new = connect(&house, &with_will("P1", "U/P1/will", "new", 0, false));
    old.expect_end();
    drop(new);
    for want in [
        "connected P1",
        "P1 U/P1/will q0 old",
        "gone P1: taken over by a newer connection",
        "connected P1",
        "P1 U/P1/will q0 new",
        "gone P1: link lost",
    ] {
        assert_eq!(house.event(), want);
    }
    house.close().unwrap();
}

#[test]
fn a_pile_has_one_seat_whatever_its_client_id() {
    let house = House::open();
    let mut old = house.pile("P1");
    let mut new = connect(&house, &Connect { client_id: "other".into(), ..Connect::new("P1") });
    old.expect_end();
    new.expect_quiet();
    assert_eq!(house.event(), "gone P1: taken over by a newer connection");
    assert_eq!(house.event(), "connected P1");
    house.close().unwrap();
}

#[test]
fn nobody_takes_over_from_another_login() {
    let house = House::open();
    let mut pile = house.pile("P1");
    let mut thief = connect(&house, &Connect { client_id: "P1".into(), ..Connect::new("any") });
    pile.expect_quiet();
    thief.expect_quiet();
    let mut twin = connect(&house, &Connect { client_id: "two".into(), ..Connect::new("any") });
    thief.expect_quiet();
    twin.expect_quiet();
    house.close().unwrap();
}

#[test]
fn a_storm_of_take_overs_ends_with_one() {
    let house = House::with(100_000, |_| {});
    let address = house.address();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                for round in 0..100_u16 {
                    let mut raw = Raw::dial(address);
                    raw.send(&Connect { clean: round % 3 != 0, ..Connect::new("P1") }.bytes());
                    if raw.next().is_some() && round % 2 == 0 {
                        raw.send(&publish("U/P1/x", b"hi", 1, 1));
                        raw.next();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    house.wait_for(|counters| counters.connections == 0);
    let mut present = false;
    while !house.events.is_empty() {
        let event = house.event();
        match event.split(' ').next() {
            Some("connected") => assert!(!std::mem::replace(&mut present, true), "{event}"),
            Some("gone") => assert!(std::mem::replace(&mut present, false), "{event}"),
            _ => assert!(present, "{event}"),
        }
    }
    assert!(!present);
    assert!(house.doors.counters().take_overs > 0);
    house.pile("P1").expect_quiet();
    house.close().unwrap();
}

#[test]
fn silence_ends_a_connection_even_while_it_is_spoken_to() {
    let house = House::open();
    let brief = Connect { keep_alive: 1, ..Connect::new("P1") };
    let mut idle = connect(&house, &brief);
    idle.expect_end();
    assert_eq!(house.event(), "connected P1");
    assert_eq!(house.event(), "gone P1: silent for too long");

    let mut listener = connect(&house, &brief);
    assert_eq!(house.event(), "connected P1");
    listener.subscribe(&[("D/P1/#", 0)], &[0]);
    let mut ended = false;
    for _ in 0..200 {
        // Once it is gone, nobody is there to be told.
        let told = house.doors.send(&name("P1"), say("D/P1/x", "still there?", 0));
        if told.is_err() {
            ended = true;
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(ended, "kept alive by our own packets");
    assert_eq!(house.event(), "gone P1: silent for too long");
    assert_eq!(house.doors.counters().keep_alive_ends, 2);
    house.close().unwrap();
}

#[test]
fn a_client_that_pings_stays() {
    let house = House::open();
    let mut pile = connect(&house, &Connect { keep_alive: 1, ..Connect::new("P1") });
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        pile.expect_quiet();
    }
    house.close().unwrap();
}

#[test]
fn a_kick_ends_all_connections_of_a_name() {
    let house = House::open();
    let mut one = connect(&house, &Connect { client_id: "one".into(), ..Connect::new("any") });
    let mut two = connect(&house, &Connect { client_id: "two".into(), ..Connect::new("any") });
    let mut near = connect(&house, &Connect::new("any2"));
    assert_eq!(house.doors.kick("any"), 2);
    one.expect_end();
    two.expect_end();
    near.expect_quiet();
    let mut pile = house.pile("P1");
    assert_eq!(house.doors.kick("P1"), 1);
    pile.expect_end();
    assert_eq!(house.event(), "gone P1: kicked");
    assert_eq!(house.doors.kick("P1"), 0);
    house.close().unwrap();
}

#[test]
fn a_session_outlives_its_connection_if_asked() {
    let house = House::open();
    let mut raw = connect(&house, &Connect::persistent("P1"));
    raw.subscribe(&[("D/P1/#", 2)], &[2]);
    drop(raw);
    assert_eq!(house.event(), "connected P1");
    assert_eq!(house.event(), "gone P1: link lost");
    let mut raw = Raw::dial(house.address());
    raw.send(&Connect::persistent("P1").bytes());
    assert_eq!(raw.packet(), (0x20, vec![1, 0]));
    house.doors.send(&name("P1"), say("D/P1/x", "hi", 2)).unwrap();
    let got = raw.publish();
    raw.ask(&ack(0x50, got.id), &ack(0x62, got.id));
    raw.send(&ack(0x70, got.id));
    // A clean connection wipes the session, for itself and for later.
    for clean in [true, false] {
        let mut raw = connect(&house, &Connect { clean, ..Connect::new("P1") });
        raw.expect_quiet();
    }
    house.close().unwrap();
}
