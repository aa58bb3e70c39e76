//! One uplink: boot gate, heartbeats, what is asked and told.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Confirmation, UplinkConfig,
    history::Histories,
    outbox::Outbox,
    pace::Pace,
    questions::{Purpose, Questions},
    resend::Resend,
    turn::Turn,
};
use crate::domain::{
    event::TriggerKind,
    id::{OrderSeq, Sequence},
    reply::{ToUplink, UplinkMessage, UplinkReply, Urgency},
    time::{Mono, Stamp},
    wire::Abilities,
};

/// A boot that nobody answers is sent again after this.
const BOOT_ANSWER_MS: u64 = 30_000;

/// Between boots after a refusal whose interval is missing or senseless.
const BOOT_RETRY_MS: u64 = 60_000;

/// Longest believed interval of a boot answer: one day.
const LONGEST_INTERVAL_S: i32 = 86_400;

/// Heartbeats where the backend gives no usable interval.
const HEARTBEAT_MS: u64 = 60_000;

/// A backend that says nothing for that long, or for [`SILENT_HEARTBEATS`] of its own heartbeats,
/// is silent: four boots are unanswered by then.
const SILENT_MS: u64 = 120_000;

/// A transport that confirms nothing for that long has something the matter with it. Where two
/// heartbeats of the far side have to come first, a sound one takes two minutes.
const UNCONFIRMED_MS: u64 = 600_000;

/// Heartbeats that may go unanswered; one can be lost with its link, two are bad luck.
const SILENT_HEARTBEATS: u64 = 3;

/// Requests of the backend remembered to recognise a repetition.
const SEEN_LIMIT: usize = 64;

/// Warnings kept while the backend is away; the oldest goes first.
const WARNINGS_LIMIT: usize = 256;

/// Where the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Down,
    /// Logged in; nothing but boots is exchanged.
    Booting {
        again_at: Mono,
    },
    Online {
        /// `None`: this backend has none.
        heartbeat: Option<Heartbeat>,
    },
}

/// When the next heartbeat is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heartbeat {
    at: Mono,
    every_ms: u64,
}

/// What a backend was told of a running order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) is_answered: bool,
    /// The reading at the start was the meter's, not the pile's.
    pub(super) is_metered: bool,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) config: UplinkConfig,
    pub(super) state: LinkState,
    pub(super) since: Stamp,
    pub(super) reason: String,
    pub(super) questions: Questions,
    /// Running orders the backend has been told of on this link.
    pub(super) announced: BTreeMap<OrderSeq, Announced>,
    pub(super) outbox: Outbox,
    pub(super) pace: Pace,
    pub(super) histories: Histories,
    pub(super) resend: Resend,
    seen: VecDeque<(Sequence, u64, Option<UplinkReply>)>,
    pub(super) warnings: VecDeque<UplinkMessage>,
    /// Answers that fitted no question.
    pub(super) strays: u64,
    /// When the backend was last heard, or connected to.
    heard: Mono,
    /// The first question since then.
    asked: Option<Mono>,
}

impl Link {
    pub(super) fn new(config: UplinkConfig, mark: Sequence, outbox: Outbox, since: Stamp) -> Self {
        Self {
            pace: Pace::new(config.max_orders_per_s),
            config,
            state: LinkState::Down,
            since,
            reason: String::new(),
            questions: Questions::new(mark),
            announced: BTreeMap::new(),
            outbox,
            histories: Histories::default(),
            resend: Resend::default(),
            seen: VecDeque::new(),
            warnings: VecDeque::new(),
            strays: 0,
            heard: since.mono,
            asked: None,
        }
    }

    fn abilities(&self) -> Abilities {
        self.config.wire.abilities()
    }

    /// Whether a backend that decides is at the other end: it boots, is asked, and is told every
    /// message of the charging-station protocol. The others are told what their wires have.
    pub(super) const fn decides(&self) -> bool {
        self.config.wire.station().is_some()
    }

    /// Whether it is owed the orders that are recorded.
    pub(super) const fn takes_orders(&self) -> bool {
        !matches!(self.config.wire.confirmation(), Confirmation::None)
    }

