#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use super::tests::{Desk, GOOD};
use crate::{
    domain::reading::Measures,
    protocol::modbus::Parity,
    serial::{Framing, Port, Rs485},
};

const METERS: &str = r#"
[[bus]]
name = "rs485-1"
serial = { port = "/dev/null", baud = 9600, parity = "even" }

[[bus]]
name = "gateway"
tcp = { address = "192.168.1.50:502", framing = "rtu" }
turnaround_ms = 0
timeout_ms = 1000

[[meter]]
name = "incomer"
bus = "rs485-1"
address = 1
profile = "eastron-sdm630"
measures = "site"

[[meter]]
name = "left"
bus = "gateway"
address = 1
profile = "eastron-sdm630"
measures = { pile = "3101150012000001", connector = 2 }
poll_interval_ms = 4000
"#;

fn with_meters(from: &str, to: &str) -> String {
    assert!(METERS.contains(from), "the good meters lack {from:?}");
    format!("{GOOD}{}", METERS.replacen(from, to, 1))
}

#[test]
fn buses_and_meters_become_domain_values() {
    let config = Desk::new().parse(&with_meters("", "")).unwrap();
    let [line, gateway] = config.buses.as_slice() else { panic!("two buses") };
    let wanted = Port::Serial {
        path: PathBuf::from("/dev/null"),
        baud: 9600,
        parity: Parity::Even,
        stop_bits: 1,
        rs485: None,
    };
    assert_eq!((&line.port, line.turnaround_ms, line.timeout_ms), (&wanted, 5, 300));
    let wanted = Port::Tcp { address: "192.168.1.50:502".to_owned(), framing: Framing::Rtu };
    assert_eq!((&gateway.port, gateway.timeout_ms), (&wanted, 1000));
    let [incomer, left] = config.meters.as_slice() else { panic!("two meters") };
    assert_eq!((incomer.measures, incomer.poll_interval_ms), (Measures::Site, 1000));
    assert_eq!(incomer.stale_after_ms, 10_000, "not less, however often it is read");
    let connector = crate::domain::id::ConnectorNo::new(2).unwrap();
    assert_eq!(left.measures, Measures::Connector(connector));
    assert_eq!(left.stale_after_ms, 3 * 4000 + 1000);
    assert_eq!((left.tolerance_permille, left.tolerance.wh()), (30, 100));
    assert_eq!((left.max_power_w, left.report_interval_ms), (1_000_000, 60_000));
}

#[test]
fn the_kernel_switches_the_driver_where_it_is_told_to() {
    let switched = |more: &str| {
        let text = with_meters("parity = \"even\"", &format!("parity = \"even\", {more}"));
        match Desk::new().parse(&text).unwrap().buses.remove(0).port {
            Port::Serial { rs485, .. } => rs485,
            Port::Tcp { .. } => panic!("a serial port"),
        }
    };
    assert_eq!(switched("rs485 = true"), Some(Rs485::SendHigh));
    assert_eq!(switched("rs485 = true, rts = \"low\""), Some(Rs485::SendLow));
    assert_eq!(switched("rs485 = false"), None);
}

#[test]
fn ratios_scale_what_is_read() {
    let ratios = "address = 1\nct_ratio = 40\nvt_ratio = 1.5";
    let config = Desk::new().parse(&with_meters("address = 1", ratios)).unwrap();
    let [scaled, plain] = config.meters.as_slice() else { panic!("two meters") };
    assert_eq!(scaled.profile.name, plain.profile.name);
    assert_ne!(scaled.profile.registers, plain.profile.registers);
}

