//! Pile and backend talking to each other in memory, in virtual time.
#![allow(clippy::unwrap_used)]

mod afar;
mod books;
mod measured;

use super::{
    Effect, Machine,
    backend::{Backend, BackendConfig, BackendNews, Kind, Report},
    pile::{AnsweredBy, AnsweredOrder, AutoPlan, Memory, OrderPhase, Pile, PileConfig, PileNews},
};
use crate::domain::{
    time::{ClockQuality, Mono, Now, Wall},
    wire::Revision,
};

const CODE: &str = "3101150012000001";
const START_MS: i64 = 1_795_000_000_000;

/// Every test, in both revisions.
macro_rules! in_both_revisions {
    ($($test:ident)*) => {
        mod in_1_0 {
            $(#[test]
            fn $test() {
                super::$test(crate::domain::wire::Revision::V1_0);
            })*
        }
        mod in_1_10 {
            $(#[test]
            fn $test() {
                super::$test(crate::domain::wire::Revision::V1_10);
            })*
        }
    };
}
use in_both_revisions;

in_both_revisions! {
    a_session_with_a_card_is_answered_and_booked_once
    an_order_of_an_outage_is_drained_as_a_transaction
    a_running_order_is_announced_again_before_its_next_information
    an_unanswered_stop_is_sent_again_with_the_same_bytes
    a_refused_boot_is_tried_again_and_nothing_else_said
    a_power_cut_ends_orders_and_reports_them_after_the_reboot
    a_lost_memory_forgets_orders_and_numbers_anew
    repeated_and_disputed_orders_are_told_apart_by_the_books
    wrong_ids_and_errors_settle_nothing
    registration_gives_a_code_and_an_account_once
    the_same_seed_tells_the_same_story
    what_a_pile_reports_is_what_the_backend_reads
    short_orders_of_the_same_second_are_two
}

/// One pile on a line that can be cut, with the backend at its end.
struct World {
    mono: u64,
    pile: Pile,
    backend: Backend,
    up: bool,
    away_until: Option<u64>,
    news: Vec<PileNews>,
    told: Vec<BackendNews>,
}

impl World {
    fn new(revision: Revision, alter: impl FnOnce(&mut PileConfig)) -> Self {
        let mut config = PileConfig::new(CODE, "ZD240117001", "secret", 7);
        config.speed = 100;
        config.revision = revision;
        alter(&mut config);
        let mut backend = BackendConfig::new(9);
        backend.revision = revision;
        let backend = Backend::new(backend);
        let pile = Pile::new(config);
        let (news, told) = (Vec::new(), Vec::new());
        Self { mono: 0, pile, backend, up: false, away_until: None, news, told }
    }

    fn now(&self) -> Now {
        let unix_ms = START_MS + i64::try_from(self.mono).unwrap();
        Now { mono: Mono(self.mono), wall: Wall { unix_ms, quality: ClockQuality::Synced } }
    }

    fn connect(&mut self) {
        self.up = true;
        self.pile.connected(self.now());
        self.exchange();
    }

    fn cut(&mut self) {
        self.up = false;
        self.pile.disconnected(self.now());
        self.exchange();
    }

    /// Carries messages both ways until nobody has anything to say.
    fn exchange(&mut self) {
        loop {
            let now = self.now();
            let up = std::iter::from_fn(|| self.pile.take_effect()).collect::<Vec<_>>();
            let down = std::iter::from_fn(|| self.backend.take_effect()).collect::<Vec<_>>();
            self.news.extend(std::iter::from_fn(|| self.pile.take_news()));
            self.told.extend(std::iter::from_fn(|| self.backend.take_news()));
            if up.is_empty() && down.is_empty() {
                return;
            }
            for effect in up {
                match effect {
                    Effect::Publish(o) if self.up => {
                        self.backend.receive(&o.topic, &o.payload, now);
                    }
                    Effect::Publish(_) => {}
                    Effect::Cut { away_ms } => {
                        self.up = false;
                        self.away_until = Some(self.mono + away_ms);
                        self.pile.disconnected(now);
                    }
                }
            }
            for effect in down {
                if let (Effect::Publish(o), true) = (effect, self.up) {
                    self.pile.receive(&o.topic, &o.payload, now);
                }
            }
        }
    }

