//! Starts the rooms in order, watches them, and stops them in order.
//!
//! Threads: the heart, two readers of the ledger, and one runtime for doors, uplinks and HTTP.
//! A room that ends by itself is broken: everything else is stopped in order, the exit is not
//! zero, and systemd starts anew.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use sd_notify::NotifyState;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::{
    config::Config,
    credentials::Credentials,
    gate::{Gate, GateCounters},
    heart::{Heart, HeartError, Kept, Parts, Pulse},
    logging::LevelSwitch,
    outside::{Tickets, World},
    piles::{Piles, Probe},
    reader,
    source::Desk,
    watchdog::{Door, Watch},
};
use crate::{
    broker::{Doors, DoorsConfig},
    clock::Clock,
    ledger::{Ledger, LedgerError, Opening, Options},
    site::{Input, snapshot::Snapshot},
    status::{self, Access, router},
    uplink::{self, Accounts, Counters, Link, Login, Outbox},
};

mod listen;
mod rooms;
mod signals;

use rooms::{Ended, Rooms};
use signals::{Signal, Signals};

/// Inputs that wait for the heart: a few batches. Beyond it the doors stop reading.
const INBOX: usize = 1024;

/// Events of the doors that wait for the gate; the inbox does the waiting.
const DOOR_EVENTS: usize = 64;

/// Phases of an orderly stop; their sum stays well below `TimeoutStopSec` of the unit.
const DELIVERIES_BUDGET: Duration = Duration::from_secs(2);
const UPLINKS_BUDGET: Duration = Duration::from_secs(2);
const DOORS_BUDGET: Duration = Duration::from_secs(3);
const HEART_BUDGET: Duration = Duration::from_secs(4);

/// How often the end of deliveries is looked for.
const DELIVERIES_LOOK: Duration = Duration::from_millis(50);

/// Runs the controller until it is told to stop.
///
/// # Errors
///
/// If it cannot start, or a room broke.
pub fn run(config: &Config, file: &Path, level: &LevelSwitch) -> anyhow::Result<()> {
    info!(version = env!("CARGO_PKG_VERSION"), site = config.site.code, "starting");
    make_data_dir(&config.site.data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let done = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        let mut site = Running::start(config).await?;
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        info!("ready");
        let broken = site.watch(&mut signals, file, level).await;
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        tokio::select! {
            stopped = site.stop() => stopped.and(broken),
            () = signals.stop() => {
                // Whatever was promised is on disk already.
                warn!("second signal, leaving at once");
                std::process::exit(1)
            }
        }
    });
    // A thread that hangs must not keep the program.
    runtime.shutdown_background();
    match &done {
        Ok(()) => info!("stopped"),
        Err(error) => error!("stopped: {error:#}"),
    }
    done
}

fn make_data_dir(dir: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o750).create(dir);
    made.with_context(|| format!("cannot make the data directory: {}", dir.display()))
}

/// A started controller.
pub struct Running {
    rooms: Rooms,
    doors: Doors,
    pulse: Arc<Pulse>,
    inbox: flume::Sender<Input>,
    outboxes: BTreeMap<crate::domain::id::UplinkName, Outbox>,
    stop_uplinks: watch::Sender<bool>,
    heart: oneshot::Receiver<Result<(), HeartError>>,
    socket: PathBuf,
}

impl Running {
    /// Starts every room on the runtime it is called in.
    ///
    /// # Errors
    ///
    /// If a room cannot start.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let data_dir = &config.site.data_dir;
        let clock = Arc::new(Clock::open(data_dir));
        let credentials: Arc<dyn Accounts> =
            Arc::new(Credentials::open(data_dir).context("cannot read issued accounts")?);
        let ledger = open_ledger(config)?;
        let (history_reader, pages_reader) = (ledger.reader()?, ledger.reader()?);

        let probe = Probe::new().context("no randomness")?;
        let (door_events, events) = flume::bounded(DOOR_EVENTS);
        let registry = Arc::new(Piles::new(&config.piles, probe.clone()));
        let (doors, doors_task) = Doors::bind(doors_config(config), registry, door_events).await?;
        let http = listen::http(config).await?;
        let control = listen::control(&config.control.socket).await?;

