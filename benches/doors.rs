//! The doors beside mosquitto, under the same load: fan-in, connect storms, memory, plain and TLS.
//!
//! `cargo bench --bench doors`, or one part: `-- fan-in`, `rate`, `storm`, `memory`. The two take
//! turns within one run; ratios carry over, absolute figures do not.

#![allow(missing_docs, reason = "a program, not a library")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod lab;

use std::{fs, path::Path, rc::Rc, sync::Arc, time::Duration};

use lab::{
    broker::{self, Broker, Pair},
    load::{self, Client, Link, Pace, Seen, Shared},
};
use tokio::{
    task::{LocalSet, spawn_local},
    time::{Instant, sleep},
};

const PUBLISHERS: usize = 100;
/// Unanswered messages of one publisher.
const WINDOW: usize = 20;
const SECONDS: u64 = 4;
/// Turns of each broker; the median counts.
const TURNS: usize = 3;
/// Messages a second of all publishers together.
const RATE: u64 = 1000;
const STORM: usize = 2000;
/// Connections of a storm that are under way at once.
const STORM_WIDTH: usize = 32;
const IDLE: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, certificate, key] = arguments.as_slice()
        && first == broker::SERVE
    {
        broker::serve(Pair { certificate: certificate.into(), key: key.into() });
    }
    let wanted: Vec<&String> = arguments.iter().filter(|arg| !arg.starts_with('-')).collect();
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|name| *name == part);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bench = Bench::new();
    if bench.broker("mosquitto").is_none() {
        println!("mosquitto is not installed: nothing to compare with");
    }
    runtime.block_on(LocalSet::new().run_until(async {
        for transport in [Transport::Plain, Transport::Tls] {
            if runs("fan-in") {
                bench.fan_in(transport).await;
            }
            if runs("rate") {
                bench.rate(transport).await;
            }
            if runs("storm") {
                bench.storm(transport).await;
            }
            if runs("memory") {
                bench.memory(transport).await;
            }
        }
    }));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

/// Whom publishers speak to.
#[derive(Clone, Copy, Debug)]
enum To {
    /// A subscriber behind the broker.
    Subscriber,
    /// The site behind our doors; no subscriber.
    Site,
}

impl To {
    const fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "subscriber",
            Self::Site => "site",
        }
    }

    /// Names of those that publish there; `broker::Anybody` tells them apart.
    const fn publisher(self) -> &'static str {
        match self {
            Self::Subscriber => "publisher",
            Self::Site => "pile",
        }
    }
}

/// Rows of a table: who, and whom it speaks to.
const ROWS: [(&str, To); 3] =
    [("ours", To::Subscriber), ("mosquitto", To::Subscriber), ("ours", To::Site)];

struct Bench {
    dir: tempfile::TempDir,
    pair: Pair,
    tls: Arc<rustls::ClientConfig>,
}

