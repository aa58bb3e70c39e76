//! What is published for what happens.

use prost::Message;

use super::{AT_MS, assert_message, image, news, order, settings};
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState, Nameplate},
        gauge::{Battery, ChargeMode, Gauges, Level, Soundness},
        id::{CardNo, PlugNo, Sequence},
        news::{Happening, News, Parting},
        quantity::{Energy, Money},
        reply::{ToUplink, UplinkMessage, Urgency},
        time::{ClockQuality, Now},
    },
    protocol::{
        dialect::{Dialect, Publication, Unfit},
        jcpp::{dialect::Queue, wire::UplinkQueueMessage},
    },
};

fn published(news: News) -> Result<Vec<Publication>, Unfit> {
    let message = UplinkMessage::News(Box::new(news));
    let message = ToUplink { sequence: Sequence(1), message, urgency: Urgency::Live };
    Queue::new(settings()).encode(&message, Now::default())
}

/// Exactly these messages, on the topic of the pile.
#[track_caller]
fn assert_told(news: News, names: &[&str]) {
    let told = published(news).unwrap();
    assert_eq!(told.len(), names.len());
    for (publication, name) in told.iter().zip(names) {
        assert_eq!(publication.topic, "jcpp/uplink/3101150012000001");
        assert_eq!((publication.retain, publication.confirms), (false, None));
        assert_message(&publication.payload, name);
    }
}

fn uncaused(what: Happening) -> News {
    News { cause: None, ..news(what) }
}

#[test]
fn a_boot_is_a_login_and_what_comes_periodically_a_heartbeat() {
    let nameplate = Nameplate {
        serial: "ZD240117001".to_owned(),
        model: "DC-120".to_owned(),
        vendor: "某 \"A\"".to_owned(),
        firmware: "3.1".to_owned(),
    };
    assert_told(news(Happening::Booted(Box::new(nameplate))), &["booted"]);
    assert_told(uncaused(Happening::Alive), &["alive"]);
}

#[test]
fn without_a_clock_no_time_is_told() {
    let mut undated = uncaused(Happening::Alive);
    undated.at.wall.unix_ms = 0;
    undated.at.wall.quality = ClockQuality::Unset;
    (undated.session, undated.address) = (None, String::new());
    assert_told(undated.clone(), &["alive-undated"]);
    undated.at.wall.unix_ms = 5;
    let told = published(undated).unwrap();
    let told = UplinkQueueMessage::decode(told[0].payload.as_ref()).unwrap();
    assert_eq!(told.ts, 0);
}

#[test]
fn a_pile_that_goes_closes_its_session_with_the_reason() {
    for (parting, reason, name) in [
        (Parting::Lost, "connection reset", "gone-lost"),
        (Parting::Dismissed, "forgotten", "gone-dismissed"),
        (Parting::Stopped, "the site stops", "gone-stopped"),
    ] {
        assert_told(uncaused(Happening::Gone { parting, reason: reason.to_owned() }), &[name]);
    }
}

#[test]
fn every_state_of_a_connector_is_told() {
    let told = |state, name| {
        let image = ConnectorImage { state, ..image() };
        assert_told(news(Happening::Connector(Box::new(image))), &[name]);
    };
    told(None, "gun-none");
    for (state, name) in [
        (ConnectorState::Unavailable, "gun-unavailable"),
        (ConnectorState::Idle, "gun-idle"),
        (ConnectorState::Connected, "gun-connected"),
        (ConnectorState::Waiting, "gun-waiting"),
        (ConnectorState::Charging, "gun-charging"),
        (ConnectorState::SuspendedByPile, "gun-suspended-by-pile"),
        (ConnectorState::SuspendedByVehicle, "gun-suspended-by-vehicle"),
        (ConnectorState::Finished, "gun-finished"),
        (ConnectorState::Reserved, "gun-reserved"),
    ] {
        told(Some(state), name);
    }
    let away = ConnectorImage { is_reachable: false, ..image() };
    assert_told(news(Happening::Connector(Box::new(away))), &["gun-away"]);
}

#[test]
fn warnings_are_fault_messages_of_the_gun() {
    let (state, warnings) = (Some(ConnectorState::Fault), [2001, 1030].into());
    let image = ConnectorImage { state, warnings, ..image() };
    assert_told(news(Happening::Connector(Box::new(image))), &["gun-fault"]);
    let warning = Happening::Warning { plug: Some(PlugNo(1)), code: 1030, cleared: false };
    assert_told(news(warning), &[]);
}

fn measured() -> ConnectorImage {
    let mut image = image();
    image.gauges = Gauges {
        output_voltage_dv: Some(4005),
        output_current_ca: Some(12_345),
        soc_percent: Some(55),
        charged: Some(Energy::from_wh(99)),
        charging_s: Some(1799),
        remaining_s: Some(900),
        battery: Battery {
            mode: Some(ChargeMode::ConstantCurrent),
            demand_voltage_cv: Some(42_000),
            demand_current_ca: Some(12_500),
            voltage_cv: Some(39_876),
            current_ca: Some(-12_150),
            highest_cell: Some((405, 17)),
            highest_temperature_dc: Some(315),
            lowest_temperature_dc: Some(-20),
            cell_voltage_level: Some(Level::Over),
            soc_level: Some(Level::Normal),
            insulation: Some(Soundness::Abnormal),
            ..Battery::default()
        },
        ..Gauges::default()
    };
    let order = image.order.as_mut().unwrap();
    (order.energy, order.elapsed_s) = (Some(Energy::from_wh(12_340)), 60);
    order.cost = Some(Money::from_tenth_fen(17_285));
    image
}

