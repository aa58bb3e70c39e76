//! What the cloud does: `cloud confirms order`.

use prost::Message;
use sitepilot::{
    domain::{
        card::Verdict,
        event::{
            HistoryLevel, HistoryQuery, Named, RemoteStart, TriggerKind, UplinkAnswer, UplinkEvent,
            UplinkRequest,
        },
        id::{OrderId, Sequence},
        quantity::Money,
        reply::UplinkMessage,
        wire::ErrorCode,
    },
    protocol::charger::{station, topic::Class, wire::v1_10 as wire},
    site::{Input, Wire},
};

use super::{
    BEGIN_S, World,
    arguments::{answer_to, connector, original, transaction},
};
use crate::{script::Line, show, small_site};

impl World {
    pub(super) fn cloud(&mut self, words: &[&str], line: &Line<'_>) {
        let event = match words {
            ["connects"] => UplinkEvent::Connected,
            ["goes"] => {
                self.forget_questions(&small_site::cloud());
                UplinkEvent::Disconnected { reason: "link lost".to_owned() }
            }
            ["refuses", "login"] => {
                UplinkEvent::LoginRefused { reason: "bad user name or password".to_owned() }
            }
            ["wants", what] => self.cloud_wants(what, line),
            other => match request(other, line) {
                Some(request) => {
                    let sequence = Sequence(self.sequence(line));
                    UplinkEvent::Requested { sequence, digest: 7, request }
                }
                None => self.cloud_answer(other, line),
            },
        };
        self.step(Input::Uplink { uplink: small_site::cloud(), event });
    }

    /// A message that the cloud's bytes are read for, because what they name decides.
    fn cloud_wants(&mut self, what: &str, line: &Line<'_>) -> UplinkEvent {
        let (message_id, payload) = wish(what, line);
        let apdu = wire::Apdu {
            sequence_id: self.sequence(line),
            message_id: message_id.into(),
            payload: payload.into(),
            ..Default::default()
        };
        let settings = self.config().uplinks.remove(0).wire;
        let Wire::Charger(settings) = settings else { panic!("a charging-station uplink") };
        station::decode(Class::Command, &apdu.encode_to_vec(), &settings).expect("decodes")
    }

    /// Answers the oldest open question of a kind, or `which=newest`.
    fn cloud_answer(&mut self, words: &[&str], line: &Line<'_>) -> UplinkEvent {
        let kind = *words.last().expect("what is answered");
        let name = small_site::cloud();
        let mut open = self
            .asked
            .iter()
            .enumerate()
            .filter(|(_, (uplink, _, message))| *uplink == name && is_kind(kind, message));
        let found = match line.text("which") {
            Some("newest") => open.next_back(),
            _ => open.next(),
        };
        let at = found.unwrap_or_else(|| panic!("no open question about {kind}")).0;
        let (_, sequence, message) = self.asked.remove(at);
        let answer = match words[0] {
            "errors" => {
                UplinkAnswer::Error { code: error(line), text: "so says the cloud".to_owned() }
            }
            "confirms" => answer(&message, line),
            other => panic!("clouds do not {other}"),
        };
        UplinkEvent::Answered { sequence, answer, at_s: 0 }
    }
}

/// What the cloud asks the site for; `None` if the line is no request.
fn request(words: &[&str], line: &Line<'_>) -> Option<UplinkRequest> {
    let request = match words {
        ["remote-start"] => UplinkRequest::RemoteStart(RemoteStart {
            connector: connector(line),
            transaction: transaction(line),
            card: None,
            original: Some(original(16, &wire::RemoteStartTransactionReq::default())),
        }),
        ["remote-stop"] => UplinkRequest::RemoteStop {
            transaction: transaction(line),
            connector: connector(line),
            card: None,
            original: Some(original(17, &wire::RemoteStopTransactionReq::default())),
        },
        ["tariff"] => UplinkRequest::Tariff {
            id: line.number("id").unwrap_or(1),
            original: original(52, &wire::SetTariffReq::default()),
        },
        ["history"] => UplinkRequest::History(history(line)),
        ["trigger"] => {
            let what = match line.text("what") {
                Some("start") => TriggerKind::Start,
                Some("boot") => TriggerKind::Boot,
                Some("progress") => TriggerKind::Progress,
                _ => TriggerKind::Other,
            };
            UplinkRequest::Trigger { what, connector: connector(line) }
        }
        _ => return None,
    };
    Some(request)
}

