//! The messages of the peers in both revisions.
//!
//! Written from the protocol's tables and not from the codec of the rooms under test, so that
//! each is a check of the other. A message lists the fields that are alike, then those that are
//! not, with how they are carried; what is not listed no peer says or heeds.

use bytes::Bytes;
use prost::Message;

use crate::{
    domain::wire::Revision,
    protocol::charger::wire::{v1_0 as old, v1_10 as new},
};

/// A message a peer says or hears, in the shape of 1.10.
pub trait Body: Message + Default {
    /// Its bytes; `None` if the revision has no such message.
    fn write(&self, revision: Revision) -> Option<Vec<u8>>;

    /// The message in these bytes; `None` if there is none.
    fn read(revision: Revision, bytes: &Bytes) -> Option<Self>;
}

macro_rules! in_both {
    ($($message:ident {
        $($alike:ident),* $(,)?; $($field:ident by $how:ident),* $(,)?
    })*) => {$(
        #[allow(clippy::needless_update, reason = "some messages are listed in full")]
        impl From<&new::$message> for old::$message {
            fn from(m: &new::$message) -> Self {
                Self {
                    $($alike: m.$alike.clone(),)*
                    $($field: $how::down(&m.$field),)*
                    ..Default::default()
                }
            }
        }

        #[allow(clippy::needless_update, reason = "some messages are listed in full")]
        impl From<&old::$message> for new::$message {
            fn from(m: &old::$message) -> Self {
                Self {
                    $($alike: m.$alike.clone(),)*
                    $($field: $how::up(&m.$field),)*
                    ..Default::default()
                }
            }
        }

        impl Body for new::$message {
            fn write(&self, revision: Revision) -> Option<Vec<u8>> {
                Some(match revision {
                    Revision::V1_0 => old::$message::from(self).encode_to_vec(),
                    Revision::V1_10 => self.encode_to_vec(),
                })
            }

            fn read(revision: Revision, bytes: &Bytes) -> Option<Self> {
                match revision {
                    Revision::V1_0 => {
                        old::$message::decode(bytes.clone()).ok().map(|m| Self::from(&m))
                    }
                    Revision::V1_10 => Self::decode(bytes.clone()).ok(),
                }
            }
        }
    )*};
}

macro_rules! in_1_10 {
    ($($message:ident)*) => {$(
        impl Body for new::$message {
            fn write(&self, revision: Revision) -> Option<Vec<u8>> {
                (revision == Revision::V1_10).then(|| self.encode_to_vec())
            }

            fn read(revision: Revision, bytes: &Bytes) -> Option<Self> {
                Self::decode(bytes.clone()).ok().filter(|_| revision == Revision::V1_10)
            }
        }
    )*};
}

in_1_10! {
    FirmwareStatusNotificationConf HeartbeatReq HeartbeatResp StatusNotificationConf
    TriggerMessageConf UpdateFirmwareConf WarningConf
}

