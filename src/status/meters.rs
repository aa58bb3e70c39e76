//! How meters and buses look as JSON; the names are a contract with scripts.

use serde::{Serialize, Serializer};

use super::{
    source::{BusFacts, Facts, SlaveFacts},
    view::stamp,
};
use crate::{
    domain::{
        id::MeterName,
        quantity::Energy,
        reading::{Measures, ReadFault, Values},
    },
    protocol::modbus::{Profile, Readout, Table, Told},
    site::snapshot::{MeterStatus, Snapshot},
};

/// A meter.
#[derive(Debug, Serialize)]
pub struct MeterView {
    name: String,
    bus: Option<String>,
    address: Option<u8>,
    profile: Option<String>,
    measures: MeasuresView,
    quality: &'static str,
    /// Age of the values.
    age_ms: Option<u64>,
    read_at: Option<String>,
    values: ValuesView,
    /// What is wrong with what came since.
    fault: Option<String>,
    /// When an operator last said that it was replaced.
    replaced_at: Option<String>,
}

/// What a meter measures: `"site"` or `{"connector": 1}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum MeasuresView {
    Site,
    Connector(u16),
}

/// The values of a reading; absent where the meter has none.
#[derive(Debug, Serialize)]
pub struct ValuesView {
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_import_wh: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    energy_export_wh: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_w: Option<i64>,
    #[serde(skip_serializing_if = "Phases::is_empty")]
    phase_power_w: Phases<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reactive_var: Option<i64>,
    #[serde(skip_serializing_if = "Phases::is_empty")]
    voltage_dv: Phases<u32>,
    #[serde(skip_serializing_if = "Phases::is_empty")]
    current_ca: Phases<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_chz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    power_factor_milli: Option<i32>,
}

/// L1, L2, L3: a meter of one phase has one of them. A phase without a value between others is
/// null.
#[derive(Debug)]
struct Phases<T>([Option<T>; 3]);

impl<T> Phases<T> {
    const fn is_empty(&self) -> bool {
        matches!(self.0, [None, None, None])
    }
}

impl<T: Serialize> Serialize for Phases<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = self.0.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        serializer.collect_seq(&self.0[..last])
    }
}

impl ValuesView {
    /// How values look.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        Self {
            energy_import_wh: values.energy_import.map(Energy::wh),
            energy_export_wh: values.energy_export.map(Energy::wh),
            power_w: values.power_w,
            phase_power_w: Phases(values.phase_power_w),
            reactive_var: values.reactive_var,
            voltage_dv: Phases(values.voltage_dv),
            current_ca: Phases(values.current_ca),
            frequency_chz: values.frequency_chz,
            power_factor_milli: values.power_factor_milli,
        }
    }
}

/// How the meters look.
#[must_use]
pub fn meters(snapshot: &Snapshot, facts: &Facts) -> Vec<MeterView> {
    snapshot.meters.iter().map(|meter| MeterView::of(meter, facts)).collect()
}

impl MeterView {
    fn of(meter: &MeterStatus, facts: &Facts) -> Self {
        let known = facts.meters.get(&meter.name);
        Self {
            name: meter.name.to_string(),
            bus: known.map(|known| known.bus.to_string()),
            address: known.map(|known| known.address),
            profile: known.map(|known| known.profile.clone()),
            measures: match meter.measures {
                Measures::Site => MeasuresView::Site,
                Measures::Connector(connector) => MeasuresView::Connector(connector.get()),
            },
            quality: meter.quality.name(),
            age_ms: meter.age_ms,
            read_at: meter.read_at.and_then(|at| stamp(at, &facts.zone)),
            values: ValuesView::of(&meter.values),
            fault: (!meter.fault.is_empty()).then(|| meter.fault.clone()),
            replaced_at: meter.replaced.and_then(|at| stamp(at, &facts.zone)),
        }
    }
}

