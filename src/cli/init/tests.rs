#![expect(clippy::unwrap_used, reason = "tests")]

use std::{collections::VecDeque, fs, path::PathBuf};

use proptest::{collection::vec, option, prelude::*};

use super::{
    interview::{Interview, Open},
    person::{Manner, Person},
    site::{Cloud, Part, Paths, Port, SecretFile, Site},
};
use crate::{
    domain::wire::Revision,
    service::config::{Config, Far},
};

const EXAMPLE: &str = include_str!("../../../deploy/site.toml");

/// A directory with the secrets that a config names.
struct Desk {
    _dir: tempfile::TempDir,
    paths: Paths,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("site.toml"));
        for file in SecretFile::ALL {
            fs::write(paths.of(file), file.name()).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(paths.of(file), mode).unwrap();
        }
        Self { _dir: dir, paths }
    }

    fn parse(&self, site: &Site) -> Config {
        let text = site.text(&self.paths);
        Config::parse(&self.paths.config, &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

fn site() -> Site {
    Site {
        code: "3101150012".to_owned(),
        name: None,
        timezone: "Asia/Shanghai".to_owned(),
        data_dir: None,
        cloud: Cloud {
            url: "mqtt://mqtt.example.com:1884".to_owned(),
            revision: Revision::V1_10,
            part_number: "SITEPILOT-1".to_owned(),
            serial: None,
            vendor: "ACME".to_owned(),
            username: "default".to_owned(),
        },
        piles: Vec::new(),
        connectors: 2,
        ports: Vec::new(),
    }
}

fn port(path: &str, part: Part) -> Port {
    Port { path: path.to_owned(), about: format!("about {path}"), part }
}

fn charger(config: &Config) -> &crate::service::config::Charger {
    let Far::Charger(charger) = &config.uplinks[0].far else { panic!("{config:?}") };
    charger
}

#[test]
fn the_plainest_answers_make_a_config_without_anything_of_the_example_in_force() {
    let config = Desk::new().parse(&site());
    assert_eq!(
        (config.site.code.as_str(), config.site.name.as_str()),
        ("3101150012", "3101150012")
    );
    assert!(config.piles.is_empty() && config.buses.is_empty() && config.meters.is_empty());
    assert!(!config.broker.registration.as_ref().unwrap().is_open);
    assert_eq!(config.uplinks.len(), 1);
    assert!(config.uplinks[0].primary);
    let charger = charger(&config);
    assert_eq!((charger.endpoint.host.as_str(), charger.endpoint.port), ("mqtt.example.com", 1884));
    assert_eq!(charger.serial, "3101150012");
    assert_eq!(charger.registration_code.expose(), "cloud.code");
    assert_eq!(charger.password.expose(), "cloud.password");
    assert_eq!(config.control.socket, PathBuf::from("/run/sitepilot/control.sock"));
}

#[test]
fn piles_and_ports_come_in_their_order_with_what_else_follows() {
    let mut site = site();
    site.piles = vec!["ZD1".to_owned(), "3101150012000007".to_owned()];
    site.connectors = 3;
    site.data_dir = Some(PathBuf::from("/srv/a b"));
    site.ports = vec![
        port("/dev/rs485-1", Part::Bus),
        port("/dev/later", Part::Bus),
        port("/dev/ttyS0", Part::Offered),
    ];
    let desk = Desk::new();
    let config = desk.parse(&site);
    let piles: Vec<_> = config
        .piles
        .iter()
        .map(|pile| (pile.serial.as_str(), pile.code.as_str().to_owned(), pile.connectors.len()))
        .collect();
    assert_eq!(piles[0], ("ZD1", "3101150012IJOWU3".to_owned(), 3));
    assert_eq!(piles[1], ("3101150012000007", "3101150012000007".to_owned(), 3));
    assert_eq!(config.piles[1].connectors[0].get(), 4);
    let buses: Vec<_> = config.buses.iter().map(|bus| bus.name.as_str()).collect();
    assert_eq!(buses, ["rs485-1", "rs485-2"]);
    assert_eq!(config.site.data_dir, PathBuf::from("/srv/a b"));
    assert_eq!(config.control.socket, PathBuf::from("/srv/a b/control.sock"));
    let text = site.text(&desk.paths);
    assert!(text.contains("# about /dev/ttyS0\n# [[bus]]\n# name = \"rs485-3\""), "{text}");
}

/// The keys of a text by their tables, and what is said of them: in force or commented out.
fn explained(text: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let body = line.strip_prefix("# ").unwrap_or(line);
        if body.starts_with('[') {
            table = body[..=body.find("]").unwrap()].trim_start_matches('[').to_owned();
        } else if let Some((key, _)) = body.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c))
        {
            found.push((table.clone(), key.to_owned()));
        }
    }
    found
}

