//! Starts every room, in an order in which nothing speaks before somebody listens.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{oneshot, watch},
};
use tracing::{field, info};

use super::{
    Running,
    ledger::open as open_ledger,
    listen,
    rooms::Rooms,
    uplinks::{outboxes, stations},
};
use crate::{
    broker::{DoorEvent, Doors, DoorsConfig, DoorsTask, TlsDoor, WallClock},
    clock::Clock,
    domain::id::UplinkName,
    ledger::Ledger,
    protocol::charger::station,
    service::{
        config::{Config, Observer},
        credentials::Credentials,
        doorkeeper,
        enrolment::{self, Reception, Task},
        expiry,
        gate::{Gate, GateCounters},
        heart::{Heart, HeartError, Kept, Parts, Pulse},
        meters::{Board, Buses, Life},
        notify::{Manager, Teller},
        outside::{Tickets, World},
        piles::{Piles, Probe},
        reader::{self, Page},
        roster::Roster,
        source::Desk,
        watchdog::{Door, Watch},
    },
    site::{Input, command::Query},
    status::{self, Access, router},
    uplink::{Accounts, Counters, Outbox},
};

/// Inputs that wait for the heart: a few batches. Beyond it the doors stop reading.
const INBOX: usize = 1024;

/// Publishes of the piles that wait for the site, with the inputs they have become: each pile has
/// a share of these places. A few batches; as many as the inbox holds, which so has room for them.
const DOOR_EVENTS: usize = INBOX;

/// What the rooms share.
pub(super) struct Shared<'c> {
    pub(super) config: &'c Config,
    pub(super) clock: Arc<Clock>,
    pulse: Arc<Pulse>,
    pub(super) inbox: flume::Sender<Input>,
    doors: Doors,
    pub(super) uplinks: BTreeMap<UplinkName, (Outbox, Arc<Counters>)>,
    tickets: Arc<Tickets>,
    gate: Arc<GateCounters>,
    unsaid: Arc<AtomicU64>,
    watch: Arc<Watch>,
    roster: Arc<Roster>,
    reception: Arc<Reception>,
    buses: Arc<Buses>,
    /// What each uplink has to know of the site.
    pub(super) stations: BTreeMap<UplinkName, watch::Sender<station::Settings>>,
}

/// What exactly one room takes.
struct Ends {
    doors: DoorsTask,
    events: flume::Receiver<DoorEvent>,
    tasks: flume::Receiver<Task>,
    probe: Probe,
    http: Option<TcpListener>,
    control: UnixListener,
    buses: Vec<Life>,
}

impl Running {
    /// Starts every room on the runtime it is called in.
    ///
    /// # Errors
    ///
    /// If a room cannot start.
    pub async fn start(config: &Config, manager: &Arc<Manager>) -> anyhow::Result<Self> {
        let data_dir = &config.site.data_dir;
        let accounts: Arc<dyn Accounts> =
            Arc::new(Credentials::open(data_dir).context("cannot read issued accounts")?);
        let (ledger, damage) = open_ledger(config, manager)?;
        let (inbox, inputs) = flume::bounded(INBOX);
        if let Some(text) = damage {
            inbox.try_send(Input::LedgerDamaged { text }).expect("the inbox is empty");
        }
        let (shared, ends) = Shared::open(config, inbox).await?;
        let door = Door::new(shared.doors.clone(), &ends.probe);
        let mut rooms = Rooms::default();
        let (history, pages) = shared.start_readers(&mut rooms, &ledger)?;
        let heart = shared.start_heart(ledger, inputs, history).await?;
        // The heart restores the site first; from here on everybody may speak.
        shared.start_speakers(&mut rooms, ends, pages)?;
        let teller = shared.start_watchers(&mut rooms, door, manager);
        let stop_uplinks = shared.start_uplinks(&mut rooms, &accounts)?;
        let (plain, tls) = (shared.doors.plain_address(), shared.doors.tls_address());
        info!(plain = plain.map(field::display), tls = tls.map(field::display), "piles may come");
        Ok(Self {
            rooms,
            doors: shared.doors,
            buses: shared.buses,
            pulse: shared.pulse,
            inbox: shared.inbox,
            outboxes: shared.uplinks.into_values().map(|(outbox, _)| outbox).collect(),
            stop_uplinks,
            watchdog: shared.watch,
            manager: manager.clone(),
            teller,
            heart,
            socket: config.control.socket.clone(),
        })
    }
}

