//! `sim pile`

use std::path::{Path, PathBuf};

use super::{Connection, Password, account::Account, said, serve};
use crate::peers::{
    handle::Handle,
    pile::{AutoPlan, Memory, Pile, PileConfig, PileNews, Registration},
};

/// `sim pile`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Pile code; left out, the pile registers first
    #[arg(long, value_name = "CODE", default_value = "")]
    code: String,
    /// Serial number
    #[arg(long, value_name = "TEXT", default_value = "SIM0001")]
    serial: String,
    /// Account to register with
    #[arg(long, value_name = "NAME", default_value = "register")]
    username: String,
    #[command(flatten)]
    password: Password,
    /// What the registration is allowed with
    #[arg(long, value_name = "CODE", default_value = "SIMCODE")]
    registration_code: String,
    /// Where the account of a registration is kept, to come back with it
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    account_file: Option<PathBuf>,
    /// Number of connectors
    #[arg(long, value_name = "N", default_value_t = 2)]
    connectors: u16,
    /// Multiplies the power
    #[arg(long, value_name = "N", default_value_t = 1)]
    speed: u32,
    /// Begins sessions by itself, about so many seconds long
    #[arg(long, value_name = "SECONDS")]
    auto: Option<u64>,
    /// Cards the pile chooses from
    #[arg(long = "card", value_name = "CARD", default_values = ["CARD1", "CARD2", "CARD3"])]
    cards: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = config(arguments)?;
    let heed = |pile: &Handle<Pile>, news: &PileNews| match (news, &arguments.account_file) {
        (PileNews::Registered { .. }, Some(file)) => keep_account(pile, file),
        _ => Ok(()),
    };
    serve(|| Pile::new(config), &arguments.connection, direct, heed)
}

fn keep_account(pile: &Handle<Pile>, file: &Path) -> anyhow::Result<()> {
    let account = pile.with(|p, _| p.account().map(Account::from));
    account.map_or(Ok(()), |account| account.keep(file))
}

fn config(a: &Arguments) -> anyhow::Result<PileConfig> {
    let password = a.password.read()?;
    let mut config = PileConfig::new(&a.code, &a.serial, &password, a.connection.seed);
    if let Some(file) = &a.account_file
        && let Some(account) = Account::read(file)?
    {
        config.code = account.code;
        config.username = account.username;
        config.password = account.password;
    }
    config.registration = Some(Registration {
        username: a.username.clone(),
        password,
        code: a.registration_code.clone(),
    });
    config.revision = a.connection.revision;
    config.connectors = a.connectors;
    config.speed = a.speed;
    config.auto = a.auto.map(|seconds| {
        let ms = seconds.saturating_mul(1000);
        let half = ms / 2;
        AutoPlan { idle_ms: (half, ms), charge_ms: (half, ms + half), cards: a.cards.clone() }
    });
    Ok(config)
}

fn direct(pile: &Handle<Pile>, words: &[&str]) -> Option<String> {
    let done = match words {
        ["start", connector, card] => {
            let connector = connector.parse().ok()?;
            pile.with(|p, now| p.start(connector, card, now))
        }
        ["stop", connector] => {
            let connector = connector.parse().ok()?;
            pile.with(|p, now| p.stop(connector, now))
        }
        ["vanish", ms] => {
            let away_ms = ms.parse().ok()?;
            pile.with(|p, _| p.vanish(away_ms));
            true
        }
        ["cut", ms] => {
            let off_ms = ms.parse().ok()?;
            pile.with(|p, now| p.power_cut(off_ms, Memory::Kept, now));
            true
        }
        ["forget", ms] => {
            let off_ms = ms.parse().ok()?;
            pile.with(|p, now| p.power_cut(off_ms, Memory::Lost, now));
            true
        }
        ["repeat"] => pile.with(|p, now| p.repeat_last_order(now)),
        ["dispute"] => pile.with(|p, now| p.dispute_last_order(now)),
        ["orders"] => return Some(pile.with(|p, _| orders(p))),
        _ => return None,
    };
    said(done)
}

fn orders(pile: &Pile) -> String {
    let line = |o: &crate::peers::pile::Order| {
        let (record, connector, energy, phase) = (o.record, o.connector, o.energy(), o.phase);
        format!("order {record} connector {connector} {energy} {phase:?}")
    };
    let lines: Vec<String> = pile.store().iter().map(line).collect();
    lines.join("\n")
}
