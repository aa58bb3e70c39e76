//! `sim`: the simulated peers one by one, for a bench or a lab. Lines on stdin direct them.

mod account;
mod backend;
mod ec_server;
mod meter;
mod pile;

use std::{
    io::{BufRead as _, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};

use super::Exit;
use crate::{
    clock::Clock,
    domain::wire::Revision,
    peers::{
        Machine,
        handle::Handle,
        mqtt::{self, Broker},
    },
    service::{config::MAX_SECRET_BYTES, logging},
    sys::file::read_small_text,
    uplink::{self, OwnFiles},
};

/// Lines of stdin waiting to be acted upon; a script is slowed down, not cut.
const LINES_MAX: usize = 64;

/// Longest line that is read as one; no command is as long.
const LINE_BYTES: u64 = 4096;

/// What every simulated peer of a broker takes.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// The broker, such as mqtt://127.0.0.1:1883 or mqtts://cloud.example.com:8883
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    broker: String,
    /// Who signs the broker's certificate
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: PathBuf,
    /// The peer's own certificate, where the broker asks for one
    #[arg(long, value_name = "FILE", requires = "key_file")]
    certificate_file: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    key_file: Option<PathBuf>,
    /// The revision of the protocol it speaks: 1.0 or 1.10
    #[arg(long, value_name = "REVISION", default_value = "1.10", value_parser = revision)]
    revision: Revision,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Seed of whatever is random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

pub(super) fn revision(text: &str) -> Result<Revision, String> {
    [Revision::V1_0, Revision::V1_10]
        .into_iter()
        .find(|revision| revision.name() == text)
        .ok_or_else(|| "there are 1.0 and 1.10".to_owned())
}

/// A password, or where it is.
#[derive(clap::Args)]
struct Password {
    /// Password; where a pile registers, that of the account to register with
    #[arg(long, value_name = "TEXT", env = "SITEPILOT_SIM_PASSWORD", default_value = "")]
    password: String,
    /// The password's file; a line break at its end does not count
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,
}

impl std::fmt::Debug for Password {
    /// Leaves it out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").finish_non_exhaustive()
    }
}

impl Password {
    fn read(&self) -> anyhow::Result<String> {
        let Some(file) = &self.password_file else { return Ok(self.password.clone()) };
        let text =
            read_small_text(file, MAX_SECRET_BYTES).with_context(|| file.display().to_string())?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Peer {
    /// A charging pile; lines on stdin: start CONNECTOR CARD, stop CONNECTOR, vanish MS, cut MS,
    /// forget MS, repeat, dispute, orders
    Pile(pile::Arguments),
    /// A meter, or several on one line; lines on stdin, of another meter than the first with @ADDRESS before them:
    /// load W [MS W MS ...], energy WH, replace, values, silent [MS], late MS [N], split MS [N],
    /// babble MS [N], half [N], flip [N], noise [N], twice [N], echo [N], wrong [N], function [N],
    /// count BY [N], exception CODE [N], stuck [N], well, unplug, plug; N answers, without N for ever
    Meter(meter::Arguments),
    /// A cloud backend, beside a broker such as mosquitto; lines on stdin: start DEVICE PILE CONNECTOR CARD, stop DEVICE CONNECTOR
    /// TRANSACTION, orders DEVICE, get DEVICE [KEY], set DEVICE KEY VALUE, reset DEVICE, log DEVICE
    /// URL, update DEVICE URL, repeat, silent, hold, refuse STATUS, wrong, well, restart, books,
    /// measured
    Backend(backend::Arguments),
    /// A server of EC TCP, to which a controller connects; lines on stdin: deaf (neither reads nor
    /// speaks, while its system accepts), numb (speaks and does not read), mute (reads and does not
    /// speak), well, cut (ends all links), restart (loses what is not stored), books, records
    EcServer(ec_server::Arguments),
}

/// Runs a simulated peer.
pub(super) fn run(peer: &Peer, config: &Path) -> Exit {
    // What is wrong with the line goes to stderr beside the news on stdout.
    let logging = logging::start("warn");
    let done = logging.and_then(|_logging| match peer {
        Peer::Pile(arguments) => pile::run(arguments),
        Peer::Meter(arguments) => meter::run(arguments, config),
        Peer::Backend(arguments) => backend::run(arguments),
        Peer::EcServer(arguments) => ec_server::run(arguments),
    });
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("{error:#}");
            Exit::Failed
        }
    }
}

/// Runs a machine until it is interrupted or its time is over; its news go to stdout, the lines
/// of stdin to `direct`. `heed` sees the news first.
fn serve<M: Machine + Send + 'static>(
    make: impl FnOnce() -> M,
    connection: &Connection,
    direct: fn(&Handle<M>, &[&str]) -> Option<String>,
    heed: impl Fn(&Handle<M>, &M::News) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    M::News: std::fmt::Debug,
{
    let broker = connection.broker()?;
    let clock = Clock::passing();
    let handle = Handle::new(make(), Arc::new(move || clock.now()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = lines()?;
    runtime.block_on(async {
        let direct = |words: &[&str]| direct(&handle, words);
        tokio::select! {
            () = mqtt::run(handle.clone(), broker) => Ok(()),
            ended = tell(&handle, heed) => ended,
            () = obey(lines, direct) => Ok(()),
            ended = until_over(connection.seconds) => ended,
        }
    })
}

/// Until there is an interrupt, or the time is over.
async fn until_over(seconds: Option<u64>) -> anyhow::Result<()> {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => Ok(()),
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for an interrupt"),
    }
}

async fn tell<M: Machine>(
    handle: &Handle<M>,
    heed: impl Fn(&Handle<M>, &M::News) -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    M::News: std::fmt::Debug,
{
    let news = handle.news();
    while let Ok(one) = news.recv_async().await {
        heed(handle, &one)?;
        println!("{one:?}");
    }
    Ok(())
}

async fn obey(lines: flume::Receiver<String>, direct: impl Fn(&[&str]) -> Option<String>) {
    while let Ok(line) = lines.recv_async().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match direct(&words) {
            Some(answer) => println!("{answer}"),
            None if words.is_empty() => {}
            None => eprintln!("not understood: {line}"),
        }
    }
    // Without a terminal the peer goes on by itself.
    std::future::pending().await
}

/// Stdin by a thread of its own: reading it blocks.
fn lines() -> anyhow::Result<flume::Receiver<String>> {
    let (sender, lines) = flume::bounded(LINES_MAX);
    let read = move || {
        let mut stdin = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = stdin.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
            if !read.is_ok_and(|bytes| bytes > 0) {
                return;
            }
            let line = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read)?;
    Ok(lines)
}

impl Connection {
    fn broker(&self) -> anyhow::Result<Broker> {
        let (scheme, rest) = self.broker.split_once("://").unwrap_or(("mqtt", &self.broker));
        let (secure, default_port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => bail!("not a scheme of a broker: {other}\nhint: mqtt or mqtts"),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => {
                (host, port.parse().with_context(|| format!("not a port: {port}"))?)
            }
            None => (rest, default_port),
        };
        let mut broker = Broker::plain(host, port);
        if secure {
            let own = self.certificate_file.as_deref().zip(self.key_file.as_deref());
            let own = own.map(|(certificate, key)| OwnFiles { certificate, key });
            let config = uplink::client_config(&self.ca_file, own)
                .with_context(|| format!("no TLS with {}", self.ca_file.display()))?;
            broker.tls = Some(config);
        }
        Ok(broker)
    }
}

fn said(done: bool) -> Option<String> {
    Some(if done { "done" } else { "not possible now" }.to_owned())
}
