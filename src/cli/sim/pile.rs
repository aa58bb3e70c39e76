//! `sim pile`

use super::{Connection, said, serve};
use crate::peers::{
    handle::Handle,
    pile::{AutoPlan, Memory, Pile, PileConfig, Registration},
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
    #[arg(long, value_name = "NAME", default_value = "default")]
    username: String,
    /// Password of the pile, or of the account to register with
    #[arg(long, value_name = "TEXT", env = "SITEPILOT_SIM_PASSWORD", default_value = "")]
    password: String,
    /// What the registration is allowed with
    #[arg(long, value_name = "CODE", default_value = "SIMCODE")]
    registration_code: String,
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
    let config = config(arguments);
    serve(|| Pile::new(config), &arguments.connection, direct)
}

fn config(a: &Arguments) -> PileConfig {
    let mut config = PileConfig::new(&a.code, &a.serial, &a.password, a.connection.seed);
    config.registration = Some(Registration {
        username: a.username.clone(),
        password: a.password.clone(),
        code: a.registration_code.clone(),
    });
    config.connectors = a.connectors;
    config.speed = a.speed;
    config.auto = a.auto.map(|seconds| {
        let ms = seconds.saturating_mul(1000);
        let half = ms / 2;
        AutoPlan { idle_ms: (half, ms), charge_ms: (half, ms + half), cards: a.cards.clone() }
    });
    config
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
