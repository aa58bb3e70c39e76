//! Which fields of each message both revisions have.
//!
//! One line of the table is carried both ways, so that the two directions cannot drift apart. The
//! tests compare it with the messages as `proto/` has them: a field that both revisions have and
//! that is not here fails.

#![allow(clippy::needless_update, reason = "some messages have no further fields")]

use prost::Message;

use super::convert::{CHARGER_STATUS, Carry, FIRMWARE_STATUS, STOP_REASON};
use crate::protocol::charger::wire::{v1_0 as old, v1_10 as new};

/// A message of revision 1.0 that has a counterpart in 1.10.
pub trait Message1_0: Message + Default + Carry<Self::Later> {
    /// The counterpart.
    type Later: Message + Default + Carry<Self>;

    /// Whether what it names can be named in 1.0. Most ids may be left out; a reservation without
    /// its own would be another one.
    fn fits(_later: &Self::Later) -> bool {
        true
    }

    /// Takes from a message what only 1.0 can say and so was not carried.
    fn keep_own(&mut self, from: &Self);
}

/// Carries a field up or down: by its type, or by a table of numbers.
macro_rules! field {
    ($direction:ident $value:expr) => {
        $value.carry()
    };
    ($direction:ident $value:expr, $numbers:ident) => {
        $numbers.$direction($value)
    };
}

/// Takes a number that says more in 1.0 than in 1.10, unless the site has said another thing.
macro_rules! keep_number {
    ($message:ident, $from:ident, $field:ident, $numbers:ident) => {
        if $numbers.lift($message.$field) == $numbers.lift($from.$field) {
            $message.$field = $from.$field;
        }
    };
}

/// Carries messages by the names of their common fields.
macro_rules! carried {
    ($($message:ident { $($field:ident $(: $numbers:ident)?),* $(,)? })*) => {
        $(
            impl Message1_0 for old::$message {
                type Later = new::$message;

                #[allow(unused_variables, reason = "few messages have such numbers")]
                fn keep_own(&mut self, from: &Self) {
                    $($(keep_number!(self, from, $field, $numbers);)?)*
                }
            }

            impl Carry<new::$message> for old::$message {
                fn carry(self) -> new::$message {
                    new::$message {
                        $($field: field!(lift self.$field $(, $numbers)?),)*
                        ..Default::default()
                    }
                }
            }

            impl Carry<old::$message> for new::$message {
                fn carry(self) -> old::$message {
                    old::$message {
                        $($field: field!(lower self.$field $(, $numbers)?),)*
                        ..Default::default()
                    }
                }
            }
        )*
    };
}

