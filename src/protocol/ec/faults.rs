//! What is wrong, in points: the warnings of piles by the code list of the charging-station
//! protocol, and what batteries say of themselves. A point is told only where either would say
//! that it is not well.

use std::collections::BTreeSet;

use super::points::{self as point, Kind, Point};
use crate::domain::gauge::{Battery, Level, Soundness};

/// Emergency stop pressed.
const EMERGENCY: &[i64] = &[300];
/// Storage full.
const STORAGE: &[i64] = &[100];
/// Card reader, RFID module.
const CARD_READER: &[i64] = &[108, 367];
/// Surge protection.
const ARRESTER: &[i64] = &[303];
/// Insulation, by pile and battery. Warnings (310) are none yet.
const INSULATION: &[i64] = &[309, 408];
/// Connection check, plug pulled in mid-charge, gun holder.
const NOT_CONNECTED: &[i64] = &[312, 315, 325];
/// Meter fault, measuring and collecting exceptions.
const METER: &[i64] = &[107, 110, 111];
/// Battery reversed, by battery and power modules.
const REVERSED: &[i64] = &[404, 1251];
/// Smoke.
const SMOKE: &[i64] = &[304];
/// Battery management does not answer, or not in time; its bus.
const BMS: &[i64] = &[402, 403, 416];
/// Output of direct current, by pile and power modules.
const DC_OVERCURRENT: &[i64] = &[323, 1206];
/// Input voltage too high, by pile and power modules; one, two and long lasting levels; also by
/// phase.
const INPUT_OVER: &[i64] = &[317, 381, 382, 383, 390, 391, 392, 1202, 1259, 1262, 1265];
/// Input voltage too low, likewise.
const INPUT_UNDER: &[i64] =
    &[316, 384, 385, 386, 393, 394, 395, 1203, 1260, 1261, 1263, 1266, 1277];
/// The pile or its power modules are too hot.
const HOT: &[i64] = &[113, 115, 313, 353, 1210, 1246];
/// Its sensors of temperature cannot be believed.
const HOT_UNTRUSTED: &[i64] = &[329, 375, 376];
/// Current too high, in levels; also by phase.
const CURRENT_OVER: &[i64] = &[324, 357, 358, 378, 387, 388, 389, 396, 397, 398];
/// Contactors and relays of the output.
const RELAY: &[i64] = &[307, 334, 335, 338, 339, 359, 360, 361];
/// Contactors of the input.
const INPUT_CONTACTOR: &[i64] = &[336, 337];
/// State of charge too high.
const SOC_HIGH: &[i64] = &[407];
/// Cells too hot.
const CELLS_HOT: &[i64] = &[401, 417];
/// Connector too hot.
const CONNECTOR_HOT: &[i64] = &[314];
/// Output voltage too high, by pile and power modules.
const DC_OVER: &[i64] = &[322, 1207];
/// Output voltage too low, likewise.
const DC_UNDER: &[i64] = &[321, 1208];
/// Voltage of the battery or a cell too high.
const BATTERY_OVER: &[i64] = &[400, 406, 410];
/// Voltage of the battery too low.
const BATTERY_UNDER: &[i64] = &[411];

/// What the values of a point other than 0 mean, the graver first.
type Meanings = &'static [(i64, &'static [i64])];

