//! A month of a large site in virtual time: one uplink takes every order, another is away. What
//! that costs is rows in the ledger, not memory; and when it comes back it gets them all.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "support/small_site.rs"]
mod small_site;

use std::collections::VecDeque;

use bytes::Bytes;
use sitepilot::{
    domain::{
        event::{Named, PileEvent, PileRequest, UplinkAnswer, UplinkEvent},
        id::{ConnectionId, PlugNo, RecordNo, RequestId, Sequence, UplinkName},
        order::{EndKind, EndReport},
        quantity::{Energy, Money},
        reply::UplinkMessage,
        time::{ClockQuality, Mono, Now, PileTime, Wall},
        wire::{Original, Revision},
    },
    ledger::{Ledger, Options, Reader},
    protocol::ec::{self, Confirm},
    site::{
        BATCH_LIMIT, DELIVERED_WINDOW, Input, Site, SiteConfig, UplinkConfig, WINDOW_LIMIT, Wire,
        command::Command, snapshot::UplinkStatus, step::Step,
    },
};

const BEGIN_MS: i64 = 1_767_225_600_000;
const DAYS: u32 = 30;
const ORDERS_A_DAY: u32 = 1000;
const DAY_MS: u64 = 86_400_000;

/// Orders that end at the same time: the pile reports what it kept, a hundred at once.
const AT_ONCE: u32 = 100;

/// Where a record says when its order ended.
const END_AT: std::ops::Range<usize> = 67..71;

/// Read ahead for a window, beside it: half of it and the page that fills it up.
const READ_AHEAD: u64 = 768;

fn server() -> UplinkName {
    UplinkName::new("server").unwrap()
}

fn config() -> SiteConfig {
    let mut config = small_site::config(Revision::V1_10, Revision::V1_10);
    config.uplinks.push(UplinkConfig {
        name: server(),
        wire: Wire::Ec(ec::Settings {
            organisation: 1000,
            heartbeat_ms: 60_000,
            realtime_ms: 60_000,
            confirm: Confirm::Tcp,
            resend_ms: 600_000,
            amount_includes_service: true,
        }),
        primary: false,
        commands: false,
        required: false,
        answer_timeout_ms: 3_000,
        orders_since_s: None,
        max_orders_per_s: None,
    });
    config
}

struct Month {
    _dir: tempfile::TempDir,
    ledger: Ledger,
    reader: Reader,
    site: Site,
    mono_ms: u64,
    /// What left and has no answer.
    asked: VecDeque<(UplinkName, Sequence, UplinkMessage)>,
    /// What reached the server, in this order.
    arrived: Vec<Bytes>,
}

