//! What the pile asks, sends again, and hears in answer.

use bytes::Bytes;

use super::{
    AnsweredBy, AnsweredOrder, Order, OrderPhase, Phase, Pile, PileNews, charge::Authorization,
};
use crate::{
    domain::time::{Mono, Now},
    peers::{
        Class, Effect, Machine, Outgoing,
        apdu::{self, Code, Opened, wire},
        body::Body,
    },
};

/// Heartbeat interval where the controller gives none that makes sense.
const DEFAULT_INTERVAL_MS: u64 = 60_000;
/// Attempts to have a card authorised before the pile decides by itself.
const AUTHORIZE_TRIES: u32 = 2;

/// What an unanswered request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Pile,
    Connector(u16),
    Order(u64),
    /// An order that was answered before, sent on purpose.
    Again(u64),
}

/// An unanswered request.
pub(super) struct Open {
    pub code: Code,
    pub about: About,
    pub due: Mono,
    pub tries: u32,
    pub apdu: Bytes,
}

impl Pile {
    pub(super) fn register(&mut self, now: Now) {
        let Some(registration) = self.unregistered() else { return };
        let ports = || (1..=i32::from(self.config.connectors)).collect();
        let body = wire::DeviceRegistrationReq {
            part_number: self.config.part_number.clone(),
            serial_number: self.config.serial.clone(),
            vendor_id: "SIM".to_owned(),
            registration_code: registration.code.clone(),
            connector_number: ports(),
            connector_type: vec![0; usize::from(self.config.connectors)],
            firmware_version: self.firmware.to_string(),
            ..Default::default()
        };
        self.ask(Code::IdDeviceRegistrationReq, About::Pile, &body, now);
    }

    pub(super) fn boot(&mut self, now: Now) {
        let body = wire::BootNotificationReq {
            part_number: self.config.part_number.clone(),
            serial_number: self.config.serial.clone(),
            vendor_id: "SIM".to_owned(),
            firmware_version: self.firmware.to_string(),
            protocol_version: self.config.revision.name().to_owned(),
            connector_number: i32::from(self.config.connectors),
            device_code: self.config.code.clone(),
            ..Default::default()
        };
        self.ask(Code::IdBootNotificationReq, About::Pile, &body, now);
    }

    /// Sends a request that is repeated until it is answered, if its revision answers it at all.
    pub(super) fn ask<M: Body>(&mut self, code: Code, about: About, body: &M, now: Now) {
        if !apdu::is_answered(self.config.revision, code) {
            return self.say(Class::Command, code, body, now);
        }
        let sequence = self.next_sequence();
        let Some(apdu) = apdu::seal(self.config.revision, code, sequence, now, body) else {
            return;
        };
        let due = now.mono.plus_ms(self.patience_ms(code));
        self.open.insert(sequence, Open { code, about, due, tries: 1, apdu: apdu.clone() });
        self.publish(Class::Command, apdu);
    }

    /// Sends what is not answered, or whose answer changes nothing.
    pub(super) fn say<M: Body>(&mut self, class: Class, code: Code, body: &M, now: Now) {
        let sequence = self.next_sequence();
        if let Some(apdu) = apdu::seal(self.config.revision, code, sequence, now, body) {
            self.publish(class, apdu);
        }
    }

