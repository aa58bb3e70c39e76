//! A simulated pile of either revision.
//!
//! From the pile's point of view the site controller is the backend. Its wall clock is the one it
//! is given; `speed` multiplies the power and not the clock.

mod charge;
mod operate;
mod order;
mod report;
mod serve;
mod talk;

use std::collections::{BTreeMap, VecDeque};

pub use order::{Order, OrderPhase, Store};
pub use report::Reports;

use super::{Class, Effect, Login, Machine, apdu::wire};
use crate::domain::{
    quantity::{Energy, Money},
    time::{Mono, Now},
    wire::Revision,
};
use charge::Connector;
use operate::Firmware;
use talk::Open;

/// How often a pile does what.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// An unanswered request is sent again after this.
    pub answer_ms: u64,
    /// Between boot attempts.
    pub boot_retry_ms: u64,
    /// Between charging informations of one order.
    pub info_ms: u64,
    /// Between telemetry reports.
    pub telemetry_ms: u64,
    /// From a remote start to the vehicle being plugged in.
    pub plug_ms: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_ms: 10_000,
            boot_retry_ms: 10_000,
            info_ms: 15_000,
            telemetry_ms: 30_000,
            plug_ms: 1_000,
        }
    }
}

/// Sessions a pile begins by itself, its times drawn from the seed.
#[derive(Debug, Clone)]
pub struct AutoPlan {
    /// Least and longest pause of a connector.
    pub idle_ms: (u64, u64),
    /// Shortest and longest charge.
    pub charge_ms: (u64, u64),
    /// Cards to choose from.
    pub cards: Vec<String>,
}

/// How a pile without a code gets one.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Default account.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Registration code.
    pub code: String,
}

/// What a pile is made from.
#[derive(Debug, Clone)]
pub struct PileConfig {
    /// First half of the client id.
    pub part_number: String,
    /// Second half of the client id.
    pub serial: String,
    /// Device code; empty before registration.
    pub code: String,
    /// User; the pile code unless registration says otherwise.
    pub username: String,
    /// Password.
    pub password: String,
    /// Registers first if set and `code` is empty.
    pub registration: Option<Registration>,
    /// Number of connectors.
    pub connectors: u16,
    /// Chance.
    pub seed: u64,
    /// The revision it speaks.
    pub revision: Revision,
    /// Multiplies the power.
    pub speed: u32,
    /// Site's local time.
    pub utc_offset_minutes: i32,
    /// How often it does what.
    pub timing: Timing,
    /// Sessions by itself.
    pub auto: Option<AutoPlan>,
}

impl PileConfig {
    /// A registered pile of 1.10 with two connectors.
    #[must_use]
    pub fn new(code: &str, serial: &str, password: &str, seed: u64) -> Self {
        Self {
            part_number: "SIMPILE".to_owned(),
            serial: serial.to_owned(),
            code: code.to_owned(),
            username: code.to_owned(),
            password: password.to_owned(),
            registration: None,
            connectors: 2,
            seed,
            revision: Revision::V1_10,
            speed: 1,
            utc_offset_minutes: 480,
            timing: Timing::default(),
            auto: None,
        }
    }
}

/// By which answer an order was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// `StopTransactionConf`.
    Stop,
    /// `TransactionConf`.
    Transaction,
}

/// An order the controller has taken over from the pile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredOrder {
    /// The pile's number of it.
    pub record: u64,
    /// The pile's own number of the connector.
    pub connector: u16,
    /// Unix seconds.
    pub started_s: i64,
    /// Unix seconds.
    pub stopped_s: i64,
    /// Energy, whole 10 Wh.
    pub energy: Energy,
    /// Price.
    pub cost: Money,
    /// As given by the controller; empty if it never was.
    pub transaction_id: String,
    /// Which answer it was.
    pub by: AnsweredBy,
}

/// What a pile tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PileNews {
    /// Connected and subscribed.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// It has a code and an account now.
    Registered {
        /// The code.
        code: String,
    },
    /// Registration was refused.
    RegistrationRefused {
        /// Status on the wire.
        status: i32,
    },
    /// The boot was accepted.
    Booted {
        /// Heartbeat interval as given.
        interval_s: i32,
    },
    /// The boot was refused.
    BootRefused {
        /// Status on the wire.
        status: i32,
    },
    /// A tariff was given.
    TariffSet {
        /// Its id.
        id: u64,
    },
    /// A card was decided upon.
    Authorized {
        /// The card.
        card: String,
        /// Status on the wire; `None` if nobody answered and the pile decided.
        status: Option<i32>,
    },
    /// A charge began.
    OrderStarted {
        /// The pile's number of it.
        record: u64,
        /// The pile's own number of the connector.
        connector: u16,
        /// Unix seconds.
        started_s: i64,
    },
    /// The start was answered.
    OrderAnnounced {
        /// The pile's number of it.
        record: u64,
        /// As given.
        transaction_id: String,
    },
    /// A charge ended.
    OrderFinished {
        /// The pile's number of it.
        record: u64,
        /// Energy, whole 10 Wh.
        energy: Energy,
    },
    /// An order was answered for the first time.
    OrderAnswered(AnsweredOrder),
    /// An order that had been answered was sent again and answered again.
    OrderAnsweredAgain {
        /// The pile's number of it.
        record: u64,
    },
    /// An order was refused.
    OrderRefused {
        /// The pile's number of it.
        record: u64,
        /// Status on the wire.
        status: i32,
    },
    /// A power cut wiped an order out of the pile's memory.
    OrderForgotten {
        /// The pile's number of it.
        record: u64,
        /// Unix seconds.
        started_s: i64,
    },
    /// The controller asked for something.
    Commanded {
        /// Code on the wire.
        code: i32,
        /// Whether the pile did it.
        done: bool,
    },
    /// An answer that fits no request, or whose ids are not those of the request.
    AnswerOdd {
        /// Code on the wire.
        code: i32,
    },
    /// A request was answered with `MessageError`.
    RequestFailed {
        /// Code of the request.
        code: i32,
        /// `ErrorCode` on the wire.
        error: i32,
    },
}

