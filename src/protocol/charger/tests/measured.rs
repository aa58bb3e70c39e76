//! What piles measure, in both revisions.

use proptest::{collection::vec, prelude::*};
use prost::Message;

use super::{sealed, tables};
use crate::{
    domain::{
        connector::ConnectorState,
        event::{PileEvent, PileNotice},
        gauge::{Battery, ChargeMode, Gauges, Level, Soundness},
        id::ConnectionId,
        order::ProgressReport,
        quantity::{Energy, Money},
        wire::Revision,
    },
    protocol::charger::{
        apdu, backend,
        topic::Class,
        wire::{v1_0, v1_10 as wire},
    },
};

const PROGRESS: u8 = 0x23;
const TELEMETRY: u8 = 0x21;
const METER_VALUES: u8 = 0x22;

fn told(bytes: &[u8]) -> PileNotice {
    match backend::decode(ConnectionId(1), Class::Telemetry, bytes).unwrap().event {
        PileEvent::Told(notice) => notice,
        other => panic!("{other:?}"),
    }
}

fn report(bytes: &[u8]) -> ProgressReport {
    let PileNotice::Progress(report) = told(bytes) else { panic!("no charging information") };
    report
}

fn measured(bytes: &[u8]) -> Gauges {
    match told(bytes) {
        PileNotice::Progress(report) => *report.gauges,
        PileNotice::Telemetry { gauges, .. } => *gauges,
        PileNotice::Pass(pass) => panic!("{pass:?}"),
    }
}

fn by_1_10(code: u8, message: &impl Message) -> Gauges {
    measured(&sealed(code, 1, None, message))
}

fn sealed_1_0(code: u8, message: &impl Message) -> bytes::Bytes {
    let body = message.encode_to_vec().into();
    apdu::seal_body(Revision::V1_0, code, 1, None, body).unwrap()
}

fn by_1_0(code: u8, message: &impl Message) -> Gauges {
    measured(&sealed_1_0(code, message))
}

#[test]
fn charging_information_of_1_10_is_measured() {
    let info = wire::ChargingInfoReq {
        voltage_a: 220.15,
        voltage_b: 221.0,
        current_a: 31.999,
        consumed_time: 600,
        consumed_electric: 250,
        cost: Some(wire::Cost { totalcost: 512, ..Default::default() }),
        power: 6999.5,
        remaining_time: 1800,
        electricity: 1234.567,
        soc: 81,
        battery_temp: -5,
        vin: " LSVAA0000000000001\0".into(),
        ..Default::default()
    };
    let wanted = Gauges {
        power_w: Some(7000),
        // The first rounded half up; L2 without a current because none flows; no L3.
        input_voltage_dv: [Some(2202), Some(2210), None],
        input_current_ca: [Some(3200), Some(0), None],
        soc_percent: Some(81),
        charged: Some(Energy::from_wh(2500)),
        cost: Some(Money::from_fen(512)),
        charging_s: Some(600),
        remaining_s: Some(1800),
        meter: Some(Energy::from_wh(1_234_570)),
        vin: Some("LSVAA0000000000001".into()),
        battery: Battery { highest_temperature_dc: Some(-50), ..Battery::default() },
        ..Gauges::default()
    };
    assert_eq!(by_1_10(PROGRESS, &info), wanted);
}

#[test]
fn what_charging_information_does_not_say_is_not_measured() {
    let nothing = Gauges { charged: Some(Energy::default()), ..Gauges::default() };
    assert_eq!(by_1_10(PROGRESS, &wire::ChargingInfoReq::default()), nothing);
    assert_eq!(by_1_0(PROGRESS, &v1_0::ChargingInfoReq::default()), nothing);
    assert_eq!(by_1_10(METER_VALUES, &wire::MeterValuesReq::default()), Gauges::default());
    assert_eq!(by_1_10(TELEMETRY, &wire::TelemetryReq::default()), Gauges::default());
}

