//! What is published for what happens.

use super::{assert_event, encoded, gateway, image, pile};
use crate::{
    domain::{
        connector::Nameplate,
        gauge::Gauges,
        id::{CardNo, PlugNo, Sequence},
        news::{Happening, News, Parting},
        reply::UplinkMessage,
        time::{ClockQuality, Stamp, Wall},
    },
    protocol::dialect::Publication,
};

fn dated() -> Wall {
    Wall { unix_ms: 1_795_000_000_999, quality: ClockQuality::Held }
}

fn published(what: Happening, wall: Wall) -> Vec<Publication> {
    let at = Stamp { wall, ..Stamp::default() };
    let address = String::new();
    let news = News { pile: pile(), at, session: None, address, cause: None, what };
    encoded(&mut gateway(), Sequence(1), UplinkMessage::News(Box::new(news)))
}

#[track_caller]
fn assert_told(what: Happening, wall: Wall, name: &str) {
    let told = published(what, wall);
    assert_eq!(told.len(), 1);
    assert_event(&told[0], name);
}

#[test]
fn a_boot_is_told() {
    let nameplate = Nameplate {
        serial: "ZD240117001".to_owned(),
        model: "DC-120".to_owned(),
        vendor: "somebody".to_owned(),
        firmware: "3.1".to_owned(),
    };
    assert_told(Happening::Booted(Box::new(nameplate)), dated(), "booted");
}

#[test]
fn a_change_at_a_connector_and_a_pile_that_goes_are_told() {
    assert_told(Happening::Connector(Box::new(image())), dated(), "changed");
    let gone = Happening::Gone { parting: Parting::Lost, reason: "reset".to_owned() };
    assert_told(gone, dated(), "changed");
}

#[test]
fn what_a_pile_gives_is_told_with_its_units() {
    assert_told(Happening::Progress(Box::new(image())), dated(), "progress");
    let mut image = image();
    image.gauges = Gauges { input_current_ca: [Some(1598), Some(1602), None], ..Gauges::default() };
    assert_told(Happening::Progress(Box::new(image.clone())), dated(), "progress-phases");
    image.gauges = Gauges::default();
    assert!(published(Happening::Progress(Box::new(image)), dated()).is_empty());
}

#[test]
fn warnings_are_logged() {
    let stands = Happening::Warning { plug: Some(PlugNo(1)), code: 1030, cleared: false };
    assert_told(stands, dated(), "warning");
    let over = Happening::Warning { plug: None, code: 1030, cleared: true };
    assert_told(over, Wall::default(), "warning-over");
}

#[test]
fn what_the_wire_has_no_event_for_is_not_told() {
    let card = CardNo::new("8812").unwrap();
    for what in [
        Happening::Alive,
        Happening::CardShown { plug: None, card },
        Happening::TariffWanted { tariff: None },
        Happening::TimeGiven { unix_s: 1_795_000_000 },
    ] {
        assert!(published(what, dated()).is_empty());
    }
}
