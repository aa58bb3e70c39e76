//! What connectors become on the wire.

use std::collections::{BTreeMap, BTreeSet};

use super::{frozen::settings, golden::vector};
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState, PileKind, RunningOrder},
        gauge::{Battery, ChargeMode, Gauges, Level, Soundness},
        id::{ConnectorNo, OrderId, OrderSeq, PileCode, PlugNo},
        quantity::{Energy, Money},
        reading::Values,
    },
    protocol::ec::{
        message::Message,
        points::{POINTS, Point},
        realtime::{Told, tell},
    },
};

fn idle(kind: PileKind) -> ConnectorImage {
    ConnectorImage {
        pile: PileCode::new("3101150012000001").unwrap(),
        kind,
        plug: PlugNo(1),
        connector: ConnectorNo::new(12).unwrap(),
        is_reachable: true,
        state: Some(ConnectorState::Idle),
        warnings: BTreeSet::new(),
        gauges: Gauges::default(),
        meter: None,
        order: None,
    }
}

fn order() -> RunningOrder {
    RunningOrder {
        id: OrderId::new("3101150012000001ABCDEFGHIJKLMNOP").unwrap(),
        seq: OrderSeq(1),
        card: None,
        started_s: None,
        elapsed_s: 119,
        meter_start: None,
        energy: Some(Energy::from_wh(12_345)),
        cost: Some(Money::from_tenth_fen(24_695)),
    }
}

fn told(image: &ConnectorImage) -> Told {
    tell(image, &settings()).unwrap()
}

/// The points by name, each once.
fn points(image: &ConnectorImage) -> BTreeMap<&'static str, u32> {
    let points = told(image).data.points;
    let named: BTreeMap<_, _> = points
        .iter()
        .map(|told| {
            let point = Point::find(told.value.kind(), told.address).unwrap();
            (point.name, told.value.raw())
        })
        .collect();
    assert_eq!(named.len(), points.len(), "a point is told twice");
    named
}

#[track_caller]
fn has(image: &ConnectorImage, wanted: &[(&str, u32)]) {
    let points = points(image);
    for (name, value) in wanted {
        assert_eq!(points.get(name), Some(value), "{name}: {points:?}");
    }
}

#[test]
fn every_state_of_a_connector_is_a_state_of_the_charger() {
    let of = |state, warnings: &[i64], order| {
        let warnings = warnings.iter().copied().collect();
        points(&ConnectorImage { state, warnings, order, ..idle(PileKind::Dc) })["charger_state"]
    };
    for (state, wanted) in [
        (ConnectorState::Unavailable, 0),
        (ConnectorState::Idle, 2),
        (ConnectorState::Connected, 2),
        (ConnectorState::Charging, 3),
        (ConnectorState::SuspendedByPile, 3),
        (ConnectorState::SuspendedByVehicle, 3),
        (ConnectorState::Finished, 2),
        (ConnectorState::Reserved, 8),
        (ConnectorState::Fault, 1),
        (ConnectorState::Waiting, 17),
    ] {
        assert_eq!(of(Some(state), &[], None), wanted, "{state:?}");
    }
    assert_eq!(of(None, &[], None), 30);
    assert_eq!(of(Some(ConnectorState::Connected), &[], Some(order())), 17);
    for (warning, wanted) in
        [(300, 38), (309, 37), (334, 36), (107, 35), (303, 34), (324, 33), (317, 32), (316, 31)]
    {
        assert_eq!(of(Some(ConnectorState::Fault), &[warning, 311], None), wanted);
        assert_eq!(of(Some(ConnectorState::Unavailable), &[warning], None), wanted);
        assert_eq!(of(Some(ConnectorState::Charging), &[warning], None), 3);
    }
    assert_eq!(of(Some(ConnectorState::Fault), &[316, 300], None), 38, "the graver first");
}

#[test]
fn of_a_pile_that_cannot_be_reached_only_that_and_the_sites_meter_is_told() {
    let gauges = Gauges { output_voltage_dv: Some(3805), ..Gauges::default() };
    let meter = Values { energy_import: Some(Energy::from_wh(77)), ..Values::default() };
    let mut image = ConnectorImage { is_reachable: false, gauges, ..idle(PileKind::Dc) };
    assert_eq!(points(&image), BTreeMap::from([("charger_state", 0)]));
    image.meter = Some(meter);
    let wanted = BTreeMap::from([("charger_state", 0), ("active_energy_total", 77)]);
    assert_eq!(points(&image), wanted);
}

