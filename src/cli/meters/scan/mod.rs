//! `meters scan`: asks every address of a bus, and guesses what answers.

use std::sync::Arc;

use anyhow::anyhow;

use super::{
    super::{Common, Exit, Failure, client::Client},
    bus_name,
};
use crate::{
    clock::Clock,
    domain::{id::BusName, reading::ReadFault},
    protocol::modbus::{Block, Profile, Table},
    serial::{Port, Probe, TimeSource},
    service::config::{Bus, Lines},
};
use addresses::Addresses;
use bar::Bar;
use guess::guesses;
use interrupt::Interrupt;
use loan::Loan;
use report::{Found, Report};

mod addresses;
mod bar;
mod candidates;
mod guess;
mod interrupt;
mod loan;
mod report;

/// What to scan.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The bus, as in the config
    #[arg(long, value_name = "NAME", value_parser = bus_name)]
    bus: BusName,
    /// Which addresses, such as 1-20,100
    #[arg(long, value_name = "LIST", default_value = "1-247")]
    addresses: Addresses,
    /// Try these speeds at each parity, whatever is found; by default the common ones, until
    /// something is found
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = speed)]
    speeds: Vec<u32>,
    /// How long to wait for each answer
    #[arg(long, value_name = "N", default_value_t = 150,
          value_parser = clap::value_parser!(u32).range(20..=5000))]
    timeout_ms: u32,
}

fn speed(text: &str) -> Result<u32, String> {
    let speeds = Bus::SPEEDS;
    let list = || speeds.map(|speed| speed.to_string()).join(", ");
    let speed = text.parse().ok().filter(|speed| speeds.contains(speed));
    speed.ok_or_else(|| format!("not a speed of a serial line; there are: {}", list()))
}

/// An answer that was disturbed is asked for so often before the address is given up.
const TRIES: u8 = 3;

/// `meters scan`
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<Exit, Failure> {
    let lines = Lines::load(&common.config).map_err(Failure::Config)?;
    let Some(bus) = lines.bus(&arguments.bus) else {
        let names: Vec<_> = lines.buses.iter().map(|bus| bus.name.as_str()).collect();
        let hint = match names.as_slice() {
            [] => format!("there is none at all: write a [[bus]] into {}", common.config.display()),
            names => names.join(", "),
        };
        return Err(anyhow!("there is no bus of that name: {}\nhint: {hint}", arguments.bus).into());
    };
    let clock = Arc::new(Clock::passing());
    let client = Client::connect(&common.paths()?.socket)?;
    // Before the loan, which an interrupt has to give back.
    let interrupt = Interrupt::listen()?;
    let loan = Loan::take(client, &bus.name, clock.clone())?;
    let (profiles, faulty) = lines.shelf.all();
    for fault in &faulty {
        eprintln!("{fault}");
    }
    let candidates = candidates::of(&bus.port, &arguments.speeds);
    let steps = candidates.len() * arguments.addresses.0.len();
    let mut scan = Scan {
        arguments,
        bus,
        profiles: &profiles,
        now: Arc::new(move || clock.fine()),
        bar: Bar::new(steps),
        interrupt,
        loan,
        report: Report::new(bus, &lines.seats),
    };
    let done = scan.all(&candidates);
    let Scan { mut report, bar, loan, interrupt, .. } = scan;
    bar.finish();
    // The bus is given back before anybody reads a long table.
    drop(loan);
    report.is_interrupted = interrupt.is_pressed();
    report.tell(common.json);
    done?;
    Ok(if report.is_interrupted { Exit::Failed } else { Exit::Done })
}

/// A scan under way.
struct Scan<'a> {
    arguments: &'a Arguments,
    bus: &'a Bus,
    profiles: &'a [Profile],
    now: TimeSource,
    bar: Bar,
    interrupt: Interrupt,
    loan: Loan,
    report: Report<'a>,
}

/// What an address has to say.
enum Heard {
    Nothing,
    /// Somebody is there.
    Meter,
    /// Somebody speaks, but cannot be understood.
    Noise,
}

impl Scan<'_> {
    fn all(&mut self, candidates: &[Port]) -> anyhow::Result<()> {
        for port in candidates {
            let before = self.report.found.len();
            match self.open(port) {
                Ok(probe) => self.at(port, probe)?,
                // The configured setting must do; not every adapter knows every other.
                Err(error) if port == &self.bus.port => return Err(error),
                Err(error) => eprintln!("{error:#}"),
            }
            let has_found = self.report.found.len() > before;
            let is_enough = has_found && self.arguments.speeds.is_empty();
            if is_enough || self.interrupt.is_pressed() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn open(&self, port: &Port) -> anyhow::Result<Probe> {
        let (turnaround, timeout) = (self.bus.turnaround_ms, self.arguments.timeout_ms);
        Ok(Probe::open(port.clone(), turnaround, timeout, self.now.clone())?)
    }

    /// All addresses at one setting.
    fn at(&mut self, port: &Port, mut probe: Probe) -> anyhow::Result<()> {
        self.bar.setting(&candidates::written(port));
        for address in self.arguments.addresses.0.clone() {
            if self.interrupt.is_pressed() {
                break;
            }
            self.bar.step();
            if self.report.has(address) {
                continue;
            }
            match self.listen(&mut probe, port, address)? {
                Heard::Nothing => {}
                Heard::Noise => self.report.noise(address, port),
                Heard::Meter => self.meet(&mut probe, port, address)?,
            }
        }
        Ok(())
    }

    fn listen(&mut self, probe: &mut Probe, port: &Port, address: u8) -> anyhow::Result<Heard> {
        let first = Block { table: Table::Holding, start: 0, count: 1 };
        for _ in 0..TRIES {
            self.loan.renew()?;
            match probe.ask(address, first) {
                Ok(_) => return Ok(Heard::Meter),
                Err(ReadFault::Refused(code)) if is_of_gateway(port, code) => {
                    return Ok(Heard::Nothing);
                }
                Err(ReadFault::Refused(_)) => return Ok(Heard::Meter),
                Err(ReadFault::NoAnswer) => return Ok(Heard::Nothing),
                Err(ReadFault::Damaged | ReadFault::Stray) => {}
                Err(fault @ (ReadFault::PortGone(_) | ReadFault::Unusable(_))) => {
                    return Err(fault.into());
                }
            }
        }
        Ok(Heard::Noise)
    }

    fn meet(&mut self, probe: &mut Probe, port: &Port, address: u8) -> anyhow::Result<()> {
        self.bar.say(&format!("address {address} answers, {}", candidates::written(port)));
        let (interrupt, loan) = (&self.interrupt, &mut self.loan);
        let mut lost = Ok(());
        let guesses = guesses(self.profiles, &mut |block, silence| {
            if lost.is_ok() {
                lost = loan.renew();
            }
            if lost.is_err() || interrupt.is_pressed() {
                return Err(ReadFault::NoAnswer);
            }
            std::thread::sleep(silence);
            probe.ask(address, block)
        });
        self.report.found.push(Found { address, port: port.clone(), guesses });
        lost
    }
}

/// What a gateway says of a unit that does not answer it: it cannot be reached, or was silent.
const GATEWAY_CODES: [u8; 2] = [0x0A, 0x0B];

fn is_of_gateway(port: &Port, code: u8) -> bool {
    matches!(port, Port::Tcp { .. }) && GATEWAY_CODES.contains(&code)
}
