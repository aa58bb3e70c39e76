//! The measuring points a gate can tell of a connector.

/// How the value of a point is written. A point is named by this and its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A state of two values, in a byte.
    Single,
    /// A state of more values, in a byte.
    Double,
    /// A measured value, in 2 bytes.
    Measured,
    /// A long measured value, in 4 bytes.
    Long,
}

impl Kind {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Single => 1,
            Self::Double => 2,
            Self::Measured => 3,
            Self::Long => 4,
        }
    }

    /// By the number on the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Single),
            2 => Some(Self::Double),
            3 => Some(Self::Measured),
            4 => Some(Self::Long),
            _ => None,
        }
    }
}

/// A value as it is written. The source does not say that any is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// See [`Kind::Single`].
    Single(u8),
    /// See [`Kind::Double`].
    Double(u8),
    /// See [`Kind::Measured`].
    Measured(u16),
    /// See [`Kind::Long`].
    Long(u32),
}

impl Value {
    /// How it is written.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Single(_) => Kind::Single,
            Self::Double(_) => Kind::Double,
            Self::Measured(_) => Kind::Measured,
            Self::Long(_) => Kind::Long,
        }
    }

    /// The number that is written.
    #[must_use]
    pub fn raw(self) -> u32 {
        match self {
            Self::Single(value) | Self::Double(value) => value.into(),
            Self::Measured(value) => value.into(),
            Self::Long(value) => value,
        }
    }
}

/// Which piles have a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piles {
    /// All.
    Any,
    /// Those that give direct current.
    DcOnly,
}

/// One measuring point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// How its value is written.
    pub kind: Kind,
    /// Its address among those of its kind.
    pub address: u16,
    /// What it is.
    pub name: &'static str,
    /// Which piles have it.
    pub piles: Piles,
    /// The written value is that many times the value in its unit.
    pub scale: u32,
    /// The unit; empty where there is none.
    pub unit: &'static str,
    /// What its values mean, `number meaning` with semicolons between; or a remark.
    pub values: &'static str,
}

impl Point {
    /// The point of a kind and an address, if there is one.
    #[must_use]
    pub fn find(kind: Kind, address: u16) -> Option<&'static Self> {
        POINTS.iter().find(|point| point.kind == kind && point.address == address)
    }

    /// What a value means, where the values have meanings.
    #[must_use]
    pub fn meaning(&self, raw: u32) -> Option<&'static str> {
        let parted = self.values.split("; ").filter_map(|value| value.split_once(' '));
        let mut known = parted.filter(|(number, _)| number.parse() == Ok(raw));
        known.next().map(|(_, meaning)| meaning)
    }
}

/// Makes a constant of every point, and the list of all.
macro_rules! points {
    ($($point:ident = $name:literal $kind:ident $address:literal $piles:ident
       $scale:literal $unit:literal $values:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $point: Point = Point {
                kind: Kind::$kind,
                address: $address,
                name: $name,
                piles: Piles::$piles,
                scale: $scale,
                unit: $unit,
                values: $values,
            };
        )*

        /// All points.
        pub const POINTS: &[Point] = &[$($point),*];
    };
}