        let (inbox, inputs) = flume::bounded(INBOX);
        let (history, questions) = flume::bounded(reader::HISTORY_QUEUE);
        let (pages, pages_wanted) = flume::bounded(reader::PAGES_QUEUE);
        let mut rooms = Rooms::default();
        let answers = inbox.clone();
        rooms.thread("history", move || {
            reader::answer_site(&history_reader, &questions, &answers).map_err(Into::into)
        })?;
        rooms.thread("pages", move || {
            reader::answer_pages(&pages_reader, &pages_wanted);
            Ok(())
        })?;

        let uplinks: BTreeMap<_, _> = config
            .uplinks
            .iter()
            .map(|uplink| {
                let counters = Arc::new(Counters::default());
                (uplink.name.clone(), (Outbox::new(counters.clone()), counters))
            })
            .collect();
        let outboxes: BTreeMap<_, _> =
            uplinks.iter().map(|(name, (outbox, _))| (name.clone(), outbox.clone())).collect();
        let pulse = Arc::new(Pulse::default());
        let tickets = Arc::new(Tickets::default());
        let unsaid = Arc::default();
        let world = World {
            doors: doors.clone(),
            uplinks: outboxes.clone(),
            history,
            tickets: tickets.clone(),
            clock: clock.clone(),
            piles: config.piles.iter().map(|pile| pile.code).collect(),
            unsaid: Arc::clone(&unsaid),
        };
        let heart = start_heart(Parts {
            memory: Kept::new(ledger, config.ledger.retention_days),
            outside: world,
            config: config.site_config(),
            clock: clock.clone(),
            inbox: inputs,
            pulse: pulse.clone(),
            data_dir: data_dir.clone(),
        })
        .await?;

        let gate_counters = Arc::new(GateCounters::default());
        let watch = Arc::new(Watch::default());
        let desk = Arc::new(Desk {
            place: config.site.clone(),
            serials: Desk::serials(config),
            uplinks: uplinks.iter().map(|(name, (_, c))| (name.clone(), c.clone())).collect(),
            pulse: pulse.clone(),
            clock: clock.clone(),
            doors: doors.clone(),
            gate: gate_counters.clone(),
            unsaid,
            pages,
            inbox: inbox.clone(),
            tickets,
            watch: watch.clone(),
            importing: Arc::new(Mutex::new(false)),
        });
        if let Some(listener) = http {
            let pages = router(desk.clone(), Access::Read);
            rooms.task("http", async { Ok(status::serve(listener, pages).await?) });
        }
        let pages = router(desk, Access::Control);
        rooms.task("control", async { Ok(status::serve(control, pages).await?) });
        let gate = Gate {
            doors: doors.clone(),
            events,
            inbox: inbox.clone(),
            clock: clock.clone(),
            counters: gate_counters,
        };
        rooms.task("gate", async move {
            gate.run().await;
            Ok(())
        });
        rooms.task("watchdog", {
            let door = Door::new(doors.local_addr(), &probe);
            let (pulse, clock) = (pulse.clone(), clock.clone());
            async move {
                watch.run(pulse, clock, door).await;
                Ok(())
            }
        });
        rooms.task("doors", async { Ok(doors_task.run().await?) });
        let (stop_uplinks, stop) = watch::channel(false);
        for settings in uplink_settings(config, &credentials, &clock)? {
            let (outbox, counters) = uplinks[&settings.name].clone();
            let link = Link::new(settings, outbox, counters, inbox.clone(), stop.clone());
            rooms.task("uplink", async move {
                link.run().await;
                Ok(())
            });
        }
        info!(doors = %doors.local_addr(), "piles may come");
        let socket = config.control.socket.clone();
        Ok(Self { rooms, doors, pulse, inbox, outboxes, stop_uplinks, heart, socket })
    }

    /// Returns when it is time to stop: told so, or a room broke.
    async fn watch(
        &mut self,
        signals: &mut Signals,
        file: &Path,
        level: &LevelSwitch,
    ) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop(name) => {
                        info!(signal = name, "asked to stop");
                        return Ok(());
                    }
                    Signal::Reload => reload(file, level),
                },
                broken = self.broken() => return Err(broken),
            }
        }
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
        // A slow phase must not eat the time of the next one.
        if tokio::time::timeout(DOORS_BUDGET, self.doors.shutdown()).await.is_err() {
            warn!("the doors do not close in time");
        }
        let _ = tokio::time::timeout(DELIVERIES_BUDGET, self.deliver()).await;
        self.stop_uplinks.send_replace(true);
        let _ = tokio::time::timeout(UPLINKS_BUDGET, self.rooms.ended("uplink")).await;
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
            if is_done && self.outboxes.values().all(Outbox::is_drained) {
                return;
            }
            tokio::time::sleep(DELIVERIES_LOOK).await;
        }
    }
}

