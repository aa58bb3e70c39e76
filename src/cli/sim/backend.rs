//! `sim backend`

use super::{Connection, Password, said, serve};
use crate::peers::{
    backend::{Backend, BackendConfig, Span},
    handle::Handle,
};

/// `sim backend`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Account at the broker
    #[arg(long, value_name = "NAME", default_value = "backend")]
    username: String,
    #[command(flatten)]
    password: Password,
    /// What a registration is allowed with
    #[arg(long, value_name = "CODE", default_value = "SIMCODE")]
    registration_code: String,
    /// Between heartbeats of a station
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    interval: i32,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut config = BackendConfig::new(arguments.connection.seed);
    config.username.clone_from(&arguments.username);
    config.password = arguments.password.read()?;
    config.revision = arguments.connection.revision;
    config.registration_code.clone_from(&arguments.registration_code);
    config.interval_s = arguments.interval;
    serve(|| Backend::new(config), &arguments.connection, direct, |_, _| Ok(()))
}

fn direct(backend: &Handle<Backend>, words: &[&str]) -> Option<String> {
    let done = match words {
        ["start", device, pile, connector, card] => {
            let start = |b: &mut Backend, now| b.remote_start(device, pile, connector, card, now);
            let (transaction, sequence) = backend.with(start);
            return Some(format!("transaction {transaction}, command {sequence}"));
        }
        ["stop", device, connector, transaction] => {
            backend.with(|b, now| b.remote_stop(device, connector, transaction, now));
            true
        }
        ["orders", device] => {
            let all = Span { level: 2, ..Span::default() };
            backend.with(|b, now| b.get_transactions(device, &all, now));
            true
        }
        ["get", device] => {
            backend.with(|b, now| b.get_setting(device, "", now));
            true
        }
        ["get", device, key] => {
            backend.with(|b, now| b.get_setting(device, key, now));
            true
        }
        ["set", device, key, value] => {
            backend.with(|b, now| b.change_setting(device, key, value, now));
            true
        }
        ["reset", device] => {
            backend.with(|b, now| b.control(device, "Reset", "0", now));
            true
        }
        ["log", device, url] => {
            backend.with(|b, now| b.get_log(device, url, now));
            true
        }
        ["update", device, url] => {
            backend.with(|b, now| b.update_firmware(device, url, now));
            true
        }
        ["repeat"] => backend.with(|b, _| b.repeat_last_command()),
        ["books"] => return Some(backend.with(|b, _| books(b))),
        ["measured"] => return Some(backend.with(|b, _| measured(b))),
        fault => return backend.with(|b, _| set_fault(b, fault)).and_then(|()| said(true)),
    };
    said(done)
}

/// Switches a fault on, or with `well` all of them off; `None` if there is no such fault.
fn set_fault(backend: &mut Backend, words: &[&str]) -> Option<()> {
    let faults = &mut backend.faults;
    match words {
        ["silent"] => faults.silent = true,
        ["hold"] => faults.hold = true,
        ["wrong"] => faults.wrong_ids = true,
        ["refuse", status] => faults.transaction_status = status.parse().ok()?,
        ["well"] => {
            *faults = Default::default();
            backend.release();
        }
        ["restart"] => backend.restart(),
        _ => return None,
    }
    Some(())
}

/// What telemetry told last: a line for each component and connector, by their numbers.
fn measured(backend: &Backend) -> String {
    let lines = backend.measured().iter().map(|((component, connector), measured)| {
        let values =
            measured.values.iter().map(|(measurand, value)| format!("{measurand}={value}"));
        let values: Vec<String> = values.collect();
        let reports = measured.reports;
        format!(
            "component {component}, connector {connector:?}, reports {reports}: {}",
            values.join(" ")
        )
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "nothing measured".to_owned() } else { lines.join("\n") }
}

fn books(backend: &Backend) -> String {
    let books = backend.books();
    format!(
        "orders {}, settled {}, altered {:?}, doubled {:?}",
        books.orders().count(),
        books.settled(),
        books.altered(),
        books.doubled()
    )
}
