//! Remote start and stop: done at most once, with a deadline, and never after a restart.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use sha2::{Digest, Sha256};

use super::{
    Site,
    alarm::AlarmKind,
    command::Command,
    entry::{Entry, OpenRemote},
    turn::Turn,
};
use crate::domain::{
    card::Verdict,
    event::{PileAnswer, RemoteStart},
    id::{
        CallId, ConnectorNo, OrderSeq, PileCode, PlugNo, RequestId, Sequence, StartToken,
        TransactionId, UplinkName,
    },
    order::{Order, OrderState},
    passing::Passed,
    reply::{PileCall, ToPile, UplinkReply},
    time::Mono,
    wire::{ErrorCode, Original},
};

/// How long a pile may take to answer a remote start or stop. Backends give up after about a
/// minute; half of it leaves time to tell them.
const CALL_MS: u64 = 30_000;

/// Remote starts remembered by the backend's transaction id, also over restarts, so that a
/// repetition is recognised: more than a site with 200 connectors gets within the time a backend
/// repeats itself.
pub const REMOTES_LIMIT: u16 = 256;

/// What became of a remote start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    Accepted,
    Failed,
}

/// Remote starts by token, and the calls to piles that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Remotes {
    fates: BTreeMap<StartToken, (Option<TransactionId>, Fate)>,
    order: VecDeque<StartToken>,
    calls: BTreeMap<CallId, Call>,
    next_call: u64,
    /// Remote starts of an earlier run that nobody answered.
    pub(super) orphans: Vec<OpenRemote>,
}

#[derive(Debug, Clone)]
struct Call {
    pile: PileCode,
    deadline: Mono,
    what: CallKind,
}

impl Call {
    fn is_pass_of(&self, name: &UplinkName) -> bool {
        matches!(&self.what, CallKind::Pass { uplink, .. } if uplink == name)
    }
}

#[derive(Debug, Clone)]
enum CallKind {
    RemoteStart {
        uplink: UplinkName,
        sequence: Sequence,
        token: StartToken,
    },
    RemoteStop {
        uplink: UplinkName,
        sequence: Sequence,
        seq: OrderSeq,
    },
    /// A message of a backend, passed on.
    Pass {
        uplink: UplinkName,
        sequence: Sequence,
        code: u8,
    },
    /// Nobody waits for the outcome.
    Other,
}

/// The token of a remote start: derived from the backend's id, so that it is known again after a
/// restart, and never that id itself.
fn token_of(transaction: &str) -> StartToken {
    let digest = Sha256::digest(transaction.as_bytes());
    let text = format!("R{}", data_encoding::BASE32_NOPAD.encode(&digest[..15]));
    StartToken::new(&text).expect("25 printable characters")
}

impl Remotes {
    /// Calls are numbered anew in each run, in a range of its own: an answer to a call of an
    /// earlier run meets no call of this one. Fits a 32-bit sequence id.
    pub(super) fn restore(boot: u64, orphans: Vec<OpenRemote>, known: &[TransactionId]) -> Self {
        let mut remotes = Self { next_call: ((boot % 2048) << 20) + 1, orphans, ..Self::default() };
        for transaction in known {
            let unanswered = remotes
                .orphans
                .iter()
                .any(|orphan| orphan.transaction.as_ref() == Some(transaction));
            let fate = if unanswered { Fate::Failed } else { Fate::Accepted };
            let token = token_of(transaction.as_str());
            remotes.keep(token, Some(transaction.clone()), fate);
        }
        remotes
    }

    fn keep(&mut self, token: StartToken, transaction: Option<TransactionId>, fate: Fate) {
        if self.order.len() >= usize::from(REMOTES_LIMIT)
            && let Some(oldest) = self.order.pop_front()
        {
            self.fates.remove(&oldest);
        }
        if self.fates.insert(token.clone(), (transaction, fate)).is_none() {
            self.order.push_back(token);
        }
    }

    fn fate(&self, transaction: &TransactionId) -> Option<Fate> {
        self.fates.get(&token_of(transaction.as_str())).map(|(_, fate)| *fate)
    }

    fn decide(&mut self, token: &StartToken, fate: Fate) {
        if let Some(entry) = self.fates.get_mut(token) {
            entry.1 = fate;
        }
    }