fn doors_config(config: &Config) -> DoorsConfig {
    let broker = &config.broker;
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let mut doors = DoorsConfig::new(broker.listen);
    doors.max_connections = size(broker.max_connections);
    doors.max_packet_bytes = size(broker.max_packet_bytes);
    doors.connect_timeout = broker.connect_timeout;
    doors
}

/// Tells whatever the opening found.
fn open_ledger(config: &Config) -> Result<Ledger, LedgerError> {
    let min_free_mb = u64::from(config.ledger.min_free_mb);
    let options = Options { min_free_mb, ..Options::default() };
    let (ledger, opening) = Ledger::open(&config.site.data_dir, options)?;
    let Opening { is_fresh, migrated, salvaged, .. } = opening;
    if is_fresh {
        info!("new ledger");
    }
    if let Some(migrated) = migrated {
        info!(from = migrated.from, to = migrated.to, copies = ?migrated.copies, "ledger migrated");
    }
    if let Some(salvaged) = salvaged {
        let (kept, lost) = (salvaged.kept, salvaged.lost);
        let file = salvaged.set_aside.display();
        error!(%file, why = salvaged.why, kept, lost, "the ledger was damaged and is set aside");
    }
    Ok(ledger)
}

/// Starts the heart's thread and waits until the site is restored.
async fn start_heart(
    parts: Parts<Kept, World>,
) -> anyhow::Result<oneshot::Receiver<Result<(), HeartError>>> {
    let (restored, is_restored) = oneshot::channel();
    let (ended, end) = oneshot::channel();
    let beat = move || {
        // Nobody waits for these any more if the program is leaving.
        let heart = match Heart::start(parts) {
            Ok(heart) => heart,
            Err(error) => {
                let _ = restored.send(Err(error));
                return;
            }
        };
        let _ = restored.send(Ok(()));
        let _ = ended.send(heart.run());
    };
    std::thread::Builder::new().name("heart".to_owned()).spawn(beat)?;
    is_restored.await.context("the heart panicked while it restored the site")??;
    Ok(end)
}

fn uplink_settings(
    config: &Config,
    accounts: &Arc<dyn Accounts>,
    clock: &Arc<Clock>,
) -> anyhow::Result<Vec<uplink::Settings>> {
    let stations = config.site_config().uplinks.into_iter().map(|uplink| uplink.station);
    let settings = config.uplinks.iter().zip(stations).map(|(uplink, station)| {
        let tls = uplink.endpoint.ca_file.as_ref().map(|file| {
            let shown = file.display();
            uplink::client_config(file).with_context(|| format!("uplink {}: {shown}", uplink.name))
        });
        let clock = clock.clone();
        Ok(uplink::Settings {
            name: uplink.name.clone(),
            station,
            host: uplink.endpoint.host.clone(),
            port: uplink.endpoint.port,
            tls: tls.transpose()?,
            default_login: Login {
                username: uplink.username.clone(),
                password: uplink.password.expose().to_owned(),
            },
            registration_code: uplink.registration_code.expose().to_owned(),
            login_retry: uplink.login_retry,
            keep_alive: uplink.keep_alive,
            accounts: accounts.clone(),
            now: Arc::new(move || clock.now()),
        })
    });
    settings.collect()
}

/// The log level is what can change while the program runs.
fn reload(file: &Path, level: &LevelSwitch) {
    let loaded = Config::load(file).map_err(anyhow::Error::new);
    match loaded.and_then(|config| level.set(&config.log.level).map(|()| config.log.level)) {
        Ok(level) => info!(level, "log level read again"),
        Err(error) => error!("config not read again: {error:#}"),
    }
}