/// What one turn has brought.
struct Turn {
    seen: Shared,
    broker_ns: u64,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let (pair, tls) = certificate(dir.path());
        Self { dir, pair, tls }
    }

    fn broker(&self, name: &str) -> Option<Broker> {
        match name {
            "ours" => Some(Broker::ours(&self.pair)),
            _ => Broker::mosquitto(self.dir.path(), &self.pair),
        }
    }

    fn link(&self, broker: &Broker, transport: Transport) -> Link {
        match transport {
            Transport::Plain => Link { address: broker.plain, tls: None },
            Transport::Tls => Link { address: broker.tls, tls: Some(self.tls.clone()) },
        }
    }

    /// As fast as it goes.
    async fn fan_in(&self, transport: Transport) {
        println!(
            "\nfan-in {transport:?}: {PUBLISHERS} publishers, window {WINDOW}, {SECONDS} s, {TURNS} turns"
        );
        println!("qos  broker     to          messages/s  lost  broker us/message");
        for qos in 0..=2 {
            let mut rows = self.load(transport, qos, Pace::Window(WINDOW)).await;
            for ((name, to), turns) in ROWS.iter().zip(&mut rows) {
                let done = |turn: &Turn| arrived(&turn.seen.borrow(), *to, qos);
                let rate = median(turns.iter().map(|turn| done(turn) / SECONDS));
                let cost = median(turns.iter().map(|turn| turn.broker_ns / done(turn).max(1)));
                let lost: u64 = turns.iter().map(|turn| turn.seen.borrow().sent - done(turn)).sum();
                println!(
                    "{qos:3}  {name:10} {:11} {rate:10}  {lost:4}  {}",
                    to.name(),
                    micros(cost)
                );
            }
        }
    }

    /// At the rate of a large site.
    async fn rate(&self, transport: Transport) {
        println!(
            "\nrate {transport:?}: {RATE} messages/s from {PUBLISHERS} publishers, {SECONDS} s, {TURNS} turns"
        );
        println!(
            "qos  broker     to          to subscriber p50 / p99 us  to answer p50 / p99 us  broker us/message"
        );
        let each = Duration::from_micros(1_000_000 * PUBLISHERS as u64 / RATE);
        for qos in 0..=2 {
            let mut rows = self.load(transport, qos, Pace::Every(each)).await;
            for ((name, to), turns) in ROWS.iter().zip(&mut rows) {
                let sent = |turn: &Turn| turn.seen.borrow().sent.max(1);
                let cost = median(turns.iter().map(|turn| turn.broker_ns / sent(turn)));
                let transit =
                    spread(turns.iter().map(|turn| turn.seen.borrow().transit_us.clone()));
                let answer = spread(turns.iter().map(|turn| turn.seen.borrow().ack_us.clone()));
                println!(
                    "{qos:3}  {name:10} {:11} {transit:>26}  {answer:>22}  {}",
                    to.name(),
                    micros(cost)
                );
            }
        }
    }

    /// Every row in turn, and that several times: what disturbs the machine disturbs them all.
    async fn load(&self, transport: Transport, qos: u8, pace: Pace) -> Vec<Vec<Turn>> {
        let mut rows: Vec<Vec<Turn>> = ROWS.iter().map(|_| Vec::new()).collect();
        for _ in 0..TURNS {
            for ((name, to), turns) in ROWS.iter().zip(&mut rows) {
                let Some(broker) = self.broker(name) else { continue };
                let before = broker.cpu_ns();
                let seen = publish_all(&self.link(&broker, transport), qos, pace, *to).await;
                turns.push(Turn { seen, broker_ns: broker.cpu_ns() - before });
            }
        }
        rows
    }

    async fn storm(&self, transport: Transport) {
        println!(
            "\nstorm {transport:?}: {STORM} connections with subscription, {STORM_WIDTH} at once, {TURNS} turns"
        );
        println!("broker     connections/s  broker us/connection");
        let mut rows = [("ours", Vec::new()), ("mosquitto", Vec::new())];
        for _ in 0..TURNS {
            for (name, turns) in &mut rows {
                let Some(broker) = self.broker(name) else { continue };
                let (before, begin) = (broker.cpu_ns(), Instant::now());
                let count = visit(&self.link(&broker, transport)).await;
                let rate = count * 1_000_000 / begin.elapsed().as_micros() as u64;
                turns.push((rate, (broker.cpu_ns() - before) / count));
            }
        }
        for (name, turns) in rows {
            let rate = median(turns.iter().map(|(rate, _)| *rate));
            let cost = median(turns.iter().map(|(_, cost)| *cost));
            println!("{name:10} {rate:13}  {}", micros(cost));
        }
    }

    async fn memory(&self, transport: Transport) {
        println!("\nmemory {transport:?}: {IDLE} idle clients with three subscriptions each");
        println!("broker     KiB without  KiB with  bytes/client");
        for broker in ["ours", "mosquitto"].iter().filter_map(|name| self.broker(name)) {
            let link = self.link(&broker, transport);
            // What the first client brings, such as tables and arenas, is not the clients' own.
            Client::connect(&link, "first").await.disconnect().await;
            let before = broker.resident_kib();
            let clients = idle(&link).await;
            sleep(Duration::from_secs(2)).await;
            let after = broker.resident_kib();
            let each = (after - before) * 1024 / clients.len() as u64;
            println!("{:10} {before:11}  {after:8}  {each}", broker.name);
        }
    }
}