#[test]
fn whatever_the_example_explains_is_explained_in_every_config() {
    let mut full = site();
    full.piles = vec!["ZD1".to_owned(), "ZD2".to_owned()];
    full.data_dir = Some(PathBuf::from("/srv/data"));
    full.ports = vec![port("/dev/a", Part::Bus), port("/dev/b", Part::Offered)];
    let wanted = explained(EXAMPLE);
    assert!(wanted.len() > 80, "{wanted:?}");
    for site in [site(), full] {
        let text = site.text(&Paths::new(PathBuf::from("/etc/sitepilot/site.toml")));
        let found = explained(&text);
        for key in &wanted {
            assert!(found.contains(key), "{key:?} is missing:\n{text}");
        }
        // And what is said of them, word for word, but of the file as a whole.
        let (_, body) = EXAMPLE.split_once("\n\n").unwrap();
        for comment in body.lines().filter_map(|line| Some(&line[line.find(" # ")?..])) {
            assert!(text.contains(comment), "{comment:?} is missing:\n{text}");
        }
    }
}

#[test]
fn secrets_and_comments_move_with_the_config() {
    let text = site().text(&Paths::new(PathBuf::from("/srv/one/site.toml")));
    assert!(text.contains("password_file = \"/srv/one/cloud.password\""), "{text}");
    assert!(text.contains("# key_file = \"/srv/one/tls/site.key\""), "{text}");
    assert!(!text.contains("/etc/sitepilot"), "{text}");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9]{1,40}", "\\PC{0,20}", any::<String>(), r#"[a-z"'\\# =\[\]\n]{0,12}"#,]
}

fn any_url() -> impl Strategy<Value = String> {
    prop_oneof!["mqtt://[a-z.]{1,12}(:[0-9]{1,5})?", any_text()]
}

fn any_zone() -> impl Strategy<Value = String> {
    prop_oneof![Just("Asia/Shanghai".to_owned()), Just("europe/berlin".to_owned()), any_text()]
}

fn any_site() -> impl Strategy<Value = Site> {
    let cloud = (any_url(), any_text(), option::of(any_text()), any_text(), any_text()).prop_map(
        |(url, part_number, serial, vendor, username)| Cloud {
            url,
            revision: Revision::V1_0,
            part_number,
            serial,
            vendor,
            username,
        },
    );
    let paths = vec(prop_oneof!["/dev/[a-z0-9]{1,8}", any_text()], 0..3);
    let ports =
        paths.prop_map(|paths| paths.iter().map(|path| port(path, Part::Bus)).collect::<Vec<_>>());
    let data_dir = option::of("/[a-z \"\\\\]{1,20}".prop_map(PathBuf::from));
    let piles = vec(any_text(), 0..4);
    (any_text(), option::of(any_text()), any_zone(), data_dir, cloud, piles, 1..=16_u16, ports)
        .prop_map(|(code, name, timezone, data_dir, cloud, piles, connectors, ports)| Site {
            code,
            name,
            timezone,
            data_dir,
            cloud,
            piles,
            connectors,
            ports,
        })
}

/// The answers, each with the keys it goes to and how it is taken over from another site.
type Take = fn(&mut Site, &Site);
const PARTS: &[(&str, Take)] = &[
    ("site.code", |site, from| site.code.clone_from(&from.code)),
    ("site.name", |site, from| site.name.clone_from(&from.name)),
    ("site.timezone", |site, from| site.timezone.clone_from(&from.timezone)),
    ("site.data_dir", |site, from| site.data_dir.clone_from(&from.data_dir)),
    ("control.", |site, from| site.data_dir.clone_from(&from.data_dir)),
    ("uplink[1].url", |site, from| site.cloud.url.clone_from(&from.cloud.url)),
    ("uplink[1].part_number", |site, from| {
        site.cloud.part_number.clone_from(&from.cloud.part_number);
    }),
    ("uplink[1].serial", |site, from| site.cloud.serial.clone_from(&from.cloud.serial)),
    ("uplink[1].vendor", |site, from| site.cloud.vendor.clone_from(&from.cloud.vendor)),
    ("uplink[1].username", |site, from| site.cloud.username.clone_from(&from.cloud.username)),
    ("pile[", |site, from| site.piles.clone_from(&from.piles)),
    ("bus[", |site, from| site.ports.clone_from(&from.ports)),
];

