//! What an installer does to the pile from afar: settings, reset, log, update.

use std::fmt;

use super::{
    Pile,
    serve::{NO, body},
    talk::About,
};
use crate::{
    domain::time::Now,
    peers::{
        Class,
        apdu::{Code, Opened, wire},
    },
};

/// From the answer to a reset, so that it arrives.
const RESET_AFTER_MS: u64 = 500;
/// A pile is away this long for a reset.
const RESET_MS: u64 = 2_000;
/// Longest interval that can be set, in s.
const INTERVAL_MAX_S: u64 = 86_400;

/// What can be read, and which of it can be changed.
const SETTINGS: [(&str, Setting); 4] = [
    ("TelemetryInterval", Setting::TelemetryInterval),
    ("ChargingInfoInterval", Setting::InfoInterval),
    ("NumberOfConnectors", Setting::Connectors),
    ("FirmwareVersion", Setting::Firmware),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    TelemetryInterval,
    InfoInterval,
    Connectors,
    Firmware,
}

fn setting(key: &str) -> Option<Setting> {
    SETTINGS.iter().find(|(name, _)| *name == key).map(|(_, setting)| *setting)
}

/// The pile's program.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Firmware {
    updates: u32,
    /// The request whose program the next reset starts.
    loaded: Option<i32>,
    /// The request to report after the next boot.
    installed: Option<i32>,
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.0.{}", self.updates)
    }
}

impl Pile {
    /// Does it; whether it was done, or what is wrong with the request.
    pub(super) fn operate(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        match opened.code {
            Code::IdGetConfigurationReq => self.tell_settings(opened, now),
            Code::IdChangeConfigurationReq => self.change_settings(opened, now),
            Code::IdRemoteControlReq => self.control(opened, now),
            Code::IdGetDiagnosticsReq => self.upload_log(opened, now),
            Code::IdUpdateFirmwareReq => self.update(opened, now),
            _ => Err(wire::ErrorCode::EcNotSupported),
        }
    }

    /// All settings if none is named; an unknown one has no value.
    fn tell_settings(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::GetConfigurationReq = body(opened)?;
        let keys: Vec<String> = if request.keys.is_empty() {
            SETTINGS.iter().map(|(key, _)| (*key).to_owned()).collect()
        } else {
            request.keys.into_iter().map(|k| k.key).collect()
        };
        let values = keys.into_iter().map(|key| self.key_value(key)).collect();
        let conf = wire::GetConfigurationConf { values };
        self.reply(Code::IdGetConfigurationConf, opened, &conf, now);
        Ok(true)
    }

    fn key_value(&self, key: String) -> wire::KeyValue {
        let timing = &self.config.timing;
        let (readonly, value) = match setting(&key) {
            Some(Setting::TelemetryInterval) => (false, (timing.telemetry_ms / 1000).to_string()),
            Some(Setting::InfoInterval) => (false, (timing.info_ms / 1000).to_string()),
            Some(Setting::Connectors) => (true, self.config.connectors.to_string()),
            Some(Setting::Firmware) => (true, self.firmware.to_string()),
            None => (false, String::new()),
        };
        wire::KeyValue { key, readonly, value }
    }

    /// Changes all that is asked for, or nothing.
    fn change_settings(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::ChangeConfigurationReq = body(opened)?;
        let changes: Result<Vec<_>, _> = request.configuration_key.iter().map(change).collect();
        let status = match &changes {
            Ok(_) => wire::ConfigurationStatus::CfsAccepted,
            Err(status) => *status,
        };
        for (setting, interval_s) in changes.into_iter().flatten() {
            let timing = &mut self.config.timing;
            match setting {
                Setting::TelemetryInterval => timing.telemetry_ms = interval_s * 1000,
                Setting::InfoInterval => timing.info_ms = interval_s * 1000,
                Setting::Connectors | Setting::Firmware => {}
            }
        }
        let conf = wire::ChangeConfigurationConf { status: status.into() };
        self.reply(Code::IdChangeConfigurationConf, opened, &conf, now);
        Ok(status == wire::ConfigurationStatus::CfsAccepted)
    }

    fn control(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::RemoteControlReq = body(opened)?;
        let done = match request.function.as_str() {
            "Reset" => {
                self.reset_at = Some(now.mono.plus_ms(RESET_AFTER_MS));
                true
            }
            "RemoteStop" => {
                let connector = request.parameter.parse().unwrap_or(0);
                self.finish(connector, wire::StopReason::SrRemoteAdmin, now)
            }
            _ => false,
        };
        let conf = wire::RemoteControlConf { status: if done { 0 } else { NO } };
        self.reply(Code::IdRemoteControlConf, opened, &conf, now);
        Ok(done)
    }

    pub(super) fn reset(&mut self, now: Now) {
        if let Some(id) = self.firmware.loaded.take() {
            self.firmware.updates += 1;
            self.firmware.installed = Some(id);
        }
        self.go_dark(RESET_MS, wire::StopReason::SrReboot, now);
    }

    fn upload_log(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        body::<wire::GetDiagnosticsReq>(opened)?;
        let filename = format!("{}.log", self.config.serial);
        let conf = wire::GetDiagnosticsConf { filename };
        self.reply(Code::IdGetDiagnosticsConf, opened, &conf, now);
        for status in [wire::DiagnosticsStatus::DgsUploading, wire::DiagnosticsStatus::DgsUploaded]
        {
            let body = wire::DiagnosticsStatusNotificationReq { status: status.into() };
            self.say(Class::Command, Code::IdDiagnosticsStatusNotificationReq, &body, now);
        }
        Ok(true)
    }

    /// Pretends to load and install; the boot after it proves the new version.
    fn update(&mut self, opened: &Opened, now: Now) -> Result<bool, wire::ErrorCode> {
        let request: wire::UpdateFirmwareReq = body(opened)?;
        let conf = wire::UpdateFirmwareConf::default();
        self.reply(Code::IdUpdateFirmwareConf, opened, &conf, now);
        let id = i32::try_from(request.request_id).unwrap_or(0);
        self.report_step(wire::FirmwareStatus::FwDownloading, id, now);
        self.report_step(wire::FirmwareStatus::FwDownloaded, id, now);
        self.report_step(wire::FirmwareStatus::FwInstalling, id, now);
        self.firmware.loaded = Some(id);
        self.reset_at = Some(now.mono.plus_ms(RESET_AFTER_MS));
        Ok(true)
    }

    /// Reports the update that the last boot finished.
    pub(super) fn report_update(&mut self, now: Now) {
        if let Some(id) = self.firmware.installed.take() {
            self.report_step(wire::FirmwareStatus::FwInstalled, id, now);
        }
    }

    fn report_step(&mut self, status: wire::FirmwareStatus, request_id: i32, now: Now) {
        let body = wire::FirmwareStatusNotificationReq { status: status.into(), request_id };
        self.ask(Code::IdFirmwareStatusNotificationReq, About::Pile, &body, now);
    }
}

/// A setting and its new value in s, or why it cannot be.
fn change(asked: &wire::KeyValue) -> Result<(Setting, u64), wire::ConfigurationStatus> {
    let setting = setting(&asked.key).ok_or(wire::ConfigurationStatus::CfsNotSupported)?;
    let is_fixed = matches!(setting, Setting::Connectors | Setting::Firmware);
    let interval_s = asked.value.parse().ok().filter(|s| (1..=INTERVAL_MAX_S).contains(s));
    let refused = wire::ConfigurationStatus::CfsRejected;
    interval_s.filter(|_| !is_fixed).map(|s| (setting, s)).ok_or(refused)
}
