//! What becomes of an answer.

use super::{
    Answer, Asking, Bus, Outcome,
    hush::Hush,
    seat::{Pace, Seat},
};
use crate::{domain::reading::ReadFault, metering::time::Micros, protocol::modbus::Block};

/// The exception of a slave that has not these registers.
const ILLEGAL_ADDRESS: u8 = 2;

/// The exception of a slave that does not like the request; some say so of too many registers, or
/// of registers that they have not.
const ILLEGAL_VALUE: u8 = 3;

/// The exceptions of a converter that does not reach the slave.
const UNREACHABLE: [u8; 2] = [10, 11];

/// Whose doing a fault is, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// Nobody knows what comes next on the line, or when.
    Line,
    /// The slave is not there, somebody else says.
    Absent,
    /// The slave answered, if not with values.
    Nobody,
}

impl Bus {
    /// What came of the request, once for each that was sent; the moment is that of the last byte,
    /// or when patience was over.
    pub fn answered(&mut self, answer: Answer, now: Micros) -> Option<Outcome> {
        let asking = self.asking.take()?;
        let gap = self.line.gap_us(self.seats[asking.seat].slave.silence_us);
        self.load.used(Micros(asking.sent.0.saturating_sub(gap)), now);
        self.quiet_since = now;
        match answer {
            Answer::Words(words) if words.len() == usize::from(asking.block.count) => {
                self.alive(asking, now);
                self.seats[asking.seat].read(asking.block, words)
            }
            Answer::Words(_) => self.failed(asking, ReadFault::Stray, now),
            Answer::Fault(ReadFault::Refused(code)) => self.refused(asking, code, now),
            Answer::Fault(fault) => self.failed(asking, fault, now),
        }
    }

    /// The slave answers.
    fn alive(&mut self, asking: Asking, now: Micros) {
        for seat in &mut self.seats {
            seat.slot.revive(self.last_answer);
        }
        self.last_answer = now;
        let seat = &mut self.seats[asking.seat];
        seat.slot.answered();
        seat.tally.answered(now.since(asking.sent));
    }

    fn refused(&mut self, asking: Asking, code: u8, now: Micros) -> Option<Outcome> {
        if self.seats[asking.seat].is_behind(now) || UNREACHABLE.contains(&code) {
            return self.failed(asking, ReadFault::Refused(code), now);
        }
        self.alive(asking, now);
        let seat = &mut self.seats[asking.seat];
        let fault = ReadFault::Refused(code);
        if !seat.learn(asking.block, code, now) {
            return self.failed(asking, fault, now);
        }
        seat.tally.fault(&fault);
        seat.finish(fault, now)
    }

    fn blame(&self, asking: Asking, fault: &ReadFault, now: Micros) -> Blame {
        match fault {
            ReadFault::NoAnswer | ReadFault::Damaged | ReadFault::Stray => Blame::Line,
            // It may be the answer to an earlier request; then this one's is still to come.
            ReadFault::Refused(_) if self.seats[asking.seat].is_behind(now) => Blame::Line,
            ReadFault::Refused(code) if UNREACHABLE.contains(code) => Blame::Absent,
            ReadFault::Refused(_) | ReadFault::Unusable(_) | ReadFault::PortGone(_) => {
                Blame::Nobody
            }
        }
    }

    fn failed(&mut self, asking: Asking, fault: ReadFault, now: Micros) -> Option<Outcome> {
        let blame = self.blame(asking, &fault, now);
        let seat = &mut self.seats[asking.seat];
        match blame {
            Blame::Line => {
                seat.debts.owe(asking.block.table, asking.block.count, now);
                seat.slot.failed(now);
                self.hush = Some(Hush::new(now, Some(asking.seat)));
            }
            Blame::Absent => seat.slot.failed(now),
            Blame::Nobody => {}
        }
        seat.tally.fault(&fault);
        Some(seat.fail(fault, now))
    }
}

impl Seat {
    /// Whether an exception may be its answer to an earlier request. Old debts do not count here:
    /// what is learnt from a wrong exception are no wrong values.
    fn is_behind(&self, now: Micros) -> bool {
        !self.debts.pressing(now).is_empty()
    }

    /// A reading that began before somebody wished for one is of no use.
    pub(super) fn drop_useless(&mut self) {
        if self.round.as_ref().is_some_and(|round| round.pace == Pace::Dropped) {
            self.end();
        }
    }

    fn read(&mut self, block: Block, words: Vec<u16>) -> Option<Outcome> {
        let round = self.round.as_mut()?;
        let values = round.values_of(block);
        round.done_with(&values);
        round.readout.add(block, words);
        self.refusals.read(values);
        self.drop_useless();
        self.round.as_ref().filter(|round| round.is_over())?;
        self.whole()
    }

    /// The reading is whole.
    fn whole(&mut self) -> Option<Outcome> {
        let round = self.end()?;
        let began = round.began?;
        self.tally.round(began);
        Some(Outcome::Round(self.slave.meter.clone(), round.readout, began))
    }

    /// Takes from a refusal what can be learnt; false: nothing.
    fn learn(&mut self, block: Block, code: u8, now: Micros) -> bool {
        let Some(round) = &mut self.round else { return false };
        let values = round.values_of(block);
        let is_single = values == [block];
        if code != ILLEGAL_ADDRESS && (code != ILLEGAL_VALUE || is_single) {
            return false;
        }
        self.refusals.refused(block, &values, now);
        let gone: Vec<Block> =
            values.into_iter().filter(|value| !self.refusals.has(*value)).collect();
        round.done_with(&gone);
        round.yields(now);
        true
    }

    /// Goes on after a refusal, or ends the reading if nothing is left of it.
    fn finish(&mut self, fault: ReadFault, now: Micros) -> Option<Outcome> {
        self.drop_useless();
        let round = self.round.as_ref().filter(|round| round.is_over())?;
        if round.readout.blocks().is_empty() {
            self.refusals.forget();
            return Some(self.fail(fault, now));
        }
        self.whole()
    }

    pub(super) fn fail(&mut self, fault: ReadFault, now: Micros) -> Outcome {
        self.end();
        self.tally.failed();
        Outcome::Failed(self.slave.meter.clone(), fault, now)
    }
}
