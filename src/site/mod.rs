//! The decisions; pure.
//!
//! [`Site::step`] takes what happened and the moment, and gives a [`step::Step`]: entries to
//! remember and commands for the outside. Each file holds one kind of decision:
//!
//! * `identity` which order a report means; `figures` what is billed; `reports` new, repeated,
//!   conflicting and late reports; `book` the orders in memory
//! * `admission` cards and starts; `remote` remote start and stop; `calls` what piles are asked
//!   for; `passing` what is only passed on
//! * `link` one uplink; `questions` what it was asked; `uplinks` what happens on it; `outbox`,
//!   `pace` and `settlement` how orders reach it; `resend` what it gets again when it comes back,
//!   `history` what it asks for again; `joining` uplinks that are new or were removed
//! * `meters` what is known and told of meters; `plausible` which readings are believed;
//!   `metering` what they mean for orders; `hold` reports that wait for one
//! * `panel` what is known of connectors in numbers; `news` and `rhythm` what uplinks that listen
//!   are told, and when; `guests` what they command beside starts and stops
//! * `piles` presence, boot, telemetry; `health` silence and clock; `alarm`, `snapshot` what
//!   people see

use std::collections::BTreeMap;

use crate::domain::{
    card::Verdict,
    event::{OperatorRequest, PileEvent, PileRequest, UplinkEvent},
    id::{
        CardNo, ConnectorNo, MeterName, OrderId, OrderSeq, PileCode, RecordNo, Sequence, UplinkName,
    },
    order::Order,
    reading::MeterEvent,
    time::{BootId, ClockQuality, Mono, Now, PileTime, Stamp},
    wire::Original,
};

mod admission;
pub mod alarm;
mod book;
mod calls;
pub mod command;
pub mod config;
pub mod entry;
mod figures;
mod guests;
mod health;
mod history;
mod hold;
mod identity;
mod importing;
mod joining;
mod link;
mod metering;
mod meters;
mod news;
mod outbox;
mod pace;
mod panel;
mod passing;
mod piles;
mod plausible;
mod questions;
mod remote;
mod reports;
mod resend;
pub mod restore;
mod rhythm;
mod settlement;
pub mod snapshot;
pub mod step;
#[cfg(test)]
mod tests;
mod turn;
mod uplinks;
mod wire;

pub use config::{MeterConfig, PileConfig, SiteConfig, UplinkConfig};
pub use metering::{CURVE_LIMIT, CURVE_MS};
pub use meters::KEEP_MS;
pub use outbox::{DELIVERED_WINDOW, LIVE_ORDERS_LIMIT, UNDER_WAY_LIMIT, WINDOW_LIMIT};
pub use panel::GAUGE_FRESH_MS;
pub use remote::REMOTES_LIMIT;
pub use wire::{Confirmation, Wire};

use alarm::Alarms;
use book::Book;
use calls::Calls;
use command::{Command, Query};
use guests::Guests;
use hold::Held;
use joining::Former;
use link::Link;
use metering::Left;
use meters::Meters;
use outbox::Outbox;
use passing::Deposits;
use piles::Pile;
use remote::Remotes;
use restore::Image;
use rhythm::Rhythm;
use snapshot::Counters;
use step::Step;
use turn::Turn;

/// Inputs stepped before a commit, at most: the books keep at least as many ended orders.
pub const BATCH_LIMIT: usize = 256;

/// Orders of one pile that share a record number and are looked at where a report does not say
/// when its order began; a pile that begins anew more often than this within the retention time
/// is then compared with its newest ones only.
pub const LOOKUP_LIMIT: u16 = 8;

/// Cards remembered, here and in the ledger; a site's regulars are hundreds, and each costs some
/// hundred bytes. Once it is reached, no new card is learned before the backend clears them.
pub const CARDS_LIMIT: usize = 10_000;

/// What the site is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A pile did or said something.
    Pile {
        /// Which.
        pile: PileCode,
        /// What.
        event: PileEvent,
        /// What the ledger has for [`Input::lookup`]; empty where there is nothing to look up.
        known: Vec<Order>,
    },
    /// Something happened on an uplink.
    Uplink {
        /// Which.
        uplink: UplinkName,
        /// What.
        event: UplinkEvent,
    },
    /// An operator wants something.
    Operator {
        /// To answer with.
        ticket: u64,
        /// What.
        request: OperatorRequest,
        /// What the ledger has for [`Input::lookup`].
        known: Vec<Order>,
    },
    /// A meter was read, or could not be.
    Meter {
        /// Which.
        meter: MeterName,
        /// What its bus says of it.
        event: MeterEvent,
    },
    /// What was asked for with `Command::Load`.
    Loaded {
        /// The question.
        query: Query,
        /// The answer, in the order the query names, at most as many as asked for.
        orders: Vec<Order>,
        /// How many match in all, history only.
        total: u64,
    },
    /// The site has a new pile, or one with more connectors or another revision than before. Not
    /// in the ledger: whoever admits piles keeps them, and names them at the next start.
    PileAdmitted {
        /// Which.
        pile: PileCode,
        /// What the site has to know of it.
        config: PileConfig,
    },
    /// The ledger's store fills up, or has room again.
    Storage {
        /// New charging is to be refused.
        is_full: bool,
    },
    /// The ledger was found damaged, or without rows it had, when it was opened.
    LedgerDamaged {
        /// What is gone and what is kept, for people.
        text: String,
    },
    /// Something is the matter with the piles' doors, or is over.
    Doors {
        /// What.
        trouble: alarm::DoorsTrouble,
        /// How much of it, for people; `None` when it is over.
        text: Option<String>,
    },
    /// A deadline has passed.
    Tick,
}