#[test]
fn a_current_that_has_stopped_is_nought_beside_a_voltage() {
    let info = wire::ChargingInfoReq { voltage_a: 230.0, ..Default::default() };
    let gauges = by_1_10(PROGRESS, &info);
    assert_eq!(gauges.input_current_ca, [Some(0), None, None]);
    assert_eq!(gauges.power_w, Some(0));
}

#[test]
fn meter_values_are_measured() {
    let values = wire::MeterValuesReq {
        electricity: 12.5,
        current_c: 16.0,
        power: 3680.0,
        temp_evse: 41.26,
        temp_battery: 30.0,
        soc: 40,
        ..Default::default()
    };
    let gauges = by_1_10(METER_VALUES, &values);
    assert_eq!(gauges.meter, Some(Energy::from_wh(12_500)));
    assert_eq!(gauges.input_current_ca, [None, None, Some(1600)]);
    assert_eq!((gauges.power_w, gauges.temperature_dc), (Some(3680), Some(413)));
    assert_eq!(gauges.battery.highest_temperature_dc, Some(300));
    assert_eq!(gauges.soc_percent, Some(40));
}

#[test]
fn values_that_make_no_sense_are_not_measured() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300, 1e300, -2e7, 2e7] {
        let values = wire::MeterValuesReq {
            electricity: if value == 2e7 { 2e8 } else { value },
            current_a: value,
            voltage_a: value,
            power: value,
            temp_evse: value,
            temp_battery: value,
            soc: 101,
            ..Default::default()
        };
        assert_eq!(by_1_10(METER_VALUES, &values), Gauges::default(), "{value}");
    }
    let values = wire::MeterValuesReq { voltage_b: -230.0, ..Default::default() };
    assert_eq!(by_1_10(METER_VALUES, &values).input_voltage_dv, [None; 3]);
    let info = wire::ChargingInfoReq {
        consumed_time: -1,
        remaining_time: i32::MAX,
        consumed_electric: -1,
        vin: "V\u{7}N".into(),
        ..Default::default()
    };
    assert_eq!(by_1_10(PROGRESS, &info), Gauges::default());
    let long = wire::ChargingInfoReq { vin: "V".repeat(65), ..Default::default() };
    assert_eq!(by_1_10(PROGRESS, &long).vin, None);
}

/// A battery that says everything.
fn battery() -> v1_0::BmsChargingInfo {
    v1_0::BmsChargingInfo {
        request_voltage: 40_050,
        request_current: 12_575,
        charge_mode: v1_0::BmsChargingType::BmsConstantCurrent.into(),
        voltage: 38_712,
        current: 12_500,
        soc: 42,
        remaining_time: 1800,
        highest_voltage: Some(v1_0::Cell { number: 17, value: 412 }),
        highest_temp: Some(v1_0::Cell { number: 3, value: 35 }),
        lowest_temp: Some(v1_0::Cell { number: 4, value: 0 }),
        soc_status: v1_0::BmsMeasureStatus::BmsmUnderLevel.into(),
        current_status: v1_0::BmsMeasureStatus::BmsmOverLevel.into(),
        insulation_status: v1_0::BmsTelesignalStatus::BmstAbnormal.into(),
        contactor_status: v1_0::BmsTelesignalStatus::BmstUnknown.into(),
        bms_version: "1.1".into(),
        allowed_voltage: 42_000,
        bat_type: v1_0::BatteryType::BatLfp.into(),
        rated_capacity: 150,
        rated_voltage: 38_400,
        vendor: "CATL".into(),
        serial_number: "77".into(),
        production_date: 20_240_117,
        cycles: 12,
        vin: "LSV1".into(),
        fw_version: "7".into(),
        allowed_current: 20_000,
        call_alowed_voltage: 365,
        alowed_temp: 55,
        nominal_energy: 6_000,
        ..Default::default()
    }
}

fn progress_1_0(battery: v1_0::BmsChargingInfo) -> v1_0::ChargingInfoReq {
    v1_0::ChargingInfoReq { bms_charging: Some(battery), ..Default::default() }
}

