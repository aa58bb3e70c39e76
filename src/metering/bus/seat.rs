//! A slave and the reading of it that is under way.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    metering::{
        bus::tally::Tally,
        debt::{Debts, OWED_ALONE_US},
        line::Line,
        order::varied,
        plan::{MAX_REGISTERS, Rules, plan},
        refusals::Refusals,
        slave::Slave,
        slot::Slot,
        time::Micros,
    },
    protocol::modbus::{Block, Readout, Table},
};

/// A slave and the reading of it that is under way.
#[derive(Debug)]
pub(super) struct Seat {
    pub slave: Slave,
    pub slot: Slot,
    pub debts: Debts,
    pub refusals: Refusals,
    pub tally: Tally,
    pub round: Option<Round>,
    pub wish: Wish,
}

/// Whether somebody wants a reading out of turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nobody does.
    None,
    /// One that has not begun; the lower number was wished first.
    Fresh(u64),
    /// It is under way.
    UnderWay(u64),
    /// It is, and another one is wanted after it.
    Again(u64),
}

/// A reading: all requests that are needed for the values of a slave.
#[derive(Debug)]
pub(super) struct Round {
    /// When the first request went out.
    pub began: Option<Micros>,
    /// When it was due; after a refusal, when that came, so that the others go first.
    pub rank: Micros,
    pub pace: Pace,
    /// The values that are not read yet.
    values: Vec<Block>,
    queue: VecDeque<Block>,
    /// The request before.
    last: Option<Block>,
    /// Tables and counts that were asked for.
    shapes: BTreeSet<(Table, u16)>,
    pub readout: Readout,
}

/// How a reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Request after request.
    Straight,
    /// It was refused something and needs more requests than planned; the others go first.
    Yielding,
    /// It began before somebody wished for one, and is of no use to anybody.
    Dropped,
}

impl Seat {
    pub(super) fn new(slave: Slave, now: Micros) -> Self {
        let slot = Slot::new(slave.interval_ms, now);
        let tally = Tally::default();
        let (debts, refusals) = (Debts::default(), Refusals::default());
        Self { slave, slot, debts, refusals, tally, round: None, wish: Wish::None }
    }

