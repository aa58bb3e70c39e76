//! What the running controller tells of the site, and what is owed.

use serde_json::Value;

use super::{Severity, Topic, known, lasting};
use crate::cli::{
    doctor::facts::{Controller, Facts},
    status::rows,
    table::cell,
};

/// A backlog older than that is not a short outage any more.
const OLD_S: u64 = 86_400;

/// Alarms of things that stop the site or lose data.
const SEVERE: [&str; 3] = ["storage_full", "ledger_damaged", "clock_unset"];

/// Alarms that the findings of other topics tell better.
const TOLD_ELSEWHERE: [&str; 1] = ["certificate_ends"];

pub(super) fn find(facts: &Facts, topic: &mut Topic) {
    match known(&facts.controller) {
        Some(Controller::Answers(answer)) => {
            alarms(&answer.status["alarms"], topic);
            rows(&answer.status["uplinks"]).for_each(|uplink| link(uplink, topic));
            piles(&answer.status["piles"], topic);
        }
        _ => owed(facts, topic),
    }
}

fn alarms(alarms: &Value, topic: &mut Topic) {
    for alarm in rows(alarms) {
        let name = alarm["name"].as_str().unwrap_or_default();
        if TOLD_ELSEWHERE.contains(&name) {
            continue;
        }
        let is_severe = SEVERE.contains(&name);
        let severity = if is_severe { Severity::Severe } else { Severity::Wrong };
        let (text, since) = (cell(&alarm["text"]), cell(&alarm["since"]));
        topic.add(severity, format!("alarm {name} since {since}: {text}"), "sitepilot status");
    }
}

fn link(uplink: &Value, topic: &mut Topic) {
    let (name, state) = (cell(&uplink["name"]), cell(&uplink["state"]));
    let owed = uplink["backlog"].as_u64().unwrap_or_default();
    let age_s = uplink["oldest_unsent_s"].as_u64().unwrap_or_default();
    if state != "online" {
        let (since, reason) = (cell(&uplink["since"]), cell(&uplink["reason"]));
        topic.wrong(
            format!(
                "the uplink {name} is {state} since {since}: {reason}; it is owed {owed} orders"
            ),
            "is there a way to it? ping; sitepilot uplinks list",
        );
    }
    if owed > 0 && age_s > OLD_S {
        let age = lasting(age_s);
        let text = format!("the uplink {name} is owed {owed} orders, the oldest for {age}");
        topic.wrong(text, "sitepilot uplinks list; sitepilot orders list --state recorded");
    }
}

fn piles(piles: &Value, topic: &mut Topic) {
    let away: Vec<_> = rows(piles)
        .filter(|pile| matches!(pile["state"].as_str(), Some("gone" | "awaited")))
        .map(|pile| cell(&pile["code"]))
        .collect();
    if !away.is_empty() {
        let (count, all) = (away.len(), rows(piles).count());
        let codes = away.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let dots = if count > 5 { ", ..." } else { "" };
        topic.note(
            format!("{count} of {all} piles are not connected: {codes}{dots}"),
            "sitepilot piles list",
        );
    }
}

fn owed(facts: &Facts, topic: &mut Topic) {
    let unsettled = known(&facts.orders).map_or(0, |orders| orders.unsettled);
    if unsettled > 0 {
        topic.note(
            format!("{unsettled} orders are not settled: they go out when the controller runs"),
            "sitepilot orders list --state recorded",
        );
    }
}
