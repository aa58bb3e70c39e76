//! A simulated cloud backend of either revision, with books and faults.

mod answer;
mod books;
mod command;
mod measured;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

pub use books::{Booked, Books, Copy, Figures, Kind, Report};
pub use command::Span;
pub use measured::{Measured, Measurements};

use super::{
    Class, Effect, Login, Machine, Outgoing,
    apdu::{self, Code, wire},
};
use crate::domain::{
    time::{Mono, Now},
    wire::Revision,
};

/// Which cards the backend accepts.
#[derive(Debug, Clone, Default)]
pub struct CardRules {
    /// Status (`AuthorizationStatus`) of single cards.
    pub special: BTreeMap<String, i32>,
    /// Status of every other card.
    pub others: i32,
}

/// What a backend is made from.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Client id at its broker.
    pub client_id: String,
    /// User at its broker.
    pub username: String,
    /// Password at its broker.
    pub password: String,
    /// Chance.
    pub seed: u64,
    /// The revision it speaks.
    pub revision: Revision,
    /// Code a registration must bring.
    pub registration_code: String,
    /// Heartbeat interval it gives.
    pub interval_s: i32,
    /// Tariff it gives.
    pub tariff: wire::SetTariffReq,
    /// Cards.
    pub cards: CardRules,
}

impl BackendConfig {
    /// A backend of 1.10 that accepts every card and has the worked tariff of the protocol.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            client_id: "SIM-BACKEND".to_owned(),
            username: "backend".to_owned(),
            password: "backend".to_owned(),
            seed,
            revision: Revision::V1_10,
            registration_code: "SIMCODE".to_owned(),
            interval_s: 30,
            tariff: example_tariff(),
            cards: CardRules::default(),
        }
    }
}

/// Nine bands: peak, flat and valley of a day, in 0.1 fen.
fn example_tariff() -> wire::SetTariffReq {
    let bands = [
        (0, 420, "valley", 255),
        (420, 540, "flat", 699),
        (540, 690, "peak", 1052),
        (690, 840, "flat", 699),
        (840, 990, "peak", 1052),
        (990, 1140, "flat", 699),
        (1140, 1260, "peak", 1052),
        (1260, 1380, "flat", 699),
        (1380, 1440, "valley", 255),
    ];
    let charge = |(timestart, timeend, tag, elecprice): (i32, i32, &str, i32)| wire::TariffCharge {
        timestart,
        timeend,
        tag: tag.to_owned(),
        elecprice,
        serviceprice: 1000,
        occupyprice: 0,
    };
    wire::SetTariffReq {
        tariffid: 1,
        description: "example".to_owned(),
        chargetariffs: bands.map(charge).to_vec(),
        ..Default::default()
    }
}

/// What the backend does wrong, switched on and off while it runs.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Notes everything, answers nothing.
    pub silent: bool,
    /// Answers this much later, at least and at most.
    pub delay_ms: Option<(u64, u64)>,
    /// Keeps answers until [`Backend::release`].
    pub hold: bool,
    /// Status of every boot answer.
    pub boot_status: i32,
    /// Interval given in place of the configured one.
    pub boot_interval_s: Option<i32>,
    /// Refuses every login; only where the backend has doors of its own.
    pub logins_refused: bool,
    /// Status of every registration answer, if not 0.
    pub registration_status: i32,
    /// Status of every `TransactionConf`.
    pub transaction_status: i32,
    /// Order messages are answered with this `ErrorCode`.
    pub order_error: Option<i32>,
    /// Answers to order messages name another order.
    pub wrong_ids: bool,
    /// Answers carry another sequence id.
    pub wrong_sequence: bool,
    /// Every command is sent twice.
    pub duplicate_commands: bool,
}

/// What a backend tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendNews {
    /// A device registered.
    Registered {
        /// Serial.
        serial: String,
        /// Code it was given.
        device: String,
    },
    /// A boot was answered.
    Booted {
        /// Device.
        device: String,
        /// Version of its program.
        firmware: String,
        /// Status given.
        status: i32,
    },
    /// An order message came.
    OrderCopy {
        /// Device.
        device: String,
        /// `recordId`.
        record: String,
        /// Which message.
        kind: Kind,
    },
    /// A command was answered.
    CommandAnswered {
        /// Sequence id of the command.
        sequence: u64,
        /// Code of the command.
        code: i32,
        /// Status, count, or -1 for `MessageError`.
        status: i32,
    },
    /// Settings were told.
    Settings {
        /// Device.
        device: String,
        /// Keys and values.
        values: Vec<(String, String)>,
    },
    /// A log will be uploaded, or is.
    Log {
        /// Device.
        device: String,
        /// Its name.
        filename: String,
    },
    /// An upload has come so far.
    Uploading {
        /// Device.
        device: String,
        /// `DiagnosticsStatus` on the wire.
        status: i32,
    },
    /// An update has come so far.
    Updating {
        /// Device.
        device: String,
        /// `FirmwareStatus` of 1.10.
        status: i32,
    },
    /// A warning was reported.
    Warned {
        /// Device.
        device: String,
        /// Code of the warning.
        code: i64,
    },
    /// Something that does not decode, or an answer to nothing.
    Odd {
        /// Topic.
        topic: String,
    },
}

/// An account issued at registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Device code and user.
    pub device: String,
    /// Password.
    pub password: String,
}

