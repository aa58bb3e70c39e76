//! What becomes of every request of the protocol, from either side. The translation asks this
//! table, `docs/protocols.md` is written from it, and `tests/messages.rs` holds the site to it.

use super::wire::{
    v1_0,
    v1_10::{self, MessageId as Id},
};
use crate::domain::wire::Revision;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The controller does it, or takes note of it, and answers itself.
    Served,
    /// Passed to the other side, whose answer comes back.
    Passed,
    /// Answered with `MessageError` 1.
    Refused,
}

/// A request of the protocol. Its answer has a row of its own nowhere: answers are read by whoever
/// waits for them and never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The request; every code of 1.0 means the same in 1.10.
    pub id: Id,
    /// From a pile.
    pub from_pile: Fate,
    /// From a backend.
    pub from_backend: Fate,
}

const fn row(id: Id, from_pile: Fate, from_backend: Fate) -> Row {
    Row { id, from_pile, from_backend }
}

/// Every request of both revisions, by code.
pub const TABLE: [Row; 49] = {
    use Fate::{Passed, Refused, Served};
    [
        row(Id::IdBootNotificationReq, Served, Refused),
        row(Id::IdHeartbeatReq, Served, Refused),
        row(Id::IdChangeConfigurationReq, Refused, Passed),
        row(Id::IdGetConfigurationReq, Refused, Passed),
        row(Id::IdRemoteControlReq, Refused, Passed),
        row(Id::IdUpdateFirmwareReq, Refused, Passed),
        row(Id::IdFirmwareStatusNotificationReq, Passed, Refused),
        row(Id::IdGetDiagnosticsReq, Refused, Passed),
        row(Id::IdDiagnosticsStatusNotificationReq, Passed, Refused),
        // Known on the registration topic only.
        row(Id::IdDeviceRegistrationReq, Refused, Refused),
        row(Id::IdGetReportReq, Refused, Passed),
        row(Id::IdGetVariablesReq, Refused, Passed),
        row(Id::IdSignCertificateReq, Passed, Refused),
        row(Id::IdChangeAvailabilityReq, Refused, Passed),
        // A code without a message: nobody can say what ids are in it.
        row(Id::IdCustomerInformationReq, Refused, Refused),
        row(Id::IdRemoteStartTransactionReq, Refused, Served),
        row(Id::IdRemoteStopTransactionReq, Refused, Served),
        row(Id::IdStartTransactionReq, Served, Refused),
        row(Id::IdStopTransactionReq, Served, Refused),
        row(Id::IdAuthorizeReq, Served, Refused),
        row(Id::IdReserveNowReq, Refused, Passed),
        row(Id::IdCancelReservationReq, Refused, Passed),
        row(Id::IdUpdateIdCardCacheReq, Refused, Served),
        row(Id::IdStatusNotificationReq, Served, Refused),
        row(Id::IdTelemetryReq, Served, Refused),
        row(Id::IdMeterValuesReq, Served, Refused),
        row(Id::IdChargingInfoReq, Served, Refused),
        row(Id::IdTriggerMessageReq, Refused, Served),
        row(Id::IdGetTransactionsReq, Refused, Served),
        row(Id::IdTransactionReq, Served, Refused),
        row(Id::IdGetWarningReq, Refused, Passed),
        row(Id::IdWarningReq, Served, Refused),
        row(Id::IdSetTariffReq, Served, Served),
        row(Id::IdGetBaseReportReq, Refused, Passed),
        row(Id::IdNotifyReportReq, Passed, Refused),
        row(Id::IdSetVariablesReq, Refused, Passed),
        row(Id::IdGetLogReq, Refused, Passed),
        row(Id::IdLogStatusNotificationReq, Passed, Refused),
        row(Id::IdSendLocalAuthorizationListReq, Refused, Served),
        row(Id::IdDataTransferReq, Passed, Passed),
        row(Id::IdSetChargingProfileReq, Refused, Passed),
        row(Id::IdClearChargingProfileReq, Refused, Passed),
        row(Id::IdGetChargingProfileReq, Refused, Passed),
        row(Id::IdReportChargingProfileReq, Passed, Refused),
        row(Id::IdReservationStatusUpdateReq, Passed, Refused),
        row(Id::IdInstallCertificateReq, Refused, Passed),
        row(Id::IdClearCacheReq, Refused, Served),
        // Its answer carries the scheme, so either side may ask the other.
        row(Id::IdSetPriceSchemeReq, Passed, Passed),
        row(Id::IdSendQrCodeReq, Refused, Passed),
    ]
};

/// What becomes of a request of a pile.
pub(super) fn from_pile(id: Id) -> Fate {
    row_of(id).map_or(Fate::Refused, |row| row.from_pile)
}

/// What becomes of a request of a backend.
pub(super) fn from_backend(id: Id) -> Fate {
    row_of(id).map_or(Fate::Refused, |row| row.from_backend)
}

fn row_of(id: Id) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == id)
}

/// Whether a revision has a message of this code.
#[must_use]
pub fn has(revision: Revision, code: u8) -> bool {
    let number = i32::from(code);
    number != 0
        && match revision {
            Revision::V1_0 => v1_0::MessageId::try_from(number).is_ok(),
            Revision::V1_10 => v1_10::MessageId::try_from(number).is_ok(),
        }
}

/// The code of the answer to a request; `None` if a revision has none.
#[must_use]
pub fn answer_to(revision: Revision, code: u8) -> Option<u8> {
    let answer = match code {
        0x40..=0x45 => code + 0x7A,
        0x50 => 0xCA,
        _ => code.checked_add(0x80)?,
    };
    has(revision, answer).then_some(answer)
}