/// What is changed in the good meters, and what must be said of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    // buses
    ("name = \"rs485-1\"\n", "", "site.toml:42: bus[1].name: is missing"),
    ("\"rs485-1\"\nserial", "\"rs485 1\"\nserial", "bus[1].name: is not a name: rs485 1"),
    ("name = \"gateway\"", "name = \"rs485-1\"", "bus[2].name: is used by bus[1] too: rs485-1"),
    (
        "tcp = { address = \"192.168.1.50:502\", framing = \"rtu\" }\n",
        "",
        "bus[2]: has neither serial nor tcp\nhint: serial = { port",
    ),
    (
        "serial = {",
        "tcp = { address = \"h:1\" }\nserial = {",
        "bus[1]: has both serial and tcp\nhint: a bus is reached one way",
    ),
    (
        "tcp = { address = \"192.168.1.50:502\", framing = \"rtu\" }",
        "serial = { port = \"/dev/null\", baud = 9600, parity = \"none\" }",
        "bus[2].serial.port: is used by bus[1] too: /dev/null",
    ),
    (
        "\"/dev/null\"",
        "\"ttyUSB0\"",
        "bus[1].serial.port: is not the path of a serial port: ttyUSB0",
    ),
    ("port = \"/dev/null\", ", "", "bus[1].serial.port: is missing"),
    ("9600", "9601", "bus[1].serial.baud: is not a speed of a serial line: 9601\nhint: 300, 600"),
    ("9600", "100", "bus[1].serial.baud: is out of range: 100"),
    ("\"even\"", "\"mark\"", "bus[1].serial.parity: is not a parity: mark\nhint: \"none\""),
    (", parity = \"even\"", "", "bus[1].serial.parity: is missing"),
    ("\"even\" }", "\"even\", stop_bits = 3 }", "bus[1].serial.stop_bits: is out of range: 3"),
    ("\"even\" }", "\"even\", rts = \"low\" }", "bus[1].serial.rts: means nothing without rs485"),
    (
        "\"even\" }",
        "\"even\", rs485 = true, rts = \"on\" }",
        "bus[1].serial.rts: is not a level: on\nhint: \"high\" or \"low\"",
    ),
    (
        "\"even\" }",
        "\"even\", stopbits = 1 }",
        "bus[1].serial.stopbits: is not a known key\nhint: did you mean stop_bits?",
    ),
    ("192.168.1.50:502", "192.168.1.50", "bus[2].tcp.address: is not a host and port"),
    ("192.168.1.50:502", "host:0", "bus[2].tcp.address: is not a host and port: host:0"),
    ("framing = \"rtu\"", "framing = \"ascii\"", "bus[2].tcp.framing: is not a framing: ascii"),
    ("turnaround_ms = 0", "turnaround = 0", "bus[2].turnaround: is not a known key"),
    ("timeout_ms = 1000", "timeout_ms = 1", "bus[2].timeout_ms: is out of range: 1"),
    // meters
    ("name = \"left\"", "name = \"incomer\"", "meter[2].name: is used by meter[1] too: incomer"),
    ("name = \"left\"\n", "", "meter[2].name: is missing"),
    (
        "bus = \"rs485-1\"",
        "bus = \"rs485-2\"",
        "meter[1].bus: names a bus that is missing: rs485-2\nhint: there are: rs485-1, gateway",
    ),
    (
        "bus = \"gateway\"",
        "bus = \"rs485-1\"",
        "meter[2].address: is used by meter[1] on rs485-1 too: 1",
    ),
    ("address = 1\n", "address = 0\n", "meter[1].address: is out of range: 0\nhint: 1 to 247"),
    ("address = 1\n", "", "meter[1].address: is missing"),
    (
        "\"eastron-sdm630\"",
        "\"eastron-sdm63\"",
        "meter[1].profile: is no profile of a meter: eastron-sdm63\nhint: ",
    ),
    ("measures = \"site\"\n", "", "meter[1].measures: is missing\nhint: \"site\", or { pile"),
    ("\"site\"", "\"house\"", "meter[1].measures: is nothing that is measured: house"),
    ("\"site\"", "7", "meter[1].measures: has the wrong type"),
    (
        "{ pile = \"3101150012000001\", connector = 2 }",
        "\"site\"",
        "meter[2].measures: the site is measured by meter[1] too",
    ),
    (
        "measures = \"site\"",
        "measures = { pile = \"3101150012000001\", connector = 2 }",
        "meter[2].measures.connector: connector 2 is measured by meter[1] too",
    ),
    (
        "pile = \"3101150012000001\"",
        "pile = \"3101150012000009\"",
        "meter[2].measures.pile: names a pile that is missing: 3101150012000009",
    ),
    (
        "connector = 2",
        "connector = 3",
        "meter[2].measures.connector: is none of 3101150012000001: 3\nhint: it has: 1, 2",
    ),
    (
        "connector = 2",
        "plug = 2",
        "meter[2].measures.plug: is not a known key\nhint: did you mean pile?",
    ),
    ("poll_interval_ms = 4000", "poll_interval_ms = 5", "meter[2].poll_interval_ms: is out of"),
    (
        "poll_interval_ms = 4000",
        "stale_after_ms = 1000",
        "meter[2].stale_after_ms: is not longer than the time between two readings: 1000",
    ),
    ("poll_interval_ms = 4000", "interval = 5", "meter[2].interval: is not a known key"),
    ("poll_interval_ms = 4000", "max_power_w = 0", "meter[2].max_power_w: is out of range: 0"),
    ("poll_interval_ms = 4000", "tolerance_percent = 101", "meter[2].tolerance_percent: is out"),
    ("poll_interval_ms = 4000", "report_interval_s = 1", "meter[2].report_interval_s: is out of"),
    ("poll_interval_ms = 4000", "ct_ratio = 0", "meter[2].ct_ratio: cannot be used"),
    ("poll_interval_ms = 4000", "vt_ratio = \"x\"", "meter[2].vt_ratio: is no decimal number"),
];

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let desk = Desk::new();
    for (from, to, wanted) in MISTAKES {
        desk.refuses(&with_meters(from, to), wanted);
    }
}