/// News not yet taken; what comes on top is dropped, because nobody listens.
const NEWS_MAX: usize = 65_536;
/// Commands waiting for their answer; the oldest is forgotten.
const OPEN_MAX: usize = 1_024;

/// A simulated backend.
pub struct Backend {
    config: BackendConfig,
    rng: fastrand::Rng,
    /// What it does wrong.
    pub faults: Faults,
    books: Books,
    accounts: BTreeMap<String, Account>,
    booted: BTreeSet<String>,
    sequence: u64,
    transactions: u64,
    open: BTreeMap<u64, Code>,
    last_command: Option<Outgoing>,
    held: Vec<Outgoing>,
    later: BTreeMap<(Mono, u64), Outgoing>,
    postponed: u64,
    telemetry: u64,
    measured: Measurements,
    effects: VecDeque<Effect>,
    news: VecDeque<BackendNews>,
}

impl Backend {
    /// A backend that has seen nothing.
    #[must_use]
    pub fn new(config: BackendConfig) -> Self {
        let mut rng = fastrand::Rng::with_seed(config.seed);
        Self {
            faults: Faults::default(),
            books: Books::default(),
            accounts: BTreeMap::new(),
            booted: BTreeSet::new(),
            sequence: rng.u64(1..1000),
            transactions: 0,
            open: BTreeMap::new(),
            last_command: None,
            held: Vec::new(),
            later: BTreeMap::new(),
            postponed: 0,
            telemetry: 0,
            measured: Measurements::new(),
            effects: VecDeque::new(),
            news: VecDeque::new(),
            rng,
            config,
        }
    }

    /// What it has seen of every order.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Accounts issued, by serial.
    #[must_use]
    pub fn accounts(&self) -> &BTreeMap<String, Account> {
        &self.accounts
    }

    /// Telemetry reports seen.
    #[must_use]
    pub fn telemetry(&self) -> u64 {
        self.telemetry
    }

    /// What telemetry told last, by component and connector.
    #[must_use]
    pub fn measured(&self) -> &Measurements {
        &self.measured
    }

    /// Sends every answer kept by [`Faults::hold`], oldest first.
    pub fn release(&mut self) {
        self.faults.hold = false;
        self.effects.extend(self.held.drain(..).map(Effect::Publish));
    }

    /// Comes up anew: its own requests and transaction ids are numbered from 1 again, boots are
    /// forgotten, books and accounts are kept.
    pub fn restart(&mut self) {
        self.sequence = 0;
        self.transactions = 0;
        self.booted.clear();
        self.open.clear();
        self.held.clear();
        self.later.clear();
    }

    fn tell(&mut self, news: BackendNews) {
        if self.news.len() < NEWS_MAX {
            self.news.push_back(news);
        }
    }

    /// Sends an answer, as well or badly as the faults want it.
    fn dispatch(&mut self, outgoing: Outgoing, now: Now) {
        if self.faults.hold {
            self.held.push(outgoing);
        } else if let Some((least, most)) = self.faults.delay_ms {
            self.postponed += 1;
            let at = now.mono.plus_ms(self.rng.u64(least..=most.max(least)));
            self.later.insert((at, self.postponed), outgoing);
        } else {
            self.effects.push_back(Effect::Publish(outgoing));
        }
    }
}

impl Machine for Backend {
    type News = BackendNews;

    fn login(&self) -> Login {
        Login {
            client_id: self.config.client_id.clone(),
            username: self.config.username.clone(),
            password: self.config.password.clone(),
            subscriptions: vec![
                ("/U/R/#".to_owned(), Class::Command),
                ("/U/C/#".to_owned(), Class::Command),
                ("/U/M/#".to_owned(), Class::Telemetry),
            ],
        }
    }

    fn connected(&mut self, _now: Now) {}

    fn disconnected(&mut self, _now: Now) {}

    fn receive(&mut self, topic: &str, payload: &[u8], now: Now) {
        let mut parts = topic.trim_start_matches('/').splitn(3, '/');
        let (up, class, from) = (parts.next(), parts.next(), parts.next());
        let (Some("U"), Some(class), Some(from)) = (up, class, from) else {
            return self.tell(BackendNews::Odd { topic: topic.to_owned() });
        };
        let from = from.split('/').next().unwrap_or_default().to_owned();
        let Some(opened) = apdu::open(self.config.revision, payload) else {
            self.tell(BackendNews::Odd { topic: topic.to_owned() });
            return self.object(class, &from, wire::ErrorCode::EcProtocolError, 0, now);
        };
        if opened.is_answer() {
            self.hear(topic, &from, &opened);
        } else {
            self.answer(class, &from, &opened, now);
        }
    }

    fn tick(&mut self, now: Now) {
        while let Some(entry) = self.later.first_entry() {
            if entry.key().0 > now.mono {
                return;
            }
            let outgoing = entry.remove();
            self.effects.push_back(Effect::Publish(outgoing));
        }
    }

    fn deadline(&self) -> Option<Mono> {
        self.later.keys().next().map(|(at, _)| *at)
    }

    fn take_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn take_news(&mut self) -> Option<BackendNews> {
        self.news.pop_front()
    }
}

/// Topic down to a device, of the class its message came by.
fn topic_down(class: &str, device: &str) -> String {
    // Telemetry is answered by the command topic: answers want QoS 2.
    let class = if class == "R" { "R" } else { "C" };
    format!("/D/{class}/{device}")
}

fn outgoing(topic: String, payload: Bytes) -> Outgoing {
    Outgoing { topic, payload, class: Class::Command }
}
