//! What the battery management of a vehicle says.

use super::{
    super::dialect::Unfit,
    dialect::Telling,
    info::Info,
    texts::{gun, hundredths, kwh, tenths},
    wire::{
        BmsChargingInfoProto, BmsDemandChargerOutputProto, BmsHandshakeProto,
        BmsParamConfigReportProto,
    },
};
use crate::domain::{
    connector::ConnectorImage,
    gauge::{Battery, ChargeMode, Gauges, Level, Soundness},
};

/// Handshake and parameters: what it says of itself. What of them it did not say is not told.
pub(super) fn introduced(telling: &mut Telling<'_>, image: &ConnectorImage) -> Result<(), Unfit> {
    let gun_no = gun(image.plug)?;
    let battery = &image.gauges.battery;
    if is_introduced(battery) || image.gauges.vin.is_some() {
        let mut handshake = handshake(battery, image.gauges.vin.as_deref());
        (handshake.pile_code, handshake.gun_no) = (telling.pile(), gun_no.clone());
        handshake.trade_no = trade_no(image);
        telling.tell(handshake);
    }
    if has_limits(battery) {
        telling.tell(BmsParamConfigReportProto {
            pile_code: telling.pile(),
            gun_no,
            trade_no: trade_no(image),
            max_single_cell_voltage: hundredths(battery.cell_max_voltage_cv),
            max_charge_current: hundredths(battery.max_current_ca),
            rated_energy: battery.nominal_energy.map_or_else(String::new, kwh),
            max_total_charge_voltage: hundredths(battery.max_voltage_cv),
            max_temperature: tenths(battery.max_temperature_dc),
            soc: image.gauges.soc_percent.map_or_else(String::new, |soc| soc.to_string()),
            current_battery_voltage: hundredths(battery.voltage_cv),
            // What the pile can give is not reported by piles.
            ..BmsParamConfigReportProto::default()
        });
    }
    Ok(())
}

/// What it measures and what it asks for, while an order goes on. The values have no fields of
/// their own and are told as `additionalInfo`.
pub(super) fn charging(telling: &mut Telling<'_>, image: &ConnectorImage) -> Result<(), Unfit> {
    let gun_no = gun(image.plug)?;
    let (pile_code, trade_no) = (telling.pile(), trade_no(image));
    let additional_info = measured(&image.gauges);
    if additional_info.is_some() {
        let (pile_code, gun_no, trade_no) = (pile_code.clone(), gun_no.clone(), trade_no.clone());
        telling.tell(BmsChargingInfoProto { pile_code, gun_no, trade_no, additional_info });
    }
    let additional_info = demanded(&image.gauges);
    if additional_info.is_some() {
        telling.tell(BmsDemandChargerOutputProto { pile_code, gun_no, trade_no, additional_info });
    }
    Ok(())
}

/// Empty where no order runs.
fn trade_no(image: &ConnectorImage) -> String {
    image.order.as_ref().map(|order| order.id.as_str().to_owned()).unwrap_or_default()
}

const fn is_introduced(battery: &Battery) -> bool {
    battery.protocol.is_some()
        || battery.kind.is_some()
        || battery.capacity_ah.is_some()
        || battery.rated_voltage_cv.is_some()
        || battery.vendor.is_some()
        || battery.serial.is_some()
        || battery.made.is_some()
        || battery.cycles.is_some()
        || battery.property.is_some()
        || battery.software.is_some()
}

const fn has_limits(battery: &Battery) -> bool {
    battery.cell_max_voltage_cv.is_some()
        || battery.max_current_ca.is_some()
        || battery.nominal_energy.is_some()
        || battery.max_voltage_cv.is_some()
        || battery.max_temperature_dc.is_some()
}

