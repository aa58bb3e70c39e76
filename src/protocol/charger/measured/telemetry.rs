//! Measurands of telemetry. A value that is among them was said, also if it is nought.

use super::{
    super::{
        v1_10::{self, scaled},
        wire::v1_10::{Components, SampledValue, TelemetryReq, sampled_value::Phase},
    },
    limits::{
        CURRENT_CA, DURATION_S, Limits, POWER_W, SOC_PERCENT, TEMPERATURE_DC, VOLTAGE_CV,
        VOLTAGE_DV,
    },
};
use crate::domain::{gauge::Gauges, quantity::Money};

/// The measurands that are read, as the table numbers them.
mod measurand {
    pub(super) const TEMPERATURE: i32 = 100;
    pub(super) const VOLTAGE: i32 = 101;
    pub(super) const MILLI_VOLT: i32 = 102;
    pub(super) const CURRENT: i32 = 103;
    pub(super) const POWER_WATTS: i32 = 104;
    pub(super) const SOC: i32 = 106;
    pub(super) const GUN_POSITION: i32 = 115;
    pub(super) const INPUT_VOLTAGE: i32 = 117;
    pub(super) const INPUT_VOLTAGES: [i32; 3] = [118, 119, 120];
    pub(super) const INPUT_CURRENT: i32 = 121;
    pub(super) const INPUT_CURRENTS: [i32; 3] = [122, 123, 124];
    pub(super) const OUTPUT_VOLTAGE: i32 = 125;
    pub(super) const OUTPUT_CURRENT: i32 = 126;
    pub(super) const PARKING_STATUS: i32 = 132;
    pub(super) const PARK_LOCK_STATUS: i32 = 133;
    pub(super) const ELECTRICITY: i32 = 134;
    pub(super) const VOLTAGES: [i32; 3] = [136, 137, 138];
    pub(super) const CURRENTS: [i32; 3] = [139, 140, 141];
    pub(super) const POWER_KILOWATTS: i32 = 142;
    pub(super) const MILLI_CURRENT: i32 = 143;
    pub(super) const CONSUMED_ELECTRIC: i32 = 145;
    pub(super) const CONSUMED_TIME: i32 = 146;
    pub(super) const TOTAL_COST: i32 = 147;
    pub(super) const REMAINING_CHARGING_TIME: i32 = 162;
    pub(super) const DEMAND_CURRENT: i32 = 163;
    pub(super) const DEMAND_VOLTAGE: i32 = 164;
}

/// What the values were measured at.
enum Source {
    /// A connector, or the pile.
    Pile,
    /// The battery of the vehicle.
    Battery,
    /// A parking space.
    Parking,
    /// A part of the pile whose values are not the connector's: a power module has its own
    /// output, a fan its own temperature.
    Part,
}

impl Source {
    fn of(component: i32) -> Self {
        use Components as C;
        match C::try_from(component) {
            Ok(C::CpNone | C::CpSystem | C::CpTcu | C::CpCcm | C::CpMeter | C::CpConnector) => {
                Self::Pile
            }
            Ok(C::CpBms) => Self::Battery,
            Ok(C::CpPkl | C::CpPkd) => Self::Parking,
            Ok(C::CpLcd | C::CpCardReader | C::CpFan | C::CpPsm) | Err(_) => Self::Part,
        }
    }
}

/// A sampled value, multiplied by its rate.
struct Reading {
    measurand: i32,
    phase: usize,
    value: f64,
}

impl Reading {
    /// `None` if its rate makes no sense.
    fn of(sample: &SampledValue) -> Option<Self> {
        let rate = if sample.rate == 0 { 1 } else { sample.rate };
        let phase = match Phase::try_from(sample.phase) {
            Ok(Phase::L1) | Err(_) => 0,
            Ok(Phase::L2) => 1,
            Ok(Phase::L3) => 2,
        };
        let value = sample.value * f64::from(rate);
        (rate > 0).then_some(Self { measurand: sample.measurand, phase, value })
    }

    /// Brought to another unit, by a fraction; `None` beyond the limits.
    fn scaled(&self, scale: (u32, u32), limits: Limits) -> Option<i32> {
        scaled(self.value, scale, limits)
    }

    /// The position of its measurand among those of the phases.
    fn among(&self, measurands: [i32; 3]) -> Option<usize> {
        measurands.iter().position(|measurand| *measurand == self.measurand)
    }
}

/// What telemetry says of a connector, or of the pile. Of values that come twice, the last.
pub(in super::super) fn of_telemetry(telemetry: &TelemetryReq) -> Gauges {
    let readings: Vec<Reading> = telemetry.values.iter().filter_map(Reading::of).collect();
    let mut gauges = Gauges::default();
    for reading in &readings {
        match Source::of(telemetry.component) {
            Source::Pile => {
                at_output(&mut gauges, reading, &readings);
                at_input(&mut gauges, reading);
                of_order(&mut gauges, reading);
                of_vehicle(&mut gauges, reading);
                around(&mut gauges, reading);
                set(&mut gauges.temperature_dc, temperature(reading));
            }
            Source::Battery => {
                of_vehicle(&mut gauges, reading);
                in_battery(&mut gauges, reading);
            }
            Source::Parking => around(&mut gauges, reading),
            Source::Part => {}
        }
    }
    gauges
}

/// Writes a value down, if it makes sense.
fn set<T>(gauge: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *gauge = value;
    }
}

