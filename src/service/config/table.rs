//! The tables that exist once: site, broker, http, ledger, control, log.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use jiff::tz::TimeZone;

use super::{
    fault::Faults,
    observer::{self, Observer},
    reader::{At, Section},
    registration::{self, Registration},
    tls::{self, Tls},
    zones,
};
use crate::broker::{Pace, Rate};

/// What the place is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Station code.
    pub code: String,
    /// Name, for people.
    pub name: String,
    /// Where tariff periods are local time.
    pub timezone: TimeZone,
    /// Ledger and credentials.
    pub data_dir: PathBuf,
    /// Between heartbeats of a pile, in s.
    pub heartbeat_interval_s: u32,
    /// How long an interrupted order waits for the pile's own report, in ms.
    pub interrupted_grace_ms: u64,
    /// How long an undated order is held back from uplinks, in ms.
    pub undated_hold_ms: u64,
    /// Stop a running session when the backend refuses it.
    pub stop_refused: bool,
}

/// A month: longer waits are mistakes.
const MAX_WAIT_S: u64 = 31 * 86_400;

pub(super) fn place(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Place> {
    let code = section.text("code", faults);
    let code = section.required("code", code, faults, "the station code, such as \"3101150012\"");
    if let Some(code) = &code
        && !(code.value.len() <= 32 && code.value.chars().all(|c| c.is_ascii_alphanumeric()))
    {
        let text = format!("is not a station code: {}", code.value);
        faults.add(&code.place, text, "at most 32 letters and digits");
    }
    let name = section.text("name", faults);
    let name = section.required("name", name, faults, "a name for people");
    let timezone = section.text("timezone", faults);
    let timezone = section.required("timezone", timezone, faults, "such as \"Asia/Shanghai\"");
    let timezone = timezone.and_then(|at| zone(&at, faults));
    let data_dir = section.text("data_dir", faults);
    let data_dir = data_dir
        .map_or_else(|| Some(PathBuf::from("/var/lib/sitepilot")), |at| absolute(&at, faults));
    let heartbeat_interval_s = section.number_or("heartbeat_interval_s", 5..=3600, 60, faults);
    // Long enough for a pile that lost its power to come back with its own report.
    let grace_s = section.number_or("interrupted_grace_s", 1..=MAX_WAIT_S, 3600, faults);
    let hold_s = section.number_or("undated_hold_s", 0..=MAX_WAIT_S, 3600, faults);
    let stop_refused = section.flag("stop_refused", faults).is_some_and(|at| at.value);
    section.finish(faults);
    Some(Place {
        code: code?.value,
        name: name?.value,
        timezone: timezone?,
        data_dir: data_dir?,
        heartbeat_interval_s: u32::try_from(heartbeat_interval_s).unwrap_or(u32::MAX),
        interrupted_grace_ms: grace_s * 1000,
        undated_hold_ms: hold_s * 1000,
        stop_refused,
    })
}

fn zone(name: &At<String>, faults: &mut Faults<'_>) -> Option<TimeZone> {
    match TimeZone::get(&name.value) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let text = format!("is not a known time zone: {}", name.value);
            faults.add(&name.place, text, zones::hint(&name.value));
            None
        }
    }
}

fn absolute(path: &At<String>, faults: &mut Faults<'_>) -> Option<PathBuf> {
    let value = PathBuf::from(&path.value);
    if value.is_absolute() && (value.is_dir() || !value.exists()) {
        return Some(value);
    }
    let text = format!("is not an absolute path of a directory: {}", path.value);
    faults.add(&path.place, text, "such as \"/var/lib/sitepilot\"");
    None
}

/// Where piles connect.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Plain TCP; `None`: TLS only.
    pub listen: Option<SocketAddr>,
    /// TLS; `None`: plain TCP only.
    pub tls: Option<Tls>,
    /// Connections at the same time.
    pub max_connections: u32,
    /// Largest MQTT packet.
    pub max_packet_bytes: u32,
    /// Between the TCP connection and its CONNECT.
    pub connect_timeout: Duration,
    /// What one connection may send.
    pub pace: Pace,
    /// Who may listen.
    pub observers: Vec<Observer>,
    /// How piles get their accounts; `None`: each has its password in a file.
    pub registration: Option<Registration>,
}

/// The largest envelope that is read (`apdu::RECEIVED_LIMIT`) and its topic: what is longer would
/// be refused anyway, and only take memory until then.
const MAX_PACKET_BYTES: u64 = 65_536 + 1024;

impl Broker {
    /// Where it listens, with the keys that say so.
    pub(super) fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let plain = self.listen.map(|address| ("broker.listen", address));
        let tls = self.tls.as_ref().map(|tls| ("broker.tls.listen", tls.listen));
        plain.into_iter().chain(tls).collect()
    }
}

