//! A site with one pile, one cloud and a real ledger, in virtual time.

#![allow(dead_code, reason = "shared by test crates that use parts of it")]

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use sitepilot::{
    domain::{
        card::Verdict,
        event::{
            HistoryLevel, HistoryQuery, OperatorRequest, PileAnswer, PileEvent, PileNotice,
            PileRequest, RemoteStart, TriggerKind, UplinkAnswer, UplinkEvent, UplinkRequest,
        },
        id::{
            CardNo, ConnectionId, ConnectorNo, OrderSeq, PileCode, PlugNo, RecordNo, RequestId,
            Sequence, StartToken, TransactionId, UplinkName,
        },
        order::{EndKind, EndReport, ProgressReport, StartReport},
        passing::{Address, Pass},
        quantity::{Energy, Money},
        reply::{PileCall, PileReply, ToPile, UplinkMessage},
        time::{ClockQuality, Mono, Now, PileTime, Wall},
        wire::{ErrorCode, Original, Revision},
    },
    ledger::{Ledger, Options},
    protocol::charger::{station, table, topic::Class, wire::v1_10 as wire},
    site::{
        Input, PileConfig, Site, SiteConfig, UplinkConfig,
        command::{Command, Query},
        entry::Entry,
    },
};

use crate::{
    script::{Line, span_ms},
    show,
    spoken::Spoken,
};

pub const PILE: &str = "3101150012000001";
const CLOUD: &str = "cloud";

/// Where scripts begin: 2026-01-01T00:00:00Z.
pub const BEGIN_S: i64 = 1_767_225_600;

