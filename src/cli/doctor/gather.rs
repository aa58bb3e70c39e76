//! Sends the probes out and collects what they bring.

use std::path::{Path, PathBuf};

use super::{
    facts::{Controller, Facts, Files, Known, Orders, Run},
    probes::{
        Probe, Round, config,
        config::Reading,
        controller::{self, Heard},
        disks, files, flash, journal, listeners, machine, orders, package, ports,
        secrets::{self, Secrets},
        time,
        unit::{self, Seen},
    },
    show,
};
use crate::{clock::Clock, sys::user};

/// What was found, and the texts that are shown as they are.
pub(super) struct Gathered {
    pub(super) made_s: i64,
    pub(super) facts: Facts,
    pub(super) texts: Texts,
    pub(super) secrets: Known<Secrets>,
}

/// Texts of others.
pub(super) struct Texts {
    pub(super) config: Known<String>,
    pub(super) unit: Known<String>,
    pub(super) metrics: Known<String>,
    pub(super) log: Known<String>,
    pub(super) kernel: Known<String>,
}

/// Looks at everything: first at what the rest depends on.
pub(super) fn gather(config: &Path) -> Gathered {
    let made_s = Clock::passing().now().wall.unix_s();
    let first = Round::start();
    let (path, log, kernel) =
        (config.to_owned(), Probe::start(journal::of_service), Probe::start(journal::of_kernel));
    let reading = Probe::start(move || Ok(config::read(&path)));
    let (unit, package) = (Probe::start(unit::look), Probe::start(package::look));
    let (machine, flash) = (Probe::start(machine::look), Probe::start(flash::look));
    let reading = first.finish(&reading).unwrap_or_else(Reading::unknown);
    let unit = first.finish(&unit);
    let second = Second::look(config, &reading, unit.as_ref().ok());
    let (controller, metrics) = match second.heard {
        Ok(Heard { controller, metrics }) => (Ok(controller), metrics),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    Gathered {
        made_s,
        texts: Texts {
            config: reading.text.clone(),
            unit: unit.as_ref().map(|seen| seen.text.clone()).map_err(Clone::clone),
            metrics,
            log: first.finish(&log),
            kernel: first.finish(&kernel),
        },
        facts: Facts {
            run: Run {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                config: config.to_owned(),
                is_root: user::is_root(),
            },
            config: reading.facts,
            unit: unit.map(|seen| seen.unit),
            package: first.finish(&package),
            orders: second.orders,
            controller,
            time: second.time,
            disks: second.disks,
            flash: first.finish(&flash),
            files: second.files,
            ports: second.ports,
            listeners: second.listeners,
            machine: first.finish(&machine),
        },
        secrets: second.secrets,
    }
}

/// What can be looked at when it is known where things are.
struct Second {
    heard: Known<Heard>,
    orders: Known<Orders>,
    time: Known<super::facts::Time>,
    disks: Known<Vec<super::facts::Disk>>,
    files: Known<Files>,
    ports: Known<Vec<super::facts::Port>>,
    listeners: Known<Vec<super::facts::Listener>>,
    secrets: Known<Secrets>,
}

impl Second {
    fn look(config: &Path, reading: &Reading, unit: Option<&Seen>) -> Self {
        let round = Round::start();
        let user = unit.filter(|seen| seen.unit.is_installed()).map(|seen| seen.unit.user.clone());
        let user = user.filter(|user| !user.is_empty());
        let units: Vec<PathBuf> = unit.map(|seen| seen.files.clone()).unwrap_or_default();
        let (data_dir, socket) = (reading.data_dir.clone(), reading.socket.clone());
        let heard = Probe::start(move || controller::ask(&socket));
        let orders = with(&data_dir, |data_dir| orders::look(&data_dir));
        let time = with(&data_dir, |data_dir| time::look(&data_dir));
        let path = config.to_owned();
        let disks = with(&data_dir, move |data_dir| disks::look(&path, &data_dir));
        let (path, read) = (config.to_owned(), reading.clone());
        let files = Probe::start(move || files::look(&path, &read, user.as_deref()));
        let assigned = reading.assigned.clone();
        let ports = with(&data_dir, move |data_dir| {
            ports::look(&assigned, config::service_user(&data_dir))
        });
        let listen = reading.facts.as_ref().map(|facts| facts.listen.clone()).unwrap_or_default();
        let listeners = Probe::start(move || listeners::look(&listen));
        let (path, read) = (config.to_owned(), reading.clone());
        let secrets = Probe::start(move || Ok(secrets::collect(&path, &read, &units)));
        Self {
            heard: round.finish(&heard),
            orders: round.finish(&orders),
            time: round.finish(&time),
            disks: round.finish(&disks),
            files: round.finish(&files),
            ports: round.finish(&ports),
            listeners: round.finish(&listeners),
            secrets: round.finish(&secrets),
        }
    }
}

fn with<T: Send + 'static>(
    path: &Path,
    look: impl FnOnce(PathBuf) -> Known<T> + Send + 'static,
) -> Probe<T> {
    let path = path.to_owned();
    Probe::start(move || look(path))
}

impl Gathered {
    /// Texts in which long numbers are no cards.
    pub(super) fn known(&self) -> Vec<String> {
        let mut known = self.secrets.as_ref().map(|s| s.known.clone()).unwrap_or_default();
        if let Ok(Controller::Answers(answer)) = &self.facts.controller {
            let piles = answer.status["piles"].as_array().into_iter().flatten();
            known.extend(piles.map(|pile| format!("{} {}", pile["code"], pile["serial"])));
        }
        known
    }

    /// Disks and flash memories, as a text.
    pub(super) fn disks(&self) -> Known<String> {
        let flash = self.facts.flash.as_deref().unwrap_or_default();
        let flash: String = flash.iter().map(show::flash).collect();
        self.facts.disks.as_ref().map(|disks| show::disks(disks) + &flash).map_err(Clone::clone)
    }
}