#[test]
fn what_a_battery_says_in_1_0_is_read_whole() {
    let gauges = by_1_0(PROGRESS, &progress_1_0(battery()));
    assert_eq!((gauges.soc_percent, gauges.vin.as_deref()), (Some(42), Some("LSV1")));
    assert_eq!((gauges.output_voltage_dv, gauges.remaining_s), (None, None));
    let wanted = Battery {
        protocol: Some("1.1".into()),
        kind: Some(3),
        capacity_ah: Some(150),
        rated_voltage_cv: Some(38_400),
        vendor: Some("CATL".into()),
        serial: Some("77".into()),
        made: Some((2024, 1, 17)),
        cycles: Some(12),
        property: Some(0),
        software: Some("7".into()),
        cell_max_voltage_cv: Some(365),
        max_current_ca: Some(20_000),
        nominal_energy: Some(Energy::from_wh(60_000)),
        max_voltage_cv: Some(42_000),
        max_temperature_dc: Some(550),
        mode: Some(ChargeMode::ConstantCurrent),
        demand_voltage_cv: Some(40_050),
        demand_current_ca: Some(12_575),
        voltage_cv: Some(38_712),
        current_ca: Some(12_500),
        highest_cell: Some((412, 17)),
        highest_temperature_dc: Some(350),
        lowest_temperature_dc: Some(0),
        cell_voltage_level: Some(Level::Normal),
        soc_level: Some(Level::Under),
        current_level: Some(Level::Over),
        temperature_level: Some(Level::Normal),
        insulation: Some(Soundness::Abnormal),
        contactor: Some(Soundness::Untold),
    };
    assert_eq!(gauges.battery, wanted);
}

#[test]
fn a_battery_that_says_little_is_not_given_more() {
    let little = v1_0::BmsChargingInfo { soc: 42, production_date: 19, ..Default::default() };
    let gauges = by_1_0(PROGRESS, &progress_1_0(little));
    assert_eq!(gauges.battery, Battery::default());
    let senseless = v1_0::BmsChargingInfo {
        soc: 101,
        bat_type: 9,
        rated_capacity: -1,
        rated_voltage: i32::MAX,
        production_date: 20_241_332,
        property: 2,
        highest_temp: Some(v1_0::Cell { number: 1, value: i32::MIN }),
        highest_voltage: Some(v1_0::Cell { number: -1, value: 400 }),
        charge_mode: 7,
        soc_status: 3,
        cycles: i32::MAX,
        ..Default::default()
    };
    let gauges = by_1_0(PROGRESS, &progress_1_0(senseless));
    assert_eq!((gauges.soc_percent, gauges.battery), (None, Battery::default()));
}

#[test]
fn the_state_in_charging_information_is_that_of_its_revision() {
    use ConnectorState as S;
    let old = |status| {
        report(&sealed_1_0(PROGRESS, &v1_0::ChargingInfoReq { status, ..Default::default() })).state
    };
    let new = |status| {
        let info = wire::ChargingInfoReq { status, ..Default::default() };
        report(&sealed(PROGRESS, 1, None, &info)).state
    };
    let states = [
        None,
        Some(S::Idle),
        Some(S::Connected),
        Some(S::Charging),
        Some(S::SuspendedByPile),
        Some(S::SuspendedByVehicle),
        Some(S::Finished),
        Some(S::Reserved),
        Some(S::Fault),
        Some(S::Waiting),
        Some(S::Connected),
        None,
    ];
    assert_eq!((0..12).map(old).collect::<Vec<_>>(), states);
    let states = [
        None,
        Some(S::Connected),
        Some(S::Charging),
        Some(S::SuspendedByVehicle),
        Some(S::SuspendedByPile),
        None,
    ];
    assert_eq!((0..6).map(new).collect::<Vec<_>>(), states);
}

