//! The commands of the program. Data goes to stdout, talk to stderr.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};

mod check;
mod demo;
mod run;
mod sim;

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage.
    Usage,
    /// The controller is not running.
    NotRunning,
    /// Wrong config.
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // The numbers beyond 1 are those of `sysexits.h`.
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::NotRunning => 69,
            Exit::Config => 78,
        })
    }
}

/// Controller of an EV charging site.
#[derive(Debug, Parser)]
#[command(name = "sitepilot", version)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The config
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SITEPILOT_CONFIG",
        default_value = "/etc/sitepilot/site.toml"
    )]
    pub(crate) config: PathBuf,
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The controller
    Run,
    /// Check a config and what it points to
    Check,
    /// A simulated peer, for a bench or a lab
    #[command(subcommand)]
    Sim(Box<sim::Peer>),
    /// A whole site in one process, with outages and a verdict; needs no config
    Demo(demo::Arguments),
}

/// Runs the program with the given arguments, the program's own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    let common = &arguments.common;
    let exit = match arguments.command {
        Command::Run => run::run(common),
        Command::Check => check::run(common),
        Command::Sim(peer) => sim::run(&peer),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    exit.into()
}

/// Help is data; anything else is wrong usage.
fn usage(error: &clap::Error) -> Exit {
    // Nothing can be told to somebody who closed the pipe.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}