/// Something to be passed on to the pile.
fn wish(what: &str, line: &Line<'_>) -> (wire::MessageId, Vec<u8>) {
    let named = || line.text("connector").unwrap_or_default().to_owned();
    let id = line.number("id").unwrap_or(1);
    match what {
        "reservation" => {
            let reserve = wire::ReserveNowReq { id, connector_id: named(), ..Default::default() };
            (wire::MessageId::IdReserveNowReq, reserve.encode_to_vec())
        }
        "reset" => {
            let reset =
                wire::RemoteControlReq { function: "Reset".to_owned(), parameter: "0".to_owned() };
            (wire::MessageId::IdRemoteControlReq, reset.encode_to_vec())
        }
        "charging" => {
            let start =
                wire::RemoteControlReq { function: "RemoteStart".to_owned(), parameter: named() };
            (wire::MessageId::IdRemoteControlReq, start.encode_to_vec())
        }
        "profile" => {
            let profile = wire::ChargingProfile {
                transaction_id: line.text("tx").unwrap_or_default().to_owned(),
                ..Default::default()
            };
            let profile = wire::SetChargingProfileReq {
                charging_profile: Some(profile),
                ..Default::default()
            };
            (wire::MessageId::IdSetChargingProfileReq, profile.encode_to_vec())
        }
        other => panic!("clouds do not want {other}"),
    }
}

pub(super) fn is_kind(kind: &str, message: &UplinkMessage) -> bool {
    match kind {
        "boot" => matches!(message, UplinkMessage::Boot),
        "card" => matches!(message, UplinkMessage::Authorize { .. }),
        "start" => matches!(message, UplinkMessage::Start { .. }),
        "stop" => matches!(message, UplinkMessage::Stop { .. }),
        "order" => matches!(message, UplinkMessage::Transaction { .. }),
        "message" => matches!(message, UplinkMessage::Passed(_)),
        other => panic!("nothing is asked about {other}"),
    }
}

fn answer(message: &UplinkMessage, line: &Line<'_>) -> UplinkAnswer {
    let verdict = match line.text("says") {
        None | Some("yes") => Verdict::Accepted,
        Some(_) => Verdict::Blocked,
    };
    let id = line.text("id");
    match message {
        UplinkMessage::Boot => UplinkAnswer::Boot {
            status: line.number("status").unwrap_or(0),
            time_s: 0,
            interval_s: line.number("interval").unwrap_or(600),
        },
        UplinkMessage::Authorize { .. } => UplinkAnswer::Authorize {
            verdict,
            original: original(148, &wire::AuthorizeConf::default()),
        },
        UplinkMessage::Start { order, .. } => UplinkAnswer::Start {
            transaction: transaction(line),
            order: show::named(id, order.id),
            connector: show::named(None, order.connector.expect("a connector")),
            verdict,
            original: original(146, &wire::StartTransactionConf::default()),
        },
        UplinkMessage::Stop { order } => UplinkAnswer::Stop {
            transaction: match &order.transaction {
                Some(transaction) => show::named(id, transaction.clone()),
                None => Named::Nothing,
            },
            connector: show::named(None, order.connector.expect("a connector")),
            cost: Money::from_fen(0),
            original: original(147, &wire::StopTransactionConf::default()),
        },
        UplinkMessage::Transaction { payload, .. } => {
            let order = wire::TransactionReq::decode(payload.clone()).expect("decodes");
            let right = OrderId::new(&order.record_id).expect("an id");
            UplinkAnswer::Transaction {
                status: line.number("status").unwrap_or(0),
                order: show::named(id, right),
                connector: Named::Nothing,
            }
        }
        UplinkMessage::Passed(passed) => UplinkAnswer::Other(answer_to(&passed.original)),
        other => panic!("{other:?} has no answer here"),
    }
}

fn history(line: &Line<'_>) -> HistoryQuery {
    HistoryQuery {
        level: match line.text("level") {
            Some("0") => HistoryLevel::Current,
            Some("1") => HistoryLevel::Unsettled,
            _ => HistoryLevel::All,
        },
        connector: connector(line),
        from_s: line.number::<i64>("from").map(|s| BEGIN_S + s),
        until_s: line.number::<i64>("until").map(|s| BEGIN_S + s),
    }
}

fn error(line: &Line<'_>) -> ErrorCode {
    match line.number::<u8>("code") {
        Some(1) => ErrorCode::NotSupported,
        Some(2) => ErrorCode::Internal,
        Some(3) => ErrorCode::Protocol,
        Some(4) => ErrorCode::TypeViolation,
        _ => ErrorCode::Generic,
    }
}