/// Whether the rules take an answer where it is asked for, the others being unknown.
fn is_right(desk: &Desk, answers: &Site, key: &str, take: Take) -> bool {
    let mut alone = site();
    take(&mut alone, answers);
    alone.faults(&desk.paths, |fault| fault.key.starts_with(key)).is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 65_536, ..ProptestConfig::default() })]

    #[test]
    fn answers_that_are_accepted_make_a_config_that_says_the_same(mut answers in any_site()) {
        let desk = Desk::new();
        // Random answers are mostly wrong in something, which becomes right then.
        for (key, repair) in PARTS {
            if !is_right(&desk, &answers, key, *repair) {
                repair(&mut answers, &site());
            }
        }
        let config = desk.parse(&answers);
        prop_assert_eq!(&config.site.code, &answers.code);
        prop_assert_eq!(&config.site.name, answers.name());
        let charger = charger(&config);
        prop_assert_eq!(&charger.vendor, &answers.cloud.vendor);
        prop_assert_eq!(&charger.serial, answers.serial());
        let serials: Vec<_> = config.piles.iter().map(|pile| pile.serial.clone()).collect();
        prop_assert_eq!(&serials, &answers.piles);
        prop_assert_eq!(config.buses.len(), answers.ports.len());
        if let Some(dir) = &answers.data_dir {
            prop_assert_eq!(&config.site.data_dir, dir);
        }
    }
}

/// Gives the answers it was given, and remembers what it was told.
struct Script {
    answers: VecDeque<&'static str>,
    heard: Vec<String>,
}

impl Person for Script {
    fn ask(&mut self, question: &str, manner: Manner) -> anyhow::Result<Option<String>> {
        assert_eq!(manner == Manner::Hidden, question.contains("not shown"), "{question}");
        self.heard.push(question.to_owned());
        Ok(self.answers.pop_front().map(ToOwned::to_owned))
    }

    fn tell(&mut self, text: &str) {
        self.heard.push(text.to_owned());
    }
}

const ALL: [Open; 6] = [
    Open::Code,
    Open::Timezone,
    Open::CloudUrl,
    Open::Secret(SecretFile::CloudCode),
    Open::Secret(SecretFile::CloudPassword),
    Open::Piles,
];

/// What was asked and told, and what came of it.
fn interview(
    open: &[Open],
    answers: &[&'static str],
) -> (Site, anyhow::Result<Vec<String>>, Vec<String>) {
    let desk = Desk::new();
    let mut script = Script { answers: answers.iter().copied().collect(), heard: Vec::new() };
    let mut site = site();
    let zone = Some("Europe/Berlin".to_owned());
    let mut talk = Interview { person: &mut script, site: &mut site, paths: &desk.paths, zone };
    let secrets = talk.ask_all(open).map(|secrets| {
        secrets
            .into_iter()
            .map(|(file, secret)| format!("{} {}", file.name(), secret.expose()))
            .collect()
    });
    (site, secrets, script.heard)
}

#[test]
fn three_answers_and_two_secrets_are_enough() {
    let answers = ["42", "", "mqtt://h", "code", "password", "", ""];
    let (site, secrets, heard) = interview(&ALL, &answers);
    assert_eq!((site.code.as_str(), site.timezone.as_str()), ("42", "Europe/Berlin"));
    assert_eq!(site.cloud.url, "mqtt://h");
    assert_eq!(secrets.unwrap(), ["cloud.code code", "cloud.password password"]);
    assert!(site.piles.is_empty());
    assert_eq!(heard.len(), ALL.len(), "{heard:?}");
}

#[test]
fn a_wrong_answer_is_explained_and_asked_for_again() {
    let answers = [
        "",
        "not a code",
        "42",
        "Berlin",
        "",
        "ftp://h",
        "mqtt://h",
        "",
        "\x1b[A",
        "code",
        "password",
        "a/b",
        "ZD1",
        "ZD1",
        "ZD2",
        "",
    ];
    let (site, secrets, heard) = interview(&ALL, &answers);
    secrets.unwrap();
    assert_eq!(site.piles, ["ZD1", "ZD2"]);
    let told: Vec<_> = heard.iter().filter(|text| !text.ends_with(':')).collect();
    let wanted = [
        "is empty",
        "is not a station code: not a code",
        "is not a known time zone: Berlin",
        "is not a URL of a broker: ftp://h",
        "is empty",
        "has signs that are no text",
        "cannot stand in a topic",
        "is used by pile[1] too: ZD1",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told:?}, wanted {wanted:?}");
    }
    assert!(told[2].contains("Europe/Berlin"), "{told:?}");
}

#[test]
fn only_what_is_open_is_asked_and_without_an_answer_there_is_no_site() {
    let (_, secrets, heard) = interview(&[Open::CloudUrl], &["mqtt://h"]);
    assert_eq!((secrets.unwrap().len(), heard.len()), (0, 1));
    let (_, secrets, _) = interview(&ALL, &["42"]);
    assert!(format!("{}", secrets.unwrap_err()).contains("nothing was written"));
}
