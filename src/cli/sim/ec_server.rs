//! `sim ec-server`

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;

use super::{lines, obey, until_over};
use crate::{
    clock::Clock,
    peers::ec::{Faults, Server, Settings, What, serve::Tcp},
};

/// `sim ec-server`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Where gates connect
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8003")]
    listen: SocketAddr,
    /// Between heartbeats of the server
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    heartbeat_s: u64,
    /// Closes a link on which nothing was heard for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    silence_s: u64,
    /// From reading a record to storing it; a restart in between loses it
    #[arg(long, value_name = "MS", default_value_t = 0)]
    store_ms: u64,
    /// Tells only of records
    #[arg(long)]
    quiet: bool,
    /// Ends by itself after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let clock = Clock::passing();
    let settings = Settings {
        heartbeat_ms: arguments.heartbeat_s * 1_000,
        silence_ms: arguments.silence_s * 1_000,
        store_ms: arguments.store_ms,
    };
    let server = Server::new(settings, Arc::new(move || clock.now()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines = lines()?;
    runtime.block_on(async {
        let listen = arguments.listen;
        let tcp = Tcp::bind(listen, server.clone()).await;
        let tcp = tcp.with_context(|| format!("cannot listen at {listen}"))?;
        println!("port {}", tcp.address()?);
        let direct = |words: &[&str]| direct(&server, words);
        tokio::select! {
            () = tcp.run() => Ok(()),
            () = tell(&server, arguments.quiet) => Ok(()),
            () = obey(lines, direct) => Ok(()),
            ended = until_over(arguments.seconds) => ended,
        }
    })
}

/// Says what the gates tell.
async fn tell(server: &Server, quiet: bool) {
    let news = server.news();
    while let Ok(one) = news.recv_async().await {
        if !quiet || matches!(one.what, What::Told { .. }) {
            println!("{one}");
        }
    }
}

fn direct(server: &Server, words: &[&str]) -> Option<String> {
    match words {
        ["deaf"] => server.fail(Faults { deaf: true, mute: true }),
        ["numb"] => server.fail(Faults { deaf: true, mute: false }),
        ["mute"] => server.fail(Faults { deaf: false, mute: true }),
        ["well"] => server.fail(Faults::default()),
        ["cut"] => server.cut(),
        ["restart"] => server.restart(),
        ["books"] => return Some(books(server)),
        ["records"] => return Some(records(server)),
        _ => return None,
    }
    Some(words.join(" "))
}

fn books(server: &Server) -> String {
    let books = server.books();
    format!(
        "records {}, copies {}, dropped {}, altered {:?}",
        books.records().count(),
        books.copies(),
        books.dropped().count(),
        books.altered()
    )
}

fn records(server: &Server) -> String {
    let books = server.books();
    let lines: Vec<String> = books.records().map(ToString::to_string).collect();
    if lines.is_empty() { "no records".to_owned() } else { lines.join("\n") }
}