    /// Values that fit a request at all.
    fn wanted(&self) -> impl Iterator<Item = Block> + '_ {
        let most = self.slave.limits.max_registers.clamp(1, MAX_REGISTERS);
        let fits = move |value: &Block| {
            (1..=most).contains(&value.count) && value.end() <= u32::from(u16::MAX) + 1
        };
        self.slave.wanted.iter().copied().filter(fits)
    }

    /// Values that are not read: refused, or too long for a request.
    pub(super) fn unavailable(&self) -> usize {
        let asked = self.wanted().filter(|value| self.refusals.has(*value)).count();
        self.slave.wanted.len() - asked
    }

    /// Whether there is anything to read.
    pub(super) fn has_values(&self) -> bool {
        self.wanted().next().is_some()
    }

    /// When its turn is, unless somebody wishes for it.
    pub(super) fn rank(&self) -> Micros {
        self.begun().map_or_else(|| self.slot.ready(), |round| round.rank)
    }

    /// The reading that is under way.
    pub(super) fn begun(&self) -> Option<&Round> {
        self.round.as_ref().filter(|round| round.began.is_some())
    }

    /// The next request, or until when there is none that a late answer could not be taken for.
    pub(super) fn block(&mut self, line: &Line, now: Micros) -> Result<Block, Micros> {
        if self.round.is_none() {
            self.refusals.expire(now);
            let values = self.wanted().filter(|value| self.refusals.has(*value)).collect();
            self.round = Some(Round::new(values, self.slot.ready()));
        }
        let owed = self.debts.all(now);
        let front = self.round.as_ref().and_then(|round| round.queue.front().copied());
        match front.filter(|block| !owed.contains(&(block.table, block.count))) {
            Some(block) => Ok(block),
            None => self.replan(line, &owed, now),
        }
    }

    fn replan(&mut self, line: &Line, owed: &[(Table, u16)], now: Micros) -> Result<Block, Micros> {
        let later = now.plus(OWED_ALONE_US);
        let young = self.debts.pressing(now);
        let (cuts, closed) = (self.refusals.cuts(), self.refusals.closed());
        let Some(round) = &mut self.round else { return Err(later) };
        let rules = Rules {
            limits: &self.slave.limits,
            request_us: line.overhead_us(self.slave.silence_us),
            register_us: line.register_us(),
            closed: &closed,
            cuts: &cuts,
            owed,
        };
        let planned = |rules: Rules<'_>| {
            plan(&round.values, &rules).map(|blocks| varied(blocks, round.last, &rules))
        };
        let planned = planned(rules).or_else(|| planned(Rules { owed: &young, ..rules }));
        let mut blocks = planned.unwrap_or_default();
        if !self.slot.is_living() && !blocks.is_empty() {
            // What it does not answer is not waited for longer than need be.
            let shortest = (0..blocks.len()).min_by_key(|at| blocks[*at].count);
            blocks[..=shortest.unwrap_or(0)].rotate_right(1);
        }
        round.queue = blocks.into();
        let later = self.debts.next_alone(now).unwrap_or(later);
        round.queue.front().copied().ok_or(later)
    }

    /// How long the line is listened to after the answer. If an answer came twice, and its second
    /// was taken for the answer to a later request, that one's own is still to come: it spoils the
    /// next request if that has another count, and so on. Only the last request of a reading has
    /// none behind it, and if its count is not its own, it is waited for.
    pub(super) fn linger_us(&self, line: &Line, block: Block) -> u64 {
        let Some(round) = &self.round else { return 0 };
        let is_last = round.queue.len() <= 1;
        let is_alike = round.shapes.contains(&(block.table, block.count));
        if is_last && is_alike { line.quarantine_us.into() } else { 0 }
    }

    /// The request went out.
    pub(super) fn sent(&mut self, block: Block, now: Micros) {
        let Some(round) = &mut self.round else { return };
        round.shapes.insert((block.table, block.count));
        if round.began.is_none() {
            round.began = Some(now);
            round.rank = self.slot.ready();
            self.slot.begin(now);
            if let Wish::Fresh(number) = self.wish {
                self.wish = Wish::UnderWay(number);
            }
        }
    }

    /// Somebody wishes for a reading that begins after this.
    pub(super) fn wish(&mut self, number: u64) {
        self.wish = match self.wish {
            Wish::None => Wish::Fresh(number),
            Wish::UnderWay(first) => Wish::Again(first),
            same @ (Wish::Fresh(_) | Wish::Again(_)) => same,
        };
        if let (Wish::Fresh(_), Some(round)) = (self.wish, &mut self.round)
            && round.began.is_some()
        {
            round.pace = Pace::Dropped;
        }
    }

    /// The reading is over.
    pub(super) fn end(&mut self) -> Option<Round> {
        self.wish = match self.wish {
            Wish::Again(number) => Wish::Fresh(number),
            Wish::UnderWay(_) | Wish::None => Wish::None,
            Wish::Fresh(number) => Wish::Fresh(number),
        };
        self.round.take()
    }
}

impl Round {
    fn new(values: Vec<Block>, rank: Micros) -> Self {
        Self {
            began: None,
            rank,
            pace: Pace::Straight,
            values,
            queue: VecDeque::new(),
            last: None,
            shapes: BTreeSet::new(),
            readout: Readout::default(),
        }
    }

    /// The values of a request.
    pub(super) fn values_of(&self, block: Block) -> Vec<Block> {
        self.values.iter().copied().filter(|value| block.covers(*value)).collect()
    }

    /// These values are read, or cannot be.
    pub(super) fn done_with(&mut self, values: &[Block]) {
        self.values.retain(|value| !values.contains(value));
        self.last = self.queue.pop_front().or(self.last);
    }

    /// What is left must be planned again, and others go first.
    pub(super) fn yields(&mut self, now: Micros) {
        self.queue.clear();
        self.rank = now;
        if self.pace == Pace::Straight {
            self.pace = Pace::Yielding;
        }
    }

    /// Whether nothing is left to read.
    pub(super) fn is_over(&self) -> bool {
        self.values.is_empty()
    }
}
