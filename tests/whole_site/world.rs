//! The simulated world: piles, lines, the site with its real codecs and ledger, and a backend, in
//! virtual time.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;
use sitepilot::{
    domain::{
        connector::PileKind,
        event::{PileEvent, UplinkEvent},
        id::{ConnectionId, ConnectorNo, PileCode, UplinkName},
        news::Parting,
        reply::ToPile,
        time::{ClockQuality, Mono, Now, Wall},
        wire::Revision,
    },
    ledger::{Ledger, Options, Reader},
    peers::{
        Effect, Machine,
        backend::{Backend, BackendConfig, BackendNews},
        pile::{AnsweredOrder, AutoPlan, Pile, PileConfig, PileNews, Reports},
    },
    protocol::charger::{
        backend as pile_side, station,
        topic::{Class, Topic},
    },
    site::{self, Input, Site, SiteConfig, UplinkConfig, Wire, command::Command, step::Step},
};

/// Device code of the site at the backend.
pub const DEVICE: &str = "CLOUDDEV00000001";
/// Wall clock at the begin.
const BEGIN_MS: i64 = 1_795_000_000_000;
/// One way between pile and site, and between site and backend.
const NEAR_MS: u64 = 3;
const FAR_MS: u64 = 45;
/// A dead peer of the uplink is noticed after this.
const RECONNECT_MS: u64 = 800;

/// A pile and its line.
pub struct Place {
    pub code: PileCode,
    pub pile: Pile,
    pub revision: Revision,
    pub news: Vec<PileNews>,
    /// Orders it was answered for, and what it says of them.
    pub answered: Vec<(AnsweredOrder, Reports)>,
    connection: Option<ConnectionId>,
    pub away_until: u64,
}

/// The controller while it runs.
struct Controller {
    site: Site,
    ledger: Ledger,
    reader: Reader,
    born: u64,
}

/// A message on its way.
enum Flight {
    ToSite { at: usize, connection: ConnectionId, class: Class, payload: Bytes },
    ToPile { at: usize, connection: ConnectionId, payload: Bytes },
    Up { link: u64, topic: String, payload: Bytes },
    Down { link: u64, payload: Bytes },
}

pub struct World {
    /// What the backend speaks.
    pub cloud: Revision,
    pub mono: u64,
    pub rng: fastrand::Rng,
    pub places: Vec<Place>,
    pub backend: Backend,
    pub told: Vec<BackendNews>,
    controller: Option<Controller>,
    pub down_until: u64,
    /// Number of the uplink's connection, while it is up.
    link: Option<u64>,
    pub link_away_until: u64,
    flights: BTreeMap<(u64, u64), Flight>,
    counter: u64,
    dir: PathBuf,
    pub crashes: u32,
    /// The next commit is the last thing the controller does.
    pub crash_after_commit: bool,
}

pub fn pile_code(number: usize) -> PileCode {
    PileCode::new(&format!("31011500120{:05}", number + 1)).expect("16 digits")
}

fn uplink() -> UplinkName {
    UplinkName::new("cloud").expect("short")
}

fn site_config(cloud: Revision, piles: &[Revision]) -> SiteConfig {
    let no = |n: usize| ConnectorNo::new(u16::try_from(n).expect("few")).expect("not 0");
    let numbers = |at: usize| vec![no(2 * at + 1), no(2 * at + 2)];
    let config =
        |at| site::PileConfig { revision: piles[at], kind: PileKind::Dc, connectors: numbers(at) };
    let plugs = |at| numbers(at).into_iter().zip(1..).map(move |(c, p)| (c, (pile_code(at), p)));
    let station = station::Settings {
        revision: cloud,
        part_number: "SIM".to_owned(),
        serial: "SP1".to_owned(),
        vendor: "SIM".to_owned(),
        elec_data_unit: station::ELEC_DATA_UNIT,
        connectors: (0..piles.len()).flat_map(plugs).collect(),
    };
    SiteConfig {
        piles: (0..piles.len()).map(|at| (pile_code(at), config(at))).collect(),
        uplinks: vec![UplinkConfig {
            name: uplink(),
            wire: Wire::Charger(station),
            primary: true,
            commands: true,
            required: true,
            answer_timeout_ms: 1_000,
            orders_since_s: None,
            max_orders_per_s: None,
        }],
        meters: Vec::new(),
        heartbeat_interval_s: 30,
        interrupted_grace_ms: 600_000,
        undated_hold_ms: 3_600_000,
        stop_refused: false,
    }
}