#[test]
fn a_fault_of_a_bus_or_a_pile_is_not_told_of_the_meters_too() {
    for (from, to) in [("baud = 9600", "baud = 1"), ("\"even\"", "\"mark\"")] {
        let faults = Desk::new().parse(&with_meters(from, to)).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
    let text = with_meters("", "").replacen("kind = \"dc\"", "kind = \"x\"", 1);
    let faults = Desk::new().parse(&text).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn a_port_that_is_not_there_is_warned_of() {
    let config = Desk::new().parse(&with_meters("/dev/null", "/dev/ttyNOTHING9")).unwrap();
    let warnings = config.warnings(Path::new("site.toml"), None);
    let wanted = "site.toml:44: bus[1].serial.port: is not there: /dev/ttyNOTHING9\nhint: ";
    assert!(warnings.iter().any(|warning| warning.to_string().starts_with(wanted)), "{warnings:?}");
}

#[test]
fn a_bus_that_cannot_keep_up_is_warned_of() {
    let warned = |from: &str, to: &str| -> Vec<String> {
        let config = Desk::new().parse(&with_meters(from, to)).unwrap();
        let warnings = config.warnings(Path::new("site.toml"), None);
        let texts = warnings.iter().map(ToString::to_string);
        texts.filter(|text| text.contains("cannot keep up")).collect()
    };
    assert!(warned("", "").is_empty());
    let [warning] = &warned("baud = 9600", "baud = 300")[..] else { panic!("one warning") };
    assert!(warning.starts_with("site.toml:42: bus[1]: cannot keep up: one reading of each of its 1 meter(s) takes about "), "{warning}");
    assert_eq!(warned("address = 1", "address = 1\npoll_interval_ms = 100").len(), 1);
}

/// The tables of meters in the example, which stand there as comments.
fn example() -> String {
    let text = include_str!("../../../deploy/site.toml");
    let begin = text.find("# [[bus]]").unwrap();
    let end = text[begin..].find("[[uplink]]").unwrap();
    let lines = text[begin..begin + end].lines().filter(|line| !line.starts_with("#  "));
    lines.map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line))).collect()
}

#[test]
fn the_meters_of_the_example_can_be_used() {
    let config = Desk::new().parse(&format!("{GOOD}{}", example())).unwrap();
    assert_eq!((config.buses.len(), config.meters.len()), (2, 2));
}

#[test]
fn the_example_of_the_document_can_be_used() {
    let document = include_str!("../../../docs/meters.md");
    let (_, example) = document.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let config = Desk::new().parse(&format!("{GOOD}{example}")).unwrap();
    let profiles: Vec<&str> = config.meters.iter().map(|it| it.profile.name.as_str()).collect();
    assert_eq!((config.buses.len(), profiles), (2, vec!["eastron-sdm630"]));
}
