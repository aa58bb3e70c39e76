//! Uplinks beside the cloud, and who is owed what: `uplink ec joins kind=ec`, `ec delivered`.

use sitepilot::{
    domain::{
        event::{OperatorRequest, RemoteStart, UplinkAnswer, UplinkEvent, UplinkRequest},
        id::{Sequence, UplinkName},
        reply::UplinkMessage,
    },
    protocol::{
        ec::{self, Confirm},
        jcpp, peaq,
    },
    site::{Input, UplinkConfig, Wire},
};

use super::{
    BEGIN_S, World,
    arguments::{card, connector, transaction},
};
use crate::script::{Line, span_ms};

impl World {
    /// The config changes; this counts from the next power cut on.
    pub(super) fn uplink(&mut self, name: &str, words: &[&str], line: &Line<'_>) {
        let name = UplinkName::new(name).expect("a name");
        self.others.retain(|uplink| uplink.name != name);
        match words {
            ["joins"] => {
                if line.text("told") == Some("shown") {
                    self.listeners.insert(name.clone());
                }
                self.others.push(config(name, line));
            }
            ["leaves"] => {}
            other => panic!("uplinks do not {other:?}"),
        }
    }

    /// Whether the script means one of the others.
    pub(super) fn is_other(&self, name: &str) -> bool {
        self.others.iter().any(|uplink| uplink.name.as_str() == name)
    }

    pub(super) fn other(&mut self, name: &str, words: &[&str], line: &Line<'_>) {
        let name = UplinkName::new(name).expect("a name");
        let event = match words {
            ["connects"] => UplinkEvent::Connected,
            ["goes"] => {
                self.forget_questions(&name);
                UplinkEvent::Disconnected { reason: "link lost".to_owned() }
            }
            ["delivered"] => return self.deliver(&name, line),
            other => UplinkEvent::Requested {
                sequence: Sequence(self.sequence(line)),
                digest: 7,
                request: wish(other, line),
            },
        };
        self.step(Input::Uplink { uplink: name, event });
    }

    /// The transport has carried the oldest order, or the newest, or `count=` of them.
    fn deliver(&mut self, name: &UplinkName, line: &Line<'_>) {
        for _ in 0..line.number("count").unwrap_or(1) {
            let is_order =
                |message: &UplinkMessage| matches!(message, UplinkMessage::Transaction { .. });
            let mut open = (0..self.asked.len())
                .filter(|at| self.asked[*at].0 == *name && is_order(&self.asked[*at].2));
            let at = match line.text("which") {
                Some("newest") => open.next_back(),
                _ => open.next(),
            };
            let (_, sequence, _) = self.asked.remove(at.expect("an order on its way"));
            let answer = UplinkAnswer::Delivered;
            let event = UplinkEvent::Answered { sequence, answer, at_s: 0 };
            self.step(Input::Uplink { uplink: name.clone(), event });
        }
    }

    /// What was asked on a link that is gone.
    pub(super) fn forget_questions(&mut self, name: &UplinkName) {
        self.asked.retain(|(uplink, ..)| uplink != name);
    }

    pub(super) fn retire(&mut self, name: &str) {
        let request =
            OperatorRequest::RetireUplink { uplink: UplinkName::new(name).expect("a name") };
        self.step(Input::Operator { ticket: 1, request, known: Vec::new() });
    }

    pub(super) fn show_uplinks(&mut self) {
        let snapshot = self.snapshot();
        for uplink in &snapshot.uplinks {
            let shown = [("to go", uplink.eta_s, " s"), ("at", uplink.rate_per_min, " a minute")];
            let shown = shown.iter().filter_map(|(what, value, unit)| {
                value.map(|value| format!(", {what} {value}{unit}"))
            });
            let required = if uplink.required { ", required" } else { "" };
            self.transcript.push(format!(
                "    = {} {} {}{required}: backlog {}, in flight {}{}",
                uplink.name,
                uplink.kind,
                uplink.state,
                uplink.backlog,
                uplink.in_flight,
                shown.collect::<String>(),
            ));
        }
    }
}

/// What an uplink without words for piles can want.
fn wish(words: &[&str], line: &Line<'_>) -> UplinkRequest {
    match words {
        ["starts"] => UplinkRequest::RemoteStart(RemoteStart {
            connector: connector(line),
            transaction: None,
            card: card(line),
            original: None,
        }),
        ["stops"] => UplinkRequest::RemoteStop {
            transaction: transaction(line),
            connector: connector(line),
            card: card(line),
            original: None,
        },
        ["lets", "in"] => UplinkRequest::Authorize { card: card(line).expect("a card") },
        ["asks"] => UplinkRequest::Availability { connector: connector(line) },
        other => panic!("uplinks do not {other:?}"),
    }
}

fn config(name: UplinkName, line: &Line<'_>) -> UplinkConfig {
    let wire = match line.text("kind") {
        Some("jcpp") => Wire::Jcpp(jcpp::Settings {
            topic_prefix: "jcpp/uplink".to_owned(),
            protocol_name: line.text("protocol").unwrap_or("sitepilot").to_owned(),
            heartbeat_ms: 60_000,
            tags: Default::default(),
        }),
        Some("peaq") => Wire::Peaq(peaq::Settings {
            topic_prefix: "peaq".to_owned(),
            client_id: "site".to_owned(),
            model: "SITEPILOT-1".to_owned(),
            vendor: "ACME".to_owned(),
        }),
        _ => Wire::Ec(ec::Settings {
            organisation: line.number("organisation").unwrap_or(1000),
            heartbeat_ms: 60_000,
            realtime_ms: 60_000,
            confirm: Confirm::Tcp,
            resend_ms: line.text("resend").map_or(0, span_ms).unsigned_abs(),
            amount_includes_service: true,
        }),
    };
    UplinkConfig {
        name,
        wire,
        primary: false,
        commands: line.text("commands") == Some("yes"),
        required: line.text("required") != Some("no"),
        answer_timeout_ms: 3_000,
        orders_since_s: line.number::<i64>("since").map(|s| BEGIN_S + s),
        max_orders_per_s: line.number("rate"),
    }
}