carried! {
    MessageError { error, description }
    BootNotificationReq {
        part_number, serial_number, vendor_id, firmware_version, protocol_version,
        connector_number, device_code, iccid, is_timeout_stop_remote_start, product_id, keepalive,
        component_bits,
    }
    BootNotificationConf { current_time, interval, status, qrcodes }
    KeyValue { key, readonly, value }
    ChangeConfigurationReq { configuration_key }
    ChangeConfigurationConf { status }
    GetConfigurationReq { keys }
    GetConfigurationConf { values }
    RemoteControlReq { function, parameter }
    RemoteControlConf { status }
    UpdateFirmwareReq { url, checksum, retries, retry_date, retry_interval, request_id }
    FirmwareStatusNotificationReq { status: FIRMWARE_STATUS, request_id }
    GetDiagnosticsReq { url, retries, retry_interval, start_time, end_time }
    GetDiagnosticsConf { filename }
    DiagnosticsStatusNotificationReq { status }
    DeviceRegistrationReq {
        part_number, serial_number, vendor_id, registration_code, need_to_encode_evse_id,
        topic_prefix, product_id, connector_number, connector_type,
    }
    DeviceRegistrationConf {
        status, device_code, mqtt_username, mqtt_password, qrcode_host, qrcodes,
    }
    TriggerMessageReq { request, connector_id }
    TariffTime { powerstart, powerend, timestart, timeend, price }
    TariffCharge { timestart, timeend, tag, elecprice, serviceprice, occupyprice }
    TariffParking { timestart, price }
    CostBill { timestart, timeend, tag, electric, electriccost, servicecost, occupycost }
    Cost { bills, tariffid, totalcost, tariffpower, totalelec, conflict_total_cost }
    TariffChannel { elec, service, tariffid }
    SetTariffReq {
        tariffid, description, chargetariffs, timetariffs, parkingtariffs, test, unitprice,
        free_charger_time, channels, channel_key,
    }
    SetTariffConf { status }
    IdToken {
        id, id_type, brand, password, customer, expiry_date, balance, status, r#type, chargecount,
    }
    AuthorizeReq { id_data, password, payment, authorization_mode }
    UpdateIdCardCacheReq { cardinfo }
    RemoteStartTransactionReq {
        connector_id, id_data, transaction_id, pin, service_mode, timing_start, allowed_minute,
        allowed_kwh, allowed_rmb, price_scheme, schedule_time,
    }
    RemoteStartTransactionConf { status, reason: STOP_REASON, reason_desc, record_id }
    RemoteStopTransactionReq { transaction_id, reason: STOP_REASON }
    RemoteStopTransactionConf { status }
    StartTransactionReq {
        record_id, connector_id, id_data, mode, service_mode, meter_start, timestamp,
        reservation_id, transaction_id, pin, tariff_id, service_amount, transparent, soc,
        is_reserved, created_at,
    }
    StartTransactionConf { transaction_id, id_info, record_id, transparent }
    StopTransactionReq {
        record_id, transaction_id, id_data, reason: STOP_REASON, meter_stop, timestamp, cost,
        deduction, tac, elec_data, reason_desc, is_disabled_time_start, soc, calc_cost_by_backend,
        reservation_id,
    }
    StopTransactionConf { balance, total_cost, charged }
    TransactionReq {
        record_id, transaction_id, connector_id, id_data, mode, service, meter_start, meter_stop,
        time_start, time_stop, pin, reason: STOP_REASON, cost, deduction, tac, charged, confirmed,
        elec_data, charge_start_time, charge_stop_time, reason_desc, is_disabled_time_start,
        start_soc, stop_soc, calc_cost_by_backend, reservation_id,
    }
    TransactionConf { status, record_id }
    TelemetryReq { component, connector_id, values, warning_bitmap, record_id }
    WarningReq {
        code, vendor_ex, level, component, record_id, info, connector_id, component_id, ttl,
        event_id, time,
    }
    GetTransactionsReq { connector_id, level, start_time, end_time }
    GetTransactionsConf { total_count }
    GetWarningReq { level, start_time, end_time }
    GetWarningConf { total_count }
    ReserveNowConf { status }
    CancelReservationConf { status }
}

impl Message1_0 for old::AuthorizeConf {
    type Later = new::AuthorizeConf;

    fn keep_own(&mut self, _: &Self) {}
}

impl Carry<new::AuthorizeConf> for old::AuthorizeConf {
    fn carry(self) -> new::AuthorizeConf {
        new::AuthorizeConf {
            id_info: self.idinfo.carry(),
            price_scheme: self.price_scheme.carry(),
            transaction_id: self.transaction_id,
        }
    }
}

impl Carry<old::AuthorizeConf> for new::AuthorizeConf {
    fn carry(self) -> old::AuthorizeConf {
        old::AuthorizeConf {
            idinfo: self.id_info.carry(),
            price_scheme: self.price_scheme.carry(),
            transaction_id: self.transaction_id,
        }
    }
}

impl Carry<new::SampledValue> for old::SampledValue {
    fn carry(self) -> new::SampledValue {
        new::SampledValue {
            measurand: self.measurand,
            vendor_ex: self.vendor_ex,
            value: self.value.carry(),
            ..Default::default()
        }
    }
}

impl Carry<old::SampledValue> for new::SampledValue {
    /// In 1.0 a value has no rate: it is multiplied here.
    fn carry(self) -> old::SampledValue {
        let rate = if self.rate == 0 { 1 } else { self.rate };
        old::SampledValue {
            measurand: self.measurand,
            vendor_ex: self.vendor_ex,
            value: (self.value * f64::from(rate)).carry(),
        }
    }
}

impl Message1_0 for old::ChargingInfoReq {
    type Later = new::ChargingInfoReq;

    fn keep_own(&mut self, from: &Self) {
        keep_number!(self, from, status, CHARGER_STATUS);
        self.bms_charging = from.bms_charging.clone();
    }
}

