//! Starts the rooms in order, watches them, and stops them in order.
//!
//! Threads: the heart, two readers of the ledger, one for each bus of meters, and one runtime for
//! doors, uplinks and HTTP.
//! A room that ends by itself is broken: everything else is stopped in order, the exit is not
//! zero, and systemd starts anew.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::{
    config::Config,
    heart::{HeartError, Pulse},
    logging::Logging,
    meters::Buses,
    notify::{Manager, Patience, Teller},
    watchdog::Watch,
};
use crate::{
    broker::Doors,
    site::{Input, snapshot::Snapshot},
    uplink::Outbox,
};

mod ledger;
mod listen;
mod rooms;
mod signals;
mod start;
mod uplinks;

use rooms::{Ended, Rooms};
use signals::{Signal, Signals};

/// Phases of an orderly stop; their sum stays well below `TimeoutStopSec` of the unit.
const DELIVERIES_BUDGET: Duration = Duration::from_secs(2);
const UPLINKS_BUDGET: Duration = Duration::from_secs(2);
const DOORS_BUDGET: Duration = Duration::from_secs(3);
const BUSES_BUDGET: Duration = Duration::from_secs(1);
const HEART_BUDGET: Duration = Duration::from_secs(4);

/// How often the end of deliveries is looked for.
const DELIVERIES_LOOK: Duration = Duration::from_millis(50);

/// Runs the controller until it is told to stop.
///
/// # Errors
///
/// If it cannot start, or a room broke.
pub fn run(
    config: &Config,
    file: &Path,
    logging: &Logging,
    manager: &Arc<Manager>,
) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), site = config.site.code, "starting");
    // Orders name who paid: what is written here is for the service and its group.
    rustix::process::umask(rustix::fs::Mode::RWXO | rustix::fs::Mode::WGRP);
    let done =
        make_data_dir(&config.site.data_dir).and_then(|()| work(config, file, logging, manager));
    match &done {
        Ok(()) => {
            manager.status("stopped");
            info!("stopped");
        }
        Err(error) => {
            manager.status(&format!("stopped: {error:#}"));
            error!("stopped: {error:#}");
        }
    }
    done
}

/// Starts all rooms, and returns when they have stopped.
fn work(
    config: &Config,
    file: &Path,
    logging: &Logging,
    manager: &Arc<Manager>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        let patience = Patience::new(manager).context("cannot start a thread")?;
        let mut site = Running::start(config, manager).await?;
        drop(patience);
        site.teller.ready(None);
        info!("ready");
        let broken = site.watch(&mut signals, file, logging).await;
        manager.stopping(&match &broken {
            Ok(()) => "stopping".to_owned(),
            Err(error) => format!("stopping: {error:#}"),
        });
        tokio::select! {
            stopped = site.stop() => stopped.and(broken),
            () = signals.stop() => {
                // Whatever was promised is on disk already.
                warn!("second signal, leaving at once");
                logging.finish();
                std::process::exit(1)
            }
        }
    });
    // A thread that hangs must not keep the program.
    runtime.shutdown_background();
    done
}

fn make_data_dir(dir: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o750).create(dir).map_err(|error| {
        let hint = ledger::hint(dir, &error.to_string());
        anyhow!("cannot make the data directory: {}: {error}{hint}", dir.display())
    })
}

/// A started controller.
pub struct Running {
    rooms: Rooms,
    doors: Doors,
    buses: Arc<Buses>,
    pulse: Arc<Pulse>,
    inbox: flume::Sender<Input>,
    outboxes: Vec<Outbox>,
    stop_uplinks: watch::Sender<bool>,
    heart: oneshot::Receiver<Result<(), HeartError>>,
    socket: PathBuf,
    watchdog: Arc<Watch>,
    manager: Arc<Manager>,
    teller: Arc<Teller>,
}

