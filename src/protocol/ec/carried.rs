//! Records on their way to the server, and how far each has come.

use std::collections::VecDeque;

use crate::domain::{id::Sequence, time::Mono};

/// Records under way on one connection, 32 bytes each: more than a site sends before the first of
/// them is confirmed, its window and what it sends once more.
pub const IN_FLIGHT_LIMIT: usize = 4096;

/// The round trip counts as at least that long: what is measured in one building says nothing of
/// how long a server's process takes to come by.
pub const LEAST_ROUND_TRIP_MS: u64 = 1_000;

/// Records in the order of the stream, by how far they have come.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Not all of their bytes are written. The end is that of the last byte in the stream.
    queued: VecDeque<(Sequence, u64)>,
    /// All of their bytes are written, not all acknowledged; with the end, and when the last was
    /// written.
    written: VecDeque<(Sequence, u64, Mono)>,
    /// All of their bytes are acknowledged; with the first heartbeat that came afterwards.
    acknowledged: VecDeque<(Sequence, Option<Mono>)>,
    /// The longest that an acknowledgement took.
    round_trip_ms: u64,
}

impl Carried {
    pub(super) fn has_room(&self) -> bool {
        self.queued.len() + self.written.len() + self.acknowledged.len() < IN_FLIGHT_LIMIT
    }

    pub(super) fn queue(&mut self, sequence: Sequence, end: u64) {
        self.queued.push_back((sequence, end));
    }

    /// The stream is written up to there.
    pub(super) fn written(&mut self, position: u64, now: Mono) {
        while let Some((sequence, end)) =
            self.queued.front().copied().filter(|(_, end)| *end <= position)
        {
            self.queued.pop_front();
            self.written.push_back((sequence, end, now));
        }
    }

    pub(super) fn is_unacknowledged(&self) -> bool {
        !self.written.is_empty()
    }

    /// The stream is acknowledged up to there.
    pub(super) fn acknowledged(&mut self, position: u64, now: Mono) {
        while let Some((sequence, _, at)) =
            self.written.front().copied().filter(|(_, end, _)| *end <= position)
        {
            self.written.pop_front();
            self.round_trip_ms = self.round_trip_ms.max(now.since_ms(at));
            self.acknowledged.push_back((sequence, None));
        }
    }

    /// All that are acknowledged.
    pub(super) fn take_acknowledged(&mut self) -> impl Iterator<Item = Sequence> {
        self.acknowledged.drain(..).map(|(sequence, _)| sequence)
    }

    /// A heartbeat of the server has come; gives those it is the second one for. The first after
    /// an acknowledgement may have been on its way before the record came; a round trip after that
    /// one was read, a heartbeat has been sent by a process that went on after it.
    pub(super) fn heartbeat(&mut self, now: Mono) -> impl Iterator<Item = Sequence> {
        let apart_ms = self.round_trip_ms.max(LEAST_ROUND_TRIP_MS);
        let is_second = |first: Option<Mono>| first.is_some_and(|at| now.since_ms(at) >= apart_ms);
        let confirmed = self.acknowledged.iter().take_while(|(_, first)| is_second(*first)).count();
        // Those that came later have seen no heartbeat yet.
        for (_, first) in self.acknowledged.iter_mut().rev().take_while(|(_, f)| f.is_none()) {
            *first = Some(now);
        }
        self.acknowledged.drain(..confirmed).map(|(sequence, _)| sequence)
    }
}
