//! The doors under attack, and what an idle connection costs.
//!
//! `cargo bench --bench doors_load`, or one part: `-- attack` or `-- memory`. The controller runs
//! as a process of its own, and so does the attacker. Machines differ and have other work: calm
//! and attack alternate, and what counts is the ratio of an attack to the calm around it.

#![allow(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod lab;
#[path = "../tests/support/pki.rs"]
mod pki;

use std::{
    fs,
    process::{Child, Command},
    time::{Duration, Instant},
};

use lab::{
    controller::{Lab, PASSWORD, Running, pause, pile_code},
    free_port,
    idle::{Client, connect, publish},
};
use sitepilot::{
    domain::{
        time::{ClockQuality, Mono, Now, Wall},
        wire::Revision,
    },
    peers::apdu::{self, Code, wire},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Nobody listens there: the site is off line, which is all the same to the doors.
const NO_CLOUD: &str = "mqtt://127.0.0.1:1";

/// Piles whose answers are measured; the codes after theirs are the attackers'.
const PILES: usize = 10;

/// A pile asks that often; ten of them are a thousand piles that say something every 50 s.
const ASK_EVERY: Duration = Duration::from_millis(50);

const PHASE: Duration = Duration::from_secs(8);

const ATTACKS: [(&str, &str); 6] = [
    ("flood", "one pile publishes as fast as it can"),
    ("flooders", "ten piles do"),
    ("guess", "10,000 logins a minute with a wrong password"),
    ("knock", "10,000 connections a minute that say nothing and go"),
    ("slow", "200 connections that send byte by byte or fall silent"),
    ("deaf", "five piles that ask and read no answer"),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let [role, kind, port] = args.as_slice()
        && role == "attacker"
    {
        return runtime.block_on(attack(kind, port.parse().expect("a port")));
    }
    let runs = |part: &str| args.is_empty() || args.iter().any(|name| name == part);
    allow_many_files();
    if runs("attack") {
        runtime.block_on(measure_attacks());
    }
    if runs("memory") {
        runtime.block_on(measure_memory(Door::Plain));
        runtime.block_on(measure_memory(Door::Tls));
    }
}

/// The controller inherits it.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: maximum.map(|most| most.min(16_384)), maximum };
    setrlimit(Resource::Nofile, limit).expect("more files");
}

// ---- under attack

async fn measure_attacks() {
    let lab = Lab::new(2 * PILES + 10, NO_CLOUD, 20);
    let mut running = lab.start();
    await_doors(&mut running, lab.piles_port).await;
    let mut piles = Vec::new();
    for number in 1..=PILES {
        piles.push(Pile::enter(number, lab.piles_port).await);
    }
    println!("answers to {PILES} piles, p50 and p99 in ms; ratio of p99 to the calm around it");
    let mut before = phase(&mut piles).await;
    for (kind, text) in ATTACKS {
        let attacker = Attacker::start(kind, lab.piles_port);
        pause(500).await;
        let under = phase(&mut piles).await;
        drop(attacker);
        pause(1_500).await;
        let after = phase(&mut piles).await;
        let calm =
            Times { p50: (before.p50 + after.p50) / 2.0, p99: (before.p99 + after.p99) / 2.0 };
        println!(
            "{kind}: {text}: calm {:.2} {:.2}, attack {:.2} {:.2}, ratio {:.2}",
            calm.p50,
            calm.p99,
            under.p50,
            under.p99,
            under.p99 / calm.p99
        );
        before = after;
        running.assert_running();
    }
}

async fn await_doors(running: &mut Running, port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        running.assert_running();
        pause(50).await;
    }
}

struct Times {
    p50: f64,
    p99: f64,
}

