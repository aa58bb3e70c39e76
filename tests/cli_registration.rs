//! Piles that register at a controller that runs as a process, over bare MQTT.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, net::SocketAddr};

use prost::Message;
use serde_json::Value;
use sitepilot::{
    domain::wire::Revision,
    peers::{
        backend::{Backend, BackendConfig},
        handle::Handle,
        mqtt::{self, Broker},
        pile::{Pile, PileConfig, Registration},
    },
    protocol::charger::wire::{v1_0, v1_10},
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mqtt_raw.rs"]
mod mqtt_raw;

use bench::{Bench, INSTALL_CODE as CODE, NEW_PILE, PILE, charge, clock, host, states, text};
use mqtt_raw::{Connect, Got, Raw, ack, publish};

/// A bench whose second pile has no password yet.
fn bench(is_open: bool) -> Bench {
    let bench = Bench::new();
    bench.let_register(is_open, "1.10");
    bench
}

fn login(bench: &Bench, client_id: &str, username: &str, password: &str) -> (Raw, u8) {
    let mut connect = Connect::new(client_id);
    connect.username = Some(username.to_owned());
    connect.password = Some(password.to_owned());
    let mut raw = Raw::dial(SocketAddr::from(([127, 0, 0, 1], bench.doors)));
    raw.send(&connect.bytes());
    let (first, body) = raw.packet();
    assert_eq!(first, 0x20, "CONNACK");
    (raw, body[1])
}

/// Whether a pile may come in with this password.
fn may_come(bench: &Bench, code: &str, password: &str) -> bool {
    login(bench, "PART-X", code, password).1 == 0
}

/// A connection with the default account.
fn visit(bench: &Bench, client_id: &str) -> Raw {
    let (raw, code) = login(bench, client_id, "register", "default secret");
    assert_eq!(code, 0, "{client_id}");
    raw
}

/// What is asked for.
#[derive(Clone)]
struct Request {
    revision: Revision,
    part: String,
    serial: String,
    code: String,
    connectors: i32,
}

impl Request {
    fn new(serial: &str) -> Self {
        Self {
            revision: Revision::V1_10,
            part: "PART".to_owned(),
            serial: serial.to_owned(),
            code: CODE.to_owned(),
            connectors: 1,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let (part_number, serial_number) = (self.part.clone(), self.serial.clone());
        let (registration_code, connectors) = (self.code.clone(), self.connectors);
        match self.revision {
            Revision::V1_10 => v1_10::Apdu {
                sequence_id: 7,
                message_id: 0x0a,
                payload: v1_10::DeviceRegistrationReq {
                    part_number,
                    serial_number,
                    registration_code,
                    connector_number: (1..=connectors).collect(),
                    ..Default::default()
                }
                .encode_to_vec()
                .into(),
                ..Default::default()
            }
            .encode_to_vec(),
            Revision::V1_0 => v1_0::Apdu {
                sequence_id: 7,
                message_id: 0x0a,
                payload: v1_0::DeviceRegistrationReq {
                    part_number,
                    serial_number,
                    registration_code,
                    connector_number: connectors,
                    ..Default::default()
                }
                .encode_to_vec()
                .into(),
                ..Default::default()
            }
            .encode_to_vec(),
        }
    }

    /// Status, code and password of the answer on a new connection.
    fn register(&self, bench: &Bench) -> (i32, String, String) {
        let mut raw = visit(bench, &format!("{}-{}", self.part, self.serial));
        self.ask(&mut raw, &self.serial, 1)
    }

    fn ask(&self, raw: &mut Raw, topic_id: &str, packet_id: u16) -> (i32, String, String) {
        raw.subscribe(&[(&format!("/D/R/{topic_id}"), 2)], &[2]);
        raw.send(&publish(&format!("/U/R/{topic_id}"), &self.bytes(), 2, packet_id));
        let answer = answer(raw);
        assert_eq!(answer.topic, format!("/D/R/{topic_id}"));
        let (status, code, username, password) = match self.revision {
            Revision::V1_10 => {
                let apdu = v1_10::Apdu::decode(answer.payload.as_slice()).unwrap();
                assert_eq!((apdu.message_id, apdu.sequence_id), (0x8a, 7));
                let conf = v1_10::DeviceRegistrationConf::decode(apdu.payload).unwrap();
                (conf.status, conf.device_code, conf.mqtt_username, conf.mqtt_password)
            }
            Revision::V1_0 => {
                let apdu = v1_0::Apdu::decode(answer.payload.as_slice()).unwrap();
                assert_eq!((apdu.message_id, apdu.sequence_id), (0x8a, 7));
                let conf = v1_0::DeviceRegistrationConf::decode(apdu.payload).unwrap();
                (conf.status, conf.device_code, conf.mqtt_username, conf.mqtt_password)
            }
        };
        assert_eq!(username, code);
        (status, code, password)
    }
}

/// The answer to what was published, with both handshakes to their ends.
fn answer(raw: &mut Raw) -> Got {
    let (mut got, mut is_released, mut is_complete) = (None, false, false);
    while !(is_released && is_complete) {
        let (first, body) = raw.packet();
        let id = u16::from_be_bytes([body[0], body[1]]);
        match first >> 4 {
            5 => raw.send(&ack(0x62, id)),
            6 => {
                raw.send(&ack(0x70, id));
                is_released = true;
            }
            7 => is_complete = true,
            _ => {
                let message = Got::read(first, &body);
                raw.send(&ack(0x50, message.id));
                got = Some(message);
            }
        }
    }
    got.unwrap()
}

fn pile<'a>(piles: &'a Value, code: &str) -> &'a Value {
    piles.as_array().unwrap().iter().find(|pile| pile["code"] == code).unwrap()
}

