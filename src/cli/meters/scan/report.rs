//! What a scan has found, as a table or a document, and as tables for the config.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    super::super::table::{NOTHING, json as print_json, print, table},
    candidates::written,
    guess::Guess,
};
use crate::{
    domain::{quantity::Energy, reading::Values},
    serial::Port,
    service::config::{Bus, Seat},
    status::ValuesView,
};

/// Somebody who answers.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) address: u8,
    pub(super) port: Port,
    /// The likeliest first.
    pub(super) guesses: Vec<Guess>,
}

/// What a scan has found.
pub(super) struct Report<'a> {
    bus: &'a Bus,
    seats: &'a [Seat],
    pub(super) found: Vec<Found>,
    noises: Vec<(u8, Port)>,
    pub(super) is_interrupted: bool,
}

impl<'a> Report<'a> {
    pub(super) const fn new(bus: &'a Bus, seats: &'a [Seat]) -> Self {
        Self { bus, seats, found: Vec::new(), noises: Vec::new(), is_interrupted: false }
    }

    /// Whether somebody was found at an address.
    pub(super) fn has(&self, address: u8) -> bool {
        self.found.iter().any(|found| found.address == address)
    }

    /// Somebody speaks at an address, and cannot be understood.
    pub(super) fn noise(&mut self, address: u8, port: &Port) {
        self.noises.push((address, port.clone()));
    }

    /// The name that the config has for an address.
    fn configured(&self, found: &Found) -> Option<&'a Seat> {
        let is_it = |seat: &&Seat| seat.bus == self.bus.name && seat.address == found.address;
        self.seats.iter().find(is_it).filter(|_| found.port == self.bus.port)
    }

    pub(super) fn tell(&self, as_json: bool) {
        if as_json {
            print_json(&self.document());
        } else {
            self.print();
        }
        for (address, port) in &self.noises {
            eprintln!(
                "address {address} says something that is no answer at {}: two meters of that \
                 address, another setting, or a bad line",
                written(port)
            );
        }
        if self.found.is_empty() {
            eprintln!(
                "nothing answers\nhint: A and B may be swapped, the far end lacks its resistor, \
                 or the meter's protocol is not Modbus"
            );
        }
        if self.is_interrupted {
            eprintln!("interrupted: not every address was asked");
        }
    }

    fn print(&self) {
        let rows: Vec<_> = self.found.iter().flat_map(|found| self.rows(found)).collect();
        table(["address", "setting", "in the config", "profile", "signs", "values"], &rows);
        let snippet = self.snippet();
        if !snippet.is_empty() {
            print(&format!("\n{snippet}"));
        }
    }

    fn rows(&self, found: &Found) -> Vec<[String; 6]> {
        let name = self.configured(found);
        let name = name.map_or_else(|| NOTHING.to_owned(), |seat| seat.name.to_string());
        let first = [found.address.to_string(), written(&found.port), name];
        let nothing = || [const { String::new() }; 3];
        let mut heads = std::iter::once(first).chain(std::iter::repeat_with(nothing));
        let guesses: Vec<_> = match found.guesses.as_slice() {
            [] => vec![["none fits".to_owned(), NOTHING.to_owned(), NOTHING.to_owned()]],
            guesses => guesses.iter().map(cells).collect(),
        };
        let rows = guesses.into_iter().map(|[profile, signs, values]| {
            let [address, setting, name] = heads.next().unwrap_or_else(nothing);
            [address, setting, name, profile, signs, values]
        });
        rows.collect()
    }

    fn document(&self) -> Value {
        let found = self.found.iter().map(|found| {
            json!({
                "address": found.address,
                "setting": setting(&found.port),
                "name": self.configured(found).map(|seat| seat.name.to_string()),
                "profiles": found.guesses.iter().map(guess).collect::<Vec<_>>(),
            })
        });
        let noises = self.noises.iter();
        let noises =
            noises.map(|(address, port)| json!({ "address": address, "setting": setting(port) }));
        json!({
            "bus": self.bus.name.as_str(),
            "found": found.collect::<Vec<_>>(),
            "disturbed": noises.collect::<Vec<_>>(),
            "config": self.snippet(),
            "interrupted": self.is_interrupted,
        })
    }

    /// Tables for the config, of those that are not in it.
    fn snippet(&self) -> String {
        let mut text = String::new();
        let new = self.found.iter().filter(|found| self.configured(found).is_none());
        for found in new {
            let Some(best) = found.guesses.first() else { continue };
            if found.port != self.bus.port {
                let line = written(&found.port);
                // Writing into a string does not fail, here and below.
                let _ = writeln!(text, "# {} is to be set to {line} for this one", self.bus.name);
            }
            let (bus, address, profile) = (&self.bus.name, found.address, &best.profile);
            let _ = write!(
                text,
                "[[meter]]\n\
                 name = \"meter-{address}\"\n\
                 bus = \"{bus}\"\n\
                 address = {address}\n\
                 profile = \"{profile}\"\n\
                 measures = \"site\"   # or {{ pile = \"CODE\", connector = NUMBER }}\n\n"
            );
        }
        text
    }
}

fn setting(port: &Port) -> Value {
    match port {
        Port::Serial { baud, parity, stop_bits, .. } => {
            json!({ "baud": baud, "parity": parity.to_string(), "stop_bits": stop_bits })
        }
        Port::Tcp { address, .. } => json!({ "address": address }),
    }
}

fn guess(guess: &Guess) -> Value {
    json!({
        "profile": guess.profile,
        "model": guess.model,
        "identified": guess.is_identified,
        "signs": guess.signs,
        "values": ValuesView::of(&guess.values),
    })
}

fn cells(guess: &Guess) -> [String; 3] {
    let signs = match guess.is_identified {
        true => format!("identified, {}", guess.signs),
        false => guess.signs.to_string(),
    };
    [guess.profile.clone(), signs, evidence(&guess.values)]
}

/// Values to compare with a display.
fn evidence(values: &Values) -> String {
    let mut parts = Vec::new();
    let volts: Vec<_> = values.voltage_dv.iter().flatten().map(|dv| point(*dv, 10)).collect();
    if !volts.is_empty() {
        parts.push(format!("{} V", volts.join("/")));
    }
    if let Some(chz) = values.frequency_chz {
        parts.push(format!("{} Hz", point(chz, 100)));
    }
    if let Some(watts) = values.power_w {
        parts.push(format!("{watts} W"));
    }
    if let Some(energy) = values.energy_import.map(Energy::wh) {
        parts.push(format!("{energy} Wh"));
    }
    parts.join(", ")
}

/// With its places.
fn point(number: u32, in_one: u32) -> String {
    let places = if in_one == 10 { 1 } else { 2 };
    format!("{}.{:0places$}", number / in_one, number % in_one)
}