    /// The backend's transaction id behind a token.
    pub(super) fn transaction(&self, token: Option<&StartToken>) -> Option<TransactionId> {
        self.fates.get(token?).and_then(|(transaction, _)| transaction.clone())
    }

    /// Whether the start with this token was reported as failed.
    pub(super) fn is_failed(&self, token: Option<&StartToken>) -> bool {
        token.and_then(|token| self.fates.get(token)).is_some_and(|(_, fate)| *fate == Fate::Failed)
    }

    /// How many messages wait for a pile's answer.
    pub(super) fn passed_to(&self, pile: PileCode) -> usize {
        let is_pass = |call: &&Call| matches!(call.what, CallKind::Pass { .. });
        self.calls.values().filter(is_pass).filter(|call| call.pile == pile).count()
    }

    /// How many messages of an uplink wait for piles.
    pub(super) fn passed_for(&self, name: &UplinkName) -> usize {
        self.calls.values().filter(|call| call.is_pass_of(name)).count()
    }

    /// The uplink has lost its link: answers to its messages find nobody any more, least of all
    /// somebody who has begun to number anew. Gives these messages.
    pub(super) fn forget_passes(&mut self, name: &UplinkName) -> Vec<Sequence> {
        let of_uplink = self.calls.values_mut().filter(|call| call.is_pass_of(name));
        let forgotten = of_uplink.map(|call| mem::replace(&mut call.what, CallKind::Other));
        forgotten
            .filter_map(|what| match what {
                CallKind::Pass { sequence, .. } => Some(sequence),
                _ => None,
            })
            .collect()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.calls.values().map(|call| call.deadline).min()
    }
}

impl Site {
    /// A backend wants charging to start.
    pub(super) fn remote_start(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        remote: &RemoteStart,
        turn: &mut Turn,
    ) {
        let place = match self.may_start(name, remote) {
            Ok(place) => place,
            Err(reason) => return self.refuse_remote(name, sequence, reason, turn),
        };
        let (pile, plug) = place;
        let transaction = remote.transaction.clone();
        let at = turn.stamp();
        let token = match &transaction {
            Some(transaction) => token_of(transaction.as_str()),
            // The backend will give its id in the answer to the start.
            None => token_of(&format!("{name}/{}/{}", at.boot.0, sequence.0)),
        };
        self.remotes.keep(token.clone(), transaction.clone(), Fate::Waiting);
        let open = OpenRemote { uplink: name.clone(), sequence, transaction, at };
        turn.remember(Entry::RemoteOpened(open));
        let what = CallKind::RemoteStart { uplink: name.clone(), sequence, token: token.clone() };
        let call = PileCall::RemoteStart {
            plug,
            token,
            card: remote.card.clone(),
            backend: remote.original.clone(),
        };
        self.call(pile, call, what, turn);
    }

