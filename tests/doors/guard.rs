//! Guessers, floods and fair shares, counted and not timed.

use sitepilot::broker::{Pace, Rate};

use crate::mqtt_raw::{Connect, House, Raw, ack, first_answer, publish};

/// Answer to one login: the code of its CONNACK.
fn login(house: &House, name: &str, client_id: &str, password: &str) -> u8 {
    let (client_id, password) = (client_id.to_owned(), Some(password.to_owned()));
    let connect = Connect { client_id, password, ..Connect::new(name) };
    let (first, body) = first_answer(house.address(), &connect.bytes()).unwrap();
    assert_eq!(first, 0x20);
    body[1]
}

#[test]
fn a_guesser_is_put_off_and_the_rightful_come_in() {
    let house = House::with(100, |config| {
        config.guard.pair = Rate { burst: 3, per_minute: 1 };
        config.guard.address = Rate { burst: 5, per_minute: 1 };
    });
    drop(house.pile("P1"));
    assert_eq!(house.event(), "gone P1: link lost");
    let guesses = [1, 2, 3, 4, 5].map(|_| login(&house, "P1", "guesser", "wrong"));
    assert_eq!(guesses, [5, 5, 5, 3, 3], "put off, not refused, after three");
    assert_eq!(login(&house, "P1", "guesser", "secret"), 3, "even with the right password");
    house.pile("P1").expect_quiet();
    let others = [1, 2, 3].map(|_| login(&house, "P2", "guesser", "wrong"));
    assert_eq!(others, [5, 5, 3], "the address has tries for all names together");
    let counters = house.doors.counters();
    assert_eq!((counters.refused_logins, counters.throttled_logins), (5, 4));
    house.close().unwrap();
}

#[test]
fn a_flood_fills_its_share_of_the_inbox_only() {
    let house = House::with(80, |config| config.pace = Pace::UNLIMITED);
    let (mut flood, mut calm) = (house.pile("P1"), house.pile("P2"));
    flood.send(&publish("U/P1/x", b"flood", 0, 0).repeat(500));
    house.wait_for(|counters| counters.inbox_waits == 1);
    assert_eq!(house.events.len(), 9, "a ninth of the inbox");
    // The site reads nothing yet; the other is heard all the same.
    for id in 1..=5 {
        calm.ask(&publish("U/P2/x", b"calm", 1, id), &ack(0x40, id));
    }
    let waiting: Vec<_> = (0..14).map(|_| house.event()).collect();
    assert_eq!(waiting.iter().filter(|event| event.contains("calm")).count(), 5);
    // Nothing of the flood is lost; it only waits.
    for _ in 9..500 {
        assert_eq!(house.event(), "P1 U/P1/x q0 flood");
    }
    house.close().unwrap();
}

#[test]
fn what_the_site_has_taken_out_but_not_over_still_counts() {
    let house = House::with(80, |config| config.pace = Pace::UNLIMITED);
    let mut flood = house.pile("P1");
    flood.send(&publish("U/P1/x", b"flood", 0, 0).repeat(20));
    house.wait_for(|counters| counters.inbox_waits == 1);
    let held: Vec<_> = house.events.drain().collect();
    assert_eq!(held.len(), 9);
    let mut calm = house.pile("P2");
    calm.ask(&publish("U/P2/x", b"calm", 1, 1), &ack(0x40, 1));
    assert_eq!(house.event(), "P2 U/P2/x q1 calm", "the flood waits for its places");
    drop(held);
    assert_eq!(house.event(), "P1 U/P1/x q0 flood");
    house.close().unwrap();
}

#[test]
fn a_client_that_sends_too_much_waits_and_loses_nothing() {
    let house = House::with(1000, |config| {
        config.pace.packets = Rate { burst: 10, per_minute: 60_000 };
    });
    let mut pile = house.pile("P1");
    pile.send(&publish("U/P1/x", b"x", 0, 0).repeat(200));
    for _ in 0..200 {
        assert_eq!(house.event(), "P1 U/P1/x q0 x");
    }
    assert!(house.doors.counters().paused_packets > 0);
    assert_eq!(house.doors.counters().floods, 0);
    pile.expect_quiet();
    house.close().unwrap();
}

#[test]
fn a_byte_at_a_time_and_a_half_open_link_hold_nobody() {
    let house = House::open();
    let half_open = house.client("any1");
    let mut slow = house.client("any2");
    let mut other = house.client("any3");
    for byte in publish("x", b"byte by byte", 1, 7) {
        slow.send(&[byte]);
        other.expect_quiet();
    }
    assert_eq!(slow.packet(), (0x40, vec![0, 7]));
    drop(half_open);
    let mut never = Raw::dial(house.address());
    never.send(&Connect::new("any4").bytes()[..5]);
    other.expect_quiet();
    house.close().unwrap();
}