/// Capacity in Ah and voltage in V, rounded half up; the exact voltage and a serial number that is
/// no number are told in `additionalInfo`.
fn handshake(battery: &Battery, vin: Option<&str>) -> BmsHandshakeProto {
    let serial = battery.serial.as_deref().unwrap_or_default();
    let number = serial.trim().parse();
    let (year, month, day) = battery.made.unwrap_or_default();
    let volts = battery.rated_voltage_cv.map_or(0, |cv| cv.saturating_add(50).div_euclid(100));
    let info = Info::default().text("ratedVoltage", &hundredths(battery.rated_voltage_cv));
    let info = if number.is_err() { info.text("serialNo", serial) } else { info };
    BmsHandshakeProto {
        bms_protocol_version: battery.protocol.clone().unwrap_or_default(),
        bms_battery_type: battery.kind.map_or(0, i32::from),
        bms_power_capacity: battery.capacity_ah.unwrap_or_default(),
        bms_power_max_voltage: volts,
        bms_factory: battery.vendor.clone().unwrap_or_default(),
        bms_serial_no: number.unwrap_or_default(),
        bms_create_year: i32::from(year),
        bms_create_month: i32::from(month),
        bms_create_day: i32::from(day),
        bms_charge_count: battery.cycles.unwrap_or_default(),
        bms_property_right_label: battery.property.unwrap_or_default(),
        car_vin_code: vin.unwrap_or_default().to_owned(),
        bms_software_version: battery.software.clone().unwrap_or_default(),
        additional_info: info.finish(),
        ..BmsHandshakeProto::default()
    }
}

/// In V, A, V, °C, °C, % and s; and what it finds too high, too low or out of order.
fn measured(gauges: &Gauges) -> Option<String> {
    let battery = &gauges.battery;
    let (voltage, cell) = battery.highest_cell.unzip();
    Info::default()
        .text("voltage", &hundredths(battery.voltage_cv))
        .text("current", &hundredths(battery.current_ca))
        .text("highestCellVoltage", &hundredths(voltage))
        .value("highestCell", cell)
        .text("highestTemperature", &tenths(battery.highest_temperature_dc))
        .text("lowestTemperature", &tenths(battery.lowest_temperature_dc))
        .value("soc", gauges.soc_percent)
        .value("remainingS", gauges.remaining_s)
        .text("cellVoltageLevel", level(battery.cell_voltage_level))
        .text("socLevel", level(battery.soc_level))
        .text("currentLevel", level(battery.current_level))
        .text("temperatureLevel", level(battery.temperature_level))
        .text("insulation", soundness(battery.insulation))
        .text("contactor", soundness(battery.contactor))
        .finish()
}

/// What is as it should be is not told.
const fn level(level: Option<Level>) -> &'static str {
    match level {
        None | Some(Level::Normal) => "",
        Some(Level::Over) => "over",
        Some(Level::Under) => "under",
    }
}

/// What is as it should be is not told.
const fn soundness(soundness: Option<Soundness>) -> &'static str {
    match soundness {
        None | Some(Soundness::Normal) => "",
        Some(Soundness::Abnormal) => "abnormal",
        Some(Soundness::Untold) => "untold",
    }
}

/// In V and A: what it asks for, and what the pile gives. `None` where it asks for nothing.
fn demanded(gauges: &Gauges) -> Option<String> {
    let battery = &gauges.battery;
    if battery.demand_voltage_cv.is_none() && battery.demand_current_ca.is_none() {
        return None;
    }
    let mode = battery.mode.map(|mode| match mode {
        ChargeMode::ConstantVoltage => "constant voltage",
        ChargeMode::ConstantCurrent => "constant current",
    });
    Info::default()
        .text("demandVoltage", &hundredths(battery.demand_voltage_cv))
        .text("demandCurrent", &hundredths(battery.demand_current_ca))
        .value("mode", mode)
        .text("outputVoltage", &tenths(gauges.output_voltage_dv))
        .text("outputCurrent", &hundredths(gauges.output_current_ca))
        .finish()
}