impl Carry<new::ChargingInfoReq> for old::ChargingInfoReq {
    /// Of what the battery says, 1.10 has its state of charge and the car.
    fn carry(self) -> new::ChargingInfoReq {
        let battery = self.bms_charging.unwrap_or_default();
        new::ChargingInfoReq {
            record_id: self.record_id,
            connector_id: self.connector_id.carry(),
            consumed_time: self.consumed_time.carry(),
            consumed_electric: self.consumed_electric,
            cost: self.cost.carry(),
            power: self.power.carry(),
            remaining_time: self.remaining_time,
            status: CHARGER_STATUS.lift(self.status),
            soc: u32::try_from(battery.soc).unwrap_or(0),
            vin: battery.vin,
            ..Default::default()
        }
    }
}

impl Carry<old::ChargingInfoReq> for new::ChargingInfoReq {
    fn carry(self) -> old::ChargingInfoReq {
        let battery = old::BmsChargingInfo {
            soc: i32::try_from(self.soc).unwrap_or(0),
            vin: self.vin,
            ..Default::default()
        };
        old::ChargingInfoReq {
            record_id: self.record_id,
            connector_id: self.connector_id.carry(),
            bms_charging: (battery != old::BmsChargingInfo::default()).then_some(battery),
            consumed_time: self.consumed_time.carry(),
            consumed_electric: self.consumed_electric,
            cost: self.cost.carry(),
            power: self.power.carry(),
            remaining_time: self.remaining_time,
            status: CHARGER_STATUS.lower(self.status),
        }
    }
}

/// Answers with nothing in it, which in 1.10 is no message at all.
impl Message1_0 for old::UpdateIdCardCacheConf {
    type Later = ();

    fn keep_own(&mut self, _: &Self) {}
}

impl Carry<()> for old::UpdateIdCardCacheConf {
    fn carry(self) {}
}

impl Carry<old::UpdateIdCardCacheConf> for () {
    fn carry(self) -> old::UpdateIdCardCacheConf {
        old::UpdateIdCardCacheConf {}
    }
}

impl Carry<new::IdToken> for old::IdTokenType {
    fn carry(self) -> new::IdToken {
        new::IdToken { id: self.id_token, ..Default::default() }
    }
}

impl Carry<old::IdTokenType> for new::IdToken {
    fn carry(self) -> old::IdTokenType {
        old::IdTokenType { id_token: self.id, ..Default::default() }
    }
}

impl Message1_0 for old::CancelReservationReq {
    type Later = new::CancelReservationReq;

    fn fits(later: &Self::Later) -> bool {
        i32::try_from(later.id).is_ok()
    }

    fn keep_own(&mut self, _: &Self) {}
}

impl Carry<new::CancelReservationReq> for old::CancelReservationReq {
    fn carry(self) -> new::CancelReservationReq {
        new::CancelReservationReq { id: self.id.carry() }
    }
}

impl Carry<old::CancelReservationReq> for new::CancelReservationReq {
    fn carry(self) -> old::CancelReservationReq {
        old::CancelReservationReq { id: self.id.carry() }
    }
}

impl Message1_0 for old::ReserveNowReq {
    type Later = new::ReserveNowReq;

    fn fits(later: &Self::Later) -> bool {
        i32::try_from(later.id).is_ok()
    }

    fn keep_own(&mut self, from: &Self) {
        self.charge_time = from.charge_time;
        let kind = from.id_token.as_ref().map(|token| token.r#type);
        if let (Some(token), Some(kind)) = (&mut self.id_token, kind) {
            token.r#type = kind;
        }
    }
}

impl Carry<new::ReserveNowReq> for old::ReserveNowReq {
    fn carry(self) -> new::ReserveNowReq {
        new::ReserveNowReq {
            id: self.id.carry(),
            expiry_date_time: self.expiry_date_time.carry(),
            connector_id: self.connector_id.carry(),
            id_token: self.id_token.carry(),
            ..Default::default()
        }
    }
}

impl Carry<old::ReserveNowReq> for new::ReserveNowReq {
    fn carry(self) -> old::ReserveNowReq {
        old::ReserveNowReq {
            id: self.id.carry(),
            expiry_date_time: self.expiry_date_time.carry(),
            connector_id: self.connector_id.carry(),
            id_token: self.id_token.carry(),
            ..Default::default()
        }
    }
}