    /// Lets so much time pass, a machine's deadline at a time.
    fn pass(&mut self, ms: u64) {
        let end = self.mono + ms;
        loop {
            let due = [self.pile.deadline(), self.backend.deadline()];
            let due = due.into_iter().flatten().map(|m| m.0).chain(self.away_until).min();
            let next = due.unwrap_or(end).clamp(self.mono, end);
            // A machine whose deadline does not move on would hang here; a millisecond moves it.
            self.mono = if next == self.mono { self.mono + 1 } else { next };
            if self.mono >= end {
                self.mono = end;
            }
            if self.away_until.is_some_and(|at| at <= self.mono) {
                self.away_until = None;
                self.connect();
            }
            self.pile.tick(self.now());
            self.backend.tick(self.now());
            self.exchange();
            if self.mono == end {
                return;
            }
        }
    }

    fn start(&mut self, connector: u16) {
        assert!(self.pile.start(connector, "CARD1", self.now()));
        self.exchange();
    }

    fn stop(&mut self, connector: u16) {
        assert!(self.pile.stop(connector, self.now()));
        self.exchange();
    }

    fn answered(&self) -> Vec<&AnsweredOrder> {
        let orders = self.news.iter().filter_map(|n| match n {
            PileNews::OrderAnswered(order) => Some(order),
            _ => None,
        });
        orders.collect()
    }

    fn count(&self, wanted: impl Fn(&PileNews) -> bool) -> usize {
        self.news.iter().filter(|n| wanted(n)).count()
    }
}

fn a_session_with_a_card_is_answered_and_booked_once(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    assert!(w.news.contains(&PileNews::Booted { interval_s: 30 }));
    assert!(w.news.contains(&PileNews::TariffSet { id: 1 }));
    w.start(1);
    w.pass(60_000);
    w.stop(1);
    let answered = w.answered();
    assert_eq!(answered.len(), 1);
    assert_eq!(answered[0].by, AnsweredBy::Stop);
    assert_eq!(answered[0].transaction_id, "T00000001");
    let booked = w.backend.books().order("1").unwrap();
    assert!(booked.is_settled() && !booked.is_altered());
    assert_eq!(booked.copies.len(), 2);
    assert!(booked.infos >= 3, "infos: {}", booked.infos);
    assert_eq!(booked.early_infos, 0);
    // 7.04 kW a hundredfold for a minute is 11.73 kWh.
    assert_eq!(booked.figures.energy(), Some(1173.0));
    assert_eq!(answered[0].energy.wh(), 11_730);
    let fen = i64::from(booked.figures.cost_fen.unwrap());
    assert_eq!(answered[0].cost.fen(), fen);
    assert!(fen > 0);
    assert!(w.backend.telemetry() > 0);
}

fn an_order_of_an_outage_is_drained_as_a_transaction(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(5_000);
    w.cut();
    w.stop(1);
    w.start(2);
    w.pass(5_000);
    w.stop(2);
    w.pass(60_000);
    assert!(w.answered().is_empty());
    assert_eq!(w.pile.store().unanswered(), 2);
    w.connect();
    let by: Vec<_> = w.answered().iter().map(|a| (a.record, a.by)).collect();
    assert_eq!(by, [(1, AnsweredBy::Transaction), (2, AnsweredBy::Transaction)]);
    assert_eq!(w.backend.books().settled(), 2);
    assert!(w.backend.books().altered().is_empty());
    assert!(w.backend.books().doubled().is_empty());
}

