//! What piles are asked for: each call has a deadline, and its outcome goes to whoever asked.

use std::{collections::BTreeMap, mem};

use super::{Site, command::Command, entry::Entry, news::Ruling, remote::Fate, turn::Turn};
use crate::domain::{
    event::PileAnswer,
    id::{CallId, OrderId, OrderSeq, PileCode, PlugNo, Sequence, StartToken, UplinkName},
    news::Happening,
    passing::Passed,
    reply::{PileCall, ToPile, UplinkReply},
    time::Mono,
    wire::ErrorCode,
};

/// How long a pile may take to answer. Backends give up after about a minute; half of it leaves
/// time to tell them.
const CALL_MS: u64 = 30_000;

/// The calls that wait for an answer.
#[derive(Debug)]
pub(super) struct Calls {
    open: BTreeMap<CallId, Call>,
    next: u64,
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

/// An uplink that waits for an outcome.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) uplink: UplinkName,
    pub(super) sequence: Sequence,
    /// The number of its request means something on its link of now.
    pub(super) is_there: bool,
}

#[derive(Debug, Clone)]
pub(super) enum CallKind {
    RemoteStart {
        asker: Asker,
        token: StartToken,
        plug: PlugNo,
    },
    RemoteStop {
        asker: Asker,
        seq: OrderSeq,
        id: OrderId,
        plug: Option<PlugNo>,
    },
    /// The tariff with this id.
    Tariff(u64),
    /// A message of a backend, passed on.
    Pass {
        uplink: UplinkName,
        sequence: Sequence,
        code: u8,
    },
    /// Nobody waits for the outcome.
    Other,
}

impl Calls {
    /// Calls are numbered anew in each run, in a range of its own: an answer to a call of an
    /// earlier run meets no call of this one. Fits a 32-bit sequence id.
    pub(super) const fn new(boot: u64) -> Self {
        Self { open: BTreeMap::new(), next: ((boot % 2048) << 20) + 1 }
    }

    /// The number of the call that comes next; no other of this run has it.
    pub(super) const fn next_id(&self) -> u64 {
        self.next
    }

    /// How many messages wait for a pile's answer.
    pub(super) fn passed_to(&self, pile: PileCode) -> usize {
        let is_pass = |call: &&Call| matches!(call.what, CallKind::Pass { .. });
        self.open.values().filter(is_pass).filter(|call| call.pile == pile).count()
    }

    /// How many messages of an uplink wait for piles.
    pub(super) fn passed_for(&self, name: &UplinkName) -> usize {
        self.open.values().filter(|call| call.is_pass_of(name)).count()
    }

    /// The uplink has lost its link: answers to its messages find nobody any more, least of all
    /// somebody who has begun to number anew. Gives these messages.
    pub(super) fn forget_passes(&mut self, name: &UplinkName) -> Vec<Sequence> {
        let of_uplink = self.open.values_mut().filter(|call| call.is_pass_of(name));
        let forgotten = of_uplink.map(|call| mem::replace(&mut call.what, CallKind::Other));
        forgotten
            .filter_map(|what| match what {
                CallKind::Pass { sequence, .. } => Some(sequence),
                _ => None,
            })
            .collect()
    }

    /// The uplink numbers its requests anew on every link: what was asked on the last one is done
    /// and told as news, and nobody is answered.
    pub(super) fn forget_asker(&mut self, name: &UplinkName) {
        for call in self.open.values_mut() {
            if let CallKind::RemoteStart { asker, .. } | CallKind::RemoteStop { asker, .. } =
                &mut call.what
            {
                asker.is_there &= asker.uplink != *name;
            }
        }
    }

    /// The calls whose time is over, and those to piles that are gone.
    fn take_over(&mut self, now: Mono, is_gone: impl Fn(PileCode) -> bool) -> Vec<Call> {
        let is_over = |call: &Call| call.deadline <= now || is_gone(call.pile);
        let over = self.open.iter().filter(|(_, call)| is_over(call));
        let over: Vec<CallId> = over.map(|(id, _)| *id).collect();
        over.iter().filter_map(|id| self.open.remove(id)).collect()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.open.values().map(|call| call.deadline).min()
    }
}

