//! One call of `step`: its moment and what has been decided so far.

use super::{command::Command, entry::Entry, step::Step};
use crate::domain::{
    id::{PileCode, RequestId, UplinkName},
    reply::{PileReply, ToPile, ToUplink},
    time::{BootId, Mono, Now, Stamp, Wall},
};

/// The moment of a step and its outcome so far.
pub(super) struct Turn {
    pub(super) now: Now,
    boot: BootId,
    step: Step,
}

impl Turn {
    pub(super) fn new(now: Now, boot: BootId) -> Self {
        Self { now, boot, step: Step::default() }
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { boot: self.boot, mono: self.now.mono, wall: self.now.wall }
    }

    /// A moment of this run that has passed.
    pub(super) fn stamp_at(&self, at: Mono) -> Stamp {
        let mono = at.min(self.now.mono);
        let passed_ms = self.now.mono.since_ms(mono);
        let unix_ms = self.now.wall.unix_ms.saturating_sub_unsigned(passed_ms);
        Stamp { boot: self.boot, mono, wall: Wall { unix_ms, ..self.now.wall } }
    }

    pub(super) fn remember(&mut self, entry: Entry) {
        self.step.remember(entry);
    }

    /// The ledger dates earlier runs by what this step has learned.
    pub(super) fn date(&mut self) {
        self.step.date();
    }

    pub(super) fn order(&mut self, command: Command) {
        self.step.order(command);
    }

    pub(super) fn answer(&mut self, pile: PileCode, id: RequestId, reply: PileReply) {
        self.order(Command::Pile { pile, message: ToPile::Answer { id, reply } });
    }

    pub(super) fn uplink(&mut self, uplink: &UplinkName, message: ToUplink) {
        self.order(Command::Uplink { uplink: uplink.clone(), message: Box::new(message) });
    }

    pub(super) fn finish(self) -> Step {
        self.step
    }
}
