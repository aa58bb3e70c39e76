//! The messages an order is reported with.

use super::{Order, Pile};
use crate::peers::apdu::wire;

/// State of charge a simulated vehicle comes with, in %.
const SOC_START: u32 = 20;
/// What it leaves with.
const SOC_STOP: u32 = 80;

/// Everything a pile says of one order, now or after an outage.
#[derive(Debug, Clone, PartialEq)]
pub struct Reports {
    /// When it begins.
    pub start: wire::StartTransactionReq,
    /// When it ends.
    pub stop: wire::StopTransactionReq,
    /// When it ended and nobody heard.
    pub transaction: wire::TransactionReq,
}

impl Pile {
    /// What it says of an order it has in memory.
    #[must_use]
    pub fn reports(&self, record: u64) -> Option<Reports> {
        let order = self.store.get(record)?;
        Some(Reports {
            start: self.start_request(order),
            stop: self.stop_request(order),
            transaction: self.transaction_request(order),
        })
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
            tariff_id: order.tariff_id(),
            transparent: order.mark.clone(),
            soc: SOC_START,
            created_at: i32::try_from(order.started_s).unwrap_or(0),
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
            tac: order.mark.clone(),
            reason_desc: format!("{:?}", order.reason),
            soc: SOC_STOP,
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
            tac: order.mark.clone(),
            reason_desc: format!("{:?}", order.reason),
            start_soc: SOC_START,
            stop_soc: SOC_STOP,
            ..Default::default()
        }
    }
}