    pub(super) fn publish(&mut self, class: Class, payload: Bytes) {
        let topic = match (self.phase, class) {
            (Phase::Down, _) => return,
            (Phase::Registering, _) => format!("/U/R/{}", self.config.serial),
            (_, Class::Command) => format!("/U/C/{}", self.config.code),
            (_, Class::Telemetry) => format!("/U/M/{}", self.config.code),
        };
        self.effects.push_back(Effect::Publish(Outgoing { topic, payload, class }));
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn patience_ms(&self, code: Code) -> u64 {
        match code {
            Code::IdBootNotificationReq | Code::IdDeviceRegistrationReq => {
                self.config.timing.boot_retry_ms
            }
            _ => self.config.timing.answer_ms,
        }
    }

    /// Sends again what is overdue, with the same bytes.
    pub(super) fn resend(&mut self, now: Now) {
        let due: Vec<u64> =
            self.open.iter().filter(|(_, o)| o.due <= now.mono).map(|(s, _)| *s).collect();
        for sequence in due {
            let Some(mut open) = self.open.remove(&sequence) else { continue };
            if let (Code::IdAuthorizeReq, About::Connector(connector)) = (open.code, open.about)
                && open.tries >= AUTHORIZE_TRIES
            {
                self.authorized(connector, None, now);
                continue;
            }
            open.tries += 1;
            open.due = now.mono.plus_ms(self.patience_ms(open.code));
            self.publish(Class::Command, open.apdu.clone());
            self.open.insert(sequence, open);
        }
    }

    /// Announces running orders, then reports finished ones, oldest first and one at a time.
    pub(super) fn report(&mut self, now: Now) {
        if !self.is_ready() {
            return;
        }
        let asked: Vec<About> = self.open.values().map(|o| o.about).collect();
        let starts: Vec<Order> = self
            .store
            .iter()
            .filter(|o| o.phase == OrderPhase::Charging && !o.announced)
            .filter(|o| !asked.contains(&About::Order(o.record)))
            .cloned()
            .collect();
        for order in starts {
            let body = self.start_request(&order);
            self.ask(Code::IdStartTransactionReq, About::Order(order.record), &body, now);
        }
        let draining = self.open.values().any(|o| o.code == Code::IdTransactionReq);
        let oldest = self
            .store
            .iter()
            .find(|o| o.phase == OrderPhase::Finished && !asked.contains(&About::Order(o.record)));
        if let (Some(order), false) = (oldest.cloned(), draining) {
            let body = self.transaction_request(&order);
            self.ask(Code::IdTransactionReq, About::Order(order.record), &body, now);
        }
    }

    /// Takes whatever came: an answer or a request.
    pub(super) fn hear(&mut self, payload: &[u8], now: Now) {
        let Some(opened) = apdu::open(self.config.revision, payload) else {
            self.tell(PileNews::AnswerOdd { code: -1 });
            return;
        };
        if !opened.is_answer() {
            return self.serve(&opened, now);
        }
        if opened.code == Code::IdHeartbeatConf {
            return;
        }
        let Some(open) = self.open.remove(&opened.sequence) else {
            self.tell(PileNews::AnswerOdd { code: opened.code.into() });
            return;
        };
        if opened.code == Code::IdMessageError {
            self.failed(open, &opened);
        } else if self.answered(&open, &opened, now).is_none() {
            self.tell(PileNews::AnswerOdd { code: opened.code.into() });
            // Asked again when its time comes.
            self.open.insert(opened.sequence, open);
        }
        self.report(now);
    }

    /// A failed request stays open and is sent again when its time comes.
    fn failed(&mut self, open: Open, opened: &Opened) {
        let error = opened.body().map_or(-1, |e: wire::MessageError| e.error);
        self.tell(PileNews::RequestFailed { code: open.code.into(), error });
        self.open.insert(opened.sequence, open);
    }

    /// `None` if this cannot be the answer to that request.
    fn answered(&mut self, open: &Open, opened: &Opened, now: Now) -> Option<()> {
        match (open.code, opened.code, open.about) {
            (Code::IdDeviceRegistrationReq, Code::IdDeviceRegistrationConf, _) => {
                self.registered(opened.body()?, now);
            }
            (Code::IdBootNotificationReq, Code::IdBootNotificationConf, _) => {
                self.booted(&opened.body()?, now);
            }
            (Code::IdAuthorizeReq, Code::IdAuthorizeConf, About::Connector(connector)) => {
                let conf: wire::AuthorizeConf = opened.body()?;
                let decision = Authorization {
                    status: conf.id_info.map_or(0, |id| id.status),
                    transaction_id: conf.transaction_id,
                };
                self.authorized(connector, Some(decision), now);
            }
            (Code::IdStartTransactionReq, Code::IdStartTransactionConf, About::Order(record)) => {
                self.announced(record, opened.body()?, now)?;
            }
            (Code::IdStopTransactionReq, Code::IdStopTransactionConf, About::Order(record)) => {
                self.stopped(record, &opened.body()?)?;
            }
            (Code::IdTransactionReq, Code::IdTransactionConf, about) => {
                self.taken_over(about, &opened.body()?)?;
            }
            (Code::IdWarningReq, Code::IdWarningConf, _)
            | (Code::IdFirmwareStatusNotificationReq, Code::IdFirmwareStatusNotificationConf, _) => {
            }
            _ => return None,
        }
        Some(())
    }

    fn registered(&mut self, conf: wire::DeviceRegistrationConf, now: Now) {
        if conf.status != 0 {
            self.tell(PileNews::RegistrationRefused { status: conf.status });
            let again = self.config.timing.boot_retry_ms;
            self.effects.push_back(Effect::Cut { away_ms: again });
            return;
        }
        self.config.code.clone_from(&conf.device_code);
        self.config.username = conf.mqtt_username;
        self.config.password = conf.mqtt_password;
        self.tell(PileNews::Registered { code: conf.device_code });
        self.disconnected(now);
        self.effects.push_back(Effect::Cut { away_ms: 0 });
    }

    fn booted(&mut self, conf: &wire::BootNotificationConf, now: Now) {
        if conf.status != 0 {
            self.tell(PileNews::BootRefused { status: conf.status });
            // The same request once more, at its interval.
            self.boot_later(now);
            return;
        }
        self.phase = Phase::Ready;
        self.heartbeat_ms = match u64::try_from(conf.interval) {
            Ok(interval_s) if interval_s > 0 => interval_s * 1000,
            _ => DEFAULT_INTERVAL_MS,
        };
        self.heartbeat_at = Some(now.mono.plus_ms(self.heartbeat_ms));
        self.telemetry_at = Some(now.mono);
        self.tell(PileNews::Booted { interval_s: conf.interval });
        let sequence = self.next_sequence();
        let revision = self.config.revision;
        let empty = apdu::seal_bytes(revision, Code::IdSetTariffReq, sequence, now, Bytes::new());
        self.publish(Class::Command, empty);
        self.report_update(now);
    }

    fn boot_later(&mut self, now: Now) {
        self.boot(now);
        // The attempt just queued is taken back; its timer sends it.
        self.effects.pop_back();
    }

    /// `None` if the answer names another order.
    fn announced(&mut self, record: u64, conf: wire::StartTransactionConf, now: Now) -> Option<()> {
        let named = conf.record_id.is_empty() || conf.record_id == record.to_string();
        let order = self.store.get_mut(record).filter(|_| named)?;
        order.announced = true;
        if !conf.transaction_id.is_empty() {
            order.transaction_id.clone_from(&conf.transaction_id);
        }
        let connector = order.connector;
        self.tell(PileNews::OrderAnnounced { record, transaction_id: conf.transaction_id });
        let accepted = i32::from(wire::AuthorizationStatus::AsAccepted);
        if conf.id_info.is_some_and(|id| id.status != accepted) {
            self.finish(connector, wire::StopReason::SrDeauthorized, now);
        }
        Some(())
    }

    fn stopped(&mut self, record: u64, conf: &wire::StopTransactionConf) -> Option<()> {
        let order = self.store.get(record)?;
        let wrong = !conf.transaction_id.is_empty() && conf.transaction_id != order.transaction_id;
        if wrong {
            return None;
        }
        self.settle(record, AnsweredBy::Stop);
        Some(())
    }

    fn taken_over(&mut self, about: About, conf: &wire::TransactionConf) -> Option<()> {
        let (About::Order(record) | About::Again(record)) = about else { return None };
        if !conf.record_id.is_empty() && conf.record_id != record.to_string() {
            return None;
        }
        if conf.status != 0 {
            self.tell(PileNews::OrderRefused { record, status: conf.status });
            if let (Some(order), About::Order(_)) = (self.store.get_mut(record), about) {
                order.phase = OrderPhase::Refused;
            }
        } else if about == About::Again(record) {
            self.tell(PileNews::OrderAnsweredAgain { record });
        } else {
            self.settle(record, AnsweredBy::Transaction);
        }
        Some(())
    }

    fn settle(&mut self, record: u64, by: AnsweredBy) {
        let Some(order) = self.store.get_mut(record) else { return };
        order.phase = OrderPhase::Answered;
        let answered = AnsweredOrder {
            record,
            connector: order.connector,
            started_s: order.started_s,
            stopped_s: order.stopped_s,
            energy: order.energy(),
            cost: order.cost(),
            transaction_id: order.transaction_id.clone(),
            by,
        };
        self.tell(PileNews::OrderAnswered(answered));
    }
}