in_both! {
    MessageError { error, description; }
    IdToken {
        id, id_type, brand, password, customer, expiry_date, balance, status, r#type, chargecount;
    }
    CostBill { timestart, timeend, tag, electric, electriccost, servicecost, occupycost; }
    Cost { tariffid, totalcost, tariffpower, totalelec, conflict_total_cost; bills by list }
    TariffCharge { timestart, timeend, tag, elecprice, serviceprice, occupyprice; }
    KeyValue { key, readonly, value; }
    SampledValue { measurand, vendor_ex; value by whole }

    DeviceRegistrationReq {
        part_number, serial_number, vendor_id, registration_code, connector_type;
        connector_number by count
    }
    DeviceRegistrationConf {
        status, device_code, mqtt_username, mqtt_password, qrcode_host, qrcodes;
    }
    BootNotificationReq {
        part_number, serial_number, vendor_id, firmware_version, protocol_version,
        connector_number, device_code, iccid;
    }
    BootNotificationConf { interval, status, qrcodes; current_time by short }
    SetTariffReq {
        tariffid, description, test, unitprice, free_charger_time, channel_key;
        chargetariffs by list
    }
    SetTariffConf { status; }

    AuthorizeReq { password, payment, authorization_mode; id_data by part }
    StartTransactionReq {
        record_id, mode, service_mode, transaction_id, pin, tariff_id, service_amount,
        transparent, soc, is_reserved, created_at;
        connector_id by number, id_data by part, meter_start by whole, timestamp by short,
        reservation_id by short
    }
    StartTransactionConf { transaction_id, record_id, transparent; id_info by part }
    StopTransactionReq {
        record_id, transaction_id, deduction, tac, elec_data, reason_desc,
        is_disabled_time_start, soc, calc_cost_by_backend;
        id_data by part, reason by stop_reason, meter_stop by whole, timestamp by short,
        cost by part, reservation_id by short
    }
    StopTransactionConf { balance, total_cost, charged; }
    TransactionReq {
        record_id, transaction_id, mode, service, pin, deduction, tac, charged, confirmed,
        elec_data, reason_desc, is_disabled_time_start, start_soc, stop_soc,
        calc_cost_by_backend, reservation_id;
        connector_id by number, id_data by part, meter_start by whole, meter_stop by whole,
        time_start by short, time_stop by short, reason by stop_reason, cost by part,
        charge_start_time by short, charge_stop_time by short
    }
    TransactionConf { status, record_id; }

    ChargingInfoReq {
        record_id, consumed_electric, remaining_time;
        connector_id by number, consumed_time by short, cost by part, power by whole,
        status by charger_status
    }
    TelemetryReq { component, warning_bitmap; connector_id by number, values by list }
    WarningReq {
        vendor_ex, level, component, record_id, info, component_id, ttl, event_id;
        code by short, connector_id by number, time by short
    }

    RemoteStartTransactionReq {
        transaction_id, pin, service_mode, timing_start, allowed_minute, allowed_kwh, allowed_rmb;
        connector_id by number, id_data by part, price_scheme by part
    }
    RemoteStartTransactionConf { status, reason_desc, record_id; reason by stop_reason }
    RemoteStopTransactionReq { transaction_id; reason by stop_reason }
    RemoteStopTransactionConf { status; }
    GetTransactionsReq { level, end_time; connector_id by number, start_time by short }
    GetTransactionsConf { total_count; }
    TriggerMessageReq { request; connector_id by number }

    ChangeConfigurationReq { ; configuration_key by list }
    ChangeConfigurationConf { status; }
    GetConfigurationReq { ; keys by list }
    GetConfigurationConf { ; values by list }
    RemoteControlReq { function, parameter; }
    RemoteControlConf { status; }
    UpdateFirmwareReq { url, checksum, retries, retry_date, retry_interval; request_id by short }
    FirmwareStatusNotificationReq { request_id; status by firmware_status }
    GetDiagnosticsReq {
        url, retries, retry_interval;
        start_time by short, end_time by short
    }
    GetDiagnosticsConf { filename; }
    DiagnosticsStatusNotificationReq { status; }
}

/// The one message with a field of another name.
impl Body for new::AuthorizeConf {
    fn write(&self, revision: Revision) -> Option<Vec<u8>> {
        let Self { id_info, price_scheme, transaction_id } = self;
        Some(match revision {
            Revision::V1_0 => {
                let (idinfo, price_scheme) = (part::down(id_info), part::down(price_scheme));
                let transaction_id = transaction_id.clone();
                old::AuthorizeConf { idinfo, price_scheme, transaction_id }.encode_to_vec()
            }
            Revision::V1_10 => self.encode_to_vec(),
        })
    }

