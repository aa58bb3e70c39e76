//! What the controller asks of the pile.

use super::{Order, OrderPhase, Pile, PileNews, charge::Intent, talk::About};
use crate::{
    domain::time::Now,
    peers::{
        Class,
        apdu::{self, Code, Opened, wire},
        body::Body,
    },
};

/// Status of a Conf that says no.
pub(super) const NO: i32 = 1;

impl Pile {
    /// Answers a request, or says why not.
    pub(super) fn serve(&mut self, opened: &Opened, now: Now) {
        let done = self.try_serve(opened, now);
        if let Err(error) = done {
            let body = wire::MessageError { error: error.into(), description: String::new() };
            self.reply(Code::IdMessageError, opened, &body, now);
        }
        self.tell(PileNews::Commanded {
            code: opened.code.into(),
            done: done.is_ok_and(|done| done),
        });
        self.report(now);
    }

    fn try_serve(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        match opened.code {
            Code::IdSetTariffReq => {
                let tariff: wire::SetTariffReq = body(opened)?;
                self.tell(PileNews::TariffSet { id: tariff.tariffid });
                self.tariff = Some(tariff);
                let conf = wire::SetTariffConf { status: 0 };
                self.reply(Code::IdSetTariffConf, opened, &conf, now);
                Ok(true)
            }
            Code::IdRemoteStartTransactionReq => self.remote_start(opened, now),
            Code::IdRemoteStopTransactionReq => self.remote_stop(opened, now),
            Code::IdGetTransactionsReq => self.list_orders(opened, now),
            Code::IdTriggerMessageReq => self.trigger(opened, now),
            _ => self.operate(opened, now),
        }
    }

    /// Says nothing where the revision has no such answer.
    pub(super) fn reply<M: Body>(&mut self, code: Code, to: &Opened, body: &M, now: Now) {
        if let Some(apdu) = apdu::seal(self.config.revision, code, to.sequence, now, body) {
            self.publish(Class::Command, apdu);
        }
    }

    fn remote_start(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::RemoteStartTransactionReq = body(opened)?;
        let connector = request.connector_id.parse().unwrap_or(0);
        let intent = Intent {
            card: request.id_data.map(|id| id.id).unwrap_or_default(),
            mode: wire::AuthorizationMode::AmRemoteUser,
            transaction_id: request.transaction_id.clone(),
        };
        let begun = self.is_started_as(connector, &request.transaction_id);
        let done = begun || self.wait_for_plug(connector, intent, now);
        let conf = wire::RemoteStartTransactionConf {
            status: if done { 0 } else { NO },
            ..Default::default()
        };
        self.reply(Code::IdRemoteStartTransactionConf, opened, &conf, now);
        self.telemetry(connector, now);
        Ok(done)
    }

    fn remote_stop(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::RemoteStopTransactionReq = body(opened)?;
        let running = self.store.iter().find(|o| {
            o.phase == OrderPhase::Charging && o.transaction_id == request.transaction_id
        });
        let connector = running.map(|o| o.connector);
        let conf =
            wire::RemoteStopTransactionConf { status: if connector.is_some() { 0 } else { NO } };
        self.reply(Code::IdRemoteStopTransactionConf, opened, &conf, now);
        if let Some(connector) = connector {
            self.finish(connector, wire::StopReason::SrRemoteUser, now);
        }
        Ok(connector.is_some())
    }

    fn list_orders(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::GetTransactionsReq = body(opened)?;
        let asked = |o: &&Order| {
            let level = match request.level {
                0 => o.phase == OrderPhase::Charging,
                1 => matches!(o.phase, OrderPhase::Finished | OrderPhase::Refused),
                _ => true,
            };
            let here = request.connector_id.is_empty()
                || request.connector_id == "0"
                || request.connector_id == o.connector.to_string();
            let end = i64::from(request.end_time);
            let then = o.started_s >= request.start_time && (end == 0 || o.started_s <= end);
            level && here && then
        };
        let found: Vec<Order> = self.store.iter().filter(asked).cloned().collect();
        let total_count = i32::try_from(found.len()).unwrap_or(i32::MAX);
        let conf = wire::GetTransactionsConf { total_count };
        self.reply(Code::IdGetTransactionsConf, opened, &conf, now);
        for order in found {
            let request = self.transaction_request(&order);
            self.ask(Code::IdTransactionReq, About::Again(order.record), &request, now);
        }
        Ok(true)
    }

    fn trigger(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::TriggerMessageReq = body(opened)?;
        let connector = request.connector_id.parse().unwrap_or(1);
        let wanted = Code::try_from(request.request).unwrap_or(Code::IdNone);
        let known = matches!(
            wanted,
            Code::IdBootNotificationReq
                | Code::IdHeartbeatReq
                | Code::IdTelemetryReq
                | Code::IdChargingInfoReq
        );
        let status = if known {
            wire::trigger_message_conf::Status::Accepted
        } else {
            wire::trigger_message_conf::Status::Rejected
        };
        let conf = wire::TriggerMessageConf { status: status.into() };
        self.reply(Code::IdTriggerMessageConf, opened, &conf, now);
        match wanted {
            Code::IdBootNotificationReq => self.boot(now),
            Code::IdHeartbeatReq => self.heartbeat(now),
            Code::IdTelemetryReq => self.telemetry(connector, now),
            Code::IdChargingInfoReq => self.inform(connector, now),
            _ => {}
        }
        Ok(known)
    }
}

/// The message inside, or why there is none.
pub(super) fn body<M: Body>(opened: &Opened) -> Result<M, wire::ErrorCode> {
    opened.body().ok_or(wire::ErrorCode::EcProtocolError)
}