/// All piles ask for a while, each when its last question was answered.
async fn phase(piles: &mut Vec<Pile>) -> Times {
    let mut asking = JoinSet::new();
    for (offset, mut pile) in (0_u32..).zip(piles.drain(..)) {
        asking.spawn(async move {
            // Not all at the same moment.
            sleep(ASK_EVERY * offset / u32::try_from(PILES).expect("few")).await;
            let begin = Instant::now();
            let mut times = Vec::new();
            while begin.elapsed() < PHASE {
                let next = Instant::now() + ASK_EVERY;
                times.push(pile.ask().await.as_secs_f64() * 1e3);
                sleep(next.saturating_duration_since(Instant::now())).await;
            }
            (pile, times)
        });
    }
    let mut all = Vec::new();
    while let Some(done) = asking.join_next().await {
        let (pile, times) = done.expect("a pile");
        piles.push(pile);
        all.extend(times);
    }
    all.sort_by(f64::total_cmp);
    let at = |share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
    Times { p50: at(50), p99: at(99) }
}

/// A pile that asks with heartbeats.
struct Pile {
    client: Client,
    topic: String,
    sequence: u64,
}

fn now() -> Now {
    let unix = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    let unix_ms = i64::try_from(unix.as_millis()).expect("before the year 292 million");
    Now { mono: Mono(0), wall: Wall { unix_ms, quality: ClockQuality::Synced } }
}

fn heartbeat(sequence: u64) -> Vec<u8> {
    let body = wire::HeartbeatReq::default();
    apdu::seal(Revision::V1_10, Code::IdHeartbeatReq, sequence, now(), &body)
        .expect("of this revision")
        .to_vec()
}

impl Pile {
    async fn enter(number: usize, port: u16) -> Self {
        let code = pile_code(number);
        let mut client = Client::dial(port).await.expect("a connection");
        client.enter(&code, PASSWORD).await;
        let topic = format!("/U/C/{code}");
        let boot = wire::BootNotificationReq::default();
        let boot = apdu::seal(Revision::V1_10, Code::IdBootNotificationReq, 1, now(), &boot)
            .expect("of this revision");
        client.0.write_all(&publish(&topic, &boot)).await.expect("sent");
        let mut pile = Self { client, topic, sequence: 1 };
        pile.ask().await;
        pile
    }

    /// Time from the question to its answer.
    async fn ask(&mut self) -> Duration {
        self.sequence += 1;
        let begin = Instant::now();
        let question = publish(&self.topic, &heartbeat(self.sequence));
        self.client.0.write_all(&question).await.expect("sent");
        loop {
            let heard = timeout(Duration::from_secs(30), self.client.heard()).await;
            let heard = heard.expect("an answer in time").expect("a link");
            let is_it = apdu::open(Revision::V1_10, &heard).is_some_and(|opened| {
                opened.code == Code::IdHeartbeatConf && opened.sequence == self.sequence
            });
            if is_it {
                return begin.elapsed();
            }
        }
    }
}

/// This program again, as the attacker, behind everybody else at the processor.
struct Attacker(Child);