impl<'c> Shared<'c> {
    /// Opens and binds what rooms share; nobody is served yet.
    async fn open(config: &'c Config, inbox: flume::Sender<Input>) -> anyhow::Result<(Self, Ends)> {
        let clock = Arc::new(Clock::open(&config.site.data_dir));
        let roster = Arc::new(Roster::open(config)?);
        let (reception, tasks) = Reception::new();
        let reception = Arc::new(reception);
        let probe = Probe::new().context("no randomness")?;
        let registry = Piles::new(
            roster.clone(),
            &config.broker.observers,
            config.broker.registration.clone(),
            reception.clone(),
            clock.clone(),
            probe.clone(),
        );
        let (door_events, events) = flume::bounded(DOOR_EVENTS);
        let settings = doors_config(config, &clock);
        let (doors, task) = Doors::bind(settings, Arc::new(registry), door_events)?;
        let http = listen::http(config).await?;
        let control = listen::control(&config.control.socket).await?;
        let (buses, lives) = Buses::new(config, &clock);
        let shared = Shared {
            config,
            clock,
            pulse: Arc::default(),
            inbox,
            doors,
            uplinks: outboxes(config),
            tickets: Arc::default(),
            gate: Arc::default(),
            unsaid: Arc::default(),
            watch: Arc::default(),
            stations: stations(config, &roster),
            buses: Arc::new(buses),
            roster,
            reception,
        };
        Ok((shared, Ends { doors: task, events, tasks, probe, http, control, buses: lives }))
    }

    /// Everything that speaks with piles and people.
    fn start_speakers(
        &self,
        rooms: &mut Rooms,
        ends: Ends,
        pages: flume::Sender<Page>,
    ) -> anyhow::Result<()> {
        self.start_pages(rooms, pages, ends.http, ends.control);
        self.start_gate(rooms, ends.events);
        self.start_enrolment(rooms, ends.tasks)?;
        self.start_doorkeeper(rooms);
        self.start_expiry(rooms);
        self.start_meters(rooms, ends.buses)?;
        rooms.task("doors", async { Ok(ends.doors.run().await?) });
        Ok(())
    }

    /// The threads that read the ledger beside the heart, and where they are asked.
    fn start_readers(
        &self,
        rooms: &mut Rooms,
        ledger: &Ledger,
    ) -> anyhow::Result<(flume::Sender<Query>, flume::Sender<Page>)> {
        let (history, questions) = flume::bounded(reader::HISTORY_QUEUE);
        let (pages, pages_wanted) = flume::bounded(reader::PAGES_QUEUE);
        let (for_site, for_pages) = (ledger.reader()?, ledger.reader()?);
        let answers = self.inbox.clone();
        rooms.thread("history", move || {
            reader::answer_site(&for_site, &questions, &answers).map_err(Into::into)
        })?;
        rooms.thread("pages", move || {
            reader::answer_pages(&for_pages, &pages_wanted);
            Ok(())
        })?;
        Ok((history, pages))
    }

    /// Starts the heart's thread and waits until the site is restored.
    async fn start_heart(
        &self,
        ledger: Ledger,
        inbox: flume::Receiver<Input>,
        history: flume::Sender<Query>,
    ) -> anyhow::Result<oneshot::Receiver<Result<(), HeartError>>> {
        let outboxes =
            self.uplinks.iter().map(|(name, (outbox, _))| (name.clone(), outbox.clone()));
        let outside = World {
            doors: self.doors.clone(),
            uplinks: outboxes.collect(),
            buses: self.buses.clone(),
            history,
            tickets: self.tickets.clone(),
            clock: self.clock.clone(),
            roster: self.roster.clone(),
            unsaid: self.unsaid.clone(),
        };
        let parts = Parts {
            memory: Kept::new(ledger, self.config.ledger.retention_days),
            outside,
            config: self.config.site_config(self.roster.site_piles()),
            clock: self.clock.clone(),
            inbox,
            pulse: self.pulse.clone(),
            data_dir: self.config.site.data_dir.clone(),
        };
        let (restored, is_restored) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let thread = std::thread::Builder::new().name("heart".to_owned());
        thread.spawn(move || beat(parts, restored, ended))?;
        is_restored.await.context("the heart panicked while it restored the site")??;
        Ok(end)
    }

    /// Serves the pages: to look at over HTTP, to command with over the control socket.
    fn start_pages(
        &self,
        rooms: &mut Rooms,
        pages: flume::Sender<Page>,
        http: Option<TcpListener>,
        control: UnixListener,
    ) {
        let desk = self.desk(pages);
        if let Some(listener) = http {
            let pages = router(desk.clone(), Access::Read);
            rooms.task("http", async { Ok(status::serve(listener, pages).await?) });
        }
        let pages = router(desk, Access::Control);
        rooms.task("control", async { Ok(status::serve(control, pages).await?) });
    }