    /// Whether the transport confirms, and nobody answers.
    pub(super) const fn is_delivered(&self) -> bool {
        matches!(self.config.wire.confirmation(), Confirmation::Delivered)
    }

    fn sequence(&mut self, turn: &mut Turn) -> Sequence {
        let abilities = self.abilities();
        self.questions.sequence(&self.config.name, abilities, turn)
    }

    /// The backend said something.
    pub(super) fn hear(&mut self, now: Mono) {
        (self.heard, self.asked) = (now, None);
    }

    /// The link is up and nobody answers on it: behind a broker, a backend can be gone unseen.
    pub(super) fn is_silent(&self, now: Mono) -> bool {
        let (since, patience_ms) = match self.state {
            LinkState::Down => return false,
            LinkState::Booting { .. } => (Some(self.heard), SILENT_MS),
            LinkState::Online { heartbeat: Some(heartbeat) } => {
                (Some(self.heard), SILENT_MS.max(heartbeat.every_ms * SILENT_HEARTBEATS))
            }
            // It says nothing unasked.
            LinkState::Online { heartbeat: None } if self.decides() => (self.asked, SILENT_MS),
            LinkState::Online { heartbeat: None } => (self.asked, UNCONFIRMED_MS),
        };
        since.is_some_and(|since| now.since_ms(since) >= patience_ms)
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, LinkState::Online { .. })
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(
        &mut self,
        turn: &mut Turn,
        message: UplinkMessage,
        urgency: Urgency,
        purpose: Purpose,
        deadline: Option<Mono>,
    ) {
        let sequence = self.sequence(turn);
        self.asked.get_or_insert(turn.now.mono);
        self.questions.open(sequence, purpose, deadline);
        turn.uplink(&self.config.name, ToUplink { sequence, message, urgency });
    }

    /// Says something that has no answer.
    pub(super) fn tell(&mut self, turn: &mut Turn, message: UplinkMessage, urgency: Urgency) {
        let sequence = self.sequence(turn);
        turn.uplink(&self.config.name, ToUplink { sequence, message, urgency });
    }

    /// Answers a request, and remembers the answer for its repetition.
    pub(super) fn reply(&mut self, turn: &mut Turn, sequence: Sequence, reply: UplinkReply) {
        if let Some(seen) = self.seen.iter_mut().rev().find(|(at, ..)| *at == sequence) {
            seen.2 = Some(reply.clone());
        }
        let message = UplinkMessage::Answer(reply);
        turn.uplink(&self.config.name, ToUplink { sequence, message, urgency: Urgency::Live });
    }

    /// Whether this very request came before on this link; answers it again if it was answered.
    pub(super) fn is_repetition(
        &mut self,
        turn: &mut Turn,
        sequence: Sequence,
        digest: u64,
    ) -> bool {
        let before = self.seen.iter().find(|(at, what, _)| *at == sequence && *what == digest);
        if let Some((.., reply)) = before {
            if let Some(reply) = reply.clone() {
                self.reply(turn, sequence, reply);
            }
            return true;
        }
        if self.seen.len() >= SEEN_LIMIT {
            self.seen.pop_front();
        }
        self.seen.push_back((sequence, digest, None));
        false
    }

    /// The link is up. A backend has to be booted at first; with the others there is no such gate.
    pub(super) fn connected(&mut self, turn: &mut Turn) {
        self.since = turn.stamp();
        self.hear(turn.now.mono);
        self.reason.clear();
        if self.decides() {
            self.boot(turn);
        } else {
            self.state = LinkState::Online { heartbeat: None };
        }
    }

    pub(super) fn boot(&mut self, turn: &mut Turn) {
        let again_at = turn.now.mono.plus_ms(BOOT_ANSWER_MS);
        self.state = LinkState::Booting { again_at };
        self.questions.forget(&Purpose::Boot);
        self.ask(turn, UplinkMessage::Boot, Urgency::Live, Purpose::Boot, None);
    }