impl Attacker {
    fn start(kind: &str, port: u16) -> Self {
        let this = std::env::current_exe().expect("its path");
        let child = Command::new("nice")
            .args(["-n", "10"])
            .arg(this)
            .args(["attacker", kind, &port.to_string()])
            .spawn();
        Self(child.expect("an attacker"))
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Attacks until it is killed.
async fn attack(kind: &str, port: u16) {
    match kind {
        "flood" => flood(PILES + 1, port).await,
        "flooders" => {
            let mut all = JoinSet::new();
            (0..10).for_each(|n| drop(all.spawn(flood(PILES + 1 + n, port))));
            while all.join_next().await.is_some() {}
        }
        "guess" => storm(port, &connect(&pile_code(1), "wrong")).await,
        "knock" => storm(port, &[]).await,
        "slow" => slow(port).await,
        "deaf" => {
            let mut all = JoinSet::new();
            (0..5).for_each(|n| drop(all.spawn(deaf(PILES + 1 + n, port))));
            while all.join_next().await.is_some() {}
        }
        other => panic!("no such attack: {other}"),
    }
}

async fn flood(number: usize, port: u16) {
    let mut pile = Pile::enter(number, port).await;
    let burst = publish(&pile.topic, &heartbeat(1)).repeat(100);
    let Client(stream) = &mut pile.client;
    let (mut read, mut write) = tokio::io::split(stream);
    let swallow = async {
        let mut waste = vec![0; 65_536];
        while matches!(read.read(&mut waste).await, Ok(1..)) {}
    };
    let press = async { while write.write_all(&burst).await.is_ok() {} };
    tokio::join!(swallow, press);
}

async fn deaf(number: usize, port: u16) {
    let mut pile = Pile::enter(number, port).await;
    let question = publish(&pile.topic, &heartbeat(1)).repeat(100);
    while pile.client.0.write_all(&question).await.is_ok() {}
    sleep(PHASE * 2).await;
}

/// Ten thousand a minute.
async fn storm(port: u16, bytes: &[u8]) {
    let every = Duration::from_micros(6_000);
    let mut all = JoinSet::new();
    let mut next = Instant::now();
    loop {
        next += every;
        let bytes = bytes.to_vec();
        all.spawn(async move {
            let Ok(mut client) = Client::dial(port).await else { return };
            if !bytes.is_empty() && client.0.write_all(&bytes).await.is_ok() {
                let _ = client.next().await;
            }
        });
        while all.try_join_next().is_some() {}
        sleep(next.saturating_duration_since(Instant::now())).await;
    }
}

async fn slow(port: u16) {
    let mut all = JoinSet::new();
    for number in 0..200_usize {
        all.spawn(async move {
            loop {
                let Ok(mut client) = Client::dial(port).await else { continue };
                for byte in connect(&pile_code(PILES + 1 + number % 10), "wrong") {
                    if client.0.write_all(&[byte]).await.is_err() {
                        break;
                    }
                    sleep(Duration::from_millis(if number % 2 == 0 { 20 } else { 60_000 })).await;
                }
            }
        });
    }
    while all.join_next().await.is_some() {}
}

// ---- memory

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Plain,
    Tls,
}

async fn measure_memory(door: Door) {
    const STEPS: [usize; 3] = [0, 1_000, 2_000];
    let authority = pki::Authority::new("bench");
    let port = free_port();
    let lab = Lab::with_broker(STEPS[2], NO_CLOUD, 20, |dir| {
        let papers = authority.site();
        fs::write(dir.join("site.crt"), papers.certificate).expect("a certificate");
        fs::write(dir.join("site.key"), papers.key).expect("a key");
        private(&dir.join("site.key"));
        let dir = dir.display();
        format!(
            "max_connections = 4096\n[broker.tls]\nlisten = \"127.0.0.1:{port}\"\n\
             certificate_file = \"{dir}/site.crt\"\nkey_file = \"{dir}/site.key\""
        )
    });
    let mut running = lab.start();
    await_doors(&mut running, lab.piles_port).await;
    let connector = tokio_rustls::TlsConnector::from(authority.client(None));
    let mut clients = Vec::new();
    let mut before = None;
    for count in STEPS {
        while clients.len() < count {
            let code = pile_code(clients.len() + 1);
            let mut client = match door {
                Door::Plain => Client::dial(lab.piles_port).await.expect("a connection"),
                Door::Tls => tls_client(&connector, port).await,
            };
            client.enter(&code, PASSWORD).await;
            clients.push(client);
        }
        pause(8_000).await;
        running.assert_running();
        let kib = running.resident_kib();
        let each = before.map(|(had, was)| (kib - was) as f64 / (count - had) as f64);
        let each =
            each.map_or(String::new(), |each| format!(", {each:.1} KiB for each of the last"));
        println!("{door:?}: {kib} KiB resident with {count} idle clients{each}");
        before = Some((count, kib));
    }
}

fn private(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("its mode");
}

async fn tls_client(connector: &tokio_rustls::TlsConnector, port: u16) -> Client {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let name = "localhost".try_into().expect("a name");
    Client(Box::pin(connector.connect(name, stream).await.expect("TLS")))
}