fn a_running_order_is_announced_again_before_its_next_information(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.cut();
    w.backend.faults.silent = true;
    w.connect();
    w.pass(40_000);
    let infos = w.backend.books().order("1").unwrap().infos;
    assert_eq!(infos, 0, "no boot, so nothing else");
    w.backend.faults.silent = false;
    w.pass(40_000);
    let booked = w.backend.books().order("1").unwrap();
    let starts = booked.copies.iter().filter(|c| c.kind == Kind::Start).count();
    assert_eq!(starts, 2);
    assert!(booked.infos > 0);
    w.stop(1);
    assert_eq!(w.answered().len(), 1);
    // The id it was given first is kept.
    assert_eq!(w.answered()[0].transaction_id, "T00000001");
}

fn an_unanswered_stop_is_sent_again_with_the_same_bytes(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.backend.faults.silent = true;
    w.stop(1);
    w.pass(25_000);
    w.backend.faults.silent = false;
    w.pass(10_000);
    let booked = w.backend.books().order("1").unwrap();
    let stops: Vec<_> = booked.copies.iter().filter(|c| c.kind == Kind::Stop).collect();
    assert!(stops.len() >= 3, "stops: {}", stops.len());
    assert!(stops.windows(2).all(|pair| pair[0].digest == pair[1].digest));
    assert_eq!(w.answered().len(), 1);
}

fn a_refused_boot_is_tried_again_and_nothing_else_said(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.backend.faults.boot_status = 1;
    w.connect();
    w.start(1);
    w.pass(35_000);
    assert!(w.count(|n| matches!(n, PileNews::BootRefused { .. })) >= 3);
    assert_eq!(w.backend.books().orders().count(), 0);
    w.backend.faults.boot_status = 0;
    w.pass(10_000);
    assert_eq!(w.backend.books().order("1").unwrap().copies.len(), 1);
}

fn a_power_cut_ends_orders_and_reports_them_after_the_reboot(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(10_000);
    w.pile.power_cut(30_000, Memory::Kept, w.now());
    w.exchange();
    assert!(!w.pile.start(2, "CARD1", w.now()), "no power, no charge");
    w.pass(29_000);
    assert!(w.answered().is_empty());
    w.pass(2_000);
    assert_eq!(w.answered().len(), 1);
    assert_eq!(w.pile.store().get(1).unwrap().phase, OrderPhase::Answered);
}

fn a_lost_memory_forgets_orders_and_numbers_anew(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(10_000);
    w.pile.power_cut(5_000, Memory::Lost, w.now());
    w.pass(6_000);
    assert_eq!(w.count(|n| matches!(n, PileNews::OrderForgotten { record: 1, .. })), 1);
    assert!(w.answered().is_empty());
    w.start(2);
    w.pass(1_000);
    assert!(
        w.news.iter().any(|n| matches!(n, PileNews::OrderStarted { record: 1, connector: 2, .. }))
    );
}

fn repeated_and_disputed_orders_are_told_apart_by_the_books(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(10_000);
    w.stop(1);
    assert!(w.pile.repeat_last_order(w.now()));
    w.exchange();
    assert_eq!(w.count(|n| *n == PileNews::OrderAnsweredAgain { record: 1 }), 1);
    assert!(w.backend.books().altered().is_empty());
    assert!(w.pile.dispute_last_order(w.now()));
    w.exchange();
    assert_eq!(w.backend.books().altered(), ["1"]);
    assert_eq!(w.answered().len(), 1, "answered for the first time only once");
}

