//! What the battery management of a vehicle says.
//!
//! Only charging information of revision 1.0 carries it (`BMSCharging`). The tables of 1.10 have
//! `BMSHandshakeInfo`, `BMSConfigInfo`, `BMSChargingInfo` and `BMSChargedInfo` too, but no message
//! of theirs has one of them as a field, and none has a code.
//!
//! Voltages and currents are in 0.01 V and 0.01 A. The other units are not stated; they are read
//! as Ah, 0.01 kWh (as every energy of this protocol), whole °C (as the telemetry's), and the date
//! as the digits of year, month and day. The remaining time in it is left out: minutes or seconds
//! nobody says, and the message around it has one too.

use super::{
    super::wire::v1_0::{
        BatteryType, BmsChargingInfo, BmsChargingType, BmsMeasureStatus, BmsTelesignalStatus, Cell,
    },
    limits::{
        CAPACITY_AH, CELL_CV, CURRENT_CA, CYCLES, Limits, NOMINAL_ENERGY, TEMPERATURE_DC,
        VOLTAGE_CV,
    },
    text,
};
use crate::{
    domain::gauge::{Battery, ChargeMode, Level, Soundness},
    protocol::charger::v1_10,
};

/// Reads what a battery says. Nought is nothing, but for values that belong to others: a current
/// beside a voltage, a mark of property beside a kind of battery, and what the battery thinks of
/// the charge that is under way.
pub(super) fn of(said: &BmsChargingInfo) -> Battery {
    let first = |[one, other]: [i32; 2], limits: Limits| {
        above_nought(one, limits.clone()).or_else(|| above_nought(other, limits))
    };
    Battery {
        protocol: text(&said.bms_version),
        kind: kind(said.bat_type),
        capacity_ah: above_nought(said.rated_capacity, CAPACITY_AH),
        rated_voltage_cv: above_nought(said.rated_voltage, VOLTAGE_CV),
        vendor: text(&said.vendor),
        serial: text(&said.serial_number),
        made: date(said.production_date),
        cycles: above_nought(said.cycles, CYCLES),
        property: Some(said.property).filter(|mark| is_marked(*mark, said)),
        software: text(&said.fw_version),
        cell_max_voltage_cv: first([said.allowed_cell_vol, said.call_alowed_voltage], CELL_CV),
        max_current_ca: above_nought(said.allowed_current, CURRENT_CA),
        nominal_energy: above_nought(said.nominal_energy, NOMINAL_ENERGY).and_then(v1_10::energy),
        max_voltage_cv: first([said.alowed_voltage, said.allowed_voltage], VOLTAGE_CV),
        max_temperature_dc: degrees(said.alowed_temp).filter(|_| said.alowed_temp != 0),
        ..charge(said)
    }
}

/// What it says of the charge that is under way.
fn charge(said: &BmsChargingInfo) -> Battery {
    let is_under_way = said.voltage > 0 || said.request_voltage > 0;
    let level = |number| level(number).filter(|_| is_under_way);
    let soundness = |number| soundness(number).filter(|_| is_under_way);
    let temperature = |cell: &Option<Cell>| cell.as_ref().and_then(|cell| degrees(cell.value));
    let beside_a_voltage = |current: i32, voltage: i32| {
        within(current, CURRENT_CA).filter(|_| current != 0 || voltage > 0)
    };
    Battery {
        mode: mode(said.charge_mode),
        demand_voltage_cv: above_nought(said.request_voltage, VOLTAGE_CV),
        demand_current_ca: beside_a_voltage(said.request_current, said.request_voltage),
        voltage_cv: above_nought(said.voltage, VOLTAGE_CV),
        current_ca: beside_a_voltage(said.current, said.voltage),
        highest_cell: said.highest_voltage.as_ref().and_then(cell),
        highest_temperature_dc: temperature(&said.highest_temp),
        lowest_temperature_dc: temperature(&said.lowest_temp),
        cell_voltage_level: level(said.cell_voltage_status),
        soc_level: level(said.soc_status),
        current_level: level(said.current_status),
        temperature_level: level(said.temperature_status),
        insulation: soundness(said.insulation_status),
        contactor: soundness(said.contactor_status),
        ..Battery::default()
    }
}

fn within(value: i32, limits: Limits) -> Option<i32> {
    limits.contains(&value).then_some(value)
}

fn above_nought(value: i32, limits: Limits) -> Option<i32> {
    within(value, limits).filter(|value| *value > 0)
}

/// A temperature in °C, in 0.1 °C.
fn degrees(degrees: i32) -> Option<i32> {
    within(degrees.checked_mul(10)?, TEMPERATURE_DC)
}

/// The voltage of a cell, and its number.
fn cell(cell: &Cell) -> Option<(i32, i32)> {
    Some((above_nought(cell.value, CELL_CV)?, Some(cell.number).filter(|number| *number >= 0)?))
}

/// The kind; none if it is unknown or another.
fn kind(number: i32) -> Option<u8> {
    match BatteryType::try_from(number).ok()? {
        BatteryType::BatUnkown | BatteryType::BatOther => None,
        _ => u8::try_from(number).ok(),
    }
}

fn is_marked(mark: i32, said: &BmsChargingInfo) -> bool {
    mark == 1 || (mark == 0 && kind(said.bat_type).is_some())
}

/// A date of production, from its digits: 20240117.
fn date(digits: i32) -> Option<(u16, u8, u8)> {
    let digits = u32::try_from(digits).ok()?;
    let (year, month, day) = (digits / 10_000, digits / 100 % 100, digits % 100);
    let is_date =
        (1980..=2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let date = (year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?);
    is_date.then_some(date)
}

fn mode(number: i32) -> Option<ChargeMode> {
    match BmsChargingType::try_from(number).ok()? {
        BmsChargingType::BmsNone => None,
        BmsChargingType::BmsConstantVoltage => Some(ChargeMode::ConstantVoltage),
        BmsChargingType::BmsConstantCurrent => Some(ChargeMode::ConstantCurrent),
    }
}

fn level(number: i32) -> Option<Level> {
    Some(match BmsMeasureStatus::try_from(number).ok()? {
        BmsMeasureStatus::BmsmNormal => Level::Normal,
        BmsMeasureStatus::BmsmOverLevel => Level::Over,
        BmsMeasureStatus::BmsmUnderLevel => Level::Under,
    })
}

fn soundness(number: i32) -> Option<Soundness> {
    Some(match BmsTelesignalStatus::try_from(number).ok()? {
        BmsTelesignalStatus::BmstNormal => Soundness::Normal,
        BmsTelesignalStatus::BmstAbnormal => Soundness::Abnormal,
        BmsTelesignalStatus::BmstUnknown => Soundness::Untold,
    })
}