/// The points that tell of warnings.
const TABLE: [(&Point, Meanings); 23] = [
    (&point::CARD_READER_FAULT, &[(1, CARD_READER)]),
    (&point::EMERGENCY_STOP, &[(1, EMERGENCY)]),
    (&point::SURGE_ARRESTER_FAULT, &[(1, ARRESTER)]),
    (&point::INSULATION_FAULT, &[(1, INSULATION)]),
    (&point::GUN_NOT_CONNECTED_ALARM, &[(1, NOT_CONNECTED)]),
    (&point::TRANSACTION_STORE_FULL_ALARM, &[(1, STORAGE)]),
    (&point::METER_FAULT, &[(1, METER)]),
    (&point::BATTERY_REVERSED_FAULT, &[(1, REVERSED)]),
    (&point::SMOKE_ALARM, &[(1, SMOKE)]),
    (&point::BMS_COMMUNICATION_FAULT, &[(1, BMS)]),
    // What a pile for direct current bills by measures that.
    (&point::DC_METER_FAULT, &[(1, METER)]),
    (&point::DC_OUTPUT_OVERCURRENT, &[(1, DC_OVERCURRENT)]),
    (&point::AC_INPUT_VOLTAGE_ALARM, &[(1, INPUT_OVER), (2, INPUT_UNDER)]),
    (&point::CHARGER_OVERTEMPERATURE, &[(1, HOT), (2, HOT_UNTRUSTED)]),
    (&point::AC_CURRENT_OVERLOAD, &[(1, CURRENT_OVER)]),
    (&point::OUTPUT_RELAY_STATE, &[(2, RELAY)]),
    (&point::BATTERY_SOC_ALARM, &[(1, SOC_HIGH)]),
    (&point::BATTERY_MODULE_OVERTEMPERATURE, &[(1, CELLS_HOT)]),
    (&point::OUTPUT_CONNECTOR_OVERTEMPERATURE, &[(1, CONNECTOR_HOT)]),
    (&point::DC_BUS_VOLTAGE_ALARM, &[(1, DC_OVER), (2, DC_UNDER)]),
    (&point::BMS_VOLTAGE_ALARM, &[(1, BATTERY_OVER), (2, BATTERY_UNDER)]),
    // Only the battery itself says these.
    (&point::BATTERY_CONNECTOR_STATE, &[]),
    (&point::BATTERY_CHARGE_OVERCURRENT, &[]),
];

/// What a broken charger is told to be, the graver first.
const STATES: [(i64, &[&[i64]]); 8] = [
    (38, &[EMERGENCY]),
    (37, &[INSULATION]),
    (36, &[RELAY, INPUT_CONTACTOR]),
    (35, &[METER]),
    (34, &[ARRESTER]),
    (33, &[DC_OVERCURRENT, CURRENT_OVER]),
    (32, &[INPUT_OVER, DC_OVER]),
    (31, &[INPUT_UNDER, DC_UNDER]),
];

/// The points that tell of what is wrong, with their values.
pub(super) fn points(warnings: &BTreeSet<i64>, battery: &Battery) -> Vec<(&'static Point, i64)> {
    let told = TABLE.into_iter().filter_map(|(point, meanings)| {
        let warned = meanings.iter().find(|(_, codes)| stands(warnings, codes));
        let unwarned = (!meanings.is_empty()).then_some(0);
        let warned = warned.map(|(value, _)| *value).or(unwarned);
        // What either says is wrong is wrong.
        let said = by_battery(point, battery).filter(|said| *said != 0 || warned.is_none());
        said.or(warned).map(|value| (point, value))
    });
    told.collect()
}

/// The state of a charger that is broken, by its warnings; `None`: they say nothing of it.
pub(super) fn charger_state(warnings: &BTreeSet<i64>) -> Option<i64> {
    let states =
        STATES.iter().find(|(_, groups)| groups.iter().any(|codes| stands(warnings, codes)));
    states.map(|(state, _)| *state)
}

fn stands(warnings: &BTreeSet<i64>, codes: &[i64]) -> bool {
    codes.iter().any(|code| warnings.contains(code))
}

/// What the battery says of itself at a point.
fn by_battery(point: &Point, battery: &Battery) -> Option<i64> {
    let by_level = [
        (&point::BATTERY_SOC_ALARM, battery.soc_level),
        (&point::BATTERY_MODULE_OVERTEMPERATURE, battery.temperature_level),
        (&point::BATTERY_CHARGE_OVERCURRENT, battery.current_level),
        (&point::BMS_VOLTAGE_ALARM, battery.cell_voltage_level),
    ];
    let by_soundness = [
        (&point::BATTERY_CONNECTOR_STATE, battery.contactor),
        (&point::INSULATION_FAULT, battery.insulation),
    ];
    let level = by_level.into_iter().find(|(of, _)| *of == point).and_then(|(_, level)| level);
    let sound = by_soundness.into_iter().find(|(of, _)| *of == point).and_then(|(_, sound)| sound);
    match (level, sound) {
        (Some(Level::Normal), _) | (None, Some(Soundness::Normal)) => Some(0),
        (Some(Level::Over), _) | (None, Some(Soundness::Abnormal)) => Some(1),
        // Vehicles have one number for too low and for untrusted, and so has the wire.
        (Some(Level::Under), _) => Some(2),
        (None, Some(Soundness::Untold)) if point.kind == Kind::Double => Some(2),
        (None, Some(Soundness::Untold) | None) => None,
    }
}
