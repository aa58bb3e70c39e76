//! What the site's own meters say, as telemetry.

use super::{
    Outgoing, values,
    wire::{self, Components, MessageId as Id, sampled_value::Phase},
};
use crate::domain::{reading::Values, reply::MeteredPlace};

/// Measurand of the energy taken so far, in 0.01 kWh.
const ELECTRICITY: i32 = 134;

/// Measurands of the voltages of the phases, in 0.1 V.
const VOLTAGES: [i32; 3] = [136, 137, 138];

/// Measurands of the currents of the phases, in 0.1 A.
const CURRENTS: [i32; 3] = [139, 140, 141];

/// Measurand of the power, in 0.01 kW.
const POWER_KILOWATTS: i32 = 142;

const PHASES: [Phase; 3] = [Phase::L1, Phase::L2, Phase::L3];

/// The newest values of a meter: of the site's as the meter, of a connector's as the connector.
/// What the table has no measurand for is left out.
pub fn telemetry(place: MeteredPlace, values: &Values) -> Outgoing {
    let mut telemetry = wire::TelemetryReq {
        component: Components::CpMeter.into(),
        values: samples(values),
        ..Default::default()
    };
    if let MeteredPlace::Connector { pile, connector, order } = place {
        telemetry.component = Components::CpConnector.into();
        telemetry.evse_id = pile.to_string();
        telemetry.connector_id = values::connector_text(Some(connector));
        telemetry.record_id = order.map(|id| id.to_string()).unwrap_or_default();
    }
    Outgoing::new(Id::IdTelemetryReq, &telemetry)
}

/// Whole numbers of their units, so that 1.0 can say the same.
fn samples(values: &Values) -> Vec<wire::SampledValue> {
    let energy = values.energy_import.map(values::meter_number);
    let mut samples: Vec<_> = energy.map(|units| sample(ELECTRICITY, units)).into_iter().collect();
    for ((measurand, phase), voltage) in VOLTAGES.into_iter().zip(PHASES).zip(values.voltage_dv) {
        samples.extend(voltage.map(|dv| of_phase(measurand, phase, dv.into())));
    }
    for ((measurand, phase), current) in CURRENTS.into_iter().zip(PHASES).zip(values.current_ca) {
        let tenths = current.map(|ca| tenths(ca.into()));
        samples.extend(tenths.map(|da| of_phase(measurand, phase, da)));
    }
    samples.extend(values.power_w.map(|watts| sample(POWER_KILOWATTS, tenths(watts))));
    samples
}

fn sample(measurand: i32, value: f64) -> wire::SampledValue {
    wire::SampledValue { measurand, value, ..Default::default() }
}

fn of_phase(measurand: i32, phase: Phase, value: f64) -> wire::SampledValue {
    wire::SampledValue { phase: phase.into(), ..sample(measurand, value) }
}

/// A tenth of a number, rounded, halves away from nought; what 1.0 cannot hold is its greatest.
fn tenths(number: i64) -> f64 {
    let away = if number < 0 { -5 } else { 5 };
    let tenths = number.saturating_add(away) / 10;
    f64::from(i32::try_from(tenths).unwrap_or(if tenths < 0 { i32::MIN } else { i32::MAX }))
}
