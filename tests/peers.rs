//! Simulated peers over real sockets: a pile that registers and charges at a backend behind doors
//! of our own, over a line that is cut and stalled.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{sync::Arc, time::Duration};

use sitepilot::{
    clock::Clock,
    domain::wire::Revision,
    peers::{
        backend::{Account, Backend, BackendConfig},
        handle::Handle,
        hosted::Hosted,
        line::{Line, Weather},
        mqtt::{self, Broker},
        pile::{Pile, PileConfig, PileNews, Registration},
    },
};
use tokio::task::JoinSet;

/// A guard against hanging, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    pile: Handle<Pile>,
    backend: Handle<Backend>,
    line: Line,
    news: Vec<PileNews>,
    _tasks: JoinSet<()>,
}

impl Bench {
    async fn new(revision: Revision) -> Self {
        let clock = Arc::new(Clock::passing());
        let now: sitepilot::peers::handle::Clock = Arc::new(move || clock.now());
        let mut cloud = BackendConfig::new(1);
        cloud.revision = revision;
        let backend = Handle::new(Backend::new(cloud), Arc::clone(&now));
        let default =
            Account { device: "default".to_owned(), password: "default-secret".to_owned() };
        let listen = "127.0.0.1:0".parse().unwrap();
        let hosted = Hosted::bind(listen, backend.clone(), default).unwrap();
        let (line, task) = Line::to(hosted.address()).await.unwrap();
        let pile = Handle::new(Pile::new(pile_config(revision)), now);
        let mut tasks = JoinSet::new();
        tasks.spawn(async { hosted.run().await.unwrap() });
        tasks.spawn(task.run());
        let mut broker = Broker::plain("127.0.0.1", line.address().port());
        broker.back_off_ms = (50, 200);
        tasks.spawn(mqtt::run(pile.clone(), broker));
        Self { pile, backend, line, news: Vec::new(), _tasks: tasks }
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&PileNews) -> bool) {
        let news = self.pile.news();
        let wait = async {
            loop {
                let one = news.recv_async().await.unwrap();
                self.news.push(one.clone());
                if wanted(&one) {
                    return;
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "waited in vain for {what}: {:?}", self.news);
    }
}

fn pile_config(revision: Revision) -> PileConfig {
    let mut config = PileConfig::new("", "ZD240117001", "", 3);
    config.registration = Some(Registration {
        username: "default".to_owned(),
        password: "default-secret".to_owned(),
        code: "SIMCODE".to_owned(),
    });
    config.revision = revision;
    config.speed = 1_000;
    config.timing.answer_ms = 300;
    config.timing.boot_retry_ms = 300;
    config
}

fn answered(news: &PileNews) -> bool {
    matches!(news, PileNews::OrderAnswered(_))
}

#[tokio::test]
async fn a_pile_of_1_0_registers_charges_and_drains_after_an_outage() {
    register_charge_and_drain(Revision::V1_0).await;
}

#[tokio::test]
async fn a_pile_of_1_10_registers_charges_and_drains_after_an_outage() {
    register_charge_and_drain(Revision::V1_10).await;
}

async fn register_charge_and_drain(revision: Revision) {
    let mut bench = Bench::new(revision).await;
    bench.until("boot", |n| matches!(n, PileNews::Booted { .. })).await;
    assert!(bench.news.iter().any(|n| matches!(n, PileNews::Registered { .. })));
    assert!(bench.pile.with(|pile, now| pile.start(1, "CARD1", now)));
    bench.until("announcement", |n| matches!(n, PileNews::OrderAnnounced { .. })).await;
    assert!(bench.pile.with(|pile, now| pile.stop(1, now)));
    bench.until("answer", answered).await;

    bench.line.set(Weather::Cut);
    bench.until("the cut", |n| *n == PileNews::Disconnected).await;
    assert!(bench.pile.with(|pile, now| pile.start(2, "CARD2", now)));
    assert!(bench.pile.with(|pile, now| pile.stop(2, now)));
    bench.line.set(Weather::Good);
    bench.until("answer after the cut", answered).await;

    bench.line.set(Weather::Stalled);
    assert!(bench.pile.with(|pile, now| pile.start(1, "CARD3", now)));
    let alone = |n: &PileNews| matches!(n, PileNews::Authorized { status: None, .. });
    bench.until("the pile's own decision", alone).await;
    assert!(bench.pile.with(|pile, now| pile.stop(1, now)));
    bench.line.set(Weather::Good);
    bench.until("answer after the stall", answered).await;

    let (orders, settled, altered, doubled) = bench.backend.with(|b, _| {
        let books = b.books();
        (books.orders().count(), books.settled(), books.altered(), books.doubled())
    });
    assert_eq!((orders, settled), (3, 3));
    assert!(altered.is_empty() && doubled.is_empty(), "{altered:?} {doubled:?}");
}
