//! One uplink: boot gate, sequence ids, questions that wait for answers.

use std::collections::{BTreeMap, VecDeque};

use super::{UplinkConfig, entry::Entry, history::Histories, outbox::Outbox, turn::Turn};
use crate::domain::{
    event::TriggerKind,
    id::{CardNo, OrderSeq, PileCode, RequestId, Sequence},
    reply::{ToUplink, UplinkMessage, UplinkReply, Urgency},
    time::{Mono, Stamp},
    wire::Abilities,
};

/// Sequence ids are reserved in the ledger by the block, so that a run never repeats one of an
/// earlier run and few rows are written.
const SEQUENCE_BLOCK: u64 = 10_000;

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

/// Heartbeats that may go unanswered; one can be lost with its link, two are bad luck.
const SILENT_HEARTBEATS: u64 = 3;

/// Questions that wait at the same time: the widest window with its repetitions, and live ones.
/// Above it the oldest is forgotten, which costs a repetition.
const PENDING_LIMIT: usize = 4096;

/// Requests of the backend remembered to recognise a repetition.
const SEEN_LIMIT: usize = 64;

/// Warnings kept while the backend is away; the oldest goes first.
const WARNINGS_LIMIT: usize = 256;

/// Why a question was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Boot,
    Heartbeat,
    Authorize {
        pile: PileCode,
        id: RequestId,
        card: CardNo,
    },
    /// An announcement; the pile waits for it if it has just started.
    Start {
        seq: OrderSeq,
        pile: Option<RequestId>,
    },
    /// A delivery as a live stop.
    Stop {
        seq: OrderSeq,
    },
    /// A delivery as an offline order.
    Transaction {
        seq: OrderSeq,
    },
    /// An order the backend wanted to have again.
    Again {
        seq: OrderSeq,
    },
    Warning,
    /// A message of a pile, by its code, passed on.
    Pass {
        pile: PileCode,
        id: RequestId,
        code: u8,
    },
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    /// `None`: nobody acts on silence.
    pub(super) deadline: Option<Mono>,
}

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
    next: u64,
    reserved: u64,
    pending: BTreeMap<Sequence, Pending>,
    /// Running orders the backend has been told of on this link.
    pub(super) announced: BTreeMap<OrderSeq, Announced>,
    pub(super) outbox: Outbox,
    pub(super) histories: Histories,
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
            config,
            state: LinkState::Down,
            since,
            reason: String::new(),
            next: mark.0 + 1,
            reserved: mark.0,
            pending: BTreeMap::new(),
            announced: BTreeMap::new(),
            outbox,
            histories: Histories::default(),
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
            LinkState::Online { heartbeat: None } => (self.asked, SILENT_MS),
        };
        since.is_some_and(|since| now.since_ms(since) >= patience_ms)
    }

    pub(super) fn is_online(&self) -> bool {
        matches!(self.state, LinkState::Online { .. })
    }

    /// A sequence id that no open question has: those of a wire that ends early begin anew, while
    /// the count that is kept in the ledger goes on.
    fn sequence(&mut self, turn: &mut Turn) -> Sequence {
        loop {
            let count = self.next;
            self.next += 1;
            if count > self.reserved {
                self.reserved = count + SEQUENCE_BLOCK;
                let uplink = self.config.name.clone();
                turn.remember(Entry::SequencesReserved { uplink, up_to: Sequence(self.reserved) });
            }
            let sequence = self.abilities().sequence(count);
            // Ends: fewer are open than there are.
            if !self.pending.contains_key(&sequence) {
                return sequence;
            }
        }
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
        if self.pending.len() >= PENDING_LIMIT {
            self.pending.pop_first();
        }
        self.pending.insert(sequence, Pending { purpose, deadline });
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

    /// Whether this very question is open.
    pub(super) fn waits_for(&self, purpose: &Purpose) -> bool {
        self.pending.values().any(|pending| pending.purpose == *purpose)
    }

    /// How many messages wait that were passed on: of a pile, and of all.
    pub(super) fn passes(&self, of: PileCode) -> (usize, usize) {
        let passes = self.pending.values().filter_map(|pending| match pending.purpose {
            Purpose::Pass { pile, .. } => Some(pile == of),
            _ => None,
        });
        passes.fold((0, 0), |(own, all), is_own| (own + usize::from(is_own), all + 1))
    }

    pub(super) fn question(&self, sequence: Sequence) -> Option<&Purpose> {
        self.pending.get(&sequence).map(|pending| &pending.purpose)
    }

    pub(super) fn close(&mut self, sequence: Sequence) -> Option<Purpose> {
        self.pending.remove(&sequence).map(|pending| pending.purpose)
    }

    /// A pile repeats the start of an order the backend is being asked about: the answer will go to
    /// the newer request. `false` if nothing is being asked.
    pub(super) fn wait_again(&mut self, of: OrderSeq, id: RequestId) -> bool {
        let waiting = self.pending.values_mut().find_map(|pending| match &mut pending.purpose {
            Purpose::Start { seq, pile: Some(pile) } if *seq == of => Some(pile),
            _ => None,
        });
        waiting.map(|pile| *pile = id).is_some()
    }

    /// The pile was answered locally; the backend's answer will only assign its transaction id.
    pub(super) fn stop_waiting(&mut self, sequence: Sequence, seq: OrderSeq, deadline: Mono) {
        if let Some(pending) = self.pending.get_mut(&sequence) {
            pending.purpose = Purpose::Start { seq, pile: None };
            pending.deadline = Some(deadline);
        }
    }

    /// Forgets every question about the delivery of an order.
    pub(super) fn close_order(&mut self, seq: OrderSeq) {
        self.pending.retain(|_, pending| {
            !matches!(pending.purpose,
                Purpose::Stop { seq: of } | Purpose::Transaction { seq: of } if of == seq)
        });
    }

    /// Questions whose time is over. Those about deliveries stay open, so that a late answer
    /// still counts; they lose their deadline.
    pub(super) fn expired(&mut self, now: Mono) -> Vec<(Sequence, Purpose)> {
        let due: Vec<Sequence> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline.is_some_and(|at| at <= now))
            .map(|(sequence, _)| *sequence)
            .collect();
        due.into_iter()
            .filter_map(|sequence| {
                let pending = self.pending.get_mut(&sequence)?;
                pending.deadline = None;
                Some((sequence, pending.purpose.clone()))
            })
            .collect()
    }

    pub(super) fn connected(&mut self, turn: &mut Turn) {
        self.since = turn.stamp();
        self.hear(turn.now.mono);
        self.reason.clear();
        self.boot(turn);
    }

    pub(super) fn boot(&mut self, turn: &mut Turn) {
        let again_at = turn.now.mono.plus_ms(BOOT_ANSWER_MS);
        self.state = LinkState::Booting { again_at };
        self.pending.retain(|_, pending| pending.purpose != Purpose::Boot);
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
        self.outbox.link_lost();
    }

    /// Questions that die with the link: whoever waits is answered locally.
    pub(super) fn orphaned(&mut self) -> Vec<Purpose> {
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.purpose).collect()
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
        self.pending.retain(|_, pending| pending.purpose != Purpose::Heartbeat);
        self.ask(turn, UplinkMessage::Heartbeat, Urgency::Live, Purpose::Heartbeat, None);
    }

    /// Whether a message can be had again from here.
    pub(super) fn can_repeat(&self, what: TriggerKind) -> bool {
        match what {
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
        let asked = self.pending.values().filter_map(|pending| pending.deadline).min();
        let owed = self.is_online().then(|| self.outbox.deadline()).flatten();
        own.into_iter().chain(asked).chain(owed).min()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::site::Wire;
    use crate::{
        domain::{
            id::UplinkName,
            time::{BootId, Now},
            wire::Revision,
        },
        protocol::charger::station::{ELEC_DATA_UNIT, Settings},
    };

    fn link(revision: Revision, mark: u64) -> Link {
        let station = Settings {
            revision,
            part_number: "SITEPILOT-1".to_owned(),
            serial: "SP-1".to_owned(),
            vendor: "ACME".to_owned(),
            elec_data_unit: ELEC_DATA_UNIT,
            connectors: BTreeMap::new(),
        };
        let name = UplinkName::new("cloud").unwrap();
        let config = UplinkConfig {
            name,
            wire: Wire::Charger(station),
            primary: true,
            commands: true,
            required: true,
            answer_timeout_ms: 3_000,
            orders_since_s: None,
            max_orders_per_s: None,
        };
        let outbox = Outbox::restore(crate::site::restore::Owed::default());
        Link::new(config, Sequence(mark), outbox, Stamp::default())
    }

    #[test]
    fn sequence_ids_begin_anew_where_the_wire_ends_and_leave_out_open_questions() {
        const LAST: u64 = 0x7fff_ffff;
        let mut turn = Turn::new(Now::default(), BootId(1));
        let mut link = link(Revision::V1_0, LAST - 2);
        link.pending.insert(Sequence(1), Pending { purpose: Purpose::Warning, deadline: None });
        let drawn: Vec<u64> = (0..4).map(|_| link.sequence(&mut turn).0).collect();
        assert_eq!(drawn, [LAST - 1, LAST, 2, 3]);
        assert_eq!(link.reserved, LAST - 1 + SEQUENCE_BLOCK, "the count goes on");
    }
}
