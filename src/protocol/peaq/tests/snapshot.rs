//! The state of the whole site.

use std::collections::BTreeMap;

use prost::Message;

use super::{assert_message, card, connector, encoded, gateway, image, pile, running};
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState},
        id::{CardNo, KeyTime, OrderKey, OrderSeq, RecordNo, Sequence},
        news::SiteImage,
        order::{Ending, Flags, Order, OrderState},
        quantity::Energy,
        reply::UplinkMessage,
        time::Stamp,
    },
    protocol::peaq::wire::gateway::ChargePointState,
};

fn ended() -> Order {
    let record = RecordNo::new("17").unwrap();
    Order {
        seq: OrderSeq(41),
        key: OrderKey { pile: pile(), record, started: KeyTime(1_794_996_400) },
        id: running().id,
        connector: Some(connector(12)),
        plug: None,
        state: OrderState::Recorded,
        flags: Flags::default(),
        card: Some(CardNo::new("8812").unwrap()),
        transaction: None,
        opened: Stamp::default(),
        started_s: Some(1_794_996_400),
        meter_start: None,
        progress: None,
        ending: Some(Ending {
            ended_s: Some(1_795_000_000),
            meter_start: Some(Energy::from_wh(1_042_200)),
            meter_stop: Some(Energy::from_wh(1_054_540)),
            energy: Energy::from_wh(12_340),
            cost: None,
            reason: 0,
            recorded: Stamp::default(),
            original: None,
        }),
        start: None,
        metering: None,
        deliveries: Vec::new(),
    }
}

fn site() -> SiteImage {
    let idle = |state| ConnectorImage { state: Some(state), order: None, ..image() };
    let mut local = ConnectorImage { state: Some(ConnectorState::SuspendedByVehicle), ..image() };
    // Its number does not fit: neither the order nor its card is told.
    local.order.as_mut().unwrap().seq = OrderSeq(1 << 31);
    let away = ConnectorImage { is_reachable: false, ..idle(ConnectorState::Idle) };
    SiteImage {
        connectors: BTreeMap::from([
            (connector(12), image()),
            (connector(13), idle(ConnectorState::Connected)),
            (connector(14), away),
            (connector(15), local),
        ]),
        ended: vec![ended()],
        authorised: vec![(CardNo::new("another").unwrap(), None), (card(), Some(running().id))],
    }
}

fn state(site: SiteImage) -> ChargePointState {
    let told = encoded(&mut gateway(), Sequence(1), UplinkMessage::Snapshot(Box::new(site)));
    ChargePointState::decode(told[0].payload.as_ref()).unwrap()
}

#[test]
fn the_state_is_kept_by_the_broker_on_a_topic_of_its_own() {
    let mut site = site();
    // Two orders have one id here; only one of them has a number.
    site.connectors.get_mut(&connector(15)).unwrap().order.as_mut().unwrap().id =
        crate::domain::id::OrderId::new("3101150012000001XXXXXXXXXXXXXXXX").unwrap();
    let told = encoded(&mut gateway(), Sequence(1), UplinkMessage::Snapshot(Box::new(site)));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].topic, "peaq/site-1/state");
    assert_eq!((told[0].retain, told[0].confirms), (true, None));
    assert_message(&told[0].payload, "state");
}

#[test]
fn a_site_of_nothing_has_a_state() {
    let told = encoded(&mut gateway(), Sequence(1), UplinkMessage::Snapshot(Box::default()));
    assert_message(&told[0].payload, "state-nothing");
}

#[test]
fn no_card_is_told_that_the_gateway_did_not_let_in() {
    let mut site = site();
    site.authorised.clear();
    let state = state(site);
    assert!(state.auth_list.is_empty());
    let tags: Vec<&str> = state.transactions.values().map(|info| info.id_tag.as_str()).collect();
    assert_eq!(tags, ["", ""]);
}

#[test]
fn the_whole_is_available_as_long_as_one_connector_works() {
    let of = |states: &[ConnectorState]| {
        let images = states.iter().zip(1..).map(|(state, number)| {
            (connector(number), ConnectorImage { state: Some(*state), ..image() })
        });
        state(SiteImage { connectors: images.collect(), ..SiteImage::default() }).status
    };
    use ConnectorState::{Charging, Fault, Unavailable};
    assert_eq!(of(&[Fault, Charging]), "Available");
    assert_eq!(of(&[Fault, Unavailable]), "Faulted");
    assert_eq!(of(&[Unavailable]), "Unavailable");
}

#[test]
fn states_are_told_in_the_words_of_ocpp() {
    for (state_of, word) in [
        (None, "Unavailable"),
        (Some(ConnectorState::Unavailable), "Unavailable"),
        (Some(ConnectorState::Idle), "Available"),
        (Some(ConnectorState::Connected), "Preparing"),
        (Some(ConnectorState::Waiting), "Preparing"),
        (Some(ConnectorState::Charging), "Charging"),
        (Some(ConnectorState::SuspendedByPile), "SuspendedEVSE"),
        (Some(ConnectorState::SuspendedByVehicle), "SuspendedEV"),
        (Some(ConnectorState::Finished), "Finishing"),
        (Some(ConnectorState::Reserved), "Reserved"),
        (Some(ConnectorState::Fault), "Faulted"),
    ] {
        let image = ConnectorImage { state: state_of, ..image() };
        let connectors = [(connector(12), image)].into();
        let state = state(SiteImage { connectors, ..SiteImage::default() });
        assert_eq!(state.connectors[&12].status, word);
    }
}

#[test]
fn readings_that_do_not_fit_are_left_out() {
    let mut site = site();
    let end = site.ended[0].ending.as_mut().unwrap();
    end.meter_stop = Some(Energy::from_wh(1 << 31));
    site.ended[0].started_s = Some(i64::MAX);
    let state = state(site);
    assert_eq!((state.transactions[&41].end_meter, &*state.transactions[&41].start_time), (0, ""));
}