pub struct World {
    dir: tempfile::TempDir,
    ledger: Option<Ledger>,
    site: Option<Site>,
    mono_ms: u64,
    wall_ms: i64,
    quality: ClockQuality,
    connection: u64,
    sequence: u64,
    /// What the cloud was asked and has not answered, newest last.
    asked: Vec<(Sequence, UplinkMessage)>,
    calls: Vec<ToPile>,
    tokens: Vec<StartToken>,
    /// Every offline order that left: payloads by record id.
    copies: BTreeMap<Bytes, Bytes>,
    /// Pile and cloud by their bytes, where the script says what they speak.
    spoken: Option<Spoken>,
    pub transcript: Vec<String>,
    /// Answers the pile got, for those who keep books.
    pub replies: Vec<PileReply>,
    /// How often each order was settled.
    pub settled: BTreeMap<OrderSeq, u32>,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().expect("a directory for the ledger"),
            ledger: None,
            site: None,
            mono_ms: 1_000,
            wall_ms: BEGIN_S * 1000,
            quality: ClockQuality::Synced,
            connection: 0,
            sequence: 100,
            asked: Vec::new(),
            calls: Vec::new(),
            tokens: Vec::new(),
            copies: BTreeMap::new(),
            spoken: None,
            transcript: Vec::new(),
            replies: Vec::new(),
            settled: BTreeMap::new(),
        };
        world.boot();
        world.transcript.clear();
        world
    }

    fn now(&self) -> Now {
        let wall = Wall { unix_ms: self.wall_ms, quality: self.quality };
        Now { mono: Mono(self.mono_ms), wall }
    }

    fn boot(&mut self) {
        let (mut ledger, _) =
            Ledger::open(self.dir.path(), Options::default()).expect("the ledger opens");
        let image = ledger.load().expect("the ledger loads");
        let (site, step) = Site::restore(image, self.config(), self.now());
        self.ledger = Some(ledger);
        let dates = site.has_undated_orders() && self.now().wall.known_s().is_some();
        self.site = Some(site);
        self.commit(step);
        // As the heart does: what the first step dated is read again.
        if dates {
            let image = self.ledger.as_mut().expect("running").load().expect("the ledger loads");
            let (site, step) = Site::restore(image, self.config(), self.now());
            self.site = Some(site);
            self.commit(step);
        }
    }

    fn step(&mut self, mut input: Input) {
        let ledger = self.ledger.as_mut().expect("running");
        if let Some(lookup) = input.lookup() {
            input.learn(ledger.lookup(&lookup).expect("the ledger answers"));
        }
        let now = self.now();
        let step = self.site.as_mut().expect("running").step(input, now);
        self.commit(step);
    }

    fn commit(&mut self, step: sitepilot::site::step::Step) {
        for entry in step.entries() {
            self.transcript.push(format!("    + {}", show::entry(entry)));
            if let Entry::OrderSettled { seq, .. } = entry {
                *self.settled.entry(*seq).or_default() += 1;
            }
        }
        let ledger = self.ledger.as_mut().expect("running");
        let released = ledger.commit(step).expect("the ledger commits");
        let mut loads = Vec::new();
        for command in released {
            if let Command::Load(query) = command {
                loads.push(query);
                continue;
            }
            let at_s = self.now().wall.known_s();
            let shown = match &mut self.spoken {
                Some(spoken) => spoken.shown(&command, at_s),
                None => show::command(&command),
            };
            self.transcript.push(format!("    > {shown}"));
            self.note(command);
        }
        for query in loads {
            self.load(query);
        }
    }

    fn load(&mut self, query: Query) {
        let reader = self.ledger.as_ref().expect("running").reader().expect("a reader");
        let (orders, total) = reader.query(&query).expect("the ledger answers");
        self.step(Input::Loaded { query, orders, total });
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::Uplink { message, .. } => {
                if let UplinkMessage::Transaction { payload } = &message.message {
                    // The order's id comes first, in either revision.
                    let record = payload.slice(..payload.len().min(34));
                    let first = self.copies.entry(record).or_insert(payload.clone());
                    assert_eq!(first, payload, "every copy of an order carries the same payload");
                }
                self.asked.push((message.sequence, message.message));
            }
            Command::Pile { message: ToPile::Answer { reply, .. }, .. } => {
                self.replies.push(reply);
            }
            Command::Pile { message, .. } => {
                if let ToPile::Call { request: PileCall::RemoteStart { token, .. }, .. } = &message
                {
                    self.tokens.push(token.clone());
                }
                self.calls.push(message);
            }
            Command::Load(_) | Command::Time { .. } | Command::Operator { .. } => {}
        }
    }

    /// How many questions of a kind the cloud has not answered.
    pub fn open_questions(&self, kind: &str) -> usize {
        self.asked.iter().filter(|(_, message)| is_kind(kind, message)).count()
    }

    /// Every ended order, as the ledger has it.
    pub fn ended(&self) -> Vec<sitepilot::domain::order::Order> {
        let reader = self.ledger.as_ref().expect("running").reader().expect("a reader");
        reader.query(&all_history()).expect("the ledger answers").0
    }

    pub fn unsettled(&self) -> u64 {
        self.site.as_ref().expect("running").snapshot(self.now()).unsettled
    }

    /// What memory and ledger must agree on after every line.
    pub fn check(&mut self) {
        let Some(site) = &self.site else { return };
        let image = self.ledger.as_mut().expect("running").load().expect("the ledger loads");
        let snapshot = site.snapshot(Now::default());
        assert_eq!(image.orders, snapshot.orders, "orders in memory and in the ledger");
        assert_eq!(image.unsettled, snapshot.unsettled, "unsettled orders");
        let open = |orders: &[sitepilot::domain::order::Order]| -> Vec<OrderSeq> {
            orders.iter().map(|order| order.seq).collect()
        };
        assert_eq!(open(&image.open), open(&snapshot.open), "open orders");
        let owed = image.owed.get(&cloud()).map_or(0, |owed| owed.orders);
        assert_eq!(owed, snapshot.uplinks[0].backlog, "orders owed");
    }

    pub fn run(&mut self, text: &str) {
        let line = Line::parse(text);
        match line.words.as_slice() {
            ["wait", span] => self.wait(span_ms(span)),
            ["power", "cut"] => self.power_cut(),
            ["tick"] => self.step(Input::Tick),
            ["clock", "jumps", span] => {
                self.wall_ms += span_ms(span);
                self.step(Input::Tick);
            }
            ["clock", "unset"] => {
                self.wall_ms = i64::try_from(self.mono_ms).expect("small");
                self.quality = ClockQuality::Unset;
            }
            ["clock", "set"] => {
                self.wall_ms = BEGIN_S * 1000 + i64::try_from(self.mono_ms).expect("small") - 1_000;
                self.quality = ClockQuality::Synced;
            }
            ["store", state] => self.step(Input::Storage { is_full: *state == "full" }),
            ["certificate", "renewed"] => self.step(Input::Certificate { warning: None }),
            ["certificate", rest @ ..] => {
                self.step(Input::Certificate { warning: Some(rest.join(" ")) });
            }
            ["alarms"] => self.alarms(),
            ["orders"] => self.orders(),
            ["retry", "newest"] => self.retry(),
            [who @ ("pile" | "cloud"), "speaks", revision] => self.speaks(who, revision),
            [who @ ("pile" | "cloud"), says @ ("says" | "answers"), message] => {
                self.says(who, says, message, &line);
            }
            ["pile", rest @ ..] => self.pile(rest, &line),
            ["cloud", rest @ ..] => self.cloud(rest, &line),
            other => panic!("not a line of a script: {other:?}"),
        }
    }

    /// From here on that one, and what is said to it, goes by bytes.
    fn speaks(&mut self, who: &str, revision: &str) {
        let spoken = self.spoken.take().unwrap_or_default();
        self.spoken = Some(spoken.with(who, revision));
        (self.site, self.ledger) = (None, None);
        self.boot();
        self.transcript.clear();
    }

    fn says(&mut self, who: &str, says: &str, message: &str, line: &Line<'_>) {
        let spoken = self.spoken.as_mut().expect("the script says what they speak");
        let connection = ConnectionId(self.connection);
        let input = spoken.heard(who, says, message, line, connection);
        self.step(input);
    }

    fn config(&self) -> SiteConfig {
        match &self.spoken {
            Some(spoken) => config(spoken.pile, spoken.cloud),
            None => config(Revision::V1_10, Revision::V1_10),
        }
    }

    fn wait(&mut self, span_ms: i64) {
        let end = self.mono_ms + u64::try_from(span_ms).expect("waits go forward");
        loop {
            let deadline = self.site.as_ref().expect("running").deadline().map(|at| at.0);
            let next = deadline.filter(|at| *at <= end).map_or(end, |at| at.max(self.mono_ms + 1));
            let next = next.min(end);
            let passed = next - self.mono_ms;
            self.wall_ms += i64::try_from(passed).expect("small");
            self.mono_ms = next;
            self.step(Input::Tick);
            if next >= end {
                return;
            }
        }
    }

    fn power_cut(&mut self) {
        self.site = None;
        self.ledger = None;
        self.asked.clear();
        self.calls.clear();
        self.mono_ms = 1_000;
        self.boot();
    }

    fn alarms(&mut self) {
        let snapshot = self.site.as_ref().expect("running").snapshot(self.now());
        for (kind, alarm) in &snapshot.alarms {
            self.transcript.push(format!("    ! {} ({}) {}", kind.name(), alarm.count, alarm.text));
        }
    }

    fn orders(&mut self) {
        for order in self.ended() {
            let delivery = &order.deliveries[0];
            self.transcript.push(format!(
                "    = #{} {} started {:?} ended {:?} {} Wh, {}{}",
                order.seq.0,
                order.state.name(),
                order.started_s,
                order.ending.as_ref().and_then(|ending| ending.ended_s),
                order.ending.as_ref().map_or(0, |ending| ending.energy.wh()),
                delivery.state.name(),
                if order.flags.disputed { ", disputed" } else { "" },
            ));
        }
    }

    fn retry(&mut self) {
        let newest = self.ended().pop().expect("an order");
        let request = OperatorRequest::Retry { order: newest.id };
        self.step(Input::Operator { ticket: 1, request, known: Vec::new() });
    }

    fn pile(&mut self, words: &[&str], line: &Line<'_>) {
        let event = match words {
            ["connects"] => {
                self.connection += 1;
                PileEvent::Connected { connection: ConnectionId(self.connection) }
            }
            ["goes"] => PileEvent::Gone {
                connection: ConnectionId(self.connection),
                reason: "link lost".to_owned(),
            },
            ["accepts"] => self.pile_answer(true),
            ["refuses"] => self.pile_answer(false),
            ["progress"] => PileEvent::Told(PileNotice::Progress(ProgressReport {
                record: record(line),
                plug: plug(line),
                energy: line.number("energy").map(Energy::from_wh),
                cost: line.number("cost").map(Money::from_fen),
                original: original(35, &wire::ChargingInfoReq::default()),
            })),
            ["status"] => PileEvent::Told(PileNotice::Telemetry {
                plug: Some(plug(line)),
                status: line.number("is"),
                original: original(33, &wire::TelemetryReq::default()),
            }),
            other => self.pile_request(other, line),
        };
        let pile = PileCode::new(PILE).expect("a code");
        self.step(Input::Pile { pile, event, known: Vec::new() });
    }

    fn pile_request(&mut self, words: &[&str], line: &Line<'_>) -> PileEvent {
        let sequence = line.number("seq").unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        });
        let id = RequestId { connection: ConnectionId(self.connection), sequence };
        let request = match words {
            ["boots"] => PileRequest::Boot {
                firmware: "1".to_owned(),
                original: original(1, &wire::BootNotificationReq::default()),
            },
            ["authorize"] => PileRequest::Authorize {
                card: card(line).expect("a card"),
                original: original(20, &wire::AuthorizeReq::default()),
            },
            ["tariff"] => PileRequest::Tariff,
            ["start"] => PileRequest::Start(self.start(line)),
            ["stop"] => PileRequest::End(end(line, EndKind::Stop)),
            ["order"] => PileRequest::End(end(line, EndKind::Whole)),
            ["warning"] => PileRequest::Warning {
                plug: None,
                code: 101,
                cleared: false,
                original: original(51, &wire::WarningReq::default()),
            },
            ["reports", "firmware"] => PileRequest::Pass(Pass {
                original: original(7, &wire::FirmwareStatusNotificationReq::default()),
                address: Address::default(),
            }),
            other => panic!("piles do not {other:?}"),
        };
        PileEvent::Requested { id, request }
    }

    fn start(&self, line: &Line<'_>) -> StartReport {
        let token = line.text("token").map(|_| self.tokens.last().expect("a token").clone());
        StartReport {
            record: record(line),
            plug: plug(line),
            card: card(line),
            token,
            meter: line.number("meter").map(Energy::from_wh),
            at: at(line, "at"),
            original: original(18, &wire::StartTransactionReq::default()),
        }
    }

    fn pile_answer(&mut self, accepted: bool) -> PileEvent {
        let Some(ToPile::Call { call, request, .. }) = self.calls.pop() else {
            panic!("the pile was not called");
        };
        let answer = match request {
            PileCall::RemoteStart { .. } => PileAnswer::RemoteStart {
                accepted,
                original: original(144, &wire::RemoteStartTransactionConf::default()),
            },
            PileCall::RemoteStop { .. } => PileAnswer::RemoteStop { accepted },
            PileCall::Tariff(_) => PileAnswer::Tariff { accepted },
            PileCall::Pass(_) if !accepted => PileAnswer::Error(ErrorCode::Generic),
            PileCall::Pass(passed) => PileAnswer::Other(answer_to(&passed.original)),
        };
        PileEvent::Answered { call, answer }
    }

    fn cloud(&mut self, words: &[&str], line: &Line<'_>) {
        let event = match words {
            ["connects"] => UplinkEvent::Connected,
            ["goes"] => {
                self.asked.clear();
                UplinkEvent::Disconnected { reason: "link lost".to_owned() }
            }
            ["refuses", "login"] => {
                UplinkEvent::LoginRefused { reason: "bad user name or password".to_owned() }
            }
            ["remote-start"] => self.cloud_request(
                line,
                UplinkRequest::RemoteStart(RemoteStart {
                    connector: connector(line),
                    transaction: transaction(line),
                    card: None,
                    original: original(16, &wire::RemoteStartTransactionReq::default()),
                }),
            ),
            ["remote-stop"] => self.cloud_request(
                line,
                UplinkRequest::RemoteStop {
                    transaction: transaction(line),
                    connector: connector(line),
                    original: original(17, &wire::RemoteStopTransactionReq::default()),
                },
            ),
            ["wants", what] => self.cloud_wants(what, line),
            ["tariff"] => self.cloud_request(
                line,
                UplinkRequest::Tariff {
                    id: line.number("id").unwrap_or(1),
                    original: original(52, &wire::SetTariffReq::default()),
                },
            ),
            ["history"] => self.cloud_request(line, UplinkRequest::History(history(line))),
            ["trigger"] => {
                let what = match line.text("what") {
                    Some("start") => TriggerKind::Start,
                    Some("boot") => TriggerKind::Boot,
                    Some("progress") => TriggerKind::Progress,
                    _ => TriggerKind::Other,
                };
                self.cloud_request(
                    line,
                    UplinkRequest::Trigger { what, connector: connector(line) },
                )
            }
            other => self.cloud_answer(other, line),
        };
        self.step(Input::Uplink { uplink: cloud(), event });
    }

    /// A message that the cloud's bytes are read for, because what they name decides.
    fn cloud_wants(&mut self, what: &str, line: &Line<'_>) -> UplinkEvent {
        let named = || line.text("connector").unwrap_or_default().to_owned();
        let id = line.number("id").unwrap_or(1);
        let (message_id, payload) = match what {
            "reservation" => {
                let reserve =
                    wire::ReserveNowReq { id, connector_id: named(), ..Default::default() };
                (wire::MessageId::IdReserveNowReq, reserve.encode_to_vec())
            }
            "reset" => {
                let reset = wire::RemoteControlReq {
                    function: "Reset".to_owned(),
                    parameter: "0".to_owned(),
                };
                (wire::MessageId::IdRemoteControlReq, reset.encode_to_vec())
            }
            "charging" => {
                let start = wire::RemoteControlReq {
                    function: "RemoteStart".to_owned(),
                    parameter: named(),
                };
                (wire::MessageId::IdRemoteControlReq, start.encode_to_vec())
            }
            "profile" => {
                let profile = wire::ChargingProfile {
                    transaction_id: line.text("tx").unwrap_or_default().to_owned(),
                    ..Default::default()
                };
                let profile = wire::SetChargingProfileReq {
                    charging_profile: Some(profile),
                    ..Default::default()
                };
                (wire::MessageId::IdSetChargingProfileReq, profile.encode_to_vec())
            }
            other => panic!("clouds do not want {other}"),
        };
        let sequence_id = line.number("seq").unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        });
        let apdu = wire::Apdu {
            sequence_id,
            message_id: message_id.into(),
            payload: payload.into(),
            ..Default::default()
        };
        let settings = self.config().uplinks.remove(0).station;
        station::decode(Class::Command, &apdu.encode_to_vec(), &settings).expect("decodes")
    }

    fn cloud_request(&mut self, line: &Line<'_>, request: UplinkRequest) -> UplinkEvent {
        let sequence = Sequence(line.number("seq").unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        }));
        UplinkEvent::Requested { sequence, digest: 7, request }
    }

    /// Answers the oldest open question of a kind, or `which=newest`.
    fn cloud_answer(&mut self, words: &[&str], line: &Line<'_>) -> UplinkEvent {
        let kind = *words.last().expect("what is answered");
        let mut open =
            self.asked.iter().enumerate().filter(|(_, (_, message))| is_kind(kind, message));
        let found = match line.text("which") {
            Some("newest") => open.next_back(),
            _ => open.next(),
        };
        let at = found.unwrap_or_else(|| panic!("no open question about {kind}")).0;
        let (sequence, message) = self.asked.remove(at);
        let answer = match words[0] {
            "errors" => {
                UplinkAnswer::Error { code: error(line), text: "so says the cloud".to_owned() }
            }
            "confirms" => answer(&message, line),
            other => panic!("clouds do not {other}"),
        };
        UplinkEvent::Answered { sequence, answer, at_s: 0 }
    }
}