impl World {
    /// A backend that speaks `cloud`, and a pile for each of `piles`.
    pub fn new(seed: u64, cloud: Revision, piles: &[Revision], dir: PathBuf) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut place = |at: usize| {
            let code = pile_code(at);
            let mut config = PileConfig::new(code.as_str(), &format!("ZD{at}"), "", rng.u64(..));
            config.revision = piles[at];
            config.speed = 50;
            config.auto = Some(AutoPlan {
                idle_ms: (500, 20_000),
                charge_ms: (1_000, 60_000),
                cards: (0..5).map(|n| format!("CARD{n}")).collect(),
            });
            Place {
                code,
                revision: config.revision,
                pile: Pile::new(config),
                news: Vec::new(),
                answered: Vec::new(),
                connection: None,
                away_until: 0,
            }
        };
        let places = (0..piles.len()).map(&mut place).collect();
        let mut backend = BackendConfig::new(rng.u64(..));
        backend.revision = cloud;
        Self {
            cloud,
            mono: 0,
            places,
            backend: Backend::new(backend),
            told: Vec::new(),
            controller: None,
            down_until: 0,
            link: None,
            link_away_until: 0,
            flights: BTreeMap::new(),
            counter: 0,
            dir,
            crashes: 0,
            crash_after_commit: false,
            rng,
        }
    }

    fn site_config(&self) -> SiteConfig {
        let piles: Vec<Revision> = self.places.iter().map(|place| place.revision).collect();
        site_config(self.cloud, &piles)
    }

    pub fn now(&self) -> Now {
        let unix_ms = BEGIN_MS + i64::try_from(self.mono).expect("short");
        Now { mono: Mono(self.mono), wall: Wall { unix_ms, quality: ClockQuality::Synced } }
    }

    /// The controller's own time: its run began at 0.
    fn its_now(&self, born: u64) -> Now {
        Now { mono: Mono(self.mono - born), wall: self.now().wall }
    }

    fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn launch(&mut self, delay_ms: u64, flight: Flight) {
        let number = self.number();
        self.flights.insert((self.mono + delay_ms, number), flight);
    }

    /// Lets so much time pass, a millisecond or more at a time.
    pub fn pass(&mut self, ms: u64) {
        let end = self.mono + ms;
        while self.mono < end {
            self.mono = self.next_moment().clamp(self.mono + 1, end);
            self.moment();
        }
    }

    fn next_moment(&self) -> u64 {
        let piles = self.places.iter().filter_map(|p| p.pile.deadline()).map(|m| m.0);
        let backend = self.backend.deadline().map(|m| m.0);
        let site = self.controller.as_ref();
        let site = site.and_then(|c| c.site.deadline().map(|m| m.0 + c.born));
        let flight = self.flights.keys().next().map(|(at, _)| *at);
        // Reconnecting piles, links and controllers are looked after in passing.
        piles.chain(backend).chain(site).chain(flight).min().unwrap_or(u64::MAX).min(self.mono + 50)
    }

    fn moment(&mut self) {
        if self.controller.is_none() && self.mono >= self.down_until {
            self.start();
        }
        self.connect();
        while let Some(entry) = self.flights.first_entry() {
            if entry.key().0 > self.mono {
                break;
            }
            let flight = entry.remove();
            self.land(flight);
        }
        let now = self.now();
        for at in 0..self.places.len() {
            self.places[at].pile.tick(now);
        }
        self.backend.tick(now);
        self.step(vec![Input::Tick]);
        self.collect();
    }

    fn start(&mut self) {
        let options = Options { min_free_mb: 0, ..Options::default() };
        let (mut ledger, _) = Ledger::open(&self.dir, options).expect("the ledger opens");
        let image = ledger.load().expect("the ledger loads");
        let reader = ledger.reader().expect("the reader opens");
        let now = self.its_now(self.mono);
        let (site, step) = Site::restore(image, self.site_config(), now);
        self.controller = Some(Controller { site, ledger, reader, born: self.mono });
        self.commit(step);
    }

    /// The power of the controller fails.
    pub fn crash(&mut self, down_ms: u64) {
        self.crashes += 1;
        self.controller = None;
        self.down_until = self.mono + down_ms;
        self.link = None;
        for at in 0..self.places.len() {
            self.lose_pile(at);
        }
    }

    /// The line of a pile fails.
    pub fn cut_pile(&mut self, at: usize, away_ms: u64) {
        self.places[at].away_until = self.mono + away_ms;
        if let Some(connection) = self.places[at].connection {
            let event =
                PileEvent::Gone { connection, parting: Parting::Lost, reason: "cut".to_owned() };
            self.tell(at, event);
        }
        self.lose_pile(at);
    }

    fn lose_pile(&mut self, at: usize) {
        let now = self.now();
        if self.places[at].connection.take().is_some() {
            self.places[at].pile.disconnected(now);
        }
    }

    /// The line to the backend fails.
    pub fn cut_link(&mut self, away_ms: u64) {
        self.link_away_until = self.mono + away_ms;
        if self.link.take().is_some() {
            let event = UplinkEvent::Disconnected { reason: "cut".to_owned() };
            self.step(vec![Input::Uplink { uplink: uplink(), event }]);
        }
    }

    fn connect(&mut self) {
        if self.controller.is_none() {
            return;
        }
        if self.link.is_none() && self.mono >= self.link_away_until {
            self.link_away_until = self.mono + RECONNECT_MS;
            self.link = Some(self.number());
            let event = UplinkEvent::Connected;
            self.step(vec![Input::Uplink { uplink: uplink(), event }]);
        }
        for at in 0..self.places.len() {
            let waits = self.places[at].connection.is_none();
            if waits && self.mono >= self.places[at].away_until && self.controller.is_some() {
                let connection = ConnectionId(self.number());
                self.places[at].connection = Some(connection);
                let address = String::new();
                self.tell(at, PileEvent::Connected { connection, address });
                let now = self.now();
                self.places[at].pile.connected(now);
            }
        }
    }

    fn tell(&mut self, at: usize, event: PileEvent) {
        let pile = self.places[at].code;
        self.step(vec![Input::Pile { pile, event, known: Vec::new() }]);
    }

    fn land(&mut self, flight: Flight) {
        let now = self.now();
        match flight {
            Flight::ToSite { at, connection, class, payload } => {
                if self.places[at].connection == Some(connection) {
                    let event = pile_side::decode(connection, class, &payload);
                    self.tell(at, event.expect("a simulated pile speaks the protocol").event);
                }
            }
            Flight::ToPile { at, connection, payload } => {
                if self.places[at].connection == Some(connection) {
                    self.places[at].pile.receive("", &payload, now);
                }
            }
            Flight::Up { link, topic, payload } => {
                if self.link == Some(link) {
                    self.backend.receive(&topic, &payload, now);
                }
            }
            Flight::Down { link, payload } => {
                if self.link == Some(link) {
                    let settings = self.site_config().uplinks.remove(0).wire;
                    let Wire::Charger(settings) = settings else {
                        panic!("a charging-station uplink")
                    };
                    let event = station::decode(Class::Command, &payload, &settings);
                    let event = event.expect("a simulated backend speaks the protocol");
                    self.step(vec![Input::Uplink { uplink: uplink(), event }]);
                }
            }
        }
    }

    /// Steps inputs and whatever history they ask for, and commits them together.
    fn step(&mut self, inputs: Vec<Input>) {
        let Some(mut c) = self.controller.take() else { return };
        let now = self.its_now(c.born);
        let mut step = Step::default();
        for mut input in inputs {
            if let Some(lookup) = input.lookup() {
                input.learn(c.ledger.lookup(&lookup).expect("the ledger looks up"));
            }
            step.append(c.site.step(input, now));
        }
        self.controller = Some(c);
        self.commit(step);
    }

    fn commit(&mut self, step: Step) {
        let Some(c) = &mut self.controller else { return };
        let is_dangerous = self.crash_after_commit && !step.entries().is_empty();
        let is_derived = step.is_derived();
        let released = c.ledger.commit(step).expect("the ledger commits");
        if is_derived {
            c.site.refresh(&c.ledger.load().expect("the ledger loads"));
        }
        if is_dangerous {
            self.crash_after_commit = false;
            let down_ms = self.rng.u64(100..3_000);
            return self.crash(down_ms);
        }
        let mut loaded = Vec::new();
        for command in released {
            match command {
                Command::Pile { pile, message } => self.send_pile(pile, &message),
                Command::Uplink { message, .. } => self.send_backend(&message),
                Command::Load(query) => {
                    let Some(c) = &self.controller else { return };
                    let (orders, total) = c.reader.query(&query).expect("the reader reads");
                    loaded.push(Input::Loaded { query, orders, total });
                }
                Command::ReadMeter { .. } | Command::Time { .. } | Command::Operator { .. } => {}
            }
        }
        if !loaded.is_empty() {
            self.step(loaded);
        }
    }

    fn send_pile(&mut self, pile: PileCode, message: &ToPile) {
        let at_s = Some(self.now().wall.unix_s());
        let at = self.places.iter().position(|p| p.code == pile).expect("a known pile");
        let revision = self.places[at].revision;
        let encoded = pile_side::encode(message, revision, at_s).expect("it encodes");
        // 1.0 has no answer to some requests.
        let Some((_, payload)) = encoded else { return };
        let connection = match message {
            ToPile::Answer { id, .. } => id.connection,
            ToPile::Call { connection, .. } => *connection,
        };
        self.launch(NEAR_MS, Flight::ToPile { at, connection, payload });
    }

    fn send_backend(&mut self, message: &sitepilot::domain::reply::ToUplink) {
        let Some(link) = self.link else { return };
        let settings = self.site_config().uplinks.remove(0).wire;
        let Wire::Charger(settings) = settings else { panic!("a charging-station uplink") };
        let at_s = Some(self.now().wall.unix_s());
        let encoded = station::encode(message, &settings, at_s).expect("it encodes");
        // The answer of a pile may be one that 1.0 does not have.
        let Some((class, payload)) = encoded else { return };
        let topic = Topic::up(class, DEVICE).to_string();
        self.launch(FAR_MS, Flight::Up { link, topic, payload });
    }

    /// Takes what the machines want done.
    pub fn collect(&mut self) {
        for at in 0..self.places.len() {
            let place = &mut self.places[at];
            while let Some(news) = place.pile.take_news() {
                if let PileNews::OrderAnswered(order) = &news {
                    let reports = place.pile.reports(order.record).expect("it is in memory");
                    place.answered.push((order.clone(), reports));
                }
                place.news.push(news);
            }
            let effects: Vec<_> = std::iter::from_fn(|| place.pile.take_effect()).collect();
            for effect in effects {
                match effect {
                    Effect::Cut { away_ms } => self.cut_pile(at, away_ms),
                    Effect::Publish(outgoing) => {
                        let Some(connection) = self.places[at].connection else { continue };
                        let topic = Topic::parse(&outgoing.topic).expect("a topic of the protocol");
                        let (class, payload) = (topic.class, outgoing.payload);
                        self.launch(NEAR_MS, Flight::ToSite { at, connection, class, payload });
                    }
                }
            }
        }
        self.told.extend(std::iter::from_fn(|| self.backend.take_news()));
        let effects: Vec<_> = std::iter::from_fn(|| self.backend.take_effect()).collect();
        for effect in effects {
            if let (Effect::Publish(outgoing), Some(link)) = (effect, self.link) {
                self.launch(FAR_MS, Flight::Down { link, payload: outgoing.payload });
            }
        }
    }

    /// The ledger of the running controller.
    pub fn ledger(&self) -> (&Ledger, &Reader) {
        let c = self.controller.as_ref().expect("the controller runs");
        (&c.ledger, &c.reader)
    }
}
