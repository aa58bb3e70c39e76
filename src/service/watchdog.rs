//! Evidence that every room makes progress; systemd and `/healthz` are told of nothing else.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tracing::{error, info};

use super::{heart::Pulse, notify::Manager, piles::Probe};
use crate::{broker::Doors, clock::Clock, domain::time::Mono, status::Health};

/// The heart turns every second at the least; a slow commit is told of separately.
const MAX_SILENCE_MS: u64 = 15_000;

/// A commit on worn flash takes seconds; one that takes longer than this does not end.
const MAX_COMMIT_MS: u64 = 15_000;

/// Between looks, unless systemd wants them more often.
const INTERVAL: Duration = Duration::from_secs(5);

/// The doors answer a login within that time, or they are stuck.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the last probe found.
#[derive(Debug, Default)]
pub struct Watch {
    doors: Mutex<Option<String>>,
    is_leaving: AtomicBool,
}

impl Watch {
    /// Whether every room makes progress.
    #[must_use]
    pub fn health(&self, pulse: &Pulse, now: Mono) -> Health {
        let mut stuck = BTreeMap::new();
        match pulse.committing_ms(now) {
            Some(ms) if ms > MAX_COMMIT_MS => {
                stuck.insert("ledger", format!("a commit takes {ms} ms already"));
            }
            Some(_) => {}
            None if pulse.silent_ms(now) > MAX_SILENCE_MS => {
                let ms = pulse.silent_ms(now);
                stuck.insert("heart", format!("has not turned for {ms} ms"));
            }
            None => {}
        }
        if let Some(text) = self.doors.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            stuck.insert("doors", text);
        }
        Health { stuck }
    }

    /// The rooms are being closed on purpose: nothing is to be looked after any more. The phases
    /// of a stop have budgets of their own, below the watchdog's.
    pub fn leave(&self) {
        self.is_leaving.store(true, Relaxed);
    }

    /// Whether the rooms are being closed.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed)
    }

    /// Looks after the rooms until they are left, and tells the service manager while all is well.
    pub async fn run(
        self: Arc<Self>,
        pulse: Arc<Pulse>,
        clock: Arc<Clock>,
        door: Door,
        manager: Arc<Manager>,
    ) {
        let interval = manager.watchdog().map_or(INTERVAL, |limit| (limit / 3).min(INTERVAL));
        let mut was_good = true;
        loop {
            let found = door.knock().await.err();
            if self.is_leaving() {
                return;
            }
            *self.doors.lock().unwrap_or_else(PoisonError::into_inner) = found;
            let health = self.health(&pulse, clock.mono());
            if health.is_good() {
                manager.alive();
            }
            match (was_good, health.is_good()) {
                (true, false) => error!(stuck = ?health.stuck, "no progress"),
                (false, true) => info!("progress again"),
                _ => {}
            }
            was_good = health.is_good();
            sleep(interval).await;
        }
    }
}

/// The doors as clients see them: every way in is tried.
pub struct Door {
    doors: Doors,
    connect: Vec<u8>,
}

/// MQTT's DISCONNECT.
const DISCONNECT: [u8; 2] = [0xe0, 0];

/// First byte of a CONNACK.
const CONNACK: u8 = 0x20;

impl Door {
    /// These doors, to be entered with the probe's account.
    #[must_use]
    pub fn new(doors: Doors, probe: &Probe) -> Self {
        Self { doors, connect: connect_packet(probe) }
    }

    /// Logs in and leaves by each way in.
    async fn knock(&self) -> Result<(), String> {
        if let Some(address) = self.doors.plain_address() {
            in_time(self.plain(address)).await.map_err(|error| format!("plain: {error}"))?;
        }
        if let (Some(address), Some(client)) = (self.doors.tls_address(), self.doors.tls_probe()) {
            in_time(self.tls(address, client)).await.map_err(|error| format!("TLS: {error}"))?;
        }
        Ok(())
    }

    async fn plain(&self, address: SocketAddr) -> io::Result<()> {
        self.log_in(TcpStream::connect(reachable(address)).await?).await
    }

    async fn tls(&self, address: SocketAddr, client: Arc<ClientConfig>) -> io::Result<()> {
        let address = reachable(address);
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::from(address.ip());
        self.log_in(TlsConnector::from(client).connect(name, stream).await?).await
    }

    /// Full doors answer too.
    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> io::Result<()> {
        stream.write_all(&self.connect).await?;
        stream.flush().await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        if answer[0] != CONNACK {
            return Err(io::Error::other("the answer to a login is none"));
        }
        stream.write_all(&DISCONNECT).await?;
        stream.shutdown().await
    }
}

async fn in_time(login: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match timeout(PROBE_TIMEOUT, login).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::other("no answer to a login")),
    }
}

/// Where a listener is reached from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// CONNECT of MQTT 3.1.1 with a clean session and a keep-alive of 10 s.
fn connect_packet(probe: &Probe) -> Vec<u8> {
    let mut body = vec![0, 4];
    body.extend(b"MQTT");
    body.extend([4, 0b1100_0010, 0, 10]);
    for text in [Probe::NAME, Probe::NAME, probe.password()] {
        let length = u16::try_from(text.len()).expect("a name and a password of our own");
        body.extend(length.to_be_bytes());
        body.extend(text.as_bytes());
    }
    let length = u8::try_from(body.len()).expect("three short texts");
    assert!(length < 128, "a length of one byte");
    let mut packet = vec![0x10, length];
    packet.append(&mut body);
    packet
}
