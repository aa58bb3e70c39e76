//! What is the matter, from the facts; pure.

use serde::Serialize;

use super::facts::{Facts, Known};

mod config;
mod files;
mod machine;
mod ports;
mod service;
mod site;
mod storage;
mod time;

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// The site does not work, or orders are in danger.
    Severe,
    /// Somebody has to do something about it.
    Wrong,
    /// Worth knowing.
    Note,
}

impl Severity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Severe => "severe",
            Self::Wrong => "wrong",
            Self::Note => "note",
        }
    }
}

/// Something that is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) text: String,
    pub(super) hint: String,
}

/// Findings that are told, of one topic: a site of a thousand piles has as many troubles.
const MAX_OF_A_TOPIC: usize = 20;

/// Collects the findings of one topic.
#[derive(Debug, Default)]
struct Topic(Vec<Finding>);

impl Topic {
    fn severe(&mut self, text: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Severe, text, hint);
    }

    fn wrong(&mut self, text: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Wrong, text, hint);
    }

    fn note(&mut self, text: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Note, text, hint);
    }

    fn add(&mut self, severity: Severity, text: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { severity, text: text.into(), hint: hint.into() });
    }

    /// The worst, and how many more there are.
    fn finish(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|finding| finding.severity);
        if let Some(more) = self.0.len().checked_sub(MAX_OF_A_TOPIC).filter(|more| *more > 0) {
            self.0.truncate(MAX_OF_A_TOPIC);
            self.note(format!("{more} more of this kind"), "");
        }
        self.0
    }
}

/// All that is the matter, worst first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let topics = [
        of(facts, service::find),
        of(facts, config::find),
        of(facts, storage::find),
        of(facts, files::find),
        of(facts, time::find),
        of(facts, ports::find),
        of(facts, site::find),
        of(facts, machine::find),
    ];
    let mut all: Vec<Finding> = topics.into_iter().flatten().collect();
    all.sort_by_key(|finding| finding.severity);
    all
}

fn of(facts: &Facts, find: fn(&Facts, &mut Topic)) -> Vec<Finding> {
    let mut topic = Topic::default();
    find(facts, &mut topic);
    topic.finish()
}

/// What is known; nothing is found in what is not.
fn known<T>(fact: &Known<T>) -> Option<&T> {
    fact.as_ref().ok()
}

/// A time that has lasted, in its largest unit.
fn lasting(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, _) => format!("{hours} h"),
        (days, ..) => format!("{days} d"),
    }
}