/// Voltage in 0.1 V, current in 0.1 A, power in 0.01 W and 0.01 kW; milli-units.
///
/// The first phase is also that of a value that names none. So a voltage or a current is the
/// output's, unless others of its measurand name the other phases.
fn at_output(gauges: &mut Gauges, reading: &Reading, all: &[Reading]) {
    let is_of_phases =
        all.iter().any(|other| other.measurand == reading.measurand && other.phase != 0);
    let (voltage, current) = if is_of_phases {
        let phase = reading.phase;
        (&mut gauges.input_voltage_dv[phase], &mut gauges.input_current_ca[phase])
    } else {
        (&mut gauges.output_voltage_dv, &mut gauges.output_current_ca)
    };
    match reading.measurand {
        measurand::VOLTAGE | measurand::OUTPUT_VOLTAGE => {
            set(voltage, reading.scaled((1, 1), VOLTAGE_DV));
        }
        measurand::MILLI_VOLT => set(voltage, reading.scaled((1, 100), VOLTAGE_DV)),
        measurand::CURRENT | measurand::OUTPUT_CURRENT => {
            set(current, reading.scaled((10, 1), CURRENT_CA));
        }
        measurand::MILLI_CURRENT => set(current, reading.scaled((1, 10), CURRENT_CA)),
        measurand::POWER_WATTS => set(&mut gauges.power_w, reading.scaled((1, 100), POWER_W)),
        measurand::POWER_KILOWATTS => set(&mut gauges.power_w, reading.scaled((10, 1), POWER_W)),
        _ => {}
    }
}

/// Voltages in 0.1 V, currents in 0.1 A.
fn at_input(gauges: &mut Gauges, reading: &Reading) {
    use measurand::{CURRENTS, INPUT_CURRENTS, INPUT_VOLTAGES, VOLTAGES};
    let voltage = match reading.measurand {
        measurand::INPUT_VOLTAGE => Some(reading.phase),
        _ => reading.among(INPUT_VOLTAGES).or_else(|| reading.among(VOLTAGES)),
    };
    let current = match reading.measurand {
        measurand::INPUT_CURRENT => Some(reading.phase),
        _ => reading.among(INPUT_CURRENTS).or_else(|| reading.among(CURRENTS)),
    };
    if let Some(phase) = voltage {
        set(&mut gauges.input_voltage_dv[phase], reading.scaled((1, 1), VOLTAGE_DV));
    }
    if let Some(phase) = current {
        set(&mut gauges.input_current_ca[phase], reading.scaled((10, 1), CURRENT_CA));
    }
}

/// Energies in 0.01 kWh, cost in fen, times in s.
fn of_order(gauges: &mut Gauges, reading: &Reading) {
    let energy = || v1_10::meter(reading.value);
    let seconds = || u32::try_from(reading.scaled((1, 1), DURATION_S)?).ok();
    match reading.measurand {
        measurand::ELECTRICITY => set(&mut gauges.meter, energy()),
        measurand::CONSUMED_ELECTRIC => set(&mut gauges.charged, energy()),
        measurand::CONSUMED_TIME => set(&mut gauges.charging_s, seconds()),
        measurand::REMAINING_CHARGING_TIME => set(&mut gauges.remaining_s, seconds()),
        measurand::TOTAL_COST => {
            let fen = reading.scaled((1, 1), 0..=i32::MAX);
            set(&mut gauges.cost, fen.map(Money::from_fen));
        }
        _ => {}
    }
}

/// State of charge in %, demands in 0.1 V and 0.1 A.
fn of_vehicle(gauges: &mut Gauges, reading: &Reading) {
    let battery = &mut gauges.battery;
    match reading.measurand {
        measurand::SOC => {
            let percent = reading.scaled((1, 1), SOC_PERCENT).map(u8::try_from);
            set(&mut gauges.soc_percent, percent.and_then(Result::ok));
        }
        measurand::DEMAND_VOLTAGE => {
            set(&mut battery.demand_voltage_cv, reading.scaled((10, 1), VOLTAGE_CV));
        }
        measurand::DEMAND_CURRENT => {
            set(&mut battery.demand_current_ca, reading.scaled((10, 1), CURRENT_CA));
        }
        _ => {}
    }
}

/// Temperature in °C, voltage in 0.1 V, current in 0.1 A.
fn in_battery(gauges: &mut Gauges, reading: &Reading) {
    let battery = &mut gauges.battery;
    set(&mut battery.highest_temperature_dc, temperature(reading));
    match reading.measurand {
        measurand::VOLTAGE => set(&mut battery.voltage_cv, reading.scaled((10, 1), VOLTAGE_CV)),
        measurand::CURRENT => set(&mut battery.current_ca, reading.scaled((10, 1), CURRENT_CA)),
        _ => {}
    }
}

fn temperature(reading: &Reading) -> Option<i32> {
    let is_temperature = reading.measurand == measurand::TEMPERATURE;
    reading.scaled((10, 1), TEMPERATURE_DC).filter(|_| is_temperature)
}

/// The gun, the parking space and its lock: codes, which no table explains. 0 is taken for no and
/// 1 for yes.
fn around(gauges: &mut Gauges, reading: &Reading) {
    let code = || v1_10::whole(reading.value);
    let yes = || match code() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    };
    match reading.measurand {
        measurand::GUN_POSITION => set(&mut gauges.is_seated, yes()),
        measurand::PARKING_STATUS => set(&mut gauges.is_space_taken, yes()),
        measurand::PARK_LOCK_STATUS => set(&mut gauges.ground_lock, code()),
        _ => {}
    }
}
