//! Facts as people read them.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    facts::{Controller, Disk, Entry, Facts, Files, Flash, Known, Orders, Port, Time, Unknown},
    findings::{Finding, Severity},
};
use crate::cli::table::{NOTHING, aligned};

pub(super) fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing is the matter, as far as can be seen\n".to_owned();
    }
    let each = findings.iter().enumerate().map(|(index, finding)| {
        let Finding { severity, text, hint } = finding;
        let number = index + 1;
        let hint = if hint.is_empty() { String::new() } else { format!("    hint: {hint}\n") };
        format!("{number}. {}: {text}\n{hint}", severity.name())
    });
    each.collect()
}

/// How many there are of each kind.
pub(super) fn count(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let kinds = [Severity::Severe, Severity::Wrong, Severity::Note];
    let kinds = kinds.map(|kind| format!("{} {}", of(kind), kind.name())).join(", ");
    format!("{} finding(s): {kinds}", findings.len())
}

/// Names and values, one in a line.
fn list(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name:14}{value}\n")).collect()
}

fn or_why<T>(known: &Known<T>, show: impl Fn(&T) -> String) -> String {
    match known {
        Ok(value) => show(value),
        Err(Unknown(why)) => format!("cannot: {why}"),
    }
}

pub(super) fn versions(facts: &Facts) -> String {
    let of_controller = or_why(&facts.controller, |controller| match controller {
        Controller::Answers(answer) => {
            answer.status["version"].as_str().unwrap_or(NOTHING).to_owned()
        }
        Controller::Silent(why) => format!("it does not answer: {why}"),
        Controller::Absent => "it does not run".to_owned(),
    });
    let package = or_why(&facts.package, |package| {
        package.clone().unwrap_or_else(|| "none is installed".to_owned())
    });
    let pairs = [
        ("program", facts.run.version.clone()),
        ("controller", of_controller),
        ("package", package),
    ];
    list(&pairs) + &or_why(&facts.machine, machine)
}

fn machine(machine: &super::facts::Machine) -> String {
    let load = machine.load_hundredths;
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
    list(&[
        ("system", machine.distribution.clone()),
        ("kernel", format!("{} {}", machine.kernel, machine.architecture)),
        ("board", or_nothing(Some(machine.board.clone()).filter(|board| !board.is_empty()))),
        ("up", format!("{} s", machine.uptime_s)),
        ("load", format!("{}.{:02} over 15 min", load / 100, load % 100)),
        ("memory", format!("{} MB of {} MB left", machine.available_mb, machine.total_mb)),
        ("out of memory", format!("{} times something was killed", machine.oom_kills)),
        ("temperature", or_nothing(machine.celsius.map(|celsius| format!("{celsius} degrees")))),
        ("throttled", or_nothing(machine.throttled.map(|bits| format!("{bits:#x}")))),
    ])
}

pub(super) fn time(time: &Time) -> String {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    list(&[
        ("now", moment(time.unix_s)),
        ("kept by NTP", yes(time.is_synced)),
        ("own clock", yes(time.has_rtc)),
        ("last good", time.last_good_s.map_or_else(|| NOTHING.to_owned(), moment)),
    ])
}

/// A time in UTC: whoever reads it may be elsewhere.
pub(super) fn moment(unix_s: i64) -> String {
    Timestamp::from_second(unix_s).map_or_else(|_| NOTHING.to_owned(), |time| time.to_string())
}

pub(super) fn disks(disks: &[Disk]) -> String {
    let rows = disks.iter().map(|disk| {
        let mode = if disk.is_read_only { "ro" } else { "rw" };
        let files = disk.free_files_percent.map(|percent| format!("{percent} %"));
        [
            disk.path.display().to_string(),
            disk.mount.display().to_string(),
            disk.kind.clone(),
            disk.source.clone(),
            mode.to_owned(),
            disk.total_mb.to_string(),
            disk.free_mb.to_string(),
            files.unwrap_or_else(|| NOTHING.to_owned()),
            disk.errors.to_string(),
        ]
    });
    let heading =
        ["path", "mount", "type", "device", "mode", "mb", "free mb", "free files", "errors"];
    aligned(heading, &rows.collect::<Vec<_>>())
}

pub(super) fn flash(flash: &Flash) -> String {
    let Flash { name, used_tenths, spare } = flash;
    format!("{name}: {used_tenths} of 11 tenths of its life begun, spare blocks {spare} of 3\n")
}

pub(super) fn files(files: &Files) -> String {
    let rows: Vec<_> = files.config.iter().chain(&files.data).map(row).collect();
    aligned(["mode", "owner", "bytes", "modified", "path"], &rows)
}

fn row(entry: &Entry) -> [String; 5] {
    let kind = if entry.is_dir { "d" } else { "-" };
    [
        format!("{kind}{:04o}", entry.mode),
        entry.owner.clone(),
        entry.bytes.to_string(),
        moment(entry.modified_s),
        entry.path.display().to_string(),
    ]
}

pub(super) fn ports(ports: &[Port]) -> String {
    if ports.is_empty() {
        return "none\n".to_owned();
    }
    let or_nothing = |text: String| if text.is_empty() { NOTHING.to_owned() } else { text };
    let rows = ports.iter().map(|port| {
        let device = port.device.as_ref().map(|device| device.display().to_string());
        [
            port.path.display().to_string(),
            if port.is_wanted { "yes" } else { "no" }.to_owned(),
            device.unwrap_or_else(|| "is not there".to_owned()),
            format!("{:04o}", port.mode),
            or_nothing(port.owner.clone()),
            or_nothing(port.holders.join(", ")),
            or_nothing(port.hardware.clone()),
        ]
    });
    let heading = ["port", "in config", "device", "mode", "owner", "used by", "hardware"];
    aligned(heading, &rows.collect::<Vec<_>>())
}

pub(super) fn orders(orders: &Orders) -> String {
    list(&[
        ("orders", orders.orders.to_string()),
        ("not settled", orders.unsettled.to_string()),
        ("oldest", orders.oldest_unsettled_s.map_or_else(|| NOTHING.to_owned(), moment)),
        ("running", orders.open.to_string()),
        ("bytes", orders.bytes.to_string()),
        ("schema", orders.schema.to_string()),
        ("journal", orders.head.clone()),
    ])
}

pub(super) fn status(controller: &Controller) -> Known<String> {
    match controller {
        Controller::Answers(answer) => Ok(pretty(&answer.status)),
        Controller::Silent(why) => Err(Unknown(why.clone())),
        Controller::Absent => Err(Unknown("the controller does not run".to_owned())),
    }
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|_| document.to_string()) + "\n"
}