/// All publishers, and a subscriber if there is one.
async fn publish_all(link: &Link, qos: u8, pace: Pace, to: To) -> Shared {
    let seen: Shared = Rc::default();
    let receiver = match to {
        To::Site => None,
        To::Subscriber => {
            let mut client = Client::connect(link, "subscriber").await;
            client.subscribe(&["load/#"], qos).await;
            Some(spawn_local(load::receive(client, seen.clone())))
        }
    };
    let mut clients = Vec::new();
    for number in 0..PUBLISHERS {
        clients.push(Client::connect(link, &format!("{}{number}", to.publisher())).await);
    }
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let publishers = clients.into_iter().enumerate().map(|(number, client)| {
        let topic = format!("load/{number}");
        spawn_local(load::publish(client, topic, qos, pace, end, seen.clone()))
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.expect("a publisher ends");
    }
    settle(&seen).await;
    if let Some(receiver) = receiver {
        receiver.abort();
    }
    seen
}

/// Comes and goes; how often.
async fn visit(link: &Link) -> u64 {
    let visitors = (0..STORM_WIDTH).map(|lane| {
        let link = link.clone();
        spawn_local(async move {
            for round in 0..STORM / STORM_WIDTH {
                let mut client = Client::connect(&link, &format!("visitor{lane}-{round}")).await;
                client.subscribe(&["to/visitor/#"], 2).await;
                client.disconnect().await;
            }
        })
    });
    for visitor in visitors.collect::<Vec<_>>() {
        visitor.await.expect("a visitor ends");
    }
    (STORM / STORM_WIDTH * STORM_WIDTH) as u64
}

/// Piles with nothing to say.
async fn idle(link: &Link) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..IDLE {
        let mut client = Client::connect(link, &format!("pile{number}")).await;
        let down = format!("/D/C/{number}");
        client.subscribe(&[&down, &format!("{down}/#"), &format!("/D/M/{number}")], 2).await;
        clients.push(client);
    }
    clients
}

/// Waits until nothing more arrives.
async fn settle(seen: &Shared) {
    let mut last = u64::MAX;
    loop {
        let now = seen.borrow().received;
        if now == last {
            return;
        }
        last = now;
        sleep(Duration::from_millis(200)).await;
    }
}

/// Messages that came where they should. With QoS 0 the site tells nobody.
fn arrived(seen: &Seen, to: To, qos: u8) -> u64 {
    match (to, qos) {
        (To::Subscriber, _) => seen.received,
        (To::Site, 0) => seen.sent,
        (To::Site, _) => seen.acknowledged,
    }
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

fn spread(turns: impl Iterator<Item = Vec<u64>>) -> String {
    let mut values: Vec<u64> = turns.flatten().collect();
    values.sort_unstable();
    match values.len() {
        0 => "-".to_owned(),
        count => format!("{} / {}", values[count / 2], values[count * 99 / 100]),
    }
}

fn micros(ns: u64) -> String {
    format!("{}.{}", ns / 1000, ns % 1000 / 100)
}

/// A certificate for this host, and a client that trusts it.
fn certificate(dir: &Path) -> (Pair, Arc<rustls::ClientConfig>) {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let pair = Pair { certificate: dir.join("bench.crt"), key: dir.join("bench.key") };
    fs::write(&pair.certificate, made.cert.pem()).expect("a file");
    fs::write(&pair.key, made.signing_key.serialize_pem()).expect("a file");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of the provider")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (pair, Arc::new(config))
}