#[test]
fn points_of_direct_current_are_told_of_no_other_pile() {
    let gauges = Gauges { soc_percent: Some(80), ..Gauges::default() };
    let of = |kind| points(&ConnectorImage { gauges: gauges.clone(), ..idle(kind) });
    let (ac, dc) = (of(PileKind::Ac), of(PileKind::Dc));
    assert!(!ac.contains_key("soc") && !ac.contains_key("smoke_alarm"));
    assert_eq!((dc["soc"], dc["smoke_alarm"]), (80, 0));
}

#[test]
fn measured_values_are_scaled_as_their_points_want_them() {
    let gauges = Gauges {
        output_voltage_dv: Some(3805),
        output_current_ca: Some(40_005),
        temperature_dc: Some(356),
        input_voltage_dv: [Some(2301), None, Some(2299)],
        input_current_ca: [None, Some(1650), None],
        remaining_s: Some(61),
        meter: Some(Energy::from_wh(1_042_210)),
        is_seated: Some(true),
        is_space_taken: Some(false),
        ground_lock: Some(2),
        ..Gauges::default()
    };
    let image = ConnectorImage {
        state: Some(ConnectorState::Charging),
        gauges,
        order: Some(order()),
        ..idle(PileKind::Dc)
    };
    has(
        &image,
        &[
            ("vehicle_connected", 1),
            ("gun_seated", 1),
            ("parking_space_occupied", 0),
            ("ground_lock_state", 2),
            ("output_voltage", 3805),
            ("output_current", 40_005),
            ("internal_temperature", 356),
            ("input_voltage_a", 2301),
            ("input_voltage_c", 2299),
            ("input_current_b", 1650),
            ("active_energy_total", 1_042_210),
            // 119 s that have passed, 61 s to come.
            ("charging_time", 1),
            ("remaining_time", 2),
            ("charged_energy", 12_345),
            // From 0.1 fen, rounded half up.
            ("charged_amount", 2470),
        ],
    );
    assert!(!points(&image).contains_key("input_voltage_b"));
    assert!(!points(&idle(PileKind::Dc)).contains_key("charging_time"), "no order");
}

#[test]
fn a_meter_of_the_site_stands_for_the_piles_and_for_its_input_where_that_is_what_it_sees() {
    let meter = Values {
        energy_import: Some(Energy::from_wh(500)),
        voltage_dv: [Some(2305), None, None],
        current_ca: [Some(-3), None, None],
        ..Values::default()
    };
    let gauges = Gauges { meter: Some(Energy::from_wh(499)), ..Gauges::default() };
    let of = |kind| ConnectorImage { gauges: gauges.clone(), meter: Some(meter), ..idle(kind) };
    has(&of(PileKind::Ac), &[("active_energy_total", 500), ("input_voltage_a", 2305)]);
    assert!(!points(&of(PileKind::Dc)).contains_key("input_voltage_a"));
    assert_eq!(told(&of(PileKind::Ac)).left_out, 1, "a current towards the grid");
}

#[test]
fn what_batteries_say_is_scaled_and_packed() {
    let battery = Battery {
        kind: Some(3),
        capacity_ah: Some(150),
        made: Some((2023, 7, 4)),
        cycles: Some(320),
        cell_max_voltage_cv: Some(365),
        max_current_ca: Some(25_000),
        nominal_energy: Some(Energy::from_wh(60_450)),
        max_voltage_cv: Some(42_004),
        max_temperature_dc: Some(550),
        mode: Some(ChargeMode::ConstantCurrent),
        voltage_cv: Some(38_055),
        highest_cell: Some((341, 9)),
        highest_temperature_dc: Some(300),
        lowest_temperature_dc: Some(-5),
        soc_level: Some(Level::Over),
        temperature_level: Some(Level::Under),
        current_level: Some(Level::Normal),
        contactor: Some(Soundness::Untold),
        insulation: Some(Soundness::Abnormal),
        ..Battery::default()
    };
    let gauges = Gauges { battery, ..Gauges::default() };
    let image = ConnectorImage { gauges, ..idle(PileKind::Dc) };
    has(
        &image,
        &[
            ("battery_type", 3),
            ("battery_rated_capacity", 150),
            ("battery_made_year", 2023),
            ("battery_made_month_day", 704),
            ("battery_cycles", 320),
            ("cell_max_voltage", 37),
            ("battery_max_current", 25_000),
            ("battery_nominal_energy", 605),
            ("battery_max_total_voltage", 4200),
            ("battery_max_temperature", 550),
            ("charging_mode", 2),
            ("battery_total_voltage", 3806),
            ("cell_highest_voltage_and_group", 9 << 12 | 341),
            ("battery_highest_temperature", 300),
            ("battery_soc_alarm", 1),
            ("battery_module_overtemperature", 2),
            ("battery_charge_overcurrent", 0),
            ("battery_connector_state", 2),
            ("insulation_fault", 1),
        ],
    );
    assert_eq!(told(&image).left_out, 1, "a temperature below nought");
}