/// A measurand, a value of it, and what is measured then.
type Row = (i32, &'static str, f64, fn(&mut Gauges));

/// Everything that is read of a connector's telemetry.
const MEASURANDS: [Row; 34] = [
    (100, "Temperature", -12.0, |g| g.temperature_dc = Some(-120)),
    (101, "Voltage", 4001.0, |g| g.output_voltage_dv = Some(4001)),
    (102, "MilliVol", 400_150.0, |g| g.output_voltage_dv = Some(4002)),
    (103, "Current", 1256.0, |g| g.output_current_ca = Some(12_560)),
    (104, "PowerWatts", 700_050.0, |g| g.power_w = Some(7001)),
    (106, "SOC", 0.0, |g| g.soc_percent = Some(0)),
    (115, "GunPosition", 1.0, |g| g.is_seated = Some(true)),
    (117, "InputVoltage", 2200.0, |g| g.input_voltage_dv[0] = Some(2200)),
    (118, "InputVoltageA", 2201.0, |g| g.input_voltage_dv[0] = Some(2201)),
    (119, "InputVoltageB", 2202.0, |g| g.input_voltage_dv[1] = Some(2202)),
    (120, "InputVoltageC", 2203.0, |g| g.input_voltage_dv[2] = Some(2203)),
    (121, "InputCurrent", 320.0, |g| g.input_current_ca[0] = Some(3200)),
    (122, "InputCurrentA", 321.0, |g| g.input_current_ca[0] = Some(3210)),
    (123, "InputCurrentB", 322.0, |g| g.input_current_ca[1] = Some(3220)),
    (124, "InputCurrentC", 323.0, |g| g.input_current_ca[2] = Some(3230)),
    (125, "OutputVoltage", 0.0, |g| g.output_voltage_dv = Some(0)),
    (126, "OutputCurrent", -50.0, |g| g.output_current_ca = Some(-500)),
    (132, "ParkingStatus", 0.0, |g| g.is_space_taken = Some(false)),
    (133, "ParkLockStatus", 2.0, |g| g.ground_lock = Some(2)),
    (134, "Electricity", 105_424.0, |g| g.meter = Some(Energy::from_wh(1_054_240))),
    (136, "VoltageA", 2301.0, |g| g.input_voltage_dv[0] = Some(2301)),
    (137, "VoltageB", 2302.0, |g| g.input_voltage_dv[1] = Some(2302)),
    (138, "VoltageC", 2303.0, |g| g.input_voltage_dv[2] = Some(2303)),
    (139, "CurrentA", 16.0, |g| g.input_current_ca[0] = Some(160)),
    (140, "CurrentB", 17.0, |g| g.input_current_ca[1] = Some(170)),
    (141, "CurrentC", 18.0, |g| g.input_current_ca[2] = Some(180)),
    (142, "PowerKilowatts", 4810.0, |g| g.power_w = Some(48_100)),
    (143, "MilliCurrent", 12_345.0, |g| g.output_current_ca = Some(1235)),
    (145, "ConsumedElectric", 1204.0, |g| g.charged = Some(Energy::from_wh(12_040))),
    (146, "ConsumedTime", 3600.0, |g| g.charging_s = Some(3600)),
    (147, "TotalCost", 2470.0, |g| g.cost = Some(Money::from_fen(2470))),
    (162, "RemainingChargingTime", 60.0, |g| g.remaining_s = Some(60)),
    (163, "DemandCurrent", 1257.0, |g| g.battery.demand_current_ca = Some(12_570)),
    (164, "DemandVoltage", 4005.0, |g| g.battery.demand_voltage_cv = Some(40_050)),
];

fn sample(measurand: i32, value: f64) -> wire::SampledValue {
    wire::SampledValue { measurand, value, ..Default::default() }
}

fn telemetry(component: wire::Components, values: Vec<wire::SampledValue>) -> wire::TelemetryReq {
    wire::TelemetryReq { component: component.into(), values, ..Default::default() }
}

#[test]
fn every_measurand_that_is_read_has_its_unit() {
    for (number, name, value, set) in MEASURANDS {
        let mut wanted = Gauges::default();
        set(&mut wanted);
        let values = vec![sample(number, value)];
        let gauges = by_1_10(TELEMETRY, &telemetry(wire::Components::CpConnector, values));
        assert_eq!(gauges, wanted, "{name}");
        let old = v1_0::SampledValue {
            measurand: number,
            value: format!("{value}").parse().unwrap(),
            ..Default::default()
        };
        let old = v1_0::TelemetryReq { values: vec![old], ..Default::default() };
        assert_eq!(by_1_0(TELEMETRY, &old), wanted, "{name} in 1.0");
    }
}

#[test]
fn measurands_are_numbered_as_in_the_table() {
    let left_out = "the measurands that are read were";
    let variable = "SITEPILOT_PROTOCOL_TABLES";
    let Some(folder) = tables::find(variable, "../shared/protocol", left_out) else { return };
    let table = tables::rows(&folder, "charger-measurands.enums.csv");
    for (number, name, ..) in MEASURANDS {
        let row = ["Measurand".to_owned(), number.to_string(), name.to_owned()];
        assert!(table.iter().any(|cells| *cells == row), "{row:?}");
    }
}

#[test]
fn a_value_is_multiplied_by_its_rate() {
    let at_rate = |rate| {
        let value = wire::SampledValue { rate, ..sample(125, 400.0) };
        by_1_10(TELEMETRY, &telemetry(wire::Components::CpNone, vec![value])).output_voltage_dv
    };
    assert_eq!((at_rate(0), at_rate(1), at_rate(10)), (Some(400), Some(400), Some(4000)));
    assert_eq!((at_rate(-1), at_rate(i32::MAX), at_rate(i32::MIN)), (None, None, None));
}

#[test]
fn a_voltage_by_phases_is_no_output() {
    use wire::sampled_value::Phase;
    let of = |phase: Phase, value| wire::SampledValue { phase: phase.into(), ..sample(101, value) };
    let values = vec![of(Phase::L1, 2301.0), of(Phase::L2, 2302.0), sample(103, 160.0)];
    let gauges = by_1_10(TELEMETRY, &telemetry(wire::Components::CpConnector, values));
    assert_eq!(gauges.input_voltage_dv, [Some(2301), Some(2302), None]);
    assert_eq!((gauges.output_voltage_dv, gauges.output_current_ca), (None, Some(1600)));
}

#[test]
fn parts_of_a_pile_are_not_its_connector() {
    use wire::Components as C;
    let values = vec![sample(100, 30.0), sample(101, 4000.0), sample(132, 1.0), sample(106, 50.0)];
    let of = |component| by_1_10(TELEMETRY, &telemetry(component, values.clone()));
    for part in [C::CpPsm, C::CpFan, C::CpLcd, C::CpCardReader] {
        assert_eq!(of(part), Gauges::default(), "{part:?}");
    }
    let parking = Gauges { is_space_taken: Some(true), ..Gauges::default() };
    assert_eq!((of(C::CpPkl), of(C::CpPkd)), (parking.clone(), parking));
    let battery = of(C::CpBms);
    assert_eq!((battery.temperature_dc, battery.output_voltage_dv), (None, None));
    assert_eq!(battery.battery.highest_temperature_dc, Some(300));
    assert_eq!((battery.battery.voltage_cv, battery.soc_percent), (Some(40_000), Some(50)));
}

proptest! {
    #[test]
    fn what_an_ac_pile_measures_comes_back_as_it_was(
        voltages in prop::array::uniform3(1..=20_000_i32),
        currents in prop::array::uniform3(-400_000..=400_000_i32),
        power in -8_000_000..=8_000_000_i32,
        energy in 1..=1_000_000_000_u32,
        soc in 1..=100_u8,
    ) {
        let tenths = voltages.map(|dv| f64::from(dv) / 10.0);
        let hundredths = currents.map(|ca| f64::from(ca) / 100.0);
        let values = wire::MeterValuesReq {
            voltage_a: tenths[0],
            voltage_b: tenths[1],
            voltage_c: tenths[2],
            current_a: hundredths[0],
            current_b: hundredths[1],
            current_c: hundredths[2],
            power: power.into(),
            electricity: f64::from(energy) / 100.0,
            soc: soc.into(),
            ..Default::default()
        };
        let wanted = Gauges {
            input_voltage_dv: voltages.map(Some),
            input_current_ca: currents.map(Some),
            power_w: Some(power),
            meter: Some(Energy::from_wh(u64::from(energy) * 10)),
            soc_percent: Some(soc),
            ..Gauges::default()
        };
        prop_assert_eq!(by_1_10(METER_VALUES, &values), wanted);
    }

    #[test]
    fn both_revisions_measure_the_same_in_telemetry(
        said in vec((90..170_i32, any::<i32>()), 0..40),
        component in 0..13_i32,
    ) {
        let new = said.iter().map(|(measurand, value)| sample(*measurand, (*value).into()));
        let new = wire::TelemetryReq { component, values: new.collect(), ..Default::default() };
        let old = said.iter().map(|(measurand, value)| v1_0::SampledValue {
            measurand: *measurand,
            value: *value,
            ..Default::default()
        });
        let old = v1_0::TelemetryReq { component, values: old.collect(), ..Default::default() };
        prop_assert_eq!(by_1_10(TELEMETRY, &new), by_1_0(TELEMETRY, &old));
    }

    #[test]
    fn any_number_is_measured_within_its_limits_or_not_at_all(
        measurand in 90..170_i32,
        bits in any::<u64>(),
        rate in any::<i32>(),
        component in any::<i32>(),
    ) {
        let value = wire::SampledValue { rate, ..sample(measurand, f64::from_bits(bits)) };
        let telemetry =
            wire::TelemetryReq { component, values: vec![value], ..Default::default() };
        let gauges = by_1_10(TELEMETRY, &telemetry);
        let is_within = |value: Option<i32>, limit| value.is_none_or(|value| value.abs() <= limit);
        prop_assert!(is_within(gauges.output_voltage_dv, 20_000));
        prop_assert!(is_within(gauges.output_current_ca, 400_000));
        prop_assert!(is_within(gauges.power_w, 8_000_000));
        prop_assert!(gauges.soc_percent.is_none_or(|soc| soc <= 100));
        prop_assert!(gauges.meter.is_none_or(|energy| energy.wh() <= 10_000_000_000));
    }

    #[test]
    fn any_battery_is_read_within_its_limits_or_not_at_all(
        numbers in prop::array::uniform16(any::<i32>()),
        status in any::<i32>(),
    ) {
        let cell = |number, value| Some(v1_0::Cell { number, value });
        let battery = v1_0::BmsChargingInfo {
            request_voltage: numbers[0],
            request_current: numbers[1],
            charge_mode: numbers[2],
            voltage: numbers[3],
            current: numbers[4],
            soc: numbers[5],
            highest_voltage: cell(numbers[6], numbers[7]),
            highest_temp: cell(numbers[6], numbers[8]),
            soc_status: status,
            bat_type: numbers[9],
            rated_capacity: numbers[10],
            rated_voltage: numbers[11],
            production_date: numbers[12],
            cycles: numbers[13],
            alowed_temp: numbers[14],
            nominal_energy: numbers[15],
            ..Default::default()
        };
        let battery = by_1_0(PROGRESS, &progress_1_0(battery)).battery;
        let is_within = |value: Option<i32>, limit| value.is_none_or(|value| value.abs() <= limit);
        prop_assert!(is_within(battery.demand_voltage_cv, 200_000));
        prop_assert!(is_within(battery.current_ca, 400_000));
        prop_assert!(is_within(battery.highest_temperature_dc, 2_500));
        prop_assert!(is_within(battery.max_temperature_dc, 2_500));
        prop_assert!(is_within(battery.capacity_ah, 20_000));
        let is_date = battery.made.is_none_or(|(year, month, day)| {
            (1980..=2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
        });
        prop_assert!(is_date);
    }
}
