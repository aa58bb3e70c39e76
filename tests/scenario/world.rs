//! A site with one pile, one cloud and a real ledger, in virtual time.

#![allow(dead_code, reason = "shared by test crates that use parts of it")]

mod arguments;
mod cloud;
mod meter;
mod pile;
mod uplinks;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sitepilot::{
    domain::{
        event::{HistoryLevel, HistoryQuery, OperatorRequest},
        id::{ConnectionId, MeterName, OrderSeq, Sequence, StartToken, UplinkName},
        order::Order,
        quantity::Energy,
        reading::Metering,
        reply::{PileCall, PileReply, ToPile, UplinkMessage},
        time::{ClockQuality, Mono, Now, Wall},
        wire::Revision,
    },
    ledger::{Ledger, Options},
    site::{
        Input, MeterConfig, Site, SiteConfig, UplinkConfig,
        alarm::DoorsTrouble,
        command::{Command, Query},
        entry::Entry,
        snapshot::Snapshot,
        step::Step,
    },
};

use crate::{
    script::{Line, span_ms},
    show,
    small_site::{PILE, cloud, config},
    spoken::Spoken,
};

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
    /// What was said on the uplinks and not answered, newest last.
    asked: Vec<(UplinkName, Sequence, UplinkMessage)>,
    calls: Vec<ToPile>,
    tokens: Vec<StartToken>,
    /// Every order that left whole: payloads by uplink and order id.
    copies: BTreeMap<(UplinkName, String), Bytes>,
    numbers: BTreeMap<String, OrderSeq>,
    /// The uplinks beside the cloud; a change counts from the next power cut on.
    others: Vec<UplinkConfig>,
    /// Those of them whose part is to listen; what the others are told beside orders is not shown.
    listeners: BTreeSet<UplinkName>,
    /// The meters of the config; a change counts from the next power cut on.
    meters: Vec<MeterConfig>,
    /// Pile and cloud by their bytes, where the script says what they speak.
    spoken: Option<Spoken>,
    pub transcript: Vec<String>,
    /// Answers the pile got, for those who keep books.
    pub replies: Vec<PileReply>,
    /// What each meter was last believed to show, by the entries; a replacement starts anew.
    shown: BTreeMap<MeterName, Energy>,
    metered: BTreeMap<OrderSeq, MeterName>,
    /// How often each order was settled.
    pub settled: BTreeMap<OrderSeq, u32>,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            dir: crate::scratch::folder(),
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
            numbers: BTreeMap::new(),
            others: Vec::new(),
            listeners: BTreeSet::new(),
            meters: Vec::new(),
            spoken: None,
            transcript: Vec::new(),
            replies: Vec::new(),
            shown: BTreeMap::new(),
            metered: BTreeMap::new(),
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

    fn commit(&mut self, step: Step) {
        for entry in step.entries() {
            self.transcript.push(format!("    + {}", show::entry(entry)));
            if let Entry::OrderSettled { seq, .. } = entry {
                *self.settled.entry(*seq).or_default() += 1;
            }
            if let Entry::OrderRecorded(order) = entry {
                self.numbers.insert(order.id.to_string(), order.seq);
            }
            self.watch_meters(entry);
        }
        let is_derived = step.is_derived();
        let ledger = self.ledger.as_mut().expect("running");
        let released = ledger.commit(step).expect("the ledger commits");
        if is_derived {
            let image = ledger.load().expect("the ledger loads");
            self.site.as_mut().expect("running").refresh(&image);
        }
        let mut loads = Vec::new();
        for command in released {
            if let Command::Load(query) = command {
                loads.push(query);
                continue;
            }
            if self.is_unheard(&command) {
                continue;
            }
            let at_s = self.now().wall.known_s();
            let mut shown = match &mut self.spoken {
                Some(spoken) => spoken.shown(&command, at_s),
                None => show::command(&command),
            };
            shown.push_str(&self.which_order(&command));
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

    /// Whether it is something that nobody listens to.
    fn is_unheard(&self, command: &Command) -> bool {
        let Command::Uplink { uplink, message } = command else { return false };
        let is_told = matches!(
            message.message,
            UplinkMessage::Image(_) | UplinkMessage::News(_) | UplinkMessage::Snapshot(_)
        );
        is_told && !self.listeners.contains(uplink)
    }

    /// Which order it is that leaves whole on an uplink beside the cloud.
    fn which_order(&self, command: &Command) -> String {
        let Command::Uplink { uplink, message } = command else { return String::new() };
        let UplinkMessage::Transaction { payload, .. } = &message.message else {
            return String::new();
        };
        let seq = self.numbers[&order_id(payload)];
        if self.is_other(uplink.as_str()) { format!(", order #{}", seq.0) } else { String::new() }
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::Uplink { uplink, message } => {
                if let UplinkMessage::Transaction { payload, .. } = &message.message {
                    let copy = (uplink.clone(), order_id(payload));
                    let first = self.copies.entry(copy).or_insert(payload.clone());
                    assert_eq!(first, payload, "every copy of an order carries the same payload");
                }
                self.asked.push((uplink, message.sequence, message.message));
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
            Command::Load(_)
            | Command::ReadMeter { .. }
            | Command::Time { .. }
            | Command::Operator { .. } => {}
        }
    }

    /// How many questions of a kind the cloud has not answered.
    pub fn open_questions(&self, kind: &str) -> usize {
        self.open_at(cloud().as_str(), kind)
    }

    /// How many questions of a kind nobody has answered on an uplink.
    pub fn open_at(&self, name: &str, kind: &str) -> usize {
        let open = self.asked.iter().filter(|(uplink, ..)| uplink.as_str() == name);
        open.filter(|(_, _, message)| cloud::is_kind(kind, message)).count()
    }

    /// Whether an order has left whole on an uplink; all its copies were the same.
    pub fn has_left(&self, name: &str, order: &Order) -> bool {
        let name = UplinkName::new(name).expect("a name");
        self.copies.contains_key(&(name, order.id.to_string()))
    }

    pub fn snapshot(&self) -> Snapshot {
        self.site.as_ref().expect("running").snapshot(self.now())
    }

    /// Every ended order, as the ledger has it.
    pub fn ended(&self) -> Vec<Order> {
        let reader = self.ledger.as_ref().expect("running").reader().expect("a reader");
        reader.query(&all_history()).expect("the ledger answers").0
    }

    pub fn unsettled(&self) -> u64 {
        self.snapshot().unsettled
    }

    /// What memory and ledger must agree on after every line.
    pub fn check(&mut self) {
        let Some(site) = &self.site else { return };
        let image = self.ledger.as_mut().expect("running").load().expect("the ledger loads");
        let snapshot = site.snapshot(Now::default());
        assert_eq!(image.orders, snapshot.orders, "orders in memory and in the ledger");
        assert_eq!(image.unsettled, snapshot.unsettled, "unsettled orders");
        let open =
            |orders: &[Order]| -> Vec<OrderSeq> { orders.iter().map(|order| order.seq).collect() };
        assert_eq!(open(&image.open), open(&snapshot.open), "open orders");
        // Dates of earlier runs that are learned later are in the ledger only.
        let undated = |metering: &Metering| {
            let mut metering = metering.clone();
            metering.samples_mut().for_each(|sample| sample.at.wall = Wall::default());
            metering
        };
        let metering = |orders: &[Order]| -> Vec<_> {
            orders.iter().map(|order| order.metering.as_ref().map(undated)).collect()
        };
        assert_eq!(metering(&image.open), metering(&snapshot.open), "what meters say of them");
        for meter in &snapshot.meters {
            let kept = image.meters.get(&meter.name).copied().unwrap_or_default();
            assert_eq!(kept.replaced, meter.replaced, "when meter {} was replaced", meter.name);
            let known = kept.last.and_then(|last| last.energy_import);
            let shown = meter.values.energy_import;
            assert!(shown.is_none() || known <= shown, "meter {} falls", meter.name);
        }
        for uplink in &snapshot.uplinks {
            let owed = image.owed.get(&uplink.name).map_or(0, |owed| owed.orders);
            assert_eq!(owed, uplink.backlog, "orders owed to {}", uplink.name);
        }
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
            ["certificate", "renewed"] => self.certificate(None),
            ["certificate", rest @ ..] => self.certificate(Some(rest.join(" "))),
            ["alarms"] => self.alarms(),
            ["orders"] => self.orders(),
            ["retry", "newest"] => self.retry(),
            [who @ ("pile" | "cloud"), "speaks", revision] => self.speaks(who, revision),
            [who @ ("pile" | "cloud"), says @ ("says" | "answers"), message] => {
                self.says(who, says, message, &line);
            }
            ["meters"] => self.show_meters(),
            ["uplinks"] => self.show_uplinks(),
            ["uplink", name, rest @ ..] => self.uplink(name, rest, &line),
            ["retire", name] => self.retire(name),
            ["meter", name, rest @ ..] => self.meter(name, rest, &line),
            ["pile", rest @ ..] => self.pile(rest, &line),
            ["cloud", rest @ ..] => self.cloud(rest, &line),
            [name, rest @ ..] if self.is_other(name) => self.other(name, rest, &line),
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
        let mut config = match &self.spoken {
            Some(spoken) => config(spoken.pile, spoken.cloud),
            None => config(Revision::V1_10, Revision::V1_10),
        };
        config.uplinks.extend(self.others.iter().cloned());
        SiteConfig { meters: self.meters.clone(), ..config }
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

    fn certificate(&mut self, text: Option<String>) {
        self.step(Input::Doors { trouble: DoorsTrouble::CertificateEnds, text });
    }

    fn alarms(&mut self) {
        let snapshot = self.snapshot();
        for (kind, alarm) in &snapshot.alarms {
            self.transcript.push(format!("    ! {} ({}) {}", kind.name(), alarm.count, alarm.text));
        }
    }

    fn orders(&mut self) {
        for order in self.ended() {
            self.transcript.push(format!(
                "    = #{} {} started {:?} ended {:?} {} Wh, {}{}",
                order.seq.0,
                order.state.name(),
                order.started_s,
                order.ending.as_ref().and_then(|ending| ending.ended_s),
                order.ending.as_ref().map_or(0, |ending| ending.energy.wh()),
                deliveries(&order),
                if order.flags.disputed { ", disputed" } else { "" },
            ));
            if let Some(metering) = &order.metering {
                self.transcript.push(format!("    =  {}", show::metering(metering)));
            }
        }
    }

    fn retry(&mut self) {
        let newest = self.ended().pop().expect("an order");
        let request = OperatorRequest::Retry { order: newest.id };
        self.step(Input::Operator { ticket: 1, request, known: Vec::new() });
    }

    /// The number the line gives a message, or the next one.
    fn sequence(&mut self, line: &Line<'_>) -> u64 {
        line.number("seq").unwrap_or_else(|| {
            self.sequence += 1;
            self.sequence
        })
    }
}

/// `confirmed`; where there are several, `confirmed cloud, queued ec`.
fn deliveries(order: &Order) -> String {
    if let [only] = order.deliveries.as_slice() {
        return only.state.name().to_owned();
    }
    let named = order.deliveries.iter().map(|delivery| {
        let reason = delivery.last_error.as_ref().map(|reason| format!(" ({reason})"));
        let reason = reason.unwrap_or_default();
        format!("{} {}{reason}", delivery.state.name(), delivery.uplink)
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The order that bytes of a wire are about: on each of them its id stands as it is.
fn order_id(payload: &[u8]) -> String {
    let is_id = |text: &&[u8]| {
        text.starts_with(PILE.as_bytes()) && text.iter().all(u8::is_ascii_alphanumeric)
    };
    let id = payload.windows(2 * PILE.len()).rfind(is_id).expect("the id of an order");
    String::from_utf8(id.to_vec()).expect("letters and digits")
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