    fn may_start(
        &self,
        name: &UplinkName,
        remote: &RemoteStart,
    ) -> Result<(PileCode, PlugNo), &'static str> {
        let commands = self.links.get(name).is_some_and(|link| link.config.commands);
        if !commands {
            return Err("this uplink may not command");
        }
        match remote.transaction.as_ref().and_then(|id| self.remotes.fate(id)) {
            Some(Fate::Waiting | Fate::Accepted) => return Err("this start was executed before"),
            Some(Fate::Failed) => return Err("this start has failed before"),
            None => {}
        }
        if self.is_storage_full {
            return Err("the store is full");
        }
        let connector = remote.connector.ok_or("no such connector")?;
        let place = self.config.place(connector).ok_or("no such connector")?;
        if !self.piles.get(&place.0).is_some_and(|pile| pile.is_ready()) {
            return Err("the pile is not connected");
        }
        let is_busy = self
            .book
            .open_at(connector)
            .is_some_and(|order| order.state != OrderState::Interrupted);
        if is_busy { Err("the connector is charging") } else { Ok(place) }
    }

    fn refuse_remote(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        reason: &str,
        turn: &mut Turn,
    ) {
        if let Some(link) = self.links.get_mut(name) {
            let reason = reason.to_owned();
            let reply = UplinkReply::RemoteStart { accepted: false, reason, pile: None };
            link.reply(turn, sequence, reply);
        }
    }

    /// A backend wants charging to stop.
    pub(super) fn remote_stop(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        (transaction, connector): (Option<&TransactionId>, Option<ConnectorNo>),
        original: Option<&Original>,
        turn: &mut Turn,
    ) {
        let commands = self.links.get(name).is_some_and(|link| link.config.commands);
        let order = match transaction {
            Some(transaction) => self.book.by_transaction(transaction),
            None => connector.and_then(|no| self.book.open_at(no)),
        };
        let target = order.filter(|_| commands).map(|order| (order.seq, order.key.pile));
        let ready =
            target.filter(|(_, pile)| self.piles.get(pile).is_some_and(|pile| pile.is_ready()));
        let Some((seq, pile)) = ready else {
            if let Some(link) = self.links.get_mut(name) {
                let reason = "there is no such order, or its pile is away".to_owned();
                let reply = UplinkReply::RemoteStop { accepted: false, reason, order: None };
                link.reply(turn, sequence, reply);
            }
            return;
        };
        let what = CallKind::RemoteStop { uplink: name.clone(), sequence, seq };
        self.call_stop(seq, pile, original.cloned(), what, turn);
    }

    /// The site itself wants an order to stop.
    pub(super) fn stop_order(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(pile) = self.book.get(seq).map(|order| order.key.pile) else { return };
        self.call_stop(seq, pile, None, CallKind::Other, turn);
    }

    fn call_stop(
        &mut self,
        seq: OrderSeq,
        pile: PileCode,
        backend: Option<Original>,
        what: CallKind,
        turn: &mut Turn,
    ) {
        let Some(order) = self.book.get_mut(seq) else { return };
        if order.state == OrderState::Charging {
            order.state = OrderState::Stopping;
        }
        let call = PileCall::RemoteStop { order: order.id, plug: order.plug, backend };
        self.call(pile, call, what, turn);
    }

    /// Passes a tariff on to a pile.
    pub(super) fn call_tariff(&mut self, pile: PileCode, tariff: Original, turn: &mut Turn) {
        self.call(pile, PileCall::Tariff(tariff), CallKind::Other, turn);
    }

    /// Passes a message on to a pile; `waiting`: who waits for the answer, to which code.
    pub(super) fn call_passed(
        &mut self,
        pile: PileCode,
        passed: Passed,
        waiting: Option<(UplinkName, Sequence, u8)>,
        turn: &mut Turn,
    ) {
        let what = match waiting {
            Some((uplink, sequence, code)) => {
                turn.remember(Entry::PassOpened { uplink: uplink.clone(), sequence });
                CallKind::Pass { uplink, sequence, code }
            }
            None => CallKind::Other,
        };
        self.call(pile, PileCall::Pass(passed), what, turn);
    }

    fn call(&mut self, pile: PileCode, request: PileCall, what: CallKind, turn: &mut Turn) {
        let Some(connection) = self.piles.get(&pile).and_then(|pile| pile.connection) else {
            return;
        };
        let call = CallId(self.remotes.next_call);
        self.remotes.next_call += 1;
        let expires = turn.now.mono.plus_ms(CALL_MS);
        self.remotes.calls.insert(call, Call { pile, deadline: expires, what });
        let message = ToPile::Call { connection, call, request, expires };
        turn.order(Command::Pile { pile, message });
    }

    /// A pile answered a call.
    pub(super) fn call_answered(
        &mut self,
        pile: PileCode,
        id: CallId,
        answer: &PileAnswer,
        turn: &mut Turn,
    ) {
        let is_ours = self.remotes.calls.get(&id).is_some_and(|call| call.pile == pile);
        if !is_ours {
            self.counters.stray_answers += 1;
            return;
        }
        let Some(call) = self.remotes.calls.remove(&id) else { return };
        match (call.what, answer) {
            (
                CallKind::RemoteStart { uplink, sequence, token },
                PileAnswer::RemoteStart { accepted, original },
            ) => {
                let fate = if *accepted { Fate::Accepted } else { Fate::Failed };
                self.remotes.decide(&token, fate);
                let reason = if *accepted { "" } else { "the pile refused" };
                let pile = Some(original.clone());
                self.close_remote(&uplink, sequence, *accepted, reason, pile, turn);
            }
            (CallKind::RemoteStart { uplink, sequence, token }, _) => {
                self.remotes.decide(&token, Fate::Failed);
                let reason = "the pile could not do it";
                self.close_remote(&uplink, sequence, false, reason, None, turn);
            }
            (CallKind::RemoteStop { uplink, sequence, seq }, answer) => {
                let accepted = matches!(answer, PileAnswer::RemoteStop { accepted: true });
                self.close_stop(&uplink, sequence, seq, accepted, turn);
            }
            (CallKind::Pass { uplink, sequence, code }, answer) => {
                let reply = self.passed_answer(pile, code, answer.said());
                self.close_pass(&uplink, sequence, reply, turn);
            }
            (CallKind::Other, _) => {}
        }
    }

    fn close_remote(
        &mut self,
        uplink: &UplinkName,
        sequence: Sequence,
        accepted: bool,
        reason: &str,
        pile: Option<Original>,
        turn: &mut Turn,
    ) {
        let Some(link) = self.links.get_mut(uplink) else { return };
        turn.remember(Entry::RemoteClosed { uplink: uplink.clone(), sequence });
        if link.is_online() {
            let reason = reason.to_owned();
            link.reply(turn, sequence, UplinkReply::RemoteStart { accepted, reason, pile });
        }
    }

    fn close_stop(
        &mut self,
        uplink: &UplinkName,
        sequence: Sequence,
        seq: OrderSeq,
        accepted: bool,
        turn: &mut Turn,
    ) {
        if !accepted
            && let Some(order) = self.book.get_mut(seq)
            && order.state == OrderState::Stopping
        {
            order.state = OrderState::Charging;
        }
        if let Some(link) = self.links.get_mut(uplink)
            && link.is_online()
        {
            let reason = if accepted { "" } else { "the pile did not do it" }.to_owned();
            link.reply(turn, sequence, UplinkReply::RemoteStop { accepted, reason, order: None });
        }
    }

    /// Calls that nobody answered in time, or whose pile has gone.
    pub(super) fn expire_calls(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let piles = &self.piles;
        let is_over = |call: &Call| {
            call.deadline <= now || piles.get(&call.pile).is_none_or(|p| p.connection.is_none())
        };
        let over: Vec<CallId> = self
            .remotes
            .calls
            .iter()
            .filter(|(_, call)| is_over(call))
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            let Some(call) = self.remotes.calls.remove(&id) else { continue };
            match call.what {
                CallKind::RemoteStart { uplink, sequence, token } => {
                    self.remotes.decide(&token, Fate::Failed);
                    let reason = "the pile did not answer";
                    self.close_remote(&uplink, sequence, false, reason, None, turn);
                }
                CallKind::RemoteStop { uplink, sequence, seq } => {
                    self.close_stop(&uplink, sequence, seq, false, turn);
                }
                CallKind::Pass { uplink, sequence, .. } => {
                    let text = "the pile did not answer".to_owned();
                    let reply = UplinkReply::Error { code: ErrorCode::Internal, text };
                    self.close_pass(&uplink, sequence, reply, turn);
                }
                CallKind::Other => {}
            }
        }
    }

    /// Remote starts of an earlier run get their definite failure.
    pub(super) fn fail_orphans(&mut self, name: &UplinkName, turn: &mut Turn) {
        let (mine, others) =
            mem::take(&mut self.remotes.orphans).into_iter().partition(|o| o.uplink == *name);
        self.remotes.orphans = others;
        let mine: Vec<OpenRemote> = mine;
        for orphan in mine {
            let reason = "the controller restarted";
            self.close_remote(name, orphan.sequence, false, reason, None, turn);
        }
    }

    /// A start whose failure was reported: it is recorded, refused and stopped.
    pub(super) fn refuse_late_start(
        &mut self,
        order: &Order,
        pile: PileCode,
        id: RequestId,
        plug: PlugNo,
        turn: &mut Turn,
    ) {
        let text = format!("order {} began after its remote start had failed", order.id);
        self.alarms.raise(AlarmKind::LateStart(pile), turn.stamp(), text);
        turn.answer(pile, id, super::reports::start_reply(order, plug, Verdict::Invalid, None));
        self.stop_order(order.seq, turn);
    }
}