points! {
    VEHICLE_CONNECTED = "vehicle_connected" Single 1 Any 1 "" "0 no; 1 yes";
    GUN_SEATED = "gun_seated" Single 2 Any 1 "" "0 not seated; 1 seated";
    GUN_COVER = "gun_cover" Single 3 Any 1 "" "0 open; 1 closed";
    VEHICLE_COMMUNICATION = "vehicle_communication" Single 4 Any 1 ""
        "0 not established; 1 established";
    PARKING_SPACE_OCCUPIED = "parking_space_occupied" Single 5 Any 1 "" "0 empty; 1 occupied";
    CARD_READER_FAULT = "card_reader_fault" Single 6 Any 1 "" "0 normal; 1 fault";
    EMERGENCY_STOP = "emergency_stop" Single 7 Any 1 "" "0 normal; 1 pressed";
    SURGE_ARRESTER_FAULT = "surge_arrester_fault" Single 8 Any 1 "" "0 normal; 1 fault";
    INSULATION_FAULT = "insulation_fault" Single 9 Any 1 "" "0 normal; 1 fault";
    GUN_NOT_CONNECTED_ALARM = "gun_not_connected_alarm" Single 10 Any 1 "" "0 normal; 1 alarm";
    TRANSACTION_STORE_FULL_ALARM = "transaction_store_full_alarm" Single 11 Any 1 ""
        "0 normal; 1 alarm";
    METER_FAULT = "meter_fault" Single 12 Any 1 "" "0 normal; 1 alarm";
    BATTERY_REVERSED_FAULT = "battery_reversed_fault" Single 17 DcOnly 1 "" "0 normal; 1 fault";
    SMOKE_ALARM = "smoke_alarm" Single 18 DcOnly 1 "" "0 normal; 1 alarm";
    BMS_COMMUNICATION_FAULT = "bms_communication_fault" Single 19 DcOnly 1 "" "0 normal; 1 fault";
    DC_METER_FAULT = "dc_meter_fault" Single 20 DcOnly 1 "" "0 normal; 1 fault";
    DC_OUTPUT_OVERCURRENT = "dc_output_overcurrent" Single 21 DcOnly 1 "" "0 normal; 1 overcurrent";
    AC_INPUT_VOLTAGE_ALARM = "ac_input_voltage_alarm" Double 1 Any 1 "" "0 normal; 1 over; 2 under";
    CHARGER_OVERTEMPERATURE = "charger_overtemperature" Double 2 Any 1 ""
        "0 normal; 1 over; 2 untrusted";
    AC_CURRENT_OVERLOAD = "ac_current_overload" Double 3 Any 1 "" "0 normal; 1 over; 2 under";
    OUTPUT_RELAY_STATE = "output_relay_state" Double 4 Any 1 ""
        "0 normal; 1 normal (the source lists both); 2 untrusted";
    CHARGING_MODE = "charging_mode" Double 9 DcOnly 1 ""
        "0 untrusted; 1 constant voltage; 2 constant current";
    BATTERY_SOC_ALARM = "battery_soc_alarm" Double 10 DcOnly 1 "" "0 normal; 1 high; 2 low";
    BATTERY_MODULE_OVERTEMPERATURE = "battery_module_overtemperature" Double 11 DcOnly 1 ""
        "0 normal; 1 over; 2 untrusted";
    OUTPUT_CONNECTOR_OVERTEMPERATURE = "output_connector_overtemperature" Double 12 DcOnly 1 ""
        "0 normal; 1 over; 2 untrusted";
    BATTERY_CONNECTOR_STATE = "battery_connector_state" Double 13 DcOnly 1 ""
        "0 normal; 1 abnormal; 2 untrusted";
    BATTERY_CHARGE_OVERCURRENT = "battery_charge_overcurrent" Double 14 DcOnly 1 ""
        "0 normal; 1 over; 2 untrusted";
    DC_BUS_VOLTAGE_ALARM = "dc_bus_voltage_alarm" Double 15 DcOnly 1 "" "0 normal; 1 over; 2 under";
    BMS_VOLTAGE_ALARM = "bms_voltage_alarm" Double 16 DcOnly 1 "" "0 normal; 1 over; 2 under";
    CHARGER_STATE = "charger_state" Measured 1 Any 1 ""
        "0 offline; 1 fault; 2 standby; 3 charging; 8 reserved; 9 upgrading; \
         10 in operation; 11 setting; 12 choosing mode; 17 waiting to charge; \
         30 initialising; 31 undervoltage; 32 overvoltage; 33 overcurrent; 34 arrester; \
         35 meter; 36 contactor; 37 insulation; 38 emergency stop";
    GROUND_LOCK_STATE = "ground_lock_state" Measured 2 Any 1 ""
        "0 unknown; 1 down; 2 up; 3 moving; 4 fault";
    OUTPUT_VOLTAGE = "output_voltage" Measured 3 Any 10 "V" "";
    OUTPUT_CURRENT = "output_current" Measured 4 Any 100 "A" "";
    SOC = "soc" Measured 5 DcOnly 1 "%" "";
    CHARGING_TIME = "charging_time" Measured 6 Any 1 "min" "";
    REMAINING_TIME = "remaining_time" Measured 7 Any 1 "min" "";
    BATTERY_TYPE = "battery_type" Measured 17 Any 1 ""
        "1 lead-acid; 2 NiMH; 3 LFP; 4 LMO; 5 LCO; 6 NCM; 7 polymer Li-ion; 8 LTO";
    BATTERY_RATED_CAPACITY = "battery_rated_capacity" Measured 18 Any 1 "Ah" "";
    BATTERY_MADE_YEAR = "battery_made_year" Measured 19 Any 1 "year" "";
    BATTERY_MADE_MONTH_DAY = "battery_made_month_day" Measured 20 Any 1 "" "month*100+day";
    BATTERY_CYCLES = "battery_cycles" Measured 21 Any 1 "" "";
    CELL_MAX_VOLTAGE = "cell_max_voltage" Measured 22 Any 10 "V" "";
    BATTERY_MAX_CURRENT = "battery_max_current" Measured 23 Any 100 "A" "";
    BATTERY_NOMINAL_ENERGY = "battery_nominal_energy" Measured 24 Any 10 "kWh" "";
    BATTERY_MAX_TOTAL_VOLTAGE = "battery_max_total_voltage" Measured 25 Any 10 "V" "";
    BATTERY_MAX_TEMPERATURE = "battery_max_temperature" Measured 26 Any 10 "degC" "";
    CELL_HIGHEST_VOLTAGE_AND_GROUP = "cell_highest_voltage_and_group" Measured 33 Any 1 "" "";
    BATTERY_HIGHEST_TEMPERATURE = "battery_highest_temperature" Measured 34 Any 10 "degC" "";
    BATTERY_LOWEST_TEMPERATURE = "battery_lowest_temperature" Measured 35 Any 10 "degC" "";
    BATTERY_TOTAL_VOLTAGE = "battery_total_voltage" Measured 36 Any 10 "V" "";
    INPUT_VOLTAGE_A = "input_voltage_a" Measured 41 Any 10 "V" "";
    INPUT_VOLTAGE_B = "input_voltage_b" Measured 42 Any 10 "V" "";
    INPUT_VOLTAGE_C = "input_voltage_c" Measured 43 Any 10 "V" "";
    INPUT_CURRENT_A = "input_current_a" Measured 44 Any 100 "A" "";
    INPUT_CURRENT_B = "input_current_b" Measured 45 Any 100 "A" "";
    INPUT_CURRENT_C = "input_current_c" Measured 46 Any 100 "A" "";
    OUTPUT_MAX_VOLTAGE = "output_max_voltage" Measured 47 Any 10 "V" "";
    OUTPUT_MIN_VOLTAGE = "output_min_voltage" Measured 48 Any 10 "V" "";
    OUTPUT_MAX_CURRENT = "output_max_current" Measured 49 Any 100 "A" "";
    INTERNAL_TEMPERATURE = "internal_temperature" Measured 50 Any 10 "degC" "";
    ACTIVE_ENERGY_TOTAL = "active_energy_total" Long 1 Any 1000 "kWh" "meter reading";
    CHARGED_AMOUNT = "charged_amount" Long 2 Any 100 "yuan" "";
    UNIT_PRICE = "unit_price" Long 3 Any 1000 "yuan/kWh" "";
    CHARGED_ENERGY = "charged_energy" Long 4 Any 1000 "kWh" "";
}