fn wrong_ids_and_errors_settle_nothing(revision: Revision) {
    for spoil in [
        (|b: &mut Backend| b.faults.wrong_ids = true) as fn(&mut Backend),
        |b| b.faults.order_error = Some(2),
        |b| b.faults.wrong_sequence = true,
        |b| b.faults.transaction_status = 5,
    ] {
        let mut w = World::new(revision, |_| {});
        w.start(1);
        w.pass(10_000);
        w.stop(1);
        // The boot is answered before the fault begins.
        w.backend.faults.hold = true;
        w.connect();
        w.backend.release();
        spoil(&mut w.backend);
        w.pass(30_000);
        assert!(w.backend.books().order("1").is_some(), "it was sent");
        assert!(w.answered().is_empty());
        w.backend.faults = Default::default();
        w.cut();
        w.connect();
        w.pass(30_000);
        assert_eq!(w.answered().len(), 1);
    }
}

fn registration_gives_a_code_and_an_account_once(revision: Revision) {
    use super::pile::Registration;
    let mut w = World::new(revision, |c| {
        c.code.clear();
        c.registration = Some(Registration {
            username: "default".to_owned(),
            password: "default".to_owned(),
            code: "WRONG".to_owned(),
        });
    });
    w.connect();
    w.pass(1_000);
    assert_eq!(w.count(|n| matches!(n, PileNews::RegistrationRefused { .. })), 1);
    let mut w = World::new(revision, |c| {
        c.code.clear();
        c.registration = Some(Registration {
            username: "default".to_owned(),
            password: "default".to_owned(),
            code: "SIMCODE".to_owned(),
        });
    });
    w.connect();
    w.pass(1_000);
    assert_eq!(w.pile.code(), "SIMDEV0000000001");
    assert_eq!(w.pile.login().username, "SIMDEV0000000001");
    assert_eq!(w.pile.login().password, w.backend.accounts()["ZD240117001"].password);
    assert!(w.pile.is_ready());
}

fn the_same_seed_tells_the_same_story(revision: Revision) {
    let story = |seed| {
        let mut w = World::new(revision, |c| {
            c.seed = seed;
            c.auto = Some(AutoPlan {
                idle_ms: (1_000, 8_000),
                charge_ms: (2_000, 20_000),
                cards: vec!["A".to_owned(), "B".to_owned()],
            });
        });
        w.connect();
        for _ in 0..5 {
            w.pass(40_000);
            w.cut();
            w.pass(20_000);
            w.connect();
        }
        w.news
    };
    let first = story(1);
    assert_eq!(first, story(1));
    assert_ne!(first, story(2));
    let answered = first.iter().filter(|n| matches!(n, PileNews::OrderAnswered(_))).count();
    assert!(answered > 20, "answered: {answered}");
}

fn what_a_pile_reports_is_what_the_backend_reads(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    w.start(1);
    w.pass(60_000);
    w.stop(1);
    w.cut();
    w.start(2);
    w.pass(60_000);
    w.stop(2);
    w.connect();
    for record in [1, 2] {
        let said = w.pile.reports(record).unwrap();
        let read = &w.backend.books().order(&record.to_string()).unwrap().reports;
        assert!(!read.is_empty());
        for report in read.values() {
            match report {
                Report::Start(read) => assert_eq!(read.meter_start, said.start.meter_start),
                Report::Stop(read) => {
                    assert_eq!(
                        (read.meter_stop, read.timestamp),
                        (said.stop.meter_stop, said.stop.timestamp)
                    );
                    assert_eq!((&read.cost, &read.tac), (&said.stop.cost, &said.stop.tac));
                }
                Report::Transaction(read) => {
                    assert_eq!(read.time_start, said.transaction.time_start);
                    assert_eq!(
                        (&read.cost, read.mode),
                        (&said.transaction.cost, said.transaction.mode)
                    );
                    assert_eq!(read.connector_id, said.transaction.connector_id);
                }
            }
        }
    }
}

fn short_orders_of_the_same_second_are_two(revision: Revision) {
    let mut w = World::new(revision, |_| {});
    w.connect();
    for _ in 0..2 {
        w.start(1);
        w.stop(1);
    }
    assert_eq!(w.answered().len(), 2);
    assert!(w.backend.books().doubled().is_empty());
}
