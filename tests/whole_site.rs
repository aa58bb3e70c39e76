//! Faults first, then healing, then quiet: a seeded world in virtual time, with simulated peers on
//! both sides of the real site, its codecs and its ledger.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use sitepilot::{
    domain::{
        id::{KeyTime, OrderKey, RecordNo},
        order::Order,
        wire::Revision,
    },
    ledger::LedgerError,
    peers::{
        backend::{BackendNews, Span},
        pile::{AnsweredOrder, Memory, PileNews},
    },
};

#[path = "whole_site/compare.rs"]
mod compare;
#[path = "whole_site/world.rs"]
mod world;

use world::{DEVICE, World, pile_code};

/// Piles of a world.
const PILES: [Revision; 3] = [Revision::V1_10, Revision::V1_0, Revision::V1_10];
/// Faults of a world, a few seconds apart.
const FAULTS: u32 = 60;

/// Does one thing that goes wrong, or that somebody wants.
fn trouble(w: &mut World) {
    let at = w.rng.usize(..PILES.len());
    let now = w.now();
    match w.rng.u32(..20) {
        0 | 1 => {
            let away_ms = w.rng.u64(100..20_000);
            w.cut_pile(at, away_ms);
        }
        2..=4 => {
            let away_ms = w.rng.u64(100..60_000);
            w.cut_link(away_ms);
        }
        5 => {
            let down_ms = w.rng.u64(100..10_000);
            w.crash(down_ms);
        }
        6 | 7 => w.crash_after_commit = true,
        8 => w.backend.faults.silent = true,
        9 => w.backend.faults.delay_ms = Some((0, 2_500)),
        10 => w.backend.faults.duplicate_commands = true,
        11 => w.backend.restart(),
        12 => {
            let off_ms = w.rng.u64(500..30_000);
            w.places[at].pile.power_cut(off_ms, Memory::Kept, now);
        }
        13 => {
            w.places[at].pile.repeat_last_order(now);
        }
        14 => {
            let (evse, connector) = (pile_code(at), (2 * at + 1).to_string());
            w.backend.remote_start(DEVICE, evse.as_str(), &connector, "APP", now);
        }
        15 => w.backend.faults.order_error = Some(2),
        16 => {
            let all = Span { level: 2, ..Span::default() };
            w.backend.get_transactions(DEVICE, &all, now);
        }
        17 => w.places[at].pile.warn(1, 7, now),
        18 => {
            let connector = (2 * at + 1).to_string();
            w.backend.control(DEVICE, "RemoteStop", &connector, now);
        }
        // What the pile forgets, the site closes by itself; record numbers begin anew.
        _ => w.places[at].pile.power_cut(2_000, Memory::Lost, now),
    }
    w.collect();
}

fn calm(w: &mut World) {
    let duplicates = w.backend.faults.duplicate_commands;
    w.backend.faults = Default::default();
    w.backend.faults.duplicate_commands = duplicates;
}

fn run(seed: u64, cloud: Revision) {
    let dir = tempfile::tempdir().unwrap();
    let mut w = World::new(seed, cloud, &PILES, dir.path().to_owned());
    for _ in 0..FAULTS {
        let quiet_ms = w.rng.u64(200..8_000);
        w.pass(quiet_ms);
        trouble(&mut w);
        if w.rng.bool() {
            let faulty_ms = w.rng.u64(200..15_000);
            w.pass(faulty_ms);
            calm(&mut w);
        }
    }
    w.backend.faults = Default::default();
    w.crash_after_commit = false;
    for place in &mut w.places {
        place.pile.rest();
    }
    // Longer than a charge, the grace of an interrupted order and the longest resend.
    for _ in 0..60 {
        w.pass(60_000);
    }
    check(&w, seed);
}

fn key(at: usize, order: &AnsweredOrder) -> OrderKey {
    OrderKey {
        pile: pile_code(at),
        record: RecordNo::new(&order.record.to_string()).unwrap(),
        started: KeyTime(order.started_s),
    }
}