    /// Takes the answer to a boot; `true` if the link has just come on line.
    pub(super) fn booted(&mut self, turn: &Turn, status: i32, interval_s: i32) -> bool {
        let interval_ms = u64::try_from(interval_s)
            .ok()
            .filter(|s| *s > 0 && interval_s <= LONGEST_INTERVAL_S)
            .map(|s| s * 1000);
        let now = turn.now.mono;
        if status != 0 {
            let again_at = now.plus_ms(interval_ms.unwrap_or(BOOT_RETRY_MS));
            self.state = LinkState::Booting { again_at };
            self.reason = format!("boot refused with status {status}");
            return false;
        }
        let every_ms = interval_ms.unwrap_or(HEARTBEAT_MS);
        let was_online = self.is_online();
        let heartbeat = Heartbeat { at: now.plus_ms(every_ms), every_ms };
        let heartbeat = self.abilities().heartbeats.then_some(heartbeat);
        self.state = LinkState::Online { heartbeat };
        self.reason.clear();
        if !was_online {
            self.since = turn.stamp();
        }
        !was_online
    }

    /// Whether the backend has answered the announcement of a running order.
    pub(super) fn knows(&self, seq: OrderSeq) -> bool {
        self.announced.get(&seq).is_some_and(|announced| announced.is_answered)
    }

    pub(super) fn disconnected(&mut self, turn: &Turn, reason: String) {
        if self.state != LinkState::Down {
            self.since = turn.stamp();
        }
        self.state = LinkState::Down;
        self.reason = reason;
        self.announced.clear();
        self.seen.clear();
        self.histories = Histories::default();
        self.resend.link_lost();
        self.outbox.link_lost();
    }

    pub(super) fn keep_alive(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        match self.state {
            LinkState::Booting { again_at } if again_at <= now => self.boot(turn),
            LinkState::Online { heartbeat: Some(Heartbeat { at, every_ms }) } if at <= now => {
                let heartbeat = Heartbeat { at: now.plus_ms(every_ms), every_ms };
                self.state = LinkState::Online { heartbeat: Some(heartbeat) };
                self.heartbeat(turn);
            }
            LinkState::Down | LinkState::Booting { .. } | LinkState::Online { .. } => {}
        }
    }

    /// Asks whether the backend is there.
    pub(super) fn heartbeat(&mut self, turn: &mut Turn) {
        self.questions.forget(&Purpose::Heartbeat);
        self.ask(turn, UplinkMessage::Heartbeat, Urgency::Live, Purpose::Heartbeat, None);
    }

    /// Whether a message can be had again from here.
    pub(super) fn can_repeat(&self, what: TriggerKind) -> bool {
        match what {
            _ if !self.decides() => false,
            TriggerKind::Other => false,
            TriggerKind::Heartbeat => self.abilities().heartbeats,
            TriggerKind::Boot
            | TriggerKind::Start
            | TriggerKind::Progress
            | TriggerKind::Status
            | TriggerKind::Telemetry
            | TriggerKind::Transactions
            | TriggerKind::Tariff => true,
        }
    }

    /// Passes a warning on, or keeps it until the backend is back.
    pub(super) fn warn(&mut self, turn: &mut Turn, warning: UplinkMessage) {
        if self.is_online() {
            if self.abilities().confirms_warnings {
                self.ask(turn, warning, Urgency::Live, Purpose::Warning, None);
            } else {
                self.tell(turn, warning, Urgency::Live);
            }
            return;
        }
        if self.warnings.len() >= WARNINGS_LIMIT {
            self.warnings.pop_front();
        }
        self.warnings.push_back(warning);
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        let own = match self.state {
            LinkState::Down => None,
            LinkState::Booting { again_at } => Some(again_at),
            LinkState::Online { heartbeat } => heartbeat.map(|heartbeat| heartbeat.at),
        };
        // What the pace holds back comes first: it holds back everything.
        let owed = self.pace.blocked_until().or_else(|| self.outbox.deadline());
        let owed = owed.filter(|_| self.is_online());
        own.into_iter().chain(self.questions.deadline()).chain(owed).min()
    }
}
