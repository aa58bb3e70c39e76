//! What the controller asks of the pile, and the bodies of what the pile reports.

use prost::Message;

use super::{Order, OrderPhase, Pile, PileNews, charge::Intent, talk::About};
use crate::{
    domain::time::Now,
    peers::{
        Class,
        apdu::{self, Code, Opened, wire},
    },
};

/// Status of a Conf that says no.
const NO: i32 = 1;

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
            _ => Err(wire::ErrorCode::EcNotSupported),
        }
    }

    fn reply<M: Message>(&mut self, code: Code, to: &Opened, body: &M, now: Now) {
        self.publish(Class::Command, apdu::seal(code, to.sequence, now, body));
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

    pub(super) fn start_request(&self, order: &Order) -> wire::StartTransactionReq {
        wire::StartTransactionReq {
            record_id: order.record.to_string(),
            evse_id: self.config.code.clone(),
            connector_id: order.connector.to_string(),
            id_data: Some(order.id_token()),
            mode: order.mode.into(),
            meter_start: order.wire_start(),
            timestamp: order.started_s,
            transaction_id: order.transaction_id.clone(),
            offline: order.offline,
            connector_charging_state: wire::ChargerStatus::ChsCharging.into(),
            ..Default::default()
        }
    }

    pub(super) fn stop_request(&self, order: &Order) -> wire::StopTransactionReq {
        wire::StopTransactionReq {
            record_id: order.record.to_string(),
            transaction_id: order.transaction_id.clone(),
            id_data: Some(order.id_token()),
            reason: order.reason.into(),
            meter_stop: order.wire_stop(),
            timestamp: order.stopped_s,
            cost: Some(order.bill()),
            evse_id: self.config.code.clone(),
            elec_data: order.elec_data(),
            connector_id: order.connector.to_string(),
            ..Default::default()
        }
    }

    pub(super) fn transaction_request(&self, order: &Order) -> wire::TransactionReq {
        wire::TransactionReq {
            record_id: order.record.to_string(),
            transaction_id: order.transaction_id.clone(),
            connector_id: order.connector.to_string(),
            id_data: Some(order.id_token()),
            mode: order.mode.into(),
            meter_start: order.wire_start(),
            meter_stop: order.wire_stop(),
            time_start: order.started_s,
            time_stop: order.stopped_s,
            reason: order.reason.into(),
            cost: Some(order.bill()),
            elec_data: order.elec_data(),
            charge_start_time: order.started_s,
            charge_stop_time: order.stopped_s,
            evse_id: self.config.code.clone(),
            ..Default::default()
        }
    }
}

fn body<M: Message + Default>(opened: &Opened) -> Result<M, wire::ErrorCode> {
    M::decode(opened.payload.clone()).map_err(|_| wire::ErrorCode::EcProtocolError)
}
