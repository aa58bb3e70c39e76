//! Whose turn it is.
//!
//! A reading that somebody wished for goes first, then the one that is under way, then whoever is
//! due longest. Two rules keep slaves that do not answer from costing the others more than one
//! time-out and one quarantine at a time: after a fault, all who answer and were due by then come
//! before anybody who does not; and a slave that is backed off is tried when nobody who answers
//! falls due meanwhile, unless it has waited too long for such a moment.

use crate::{
    metering::{
        bus::{
            Bus,
            seat::{Pace, Seat, Wish},
        },
        time::Micros,
    },
    protocol::modbus::Block,
};

/// How long a slave that is backed off waits for a moment in which nobody else is due: no longer
/// than the shortest back-off takes.
const PROBE_PATIENCE_US: u64 = 2_000_000;

/// How long a bus with nothing to do waits before it is asked again.
pub(super) const IDLE_US: u64 = 1_000_000;

/// What a seat's turn depends on, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Wished(u64),
    UnderWay,
    /// When it was due, and when it was last read: who waits longest, among equals.
    Due(Micros, Option<Micros>),
}

/// Whose turn it is.
pub(super) enum Turn {
    /// This seat's, with this request.
    Ask(usize, Block),
    /// Nobody's until then.
    None(Micros),
}

impl Bus {
    pub(super) fn turn(&mut self, now: Micros) -> Turn {
        let mut ranked: Vec<(Rank, usize)> = Vec::new();
        let mut until = now.plus(IDLE_US);
        for (at, seat) in self.seats.iter().enumerate().filter(|(_, seat)| seat.has_values()) {
            match self.rank(seat, now) {
                Ok(rank) => ranked.push((rank, at)),
                Err(later) => until = until.min(later),
            }
        }
        ranked.sort_unstable();
        for (rank, at) in ranked {
            let block = self.seats[at].block(&self.line, now);
            match block.and_then(|block| self.fits(at, rank, block, now)) {
                Ok(block) => return Turn::Ask(at, block),
                Err(later) => until = until.min(later),
            }
        }
        // A moment that has passed would make the owner of the port spin.
        Turn::None(until.max(now.plus(1)))
    }

    /// Its rank, or when to look at it again.
    fn rank(&self, seat: &Seat, now: Micros) -> Result<Rank, Micros> {
        if let Wish::Fresh(number) | Wish::UnderWay(number) | Wish::Again(number) = seat.wish {
            return Ok(Rank::Wished(number));
        }
        if seat.begun().is_some_and(|round| round.pace == Pace::Straight) {
            return Ok(Rank::UnderWay);
        }
        let due = seat.rank();
        if due > now {
            return Err(due);
        }
        if !seat.slot.is_living() {
            self.may_be_tried(now)?;
        }
        Ok(Rank::Due(due, seat.tally.last_good()))
    }

    /// Whether a slave that may not answer can be asked now, or else when to look again.
    fn may_be_tried(&self, now: Micros) -> Result<(), Micros> {
        let mut living = self.seats.iter().filter(|seat| seat.slot.is_living());
        if let Some(fault) = self.last_fault
            && living.any(|seat| seat.has_values() && seat.rank() <= fault)
        {
            return Err(now.plus(IDLE_US));
        }
        Ok(())
    }

    /// The request, if its slave is not backed off or nobody falls due while it is waited for in
    /// vain; or else when to look again.
    fn fits(&self, at: usize, rank: Rank, block: Block, now: Micros) -> Result<Block, Micros> {
        let Rank::Due(due, _) = rank else { return Ok(block) };
        if !self.seats[at].slot.is_doubted() {
            return Ok(block);
        }
        let patient_until = due.plus(PROBE_PATIENCE_US);
        let over = now.plus(self.line.patience_us(block) + u64::from(self.line.quarantine_us));
        let living = self.seats.iter().filter(|seat| seat.slot.is_living());
        match living.map(Seat::rank).min() {
            Some(next) if next < over && now < patient_until => Err(patient_until),
            Some(_) | None => Ok(block),
        }
    }
}