impl Month {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { min_free_mb: 0, ..Options::default() };
        let (mut ledger, _) = Ledger::open(dir.path(), options).unwrap();
        let reader = ledger.reader().unwrap();
        let (asked, arrived) = (VecDeque::new(), Vec::new());
        let (site, step) = Site::restore(ledger.load().unwrap(), config(), now(1000));
        let mut month = Self { _dir: dir, ledger, reader, site, mono_ms: 1000, asked, arrived };
        month.commit(step);
        let (connection, address) = (ConnectionId(1), String::new());
        let boot = PileRequest::Boot { nameplate: Box::default(), original: original(1) };
        month.step(vec![
            of_pile(PileEvent::Connected { connection, address }),
            asks(0, boot),
            of_uplink(small_site::cloud(), UplinkEvent::Connected),
        ]);
        month.answer();
        month
    }

    /// Steps a batch and commits it at once, as the heart does.
    fn step(&mut self, inputs: Vec<Input>) {
        let mut step = Step::default();
        for mut input in inputs {
            if let Some(lookup) = input.lookup() {
                input.learn(self.ledger.lookup(&lookup).unwrap());
            }
            step.append(self.site.step(input, now(self.mono_ms)));
        }
        self.commit(step);
    }

    fn commit(&mut self, step: Step) {
        let is_derived = step.is_derived();
        let released = self.ledger.commit(step).unwrap();
        if is_derived {
            self.site.refresh(&self.ledger.load().unwrap());
        }
        let mut loaded = Vec::new();
        for command in released {
            match command {
                Command::Uplink { uplink, message } => {
                    self.asked.push_back((uplink, message.sequence, message.message));
                }
                Command::Load(query) => {
                    let (orders, total) = self.reader.query(&query).unwrap();
                    loaded.push(Input::Loaded { query, orders, total });
                }
                _ => {}
            }
        }
        if !loaded.is_empty() {
            self.step(loaded);
        }
    }

    /// Answers and confirms what waits for it; `false` if nothing does.
    fn answer(&mut self) -> bool {
        let number = self.asked.len().min(BATCH_LIMIT);
        let asked: Vec<_> = self.asked.drain(..number).collect();
        let mut inputs = Vec::new();
        for (uplink, sequence, message) in asked {
            let answer = match message {
                UplinkMessage::Boot => UplinkAnswer::Boot { status: 0, time_s: 0, interval_s: 0 },
                UplinkMessage::Heartbeat => UplinkAnswer::Heartbeat,
                UplinkMessage::Transaction { payload, .. } if uplink == server() => {
                    self.arrived.push(payload);
                    UplinkAnswer::Delivered
                }
                UplinkMessage::Transaction { .. } => UplinkAnswer::Transaction {
                    status: 0,
                    order: Named::Nothing,
                    connector: Named::Nothing,
                },
                _ => continue,
            };
            let event = UplinkEvent::Answered { sequence, answer, at_s: 0 };
            inputs.push(of_uplink(uplink, event));
        }
        self.step(inputs);
        number > 0
    }

    fn server(&self) -> UplinkStatus {
        let uplinks = self.site.snapshot(now(self.mono_ms)).uplinks;
        uplinks.into_iter().find(|uplink| uplink.name == server()).unwrap()
    }

    fn orders_in_memory(&self) -> u64 {
        self.site.snapshot(now(self.mono_ms)).orders_in_memory
    }

    /// A day of orders that the cloud confirms; gives the most that were in memory.
    fn day(&mut self, day: u32) -> u64 {
        let mut most = 0;
        for from in (0..ORDERS_A_DAY).step_by(AT_ONCE.try_into().unwrap()) {
            self.mono_ms += DAY_MS * u64::from(AT_ONCE) / u64::from(ORDERS_A_DAY);
            let numbers = (from..from + AT_ONCE).map(|number| day * ORDERS_A_DAY + number);
            let ended_s = now(self.mono_ms).wall.unix_s();
            self.step(numbers.map(|number| whole_order(number, ended_s)).collect());
            while self.answer() {
                most = most.max(self.orders_in_memory());
            }
        }
        most
    }
}

fn now(ms: u64) -> Now {
    let wall = Wall { unix_ms: BEGIN_MS + ms.cast_signed(), quality: ClockQuality::Synced };
    Now { mono: Mono(ms), wall }
}

fn of_pile(event: PileEvent) -> Input {
    Input::Pile { pile: small_site::pile(), event, known: Vec::new() }
}

fn asks(sequence: u64, request: PileRequest) -> Input {
    let id = RequestId { connection: ConnectionId(1), sequence };
    of_pile(PileEvent::Requested { id, request })
}

fn of_uplink(uplink: UplinkName, event: UplinkEvent) -> Input {
    Input::Uplink { uplink, event }
}

fn original(code: u8) -> Original {
    Original { revision: Revision::V1_10, code, body: Bytes::from_static(&[7; 150]) }
}

fn whole_order(number: u32, ended_s: i64) -> Input {
    let from = u64::from(number) * 1000;
    asks(
        u64::from(number) + 1,
        PileRequest::End(EndReport {
            record: RecordNo::new(&number.to_string()).unwrap(),
            plug: Some(PlugNo(1)),
            card: None,
            token: None,
            started: PileTime::Known(ended_s - 1800),
            kind: EndKind::Whole,
            meter_start: Some(Energy::from_wh(from)),
            meter_stop: Some(Energy::from_wh(from + 1000)),
            ended: PileTime::Known(ended_s),
            cost: Some(Money::from_fen(100)),
            reason: 0,
            original: original(49),
        }),
    )
}

