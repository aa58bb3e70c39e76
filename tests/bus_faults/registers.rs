//! Registers that tell whose they are, which, and of when.

use std::sync::Arc;

use sitepilot::{
    domain::{quantity::Energy, reading::Values, time::Mono},
    protocol::modbus::{
        Block, Confidence, Decimal, Kind, Need, Phase, Profile, Quantity, Register, Scale, Table,
        WordOrder,
    },
};

/// Where what stands.
const PLACES: [(Quantity, u16, Kind); 7] = [
    (Quantity::EnergyImport, 0x000, Kind::U64),
    (Quantity::EnergyExport, 0x004, Kind::U64),
    (Quantity::Power, 0x020, Kind::U32),
    (Quantity::Reactive, 0x022, Kind::U32),
    (Quantity::PhasePower(Phase::L1), 0x100, Kind::U32),
    (Quantity::PhasePower(Phase::L2), 0x102, Kind::U32),
    (Quantity::PhasePower(Phase::L3), 0x104, Kind::U32),
];

/// A number has that many ms; a test that lasts longer would wrap.
const TICKS: u64 = 1_000_000;

/// Meter and place, so that powers stay below what is possible.
fn number(address: u8, place: usize, tick: u64) -> u64 {
    assert!(tick < TICKS, "the test takes too long");
    (u64::from(address) * 7 + u64::try_from(place).unwrap()) * TICKS + tick
}

/// What stands in a register at a moment.
pub fn word(address: u8, register: u16, tick: u64) -> u16 {
    let own = PLACES.iter().enumerate().find_map(|(place, (_, start, kind))| {
        let at = register.checked_sub(*start).filter(|at| *at < kind.registers())?;
        let shift = 16 * (kind.registers() - 1 - at);
        Some(number(address, place, tick) >> shift & 0xFFFF)
    });
    own.map_or(0, |word| u16::try_from(word).unwrap())
}

/// The profile of such a meter. Three requests read it, each of which can be cut in two.
pub fn profile() -> Arc<Profile> {
    let register = |(quantity, start, kind): (Quantity, u16, Kind)| Register {
        quantity,
        block: Block { table: Table::Holding, start, count: kind.registers() },
        kind,
        words: WordOrder::Big,
        scale: Scale::fixed(Decimal::ONE),
        absent: Vec::new(),
        need: Need::Required,
        confidence: Confidence::High,
        source: "made for this test".into(),
    };
    Arc::new(Profile {
        name: "telling".into(),
        manufacturer: String::new(),
        model: String::new(),
        verified: false,
        source: String::new(),
        max_registers: 8,
        max_gap: 0,
        unreadable: Vec::new(),
        silence_ms: 0,
        serial: None,
        address: None,
        identity: Vec::new(),
        registers: PLACES.map(register).into(),
    })
}

/// What is wrong with published values, if anything: another meter's, another place's, older than
/// the reading, or of the future.
pub fn wrong(address: u8, values: &Values, at: Mono, now: Mono) -> Option<String> {
    let power = |watts: Option<i64>| watts.map(|watts| u64::try_from(watts).unwrap());
    let said = [
        values.energy_import.map(Energy::wh),
        values.energy_export.map(Energy::wh),
        power(values.power_w),
        power(values.reactive_var),
        power(values.phase_power_w[0]),
        power(values.phase_power_w[1]),
        power(values.phase_power_w[2]),
    ];
    said.iter().enumerate().find_map(|(place, said)| {
        let range = number(address, place, at.0)..=number(address, place, now.0);
        let is_right = said.is_some_and(|said| range.contains(&said));
        (!is_right).then(|| format!("{said:?} of {:?} is not in {range:?}", PLACES[place].0))
    })
}
