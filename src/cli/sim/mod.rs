//! `sim`: the simulated peers one by one, for a bench or a lab. Lines on stdin direct them.

mod backend;
mod pile;

use std::{io::BufRead, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};

use super::Exit;
use crate::{
    clock::Clock,
    peers::{
        Machine,
        handle::Handle,
        mqtt::{self, Broker},
    },
    service::logging,
    uplink,
};

/// Lines of stdin waiting to be acted upon; a script is slowed down, not cut.
const LINES_MAX: usize = 64;

/// What every simulated peer of a broker takes.
#[derive(Debug, clap::Args)]
pub(super) struct Connection {
    /// The broker, such as mqtt://127.0.0.1:1883 or mqtts://cloud.example.com:8883
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    broker: String,
    /// Who signs the broker's certificate
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: PathBuf,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Seed of whatever is random
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Peer {
    /// A charging pile; lines on stdin: start CONNECTOR CARD, stop CONNECTOR, vanish MS, cut MS,
    /// forget MS, repeat, dispute, orders
    Pile(pile::Arguments),
    /// A cloud backend; lines on stdin: start DEVICE PILE CONNECTOR CARD, stop DEVICE CONNECTOR
    /// TRANSACTION, orders DEVICE, repeat, silent, hold, refuse STATUS, wrong, well, restart, books
    Backend(backend::Arguments),
}

/// Runs a simulated peer.
pub(super) fn run(peer: &Peer) -> Exit {
    // What is wrong with the line goes to stderr beside the news on stdout.
    let logging = logging::start("warn");
    let done = logging.and_then(|_| match peer {
        Peer::Pile(arguments) => pile::run(arguments),
        Peer::Backend(arguments) => backend::run(arguments),
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
/// of stdin to `direct`.
fn serve<M: Machine + Send + 'static>(
    make: impl FnOnce() -> M,
    connection: &Connection,
    direct: fn(&Handle<M>, &[&str]) -> Option<String>,
) -> anyhow::Result<()>
where
    M::News: std::fmt::Debug,
{
    let broker = connection.broker()?;
    let clock = Clock::passing();
    let handle = Handle::new(make(), Arc::new(move || clock.now()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = lines()?;
    let time = connection.seconds.map(Duration::from_secs);
    runtime.block_on(async {
        let over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = mqtt::run(handle.clone(), broker) => Ok(()),
            () = tell(&handle) => Ok(()),
            () = obey(&handle, lines, direct) => Ok(()),
            () = over => Ok(()),
            signal = tokio::signal::ctrl_c() => signal.context("cannot wait for an interrupt"),
        }
    })
}

async fn tell<M: Machine>(handle: &Handle<M>)
where
    M::News: std::fmt::Debug,
{
    let news = handle.news();
    while let Ok(one) = news.recv_async().await {
        println!("{one:?}");
    }
}

async fn obey<M: Machine>(
    handle: &Handle<M>,
    lines: flume::Receiver<String>,
    direct: fn(&Handle<M>, &[&str]) -> Option<String>,
) {
    while let Ok(line) = lines.recv_async().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        match direct(handle, &words) {
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
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || line.is_ok_and(|line| sender.send(line).is_err()) {
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
            let config = uplink::client_config(&self.ca_file)
                .with_context(|| format!("no TLS with {}", self.ca_file.display()))?;
            broker.tls = Some(config);
        }
        Ok(broker)
    }
}

fn said(done: bool) -> Option<String> {
    Some(if done { "done" } else { "not possible now" }.to_owned())
}
