//! Silence of piles, and the clock.

use super::{
    Site,
    alarm::{AlarmKind, DoorsTrouble},
    entry::Entry,
    turn::Turn,
};
use crate::domain::{
    dating::Epoch,
    id::OrderSeq,
    order::OrderState,
    time::{ClockQuality, Mono},
};

/// Silence after which the order of a pile that went away or rebooted counts as interrupted; a
/// pile that comes back sooner goes on as if nothing had been.
const INTERRUPTED_AFTER_MS: u64 = 120_000;

/// A calendar that moves by more than this against the running time has been set, not steered.
const STEP_MS: u64 = 60_000;

impl Site {
    /// Orders whose piles have been silent: interrupted first, closed after the time of grace.
    pub(super) fn watch_suspects(&mut self, turn: &mut Turn) {
        let now = turn.now.mono;
        let grace = self.config.interrupted_grace_ms;
        let silent: Vec<(OrderSeq, u64)> =
            self.suspects.iter().map(|(seq, since)| (*seq, now.since_ms(*since))).collect();
        for (seq, silent_ms) in silent {
            if !self.book.get(seq).is_some_and(|order| order.state.is_open()) {
                self.suspects.remove(&seq);
            } else if silent_ms >= grace {
                self.close_estimated(seq, turn);
            } else if silent_ms >= INTERRUPTED_AFTER_MS.min(grace) {
                self.book.interrupt(seq, "the pile fell silent in mid-order", turn);
                if let Some(order) = self.book.get(seq) {
                    self.rhythm.touch(order.key.pile);
                }
            }
        }
    }

    pub(super) fn suspects_deadline(&self) -> Option<Mono> {
        let grace = self.config.interrupted_grace_ms;
        let next = |(seq, since): (&OrderSeq, &Mono)| {
            let interrupted =
                self.book.get(*seq).is_some_and(|order| order.state == OrderState::Interrupted);
            let wait = if interrupted { grace } else { INTERRUPTED_AFTER_MS.min(grace) };
            since.plus_ms(wait)
        };
        self.suspects.iter().map(next).min()
    }

    /// Notices a clock that became good, and one that jumped. Durations do not care.
    pub(super) fn watch_clock(&mut self, turn: &mut Turn) {
        let (now, at) = (turn.now, turn.stamp());
        let epoch_ms = now.wall.unix_ms.saturating_sub_unsigned(now.mono.0);
        let before = self.clock.replace((now.wall.quality, epoch_ms));
        let is_set = now.wall.quality != ClockQuality::Unset;
        if !is_set {
            if before.is_none_or(|(quality, _)| quality != ClockQuality::Unset) {
                let text = "nobody has set the clock; charging goes on, orders wait for dates";
                self.alarms.raise(AlarmKind::ClockUnset, at, text.to_owned());
            }
            return;
        }
        self.alarms.clear(&AlarmKind::ClockUnset);
        let Some((quality, epoch_before)) = before else {
            // What earlier runs left undated can be dated between its neighbours.
            turn.remember(Entry::ClockLearned { boot: at.boot, epoch_ms, at });
            return;
        };
        if quality == ClockQuality::Unset {
            turn.remember(Entry::ClockLearned { boot: at.boot, epoch_ms, at });
            let quality = now.wall.quality;
            let epoch = Epoch { unix_ms: epoch_ms, quality, estimated: false };
            self.book.learn_clock(at.boot, epoch);
            self.is_dating = true;
            turn.date();
            self.meters.learn_clock(at.boot, epoch);
        } else if epoch_ms.abs_diff(epoch_before) > STEP_MS {
            let by_ms = epoch_ms.saturating_sub(epoch_before);
            turn.remember(Entry::ClockStepped { at, by_ms });
            let text = format!("the calendar jumped by {} s", by_ms / 1000);
            self.alarms.raise(AlarmKind::ClockStepped, at, text);
        }
    }

    pub(super) fn doors(&mut self, trouble: DoorsTrouble, text: Option<String>, turn: &Turn) {
        let kind = AlarmKind::Doors(trouble);
        match text {
            Some(text) => self.alarms.raise(kind, turn.stamp(), text),
            None => self.alarms.clear(&kind),
        }
    }

    pub(super) fn storage(&mut self, is_full: bool, turn: &mut Turn) {
        self.is_storage_full = is_full;
        if is_full {
            let text = "the store is full: no new charging, draining goes on".to_owned();
            self.alarms.raise(AlarmKind::StorageFull, turn.stamp(), text);
        } else {
            self.alarms.clear(&AlarmKind::StorageFull);
        }
    }
}