fn account(bench: &Bench, code: &str) -> String {
    pile(&bench.json(&["piles", "list"]), code)["account"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pile_of_the_config_registers_until_it_has_logged_in() {
    let mut bench = bench(false);
    bench.start().await;
    let request = Request::new("ZD-2");
    assert_eq!(account(&bench, NEW_PILE), "none");

    // Nothing is told that cannot be written down.
    let in_the_way = bench.dir.path().join("data/piles.toml.new");
    fs::create_dir(&in_the_way).unwrap();
    assert_eq!(request.register(&bench).0, 7);
    assert_eq!(account(&bench, NEW_PILE), "none");
    fs::remove_dir(&in_the_way).unwrap();
    let (status, code, first) = request.register(&bench);
    assert_eq!((status, code.as_str()), (0, NEW_PILE));
    let (status, _, second) = request.register(&bench);
    assert_eq!((status, first != second), (0, true), "a lost answer is made good");
    assert!(!may_come(&bench, NEW_PILE, &first), "the first password is void");

    // Neither a password nor its absence survives in a file that others read.
    bench.kill();
    let file = fs::read_to_string(bench.dir.path().join("data/piles.toml")).unwrap();
    assert!(file.contains("ZD-2") && !file.contains(&second), "{file}");
    bench.start().await;
    assert_eq!(account(&bench, NEW_PILE), "issued");
    let (mut connected, code) = login(&bench, "PART-ZD-2", NEW_PILE, &second);
    assert_eq!(code, 0);
    bench.until("used", |bench| account(bench, NEW_PILE) == "used").await;
    assert_eq!(request.register(&bench).0, 2, "registered already");

    bench.terminate();
    bench.start().await;
    assert_eq!(request.register(&bench).0, 2, "also after a restart");
    assert!(may_come(&bench, NEW_PILE, &second));
    connected.expect_end();

    let (mut connected, _) = login(&bench, "PART-ZD-2", NEW_PILE, &second);
    assert!(bench.cli(&["piles", "forget", NEW_PILE]).status.success());
    connected.expect_end();
    assert!(!may_come(&bench, NEW_PILE, &second));
    assert_eq!(account(&bench, NEW_PILE), "none");
    assert_eq!(request.register(&bench).0, 0);
    for (args, status) in [(PILE, 1), ("3101150012000009", 1), ("short", 64)] {
        assert_eq!(bench.cli(&["piles", "forget", args]).status.code(), Some(status), "{args}");
    }
    bench.terminate();
    assert_eq!(bench.cli(&["piles", "forget", NEW_PILE]).status.code(), Some(69));
}

#[tokio::test]
async fn who_is_not_who_it_says_is_refused() {
    let mut bench = bench(false);
    bench.start().await;
    let good = Request::new("ZD-2");
    assert_eq!(login(&bench, "PART-ZD-2", "register", "wrong").1, 5);
    assert_eq!(login(&bench, "PART", "register", "default secret").1, 5);

    let refused = |request: Request| request.register(&bench).0;
    assert_eq!(refused(Request { code: "INSTALL-8".to_owned(), ..good.clone() }), 1);
    assert_eq!(refused(Request::new("ZD-3")), 3);
    assert_eq!(refused(Request { revision: Revision::V1_0, ..Request::new("ZD-3") }), 3);
    // Wrong in the same way, whatever the code: nobody learns which serial numbers there are.
    let guess = Request { code: String::new(), ..Request::new("ZD-3") };
    assert_eq!(refused(guess), 1);

    // Another's topic is not allowed, another's serial number is refused.
    let mut raw = visit(&bench, "PART-ZD-3");
    raw.subscribe(&[("/D/R/ZD-2", 2), ("/D/R/#", 2), ("#", 0)], &[0x80, 0x80, 0x80]);
    raw.send(&publish("/U/R/ZD-2", &good.bytes(), 0, 0));
    raw.expect_quiet();
    assert_eq!(good.ask(&mut raw, "ZD-3", 1).0, 4);
    assert_eq!(good.ask(&mut raw, "3", 2).0, 4);
    raw.send(&publish("/U/R/ZD-3", &[0xff, 0xff], 2, 3));
    let error = v1_10::Apdu::decode(answer(&mut raw).payload.as_slice()).unwrap();
    assert_eq!(error.message_id, 0xff);
    // Both spellings of the topic, and the same account for a repetition.
    let mut raw = visit(&bench, "PART-ZD-2");
    let first = good.ask(&mut raw, "PART-ZD-2", 1);
    assert_eq!((first.0, good.ask(&mut raw, "ZD-2", 2)), (0, first.clone()));
    // The same serial number under another part number: the last answer holds.
    let given = Request { part: "OTHER".to_owned(), ..good.clone() }.register(&bench);
    raw.expect_end();
    assert!(!may_come(&bench, NEW_PILE, &first.2));
    assert!(may_come(&bench, NEW_PILE, &given.2));

    // A password from a file is valid until the pile registers.
    assert!(may_come(&bench, PILE, "pile secret"));
    let (status, code, password) = Request::new("ZD1").register(&bench);
    assert_eq!((status, code.as_str()), (0, PILE));
    assert!(!may_come(&bench, PILE, "pile secret"));
    assert!(may_come(&bench, PILE, &password));
    assert!(bench.get("/metrics").1.contains("sitepilot_registrations_issued_total{} 3"));

    // Guessing ends the connection.
    let mut raw = visit(&bench, "PART-ZD-2");
    let guess = Request { code: "?".to_owned(), ..good.clone() };
    for packet_id in 1..=2 {
        assert_eq!(guess.ask(&mut raw, "ZD-2", packet_id).0, 1);
    }
    raw.send(&publish("/U/R/ZD-2", &guess.bytes(), 2, 3));
    while raw.next().is_some() {}
    // Going on with other client ids does not help; then no code is looked at.
    let throttled = (0..20).any(|number| {
        let name = format!("OTHER{number}-ZD-2");
        login(&bench, &name, "register", "default secret").1 == 3
            || Request { part: format!("OTHER{number}"), ..guess.clone() }.register(&bench).0 == 8
    });
    assert!(throttled);
    assert_eq!(good.register(&bench).0, 8);
    let log = bench.log();
    assert!(log.contains("wrong registration code"), "{log}");
    for secret in [&password, &given.2, CODE, "INSTALL-8", "default secret"] {
        assert!(!log.contains(secret), "{secret} in the log");
    }
}

fn unknown(bench: &Bench, serial: &str, seed: u64) -> (Handle<Pile>, JoinSet<()>) {
    let mut config = PileConfig::new("", serial, "", seed);
    config.registration = Some(Registration {
        username: "register".to_owned(),
        password: "default secret".to_owned(),
        code: CODE.to_owned(),
    });
    let pile = Handle::new(Pile::new(config), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    let mut tasks = JoinSet::new();
    tasks.spawn(mqtt::run(pile.clone(), doors));
    (pile, tasks)
}

/// Until the site knows these connectors of a pile.
async fn has_connectors(bench: &Bench, code: &str, wanted: &[u64]) {
    let list = |bench: &Bench| -> Vec<u64> {
        let piles = bench.json(&["piles", "list"]);
        let pile = piles.as_array().unwrap().iter().find(|pile| pile["code"] == code);
        let list = pile.map_or(&[][..], |pile| pile["connectors"].as_array().unwrap());
        list.iter().map(|connector| connector["connector"].as_u64().unwrap()).collect()
    };
    bench.until(&format!("{code} has {wanted:?}"), |bench| list(bench) == wanted).await;
}

#[tokio::test]
async fn an_unknown_pile_is_admitted_while_the_registration_is_open() {
    let mut bench = bench(true);
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;

    // From the registration to a settled order without a restart.
    let (pile_1, _task) = unknown(&bench, "NEW-1", 1);
    charge(&bench, &pile_1, 1, 1).await;
    bench.until("settled", |bench| states(bench) == ["settled"]).await;
    let code = pile_1.with(|pile, _| pile.code().to_owned());
    assert!(code.starts_with("3101150012") && code.len() == 16, "{code}");
    // After those of the config.
    has_connectors(&bench, &code, &[4, 5]).await;
    assert_eq!(bench.json(&["orders", "list"])[0]["connector"], 4);

    // The serial number is a code; one of the other revision.
    let request = Request { revision: Revision::V1_0, ..Request::new("SERIAL0123456789") };
    let (status, own, password) = request.register(&bench);
    assert_eq!((status, own.as_str()), (0, "SERIAL0123456789"));
    has_connectors(&bench, &own, &[6]).await;

    bench.kill();
    bench.start().await;
    has_connectors(&bench, &code, &[4, 5]).await;
    has_connectors(&bench, &own, &[6]).await;
    let piles = bench.json(&["piles", "list"]);
    assert_eq!(pile(&piles, &own)["revision"], "1.0");
    assert_eq!(pile(&piles, &own)["origin"], "registration");
    assert!(may_come(&bench, &own, &password));
    charge(&bench, &pile_1, 2, 2).await;

    // Forgotten, its code and numbers stay its own; with one connector more it gets one more.
    assert!(bench.cli(&["piles", "forget", &own]).status.success());
    assert_eq!(Request::new("OTHER").register(&bench).0, 0);
    let (status, again, _) = Request { connectors: 2, ..request }.register(&bench);
    assert_eq!((status, again), (0, own.clone()));
    has_connectors(&bench, &own, &[6, 8]).await;
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
}

#[tokio::test]
async fn what_contradicts_the_remembered_piles_is_a_wrong_config() {
    let mut bench = bench(true);
    bench.start().await;
    let (status, code, _) = Request::new("NEW-1").register(&bench);
    assert_eq!(status, 0);
    bench.terminate();
    assert!(bench.cli(&["check"]).status.success());

    let good = fs::read_to_string(bench.config()).unwrap();
    for (code, serial, connector, wrong) in [
        (code.as_str(), "NEW-2", 9, "is of serial NEW-1, not NEW-2"),
        ("3101150012000007", "NEW-1", 9, "has the serial of 3101150012000007 too: NEW-1"),
        ("3101150012000007", "NEW-2", 4, "has a connector of 3101150012000007 too: 4"),
    ] {
        bench.append(&format!(
            "[[pile]]\ncode = \"{code}\"\nserial = \"{serial}\"\nrevision = \"1.10\"\n\
             connectors = [{connector}]\n"
        ));
        let checked = bench.cli(&["check"]);
        assert_eq!(checked.status.code(), Some(78));
        assert!(text(&checked.stderr).contains(wrong), "{}", text(&checked.stderr));
        assert_eq!(bench.cli(&["run"]).status.code(), Some(78));
        fs::write(bench.config(), &good).unwrap();
    }
    // Taken over into the config, it is the same pile.
    bench.append(&format!(
        "[[pile]]\ncode = \"{code}\"\nserial = \"NEW-1\"\nrevision = \"1.10\"\nconnectors = [4]\n"
    ));
    assert!(bench.cli(&["check"]).status.success());
    fs::write(bench.dir.path().join("data/piles.toml"), "pile = 7").unwrap();
    let checked = bench.cli(&["check"]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(text(&checked.stderr).contains("piles.toml.old"), "{}", text(&checked.stderr));
}
