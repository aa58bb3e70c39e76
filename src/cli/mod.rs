//! The commands of the program. Data goes to stdout, talk to stderr.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

mod backup;
mod check;
mod client;
mod decode;
mod demo;
mod doctor;
mod dossier;
mod init;
mod meters;
mod orders;
mod restore;
mod run;
mod sim;
mod status;
mod table;

use client::Client;

use crate::service::config::{ConfigError, Paths};

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

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Failure {
    Usage(String),
    NotRunning(PathBuf),
    Config(ConfigError),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// Tells it.
    fn tell(&self) -> Exit {
        match self {
            Self::Usage(text) => {
                eprintln!("{text}");
                Exit::Usage
            }
            Self::NotRunning(socket) => {
                eprintln!("the controller is not running: nobody at {}", socket.display());
                eprintln!("hint: sudo systemctl start sitepilot");
                Exit::NotRunning
            }
            Self::Config(faults) => check::tell(faults),
            Self::Other(error) => {
                eprintln!("{error:#}");
                Exit::Failed
            }
        }
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

/// Where the service looks for its config.
const SERVICE_CONFIG: &str = "/etc/sitepilot/site.toml";

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The config
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "SITEPILOT_CONFIG",
        default_value = SERVICE_CONFIG
    )]
    pub(crate) config: PathBuf,
    /// Print one JSON document instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Common {
    fn paths(&self) -> Result<Paths, Failure> {
        Paths::load(&self.config).map_err(Failure::Config)
    }

    /// The running controller.
    fn running(&self) -> Result<Client, Failure> {
        let socket = self.paths()?.socket;
        Client::connect(&socket)?.ok_or(Failure::NotRunning(socket))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the config of a new site, from a few answers
    Init(Box<init::Arguments>),
    /// Run the controller
    Run,
    /// Check a config and what it points to
    Check,
    /// The whole site in one file: ledger, accounts, config and secrets, running or stopped
    Backup(backup::Arguments),
    /// Put a backup in its place, on this machine or a new one
    Restore(restore::Arguments),
    /// The whole site, from the running controller
    Status,
    /// What is the matter, and all that helps to find out, in one text without secrets
    Doctor(doctor::Arguments),
    /// The ledger
    Orders(orders::Arguments),
    /// The meters and their buses
    #[command(subcommand)]
    Meters(meters::Meters),
    /// The piles
    #[command(subcommand)]
    Piles(status::Piles),
    /// The uplinks
    #[command(subcommand)]
    Uplinks(status::Uplinks),
    /// Any frame, readable
    Decode(decode::Arguments),
    /// A simulated peer, for a bench or a lab
    #[command(subcommand)]
    Sim(Box<sim::Peer>),
    /// A whole site in one process, with outages and a verdict; needs no config
    Demo(demo::Arguments),
}

/// All commands and their arguments, for what is made of them: man pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program with the given arguments, the program's own name first.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    let common = &arguments.common;
    let done = match arguments.command {
        Command::Init(arguments) => init::run(common, &arguments),
        Command::Run => Ok(run::run(common)),
        Command::Check => Ok(check::run(common)),
        Command::Backup(arguments) => backup::run(common, &arguments),
        Command::Restore(arguments) => restore::run(common, &arguments),
        Command::Status => status::run(common),
        Command::Doctor(arguments) => doctor::run(common, &arguments),
        Command::Orders(arguments) => orders::run(common, &arguments),
        Command::Meters(command) => meters::run(common, &command),
        Command::Piles(command) => status::piles(common, &command),
        Command::Uplinks(command) => status::uplinks(common, &command),
        Command::Decode(arguments) => decode::run(&arguments),
        Command::Sim(peer) => Ok(sim::run(&peer, &common.config)),
        Command::Demo(arguments) => Ok(demo::run(&arguments)),
    };
    match done.unwrap_or_else(|failure| failure.tell()) {
        Exit::Done if table::is_lost() => Exit::Failed,
        exit => exit,
    }
    .into()
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
