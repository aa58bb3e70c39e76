#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{Charger, Config, Far, Uplink};
use crate::{domain::quantity::Energy, service::roster::Roster};

pub(super) const GOOD: &str = r#"
[site]
code = "3101150012"
name = "Hongqiao P1"
timezone = "Asia/Shanghai"
data_dir = "DIR/data"

[broker]
listen = "0.0.0.0:1883"

[[pile]]
code = "3101150012000001"
serial = "ZD1"
revision = "1.10"
kind = "dc"
connectors = [1, 2]
password_file = "DIR/pile"

[[pile]]
code = "3101150012000002"
serial = "ZD2"
revision = "1.10"
connectors = [3]
password_file = "DIR/pile"

[[uplink]]
name = "cloud"
kind = "charger"
revision = "1.10"
url = "mqtt://mqtt.example.com"
part_number = "SITEPILOT-1"
serial = "SP-1"
vendor = "ACME"
registration_code_file = "DIR/code"
username = "default"
password_file = "DIR/cloud"
primary = true

[http]
listen = "127.0.0.1:8080"
"#;

/// A directory with secrets, and the config that names them.
pub(super) struct Desk(tempfile::TempDir);

impl Desk {
    pub(super) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for name in ["pile", "code", "cloud"] {
            desk.write(name, "secret of this file\n", 0o640);
        }
        desk.write("empty", "\n", 0o640);
        desk.write("public", "secret\n", 0o644);
        desk
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn parse(&self, text: &str) -> Result<Config, Vec<String>> {
        let text = text.replace("DIR", self.0.path().to_str().unwrap());
        Config::parse(Path::new("site.toml"), &text)
            .map_err(|error| error.0.iter().map(ToString::to_string).collect())
    }

    /// Parses what has a mistake; this must be said of it.
    #[track_caller]
    pub(super) fn refuses(&self, text: &str, wanted: &str) {
        let Err(faults) = self.parse(text) else { panic!("accepted, but wanted {wanted:?}") };
        let is_told = faults.iter().any(|fault| fault.contains(wanted));
        assert!(is_told, "wanted {wanted:?}, found {faults:#?}");
    }
}

fn charger(uplink: &Uplink) -> &Charger {
    let Far::Charger(charger) = &uplink.far else { panic!("{uplink:?}") };
    charger
}

#[test]
fn a_site_without_a_primary_uplink_is_warned_of() {
    let config = Desk::new().parse(&GOOD.replace("primary = true", "required = true")).unwrap();
    let warnings = config.warnings(Path::new("site.toml"), None);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("uplink: none is primary"), "{}", warnings[0]);
}

#[test]
fn a_good_config_becomes_domain_values() {
    let config = Desk::new().parse(GOOD).unwrap();
    assert_eq!(config.piles.len(), 2);
    let uplink = &config.uplinks[0];
    let endpoint = &charger(uplink).endpoint;
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("mqtt.example.com", 1883));
    assert!(uplink.commands && uplink.required, "the primary commands and is required by default");
    assert!(config.warnings(Path::new("site.toml"), None).is_empty());
    let site = config.site_config(Roster::open(&config).unwrap().site_piles());
    let connector = crate::domain::id::ConnectorNo::new(2).unwrap();
    let (pile, plug) = site.uplinks[0].wire.station().unwrap().connectors[&connector];
    assert_eq!((pile.as_str(), plug), ("3101150012000001", 2));
    assert_eq!(site.uplinks[0].wire.station().unwrap().elec_data_unit, Energy::from_wh(100));
    let own = GOOD.replace("primary = true", "primary = true\nelec_data_unit_wh = 250");
    let config = Desk::new().parse(&own).unwrap();
    let site = config.site_config(BTreeMap::new());
    assert_eq!(site.uplinks[0].wire.station().unwrap().elec_data_unit, Energy::from_wh(250));
}

