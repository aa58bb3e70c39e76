//! Bounds and rules of what uplinks that listen are told and command, which no script can show.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    domain::{
        connector::{ConnectorState, PileKind},
        event::{PileNotice, RemoteStart, UplinkRequest},
        gauge::Gauges,
        id::{ConnectionId, PlugNo, RequestId, TransactionId},
        reply::{PileCall, ToPile, UplinkMessage, UplinkReply},
        wire::Revision,
    },
    protocol::{charger::station, ec, peaq},
};

const CONNECTION: ConnectionId = ConnectionId(1);

fn pile() -> PileCode {
    PileCode::new("3101150012000001").unwrap()
}

fn connectors(numbers: std::ops::RangeInclusive<u16>) -> Vec<ConnectorNo> {
    numbers.filter_map(ConnectorNo::new).collect()
}

fn pile_config(numbers: std::ops::RangeInclusive<u16>) -> PileConfig {
    let connectors = connectors(numbers);
    PileConfig { revision: Revision::V1_10, kind: PileKind::Dc, connectors }
}

fn station() -> Wire {
    Wire::Charger(station::Settings {
        revision: Revision::V1_10,
        part_number: "SITEPILOT-1".to_owned(),
        serial: "SP-1".to_owned(),
        vendor: "ACME".to_owned(),
        elec_data_unit: station::ELEC_DATA_UNIT,
        connectors: BTreeMap::new(),
    })
}

fn gate() -> Wire {
    Wire::Peaq(peaq::Settings {
        topic_prefix: "peaq".to_owned(),
        client_id: "site".to_owned(),
        model: String::new(),
        vendor: String::new(),
    })
}

fn server() -> Wire {
    Wire::Ec(ec::Settings {
        organisation: 1000,
        heartbeat_ms: 60_000,
        realtime_ms: 60_000,
        confirm: ec::Confirm::Tcp,
        resend_ms: 0,
        amount_includes_service: true,
    })
}

/// A site with one pile of ten connectors that has booted, and these uplinks; the first decides.
fn site(uplinks: [(&str, Wire); 2]) -> Site {
    let uplink = |(nth, (name, wire)): (usize, (&str, Wire))| UplinkConfig {
        name: UplinkName::new(name).unwrap(),
        wire,
        primary: nth == 0,
        commands: true,
        required: nth == 0,
        answer_timeout_ms: 3_000,
        orders_since_s: None,
        max_orders_per_s: None,
    };
    let config = SiteConfig {
        piles: [(pile(), pile_config(1..=10))].into(),
        uplinks: uplinks.into_iter().enumerate().map(uplink).collect(),
        meters: Vec::new(),
        heartbeat_interval_s: 60,
        interrupted_grace_ms: 3_600_000,
        undated_hold_ms: 1,
        stop_refused: false,
    };
    let mut site = Site::restore(Image::default(), config, Now::default()).0;
    let connection = CONNECTION;
    let address = String::new();
    told(&mut site, 0, PileEvent::Connected { connection, address });
    let id = RequestId { connection, sequence: 1 };
    let request = PileRequest::Boot { nameplate: Box::default(), original: original() };
    told(&mut site, 0, PileEvent::Requested { id, request });
    site
}

fn original() -> Original {
    Original { revision: Revision::V1_10, code: 1, body: Default::default() }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono(ms), ..Now::default() }
}

fn told(site: &mut Site, ms: u64, event: PileEvent) -> Vec<Command> {
    let step = site.step(Input::Pile { pile: pile(), event, known: Vec::new() }, now(ms));
    step.commands().to_vec()
}

fn heard(site: &mut Site, ms: u64, name: &str, event: UplinkEvent) -> Vec<Command> {
    let uplink = UplinkName::new(name).unwrap();
    site.step(Input::Uplink { uplink, event }, now(ms)).commands().to_vec()
}

fn wants(site: &mut Site, sequence: u64, name: &str, request: UplinkRequest) -> Vec<Command> {
    let event = UplinkEvent::Requested { sequence: Sequence(sequence), digest: sequence, request };
    heard(site, 0, name, event)
}

