//! `[[bus]]`

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    fault::Faults,
    once,
    reader::{At, Section},
};
use crate::{
    domain::id::BusName,
    protocol::modbus::Parity,
    serial::{Framing, Port, Rs485},
};

/// A line with meters on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// Its name.
    pub name: BusName,
    /// Where it is reached.
    pub port: Port,
    /// Silence that the slaves want between two frames.
    pub turnaround_ms: u32,
    /// How long a slave may take to begin its answer.
    pub timeout_ms: u32,
}

impl Bus {
    /// Speeds that meters can be set to.
    pub const SPEEDS: [u32; 10] =
        [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
}

/// What must not appear twice, and where it appeared first.
#[derive(Debug, Default)]
struct Seen {
    names: BTreeMap<BusName, String>,
    ports: BTreeMap<String, String>,
}

pub(super) fn read_all(sections: Vec<Section<'_>>, faults: &mut Faults<'_>) -> Vec<Bus> {
    let mut seen = Seen::default();
    sections.into_iter().filter_map(|section| read(section, &mut seen, faults)).collect()
}

fn read(mut section: Section<'_>, seen: &mut Seen, faults: &mut Faults<'_>) -> Option<Bus> {
    let owner = section.place().key.clone();
    let name = name(&mut section, "name", "a short name, such as \"rs485-1\"", faults);
    if let Some(at) = &name {
        once(&mut seen.names, at.clone(), &owner, faults);
    }
    let port = port(&mut section, faults);
    if let Some(at) = &port {
        once(&mut seen.ports, at.clone().map(|port| port.to_string()), &owner, faults);
    }
    // Slaves are fast enough for 5 ms, where the 3.5 characters of the line are not longer anyway.
    let turnaround_ms = section.number_or("turnaround_ms", 0..=1000, 5, faults);
    // Below 20 ms no meter answers, beyond 5 s nobody waits on a shared line.
    let timeout_ms = section.number_or("timeout_ms", 20..=5000, 300, faults);
    section.finish(faults);
    Some(Bus {
        name: name?.value,
        port: port?.value,
        turnaround_ms: u32::try_from(turnaround_ms).unwrap_or(u32::MAX),
        timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
    })
}

/// The name of a bus.
pub(super) fn name(
    section: &mut Section<'_>,
    key: &'static str,
    hint: &str,
    faults: &mut Faults<'_>,
) -> Option<At<BusName>> {
    let at = section.text(key, faults);
    let at = section.required(key, at, faults, hint)?;
    match BusName::new(&at.value) {
        Ok(name) => Some(at.map(|_| name)),
        Err(error) => {
            let hint = "up to 32 letters, digits, dots and dashes";
            faults.add(&at.place, format!("is not a name: {}: {error}", at.value), hint);
            None
        }
    }
}

fn port(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<At<Port>> {
    const HINT: &str = "serial = { port = \"/dev/ttyUSB0\", baud = 9600, parity = \"even\" }, or \
                        tcp = { address = \"192.168.1.50:502\" }";
    let (has_serial, has_tcp) = (section.has("serial"), section.has("tcp"));
    let serial = section.section("serial", faults);
    let tcp = section.section("tcp", faults);
    let place = section.place().clone();
    match (has_serial, has_tcp) {
        (false, false) => faults.add(&place, "has neither serial nor tcp", HINT),
        (true, true) => faults.add(&place, "has both serial and tcp", "a bus is reached one way"),
        (true, false) | (false, true) => {}
    }
    let serial = serial.and_then(|table| serial_port(table, faults));
    let tcp = tcp.and_then(|table| tcp_port(table, faults));
    // Both have left a fault already.
    serial.or(tcp)
}

fn serial_port(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<At<Port>> {
    let path = section.text("port", faults);
    let path = section.required("port", path, faults, "such as \"/dev/ttyUSB0\"");
    let path = path.and_then(|at| device(&at, faults));
    let baud = baud(&mut section, faults);
    let parity = parity(&mut section, faults);
    let stop_bits = section.number_or("stop_bits", 1..=2, 1, faults);
    let rs485 = rs485(&mut section, faults);
    section.finish(faults);
    let (path, baud, parity) = (path?, baud?, parity?);
    let stop_bits = u8::try_from(stop_bits).unwrap_or(1);
    Some(path.map(|path| Port::Serial { path, baud, parity, stop_bits, rs485 }))
}

/// An adapter may be plugged in later: one that is not there is not a fault.
fn device(at: &At<String>, faults: &mut Faults<'_>) -> Option<At<PathBuf>> {
    let path = PathBuf::from(&at.value);
    if !path.is_absolute() || path.is_dir() {
        let text = format!("is not the path of a serial port: {}", at.value);
        faults.add(&at.place, text, "such as \"/dev/ttyUSB0\", or a name below /dev/serial/by-id/");
        return None;
    }
    if !path.exists() {
        let text = format!("is not there: {}", at.value);
        faults.warn(&at.place, text, "is the adapter plugged in? ls -l /dev/serial/by-id/");
    }
    Some(At { value: path, place: at.place.clone() })
}

fn baud(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<u32> {
    let speeds = Bus::SPEEDS;
    let (min, max) = (u64::from(speeds[0]), u64::from(speeds[speeds.len() - 1]));
    let at = section.number("baud", min..=max, faults);
    let at = section.required("baud", at, faults, "as set at the meters, such as 9600")?;
    let baud = speeds.into_iter().find(|speed| u64::from(*speed) == at.value);
    if baud.is_none() {
        let list = speeds.map(|speed| speed.to_string()).join(", ");
        faults.add(&at.place, format!("is not a speed of a serial line: {}", at.value), list);
    }
    baud
}

fn parity(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Parity> {
    let hint = "\"none\", \"even\" or \"odd\"";
    let at = section.text("parity", faults);
    let at = section.required("parity", at, faults, hint)?;
    let known = [Parity::None, Parity::Even, Parity::Odd];
    let parity = known.into_iter().find(|parity| parity.to_string() == at.value);
    if parity.is_none() {
        faults.add(&at.place, format!("is not a parity: {}", at.value), hint);
    }
    parity
}

/// `rs485 = true` lets the kernel switch the driver, `rts` says which way.
fn rs485(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Rs485> {
    let is_switched = section.flag("rs485", faults).is_some_and(|at| at.value);
    let rts = section.text("rts", faults);
    let way = match rts.as_ref().map(|at| (at.value.as_str(), at)) {
        None | Some(("high", _)) => Rs485::SendHigh,
        Some(("low", _)) => Rs485::SendLow,
        Some((other, at)) => {
            let hint = "\"high\" or \"low\" while sending";
            faults.add(&at.place, format!("is not a level: {other}"), hint);
            return None;
        }
    };
    if let Some(at) = rts.filter(|_| !is_switched) {
        faults.add(&at.place, "means nothing without rs485 = true", "leave it out");
    }
    is_switched.then_some(way)
}

fn tcp_port(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<At<Port>> {
    let hint = "such as \"192.168.1.50:502\"";
    let address = section.text("address", faults);
    let address = section.required("address", address, faults, hint);
    let framing = section.text("framing", faults);
    section.finish(faults);
    let framing = match framing.as_ref().map(|at| (at.value.as_str(), at)) {
        None | Some(("tcp", _)) => Framing::Tcp,
        Some(("rtu", _)) => Framing::Rtu,
        Some((other, at)) => {
            let hint = "\"tcp\" for Modbus TCP, \"rtu\" for a serial line behind a converter";
            faults.add(&at.place, format!("is not a framing: {other}"), hint);
            return None;
        }
    };
    let address = address?;
    if !is_host_and_port(&address.value) {
        faults.add(&address.place, format!("is not a host and port: {}", address.value), hint);
        return None;
    }
    Some(address.map(|address| Port::Tcp { address, framing }))
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bare {
        Some(bare) => bare.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port != 0)
}
