//! What a reading of a meter costs our bus in processor time, beside a client of libmodbus that
//! asks the same slave for the same registers over the same pseudo-terminal.
//!
//! `cargo bench --bench bus_cpu`. The two take turns within one run; ratios carry over, absolute
//! figures do not. It wants `cc`, `pkg-config` and Debian's `libmodbus-dev`.

#![allow(missing_docs, reason = "a program, not a library")]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "lab/modbus.rs"]
mod modbus;

use std::{ffi::OsString, path::Path, sync::Arc, time::Instant};

use modbus::{ADDRESS, Cost, Slave};
use rustix::time::{ClockId, clock_gettime};
use sitepilot::{
    domain::{
        id::{BusName, MeterName},
        quantity::Energy,
        reading::{MeterEvent, Values},
        time::Mono,
    },
    metering::time::Micros,
    protocol::modbus::{
        Block, Confidence, Decimal, FactorForm, Kind, Need, Parity, Phase, Profile, Quantity,
        Register, Scale, Table, WordOrder,
    },
    serial,
};

/// Turns of each; the median counts.
const TURNS: usize = 5;
const INTERVAL_MS: u32 = 10;
/// Readings before those that count.
const WARM_UP: u32 = 50;
const READINGS: u32 = 500;
/// First word of the command line of our side, which is a process of its own as well.
const READ: &str = "read";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, port, registers] = arguments.as_slice()
        && first == READ
    {
        read(Path::new(port), registers.parse().expect("a number"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let programs = modbus::build(dir.path()).unwrap_or_else(|missing| {
        eprintln!("nothing to compare with: {missing}");
        std::process::exit(1);
    });
    let mut slave = Slave::start(&programs);
    println!("processor time per reading in µs; {READINGS} readings, one each {INTERVAL_MS} ms");
    println!("median (least to most) of {TURNS} turns\n");
    println!("| registers | sitepilot | libmodbus | ratio |");
    println!("|--:|--:|--:|--:|");
    for registers in [20, 60] {
        slave.set(&profile(registers).image(&values()));
        compare(&slave.port, &programs.client, registers);
    }
}

fn compare(port: &Path, client: &Path, registers: u16) {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // Whoever is first may find other caches.
        let (one, other) = if turn % 2 == 0 {
            let one = ourselves(port, registers);
            (one, libmodbus(client, port, registers))
        } else {
            let other = libmodbus(client, port, registers);
            (ourselves(port, registers), other)
        };
        assert_eq!((one.failed, other.failed), (0, 0), "readings failed");
        let (one, other) = (one.each_us(READINGS), other.each_us(READINGS));
        ours.push(one);
        theirs.push(other);
        ratios.push(one / other);
    }
    let (ours, theirs, ratios) = (spread(ours, 1), spread(theirs, 1), spread(ratios, 2));
    println!("| {registers} | {ours} | {theirs} | {ratios} |");
}

/// Median, least and most.
fn spread(mut figures: Vec<f64>, places: usize) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (figures[0], figures[figures.len() - 1]);
    format!("{:.places$} ({least:.places$} to {most:.places$})", figures[figures.len() / 2])
}

fn libmodbus(client: &Path, port: &Path, registers: u16) -> Cost {
    let numbers = [
        u32::from(ADDRESS),
        u32::from(FIRST),
        u32::from(registers),
        INTERVAL_MS * 1000,
        WARM_UP,
        READINGS,
    ];
    let numbers = numbers.map(|number| number.to_string().into());
    let arguments: Vec<OsString> = std::iter::once(port.into()).chain(numbers).collect();
    modbus::cost_of(client, &arguments)
}

/// Our side, as a process of its own.
fn ourselves(port: &Path, registers: u16) -> Cost {
    let program = std::env::current_exe().expect("this program");
    modbus::cost_of(&program, &[READ.into(), port.into(), registers.to_string().into()])
}

const FIRST: u16 = 0;