/// Which connectors an uplink is shown.
fn shown(commands: &[Command]) -> Vec<u16> {
    let message = |command: &Command| match command {
        Command::Uplink { message, .. } => match &message.message {
            UplinkMessage::Image(image) => Some(image.connector.get()),
            _ => None,
        },
        _ => None,
    };
    commands.iter().filter_map(message).collect()
}

fn token(commands: &[Command]) -> Option<crate::domain::id::StartToken> {
    commands.iter().find_map(|command| match command {
        Command::Pile {
            message: ToPile::Call { request: PileCall::RemoteStart { token, .. }, .. },
            ..
        } => Some(token.clone()),
        _ => None,
    })
}

fn telemetry(plug: u16, status: i32) -> PileEvent {
    let gauges = Box::new(Gauges { soc_percent: Some(1), ..Gauges::default() });
    let (plug, status, original) = (Some(PlugNo(plug)), Some(status), original());
    PileEvent::Told(PileNotice::Telemetry { plug, status, gauges, original })
}

fn warning(plug: Option<PlugNo>, code: i64) -> PileEvent {
    let id = RequestId { connection: CONNECTION, sequence: 2 };
    let original = original();
    let request = PileRequest::Warning { plug, code, cleared: false, original };
    PileEvent::Requested { id, request }
}

#[test]
fn each_connector_has_its_turn_once_in_an_interval_and_never_all_of_them_together() {
    let mut site = site([("cloud", station()), ("server", server())]);
    let first = heard(&mut site, 0, "server", UplinkEvent::Connected);
    assert_eq!(shown(&first), (1..=10).collect::<Vec<_>>());
    let mut turns: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    let mut at = 0;
    while at < 180_000 {
        at = site.deadline().unwrap().0.max(at + 1);
        let step = site.step(Input::Tick, now(at));
        let shown = shown(step.commands());
        assert!(shown.len() <= 1, "at {at}: {shown:?}");
        shown.into_iter().for_each(|connector| turns.entry(connector).or_default().push(at));
    }
    assert_eq!(turns.len(), 10);
    for (connector, turns) in turns {
        let first = u64::from(connector) * 6_000;
        assert_eq!(turns, [first, first + 60_000, first + 120_000], "connector {connector}");
    }
}

#[test]
fn turns_that_were_missed_are_not_made_up_for() {
    let mut site = site([("cloud", station()), ("server", server())]);
    heard(&mut site, 0, "server", UplinkEvent::Connected);
    let late = site.step(Input::Tick, now(3_600_000));
    assert_eq!(shown(late.commands()).len(), 10);
    let next = site.step(Input::Tick, now(3_600_001));
    assert_eq!(shown(next.commands()), [0; 0]);
}

#[test]
fn a_pile_that_is_admitted_has_its_turns_from_then_on() {
    let mut site = site([("cloud", station()), ("server", server())]);
    heard(&mut site, 0, "server", UplinkEvent::Connected);
    let second = PileCode::new("3101150012000002").unwrap();
    let admitted = Input::PileAdmitted { pile: second, config: pile_config(21..=22) };
    let step = site.step(admitted, now(1));
    assert_eq!(shown(step.commands()), [21, 22]);
    // A pile that lost connectors has them shown no more.
    let fewer = Input::PileAdmitted { pile: second, config: pile_config(21..=21) };
    let _step = site.step(fewer, now(2));
    let step = site.step(Input::Tick, now(60_001));
    let shown: BTreeSet<u16> = shown(step.commands()).into_iter().collect();
    assert_eq!(shown, (1..=10).chain([21]).collect());
}

