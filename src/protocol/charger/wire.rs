//! Messages compiled from `proto/`; the numbers are the wire.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// Revision 1.0 (2018).
pub mod v1_0 {
    include!(concat!(env!("OUT_DIR"), "/goiot.charger.v1_0.rs"));
}

/// Revision 1.10 (1.10.47).
pub mod v1_10 {
    include!(concat!(env!("OUT_DIR"), "/goiot.charger.v1_10.rs"));
}

/// Hands the messages of revision 1.0, by their codes, to a macro.
macro_rules! messages_of_1_0 {
    ($then:ident! $($first:tt)*) => {
        $then! {
            $($first)*
            IdBootNotificationReq: BootNotificationReq,
            IdChangeConfigurationReq: ChangeConfigurationReq,
            IdGetConfigurationReq: GetConfigurationReq,
            IdRemoteControlReq: RemoteControlReq,
            IdUpdateFirmwareReq: UpdateFirmwareReq,
            IdFirmwareStatusNotificationReq: FirmwareStatusNotificationReq,
            IdGetDiagnosticsReq: GetDiagnosticsReq,
            IdDiagnosticsStatusNotificationReq: DiagnosticsStatusNotificationReq,
            IdDeviceRegistrationReq: DeviceRegistrationReq,
            IdRemoteStartTransactionReq: RemoteStartTransactionReq,
            IdRemoteStopTransactionReq: RemoteStopTransactionReq,
            IdStartTransactionReq: StartTransactionReq,
            IdStopTransactionReq: StopTransactionReq,
            IdAuthorizeReq: AuthorizeReq,
            IdReserveNowReq: ReserveNowReq,
            IdCancelReservationReq: CancelReservationReq,
            IdUpdateIdCardCacheReq: UpdateIdCardCacheReq,
            IdTelemetryReq: TelemetryReq,
            IdChargingInfoReq: ChargingInfoReq,
            IdTriggerMessageReq: TriggerMessageReq,
            IdGetTransactionsReq: GetTransactionsReq,
            IdTransactionReq: TransactionReq,
            IdGetWarningReq: GetWarningReq,
            IdWarningReq: WarningReq,
            IdSetTariffReq: SetTariffReq,
            IdBootNotificationConf: BootNotificationConf,
            IdChangeConfigurationConf: ChangeConfigurationConf,
            IdGetConfigurationConf: GetConfigurationConf,
            IdRemoteControlConf: RemoteControlConf,
            IdGetDiagnosticsConf: GetDiagnosticsConf,
            IdDeviceRegistrationConf: DeviceRegistrationConf,
            IdRemoteStartTransactionConf: RemoteStartTransactionConf,
            IdRemoteStopTransactionConf: RemoteStopTransactionConf,
            IdStartTransactionConf: StartTransactionConf,
            IdStopTransactionConf: StopTransactionConf,
            IdAuthorizeConf: AuthorizeConf,
            IdReserveNowConf: ReserveNowConf,
            IdCancelReservationConf: CancelReservationConf,
            IdUpdateIdCardCacheConf: UpdateIdCardCacheConf,
            IdGetTransactionsConf: GetTransactionsConf,
            IdTransactionConf: TransactionConf,
            IdGetWarningConf: GetWarningConf,
            IdSetTariffConf: SetTariffConf,
            IdMessageError: MessageError,
        }
    };
}