    fn desk(&self, pages: flume::Sender<Page>) -> Arc<Desk> {
        let counters = self.uplinks.iter().map(|(name, (_, all))| (name.clone(), all.clone()));
        Arc::new(Desk {
            place: self.config.site.clone(),
            roster: self.roster.clone(),
            reception: self.reception.clone(),
            uplinks: counters.collect(),
            buses: self.buses.clone(),
            pulse: self.pulse.clone(),
            clock: self.clock.clone(),
            doors: self.doors.clone(),
            gate: self.gate.clone(),
            unsaid: self.unsaid.clone(),
            pages,
            inbox: self.inbox.clone(),
            tickets: self.tickets.clone(),
            watch: self.watch.clone(),
            importing: Arc::new(Mutex::new(false)),
        })
    }

    fn start_gate(&self, rooms: &mut Rooms, events: flume::Receiver<DoorEvent>) {
        let gate = Gate {
            doors: self.doors.clone(),
            events,
            roster: self.roster.clone(),
            inbox: self.inbox.clone(),
            clock: self.clock.clone(),
            counters: self.gate.clone(),
            reception: self.reception.clone(),
        };
        rooms.task("gate", async move {
            gate.run().await;
            Ok(())
        });
    }

    /// The thread that waits for the disk before a pile is told its account.
    fn start_enrolment(
        &self,
        rooms: &mut Rooms,
        tasks: flume::Receiver<Task>,
    ) -> anyhow::Result<()> {
        let room = enrolment::Room {
            roster: self.roster.clone(),
            terms: self.config.broker.registration.clone(),
            reception: self.reception.clone(),
            tasks,
            doors: self.doors.clone(),
            inbox: self.inbox.clone(),
            stations: self.stations.values().cloned().collect(),
            clock: self.clock.clone(),
        };
        rooms.thread("enrolment", move || {
            room.run();
            Ok(())
        })
    }

    fn start_doorkeeper(&self, rooms: &mut Rooms) {
        let (doors, inbox) = (self.doors.clone(), self.inbox.clone());
        rooms.task("doorkeeper", async move {
            doorkeeper::watch(doors, inbox).await;
            Ok(())
        });
    }

    /// Those that look after the others, and tell the service manager.
    fn start_watchers(&self, rooms: &mut Rooms, door: Door, manager: &Arc<Manager>) -> Arc<Teller> {
        let (watch, pulse, clock) = (self.watch.clone(), self.pulse.clone(), self.clock.clone());
        let teller = Teller::new(manager.clone(), pulse.clone(), watch.clone(), clock.clone());
        let (teller, fed) = (Arc::new(teller), manager.clone());
        rooms.task("watchdog", async move {
            watch.run(pulse, clock, door, fed).await;
            Ok(())
        });
        let telling = teller.clone();
        rooms.task("teller", async move {
            telling.run().await;
            Ok(())
        });
        teller
    }

    fn start_expiry(&self, rooms: &mut Rooms) {
        let (doors, clock, inbox) = (self.doors.clone(), self.clock.clone(), self.inbox.clone());
        rooms.task("expiry", async {
            expiry::watch(doors, clock, inbox).await;
            Ok(())
        });
    }

    /// One thread for each bus, and the task that hands readings to the site. A port that is gone
    /// is the bus's own matter; a bus that ends is a broken room.
    fn start_meters(&self, rooms: &mut Rooms, buses: Vec<Life>) -> anyhow::Result<()> {
        let board = Arc::new(Board::default());
        for bus in buses {
            let board = board.clone();
            rooms.thread("bus", move || bus.run(&board))?;
        }
        let inbox = self.inbox.clone();
        rooms.task("board", async move {
            board.run(inbox).await;
            Ok(())
        });
        Ok(())
    }
}

/// Life of the heart. Nobody waits for what it tells any more if the program is leaving.
fn beat(
    parts: Parts<Kept, World>,
    restored: oneshot::Sender<Result<(), HeartError>>,
    ended: oneshot::Sender<Result<(), HeartError>>,
) {
    let heart = match Heart::start(parts) {
        Ok(heart) => heart,
        Err(error) => {
            let _ = restored.send(Err(error));
            return;
        }
    };
    let _ = restored.send(Ok(()));
    let _ = ended.send(heart.run());
}

fn doors_config(config: &Config, clock: &Arc<Clock>) -> DoorsConfig {
    let broker = &config.broker;
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let tls = broker.tls.as_ref().map(|tls| {
        let clock = clock.clone();
        let wall: WallClock = Arc::new(move || clock.now().wall);
        TlsDoor { listen: tls.listen, keys: tls.keys.clone(), wall }
    });
    let mut doors = DoorsConfig { listen: broker.listen, tls, ..DoorsConfig::default() };
    doors.max_connections = size(broker.max_connections);
    doors.max_packet_bytes = size(broker.max_packet_bytes);
    doors.connect_timeout = broker.connect_timeout;
    doors.pace = broker.pace;
    doors.shown = Observer::visible().to_vec();
    doors
}
