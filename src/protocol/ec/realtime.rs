//! A connector as it is now, as measuring points.
//!
//! What the site does not know is left out, and so is what does not fit its bytes: the source does
//! not say that any value may be negative, so none is written that is.

use super::{
    Settings, faults,
    message::{PointValue, RealTime},
    points::{self as point, Kind, Piles, Point, Value},
};
use crate::{
    domain::{
        connector::{ConnectorImage, ConnectorState, PileKind, RunningOrder},
        gauge::{Battery, ChargeMode, Gauges},
        quantity::{Energy, Money},
        reading::Values,
    },
    protocol::dialect::Unfit,
};

/// The values of a connector, and how many did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What is told.
    pub data: RealTime,
    /// Values that are known and do not fit in the bytes of their point.
    pub left_out: u32,
}

/// Every point of a connector that the site knows. Of a pile that cannot be reached only that, and
/// what the site's own meter says.
///
/// # Errors
///
/// If the connector's number does not fit in a byte.
pub fn tell(image: &ConnectorImage, settings: &Settings) -> Result<Told, Unfit> {
    let gun = u8::try_from(image.plug.0)
        .map_err(|_| Unfit::Range { field: "gun", found: image.plug.0.to_string() })?;
    let mut told = Collected { kind: image.kind, points: Vec::new(), left_out: 0 };
    told.add(&point::CHARGER_STATE, Some(charger_state(image)));
    if image.is_reachable {
        told.states(image);
        told.output(&image.gauges);
        told.input(image);
        told.battery(&image.gauges.battery);
        if let Some(order) = &image.order {
            told.order(order, &image.gauges);
        }
    }
    let by_site = image.meter.and_then(|meter| meter.energy_import);
    let by_pile = image.gauges.meter.filter(|_| image.is_reachable);
    told.add(&point::ACTIVE_ENERGY_TOTAL, by_site.or(by_pile).map(wh));
    let data = RealTime {
        organisation: settings.organisation,
        pile: image.pile.into(),
        gun,
        kind: image.kind,
        points: told.points,
    };
    Ok(Told { data, left_out: told.left_out })
}

/// State of the charger. The wire has none for out of service: nobody can charge there, as at a
/// pile that cannot be reached. What a pile or a vehicle suspends goes on charging, as an order.
fn charger_state(image: &ConnectorImage) -> i64 {
    if !image.is_reachable {
        return 0;
    }
    let fault = faults::charger_state(&image.warnings);
    match image.state {
        None => 30,
        Some(ConnectorState::Fault) => fault.unwrap_or(1),
        Some(ConnectorState::Unavailable) => fault.unwrap_or(0),
        Some(
            ConnectorState::Charging
            | ConnectorState::SuspendedByPile
            | ConnectorState::SuspendedByVehicle,
        ) => 3,
        Some(ConnectorState::Reserved) => 8,
        Some(ConnectorState::Waiting) => 17,
        // The vehicle is there, and its order has begun.
        Some(ConnectorState::Connected) if image.order.is_some() => 17,
        Some(ConnectorState::Idle | ConnectorState::Connected | ConnectorState::Finished) => 2,
    }
}

/// Whether a vehicle hangs at the connector, as far as its state tells.
const fn has_vehicle(state: ConnectorState) -> Option<bool> {
    match state {
        ConnectorState::Connected
        | ConnectorState::Charging
        | ConnectorState::SuspendedByPile
        | ConnectorState::SuspendedByVehicle
        | ConnectorState::Finished => Some(true),
        ConnectorState::Idle => Some(false),
        ConnectorState::Unavailable
        | ConnectorState::Reserved
        | ConnectorState::Fault
        | ConnectorState::Waiting => None,
    }
}

/// What is told so far.
struct Collected {
    kind: PileKind,
    points: Vec<PointValue>,
    left_out: u32,
}

impl Collected {
    /// Takes a value, scaled as its point wants it, if it is known and the pile has the point.
    fn add(&mut self, point: &Point, value: Option<i64>) {
        let Some(value) = value else { return };
        if point.piles == Piles::DcOnly && self.kind == PileKind::Ac {
            return;
        }
        let fitted = match point.kind {
            Kind::Single => u8::try_from(value).ok().map(Value::Single),
            Kind::Double => u8::try_from(value).ok().map(Value::Double),
            Kind::Measured => u16::try_from(value).ok().map(Value::Measured),
            Kind::Long => u32::try_from(value).ok().map(Value::Long),
        };
        match fitted {
            Some(value) => self.points.push(PointValue { address: point.address, value }),
            None => self.left_out = self.left_out.saturating_add(1),
        }
    }

    fn states(&mut self, image: &ConnectorImage) {
        let gauges = &image.gauges;
        let vehicle = image.state.and_then(has_vehicle);
        self.add(&point::VEHICLE_CONNECTED, vehicle.map(i64::from));
        self.add(&point::GUN_SEATED, gauges.is_seated.map(i64::from));
        self.add(&point::PARKING_SPACE_OCCUPIED, gauges.is_space_taken.map(i64::from));
        // The measurand's numbers are stated nowhere; those of the point are passed through.
        let lock = gauges.ground_lock.filter(|lock| (0..=4).contains(lock));
        self.add(&point::GROUND_LOCK_STATE, lock.map(i64::from));
        for (point, value) in faults::points(&image.warnings, &gauges.battery) {
            self.add(point, Some(value));
        }
    }