fn is_kind(kind: &str, message: &UplinkMessage) -> bool {
    match kind {
        "boot" => matches!(message, UplinkMessage::Boot),
        "card" => matches!(message, UplinkMessage::Authorize { .. }),
        "start" => matches!(message, UplinkMessage::Start { .. }),
        "stop" => matches!(message, UplinkMessage::Stop { .. }),
        "order" => matches!(message, UplinkMessage::Transaction { .. }),
        "message" => matches!(message, UplinkMessage::Passed(_)),
        other => panic!("nothing is asked about {other}"),
    }
}

fn all_history() -> Query {
    Query::History {
        uplink: cloud(),
        sequence: Sequence(0),
        query: HistoryQuery {
            level: HistoryLevel::All,
            connector: None,
            from_s: None,
            until_s: None,
        },
        after: OrderSeq(0),
        limit: 1_000,
    }
}

fn answer(message: &UplinkMessage, line: &Line<'_>) -> UplinkAnswer {
    let verdict = match line.text("says") {
        None | Some("yes") => Verdict::Accepted,
        Some(_) => Verdict::Blocked,
    };
    let id = line.text("id");
    match message {
        UplinkMessage::Boot => UplinkAnswer::Boot {
            status: line.number("status").unwrap_or(0),
            time_s: 0,
            interval_s: line.number("interval").unwrap_or(600),
        },
        UplinkMessage::Authorize { .. } => UplinkAnswer::Authorize {
            verdict,
            original: original(148, &wire::AuthorizeConf::default()),
        },
        UplinkMessage::Start { order, .. } => UplinkAnswer::Start {
            transaction: transaction(line),
            order: show::named(id, order.id),
            connector: show::named(None, order.connector.expect("a connector")),
            verdict,
            original: original(146, &wire::StartTransactionConf::default()),
        },
        UplinkMessage::Stop { order } => UplinkAnswer::Stop {
            transaction: match &order.transaction {
                Some(transaction) => show::named(id, transaction.clone()),
                None => sitepilot::domain::event::Named::Nothing,
            },
            connector: show::named(None, order.connector.expect("a connector")),
            cost: Money::from_fen(0),
            original: original(147, &wire::StopTransactionConf::default()),
        },
        UplinkMessage::Transaction { payload } => {
            let order = wire::TransactionReq::decode(payload.clone()).expect("decodes");
            let right = sitepilot::domain::id::OrderId::new(&order.record_id).expect("an id");
            UplinkAnswer::Transaction {
                status: line.number("status").unwrap_or(0),
                order: show::named(id, right),
                connector: sitepilot::domain::event::Named::Nothing,
            }
        }
        UplinkMessage::Passed(passed) => UplinkAnswer::Other(answer_to(&passed.original)),
        other => panic!("{other:?} has no answer here"),
    }
}

