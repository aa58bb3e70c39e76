//! What was asked on one link and has no answer yet, and the sequence ids it is asked with.

use std::collections::BTreeMap;

use super::{entry::Entry, turn::Turn};
use crate::domain::{
    id::{CardNo, OrderSeq, PileCode, RequestId, Sequence, UplinkName},
    time::Mono,
    wire::Abilities,
};

/// Sequence ids are reserved in the ledger by the block, so that a run never repeats one of an
/// earlier run and few rows are written.
const SEQUENCE_BLOCK: u64 = 10_000;

/// Questions that wait at the same time: the widest window with its repetitions, and live ones.
/// Above it the oldest is forgotten, which costs a repetition.
const PENDING_LIMIT: usize = 4096;

// Where the transport confirms, nothing is repeated while the link stands: no question about an
// order may be forgotten. The rest of the room is for what else is asked.
const _: () = assert!(super::UNDER_WAY_LIMIT + 1024 <= PENDING_LIMIT);

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
    /// A confirmed order, sent again in case the far side has lost it.
    Resent,
    Warning,
    /// A message of a pile, by its code, passed on.
    Pass {
        pile: PileCode,
        id: RequestId,
        code: u8,
    },
}

#[derive(Debug)]
struct Pending {
    purpose: Purpose,
    /// `None`: nobody acts on silence.
    deadline: Option<Mono>,
}

/// The open questions of one link.
#[derive(Debug)]
pub(super) struct Questions {
    next: u64,
    reserved: u64,
    pending: BTreeMap<Sequence, Pending>,
}

impl Questions {
    /// None; `mark` is the last sequence id that an earlier run may have used.
    pub(super) const fn new(mark: Sequence) -> Self {
        Self { next: mark.0 + 1, reserved: mark.0, pending: BTreeMap::new() }
    }

    /// A sequence id that no open question has: those of a wire that ends early begin anew, while
    /// the count that is kept in the ledger goes on.
    pub(super) fn sequence(
        &mut self,
        uplink: &UplinkName,
        abilities: Abilities,
        turn: &mut Turn,
    ) -> Sequence {
        loop {
            let count = self.next;
            self.next += 1;
            if count > self.reserved {
                self.reserved = count + SEQUENCE_BLOCK;
                let uplink = uplink.clone();
                turn.remember(Entry::SequencesReserved { uplink, up_to: Sequence(self.reserved) });
            }
            let sequence = abilities.sequence(count);
            // Ends: fewer are open than there are.
            if !self.pending.contains_key(&sequence) {
                return sequence;
            }
        }
    }

    pub(super) fn open(&mut self, sequence: Sequence, purpose: Purpose, deadline: Option<Mono>) {
        if self.pending.len() >= PENDING_LIMIT {
            self.pending.pop_first();
        }
        self.pending.insert(sequence, Pending { purpose, deadline });
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

    pub(super) fn purpose(&self, sequence: Sequence) -> Option<&Purpose> {
        self.pending.get(&sequence).map(|pending| &pending.purpose)
    }

    pub(super) fn close(&mut self, sequence: Sequence) -> Option<Purpose> {
        self.pending.remove(&sequence).map(|pending| pending.purpose)
    }

    /// Forgets questions of this kind.
    pub(super) fn forget(&mut self, purpose: &Purpose) {
        self.pending.retain(|_, pending| pending.purpose != *purpose);
    }

    /// Forgets every question about the delivery of an order.
    pub(super) fn close_order(&mut self, seq: OrderSeq) {
        self.pending.retain(|_, pending| {
            !matches!(pending.purpose,
                Purpose::Stop { seq: of } | Purpose::Transaction { seq: of } if of == seq)
        });
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

    /// Questions that die with the link: whoever waits is answered locally.
    pub(super) fn orphaned(&mut self) -> Vec<Purpose> {
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.purpose).collect()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.pending.values().filter_map(|pending| pending.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::domain::{
        time::{BootId, Now},
        wire::Revision,
    };

    #[test]
    fn sequence_ids_begin_anew_where_the_wire_ends_and_leave_out_open_questions() {
        const LAST: u64 = 0x7fff_ffff;
        let mut turn = Turn::new(Now::default(), BootId(1));
        let name = UplinkName::new("cloud").unwrap();
        let mut questions = Questions::new(Sequence(LAST - 2));
        questions.open(Sequence(1), Purpose::Warning, None);
        let abilities = Revision::V1_0.abilities();
        let mut draw = || questions.sequence(&name, abilities, &mut turn).0;
        let drawn: Vec<u64> = (0..4).map(|_| draw()).collect();
        assert_eq!(drawn, [LAST - 1, LAST, 2, 3]);
        assert_eq!(questions.reserved, LAST - 1 + SEQUENCE_BLOCK, "the count goes on");
    }
}
