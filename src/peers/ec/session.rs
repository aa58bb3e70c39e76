//! One link of an EC server: when it speaks, and when it has waited long enough.

use super::{Faults, Settings, frame::Reader};
use crate::domain::time::Mono;

/// One link.
#[derive(Debug)]
pub(super) struct Session {
    pub reader: Reader,
    heard: Mono,
    beat: Mono,
}

/// What is due on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Heartbeat,
    /// The gate has said nothing for too long.
    Silence,
}

impl Session {
    pub fn new(settings: &Settings, now: Mono) -> Self {
        Self { reader: Reader::default(), heard: now, beat: now.plus_ms(settings.heartbeat_ms) }
    }

    pub fn hear(&mut self, bytes: &[u8], now: Mono) {
        self.heard = now;
        self.reader.feed(bytes);
    }

    pub fn deadline(&self, settings: &Settings) -> Mono {
        self.beat.min(self.heard.plus_ms(settings.silence_ms))
    }

    pub fn due(&mut self, settings: &Settings, faults: Faults, now: Mono) -> Due {
        if faults.deaf {
            // Who does not listen does not notice silence.
            self.heard = now;
        }
        if self.heard.plus_ms(settings.silence_ms) <= now {
            return Due::Silence;
        }
        if now < self.beat {
            return Due::Nothing;
        }
        self.beat = now.plus_ms(settings.heartbeat_ms);
        if faults.mute { Due::Nothing } else { Due::Heartbeat }
    }
}