/// A point lookup that an input needs before it is stepped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Orders of a pile with this record number, newest first, at most [`LOOKUP_LIMIT`]; the one
    /// that began at `started` in any case.
    Record {
        /// The pile.
        pile: PileCode,
        /// Its number of the order.
        record: RecordNo,
        /// When the order began, as the pile says.
        started: PileTime,
    },
    /// The order with this id.
    Id(OrderId),
    /// The order at this position.
    Seq(OrderSeq),
}

impl Input {
    /// What has to be looked up in the ledger and put into `known` before this is stepped.
    #[must_use]
    pub fn lookup(&self) -> Option<Lookup> {
        match self {
            Self::Pile { pile, event: PileEvent::Requested { request, .. }, .. } => {
                let (record, started) = match request {
                    PileRequest::Start(report) => (&report.record, report.at),
                    PileRequest::End(report) => (&report.record, report.started),
                    _ => return None,
                };
                Some(Lookup::Record { pile: *pile, record: record.clone(), started })
            }
            Self::Operator { request, .. } => match request {
                OperatorRequest::Retry { order } => Some(Lookup::Id(*order)),
                OperatorRequest::Import { order } => Some(Lookup::Id(order.id)),
                OperatorRequest::RetireUplink { .. } | OperatorRequest::MeterReplaced { .. } => {
                    None
                }
            },
            _ => None,
        }
    }

    /// Puts in what [`Input::lookup`] asked for.
    pub fn learn(&mut self, orders: Vec<Order>) {
        if let Self::Pile { known, .. } | Self::Operator { known, .. } = self {
            *known = orders;
        }
    }
}

/// The site: the fold of the ledger in memory, and every decision.
#[derive(Debug)]
pub struct Site {
    config: SiteConfig,
    boot: BootId,
    piles: BTreeMap<PileCode, Pile>,
    book: Book,
    /// What backends said of running orders' starts, for repetitions.
    start_answers: BTreeMap<OrderSeq, (Verdict, Option<Original>)>,
    /// The newest charging information of running orders, to be sent again on request.
    last_progress: BTreeMap<OrderSeq, Original>,
    /// Open orders whose pile has to be heard of again.
    suspects: BTreeMap<OrderSeq, Mono>,
    links: BTreeMap<UplinkName, Link>,
    /// Uplinks with orders that are not closed, and not in the config any more.
    former: BTreeMap<UplinkName, Former>,
    cards: BTreeMap<CardNo, Verdict>,
    tariff: Option<(u64, Original)>,
    remotes: Remotes,
    calls: Calls,
    rhythm: Rhythm,
    guests: Guests,
    deposits: Deposits,
    meters: Meters,
    /// Reports of ends that wait for a reading, by connector.
    held: BTreeMap<ConnectorNo, Held>,
    /// Orders that wait for the reading which the next one there begins with.
    left: BTreeMap<ConnectorNo, Left>,
    /// When the last order of a connector was heard to have ended, in this run.
    ended: BTreeMap<ConnectorNo, Mono>,
    /// Messages passed in an earlier run whose uplink has not been told that they failed.
    lost_passes: Vec<(UplinkName, Sequence)>,
    alarms: Alarms,
    counters: Counters,
    clock: Option<(ClockQuality, i64)>,
    /// The ledger has learned the time and dates earlier runs by it, and memory has not followed.
    is_dating: bool,
    is_storage_full: bool,
}