/// A reading that somebody asked for, with the registers it was made from.
#[derive(Debug, Serialize)]
pub struct ReadingView {
    name: String,
    profile: String,
    values: Option<ValuesView>,
    fault: Option<String>,
    registers: Vec<RegisterView>,
}

/// What a register says.
#[derive(Debug, Serialize)]
struct RegisterView {
    quantity: String,
    /// `holding` or `input`.
    table: &'static str,
    /// From 0, as on the wire.
    address: u16,
    /// In hex, in the order of the wire; null if they were not read.
    words: Option<Vec<String>>,
    kind: String,
    /// A decimal number.
    value: Option<String>,
    unit: &'static str,
    fault: Option<String>,
}

impl ReadingView {
    /// How a reading looks.
    #[must_use]
    pub fn of(
        name: &MeterName,
        profile: &Profile,
        readout: &Readout,
        values: &Result<Values, ReadFault>,
    ) -> Self {
        Self {
            name: name.to_string(),
            profile: profile.name.clone(),
            values: values.as_ref().ok().map(ValuesView::of),
            fault: values.as_ref().err().map(ToString::to_string),
            registers: profile.told(readout).iter().map(RegisterView::of).collect(),
        }
    }
}

impl RegisterView {
    fn of(told: &Told<'_>) -> Self {
        let hex = |words: &[u16]| words.iter().map(|word| format!("{word:04x}")).collect();
        Self {
            quantity: told.register.quantity.to_string(),
            table: match told.register.block.table {
                Table::Holding => "holding",
                Table::Input => "input",
            },
            address: told.register.block.start,
            words: told.words.map(hex),
            kind: told.register.kind.name(),
            value: told.value.clone().ok().flatten(),
            unit: told.register.quantity.unit(),
            fault: told.value.as_ref().err().cloned(),
        }
    }
}

/// A bus.
#[derive(Debug, Serialize)]
pub struct BusView {
    name: String,
    port: String,
    state: &'static str,
    reason: Option<String>,
    load_permille: u32,
    opened: u64,
    noise_bytes: u64,
    babbles: u64,
    meters: Vec<SlaveView>,
}

/// The exchanges with a meter.
#[derive(Debug, Serialize)]
struct SlaveView {
    name: String,
    round_trip_ms: Option<u64>,
    requests: u64,
    readings: u64,
    timeouts: u64,
    damaged: u64,
    strays: u64,
    refusals: u64,
    backed_off_ms: Option<u64>,
    last_good_age_ms: Option<u64>,
    unavailable_values: u32,
    last_fault: Option<String>,
}

/// How the buses look.
#[must_use]
pub fn buses(facts: &Facts) -> Vec<BusView> {
    facts.buses.iter().map(BusView::of).collect()
}

impl BusView {
    fn of(bus: &BusFacts) -> Self {
        Self {
            name: bus.name.to_string(),
            port: bus.port.clone(),
            state: bus.state,
            reason: (!bus.reason.is_empty()).then(|| bus.reason.clone()),
            load_permille: bus.load_permille,
            opened: bus.opened,
            noise_bytes: bus.noise_bytes,
            babbles: bus.babbles,
            meters: bus.slaves.iter().map(SlaveView::of).collect(),
        }
    }
}

impl SlaveView {
    fn of(slave: &SlaveFacts) -> Self {
        Self {
            name: slave.meter.to_string(),
            // Half up: a millisecond is short enough on these lines.
            round_trip_ms: slave.round_trip_us.map(|us| (us + 500) / 1000),
            requests: slave.requests,
            readings: slave.readings,
            timeouts: slave.timeouts,
            damaged: slave.damaged,
            strays: slave.strays,
            refusals: slave.refusals,
            backed_off_ms: slave.backed_off_ms,
            last_good_age_ms: slave.last_good_age_ms,
            unavailable_values: slave.unavailable,
            last_fault: slave.last_fault.clone(),
        }
    }
}
