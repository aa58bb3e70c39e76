//! `[[broker.observer]]`

use std::collections::BTreeMap;

use super::{
    fault::Faults,
    once,
    reader::{At, Section},
    secret::{self, Secret},
};
use crate::{
    broker::Filter,
    domain::id::PileCode,
    protocol::charger::topic::{self, Class, Topic},
    service::piles::Probe,
};

/// A local client that may listen to what piles say, and nothing else.
#[derive(Debug, Clone)]
pub struct Observer {
    /// What it logs in as.
    pub username: String,
    /// What it logs in with.
    pub password: Secret,
    /// It may subscribe to these and to what they cover.
    pub topics: Vec<Filter>,
}

impl Observer {
    /// What piles say and others may hear. What they are told, and registrations, which carry
    /// codes and passwords, are not among it.
    #[must_use]
    pub fn visible() -> [Filter; 2] {
        [Class::Command, Class::Telemetry].map(|class| {
            let text = Topic::up(class, "+").to_string();
            Filter::new(&text).expect("topics of the protocol are filters")
        })
    }
}

/// Observers; screens and energy managers of one site.
const MAX_OBSERVERS: usize = 64;

/// Filters of one observer: each pile of a large site by name fits.
const MAX_TOPICS: usize = 512;

pub(super) fn read_all(broker: &mut Section<'_>, faults: &mut Faults<'_>) -> Vec<Observer> {
    let sections = broker.sections("observer", faults);
    if let Some(first) = sections.get(MAX_OBSERVERS) {
        faults.add(first.place(), "is one too many", format!("at most {MAX_OBSERVERS}"));
    }
    let mut seen = BTreeMap::new();
    sections.into_iter().filter_map(|section| read(section, &mut seen, faults)).collect()
}

fn read(
    mut section: Section<'_>,
    seen: &mut BTreeMap<String, String>,
    faults: &mut Faults<'_>,
) -> Option<Observer> {
    let owner = section.place().key.clone();
    let username = section.text("username", faults);
    let username = section.required("username", username, faults, "such as \"display\"");
    if let Some(at) = &username {
        check_name(at, faults);
        once(seen, at.clone(), &owner, faults);
    }
    let password = secret::read(&mut section, "password_file", "password_credential", faults);
    let topics = section.texts("topics", faults);
    let topics = section.required("topics", topics, faults, "such as [\"/U/M/#\"]");
    let topics = topics.map(|topics| filters(&topics, faults));
    section.finish(faults);
    Some(Observer { username: username?.value, password: password?, topics: topics? })
}

/// An account must not be taken for a pile or for the controller itself.
pub(super) fn check_name(name: &At<String>, faults: &mut Faults<'_>) {
    let shown = &name.value;
    if shown == Probe::NAME || !topic::is_id(shown) {
        faults.add(&name.place, format!("cannot be a name: {shown}"), "such as \"display\"");
    } else if PileCode::new(shown).is_ok() {
        let text = format!("looks like a pile code: {shown}");
        faults.add(&name.place, text, "a name that has not 16 letters and digits");
    }
}

fn filters(topics: &At<Vec<String>>, faults: &mut Faults<'_>) -> Vec<Filter> {
    let count = topics.value.len();
    if count == 0 || count > MAX_TOPICS {
        let text = format!("has the wrong number of topics: {count}");
        faults.add(&topics.place, text, format!("1 to {MAX_TOPICS}"));
    }
    let mut list = Vec::new();
    for text in &topics.value {
        match Filter::new(text) {
            Ok(filter) if Observer::visible().iter().any(|seen| seen.meets(&filter)) => {
                list.push(filter);
            }
            Ok(_) => {
                let hint = "observers see what piles say: below /U/C/ and /U/M/";
                faults.add(&topics.place, format!("can never be seen: {text}"), hint);
            }
            Err(error) => {
                let text = format!("is not a topic filter: {text}: {error}");
                faults.add(&topics.place, text, "such as \"/U/M/#\"");
            }
        }
    }
    list
}