impl Site {
    /// The site as the ledger has it. The first step dates what can be dated.
    pub fn restore(image: Image, config: SiteConfig, now: Now) -> (Self, Step) {
        let stamp = Stamp { boot: image.boot, mono: now.mono, wall: now.wall };
        let news = joining::news(&config, &image, stamp);
        let links = config.uplinks.iter().map(|uplink| {
            let name = uplink.name.clone();
            let mark = image.sequences.get(&name).copied().unwrap_or(Sequence(0));
            let owed = image.owed.get(&name).copied().unwrap_or_default();
            let outbox = Outbox::restore(owed, uplink.wire.confirmation());
            (name, Link::new(uplink.clone(), mark, outbox, stamp))
        });
        let mut site = Self {
            boot: image.boot,
            piles: config.piles.keys().map(|code| (*code, Pile::default())).collect(),
            book: Book::restore(&image),
            start_answers: BTreeMap::new(),
            last_progress: BTreeMap::new(),
            // No pile has been heard of in this run.
            suspects: image.open.iter().map(|order| (order.seq, now.mono)).collect(),
            links: links.collect(),
            former: Former::all(&image, &config, stamp),
            remotes: Remotes::restore(image.remotes, &image.remote_transactions),
            calls: Calls::new(image.boot.0),
            rhythm: Rhythm::default(),
            guests: Guests::default(),
            deposits: Deposits::default(),
            meters: Meters::new(&config.meters, &image.meters, now.mono),
            held: BTreeMap::new(),
            left: BTreeMap::new(),
            ended: BTreeMap::new(),
            lost_passes: image.passes,
            cards: image.cards,
            tariff: image.tariff,
            alarms: Alarms::default(),
            counters: Counters::default(),
            clock: None,
            is_dating: false,
            is_storage_full: false,
            config,
        };
        let mut turn = Turn::new(now, site.boot);
        site.watch_former(&turn);
        site.drop_foreign_metering(&mut turn);
        site.drop_left_before_restart(&mut turn);
        let mut step = turn.finish();
        step.append(site.step(Input::Tick, now));
        // Behind what dates orders: who wants those since a date gets them by it.
        news.into_iter().for_each(|entry| step.remember(entry));
        (site, step)
    }

    /// Takes one input. Total: never fails, never blocks, never asks for the time.
    pub fn step(&mut self, input: Input, now: Now) -> Step {
        let mut turn = Turn::new(now, self.boot);
        self.watch_clock(&mut turn);
        match input {
            Input::Pile { pile, event, known } => self.pile_event(pile, event, &known, &mut turn),
            Input::Uplink { uplink, event } => self.uplink_event(&uplink, event, &mut turn),
            Input::Operator { ticket, request, known } => {
                let outcome = self.operator(request, known, &mut turn);
                turn.order(Command::Operator { ticket, outcome });
            }
            Input::Meter { meter, event } => self.meter_event(&meter, event, &mut turn),
            Input::Loaded { query, orders, total } => self.loaded(query, orders, total, &mut turn),
            Input::PileAdmitted { pile, config } => self.admit(pile, config, now.mono),
            Input::Storage { is_full } => self.storage(is_full, &mut turn),
            Input::LedgerDamaged { text } => {
                self.alarms.raise(alarm::AlarmKind::LedgerDamaged, turn.stamp(), text);
            }
            Input::Doors { trouble, text } => self.doors(trouble, text, &turn),
            Input::Tick => {}
        }
        self.maintain(&mut turn);
        turn.finish()
    }

    /// Backends of the charging-station protocol that are on line: they are told its messages.
    fn stations_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.values_mut().filter(|link| link.decides() && link.is_online())
    }

    /// The backend that decides, on line or not.
    fn primary_mut(&mut self) -> Option<&mut Link> {
        self.links.values_mut().find(|link| link.config.primary && link.decides())
    }

    /// Whether an order runs that no clock has dated.
    #[must_use]
    pub fn has_undated_orders(&self) -> bool {
        self.book.open().any(|order| order.started_s.is_none())
    }

    /// When the site wants a [`Input::Tick`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let links = self.links.values().filter_map(Link::deadline);
        links
            .chain(self.calls.deadline())
            .chain(self.rhythm.deadline())
            .chain(self.suspects_deadline())
            .chain(self.meters.deadline())
            .chain(self.held_deadline())
            .chain(self.left_deadline())
            .min()
    }

    fn maintain(&mut self, turn: &mut Turn) {
        self.expire_questions(turn);
        self.expire_calls(turn);
        self.watch_meters(turn);
        self.expire_held(turn);
        self.expire_left(turn);
        self.watch_suspects(turn);
        self.drain(turn);
        let names: Vec<UplinkName> = self.links.keys().cloned().collect();
        for name in &names {
            self.history_on(name, turn);
        }
        self.keep_rhythm(turn);
        let links = &self.links;
        self.book.sweep(|seq| {
            links.values().any(|link| link.outbox.holds(seq) || link.histories.holds(seq))
        });
    }

    fn loaded(&mut self, query: Query, orders: Vec<Order>, total: u64, turn: &mut Turn) {
        match query {
            Query::Backlog { uplink, limit, .. } => {
                self.backlog_loaded(&uplink, limit, orders, turn);
            }
            Query::Recent { uplink, until, after, .. } => {
                self.recent_loaded(&uplink, (until, after), &orders);
            }
            Query::History { uplink, sequence, .. } => {
                self.history_loaded(&uplink, sequence, orders, total, turn);
            }
        }
    }

    fn operator(
        &mut self,
        request: OperatorRequest,
        known: Vec<Order>,
        turn: &mut Turn,
    ) -> Result<String, String> {
        match request {
            OperatorRequest::Retry { .. } => {
                let order = known.into_iter().next().ok_or("no such order")?;
                self.retry(order, turn)
            }
            OperatorRequest::Import { order } => self.take_over(*order, &known, turn),
            OperatorRequest::RetireUplink { uplink } => self.retire(uplink, turn),
            OperatorRequest::MeterReplaced { meter } => self.meter_replaced(&meter, turn),
        }
    }
}
