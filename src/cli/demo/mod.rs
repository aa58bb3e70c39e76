//! `demo`: a whole site in one process, with a cloud, a regulator, piles and outages, and a verdict.

mod bus;
mod cast;
mod far;
mod place;
mod story;
mod verdict;
mod view;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::task::JoinSet;

use self::{
    bus::{Bus, METERED_PILE, SILENT_PLUG},
    cast::CAST,
    far::Arrived,
    place::{Far, Place},
    story::{Act, story},
    verdict::{Metering, PileBook, Verdict},
    view::View,
};
use super::{Exit, table::print};
use crate::{
    clock::Clock,
    domain::{
        id::{MeterName, PileCode},
        reading::Quality,
        time::Mono,
    },
    ledger,
    peers::{
        backend::{Account, Backend, BackendConfig, Faults},
        ec,
        handle::{self, Handle},
        hosted::Hosted,
        line::{Line, Weather},
        mqtt::{self, Broker},
        pile::{Memory, Pile, PileNews},
    },
    service::supervisor::Running,
    site::snapshot::Snapshot,
};

/// How often the stage is looked at.
const BEAT: Duration = Duration::from_millis(50);

/// Time after the story for everything to settle; enough for a repetition after silence.
const SETTLING_MS: u64 = 60_000;

/// How long a pile stays dark after its power failed.
const DARK_MS: u64 = 1_500;

/// A backend takes its time over an answer, in ms: enough for an outage to hit a replay.
const CLOUD_DELAY_MS: (u64, u64) = (120, 400);

/// How long a pile stays away from doors that are shut, in ms: the first time, and at most.
const BACK_OFF_MS: (u64, u64) = (200, 1_000);

/// Between heartbeats in a demo, in s.
const HEARTBEAT_S: i32 = 5;

/// The regulator's server: it speaks so often that two of its heartbeats come soon, in ms, and
/// stores what it has read a little later.
const REGULATOR: ec::Settings =
    ec::Settings { heartbeat_ms: 700, silence_ms: 5_000, store_ms: 200 };

/// What `demo` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Length of the story
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(story::SHORTEST_S..=story::LONGEST_S))]
    seconds: u64,
    /// The same story for the same seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Plays the demo.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let played = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| {
            let verdict = runtime.block_on(play(arguments));
            runtime.shutdown_background();
            verdict
        });
    match played {
        Ok(verdict) => {
            print(&format!("{verdict}\n"));
            if verdict.is_good() { Exit::Done } else { Exit::Failed }
        }
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            Exit::Failed
        }
    }
}

async fn play(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let clock = Arc::new(Clock::passing());
    let mut stage = Stage::build(arguments, &clock).await?;
    let view = View::new(Duration::from_secs(arguments.seconds));
    view.event(Mono(0), "piles A and C speak 1.10 and B 1.0; B and C have to register first");
    view.event(Mono(0), &stage.words_of_bus());
    view.event(Mono(0), "every order goes to the cloud by MQTT and to a regulator by EC TCP");
    let begin = clock.mono();
    let since = || Mono(clock.mono().since_ms(begin));
    for (at, act) in story(arguments.seed, arguments.seconds) {
        while since() < at {
            stage.beat(&view, since()).await?;
        }
        if let Some(words) = view::words(&act).filter(|_| stage.can(&act)) {
            view.event(since(), &words);
        }
        stage.perform(&act);
    }
    let end = Mono(arguments.seconds * 1000);
    while since() < end || (!stage.is_at_rest() && since() < end.plus_ms(SETTLING_MS)) {
        stage.beat(&view, since()).await?;
    }
    view.finish();
    stage.judge().await
}

/// Everything that plays.
struct Stage {
    place: Place,
    site: Running,
    line: Line,
    cloud: Handle<Backend>,
    line_of_regulator: Line,
    regulator: ec::Server,
    piles: Vec<Handle<Pile>>,
    /// The meters, or why there are none.
    bus: anyhow::Result<Bus>,
    /// What is thought of the meters.
    qualities: BTreeMap<MeterName, Quality>,
    /// What became of the piles, in their order.
    books: Vec<PileBook>,
    /// Cloud, regulator, lines and piles; dropped with the stage.
    players: JoinSet<anyhow::Error>,
}

