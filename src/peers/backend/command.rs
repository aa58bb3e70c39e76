//! What the backend asks of a device, and the answers.

use prost::Message;

use super::{Backend, BackendNews, Effect, OPEN_MAX, outgoing, topic_down};
use crate::{
    domain::time::Now,
    peers::apdu::{self, Code, Opened, wire},
};

/// Which orders [`Backend::get_transactions`] asks for.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Connector; empty for all.
    pub connector: String,
    /// 0 current, 1 offline and unsettled, 2 all.
    pub level: i32,
    /// Unix seconds.
    pub start_s: i64,
    /// Unix seconds; 0 for no end.
    pub end_s: i32,
}

impl Backend {
    /// Starts a charge; the transaction id it gave and the sequence id of the command.
    pub fn remote_start(
        &mut self,
        device: &str,
        evse: &str,
        connector: &str,
        card: &str,
        now: Now,
    ) -> (String, u64) {
        self.transactions += 1;
        let transaction_id = format!("R{:08}", self.transactions);
        let id = wire::IdToken { id: card.to_owned(), ..Default::default() };
        let body = wire::RemoteStartTransactionReq {
            connector_id: connector.to_owned(),
            id_data: Some(id),
            transaction_id: transaction_id.clone(),
            evse_id: evse.to_owned(),
            ..Default::default()
        };
        let sequence = self.command(device, Code::IdRemoteStartTransactionReq, &body, now);
        (transaction_id, sequence)
    }

    /// Stops a charge; the sequence id of the command.
    pub fn remote_stop(
        &mut self,
        device: &str,
        connector: &str,
        transaction_id: &str,
        now: Now,
    ) -> u64 {
        let body = wire::RemoteStopTransactionReq {
            connector_id: connector.to_owned(),
            transaction_id: transaction_id.to_owned(),
            reason: wire::StopReason::SrRemoteUser.into(),
        };
        self.command(device, Code::IdRemoteStopTransactionReq, &body, now)
    }

    /// Asks for orders; the sequence id of the command.
    pub fn get_transactions(&mut self, device: &str, span: &Span, now: Now) -> u64 {
        let body = wire::GetTransactionsReq {
            connector_id: span.connector.clone(),
            level: span.level,
            start_time: span.start_s,
            end_time: span.end_s,
        };
        self.command(device, Code::IdGetTransactionsReq, &body, now)
    }

    /// Asks for a message to be sent again; the sequence id of the command.
    pub fn trigger(&mut self, device: &str, request: Code, connector: &str, now: Now) -> u64 {
        let body = wire::TriggerMessageReq {
            request: request.into(),
            connector_id: connector.to_owned(),
            ..Default::default()
        };
        self.command(device, Code::IdTriggerMessageReq, &body, now)
    }

    /// Gives the tariff; the sequence id of the command.
    pub fn set_tariff(&mut self, device: &str, now: Now) -> u64 {
        let tariff = self.config.tariff.clone();
        self.command(device, Code::IdSetTariffReq, &tariff, now)
    }

    /// Sends the last command once more, the same bytes; `false` if there was none.
    pub fn repeat_last_command(&mut self) -> bool {
        let last = self.last_command.clone().map(Effect::Publish);
        let any = last.is_some();
        self.effects.extend(last);
        any
    }

    fn command<M: Message>(&mut self, device: &str, code: Code, body: &M, now: Now) -> u64 {
        self.sequence += 1;
        let payload = apdu::seal(code, self.sequence, now, body);
        let message = outgoing(topic_down("C", device), payload);
        self.last_command = Some(message.clone());
        if self.open.len() >= OPEN_MAX {
            self.open.pop_first();
        }
        self.open.insert(self.sequence, code);
        let copies = if self.faults.duplicate_commands { 2 } else { 1 };
        self.effects.extend(std::iter::repeat_n(Effect::Publish(message), copies));
        self.sequence
    }

    /// Takes an answer to a command.
    pub(super) fn hear(&mut self, topic: &str, opened: &Opened) {
        let Some(code) = self.open.remove(&opened.sequence) else {
            return self.tell(BackendNews::Odd { topic: topic.to_owned() });
        };
        let status = status(opened);
        self.tell(BackendNews::CommandAnswered {
            sequence: opened.sequence,
            code: code.into(),
            status: status.unwrap_or(-1),
        });
    }
}

/// What an answer says; `None` for `MessageError` and what does not decode.
fn status(opened: &Opened) -> Option<i32> {
    let payload = opened.payload.clone();
    match opened.code {
        Code::IdRemoteStartTransactionConf => {
            wire::RemoteStartTransactionConf::decode(payload).ok().map(|c| c.status)
        }
        Code::IdRemoteStopTransactionConf => {
            wire::RemoteStopTransactionConf::decode(payload).ok().map(|c| c.status)
        }
        Code::IdGetTransactionsConf => {
            wire::GetTransactionsConf::decode(payload).ok().map(|c| c.total_count)
        }
        Code::IdTriggerMessageConf => {
            wire::TriggerMessageConf::decode(payload).ok().map(|c| c.status)
        }
        Code::IdSetTariffConf => wire::SetTariffConf::decode(payload).ok().map(|c| c.status),
        _ => None,
    }
}