/// The least answer to a message.
fn answer_to(request: &Original) -> Original {
    let code = table::answer_to(request.revision, request.code).expect("it has an answer");
    Original { code, body: Bytes::new(), ..*request }
}

fn original(code: u8, message: &impl Message) -> Original {
    Original { revision: Revision::V1_10, code, body: message.encode_to_vec().into() }
}

fn record(line: &Line<'_>) -> RecordNo {
    RecordNo::new(line.text("record").unwrap_or("1")).expect("a record number")
}

fn plug(line: &Line<'_>) -> PlugNo {
    PlugNo(line.number("plug").unwrap_or(1))
}

fn card(line: &Line<'_>) -> Option<CardNo> {
    line.text("card").map(|card| CardNo::new(card).expect("a card number"))
}

fn transaction(line: &Line<'_>) -> Option<TransactionId> {
    line.text("tx").map(|id| TransactionId::new(id).expect("a transaction id"))
}

fn connector(line: &Line<'_>) -> Option<ConnectorNo> {
    line.number("connector").and_then(ConnectorNo::new)
}

/// Seconds after the beginning of the script; missing: unknown.
fn at(line: &Line<'_>, key: &str) -> PileTime {
    line.number::<i64>(key).map_or(PileTime::Unknown, |s| PileTime::Known(BEGIN_S + s))
}