impl Stage {
    async fn build(arguments: &Arguments, clock: &Arc<Clock>) -> anyhow::Result<Self> {
        let tell: handle::Clock = {
            let clock = Arc::clone(clock);
            Arc::new(move || clock.now())
        };
        let mut players = JoinSet::new();
        let cloud = Handle::new(backend(arguments.seed), Arc::clone(&tell));
        let line = host(&cloud, &mut players).await?;
        let regulator = ec::Server::new(REGULATOR, Arc::clone(&tell));
        let line_of_regulator = host_regulator(&regulator, &mut players).await?;
        let cast = CAST.iter().enumerate();
        let piles: Vec<Handle<Pile>> = cast
            .map(|(index, role)| Handle::new(role.pile(index, arguments.seed), Arc::clone(&tell)))
            .collect();
        let bus = Bus::build(&piles[METERED_PILE], &tell);
        let tables = bus.as_ref().map(Bus::tables).unwrap_or_default();
        let far = Far { cloud: line.address(), regulator: line_of_regulator.address() };
        let place = Place::make(far, &tables)?;
        let site = Running::start(&place.config, &Arc::default()).await?;
        for pile in piles.iter().cloned() {
            enter(pile, &place, &mut players);
        }
        let books = CAST.iter().map(PileBook::of).collect();
        let qualities = BTreeMap::new();
        Ok(Self {
            place,
            site,
            line,
            cloud,
            line_of_regulator,
            regulator,
            piles,
            bus,
            qualities,
            books,
            players,
        })
    }

    fn words_of_bus(&self) -> String {
        match &self.bus {
            Ok(_) => {
                "three meters hang on an RS-485 bus: the site's, and those of pile A".to_owned()
            }
            Err(error) => format!("there are no meters, for want of a pseudo-terminal: {error:#}"),
        }
    }

