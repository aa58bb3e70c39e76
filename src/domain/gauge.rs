//! What piles measure at a connector, in integers. `None` everywhere: the pile did not say it.

use super::quantity::{Energy, Money};

/// Values of one connector that a pile reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Output voltage in 0.1 V. Piles of alternating current may say that of the phases alone.
    pub output_voltage_dv: Option<i32>,
    /// Output current in 0.01 A. Piles of alternating current may say that of the phases alone.
    pub output_current_ca: Option<i32>,
    /// Output power in W.
    pub power_w: Option<i32>,
    /// Voltages of the phases in 0.1 V: L1, L2, L3.
    pub input_voltage_dv: [Option<i32>; 3],
    /// Currents of the phases in 0.01 A: L1, L2, L3.
    pub input_current_ca: [Option<i32>; 3],
    /// Temperature inside the pile in 0.1 °C.
    pub temperature_dc: Option<i32>,
    /// State of charge of the vehicle in %, 0 to 100.
    pub soc_percent: Option<u8>,
    /// Energy of the running order so far.
    pub charged: Option<Energy>,
    /// Cost of the running order so far.
    pub cost: Option<Money>,
    /// How long the running order has charged, in s.
    pub charging_s: Option<u32>,
    /// How long it will go on, in s.
    pub remaining_s: Option<u32>,
    /// Reading of the pile's own meter.
    pub meter: Option<Energy>,
    /// Identification number of the vehicle.
    pub vin: Option<String>,
    /// The gun sits where it should, as measurand 115 has it; the tables do not say whether that
    /// is its holder.
    pub is_seated: Option<bool>,
    /// The parking space is taken (measurand 132: 1).
    pub is_space_taken: Option<bool>,
    /// Ground lock: the number of measurand 133, which no table explains.
    pub ground_lock: Option<i32>,
    /// What the vehicle's battery says of itself.
    pub battery: Battery,
}

/// What the battery management of a vehicle says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Battery {
    /// Version of its protocol.
    pub protocol: Option<String>,
    /// Kind: 1 lead-acid, 2 NiMH, 3 LFP, 4 LMO, 5 LCO, 6 NCM, 7 polymer Li-ion, 8 LTO.
    pub kind: Option<u8>,
    /// Rated capacity in Ah.
    pub capacity_ah: Option<i32>,
    /// Rated total voltage in 0.01 V.
    pub rated_voltage_cv: Option<i32>,
    /// Who made it.
    pub vendor: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Year, month and day it was made.
    pub made: Option<(u16, u8, u8)>,
    /// Charging cycles so far.
    pub cycles: Option<i32>,
    /// Property mark: 0 hired, 1 the vehicle's own.
    pub property: Option<i32>,
    /// Version of its software.
    pub software: Option<String>,
    /// Greatest voltage of a cell in 0.01 V.
    pub cell_max_voltage_cv: Option<i32>,
    /// Greatest charging current in 0.01 A.
    pub max_current_ca: Option<i32>,
    /// Nominal energy.
    pub nominal_energy: Option<Energy>,
    /// Greatest total voltage in 0.01 V.
    pub max_voltage_cv: Option<i32>,
    /// Greatest temperature in 0.1 °C.
    pub max_temperature_dc: Option<i32>,
    /// How it wants to be charged.
    pub mode: Option<ChargeMode>,
    /// Voltage it asks for in 0.01 V.
    pub demand_voltage_cv: Option<i32>,
    /// Current it asks for in 0.01 A.
    pub demand_current_ca: Option<i32>,
    /// Total voltage now in 0.01 V, as the vehicle measures it.
    pub voltage_cv: Option<i32>,
    /// Charging current now in 0.01 A, as the vehicle measures it.
    pub current_ca: Option<i32>,
    /// Highest voltage of a cell now in 0.01 V, and the cell's number.
    pub highest_cell: Option<(i32, i32)>,
    /// Highest temperature now in 0.1 °C; its only one, where a pile says one alone.
    pub highest_temperature_dc: Option<i32>,
    /// Lowest temperature now in 0.1 °C.
    pub lowest_temperature_dc: Option<i32>,
    /// How it finds the voltage of its cells.
    pub cell_voltage_level: Option<Level>,
    /// How it finds its state of charge.
    pub soc_level: Option<Level>,
    /// How it finds the charging current.
    pub current_level: Option<Level>,
    /// How it finds its temperature.
    pub temperature_level: Option<Level>,
    /// How it finds its insulation.
    pub insulation: Option<Soundness>,
    /// How it finds its connector.
    pub contactor: Option<Soundness>,
}

/// How a battery is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeMode {
    /// At constant voltage.
    ConstantVoltage,
    /// At constant current.
    ConstantCurrent,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Where it should.
    Normal,
    /// Too high.
    Over,
    /// Too low.
    Under,
}

/// Whether something is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soundness {
    /// It is.
    Normal,
    /// It is not.
    Abnormal,
    /// It cannot be told.
    Untold,
}