#[test]
fn what_is_kept_of_a_pile_is_bounded_by_its_connectors_and_the_limit_of_warnings() {
    let mut site = site([("cloud", station()), ("server", server())]);
    for plug in 0..1_000 {
        told(&mut site, 1, telemetry(plug, 3));
        told(&mut site, 1, warning(Some(PlugNo(plug)), 300));
        told(&mut site, 1, warning(None, i64::from(plug)));
    }
    let panel = &site.piles[&pile()].panel;
    assert_eq!(panel.plugs(), 10);
    assert_eq!(panel.state(PlugNo(1)), Some(ConnectorState::Charging));
    assert_eq!(panel.state(PlugNo(11)), None);
    let all = panel.warnings(PlugNo(1));
    // Those of the pile, and its own.
    assert_eq!(all.len(), 33);
    assert!(all.contains(&300) && all.contains(&0));
}

#[test]
fn cards_that_a_gateway_lets_in_are_shown_up_to_a_limit_the_newest_of_them() {
    let mut site = site([("cloud", station()), ("gate", gate())]);
    heard(&mut site, 0, "gate", UplinkEvent::Connected);
    for number in 0..300 {
        let card = CardNo::new(&format!("KEY{number}")).unwrap();
        wants(&mut site, number, "gate", UplinkRequest::Authorize { card });
    }
    let name = UplinkName::new("gate").unwrap();
    let image = site.site_image(&name, &Turn::new(now(0), BootId(1)));
    let cards: Vec<&str> = image.authorised.iter().map(|(card, _)| card.as_str()).collect();
    assert_eq!((cards.len(), cards[0], cards[255]), (256, "KEY44", "KEY299"));
    assert_eq!(site.cards.len(), 300, "the others may charge as well");
}

#[test]
fn an_order_that_a_second_backend_starts_has_no_transaction_id_but_the_primarys() {
    let mut site = site([("cloud", station()), ("second", station())]);
    let start = |connector, id: &str| {
        UplinkRequest::RemoteStart(RemoteStart {
            connector: ConnectorNo::new(connector),
            transaction: Some(TransactionId::new(id).unwrap()),
            card: None,
            original: Some(original()),
        })
    };
    let of_second = token(&wants(&mut site, 1, "second", start(1, "T1"))).unwrap();
    let of_primary = token(&wants(&mut site, 1, "cloud", start(2, "T2"))).unwrap();
    assert_eq!(site.remotes.transaction(Some(&of_second)), None);
    let transaction = site.remotes.transaction(Some(&of_primary)).unwrap();
    assert_eq!(transaction.as_str(), "T2");
    // Both are known again when they are repeated.
    assert!(token(&wants(&mut site, 2, "second", start(3, "T1"))).is_none());
}

#[test]
fn starts_without_an_id_never_share_a_token() {
    let mut site = site([("cloud", station()), ("gate", gate())]);
    let start = |connector| {
        UplinkRequest::RemoteStart(RemoteStart {
            connector: ConnectorNo::new(connector),
            transaction: None,
            card: None,
            original: None,
        })
    };
    heard(&mut site, 0, "gate", UplinkEvent::Connected);
    let first = token(&wants(&mut site, 1, "gate", start(1))).unwrap();
    // A new link, on which requests are numbered anew.
    heard(&mut site, 0, "gate", UplinkEvent::Disconnected { reason: String::new() });
    heard(&mut site, 0, "gate", UplinkEvent::Connected);
    let second = token(&wants(&mut site, 1, "gate", start(2))).unwrap();
    assert_ne!(first, second);
}

#[test]
fn a_full_memory_of_cards_lets_nobody_new_in() {
    let mut site = site([("cloud", station()), ("gate", gate())]);
    for number in 0..CARDS_LIMIT {
        site.cards.insert(CardNo::new(&number.to_string()).unwrap(), Verdict::Accepted);
    }
    let card = CardNo::new("KEY").unwrap();
    let said = wants(&mut site, 1, "gate", UplinkRequest::Authorize { card });
    let reply = said.iter().find_map(|command| match command {
        Command::Uplink { message, .. } => match &message.message {
            UplinkMessage::Answer(UplinkReply::Authorize { accepted, .. }) => Some(*accepted),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(reply, Some(false));
}