    /// Lets time pass; what the piles tell goes into their books.
    async fn beat(&mut self, view: &View, at: Mono) -> anyhow::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            broken = self.site.broken() => return Err(broken),
            Some(ended) = self.players.join_next() => {
                return Err(ended.unwrap_or_else(anyhow::Error::from));
            }
        }
        self.note()?;
        if let Some(snapshot) = self.site.snapshot() {
            self.watch_meters(&snapshot, view, at);
            view.show(at, &snapshot);
        }
        Ok(())
    }

    /// Tells when a meter is thought of in another way than before.
    fn watch_meters(&mut self, snapshot: &Snapshot, view: &View, at: Mono) {
        for meter in &snapshot.meters {
            let before = self.qualities.insert(meter.name.clone(), meter.quality);
            if before.is_some_and(|before| before != meter.quality) {
                view.event(at, &format!("meter {} is {}", meter.name, meter.quality.name()));
            }
        }
    }

    fn note(&mut self) -> anyhow::Result<()> {
        for (pile, book) in self.piles.iter().zip(&mut self.books) {
            for news in pile.news().try_iter() {
                match news {
                    PileNews::Booted { .. } => book.boots += 1,
                    PileNews::OrderAnswered(order) => {
                        let code = pile.with(|pile, _| PileCode::new(pile.code()))?;
                        book.orders.push((code, order));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn perform(&self, act: &Act) {
        let pile = |index: &usize| &self.piles[*index];
        match act {
            // A pile that is busy or dark takes no card, as in life.
            Act::Card { pile: index, plug, card } => {
                pile(index).with(|pile, now| pile.start(*plug, card, now));
            }
            Act::Stop { pile: index, plug } => {
                pile(index).with(|pile, now| pile.stop(*plug, now));
            }
            Act::Cut { .. } => self.line.set(Weather::Cut),
            Act::Heal => self.line.set(Weather::Good),
            Act::CutRegulator => self.line_of_regulator.set(Weather::Cut),
            Act::HealRegulator => self.line_of_regulator.set(Weather::Good),
            Act::Hang => self.regulator.fail(ec::Faults { deaf: true, mute: true }),
            Act::Restart => self.regulator.restart(),
            Act::Repeat { pile: index } => {
                pile(index).with(|pile, now| pile.repeat_last_order(now));
            }
            Act::Dispute { pile: index } => {
                pile(index).with(|pile, now| pile.dispute_last_order(now));
            }
            Act::Silence => self.with_bus(|bus| bus.fall_silent(SILENT_PLUG)),
            Act::Speech => self.with_bus(|bus| bus.speak(SILENT_PLUG)),
            Act::PowerCut { pile: index } => {
                pile(index).with(|pile, now| pile.power_cut(DARK_MS, Memory::Lost, now));
            }
        }
    }

    /// Whether anything comes of an act.
    fn can(&self, act: &Act) -> bool {
        self.bus.is_ok() || !matches!(act, Act::Silence | Act::Speech)
    }

    fn with_bus(&self, act: impl FnOnce(&Bus)) {
        // Without meters nothing becomes of it.
        let _ = self.bus.as_ref().map(act);
    }

    /// Nothing runs, nothing is owed, and no pile waits for an answer.
    fn is_at_rest(&self) -> bool {
        let quiet = |snapshot: Arc<Snapshot>| snapshot.open.is_empty() && snapshot.unsettled == 0;
        let piles_wait =
            self.piles.iter().any(|pile| pile.with(|pile, _| pile.store().unanswered() > 0));
        self.site.snapshot().is_some_and(quiet) && !piles_wait
    }

    /// Stops the site in order and compares the books.
    async fn judge(mut self) -> anyhow::Result<Verdict> {
        self.note()?;
        let cloud = self.cloud.with(|cloud, _| cloud.books().clone());
        let regulator = self.regulator.books();
        self.site.stop().await.context("the site did not stop in order")?;
        let reader = ledger::open_copy(&self.place.config.site.data_dir)
            .context("cannot read the ledger")?;
        let mut orders = Vec::new();
        reader.export(&ledger::Filter::default(), |order| {
            orders.push(order.clone());
            Ok::<(), ledger::LedgerError>(())
        })?;
        let metering = if self.bus.is_ok() { Metering::Expected } else { Metering::Impossible };
        let uplinks =
            vec![Arrived::at_cloud(&orders, &cloud), Arrived::at_regulator(&orders, &regulator)];
        Ok(Verdict::of(self.books, &orders, uplinks, metering))
    }
}

/// Lets the cloud listen, at the far end of a line that can be cut.
async fn host(
    cloud: &Handle<Backend>,
    players: &mut JoinSet<anyhow::Error>,
) -> anyhow::Result<Line> {
    let default =
        Account { device: place::DEFAULT_USER.to_owned(), password: place::PASSWORD.to_owned() };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let hosted = Hosted::bind(listen, cloud.clone(), default)?;
    let address = hosted.address();
    players.spawn(async {
        match hosted.run().await {
            Err(error) => error.into(),
            Ok(()) => anyhow::anyhow!("the cloud ended by itself"),
        }
    });
    lay_line(address, players).await
}

/// Lets the regulator's server listen, at the far end of another line.
async fn host_regulator(
    regulator: &ec::Server,
    players: &mut JoinSet<anyhow::Error>,
) -> anyhow::Result<Line> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let tcp = ec::serve::Tcp::bind(listen, regulator.clone()).await?;
    let address = tcp.address()?;
    players.spawn(async {
        tcp.run().await;
        anyhow::anyhow!("the regulator's server ended by itself")
    });
    lay_line(address, players).await
}

async fn lay_line(to: SocketAddr, players: &mut JoinSet<anyhow::Error>) -> anyhow::Result<Line> {
    let (line, forward) = Line::to(to).await?;
    players.spawn(async {
        forward.run().await;
        anyhow::anyhow!("a line ended by itself")
    });
    Ok(line)
}

/// Lets a pile come to the site's doors.
fn enter(pile: Handle<Pile>, place: &Place, players: &mut JoinSet<anyhow::Error>) {
    let mut broker = Broker::plain("127.0.0.1", place.doors);
    broker.back_off_ms = BACK_OFF_MS;
    players.spawn(async {
        mqtt::run(pile, broker).await;
        anyhow::anyhow!("a pile ended by itself")
    });
}

fn backend(seed: u64) -> Backend {
    let mut config = BackendConfig::new(seed);
    config.interval_s = HEARTBEAT_S;
    config.registration_code = place::REGISTRATION_CODE.to_owned();
    let mut backend = Backend::new(config);
    backend.faults = Faults { delay_ms: Some(CLOUD_DELAY_MS), ..Faults::default() };
    backend
}