fn end(line: &Line<'_>, kind: EndKind) -> EndReport {
    let whole = kind == EndKind::Whole;
    EndReport {
        record: record(line),
        plug: Some(plug(line)),
        card: card(line),
        token: None,
        started: if whole { at(line, "at") } else { PileTime::Unknown },
        kind,
        meter_start: line.number("start").map(Energy::from_wh).filter(|_| whole),
        meter_stop: line.number("meter").map(Energy::from_wh),
        ended: at(line, "end"),
        cost: line.number("cost").map(Money::from_fen),
        reason: 0,
        original: match kind {
            EndKind::Whole => original(49, &wire::TransactionReq::default()),
            EndKind::Stop => original(19, &wire::StopTransactionReq::default()),
        },
    }
}

fn history(line: &Line<'_>) -> HistoryQuery {
    HistoryQuery {
        level: match line.text("level") {
            Some("0") => HistoryLevel::Current,
            Some("1") => HistoryLevel::Unsettled,
            _ => HistoryLevel::All,
        },
        connector: connector(line),
        from_s: line.number::<i64>("from").map(|s| BEGIN_S + s),
        until_s: line.number::<i64>("until").map(|s| BEGIN_S + s),
    }
}

fn error(line: &Line<'_>) -> ErrorCode {
    match line.number::<u8>("code") {
        Some(1) => ErrorCode::NotSupported,
        Some(2) => ErrorCode::Internal,
        Some(3) => ErrorCode::Protocol,
        Some(4) => ErrorCode::TypeViolation,
        _ => ErrorCode::Generic,
    }
}

pub fn cloud() -> UplinkName {
    UplinkName::new(CLOUD).expect("a name")
}

pub fn config(of_pile: Revision, of_cloud: Revision) -> SiteConfig {
    let pile = PileCode::new(PILE).expect("a code");
    let connectors: Vec<ConnectorNo> = [11, 12].into_iter().filter_map(ConnectorNo::new).collect();
    let places = (1..).zip(&connectors).map(|(plug, no)| (*no, (pile, plug))).collect();
    let station = station::Settings {
        revision: of_cloud,
        part_number: "SITEPILOT-1".to_owned(),
        serial: "SP-1".to_owned(),
        vendor: "ACME".to_owned(),
        connectors: places,
    };
    SiteConfig {
        piles: [(pile, PileConfig { revision: of_pile, connectors })].into(),
        uplinks: vec![UplinkConfig {
            name: cloud(),
            station,
            primary: true,
            commands: true,
            required: true,
            answer_timeout_ms: 3_000,
        }],
        heartbeat_interval_s: 60,
        interrupted_grace_ms: 3_600_000,
        undated_hold_ms: 600_000,
        stop_refused: true,
    }
}