#[test]
fn a_pile_needs_no_password_where_it_may_register() {
    let registration = "[broker.registration]\ncode_file = \"DIR/code\"\n\
        username = \"register\"\npassword_file = \"DIR/cloud\"\n[http]";
    let text = GOOD.replace("connectors = [3]\npassword_file = \"DIR/pile\"", "connectors = [3]");
    let config = Desk::new().parse(&text.replace("[http]", registration)).unwrap();
    assert!(config.piles[0].password.is_some() && config.piles[1].password.is_none());
    assert!(!config.broker.registration.unwrap().is_open, "closed unless it says otherwise");
}

#[test]
fn a_fault_of_the_registration_is_not_told_of_the_piles_too() {
    let text = GOOD.replace("connectors = [3]\npassword_file = \"DIR/pile\"", "connectors = [3]");
    let registration = "[broker.registration]\nusername = \"register\"\n\
        password_file = \"DIR/cloud\"\n[http]";
    let faults = Desk::new().parse(&text.replace("[http]", registration)).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("broker.registration.code_file: is missing"), "{faults:?}");
}

#[test]
fn secrets_are_never_printed() {
    let config = Desk::new().parse(GOOD).unwrap();
    assert_eq!(charger(&config.uplinks[0]).password.expose(), "secret of this file");
    assert!(!format!("{config:?}").contains("secret of this file"));
}

