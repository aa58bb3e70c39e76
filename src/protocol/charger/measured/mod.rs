//! What piles measure, as integers with their units.
//!
//! The tables state few units. Measurands have theirs ([`telemetry`]), and voltages and currents
//! of batteries are in 0.01 V and 0.01 A ([`battery`]). Everything else is read as V, A, W, kWh, °C
//! and s: the same that the site writes where it fills such a field itself.
//!
//! Protocol Buffers do not tell nought from nothing said. A voltage of nought is nothing; a current
//! or a power of nought counts beside a voltage, so that the end of the flow is seen. Values that
//! make no sense count as not said.

mod battery;
mod limits;
mod telemetry;

use limits::{CURRENT_CA, DURATION_S, POWER_W, SOC_PERCENT, TEMPERATURE_DC, VOLTAGE_DV};

pub(super) use self::telemetry::of_telemetry;
use super::{
    v1_10::{self, scaled},
    wire::{
        v1_0,
        v1_10::{ChargingInfoReq, MeterValuesReq},
    },
};
use crate::domain::{gauge::Gauges, quantity::Energy};

/// Longest text that is taken over from a pile, in characters: room for any vehicle's or
/// manufacturer's number, too short to fill memory with.
const TEXT_LIMIT: usize = 64;

/// What charging information says; the second is the same message as it came, if it is of 1.0.
pub(super) fn of_progress(info: &ChargingInfoReq, old: Option<&v1_0::ChargingInfoReq>) -> Gauges {
    let mut gauges = Gauges {
        soc_percent: soc(info.soc),
        charged: v1_10::energy(info.consumed_electric),
        cost: v1_10::cost(info.cost.as_ref()),
        charging_s: duration(info.consumed_time),
        remaining_s: duration(info.remaining_time.into()),
        meter: kilowatt_hours(info.electricity),
        vin: text(&info.vin),
        ..electrical(
            [info.voltage_a, info.voltage_b, info.voltage_c],
            [info.current_a, info.current_b, info.current_c],
            info.power,
        )
    };
    let said = old.and_then(|old| old.bms_charging.as_ref());
    gauges.battery = said.map(battery::of).unwrap_or_default();
    let temperature = temperature(info.battery_temp.into());
    gauges.battery.highest_temperature_dc = gauges.battery.highest_temperature_dc.or(temperature);
    gauges
}

/// What meter values say.
pub(super) fn of_meter_values(values: &MeterValuesReq) -> Gauges {
    let mut gauges = Gauges {
        temperature_dc: temperature(values.temp_evse),
        soc_percent: soc(values.soc),
        meter: kilowatt_hours(values.electricity),
        ..electrical(
            [values.voltage_a, values.voltage_b, values.voltage_c],
            [values.current_a, values.current_b, values.current_c],
            values.power,
        )
    };
    gauges.battery.highest_temperature_dc = temperature(values.temp_battery);
    gauges
}

/// Voltages in V and currents in A of the phases, and the power in W.
fn electrical(voltages: [f64; 3], currents: [f64; 3], power: f64) -> Gauges {
    let mut gauges = Gauges::default();
    for (phase, (voltage, current)) in voltages.into_iter().zip(currents).enumerate() {
        let has_voltage = voltage != 0.0;
        gauges.input_voltage_dv[phase] =
            scaled(voltage, (10, 1), VOLTAGE_DV).filter(|_| has_voltage);
        gauges.input_current_ca[phase] =
            scaled(current, (100, 1), CURRENT_CA).filter(|_| has_voltage || current != 0.0);
    }
    let has_voltage = voltages.iter().any(|voltage| *voltage != 0.0);
    gauges.power_w = scaled(power, (1, 1), POWER_W).filter(|_| has_voltage || power != 0.0);
    gauges
}

/// A reading in kWh; nought is none.
fn kilowatt_hours(reading: f64) -> Option<Energy> {
    // The reading is rounded half up to whole 10 Wh, as those of orders are.
    v1_10::meter(reading * 100.0).filter(|_| reading != 0.0)
}

/// A temperature in °C; nought is none.
fn temperature(degrees: f64) -> Option<i32> {
    scaled(degrees, (10, 1), TEMPERATURE_DC).filter(|_| degrees != 0.0)
}

/// A state of charge in %; nought is none.
fn soc(percent: u32) -> Option<u8> {
    let is_told = |percent: &u8| *percent != 0 && SOC_PERCENT.contains(&i32::from(*percent));
    u8::try_from(percent).ok().filter(is_told)
}

/// A duration in s; nought is none.
fn duration(seconds: i64) -> Option<u32> {
    let is_told = |seconds: &i32| *seconds != 0 && DURATION_S.contains(seconds);
    u32::try_from(i32::try_from(seconds).ok().filter(is_told)?).ok()
}

/// A text without what pads it; `None` if nothing is left, or what no number or name has in it.
fn text(said: &str) -> Option<String> {
    let text = said.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let is_name = !text.is_empty() && !text.contains(char::is_control);
    (is_name && text.chars().count() <= TEXT_LIMIT).then(|| text.to_owned())
}