/// What a pile's memory does in a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Orders are reported after the reboot.
    Kept,
    /// Orders are gone and record numbers begin anew.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Down,
    Registering,
    Booting,
    Ready,
}

/// News not yet taken; what comes on top is dropped, because nobody listens.
const NEWS_MAX: usize = 65_536;

/// A simulated pile.
pub struct Pile {
    config: PileConfig,
    rng: fastrand::Rng,
    phase: Phase,
    off_until: Option<Mono>,
    sequence: u64,
    open: BTreeMap<u64, Open>,
    connectors: Vec<Connector>,
    store: Store,
    tariff: Option<wire::SetTariffReq>,
    heartbeat_ms: u64,
    heartbeat_at: Option<Mono>,
    telemetry_at: Option<Mono>,
    firmware: Firmware,
    reset_at: Option<Mono>,
    effects: VecDeque<Effect>,
    news: VecDeque<PileNews>,
}

impl Pile {
    /// A pile that has not connected yet.
    #[must_use]
    pub fn new(config: PileConfig) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let connectors =
            (1..=config.connectors).map(|number| Connector::new(number, &mut rng)).collect();
        Self {
            phase: Phase::Down,
            off_until: None,
            // Somewhere, so that nobody relies on 1.
            sequence: rng.u64(1..1000),
            open: BTreeMap::new(),
            connectors,
            store: Store::default(),
            tariff: None,
            heartbeat_ms: 60_000,
            heartbeat_at: None,
            telemetry_at: None,
            firmware: Firmware::default(),
            reset_at: None,
            effects: VecDeque::new(),
            news: VecDeque::new(),
            rng,
            config,
        }
    }

    /// Its memory of orders.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Device code; empty before registration.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.config.code
    }

    /// Code, user and password it logs in with; `None` before registration.
    #[must_use]
    pub fn account(&self) -> Option<(&str, &str, &str)> {
        let PileConfig { code, username, password, .. } = &self.config;
        (!code.is_empty()).then_some((code, username, password))
    }

    /// Whether its boot was accepted on this connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// The last tariff it was given.
    #[must_use]
    pub fn tariff(&self) -> Option<&wire::SetTariffReq> {
        self.tariff.as_ref()
    }

    /// Drops the connection and stays away, charging on.
    pub fn vanish(&mut self, away_ms: u64) {
        self.effects.push_back(Effect::Cut { away_ms });
    }

    fn tell(&mut self, news: PileNews) {
        if self.news.len() < NEWS_MAX {
            self.news.push_back(news);
        }
    }

    fn unregistered(&self) -> Option<&Registration> {
        self.config.registration.as_ref().filter(|_| self.config.code.is_empty())
    }
}

impl Machine for Pile {
    type News = PileNews;

    fn login(&self) -> Login {
        let client_id = format!("{}-{}", self.config.part_number, self.config.serial);
        match self.unregistered() {
            Some(registration) => Login {
                client_id,
                username: registration.username.clone(),
                password: registration.password.clone(),
                subscriptions: vec![(format!("/D/R/{}", self.config.serial), Class::Command)],
            },
            None => Login {
                client_id,
                username: self.config.username.clone(),
                password: self.config.password.clone(),
                subscriptions: vec![
                    (format!("/D/C/{}/#", self.config.code), Class::Command),
                    (format!("/D/M/{}", self.config.code), Class::Telemetry),
                ],
            },
        }
    }

    fn connected(&mut self, now: Now) {
        self.tell(PileNews::Connected);
        self.off_until = None;
        self.open.clear();
        for order in self.store.iter_mut() {
            order.announced = false;
            if order.phase == OrderPhase::Refused {
                order.phase = OrderPhase::Finished;
            }
        }
        if self.unregistered().is_some() {
            self.phase = Phase::Registering;
            self.register(now);
        } else {
            self.phase = Phase::Booting;
            self.boot(now);
        }
    }

    fn disconnected(&mut self, now: Now) {
        if self.phase != Phase::Down {
            self.tell(PileNews::Disconnected);
        }
        self.phase = Phase::Down;
        self.open.clear();
        // Nobody will answer for the cards that are being held up.
        for connector in 1..=self.config.connectors {
            self.authorized(connector, None, now);
        }
        self.heartbeat_at = None;
        self.telemetry_at = None;
    }

    fn receive(&mut self, _topic: &str, payload: &[u8], now: Now) {
        if self.off_until.is_none() {
            self.hear(payload, now);
        }
    }

    fn tick(&mut self, now: Now) {
        if self.off_until.is_some_and(|until| now.mono < until) {
            return;
        }
        self.off_until = None;
        if self.reset_at.is_some_and(|at| at <= now.mono) {
            return self.reset(now);
        }
        self.resend(now);
        self.charge_on(now);
        self.beat(now);
        self.report(now);
    }

    fn deadline(&self) -> Option<Mono> {
        if self.off_until.is_some() {
            return self.off_until;
        }
        let open = self.open.values().map(|o| o.due);
        let connectors = self.connectors.iter().filter_map(|c| c.deadline(self.is_ready()));
        let beats = [self.heartbeat_at, self.telemetry_at, self.reset_at];
        open.chain(connectors).chain(beats.into_iter().flatten()).min()
    }

    fn take_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn take_news(&mut self) -> Option<PileNews> {
        self.news.pop_front()
    }
}
