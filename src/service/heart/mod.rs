//! The loop: step a batch of inputs, commit their entries, release their commands.
//!
//! One OS thread owns the site and its memory. A commit that fails drops the step unsaid, and
//! memory is restored from the ledger in process; so it is after a panic inside a step, whose
//! input is set aside and not tried again.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use flume::{Receiver, RecvTimeoutError};
use tracing::{error, warn};

use crate::{
    clock::Clock,
    domain::{
        event::{PileEvent, UplinkEvent},
        id::{PileCode, UplinkName},
        time::{Mono, Now},
    },
    site::{
        BATCH_LIMIT, Input, Lookup, Site, SiteConfig,
        entry::Entry,
        restore::{Clash, clashes},
        step::Step,
    },
};

mod aside;
mod diary;
mod kept;
mod memory;
mod pulse;

#[cfg(test)]
mod tests;

pub use kept::Kept;
pub use memory::{Chores, Memory, MemoryError};
pub use pulse::Pulse;

use super::outside::Outside;
use diary::Diary;

/// The heart turns at least that often, so that a changed clock is noticed and whoever watches
/// sees it turn.
const LONGEST_WAIT_MS: u64 = 1000;

/// Snapshots for pages are that fresh at best; making one copies all open orders.
const SNAPSHOT_INTERVAL_MS: u64 = 250;

/// Commits that fail in a row before the program gives up: the first may be for want of room, the
/// second may come before the room is there.
const MAX_FAILURES: u32 = 3;

/// Between looks at free space and the clock's file.
const CHORES_INTERVAL_MS: u64 = 60_000;

/// Why the heart stopped by itself, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum HeartError {
    /// Memory cannot be read or written.
    #[error("the memory of the site is sick: {0}")]
    Sick(String),
    /// The config does not fit what is kept.
    #[error("the config does not fit the ledger: {}", in_words(.0))]
    Clashes(Vec<Clash>),
}

fn in_words(clashes: &[Clash]) -> String {
    clashes.iter().map(Clash::to_string).collect::<Vec<_>>().join("\n")
}

/// What the heart works with.
pub struct Parts<M, O> {
    /// The ledger.
    pub memory: M,
    /// Where commands go.
    pub outside: O,
    /// What the site has to know.
    pub config: SiteConfig,
    /// The time.
    pub clock: Arc<Clock>,
    /// What comes in.
    pub inbox: Receiver<Input>,
    /// What others see.
    pub pulse: Arc<Pulse>,
    /// Where inputs that caused a panic are set aside.
    pub data_dir: PathBuf,
}

/// The site, its memory and what is around them.
pub struct Heart<M, O> {
    parts: Parts<M, O>,
    site: Site,
    /// [`Site::step`], but for tests of what happens when it panics.
    decide: fn(&mut Site, Input, Now) -> Step,
    /// Connected since memory was last restored. What others say is not heard: the site would
    /// take it for a message before boot.
    piles: BTreeSet<PileCode>,
    uplinks: BTreeSet<UplinkName>,
    failures: u32,
    was_full: bool,
    chores_done: Mono,
    shown: Mono,
    diary: Diary,
}

impl<M: Memory, O: Outside> Heart<M, O> {
    /// Restores the site from its memory.
    ///
    /// # Errors
    ///
    /// If memory cannot be read or written, or the config does not fit it.
    pub fn start(mut parts: Parts<M, O>) -> Result<Self, HeartError> {
        let now = parts.clock.now();
        let (site, step) = restore(&mut parts, now)?;
        let mut heart = Self {
            parts,
            site,
            decide: Site::step,
            piles: BTreeSet::new(),
            uplinks: BTreeSet::new(),
            failures: 0,
            was_full: false,
            chores_done: now.mono,
            shown: now.mono,
            diary: Diary::default(),
        };
        heart.finish(step, &[])?;
        heart.date(now)?;
        heart.do_chores(now)?;
        heart.show(now);
        Ok(heart)
    }

    /// Runs until it is stopped, or nobody can tell it anything any more.
    ///
    /// # Errors
    ///
    /// If memory is sick; nothing was promised that is not kept.
    pub fn run(mut self) -> Result<(), HeartError> {
        while let Some(batch) = self.next_batch() {
            self.turn(batch)?;
        }
        self.parts.memory.close().map_err(sick)
    }

