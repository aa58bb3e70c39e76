//! What the backend answers to what.

use super::{Account, Backend, BackendNews, Kind, books::Report, measured, outgoing, topic_down};
use crate::{
    domain::time::Now,
    peers::{
        apdu::{self, Code, Opened, wire},
        body::Body,
    },
};

/// Status of a registration with a wrong code.
const WRONG_CODE: i32 = 1;
/// Status of a registration of a serial that has used its account already.
const REGISTERED: i32 = 2;
/// Added to a sequence id to make it wrong.
const ASTRAY: u64 = 100_000;

/// Who asked and how to answer.
struct Asker<'a> {
    class: &'a str,
    device: &'a str,
    sequence: u64,
    now: Now,
}

impl Backend {
    pub(super) fn answer(&mut self, class: &str, device: &str, opened: &Opened, now: Now) {
        let asker = Asker { class, device, sequence: opened.sequence, now };
        let answered = match opened.code {
            Code::IdDeviceRegistrationReq
            | Code::IdBootNotificationReq
            | Code::IdHeartbeatReq
            | Code::IdSetTariffReq => self.take_station(&asker, opened),
            Code::IdAuthorizeReq
            | Code::IdStartTransactionReq
            | Code::IdStopTransactionReq
            | Code::IdTransactionReq
            | Code::IdChargingInfoReq => self.take_order(&asker, opened),
            _ => self.take_notice(&asker, opened),
        };
        if answered.is_none() {
            self.object(class, device, wire::ErrorCode::EcProtocolError, opened.sequence, now);
        }
    }

    /// What a station says of itself; `None` if the message is not what its code says.
    fn take_station(&mut self, asker: &Asker<'_>, opened: &Opened) -> Option<()> {
        match opened.code {
            Code::IdDeviceRegistrationReq => self.register(asker, &opened.body()?),
            Code::IdBootNotificationReq => self.boot(asker, &opened.body()?),
            Code::IdHeartbeatReq => {
                let wire::HeartbeatReq { connector_id, .. } = opened.body()?;
                self.reply(asker, Code::IdHeartbeatConf, &wire::HeartbeatResp { connector_id });
            }
            // Asks for the tariff, whatever it carries.
            _ => self.give_tariff(asker),
        }
        Some(())
    }

    /// What it says of cards and orders; `None` as above.
    fn take_order(&mut self, asker: &Asker<'_>, opened: &Opened) -> Option<()> {
        match opened.code {
            Code::IdAuthorizeReq => self.authorize(asker, opened.body()?),
            Code::IdStartTransactionReq => self.start(asker, opened.body()?),
            Code::IdStopTransactionReq => self.stop(asker, opened.body()?),
            Code::IdTransactionReq => self.transaction(asker, opened.body()?),
            _ => {
                let info: wire::ChargingInfoReq = opened.body()?;
                self.books.info(asker.device, &info.record_id);
            }
        }
        Some(())
    }

    /// What else it tells; `None` as above.
    fn take_notice(&mut self, asker: &Asker<'_>, opened: &Opened) -> Option<()> {
        let device = asker.device.to_owned();
        match opened.code {
            Code::IdTelemetryReq => {
                measured::take(&mut self.measured, opened.body()?);
                self.telemetry += 1;
            }
            Code::IdStatusNotificationReq => {
                let conf = wire::StatusNotificationConf::default();
                self.reply(asker, Code::IdStatusNotificationConf, &conf);
            }
            Code::IdWarningReq => {
                let warning: wire::WarningReq = opened.body()?;
                let conf = wire::WarningConf { code: warning.code, clean: warning.clean };
                self.tell(BackendNews::Warned { device, code: warning.code });
                self.reply(asker, Code::IdWarningConf, &conf);
            }
            Code::IdFirmwareStatusNotificationReq => {
                let wire::FirmwareStatusNotificationReq { status, .. } = opened.body()?;
                self.tell(BackendNews::Updating { device, status });
                let conf = wire::FirmwareStatusNotificationConf::default();
                self.reply(asker, Code::IdFirmwareStatusNotificationConf, &conf);
            }
            Code::IdDiagnosticsStatusNotificationReq => {
                let wire::DiagnosticsStatusNotificationReq { status } = opened.body()?;
                self.tell(BackendNews::Uploading { device, status });
            }
            _ => {
                let error = wire::ErrorCode::EcNotSupported;
                self.object(asker.class, &device, error, asker.sequence, asker.now);
            }
        }
        Some(())
    }

    /// Sends `MessageError`.
    pub(super) fn object(
        &mut self,
        class: &str,
        device: &str,
        error: wire::ErrorCode,
        sequence: u64,
        now: Now,
    ) {
        let asker = Asker { class, device, sequence, now };
        let body = wire::MessageError { error: error.into(), description: String::new() };
        self.reply(&asker, Code::IdMessageError, &body);
    }

    /// Says nothing where its revision has no such answer.
    fn reply<M: Body>(&mut self, to: &Asker<'_>, code: Code, body: &M) {
        if self.faults.silent {
            return;
        }
        let astray = if self.faults.wrong_sequence { ASTRAY } else { 0 };
        let sequence = to.sequence + astray;
        if let Some(payload) = apdu::seal(self.config.revision, code, sequence, to.now, body) {
            self.dispatch(outgoing(topic_down(to.class, to.device), payload), to.now);
        }
    }