const QUANTITIES: [Quantity; 15] = [
    Quantity::EnergyImport,
    Quantity::EnergyExport,
    Quantity::Power,
    Quantity::PhasePower(Phase::L1),
    Quantity::PhasePower(Phase::L2),
    Quantity::PhasePower(Phase::L3),
    Quantity::Voltage(Phase::L1),
    Quantity::Voltage(Phase::L2),
    Quantity::Voltage(Phase::L3),
    Quantity::Frequency,
    Quantity::Current(Phase::L1),
    Quantity::Current(Phase::L2),
    Quantity::Current(Phase::L3),
    Quantity::Reactive,
    Quantity::PowerFactor(FactorForm::Plain),
];

/// Values side by side in so many registers: as many as there are, in the shortest kind.
fn profile(registers: u16) -> Profile {
    let (kind, words) = if registers > 30 { (Kind::F64, 4) } else { (Kind::F32, 2) };
    let starts = (FIRST..).step_by(usize::from(words));
    let register = |(quantity, start): (Quantity, u16)| Register {
        quantity,
        block: Block { table: Table::Input, start, count: words },
        kind,
        words: WordOrder::Big,
        scale: Scale::fixed(Decimal::ONE),
        absent: Vec::new(),
        need: Need::Required,
        confidence: Confidence::High,
        source: String::new(),
    };
    let wanted = usize::from(registers / words);
    Profile {
        name: "bench".into(),
        manufacturer: String::new(),
        model: String::new(),
        verified: false,
        source: String::new(),
        max_registers: 125,
        max_gap: 0,
        unreadable: Vec::new(),
        silence_ms: 0,
        serial: None,
        address: None,
        identity: Vec::new(),
        registers: QUANTITIES.into_iter().zip(starts).take(wanted).map(register).collect(),
    }
}

fn values() -> Values {
    Values {
        energy_import: Some(Energy::from_wh(12_345_678)),
        energy_export: Some(Energy::from_wh(4_321)),
        power_w: Some(11_040),
        phase_power_w: [Some(3_680); 3],
        reactive_var: Some(120),
        voltage_dv: [Some(2_301), Some(2_299), Some(2_310)],
        current_ca: [Some(1_600); 3],
        frequency_chz: Some(4_998),
        power_factor_milli: Some(987),
    }
}

/// Drives a bus of one meter, says what the readings have cost, and ends.
fn read(port: &Path, registers: u16) -> ! {
    let begun = Instant::now();
    let settings = serial::Settings {
        bus: BusName::new("bench").expect("a name"),
        port: serial::Port::Serial {
            path: port.into(),
            baud: 115_200,
            parity: Parity::None,
            stop_bits: 1,
            rs485: None,
        },
        turnaround_ms: 0,
        timeout_ms: 500,
        meters: vec![serial::MeterSettings {
            name: MeterName::new("bench").expect("a name"),
            address: ADDRESS,
            interval_ms: INTERVAL_MS,
            profile: Arc::new(profile(registers)),
        }],
        now: Arc::new(move || {
            let elapsed = begun.elapsed();
            let ms = u64::try_from(elapsed.as_millis()).expect("a short run");
            let us = u64::try_from(elapsed.as_micros()).expect("a short run");
            (Mono(ms), Micros(us))
        }),
    };
    let (_orders, told) = flume::bounded(1);
    let mut count = Count::default();
    let health = Arc::new(serial::Health::default());
    serial::run(settings, told, move |_, event| count.took(&event), health);
    panic!("the bus has ended");
}

/// Counts readings on our side.
#[derive(Default)]
struct Count {
    done: u32,
    failed: u64,
    begun_ns: u64,
}

impl Count {
    fn took(&mut self, event: &MeterEvent) {
        match event {
            MeterEvent::Read { values: read, .. } => {
                assert!(read.energy_import == values().energy_import, "other values: {read:?}");
            }
            MeterEvent::Failed { fault, .. } => {
                eprintln!("{fault}");
                self.failed += 1;
            }
        }
        self.done += 1;
        if self.done == WARM_UP {
            (self.begun_ns, self.failed) = (cpu_ns(), 0);
        }
        if self.done == WARM_UP + READINGS {
            println!("{} {}", cpu_ns() - self.begun_ns, self.failed);
            std::process::exit(0);
        }
    }
}

/// Processor time of this process, all threads.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds * 1_000_000_000 + nanoseconds
}