    /// Waits for inputs; `None` at the end.
    fn next_batch(&self) -> Option<Vec<Input>> {
        let Parts { inbox, clock, pulse, .. } = &self.parts;
        let now = clock.mono();
        pulse.beat(now);
        let until = self.site.deadline().map_or(LONGEST_WAIT_MS, |at| at.since_ms(now));
        let wait = Duration::from_millis(until.min(LONGEST_WAIT_MS));
        let mut batch = match inbox.recv_timeout(wait) {
            Ok(input) => vec![input],
            Err(RecvTimeoutError::Timeout) => vec![Input::Tick],
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        batch.extend(inbox.try_iter().take(BATCH_LIMIT - batch.len()));
        // Only an empty inbox ends it: what was taken in is worked off.
        let is_over = pulse.is_stopping() && matches!(batch[..], [Input::Tick]);
        (!is_over).then_some(batch)
    }

    fn turn(&mut self, batch: Vec<Input>) -> Result<(), HeartError> {
        let now = self.parts.clock.now();
        let mut step = Step::default();
        let mut tried = Vec::new();
        for mut input in batch {
            if !self.is_heard(&input) {
                continue;
            }
            tried.push(input.clone());
            self.look_up(&mut input)?;
            match catch_unwind(AssertUnwindSafe(|| (self.decide)(&mut self.site, input, now))) {
                Ok(next) => step.append(next),
                Err(_) => {
                    // What was decided before the panic holds; memory does not.
                    let guilty = tried.pop();
                    self.finish(std::mem::take(&mut step), &tried)?;
                    tried.clear();
                    self.set_aside(guilty.as_slice(), "a panic in a step");
                    self.parts.pulse.panicked();
                    self.restore()?;
                }
            }
        }
        self.finish(step, &tried)?;
        self.chores(now)?;
        if now.mono.since_ms(self.shown) >= SNAPSHOT_INTERVAL_MS {
            self.show(now);
        }
        Ok(())
    }

    /// Keeps track of who is there and which piles there are; whether the site shall hear this.
    fn is_heard(&mut self, input: &Input) -> bool {
        match input {
            Input::Pile { pile, event: PileEvent::Connected { .. }, .. } => {
                self.piles.insert(*pile);
                true
            }
            Input::Pile { pile, event: PileEvent::Gone { .. }, .. } => {
                // The order of `Gone` and a new `Connected` is kept by the doors.
                self.piles.remove(pile);
                true
            }
            Input::Pile { pile, .. } => self.piles.contains(pile),
            // For the next time that memory is restored.
            Input::PileAdmitted { pile, config } => {
                self.parts.config.admit(*pile, config.clone());
                true
            }
            Input::Uplink { uplink, event: UplinkEvent::Connected } => {
                self.uplinks.insert(uplink.clone());
                true
            }
            Input::Uplink { uplink, event: UplinkEvent::Disconnected { .. } } => {
                self.uplinks.remove(uplink);
                true
            }
            _ => true,
        }
    }

    fn look_up(&mut self, input: &mut Input) -> Result<(), HeartError> {
        let Some(lookup) = input.lookup() else { return Ok(()) };
        let found = self.parts.memory.lookup(&lookup);
        input.learn(found.map_err(sick)?);
        Ok(())
    }

    /// Commits and releases; `tried` are the inputs it came from.
    fn finish(&mut self, step: Step, tried: &[Input]) -> Result<(), HeartError> {
        if step.is_empty() {
            return Ok(());
        }
        let has_entries = !step.entries().is_empty();
        let is_derived = step.is_derived();
        self.parts.pulse.commit_begins(self.parts.clock.mono());
        let done = self.parts.memory.commit(step);
        self.parts.pulse.commit_ends();
        match done {
            Ok(released) => {
                if has_entries {
                    self.failures = 0;
                }
                if is_derived {
                    self.refresh()?;
                }
                self.tell(released.entries());
                for command in released {
                    self.parts.outside.carry_out(command);
                }
                self.watch_room(self.parts.memory.is_full())
            }
            Err(error) => self.recover(error, tried),
        }
    }

    /// Tells the log what is on record now. An order that cannot be read goes without its name:
    /// whether memory is sick shows where it is needed.
    fn tell(&mut self, entries: &[Entry]) {
        let Self { diary, parts, .. } = self;
        diary.tell(entries, |seq| parts.memory.lookup(&Lookup::Seq(seq)).ok()?.pop());
    }

    /// A commit failed: nothing was said, and memory becomes what the ledger has.
    fn recover(&mut self, error: MemoryError, tried: &[Input]) -> Result<(), HeartError> {
        error!(%error, "commit failed, memory is restored");
        self.failures += 1;
        if self.failures >= MAX_FAILURES {
            return Err(HeartError::Sick(format!(
                "{} commits failed in a row: {error}",
                self.failures
            )));
        }
        match &error {
            MemoryError::Full => {}
            MemoryError::Contradiction(_) => self.set_aside(tried, "entries that contradict"),
            MemoryError::Sick(text) => return Err(HeartError::Sick(text.clone())),
        }
        self.restore()?;
        let is_full = matches!(error, MemoryError::Full) || self.parts.memory.is_full();
        self.watch_room(is_full)
    }

    /// The ledger has done more than the site knows, to many orders at once.
    fn refresh(&mut self) -> Result<(), HeartError> {
        let image = self.parts.memory.load().map_err(sick)?;
        self.site.refresh(&image);
        Ok(())
    }

    /// The first step of a run may have dated what earlier runs left undated: memory is read
    /// again, once, so that running orders have their dates too.
    fn date(&mut self, now: Now) -> Result<(), HeartError> {
        if !self.site.has_undated_orders() || now.wall.known_s().is_none() {
            return Ok(());
        }
        let (site, step) = restore(&mut self.parts, now)?;
        self.site = site;
        self.finish(step, &[])
    }

    /// Memory is what the ledger has. Piles are made to come again, which tells the site of them;
    /// uplinks that are up are told again.
    fn restore(&mut self) -> Result<(), HeartError> {
        let now = self.parts.clock.now();
        let (site, step) = restore(&mut self.parts, now)?;
        self.site = site;
        self.was_full = false;
        self.piles.clear();
        self.parts.outside.cut_piles();
        let mut step = step;
        for uplink in self.uplinks.clone() {
            let input = Input::Uplink { uplink, event: UplinkEvent::Connected };
            step.append(self.site.step(input, now));
        }
        self.finish(step, &[])
    }

    /// Tells the site when the store fills up or has room again.
    fn watch_room(&mut self, is_full: bool) -> Result<(), HeartError> {
        if is_full == self.was_full {
            return Ok(());
        }
        self.was_full = is_full;
        let step = self.site.step(Input::Storage { is_full }, self.parts.clock.now());
        self.finish(step, &[])
    }

    fn set_aside(&self, inputs: &[Input], why: &str) {
        let at = self.parts.clock.now();
        match aside::write(&self.parts.data_dir, at, why, inputs) {
            Ok(file) => error!(file = %file.display(), reason = why, "input set aside"),
            Err(error) => error!(%error, reason = why, "input dropped, cannot be set aside"),
        }
    }

    fn chores(&mut self, now: Now) -> Result<(), HeartError> {
        let is_due = now.mono.since_ms(self.chores_done) >= CHORES_INTERVAL_MS;
        if is_due { self.do_chores(now) } else { Ok(()) }
    }

    fn do_chores(&mut self, now: Now) -> Result<(), HeartError> {
        self.chores_done = now.mono;
        if let Err(error) = self.parts.clock.keep() {
            warn!(%error, "the last good time cannot be kept");
        }
        let done = self.parts.memory.do_chores(now);
        let chores = done.map_err(sick)?;
        self.parts.pulse.tidied(chores);
        self.watch_room(chores.is_full)
    }

    fn show(&mut self, now: Now) {
        self.shown = now.mono;
        self.parts.pulse.show(self.site.snapshot(now));
    }
}

fn restore<M: Memory, O>(parts: &mut Parts<M, O>, now: Now) -> Result<(Site, Step), HeartError> {
    let image = parts.memory.load().map_err(sick)?;
    let clashes = clashes(&image, &parts.config);
    if !clashes.is_empty() {
        return Err(HeartError::Clashes(clashes));
    }
    Ok(Site::restore(image, parts.config.clone(), now))
}

fn sick(error: MemoryError) -> HeartError {
    HeartError::Sick(error.to_string())
}