    fn register(&mut self, asker: &Asker<'_>, request: &wire::DeviceRegistrationReq) {
        let serial = request.serial_number.clone();
        let known = self.accounts.get(&serial).cloned();
        let used = known.as_ref().is_some_and(|a| self.booted.contains(&a.device));
        let status = match self.faults.registration_status {
            0 if request.registration_code != self.config.registration_code => WRONG_CODE,
            0 if used => REGISTERED,
            status => status,
        };
        let mut conf = wire::DeviceRegistrationConf { status, ..Default::default() };
        if status == 0 {
            let account = known.unwrap_or_else(|| self.issue());
            self.accounts.insert(serial.clone(), account.clone());
            conf.device_code.clone_from(&account.device);
            conf.mqtt_username.clone_from(&account.device);
            conf.mqtt_password = account.password;
            self.tell(BackendNews::Registered { serial, device: account.device });
        }
        self.reply(asker, Code::IdDeviceRegistrationConf, &conf);
    }

    fn issue(&mut self) -> Account {
        let number = self.accounts.len() + 1;
        let password = std::iter::repeat_with(|| self.rng.alphanumeric()).take(20).collect();
        Account { device: format!("SIMDEV{number:010}"), password }
    }

    fn boot(&mut self, asker: &Asker<'_>, request: &wire::BootNotificationReq) {
        let status = self.faults.boot_status;
        let conf = wire::BootNotificationConf {
            current_time: asker.now.wall.unix_s(),
            interval: self.faults.boot_interval_s.unwrap_or(self.config.interval_s),
            status,
            ..Default::default()
        };
        if status == 0 && !self.faults.silent {
            self.booted.insert(asker.device.to_owned());
        }
        self.tell(BackendNews::Booted {
            device: asker.device.to_owned(),
            firmware: request.firmware_version.clone(),
            status,
        });
        self.reply(asker, Code::IdBootNotificationConf, &conf);
    }

    fn give_tariff(&mut self, asker: &Asker<'_>) {
        if !self.faults.silent {
            self.set_tariff(asker.device, asker.now);
        }
    }

    fn card_status(&self, card: &str) -> i32 {
        self.config.cards.special.get(card).copied().unwrap_or(self.config.cards.others)
    }

    fn authorize(&mut self, asker: &Asker<'_>, request: wire::AuthorizeReq) {
        let mut id = request.id_data.unwrap_or_default();
        id.status = self.card_status(&id.id);
        let conf = wire::AuthorizeConf { id_info: Some(id), ..Default::default() };
        self.reply(asker, Code::IdAuthorizeConf, &conf);
    }

    fn start(&mut self, asker: &Asker<'_>, request: wire::StartTransactionReq) {
        let fresh = format!("T{:08}", self.transactions + 1);
        let order = self.books.note(asker.device, Report::Start(request.clone()));
        // A repeated start keeps the id it was given; a remote start brings its own.
        if order.transaction_id.is_empty() {
            if request.transaction_id.is_empty() {
                self.transactions += 1;
                order.transaction_id = fresh;
            } else {
                order.transaction_id.clone_from(&request.transaction_id);
            }
        }
        let transaction_id = order.transaction_id.clone();
        let mut id = request.id_data.clone().unwrap_or_default();
        id.status = self.card_status(&id.id);
        let conf = wire::StartTransactionConf {
            transaction_id,
            id_info: Some(id),
            record_id: self.astray(&request.record_id),
            connector_id: request.connector_id.clone(),
            transparent: request.transparent.clone(),
        };
        let record = &request.record_id;
        self.reply_order(asker, record, Kind::Start, Code::IdStartTransactionConf, 0, &conf);
    }

    fn stop(&mut self, asker: &Asker<'_>, request: wire::StopTransactionReq) {
        self.books.note(asker.device, Report::Stop(request.clone()));
        let conf = wire::StopTransactionConf {
            balance: 0,
            total_cost: request.cost.as_ref().map_or(0, |c| c.totalcost),
            charged: true,
            transaction_id: self.astray(&request.transaction_id),
            connector_id: request.connector_id.clone(),
        };
        let record = &request.record_id;
        self.reply_order(asker, record, Kind::Stop, Code::IdStopTransactionConf, 0, &conf);
    }

    fn transaction(&mut self, asker: &Asker<'_>, request: wire::TransactionReq) {
        self.books.note(asker.device, Report::Transaction(request.clone()));
        let status = self.faults.transaction_status;
        let conf = wire::TransactionConf {
            status,
            record_id: self.astray(&request.record_id),
            connector_id: request.connector_id.clone(),
        };
        let record = &request.record_id;
        self.reply_order(asker, record, Kind::Transaction, Code::IdTransactionConf, status, &conf);
    }

    fn astray(&self, id: &str) -> String {
        if self.faults.wrong_ids { format!("{id}X") } else { id.to_owned() }
    }

    fn reply_order<M: Body>(
        &mut self,
        asker: &Asker<'_>,
        record: &str,
        kind: Kind,
        code: Code,
        status: i32,
        conf: &M,
    ) {
        let device = asker.device.to_owned();
        self.tell(BackendNews::OrderCopy { device, record: record.to_owned(), kind });
        if let Some(error) = self.faults.order_error {
            let body = wire::MessageError { error, description: "fault".to_owned() };
            return self.reply(asker, Code::IdMessageError, &body);
        }
        let faults = &self.faults;
        let yes = status == 0 && !faults.silent && !faults.wrong_ids && !faults.wrong_sequence;
        if yes {
            self.books.confirm(asker.device, record);
        }
        self.reply(asker, code, conf);
    }
}