/// What is changed in the good config, and what must be said of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    // types, ranges, unknown and missing keys
    ("code = \"3101150012\"\n", "", "site.toml:2: site.code: is missing"),
    (
        "name = \"Hongqiao P1\"",
        "name = 7",
        "site.toml:4: site.name: has the wrong type: a whole number\nhint: expected a text",
    ),
    (
        "name = \"Hongqiao P1\"",
        "nmae = \"x\"\nname = \"y\"",
        "site.nmae: is not a known key\nhint: did you mean name?",
    ),
    ("name = \"Hongqiao P1\"", "name = \"\"", "site.name: is empty"),
    ("name = \"Hongqiao P1\"", "name = \"x", "site.toml:4: name: is not TOML"),
    ("name = \"Hongqiao P1\"", "name = x", "\nhint: KEY = VALUE with texts in double quotes"),
    (
        "name = \"Hongqiao P1\"",
        "name = \"x\"\nname = \"y\"",
        "site.toml:5: name: is not TOML: duplicate key\nhint: it is written twice",
    ),
    ("\"3101150012\"", "\"31-01\"", "site.code: is not a station code: 31-01"),
    ("[http]", "[htpt]\nx = 1\n[http]", "htpt: is not a known key\nhint: did you mean http?"),
    ("[site]", "[side]", "site: is missing"),
    (
        "listen = \"0.0.0.0:1883\"",
        "listen = \"0.0.0.0:1883\"\nmax_connections = 0",
        "broker.max_connections: is out of range: 0\nhint: 1 to 4096",
    ),
    (
        "listen = \"0.0.0.0:1883\"",
        "listen = \"0.0.0.0:1883\"\nmax_packet_bytes = 99999999999",
        "broker.max_packet_bytes: is out of range",
    ),
    (
        "listen = \"0.0.0.0:1883\"",
        "listen = \"0.0.0.0:1883\"\nconnect_timeout_ms = -1",
        "broker.connect_timeout_ms: is out of range: -1",
    ),
    // places
    ("Asia/Shanghai", "Asia/Shanghei", "site.timezone: is not a known time zone: Asia/Shanghei"),
    ("DIR/data", "data", "site.data_dir: is not an absolute path"),
    ("DIR/data", "DIR/pile", "site.data_dir: is not an absolute path of a directory"),
    ("0.0.0.0:1883", "localhost", "broker.listen: is not an address to listen on: localhost"),
    ("127.0.0.1:8080", "127.0.0.1:1883", "http.listen: is taken by broker.listen"),
    // piles
    ("\"3101150012000002\"", "\"3101150012000001\"", "pile[2].code: is used by pile[1] too"),
    (
        "\"3101150012000002\"",
        "\"310115001200002\"",
        "pile[2].code: is not a pile code: 310115001200002",
    ),
    ("ZD2", "ZD1", "pile[2].serial: is used by pile[1] too: ZD1"),
    ("[3]", "[2]", "pile[2].connectors: is used by pile[1] too: 2"),
    ("[1, 2]", "[1, 1]", "pile[1].connectors: is used by pile[1] too: 1"),
    ("[3]", "[]", "pile[2].connectors: has the wrong number of connectors: 0"),
    ("[3]", "[10000]", "pile[2].connectors: is out of range: 10000"),
    ("[3]", "[\"x\"]", "pile[2].connectors: has the wrong type"),
    ("kind = \"dc\"", "kind = \"hf\"", "pile[1].kind: is not a kind of pile: hf"),
    (
        "revision = \"1.10\"\nkind",
        "revision = \"1.1\"\nkind",
        "pile[1].revision: is not a revision: 1.1\nhint: \"1.10\" or \"1.0\"",
    ),
    (
        "revision = \"1.10\"\nkind",
        "revision = \"2\"\nkind",
        "pile[1].revision: is not a revision: 2",
    ),
    // secrets
    (
        "connectors = [3]\npassword_file = \"DIR/pile\"",
        "connectors = [3]",
        "pile[2].password_file: is missing",
    ),
    ("DIR/cloud", "DIR/nothing", "uplink[1].password_file: cannot be read"),
    ("DIR/cloud", "DIR/public", "uplink[1].password_file: can be read by everybody"),
    ("DIR/cloud", "DIR/empty", "uplink[1].password_file: is an empty file"),
    ("DIR/cloud", "DIR", "uplink[1].password_file: cannot be read"),
    (
        "password_file = \"DIR/cloud\"",
        "password_credential = \"cloud\"",
        "uplink[1].password_credential: names a credential, but there are none: cloud",
    ),
    (
        "password_file = \"DIR/cloud\"",
        "password_credential = \"cloud\"\npassword_file = \"DIR/cloud\"",
        "uplink[1].password_credential: stands beside password_file",
    ),
    // piles
    ("serial = \"ZD1\"", "serial = \"ZD/1\"", "pile[1].serial: cannot stand in a topic"),
    // uplinks
    (
        "mqtt://mqtt.example.com",
        "http://mqtt.example.com",
        "uplink[1].url: is not a URL of a broker",
    ),
    (
        "mqtt://mqtt.example.com",
        "mqtt://user:word@host:1883",
        "uplink[1].url: is not a URL of a broker",
    ),
    ("mqtt://mqtt.example.com", "mqtt://host:99999", "uplink[1].url: is not a URL of a broker"),
    (
        "url = \"mqtt://mqtt.example.com\"",
        "url = \"mqtts://host\"\nca_file = \"DIR/nothing\"",
        "uplink[1].ca_file: needs certificates that cannot be read",
    ),
    ("primary = true", "required = false", "no uplink is required"),
    (
        "primary = true",
        "primary = true\nanswer_timeout_ms = 1",
        "uplink[1].answer_timeout_ms: is out of range: 1",
    ),
    ("\"SP-1\"", "\"SP/1\"", "uplink[1].serial: has characters that are not allowed"),
    ("name = \"cloud\"", "name = \"the cloud\"", "uplink[1].name: is not a name: the cloud"),
    (
        "kind = \"charger\"",
        "kind = \"charcher\"",
        "uplink[1].kind: is not a kind of uplink: charcher",
    ),
    (
        "[http]",
        "[[uplink]]\nname = \"cloud\"\nkind = \"ec\"\n[http]",
        "uplink[2].name: is used twice: cloud",
    ),
    (
        "[http]",
        "[[uplink]]\nname = \"b\"\nkind = \"ec\"\nprimary = true\n[http]",
        "uplink[2].primary: is true in uplink[1] too",
    ),
    (
        "[[pile]]\ncode = \"3101150012000001\"",
        "[broker.registration]\nopen = \"yes\"\n[[pile]]\ncode = \"3101150012000001\"",
        "broker.registration.open: has the wrong type",
    ),
    ("[http]", "[broker.registration]\n[http]", "broker.registration.code_file: is missing"),
    ("[http]", "[broker.registration]\n[http]", "broker.registration.username: is missing"),
    ("[http]", "[broker.registration]\n[http]", "broker.registration.password_file: is missing"),
    (
        "[http]",
        "[broker.registration]\nusername = \"3101150012000009\"\n[http]",
        "broker.registration.username: looks like a pile code: 3101150012000009",
    ),
    (
        "[http]",
        "[broker.registration]\nusername = \"a\"\n[[broker.observer]]\nusername = \"a\"\n\
         password_file = \"DIR/pile\"\ntopics = [\"#\"]\n[http]",
        "broker.registration.username: is the name of an observer too: a",
    ),
    (
        "[[pile]]\ncode = \"3101150012000001\"",
        "[[broker.observer]]\ntopics = [1]\n[[pile]]\ncode = \"3101150012000001\"",
        "broker.observer[1].topics: has the wrong type",
    ),
    ("[http]", "[[broker.observer]]\n[http]", "broker.observer[1].password_file: is missing"),
    (
        "[http]",
        "[[broker.observer]]\nusername = \"3101150012000009\"\n[http]",
        "broker.observer[1].username: looks like a pile code: 3101150012000009",
    ),
    (
        "[http]",
        "[[broker.observer]]\nusername = \"sitepilot-probe\"\n[http]",
        "broker.observer[1].username: cannot be a name",
    ),
    (
        "[http]",
        "[[broker.observer]]\nusername = \"a\"\n[[broker.observer]]\nusername = \"a\"\n[http]",
        "broker.observer[2].username: is used by broker.observer[1] too: a",
    ),
    (
        "[http]",
        "[[broker.observer]]\ntopics = [\"/U/#/x\"]\n[http]",
        "broker.observer[1].topics: is not a topic filter: /U/#/x",
    ),
    (
        "[http]",
        "[[broker.observer]]\ntopics = [\"/U/M/#\", \"/D/R/#\"]\n[http]",
        "broker.observer[1].topics: can never be seen: /D/R/#",
    ),
    ("[http]", "[[broker.observer]]\ntopics = []\n[http]", "has the wrong number of topics: 0"),
    // the rest
    ("[http]", "[ledger]\nretention_days = 0\n[http]", "ledger.retention_days: is out of range: 0"),
    (
        "[http]",
        "[control]\nsocket = \"x\"\n[http]",
        "control.socket: is not a path for a socket: x",
    ),
    ("[http]", "[log]\nlevel = \"a=b=c\"\n[http]", "log.level: is not a log level"),
    ("[http]", "[site]\n[http]", "site: is not TOML: duplicate key"),
];

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let desk = Desk::new();
    for (from, to, wanted) in MISTAKES {
        assert!(GOOD.contains(from), "the good config lacks {from:?}");
        desk.refuses(&GOOD.replacen(from, to, 1), wanted);
    }
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_lines() {
    let text = GOOD
        .replace("Asia/Shanghai", "Nowhere")
        .replace("[3]", "[2]")
        .replace("primary = true", "primary = \"yes\"\nretries = 3");
    let faults = Desk::new().parse(&text).unwrap_err();
    let keys: Vec<_> = faults.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
    let wanted = ["site.timezone", "pile[2].connectors", "uplink[1].primary", "uplink[1].retries"];
    assert_eq!(keys, wanted);
}

#[test]
fn a_missing_file_is_a_fault_with_a_hint() {
    let error = Config::load(Path::new("/nonexistent/site.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/site.toml: cannot be read"), "{error}");
    assert!(error.contains("hint: sudo sitepilot init writes one; or name"), "{error}");
}
