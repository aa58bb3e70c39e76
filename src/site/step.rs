//! The seal: what a step decided cannot leave before it is committed.

use super::{command::Command, entry::Entry};

/// What the site decided: entries to remember and commands to carry out afterwards.
#[derive(Debug, Default)]
#[must_use = "a step that is not committed is a decision nobody remembers"]
pub struct Step {
    entries: Vec<Entry>,
    commands: Vec<Command>,
    /// The time was learned in the middle of a run: what memory has of earlier runs is dated by
    /// the ledger.
    is_dating: bool,
}

/// Commands whose entries are durable; only [`Step::commit_with`] makes one.
#[derive(Debug)]
#[must_use = "released commands are to be carried out"]
pub struct Released {
    entries: Vec<Entry>,
    commands: Vec<Command>,
}

impl Step {
    pub(super) fn remember(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) fn order(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub(super) fn date(&mut self) {
        self.is_dating = true;
    }

    /// Adds a later step to this one, to be committed together.
    pub fn append(&mut self, mut later: Self) {
        self.entries.append(&mut later.entries);
        self.commands.append(&mut later.commands);
        self.is_dating |= later.is_dating;
    }

    /// Whether the ledger derives more from it than the site knows: once it is committed, the site
    /// is to be refreshed from the ledger.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        let derives = |entry: &Entry| {
            matches!(
                entry,
                Entry::UplinkEnlisted { .. }
                    | Entry::RequiredChanged { .. }
                    | Entry::UplinkRetired { .. }
            )
        };
        self.is_dating || self.entries.iter().any(derives)
    }

    /// Whether there is anything to commit or to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.commands.is_empty()
    }

    /// The facts, for transcripts.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The hints, for transcripts.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Makes the entries durable with `persist` and gives the commands free. If that fails, the
    /// commands are dropped unsaid.
    ///
    /// # Errors
    ///
    /// Those of `persist`.
    pub fn commit_with<E>(
        self,
        persist: impl FnOnce(&[Entry]) -> Result<(), E>,
    ) -> Result<Released, E> {
        persist(&self.entries)?;
        Ok(Released { entries: self.entries, commands: self.commands })
    }
}

impl Released {
    /// The facts, which are on record now.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl IntoIterator for Released {
    type Item = Command;
    type IntoIter = std::vec::IntoIter<Command>;

    fn into_iter(self) -> Self::IntoIter {
        self.commands.into_iter()
    }
}
