//! Stop reasons in plain words.

use super::wire::v1_10::StopReason as R;

/// Why an order ended, for people: the stop reason of revision 1.10, in which the site keeps it.
#[must_use]
pub fn stop_reason(reason: i32) -> &'static str {
    R::try_from(reason).map_or("a reason that is in no table", words)
}

/// A few words for each row of the table; names of messages are those of GB/T 27930.
const fn words(reason: R) -> &'static str {
    match reason {
        R::SrNormal => "ended normally",
        R::SrLocalCard => "stopped with the card",
        R::SrLocalPin => "stopped with the PIN",
        R::SrRemoteUser => "stopped remotely by the user",
        R::SrRemoteAdmin => "stopped remotely by the operator",
        R::SrEmergencyStop => "emergency stop",
        R::SrEvDisconnected => "vehicle unplugged",
        R::SrReboot => "pile rebooted",
        R::SrOffLine => "pile off line",
        R::SrPowerLoss => "power lost",
        R::SrSystemFault => "fault of the pile",
        R::SrBmsFault => "fault of the battery management",
        R::SrOther => "another reason",
        R::SrMeterCommunicationFault => "fault of the pile's meter",
        R::SrSocFull => "battery full",
        R::SrNotEnoughMoney => "not enough money",
        R::SrOverLoad => "overload",
        R::SrOverVoltage => "overvoltage",
        R::SrUnderVoltage => "undervoltage",
        R::SrNetTimeout => "off line for too long",
        R::SrOverTime => "time used up",
        R::SrOverMeter => "energy used up",
        R::SrOverSoc => "wanted state of charge reached",
        R::SrCpError => "fault of the control pilot",
        R::SrLeakage => "leakage current",
        R::SrLightningProtection => "surge arrester tripped",
        R::SrAmbientOvertemperature => "too hot around the pile",
        R::SrAccessControlFault => "door open or its contact faulty",
        R::SrAbnormalCommunicationOfCardReader => "card reader does not answer",
        R::SrCc1StatusError => "plug contact (CC1) in a wrong state",
        R::SrOpenSolenoidLockError => "plug lock did not open",
        R::SrAbnormalElectronicLock => "fault of the plug lock",
        R::SrAdaptiveVoltageError => "voltage does not fit the vehicle",
        R::SrChargingRelayOpeningError => "charging relay did not open",
        R::SrChargingRelayClosingError => "charging relay did not close",
        R::SrInsulationDetectionError => "insulation test failed",
        R::SrPreChargeVoltageAndMessageFivePercentError => "battery voltage not as announced",
        R::SrPreChargeVoltageOverMaxVoltageError => "battery voltage above the pile's range",
        R::SrPreChargeVoltageUnderMinVoltageError => "battery voltage below the pile's range",
        R::SrPreChargeAdapterVoltageError => "voltage not matched before charging",
        R::SrStopCurrentOverFiveError => "current did not fall at the stop",
        R::SrConnectionRelayOpenError => "connection relay did not open",
        R::SrConnectionRelayClosingError => "connection relay did not close",
        R::SrOutputOverVoltageError => "output voltage too high",
        R::SrOutputOverCurrentError => "output current too high",
        R::SrConnectorOvertemperature => "connector too hot",
        R::SrChargingStationOtherFault => "another fault of the pile",
        R::SrBmsNotReady => "battery not ready",
        R::SrBhmTimeoutError => "vehicle silent: no BHM",
        R::SrBrmTimeoutError => "vehicle silent: no BRM",
        R::SrBcpTimeoutError => "vehicle silent: no BCP",
        R::SrBroTimeoutError => "vehicle silent: no BRO",
        R::SrBroaaTimeoutError => "vehicle not ready in time: no BRO with AA",
        R::SrBroSeriousFault => "vehicle not ready: serious fault in BRO",
        R::SrBclTimeoutError => "vehicle silent: no BCL",
        R::SrBcsTimeoutError => "vehicle silent: no BCS",
        R::SrBsmTimeoutError => "vehicle silent: no BSM",
        R::SrBstTimeoutError => "vehicle silent: no BST",
        R::SrBsdTimeoutError => "vehicle silent: no BSD",
        R::SrBemTimeoutError => "vehicle silent: no BEM",
        R::SrBstInsulationFault => "vehicle stopped: insulation",
        R::SrBstComponentOvertemperature => "vehicle stopped: component too hot",
        R::SrBstConnectorFault => "vehicle stopped: connector",
        R::SrBstBatteryGroupOvertemperature => "vehicle stopped: battery too hot",
        R::SrBstHighVoltageRelayFault => "vehicle stopped: high-voltage relay",
        R::SrBstCheckpointTwoVoltageFault => "vehicle stopped: voltage at checkpoint 2",
        R::SrBstOvercurrent => "vehicle stopped: current too high",
        R::SrBstOvervoltage => "vehicle stopped: voltage abnormal",
        R::SrSinglePowerBatteryOvervoltage => "voltage of a cell too high",
        R::SrSinglePowerBatteryUndervoltage => "voltage of a cell too low",
        R::SrEntireVehiclePowerBatteryChargeStateOverSoC => "state of charge too high",
        R::SrEntireVehiclePowerBatteryChargeStateUnderSoC => "state of charge too low",
        R::SrMaximumBatteryPackOvertemperature => "battery pack too hot",
        R::SrPowerBatteryChargingOvercurrent => "battery's charging current too high",
        R::SrPowerBatteryChargingOvertemperature => "battery too hot",
        R::SrPowerBatteryIsulationFault => "battery's insulation faulty",
        R::SrPowerBatteryConnectorFault => "battery's connector faulty",
        R::SrChargeNotAllowedStatus => "battery does not allow charging",
        R::SrBmsOhterFault => "another fault of the battery management",
        R::SrPriceSchemeException => "fault in the tariff",
        R::SrFullOfSelfStop => "stopped by itself when full",
        R::SrAdminForceStop => "forced by the operator",
        R::SrEvOccupy => "place taken by a vehicle that does not charge",
        R::SrNoTariff => "no tariff",
        R::SrConnectorFault => "connector faulty",
        R::SrCc1NoConnect => "plug contact (CC1) not connected",
        R::SrDeauthorized => "permission withdrawn",
        R::SrEvConnectTimeout => "no vehicle plugged in in time",
        R::SrServerError => "fault of the backend",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_of_the_table_has_words_of_its_own() {
        let known: Vec<i32> = (0..2000).filter(|number| R::try_from(*number).is_ok()).collect();
        let told: BTreeSet<&str> = known.iter().map(|number| stop_reason(*number)).collect();
        assert_eq!((known.len(), told.len()), (89, 89));
        assert_eq!(stop_reason(1), "stopped with the card");
        assert_eq!(stop_reason(14), "a reason that is in no table");
        assert_eq!(stop_reason(-1), "a reason that is in no table");
    }
}