impl Running {
    /// Returns when it is time to stop: told so, or a room broke.
    async fn watch(
        &mut self,
        signals: &mut Signals,
        file: &Path,
        logging: &Logging,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop(name) => {
                        info!(signal = name, "asked to stop");
                        return Ok(());
                    }
                    Signal::Reload => {
                        self.manager.reloading();
                        let note = self.reload(file, logging).err();
                        self.teller.ready(note.map(str::to_owned));
                    }
                },
                broken = self.broken() => return Err(broken),
            }
        }
    }

    /// Takes over what can change while the program runs: log level and keys of the doors. A
    /// config with a fault anywhere changes nothing. What went wrong is in the log; in short for
    /// the status.
    fn reload(&self, file: &Path, logging: &Logging) -> Result<(), &'static str> {
        let config = match Config::load(file) {
            Ok(config) => config,
            Err(error) => {
                error!("config not read again: {error}");
                return Err("the config has faults (sitepilot check), the old one goes on");
            }
        };
        match logging.set_level(&config.log.level) {
            Ok(()) => {
                info!(level = config.log.level, "log level read again; the rest at a restart");
            }
            Err(error) => {
                error!("log level not read again: {error:#}");
                return Err("the log level is wrong, the old one goes on");
            }
        }
        match (config.broker.tls, self.doors.tls_address()) {
            (Some(tls), Some(_)) => match self.doors.renew(&tls.keys) {
                Ok(()) => info!("certificates read again"),
                Err(error) => {
                    error!("certificates not read again: {error}");
                    return Err("the certificates are wrong, the old ones go on");
                }
            },
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => {
                warn!("[broker.tls] is new or gone: this takes effect with a restart");
                return Err("[broker.tls] is new or gone, which takes a restart");
            }
        }
        Ok(())
    }

    /// Returns when a room has broken, with why. Cancel safe.
    pub async fn broken(&mut self) -> anyhow::Error {
        tokio::select! {
            Ended { room, end } = self.rooms.next() => {
                let why = end.err().unwrap_or_else(|| anyhow!("ended by itself"));
                why.context(format!("room broken: {room}"))
            }
            end = &mut self.heart => match end {
                Ok(Err(error)) => anyhow!(error),
                Ok(Ok(())) => anyhow!("the heart ended by itself"),
                Err(_) => anyhow!("the heart panicked"),
            },
        }
    }

    /// The site as it was a moment ago; `None` before its first turn.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.pulse.snapshot()
    }

    /// Stops intake, delivers for a moment, then lets the heart finish.
    ///
    /// # Errors
    ///
    /// If the heart did not end well.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        // From here on the doors are closed on purpose.
        self.watchdog.leave();
        self.manager.status("stopping: closing the doors");
        // A slow phase must not eat the time of the next one.
        if tokio::time::timeout(DOORS_BUDGET, self.doors.shutdown()).await.is_err() {
            warn!("the doors do not close in time");
        }
        self.manager.status("stopping: delivering what is under way");
        let _ = tokio::time::timeout(DELIVERIES_BUDGET, self.deliver()).await;
        self.manager.status("stopping: leaving uplinks and meters");
        // Later than the doors: an order that has just ended may wait for its meter.
        self.buses.stop();
        self.stop_uplinks.send_replace(true);
        let _ = tokio::time::timeout(UPLINKS_BUDGET, self.rooms.ended("uplink")).await;
        if tokio::time::timeout(BUSES_BUDGET, self.rooms.ended("bus")).await.is_err() {
            warn!("a bus does not end in time");
        }
        self.manager.status("stopping: closing the ledger");
        self.pulse.stop();
        let _ = self.inbox.try_send(Input::Tick);
        // The socket file is ours; the next start would clear it away anyway.
        let _ = fs::remove_file(&self.socket);
        if self.heart.is_terminated() {
            return Ok(());
        }
        match tokio::time::timeout(HEART_BUDGET, &mut self.heart).await {
            Ok(Ok(end)) => Ok(end?),
            Ok(Err(_)) => Err(anyhow!("the heart panicked")),
            Err(_) => Err(anyhow!("the heart does not end in time")),
        }
    }

    /// Waits until nothing is under way on the uplinks that are up.
    async fn deliver(&self) {
        loop {
            let is_done = self.pulse.snapshot().is_none_or(|snapshot| {
                let mut up = snapshot.uplinks.iter().filter(|uplink| uplink.state == "online");
                up.all(|uplink| uplink.in_flight == 0)
            });
            if is_done && self.outboxes.iter().all(Outbox::is_drained) {
                return;
            }
            tokio::time::sleep(DELIVERIES_LOOK).await;
        }
    }
}
