//! How much one connection sends, and when it has to wait. Pure: the time is passed in.

use super::rate::{Bucket, Rate};
use crate::domain::time::Mono;

/// Who has to wait again and again for that long does not replay a backlog; it floods.
const FLOOD_MS: u64 = 60_000;

/// What one connection may send; beyond it its socket is left unread for a while.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Packets of any kind.
    pub packets: Rate,
    /// Bytes of these.
    pub bytes: Rate,
}

impl Pace {
    /// For clients that are trusted to know what they do.
    pub const UNLIMITED: Self = Self { packets: Rate::UNLIMITED, bytes: Rate::UNLIMITED };
}

impl Default for Pace {
    /// A pile says a few things a minute. After an outage it replays its orders, four packets
    /// each: five hundred at once, then fifty a second, with room for a log or a card list.
    fn default() -> Self {
        Self { packets: Rate::per_second(200, 10), bytes: Rate::per_second(128 * 1024, 8) }
    }
}

/// A connection has sent too much for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// Until it may go on.
    pub ms: u64,
    /// It has been at it for a minute, or for another one.
    pub is_flood: bool,
}

/// One connection's meter.
#[derive(Debug)]
pub(super) struct Meter {
    pace: Pace,
    packets: Bucket,
    bytes: Bucket,
    excess_since: Option<Mono>,
}

impl Meter {
    pub fn new(pace: Pace) -> Self {
        Self { pace, packets: Bucket::default(), bytes: Bucket::default(), excess_since: None }
    }

    /// Counts a packet of so many bytes.
    pub fn count(&mut self, bytes: usize, now: Mono) -> Option<Pause> {
        let Pace { packets, bytes: bytes_rate } = self.pace;
        if self.packets.is_full(packets, now) && self.bytes.is_full(bytes_rate, now) {
            self.excess_since = None;
        }
        self.packets.take(1, packets, now);
        self.bytes.take(u64::try_from(bytes).unwrap_or(u64::MAX), bytes_rate, now);
        let ms = self.packets.wait_ms(packets, now).max(self.bytes.wait_ms(bytes_rate, now));
        (ms > 0).then(|| Pause { ms, is_flood: self.is_flood(now) })
    }

    fn is_flood(&mut self, now: Mono) -> bool {
        let since = *self.excess_since.get_or_insert(now);
        let is_flood = now.since_ms(since) >= FLOOD_MS;
        if is_flood {
            self.excess_since = Some(now);
        }
        is_flood
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        packets: Rate { burst: 10, per_minute: 600 },
        bytes: Rate { burst: 1_000, per_minute: 60_000 },
    };

    /// Sends as fast as it may for so long; how many packets, and how many floods were told.
    fn press(meter: &mut Meter, from: Mono, for_ms: u64, bytes: usize) -> (u64, u64) {
        let (mut now, mut sent, mut floods) = (from, 0, 0);
        while now.since_ms(from) < for_ms {
            sent += 1;
            if let Some(pause) = meter.count(bytes, now) {
                floods += u64::from(pause.is_flood);
                now = now.plus_ms(pause.ms);
            }
        }
        (sent, floods)
    }

    #[test]
    fn a_burst_passes_and_an_excess_waits() {
        let mut meter = Meter::new(PACE);
        assert!((0..10).all(|_| meter.count(10, Mono(0)).is_none()));
        assert_eq!(meter.count(10, Mono(0)), Some(Pause { ms: 100, is_flood: false }));
        let mut meter = Meter::new(PACE);
        let long = meter.count(3_000, Mono(0));
        assert_eq!(long, Some(Pause { ms: 2_000, is_flood: false }), "one packet beyond all");
        let mut meter = Meter::new(PACE);
        assert_eq!(press(&mut meter, Mono(0), 10_000, 10), (110, 0));
    }

    #[test]
    fn a_flood_is_told_every_minute() {
        let mut meter = Meter::new(PACE);
        assert_eq!(press(&mut meter, Mono(0), 301_000, 1).1, 5);
        let after = Mono(400_000);
        assert_eq!(press(&mut meter, after, 50_000, 1).1, 0, "it was calm between");
        assert_eq!(press(&mut meter, after.plus_ms(50_000), 30_000, 1).1, 1);
    }

    #[test]
    fn a_pile_that_comes_back_with_its_backlog_is_not_paused() {
        let mut meter = Meter::new(Pace::default());
        // Five hundred stored orders of a kilobyte, as fast as they are answered.
        for order in 0..500 {
            for bytes in [1_024, 4, 4, 4] {
                assert_eq!(meter.count(bytes, Mono(order)), None, "order {order}");
            }
        }
    }
}
