//! The doors alone, with nothing behind them: every client reaches the others only. For the
//! conformance suite (`tests/conformance`), which needs topics that no pile has.
//!
//! Writes the address it listens on, then serves until it is killed.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use data_encoding::HEXLOWER;
use sitepilot::broker::{
    Access, Doors, DoorsConfig, Filter, Identity, Login, LoginRefused, Pace, Registry, Route,
};

/// Events of hosts' clients; there are none.
const INBOX: usize = 1;

#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// NAME,PASSWORD,PUBLISH,SUBSCRIBE: the password in hexadecimal, one filter each or nothing.
    /// Without a name: whoever has no user name.
    #[arg(long = "account")]
    accounts: Vec<Account>,
    #[arg(long)]
    max_connections: Option<usize>,
    #[arg(long)]
    max_packet_bytes: Option<usize>,
    #[arg(long)]
    max_inflight: Option<usize>,
}

#[derive(Clone)]
struct Account {
    name: String,
    password: Vec<u8>,
    access: Access,
}

impl FromStr for Account {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.split(',').collect();
        let [name, password, publish, subscribe] = parts[..] else {
            anyhow::bail!("four parts wanted: {text}");
        };
        let access = Access { publish: filters(publish)?, subscribe: filters(subscribe)? };
        Ok(Self { name: name.to_owned(), password: HEXLOWER.decode(password.as_bytes())?, access })
    }
}

fn filters(text: &str) -> anyhow::Result<Vec<Filter>> {
    if text.is_empty() { Ok(Vec::new()) } else { Ok(vec![Filter::new(text)?]) }
}

struct Accounts(Vec<Account>);

impl Registry for Accounts {
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        let name = login.username.unwrap_or_default();
        let password = login.password.unwrap_or_default();
        let known = |account: &&Account| account.name == name && account.password == password;
        let account = self.0.iter().find(known);
        let account = account.ok_or_else(|| LoginRefused("unknown account".to_owned()))?;
        let (name, access) = (account.name.clone(), account.access.clone());
        Ok(Identity { name, route: Route::Router, access })
    }
}

fn config(options: &Options) -> DoorsConfig {
    let mut config = DoorsConfig::new(options.listen);
    config.max_connections = options.max_connections.unwrap_or(config.max_connections);
    config.max_packet_bytes = options.max_packet_bytes.unwrap_or(config.max_packet_bytes);
    config.max_inflight = options.max_inflight.unwrap_or(config.max_inflight);
    // Few accounts play many clients here, as fast as they can.
    config.max_sessions_per_name = config.max_sessions;
    config.pace = Pace::UNLIMITED;
    config
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let config = config(&options);
    let (inbox, _events) = flume::bounded(INBOX);
    let accounts = Arc::new(Accounts(options.accounts));
    let (doors, task) = Doors::bind(config, accounts, inbox)?;
    println!("{}", doors.plain_address().expect("a plain door"));
    task.run().await.context("the doors closed")
}
