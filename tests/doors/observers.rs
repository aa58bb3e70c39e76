//! Those who only listen, and what they never hear.

use sitepilot::broker::Filter;

use crate::mqtt_raw::{Connect, House, Raw, ack, name, publish, publish_flags, say};

#[test]
fn only_what_may_be_shown_is_copied_or_kept() {
    let house = House::with(100, |config| config.shown = vec![Filter::new("U/+/C").unwrap()]);
    let mut observer = house.client("any");
    observer.subscribe(&[("#", 1)], &[1]);
    let mut pile = house.pile("P1");
    pile.subscribe(&[("D/P1/#", 1)], &[1]);
    for topic in ["U/P1/R", "U/P1/C"] {
        let keep = 0x03;
        pile.ask(&publish_flags(topic, b"code", keep, 1), &ack(0x40, 1));
        assert_eq!(house.event(), format!("P1 {topic} q1 code"), "the site hears both");
    }
    // What the site says is for the pile alone, whatever an observer has subscribed to.
    house.doors.send(&name("P1"), say("D/P1/R", "password", 1)).unwrap();
    assert_eq!(pile.publish().payload, b"password");
    let got = observer.publish();
    assert_eq!(got.topic, "U/P1/C");
    observer.send(&ack(0x40, got.id));
    observer.expect_quiet();
    let mut late = house.client("any2");
    late.subscribe(&[("#", 0)], &[0]);
    assert_eq!(late.publish().topic, "U/P1/C", "of the retained ones only this is shown");
    late.expect_quiet();
    house.close().unwrap();
}

#[test]
fn an_observer_has_its_filters_and_no_voice() {
    let house = House::open();
    let mut display = house.client("display");
    display
        .subscribe(&[("U/P1/x", 0), ("#", 0), ("D/#", 0), ("+/P1/x", 0)], &[0, 0x80, 0x80, 0x80]);
    display.ask(&publish("U/P1/x", b"forged", 1, 1), &ack(0x40, 1));
    display.expect_quiet();
    assert_eq!(house.doors.counters().denied_publishes, 1);
    assert_eq!(house.doors.counters().denied_subscriptions, 3);
    assert!(house.events.is_empty(), "the site hears nothing of it");
    house.close().unwrap();
}

#[test]
fn one_name_cannot_take_all_sessions() {
    let house = House::with(100, |config| config.max_sessions_per_name = 2);
    let connect = |client: &str| {
        let mut raw = Raw::dial(house.address());
        raw.send(&Connect { client_id: client.into(), ..Connect::persistent("any") }.bytes());
        let (_, body) = raw.packet();
        (raw, body)
    };
    let (mut one, _) = connect("1");
    let (two, _) = connect("2");
    assert_eq!(connect("3").1, [0, 3], "both are here");
    drop(two);
    house.wait_for(|counters| counters.connections == 1);
    assert_eq!(connect("3").1, [0, 0], "takes the place of the one that is away");
    house.wait_for(|counters| counters.connections == 1);
    assert_eq!(connect("3").1, [1, 0]);
    one.expect_quiet();
    house.client("display").expect_quiet();
    house.close().unwrap();
}