fn check(w: &World, seed: u64) {
    let (ledger, reader) = w.ledger();
    let mut rows: BTreeMap<String, Order> = BTreeMap::new();
    reader
        .export::<LedgerError>(&Default::default(), |order| {
            rows.insert(order.id.to_string(), order.clone());
            Ok(())
        })
        .unwrap();
    let books = w.backend.books();
    let mut answered = 0;
    for (at, place) in w.places.iter().enumerate() {
        assert!(!place.pile.is_busy(), "seed {seed}: pile {at} still charges");
        assert_eq!(place.pile.store().unanswered(), 0, "seed {seed}: pile {at} waits");
        for (order, reports) in &place.answered {
            answered += 1;
            let id = key(at, order).id().to_string();
            let row = rows.get(&id).unwrap_or_else(|| panic!("seed {seed}: lost {order:?}"));
            let ending = row.ending.as_ref().unwrap();
            assert_eq!(ending.energy, order.energy, "seed {seed}: {order:?} {row:?}");
            assert_eq!(ending.cost, Some(order.cost), "seed {seed}: {order:?} {row:?}");
            let booked = books.order(&id).unwrap_or_else(|| panic!("seed {seed}: never sent {id}"));
            assert!(booked.is_settled(), "seed {seed}: not settled {booked:?}");
            let poorer = place.revision.min(w.cloud);
            compare::check(reports, booked, poorer);
        }
        let odd = place.news.iter().filter(|n| matches!(n, PileNews::AnswerOdd { .. })).count();
        assert_eq!(odd, 0, "seed {seed}: pile {at} was answered oddly: {:?}", place.news);
    }
    assert!(answered > 20, "seed {seed}: only {answered} orders");
    assert_eq!(books.altered(), Vec::<String>::new(), "seed {seed}");
    assert_eq!(books.doubled(), Vec::<String>::new(), "seed {seed}");
    let early: u64 = books.orders().map(|o| o.early_infos).sum();
    assert_eq!(early, 0, "seed {seed}: information of orders that were not announced");
    let known: BTreeSet<String> = books.orders().map(|o| o.record.clone()).collect();
    assert!(known.iter().all(|id| rows.contains_key(id)), "seed {seed}: orders nobody recorded");
    let counts = reader.counts().unwrap();
    assert_eq!((counts.unsettled, counts.open), (0, 0), "seed {seed}");
    assert_eq!(counts.orders, u64::try_from(rows.len()).unwrap());
    assert_eq!(ledger.verify().unwrap().bad, None, "seed {seed}");
    println!("seed {seed}, cloud {}: {answered} orders, {} crashes", w.cloud.name(), w.crashes);
}

fn settings(w: &World) -> Vec<(String, String)> {
    let values = w.told.iter().filter_map(|news| match news {
        BackendNews::Settings { values, .. } => Some(values.clone()),
        _ => None,
    });
    values.flatten().collect()
}

fn count(w: &World, wanted: impl Fn(&BackendNews) -> bool) -> usize {
    w.told.iter().filter(|news| wanted(news)).count()
}

/// Status of the answer to a command.
fn status(w: &World, command: u64) -> Option<i32> {
    w.told.iter().find_map(|news| match news {
        BackendNews::CommandAnswered { sequence, status, .. } if *sequence == command => {
            Some(*status)
        }
        _ => None,
    })
}

/// An installer at the cloud tries everything on the one pile of a site.
#[test]
fn a_pile_is_configured_reset_and_updated_through_the_site() {
    let both = [Revision::V1_0, Revision::V1_10];
    for (cloud, pile) in both.into_iter().flat_map(|cloud| both.map(|pile| (cloud, pile))) {
        let dir = tempfile::tempdir().unwrap();
        let mut w = World::new(1, cloud, &[pile], dir.path().to_owned());
        w.pass(5_000);
        let now = w.now();
        let changed = w.backend.change_setting(DEVICE, "TelemetryInterval", "7", now);
        let refused = w.backend.change_setting(DEVICE, "NumberOfConnectors", "7", now);
        w.backend.get_setting(DEVICE, "TelemetryInterval", now);
        w.backend.get_log(DEVICE, "ftp://127.0.0.1/", now);
        w.pass(1_000);
        assert_eq!((status(&w, changed), status(&w, refused)), (Some(0), Some(1)));
        assert_eq!(settings(&w), [("TelemetryInterval".to_owned(), "7".to_owned())]);
        assert_eq!(count(&w, |n| matches!(n, BackendNews::Log { .. })), 1);
        assert_eq!(count(&w, |n| matches!(n, BackendNews::Uploading { .. })), 2);

        let now = w.now();
        let updated = w.backend.update_firmware(DEVICE, "ftp://127.0.0.1/", now);
        w.pass(10_000);
        let answer = (cloud == Revision::V1_10).then_some(0);
        assert_eq!(status(&w, updated), answer, "1.0 has no answer to an update");
        let steps = count(&w, |n| matches!(n, BackendNews::Updating { .. }));
        assert_eq!(steps, 4, "pile {}, cloud {}", pile.name(), cloud.name());
        let boots = w.places[0].news.iter();
        assert_eq!(boots.filter(|n| matches!(n, PileNews::Booted { .. })).count(), 2);
        let now = w.now();
        let reset = w.backend.control(DEVICE, "Reset", "0", now);
        w.pass(10_000);
        assert_eq!(status(&w, reset), Some(0));
        let failed = w.places[0].news.iter().find(|n| matches!(n, PileNews::RequestFailed { .. }));
        assert_eq!(failed, None, "pile {}, cloud {}", pile.name(), cloud.name());
    }
}

/// Seeds of every run; `SITEPILOT_SIM_SEEDS=from..to` tries others.
#[test]
fn nothing_is_lost_doubled_or_altered() {
    let text = std::env::var("SITEPILOT_SIM_SEEDS").unwrap_or_else(|_| "1..3".to_owned());
    let (from, to) = text.split_once("..").unwrap();
    for seed in from.parse::<u64>().unwrap()..to.parse().unwrap() {
        for cloud in [Revision::V1_0, Revision::V1_10] {
            run(seed, cloud);
        }
    }
}