#[test]
fn warnings_are_told_where_they_belong_and_what_none_speaks_of_is_well() {
    let warnings = BTreeSet::from([300, 100, 303, 316, 317, 329, 404, 417]);
    let image = ConnectorImage { warnings, ..idle(PileKind::Dc) };
    let points = points(&image);
    let mut wrong: Vec<_> = points.iter().filter(|(_, value)| **value != 0).collect();
    wrong.retain(|(name, _)| **name != "charger_state");
    let wanted = [
        (&"ac_input_voltage_alarm", &1),
        (&"battery_module_overtemperature", &1),
        (&"battery_reversed_fault", &1),
        (&"charger_overtemperature", &2),
        (&"emergency_stop", &1),
        (&"surge_arrester_fault", &1),
        (&"transaction_store_full_alarm", &1),
    ];
    assert_eq!(wrong, wanted);
    assert_eq!(points["meter_fault"], 0);
    assert!(!points.contains_key("gun_cover"), "nobody would say");
}

#[test]
fn what_a_battery_finds_wrong_is_wrong_whatever_the_pile_says_and_the_other_way_round() {
    let of = |warnings: &[i64], level| {
        let battery = Battery { cell_voltage_level: level, ..Battery::default() };
        let gauges = Gauges { battery, ..Gauges::default() };
        let warnings = warnings.iter().copied().collect();
        points(&ConnectorImage { warnings, gauges, ..idle(PileKind::Dc) })["bms_voltage_alarm"]
    };
    assert_eq!(of(&[], None), 0);
    assert_eq!(of(&[], Some(Level::Under)), 2);
    assert_eq!(of(&[406], Some(Level::Normal)), 1);
}

#[test]
fn what_does_not_fit_is_left_out_and_counted_and_a_gun_that_does_not_is_refused() {
    let gauges = Gauges {
        output_voltage_dv: Some(65_536),
        output_current_ca: Some(-1),
        temperature_dc: Some(65_535),
        meter: Some(Energy::from_wh(1 << 32)),
        ..Gauges::default()
    };
    let image = ConnectorImage { gauges, ..idle(PileKind::Dc) };
    assert_eq!(told(&image).left_out, 3);
    has(&image, &[("internal_temperature", 65_535)]);
    let far = ConnectorImage { plug: PlugNo(256), ..idle(PileKind::Dc) };
    let unfit = tell(&far, &settings()).unwrap_err();
    assert_eq!(unfit.to_string(), "gun cannot be carried: 256");
}

#[test]
fn an_idle_connector_is_written_as_python_writes_its_points() {
    let meter = Values {
        energy_import: Some(Energy::from_wh(4_294_967_295)),
        voltage_dv: [Some(2301), None, None],
        ..Values::default()
    };
    let image = ConnectorImage { meter: Some(meter), ..idle(PileKind::Ac) };
    let mut data = told(&image).data;
    // What no warning speaks of is told too; the vector has only these.
    let shown = ["charger_state", "vehicle_connected", "input_voltage_a", "active_energy_total"];
    data.points
        .retain(|told| shown.contains(&Point::find(told.value.kind(), told.address).unwrap().name));
    assert_eq!(Message::RealTime(data).encode().unwrap(), vector("data-idle-ac"));
}

#[test]
fn every_point_has_a_name_of_its_own_and_a_scale_of_tens() {
    let names: BTreeSet<_> = POINTS.iter().map(|point| point.name).collect();
    let keys: BTreeSet<_> = POINTS.iter().map(|point| (point.kind, point.address)).collect();
    assert_eq!((names.len(), keys.len()), (POINTS.len(), POINTS.len()));
    assert!(POINTS.iter().all(|point| [1, 10, 100, 1000].contains(&point.scale)));
}