impl Site {
    /// Gives a pile the tariff in force.
    pub(super) fn call_tariff(&mut self, pile: PileCode, turn: &mut Turn) {
        if let Some((id, tariff)) = self.tariff.clone() {
            self.call(pile, PileCall::Tariff(tariff), CallKind::Tariff(id), turn);
        }
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

    pub(super) fn call(
        &mut self,
        pile: PileCode,
        request: PileCall,
        what: CallKind,
        turn: &mut Turn,
    ) {
        let Some(connection) = self.piles.get(&pile).and_then(|pile| pile.connection) else {
            return;
        };
        let call = CallId(self.calls.next);
        self.calls.next += 1;
        let expires = turn.now.mono.plus_ms(CALL_MS);
        self.calls.open.insert(call, Call { pile, deadline: expires, what });
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
        let is_ours = self.calls.open.get(&id).is_some_and(|call| call.pile == pile);
        let found = if is_ours { self.calls.open.remove(&id) } else { None };
        let Some(call) = found else {
            self.counters.stray_answers += 1;
            return;
        };
        match call.what {
            CallKind::RemoteStart { asker, token, plug } => {
                let verdict = start_verdict(answer);
                let fate = if verdict.accepted { Fate::Accepted } else { Fate::Failed };
                self.remotes.decide(&token, fate);
                self.close_start(&asker, (pile, plug), &verdict, turn);
            }
            CallKind::RemoteStop { asker, seq, id, plug } => {
                let accepted = matches!(answer, PileAnswer::RemoteStop { accepted: true });
                let reason = if accepted { "" } else { "the pile did not do it" };
                let verdict = Ruling { accepted, reason, cause: None };
                self.close_stop(&asker, seq, &verdict, turn);
                self.stop_decided((pile, plug), Some(id), &verdict, turn);
            }
            CallKind::Tariff(tariff) => {
                let accepted = matches!(answer, PileAnswer::Tariff { accepted: true });
                self.news(pile, None, Happening::TariffSet { tariff, accepted }, turn);
            }
            CallKind::Pass { uplink, sequence, code } => {
                let reply = self.passed_answer(pile, code, answer.said());
                self.close_pass(&uplink, sequence, reply, turn);
            }
            CallKind::Other => {}
        }
    }

    /// Calls that nobody answered in time, or whose pile has gone.
    pub(super) fn expire_calls(&mut self, turn: &mut Turn) {
        let piles = &self.piles;
        let is_gone = |code| piles.get(&code).is_none_or(|pile| pile.connection.is_none());
        for call in self.calls.take_over(turn.now.mono, is_gone) {
            self.unanswered_call(call, turn);
        }
    }

    fn unanswered_call(&mut self, call: Call, turn: &mut Turn) {
        let Call { pile, what, .. } = call;
        let reason = "the pile did not answer";
        let verdict = Ruling { accepted: false, reason, cause: None };
        match what {
            CallKind::RemoteStart { asker, token, plug } => {
                self.remotes.decide(&token, Fate::Failed);
                self.close_start(&asker, (pile, plug), &verdict, turn);
            }
            CallKind::RemoteStop { asker, seq, id, plug } => {
                self.close_stop(&asker, seq, &verdict, turn);
                self.stop_decided((pile, plug), Some(id), &verdict, turn);
            }
            CallKind::Tariff(tariff) => {
                self.news(pile, None, Happening::TariffSet { tariff, accepted: false }, turn);
            }
            CallKind::Pass { uplink, sequence, .. } => {
                let text = reason.to_owned();
                let reply = UplinkReply::Error { code: ErrorCode::Internal, text };
                self.close_pass(&uplink, sequence, reply, turn);
            }
            CallKind::Other => {}
        }
    }
}

/// What a pile's answer to a remote start comes to.
fn start_verdict(answer: &PileAnswer) -> Ruling<'_> {
    let (accepted, reason, cause) = match answer {
        PileAnswer::RemoteStart { accepted: true, original } => (true, "", Some(original)),
        PileAnswer::RemoteStart { accepted: false, original } => {
            (false, "the pile refused", Some(original))
        }
        _ => (false, "the pile could not do it", None),
    };
    Ruling { accepted, reason, cause }
}
