//! How long things take on a line.

use crate::protocol::modbus::Block;

/// Bits of a character on a serial line: start, eight of data, parity or a second stop bit, stop.
const CHARACTER_BITS: u32 = 11;

/// Up to here the silence between frames is 3.5 characters; above it is fixed.
const LAST_COUNTED_BAUD: u32 = 19_200;

/// The silence between frames at higher speeds.
const FIXED_SILENCE_US: u32 = 1_750;

/// Silence after which a fault on a line is over. A late answer has no gaps longer than a USB
/// converter holds bytes back, 16 ms; five times that and a little, and those that come just
/// after the time-out are over, too.
pub const QUARANTINE_US: u32 = 100_000;

/// Address, function, first register, count, checksum.
const REQUEST_BYTES: u32 = 8;

/// Address, function, number of bytes, checksum; the registers come on top.
const ANSWER_BYTES: u32 = 5;

/// How long things take on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// A byte; 0 on a network.
    pub byte_us: u32,
    /// Silence that ends a frame.
    pub silence_us: u32,
    /// Silence that the slaves want on top of it before a request.
    pub turnaround_us: u32,
    /// How long a slave may take from the end of a request to its answer.
    pub timeout_us: u32,
    /// Silence after which a fault is over.
    pub quarantine_us: u32,
}

impl Line {
    /// A serial line.
    #[must_use]
    pub fn serial(baud: u32, turnaround_ms: u32, timeout_ms: u32) -> Self {
        let baud = baud.max(1);
        let silence_us = if baud > LAST_COUNTED_BAUD {
            FIXED_SILENCE_US
        } else {
            (CHARACTER_BITS * 3_500_000).div_ceil(baud)
        };
        Self {
            byte_us: (CHARACTER_BITS * 1_000_000).div_ceil(baud),
            silence_us,
            turnaround_us: turnaround_ms.saturating_mul(1000),
            timeout_us: timeout_ms.saturating_mul(1000),
            quarantine_us: QUARANTINE_US,
        }
    }

    /// A network: whatever the converter at its end does is part of the time-out.
    #[must_use]
    pub fn tcp(turnaround_ms: u32, timeout_ms: u32) -> Self {
        Self {
            byte_us: 0,
            silence_us: 0,
            turnaround_us: turnaround_ms.saturating_mul(1000),
            timeout_us: timeout_ms.saturating_mul(1000),
            quarantine_us: QUARANTINE_US,
        }
    }

    /// A request on the wire.
    #[must_use]
    pub fn request_us(&self) -> u64 {
        u64::from(REQUEST_BYTES) * u64::from(self.byte_us)
    }

    /// The answer to a request on the wire.
    #[must_use]
    pub fn answer_us(&self, block: Block) -> u64 {
        let bytes = u64::from(ANSWER_BYTES) + 2 * u64::from(block.count);
        bytes * u64::from(self.byte_us)
    }

    /// What a request costs besides its registers: both frames around them, the silence before it
    /// and the one that ends it.
    #[must_use]
    pub fn overhead_us(&self, own_us: u32) -> u64 {
        let answer_us = u64::from(ANSWER_BYTES) * u64::from(self.byte_us);
        self.gap_us(own_us) + self.request_us() + u64::from(self.silence_us) + answer_us
    }

    /// What a register costs.
    #[must_use]
    pub fn register_us(&self) -> u64 {
        2 * u64::from(self.byte_us)
    }

    /// Silence before a request to a slave that wants `own_us` of it.
    #[must_use]
    pub fn gap_us(&self, own_us: u32) -> u64 {
        (u64::from(self.silence_us) + u64::from(self.turnaround_us)).max(u64::from(own_us))
    }

    /// From handing a request to the port until nobody waits for the answer any more.
    #[must_use]
    pub fn patience_us(&self, block: Block) -> u64 {
        self.request_us() + u64::from(self.timeout_us) + self.answer_us(block)
    }
}