    fn read(revision: Revision, bytes: &Bytes) -> Option<Self> {
        match revision {
            Revision::V1_0 => {
                let old::AuthorizeConf { idinfo, price_scheme, transaction_id } =
                    old::AuthorizeConf::decode(bytes.clone()).ok()?;
                let (id_info, price_scheme) = (part::up(&idinfo), part::up(&price_scheme));
                Some(Self { id_info, price_scheme, transaction_id })
            }
            Revision::V1_10 => Self::decode(bytes.clone()).ok(),
        }
    }
}

/// A message inside a message.
mod part {
    pub fn down<A, B: for<'a> From<&'a A>>(value: &Option<A>) -> Option<B> {
        value.as_ref().map(B::from)
    }

    pub fn up<A, B: for<'a> From<&'a A>>(value: &Option<A>) -> Option<B> {
        value.as_ref().map(B::from)
    }
}

/// Messages inside a message.
mod list {
    pub fn down<A, B: for<'a> From<&'a A>>(values: &[A]) -> Vec<B> {
        values.iter().map(B::from).collect()
    }

    pub fn up<A, B: for<'a> From<&'a A>>(values: &[A]) -> Vec<B> {
        values.iter().map(B::from).collect()
    }
}

/// A double that is an integer in 1.0, rounded half up.
mod whole {
    pub fn down(value: &f64) -> i32 {
        // The standard library has no checked conversion; this one saturates.
        (value + 0.5).floor() as i32
    }

    pub fn up(value: &i32) -> f64 {
        f64::from(*value)
    }
}

/// A 64-bit number that has 32 bits in 1.0.
mod short {
    pub fn down(value: &i64) -> i32 {
        i32::try_from(*value).unwrap_or(0)
    }

    pub fn up(value: &i32) -> i64 {
        i64::from(*value)
    }
}

/// A connector: a text, in 1.0 a number; none is 0.
mod number {
    pub fn down(value: &str) -> i32 {
        value.parse().unwrap_or(0)
    }

    pub fn up(value: &i32) -> String {
        if *value == 0 { String::new() } else { value.to_string() }
    }
}

/// Connectors one by one, in 1.0 only how many.
mod count {
    pub fn down(value: &[i32]) -> i32 {
        i32::try_from(value.len()).unwrap_or(i32::MAX)
    }

    pub fn up(value: &i32) -> Vec<i32> {
        (1..=*value).collect()
    }
}

/// Stop reasons differ in one number.
mod stop_reason {
    use super::{new, old};

    const OLD: i32 = old::StopReason::SrServerError as i32;
    const NEW: i32 = new::StopReason::SrServerError as i32;

    pub fn down(value: &i32) -> i32 {
        if *value == NEW { OLD } else { *value }
    }

    pub fn up(value: &i32) -> i32 {
        if *value == OLD { NEW } else { *value }
    }
}

/// Numbers in 1.10 and 1.0.
type Pairs = [(i32, i32)];

fn to_old(pairs: &Pairs, value: i32) -> i32 {
    pairs.iter().find(|(new, _)| *new == value).map_or(0, |(_, old)| *old)
}

fn to_new(pairs: &Pairs, value: i32) -> i32 {
    pairs.iter().find(|(_, old)| *old == value).map_or(0, |(new, _)| *new)
}

/// States of a charge: idle, connected, charging, suspended by the vehicle and by the pile.
mod charger_status {
    const PAIRS: &super::Pairs = &[(0, 1), (1, 2), (2, 3), (3, 5), (4, 4)];

    pub fn down(value: &i32) -> i32 {
        super::to_old(PAIRS, *value)
    }

    pub fn up(value: &i32) -> i32 {
        super::to_new(PAIRS, *value)
    }
}

/// Steps of an update: pending, downloading, downloaded, installing, installed.
mod firmware_status {
    const PAIRS: &super::Pairs = &[(0, 1), (1, 3), (3, 10), (5, 22), (6, 25)];

    pub fn down(value: &i32) -> i32 {
        super::to_old(PAIRS, *value)
    }

    pub fn up(value: &i32) -> i32 {
        super::to_new(PAIRS, *value)
    }
}