pub(super) fn broker(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<Broker> {
    let (listen, tls) = doors(&mut section, faults);
    // One pile needs one connection; two revisions of a site's plan fit into 4096.
    let max_connections = section.number_or("max_connections", 1..=4096, 256, faults);
    let packet_bytes = 1024..=MAX_PACKET_BYTES;
    let max_packet_bytes = section.number_or("max_packet_bytes", packet_bytes, 65_536, faults);
    let connect_timeout_ms = section.number_or("connect_timeout_ms", 100..=60_000, 5000, faults);
    let pace = pace(&mut section, faults);
    let observers = observer::read_all(&mut section, faults);
    let registration = section.section("registration", faults);
    let registration =
        registration.and_then(|section| registration::read(section, &observers, faults));
    section.finish(faults);
    Some(Broker {
        listen,
        tls,
        max_connections: u32::try_from(max_connections).unwrap_or(u32::MAX),
        max_packet_bytes: u32::try_from(max_packet_bytes).unwrap_or(u32::MAX),
        connect_timeout: Duration::from_millis(connect_timeout_ms),
        pace,
        observers,
        registration,
    })
}

/// What one connection may send in the long run. At once it may send ten seconds' packets and
/// eight seconds' bytes.
fn pace(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Pace {
    let packets = section.number_or("max_packets_per_s", 1..=100_000, 200, faults);
    let kbytes = section.number_or("max_kbytes_per_s", 1..=65_536, 128, faults);
    let per_second =
        |number, burst_s| Rate::per_second(u32::try_from(number).unwrap_or(u32::MAX), burst_s);
    Pace { packets: per_second(packets, 10), bytes: per_second(kbytes * 1024, 8) }
}

/// Where the broker listens: for plain TCP, for TLS, or both; what is wrong has left a fault.
fn doors(section: &mut Section<'_>, faults: &mut Faults<'_>) -> (Option<SocketAddr>, Option<Tls>) {
    let listen = section.text("listen", faults);
    if !section.has("tls") {
        let hint = "such as \"0.0.0.0:1883\", or write a table [broker.tls]";
        section.required("listen", listen.clone(), faults, hint);
    }
    let listen = listen.and_then(|at| address(at, faults)).map(|at| at.value);
    let tls = section.section("tls", faults).and_then(|table| tls::read(table, faults));
    if let (Some(plain), Some(tls)) = (listen, &tls) {
        let at = At { value: tls.value.listen, place: tls.place.clone() };
        check_free(&[("broker.listen", plain)], &at, faults);
    }
    (listen, tls.map(|at| at.value))
}

pub(super) fn address(text: At<String>, faults: &mut Faults<'_>) -> Option<At<SocketAddr>> {
    match text.value.parse() {
        Ok(address) => Some(text.map(|_| address)),
        Err(_) => {
            let problem = format!("is not an address to listen on: {}", text.value);
            faults.add(
                &text.place,
                problem,
                "number and port, such as \"0.0.0.0:1883\" or \"[::]:1883\"",
            );
            None
        }
    }
}

pub(super) fn http(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<At<SocketAddr>> {
    let listen = section.text("listen", faults);
    let listen = section.required("listen", listen, faults, "such as \"127.0.0.1:8080\"");
    let listen = listen.and_then(|at| address(at, faults));
    section.finish(faults);
    listen
}

/// Two listeners cannot share a port, unless the port is chosen by the kernel.
pub(super) fn check_free(
    taken: &[(&'static str, SocketAddr)],
    at: &At<SocketAddr>,
    faults: &mut Faults<'_>,
) {
    let wanted = at.value;
    for (key, other) in taken {
        let same_host = other.ip() == wanted.ip()
            || other.ip().is_unspecified()
            || wanted.ip().is_unspecified();
        if other.port() != 0 && other.port() == wanted.port() && same_host {
            let text = format!("is taken by {key}: {other}");
            faults.add(&at.place, text, "give each listener a port of its own");
        }
    }
}

/// How orders are kept.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    /// Settled orders are kept that long.
    pub retention_days: u32,
    /// Below this, new charging is refused.
    pub min_free_mb: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { retention_days: 400, min_free_mb: 64 }
    }
}

pub(super) fn ledger(mut section: Section<'_>, faults: &mut Faults<'_>) -> Ledger {
    let default = Ledger::default();
    let retention_days = section.number("retention_days", 1..=36_500, faults);
    let min_free_mb = section.number("min_free_mb", 1..=1 << 20, faults);
    section.finish(faults);
    let or = |at: Option<At<u64>>, default| {
        at.map_or(default, |at| u32::try_from(at.value).unwrap_or(u32::MAX))
    };
    Ledger {
        retention_days: or(retention_days, default.retention_days),
        min_free_mb: or(min_free_mb, default.min_free_mb),
    }
}

/// Where commands come in.
#[derive(Debug, Clone)]
pub struct Control {
    /// The socket.
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::from("/run/sitepilot/control.sock") }
    }
}

/// The kernel's limit for the path of a socket (`sun_path`, with its closing zero).
const MAX_SOCKET_PATH_BYTES: usize = 107;

pub(super) fn control(mut section: Section<'_>, faults: &mut Faults<'_>) -> Control {
    let socket = section.text("socket", faults);
    let socket =
        section.required("socket", socket, faults, "such as \"/run/sitepilot/control.sock\"");
    section.finish(faults);
    let Some(at) = socket else { return Control::default() };
    let socket = PathBuf::from(&at.value);
    if !socket.is_absolute() || at.value.len() > MAX_SOCKET_PATH_BYTES {
        let hint = format!("an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes");
        faults.add(&at.place, format!("is not a path for a socket: {}", at.value), hint);
    }
    Control { socket }
}

/// What is logged.
#[derive(Debug, Clone)]
pub struct Log {
    /// A level, or a filter such as `info,sitepilot::uplink=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned() }
    }
}

pub(super) fn log(mut section: Section<'_>, faults: &mut Faults<'_>) -> Log {
    let level = section.text("level", faults);
    section.finish(faults);
    let Some(at) = level else { return Log::default() };
    if at.value.parse::<tracing_subscriber::filter::Targets>().is_err() {
        let text = format!("is not a log level: {}", at.value);
        faults.add(&at.place, text, "error, warn, info, debug or trace");
    }
    Log { level: at.value }
}