/// Hands the messages of revision 1.10, by their codes, to a macro.
macro_rules! messages_of_1_10 {
    ($then:ident! $($first:tt)*) => {
        $then! {
            $($first)*
            IdBootNotificationReq: BootNotificationReq,
            IdHeartbeatReq: HeartbeatReq,
            IdChangeConfigurationReq: ChangeConfigurationReq,
            IdGetConfigurationReq: GetConfigurationReq,
            IdRemoteControlReq: RemoteControlReq,
            IdUpdateFirmwareReq: UpdateFirmwareReq,
            IdFirmwareStatusNotificationReq: FirmwareStatusNotificationReq,
            IdGetDiagnosticsReq: GetDiagnosticsReq,
            IdDiagnosticsStatusNotificationReq: DiagnosticsStatusNotificationReq,
            IdDeviceRegistrationReq: DeviceRegistrationReq,
            IdGetReportReq: GetReportReq,
            IdGetVariablesReq: GetVariablesReq,
            IdSignCertificateReq: SignCertificateReq,
            IdChangeAvailabilityReq: ChangeAvailabilityReq,
            IdRemoteStartTransactionReq: RemoteStartTransactionReq,
            IdRemoteStopTransactionReq: RemoteStopTransactionReq,
            IdStartTransactionReq: StartTransactionReq,
            IdStopTransactionReq: StopTransactionReq,
            IdAuthorizeReq: AuthorizeReq,
            IdReserveNowReq: ReserveNowReq,
            IdCancelReservationReq: CancelReservationReq,
            IdUpdateIdCardCacheReq: UpdateIdCardCacheReq,
            IdStatusNotificationReq: StatusNotificationReq,
            IdTelemetryReq: TelemetryReq,
            IdMeterValuesReq: MeterValuesReq,
            IdChargingInfoReq: ChargingInfoReq,
            IdTriggerMessageReq: TriggerMessageReq,
            IdGetTransactionsReq: GetTransactionsReq,
            IdTransactionReq: TransactionReq,
            IdGetWarningReq: GetWarningReq,
            IdWarningReq: WarningReq,
            IdSetTariffReq: SetTariffReq,
            IdGetBaseReportReq: GetBaseReportReq,
            IdNotifyReportReq: NotifyReportReq,
            IdSetVariablesReq: SetVariablesReq,
            IdGetLogReq: GetLogReq,
            IdLogStatusNotificationReq: LogStatusNotificationReq,
            IdSendLocalAuthorizationListReq: SendLocalAuthorizationListReq,
            IdDataTransferReq: DataTransferReq,
            IdSetChargingProfileReq: SetChargingProfileReq,
            IdClearChargingProfileReq: ClearChargingProfileReq,
            IdGetChargingProfileReq: GetChargingProfilesReq,
            IdReportChargingProfileReq: ReportChargingProfilesReq,
            IdReservationStatusUpdateReq: ReservationStatusUpdateReq,
            IdInstallCertificateReq: InstallCertificateReq,
            IdClearCacheReq: ClearCacheReq,
            IdSetPriceSchemeReq: SetPriceSchemeReq,
            IdSendQrCodeReq: SendQrCodeReq,
            IdBootNotificationConf: BootNotificationConf,
            IdHeartbeatConf: HeartbeatResp,
            IdChangeConfigurationConf: ChangeConfigurationConf,
            IdGetConfigurationConf: GetConfigurationConf,
            IdRemoteControlConf: RemoteControlConf,
            IdUpdateFirmwareConf: UpdateFirmwareConf,
            IdFirmwareStatusNotificationConf: FirmwareStatusNotificationConf,
            IdGetDiagnosticsConf: GetDiagnosticsConf,
            IdDeviceRegistrationConf: DeviceRegistrationConf,
            IdGetReportConf: GetReportConf,
            IdGetVariablesConf: GetVariablesConf,
            IdSignCertificateConf: SignCertificateConf,
            IdChangeAvailabilityConf: ChangeAvailabilityConf,
            IdRemoteStartTransactionConf: RemoteStartTransactionConf,
            IdRemoteStopTransactionConf: RemoteStopTransactionConf,
            IdStartTransactionConf: StartTransactionConf,
            IdStopTransactionConf: StopTransactionConf,
            IdAuthorizeConf: AuthorizeConf,
            IdReserveNowConf: ReserveNowConf,
            IdCancelReservationConf: CancelReservationConf,
            IdStatusNotificationConf: StatusNotificationConf,
            IdTriggerMessageConf: TriggerMessageConf,
            IdGetTransactionsConf: GetTransactionsConf,
            IdTransactionConf: TransactionConf,
            IdGetWarningConf: GetWarningConf,
            IdWarningConf: WarningConf,
            IdSetTariffConf: SetTariffConf,
            IdGetBaseReportConf: GetBaseReportConf,
            IdNotifyReportConf: NotifyReportConf,
            IdSetVariablesConf: SetVariablesConf,
            IdGetLogConf: GetLogConf,
            IdLogStatusNotificationConf: LogStatusNotificationConf,
            IdSendLocalAuthorizationListConf: SendLocalAuthorizationListConf,
            IdDataTransferConf: DataTransferConf,
            IdSetChargingProfileConf: SetChargingProfileConf,
            IdClearChargingProfileConf: ClearChargingProfileConf,
            IdGetChargingProfileConf: GetChargingProfilesConf,
            IdReportChargingProfileConf: ReportChargingProfilesConf,
            IdReservationStatusUpdateConf: ReservationStatusUpdateConf,
            IdInstallCertificateConf: InstallCertificateConf,
            IdClearCacheConf: ClearCacheConf,
            IdSetPriceSchemeConf: SetPriceSchemeConf,
            IdSendQrCodeConf: SendQrCodeConf,
            IdMessageError: MessageError,
        }
    };
}

pub(super) use messages_of_1_0;
pub(super) use messages_of_1_10;