#[test]
fn an_order_goes_on_with_what_its_battery_says() {
    let names = ["progress", "progress-battery", "progress-demand"];
    assert_told(news(Happening::Progress(Box::new(measured()))), &names);
    assert_told(news(Happening::Progress(Box::new(image()))), &["progress-bare"]);
}

#[test]
fn progress_of_no_order_says_only_what_the_battery_does() {
    let idle = ConnectorImage { order: None, ..image() };
    assert_told(news(Happening::Progress(Box::new(idle))), &[]);
    let image = ConnectorImage { order: None, ..measured() };
    assert_eq!(published(news(Happening::Progress(Box::new(image)))).unwrap().len(), 2);
}

#[test]
fn a_battery_introduces_itself() {
    let mut image = image();
    image.gauges.vin = Some("LSVAU2180N2183294".to_owned());
    image.gauges.soc_percent = Some(55);
    image.gauges.battery = Battery {
        protocol: Some("1.1".to_owned()),
        kind: Some(6),
        capacity_ah: Some(180),
        rated_voltage_cv: Some(40_050),
        vendor: Some("CATL".to_owned()),
        serial: Some("A-1".to_owned()),
        made: Some((2023, 5, 17)),
        cycles: Some(321),
        property: Some(1),
        software: Some("2.0".to_owned()),
        cell_max_voltage_cv: Some(420),
        max_current_ca: Some(25_000),
        nominal_energy: Some(Energy::from_wh(72_000)),
        max_voltage_cv: Some(45_000),
        max_temperature_dc: Some(550),
        voltage_cv: Some(39_876),
        ..Battery::default()
    };
    assert_told(news(Happening::Battery(Box::new(image.clone()))), &["handshake", "parameters"]);
    (image.gauges.battery, image.gauges.vin) = (Battery::default(), None);
    assert_told(news(Happening::Battery(Box::new(image))), &[]);
}

#[test]
fn a_card_is_a_request_to_start() {
    let card = CardNo::new("8812").unwrap();
    let shown = Happening::CardShown { plug: Some(PlugNo(1)), card: card.clone() };
    assert_told(news(shown), &["card"]);
    assert_told(news(Happening::CardShown { plug: None, card }), &["card-nowhere"]);
}

#[test]
fn outcomes_of_remote_commands_are_told() {
    let (plug, reason) = (PlugNo(1), String::new());
    let started =
        |order, accepted, reason| Happening::RemoteStart { plug, order, accepted, reason };
    assert_told(news(started(Some(order()), true, reason.clone())), &["remote-start"]);
    let refused = "the pile refused".to_owned();
    assert_told(news(started(None, false, refused)), &["remote-start-failed"]);
    let stopped = |plug, order, accepted, reason| {
        news(Happening::RemoteStop { plug, order, accepted, reason })
    };
    assert_told(stopped(Some(plug), Some(order()), true, reason), &["remote-stop"]);
    let refused = "no order runs there".to_owned();
    assert_told(stopped(None, None, false, refused), &["remote-stop-failed"]);
}

#[test]
fn tariffs_and_the_time_are_told() {
    assert_told(news(Happening::TariffWanted { tariff: None }), &["tariff-query"]);
    assert_told(news(Happening::TariffWanted { tariff: Some(7) }), &["tariff-verify"]);
    assert_told(news(Happening::TariffSet { tariff: 7, accepted: true }), &["tariff-set"]);
    let unix_s = AT_MS.div_euclid(1000);
    assert_told(news(Happening::TimeGiven { unix_s }), &["time"]);
}

#[test]
fn a_number_that_does_not_fit_is_never_cut() {
    let mut image = image();
    image.plug = PlugNo(100);
    let error = published(news(Happening::Connector(Box::new(image)))).unwrap_err();
    assert_eq!(error.to_string(), "gunNo cannot be carried: 100");
    let tariff = u64::MAX;
    let error = published(news(Happening::TariffSet { tariff, accepted: true })).unwrap_err();
    assert_eq!(error.to_string(), format!("pricingId cannot be carried: {tariff}"));
}

#[test]
fn a_retry_has_the_same_ids_and_other_news_have_others() {
    let ids = |news: &News| {
        let told = published(news.clone()).unwrap();
        let told = UplinkQueueMessage::decode(told[0].payload.as_ref()).unwrap();
        let message = (told.message_id_msb, told.message_id_lsb);
        (message, (told.session_id_msb, told.session_id_lsb))
    };
    let first = uncaused(Happening::Alive);
    assert_eq!(ids(&first), ids(&first.clone()));
    let mut later = first.clone();
    later.at.mono.0 += 1;
    assert_ne!(ids(&later).0, ids(&first).0, "another moment");
    assert_eq!(ids(&later).1, ids(&first).1, "the same session");
    let mut elsewhere = first.clone();
    elsewhere.session = None;
    assert_eq!(ids(&elsewhere).0, ids(&first).0, "what is told is the same");
    assert_ne!(ids(&elsewhere).1, ids(&first).1);
    let mut next_run = first.clone();
    next_run.at.boot.0 += 1;
    assert_ne!(ids(&next_run).0, ids(&first).0);
    assert_ne!(ids(&next_run).1, ids(&first).1, "numbers of connections begin anew");
}

#[test]
fn nothing_comes_down() {
    let mut queue = Queue::new(settings());
    assert!(queue.filters().is_empty());
    let error = queue.decode("jcpp/downlink", b"", Now::default()).unwrap_err();
    assert_eq!(error.to_string(), "topic: wanted nothing comes down, found jcpp/downlink");
    let message = UplinkMessage::Heartbeat;
    let message = ToUplink { sequence: Sequence(1), message, urgency: Urgency::Live };
    assert_eq!(queue.encode(&message, Now::default()), Ok(Vec::new()));
}
