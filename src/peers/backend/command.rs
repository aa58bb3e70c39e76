//! What the backend asks of a device, and the answers.

use super::{Backend, BackendNews, Effect, OPEN_MAX, outgoing, topic_down};
use crate::{
    domain::time::Now,
    peers::{
        apdu::{self, Code, Opened, wire},
        body::Body,
    },
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

    /// Asks for settings, all if `key` is empty; the sequence id of the command.
    pub fn get_setting(&mut self, device: &str, key: &str, now: Now) -> u64 {
        let key = wire::KeyValue { key: key.to_owned(), ..Default::default() };
        let keys = if key.key.is_empty() { Vec::new() } else { vec![key] };
        self.command(device, Code::IdGetConfigurationReq, &wire::GetConfigurationReq { keys }, now)
    }

    /// Changes a setting; the sequence id of the command.
    pub fn change_setting(&mut self, device: &str, key: &str, value: &str, now: Now) -> u64 {
        let (key, value) = (key.to_owned(), value.to_owned());
        let configuration_key = vec![wire::KeyValue { key, value, readonly: false }];
        let body = wire::ChangeConfigurationReq { configuration_key };
        self.command(device, Code::IdChangeConfigurationReq, &body, now)
    }

    /// Does something to a pile, such as `Reset`; the sequence id of the command.
    pub fn control(&mut self, device: &str, function: &str, parameter: &str, now: Now) -> u64 {
        let (function, parameter) = (function.to_owned(), parameter.to_owned());
        let body = wire::RemoteControlReq { function, parameter };
        self.command(device, Code::IdRemoteControlReq, &body, now)
    }

    /// Asks for a log to be uploaded; the sequence id of the command.
    pub fn get_log(&mut self, device: &str, url: &str, now: Now) -> u64 {
        let body = wire::GetDiagnosticsReq { url: url.to_owned(), ..Default::default() };
        self.command(device, Code::IdGetDiagnosticsReq, &body, now)
    }

    /// Has a program loaded and started; the sequence id of the command.
    pub fn update_firmware(&mut self, device: &str, url: &str, now: Now) -> u64 {
        let request_id = self.sequence.try_into().unwrap_or(0);
        let url = url.to_owned();
        let body = wire::UpdateFirmwareReq { url, request_id, ..Default::default() };
        self.command(device, Code::IdUpdateFirmwareReq, &body, now)
    }

    fn command<M: Body>(&mut self, device: &str, code: Code, body: &M, now: Now) -> u64 {
        self.sequence += 1;
        let revision = self.config.revision;
        let payload = apdu::seal(revision, code, self.sequence, now, body)
            .expect("both revisions have every command of this backend");
        let message = outgoing(topic_down("C", device), payload);
        self.last_command = Some(message.clone());
        if apdu::is_answered(revision, code) {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_first();
            }
            self.open.insert(self.sequence, code);
        }
        let copies = if self.faults.duplicate_commands { 2 } else { 1 };
        self.effects.extend(std::iter::repeat_n(Effect::Publish(message), copies));
        self.sequence
    }

    /// Takes an answer to a command.
    pub(super) fn hear(&mut self, topic: &str, device: &str, opened: &Opened) {
        let Some(code) = self.open.remove(&opened.sequence) else {
            return self.tell(BackendNews::Odd { topic: topic.to_owned() });
        };
        let status = self.heed(device, opened);
        self.tell(BackendNews::CommandAnswered {
            sequence: opened.sequence,
            code: code.into(),
            status: status.unwrap_or(-1),
        });
    }

    /// What an answer says; `None` for `MessageError` and what is not what its code says.
    fn heed(&mut self, device: &str, opened: &Opened) -> Option<i32> {
        let device = device.to_owned();
        Some(match opened.code {
            Code::IdRemoteStartTransactionConf => {
                opened.body::<wire::RemoteStartTransactionConf>()?.status
            }
            Code::IdRemoteStopTransactionConf => {
                opened.body::<wire::RemoteStopTransactionConf>()?.status
            }
            Code::IdGetTransactionsConf => opened.body::<wire::GetTransactionsConf>()?.total_count,
            Code::IdTriggerMessageConf => opened.body::<wire::TriggerMessageConf>()?.status,
            Code::IdSetTariffConf => opened.body::<wire::SetTariffConf>()?.status,
            Code::IdChangeConfigurationConf => {
                opened.body::<wire::ChangeConfigurationConf>()?.status
            }
            Code::IdRemoteControlConf => opened.body::<wire::RemoteControlConf>()?.status,
            Code::IdUpdateFirmwareConf => opened.body::<wire::UpdateFirmwareConf>()?.status,
            Code::IdGetConfigurationConf => {
                let conf: wire::GetConfigurationConf = opened.body()?;
                let values = conf.values.into_iter().map(|k| (k.key, k.value)).collect();
                self.tell(BackendNews::Settings { device, values });
                0
            }
            Code::IdGetDiagnosticsConf => {
                let wire::GetDiagnosticsConf { filename } = opened.body()?;
                self.tell(BackendNews::Log { device, filename });
                0
            }
            _ => return None,
        })
    }
}