#[test]
fn a_month_of_backlog_on_one_uplink_leaves_memory_flat_and_arrives_whole() {
    let mut month = Month::new();
    let mut most = Vec::new();
    for day in 0..DAYS {
        most.push(month.day(day));
        let server = month.server();
        assert_eq!(server.backlog, u64::from((day + 1) * ORDERS_A_DAY), "day {day}");
        assert!(server.in_memory <= u64::try_from(WINDOW_LIMIT).unwrap(), "day {day}");
        let snapshot = month.site.snapshot(now(month.mono_ms));
        assert_eq!(snapshot.unsettled, 0, "day {day}: what is not required holds up nothing");
    }
    // The books are swept now and then, every other day here: a week has seen the most there is.
    let early = most[..7].iter().max().unwrap();
    let late = most[7..].iter().max().unwrap();
    println!("orders in memory at most: {early} in the first week, {late} in the weeks after");
    assert!(late <= early, "{most:?}");

    month.step(vec![of_uplink(server(), UplinkEvent::Connected)]);
    let (mut draining, mut rounds) = (0, 0);
    while month.answer() {
        rounds += 1;
        let server = month.server();
        let bound = u64::try_from(DELIVERED_WINDOW).unwrap() + READ_AHEAD;
        assert!(server.in_memory <= bound, "{} in memory for it", server.in_memory);
        draining = draining.max(month.orders_in_memory());
    }
    println!("orders in memory at most: {draining} while it drains, {rounds} rounds");
    assert!(draining <= 2 * early, "{draining} while it drains");
    assert_eq!(month.server().backlog, 0);
    assert_eq!(month.arrived.len(), usize::try_from(DAYS * ORDERS_A_DAY).unwrap());
    let ended = month.arrived.iter().map(|record| &record[END_AT]);
    assert!(ended.is_sorted(), "in the order of recording");
    let mut copies = month.arrived.clone();
    copies.sort();
    copies.dedup();
    assert_eq!(copies.len(), month.arrived.len(), "each of them once");
    let snapshot = month.site.snapshot(now(month.mono_ms));
    assert_eq!((snapshot.orders, snapshot.unsettled), (u64::from(DAYS * ORDERS_A_DAY), 0));
}

#[test]
fn what_was_confirmed_last_comes_again_page_by_page_before_the_backlog() {
    const ORDERS: u32 = 1300;
    const AHEAD: usize = 1024;
    let mut month = Month::new();
    month.step(vec![of_uplink(server(), UplinkEvent::Connected)]);
    let report = |month: &mut Month, numbers: std::ops::Range<u32>| {
        let ended_s = now(month.mono_ms).wall.unix_s();
        for number in numbers {
            month.step(vec![whole_order(number, ended_s)]);
        }
    };
    report(&mut month, 0..ORDERS);
    while month.answer() {}
    let first = std::mem::take(&mut month.arrived);
    assert_eq!(first.len(), usize::try_from(ORDERS).unwrap());

    let reason = "cut".to_owned();
    month.step(vec![of_uplink(server(), UplinkEvent::Disconnected { reason })]);
    month.mono_ms += DAY_MS;
    report(&mut month, ORDERS..ORDERS + 5);
    while month.answer() {}
    month.step(vec![of_uplink(server(), UplinkEvent::Connected)]);
    while month.answer() {}
    let is_again = |record: &&Bytes| first.contains(record);
    let again: Vec<Bytes> = month.arrived.iter().filter(is_again).cloned().collect();
    assert_eq!(again, first, "the same bytes, in the same order");
    assert_eq!(month.arrived.len(), first.len() + 5, "and what it had not");
    let ahead = month.arrived.iter().take_while(is_again).count();
    assert_eq!(ahead, AHEAD, "a window of it goes ahead of the backlog");
    assert_eq!(month.server().backlog, 0);
}