    fn output(&mut self, gauges: &Gauges) {
        self.add(&point::OUTPUT_VOLTAGE, gauges.output_voltage_dv.map(i64::from));
        self.add(&point::OUTPUT_CURRENT, gauges.output_current_ca.map(i64::from));
        self.add(&point::SOC, gauges.soc_percent.map(i64::from));
        self.add(&point::INTERNAL_TEMPERATURE, gauges.temperature_dc.map(i64::from));
    }

    /// What the pile says of its input; where it gives alternating current, the connector's meter
    /// sees the same.
    fn input(&mut self, image: &ConnectorImage) {
        const VOLTAGES: [&Point; 3] =
            [&point::INPUT_VOLTAGE_A, &point::INPUT_VOLTAGE_B, &point::INPUT_VOLTAGE_C];
        const CURRENTS: [&Point; 3] =
            [&point::INPUT_CURRENT_A, &point::INPUT_CURRENT_B, &point::INPUT_CURRENT_C];
        let metered: Option<Values> = image.meter.filter(|_| image.kind == PileKind::Ac);
        for (phase, point) in VOLTAGES.into_iter().enumerate() {
            let voltage_dv = image.gauges.input_voltage_dv[phase].map(i64::from);
            let by_meter = metered.and_then(|meter| meter.voltage_dv[phase]).map(i64::from);
            self.add(point, voltage_dv.or(by_meter));
        }
        for (phase, point) in CURRENTS.into_iter().enumerate() {
            let current_ca = image.gauges.input_current_ca[phase].map(i64::from);
            let by_meter = metered.and_then(|meter| meter.current_ca[phase]).map(i64::from);
            self.add(point, current_ca.or(by_meter));
        }
    }

    fn battery(&mut self, battery: &Battery) {
        let mode = battery.mode.map(|mode| match mode {
            ChargeMode::ConstantVoltage => 1,
            ChargeMode::ConstantCurrent => 2,
        });
        self.add(&point::CHARGING_MODE, mode);
        self.add(&point::BATTERY_TYPE, battery.kind.map(i64::from));
        self.add(&point::BATTERY_CYCLES, battery.cycles.map(i64::from));
        self.add(&point::BATTERY_RATED_CAPACITY, battery.capacity_ah.map(i64::from));
        self.add(&point::BATTERY_MADE_YEAR, battery.made.map(|(year, _, _)| year.into()));
        let month_day = battery.made.map(|(_, month, day)| i64::from(month) * 100 + i64::from(day));
        self.add(&point::BATTERY_MADE_MONTH_DAY, month_day);
        self.add(&point::CELL_MAX_VOLTAGE, battery.cell_max_voltage_cv.map(tenths));
        self.add(&point::BATTERY_MAX_CURRENT, battery.max_current_ca.map(i64::from));
        // From Wh to 0.1 kWh, rounded half up.
        let nominal = battery.nominal_energy.map(|energy| (wh(energy).saturating_add(50)) / 100);
        self.add(&point::BATTERY_NOMINAL_ENERGY, nominal);
        self.add(&point::BATTERY_MAX_TOTAL_VOLTAGE, battery.max_voltage_cv.map(tenths));
        self.add(&point::BATTERY_MAX_TEMPERATURE, battery.max_temperature_dc.map(i64::from));
        let highest = battery.highest_cell.map(|(voltage_cv, cell)| packed(voltage_cv, cell));
        self.add(&point::CELL_HIGHEST_VOLTAGE_AND_GROUP, highest);
        let (hot_dc, cold_dc) = (battery.highest_temperature_dc, battery.lowest_temperature_dc);
        self.add(&point::BATTERY_HIGHEST_TEMPERATURE, hot_dc.map(i64::from));
        self.add(&point::BATTERY_LOWEST_TEMPERATURE, cold_dc.map(i64::from));
        self.add(&point::BATTERY_TOTAL_VOLTAGE, battery.voltage_cv.map(tenths));
    }

    fn order(&mut self, order: &RunningOrder, gauges: &Gauges) {
        let elapsed_s = gauges.charging_s.map_or(order.elapsed_s, u64::from);
        // Whole minutes that have passed, and minutes begun that are to come.
        self.add(&point::CHARGING_TIME, Some(signed(elapsed_s / 60)));
        let remaining = gauges.remaining_s.map(|remaining_s| remaining_s.div_ceil(60));
        self.add(&point::REMAINING_TIME, remaining.map(i64::from));
        self.add(&point::CHARGED_AMOUNT, order.cost.or(gauges.cost).map(Money::fen));
        self.add(&point::CHARGED_ENERGY, order.energy.or(gauges.charged).map(wh));
    }
}

/// From 0.01 V to 0.1 V, rounded half up.
fn tenths(hundredths: i32) -> i64 {
    (i64::from(hundredths) + 5).div_euclid(10)
}

/// Voltage of a cell in 0.01 V in the lower 12 bits, number of its group in the upper 4, as GB/T
/// 27930 writes both in its message BCS; the table of points does not say how they stand together.
/// What does not fit its bits fits nowhere.
fn packed(voltage_cv: i32, cell: i32) -> i64 {
    let fits = (0..1 << 12).contains(&voltage_cv) && (0..1 << 4).contains(&cell);
    if fits { i64::from(cell) << 12 | i64::from(voltage_cv) } else { -1 }
}

fn wh(energy: Energy) -> i64 {
    signed(energy.wh())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
