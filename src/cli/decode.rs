//! `decode`

use std::io::Read as _;

use anyhow::Context as _;

use super::{Exit, Failure, table::print};
use crate::{domain::wire::Revision, protocol::charger::readable};

/// `decode`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What the bytes are
    #[arg(long, value_enum)]
    wire: Wire,
    /// The bytes in hex; spaces and colons do not matter. `-` reads them from stdin
    #[arg(value_name = "HEX")]
    bytes: String,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Wire {
    #[value(name = "charger-1.10")]
    Charger1_10,
    #[value(name = "charger-1.0")]
    Charger1_0,
    #[value(hide = true)]
    Ec,
    #[value(hide = true)]
    Jcpp,
    #[value(hide = true)]
    Peaq,
}

/// Longest input: a frame of the largest size, with spaces between the bytes.
const MAX_INPUT_BYTES: u64 = 1 << 20;

/// Prints a frame so that people can read it.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let revision = match arguments.wire {
        Wire::Charger1_10 => Revision::V1_10,
        Wire::Charger1_0 => Revision::V1_0,
        Wire::Ec | Wire::Jcpp | Wire::Peaq => {
            eprintln!("this wire is not supported by this version yet");
            return Ok(Exit::Failed);
        }
    };
    let mut text = arguments.bytes.clone();
    if text == "-" {
        text.clear();
        let stdin = std::io::stdin().lock();
        stdin.take(MAX_INPUT_BYTES).read_to_string(&mut text).context("cannot read stdin")?;
    }
    text.retain(|c| !c.is_whitespace() && c != ':');
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    let Ok(bytes) = decoded else {
        eprintln!("not hex: {}", text.chars().take(40).collect::<String>());
        return Ok(Exit::Usage);
    };
    let shown = readable::decode(revision, &bytes).context("not a message of this wire")?;
    print(&format!("{}\n", shown.trim_end()));
    Ok(Exit::Done)
}
