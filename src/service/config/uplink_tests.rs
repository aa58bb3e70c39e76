#![expect(clippy::unwrap_used, reason = "tests")]

use std::{path::Path, time::Duration};

use super::{
    Config, Far,
    tests::{Desk, GOOD},
};
use crate::{
    domain::{bill::Band, connector::PileKind},
    protocol::ec::Confirm,
    service::roster::Roster,
    site::Confirmation,
};

/// One uplink of each other kind, with what must be there and nothing else.
const OTHERS: &str = r#"
[[uplink]]
name = "regulator"
kind = "ec"
url = "tcp://10.1.2.3"
organisation = 1000

[[uplink]]
name = "platform"
kind = "jcpp"
url = "mqtt://mq.example.com"

[[uplink]]
name = "gateway"
kind = "peaq"
url = "mqtt://mq.example.com"
client_id = "SP-1"
model = "S1"
vendor = "ACME"

[http]
"#;

fn good() -> String {
    GOOD.replace("[http]\n", OTHERS)
}

fn parse(text: &str) -> Config {
    Desk::new().parse(text).unwrap()
}

fn warnings(config: &Config) -> Vec<String> {
    let warnings = config.warnings(Path::new("site.toml"), None);
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn an_uplink_of_each_kind_needs_little() {
    let config = parse(&good());
    assert_eq!(warnings(&config), [""; 0]);
    let roles: Vec<_> =
        config.uplinks.iter().map(|u| (u.primary, u.commands, u.required)).collect();
    let told = (false, false, true);
    assert_eq!(roles, [(true, true, true), told, told, (false, false, false)]);
    let site = config.site_config(Roster::open(&config).unwrap().site_piles());
    let kinds: Vec<_> =
        site.uplinks.iter().map(|u| (u.wire.kind(), u.wire.confirmation())).collect();
    let wanted = [
        ("charger", Confirmation::Answered),
        ("ec", Confirmation::Delivered),
        ("jcpp", Confirmation::Delivered),
        ("peaq", Confirmation::None),
    ];
    assert_eq!(kinds, wanted);
}

/// The commented uplinks of the example that is installed.
#[test]
fn the_uplinks_of_the_example_can_be_used() {
    let example = include_str!("../../../deploy/site.toml");
    let start = example.find("# [[uplink]]").unwrap();
    let (tables, _) = example[start..].split_once("\n[http]").unwrap();
    let tables: String =
        tables.lines().map(|line| line.trim_start_matches("# ").to_owned() + "\n").collect();
    let tables = tables.replace("/etc/sitepilot/platform.password", "DIR/cloud");
    let config = parse(&GOOD.replace("[http]", &format!("{tables}[http]")));
    let names: Vec<_> = config.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
    assert_eq!(names, ["cloud", "regulator", "platform", "gateway"]);
    assert_eq!(warnings(&config), [""; 0]);
}

#[test]
fn defaults_of_an_ec_uplink_are_those_of_the_wire() {
    let config = parse(&good());
    let Far::Ec(ec) = &config.uplinks[1].far else { panic!() };
    assert_eq!((ec.endpoint.host.as_str(), ec.endpoint.port), ("10.1.2.3", 8003));
    let settings = &ec.settings;
    assert_eq!((settings.organisation, settings.confirm), (1000, Confirm::Heartbeat));
    assert_eq!((settings.heartbeat_ms, settings.realtime_ms), (60_000, 60_000));
    assert_eq!((settings.resend_ms, settings.amount_includes_service), (300_000, true));
}

#[test]
fn an_ec_uplink_is_what_its_table_says() {
    let table = "organisation = 7\nheartbeat_s = 30\nrealtime_s = 20\nconfirm = \"tcp\"\n\
                 resend_minutes = 0\namount_includes_service = false\nrequired = false\n\
                 max_orders_per_s = 5\n";
    let config =
        parse(&good().replace("organisation = 1000\n", table).replace("10.1.2.3", "[::1]:1"));
    let uplink = &config.uplinks[1];
    assert_eq!((uplink.required, uplink.max_orders_per_s), (false, Some(5)));
    let Far::Ec(ec) = &uplink.far else { panic!() };
    assert_eq!((ec.endpoint.host.as_str(), ec.endpoint.port), ("::1", 1));
    let settings = &ec.settings;
    assert_eq!((settings.organisation, settings.confirm), (7, Confirm::Tcp));
    assert_eq!((settings.heartbeat_ms, settings.realtime_ms), (30_000, 20_000));
    assert_eq!((settings.resend_ms, settings.amount_includes_service), (0, false));
    assert_eq!(warnings(&config), [""; 0], "it decides about no order");
}

#[test]
fn queues_get_their_names_topics_and_logins() {
    let config = parse(&good());
    let (Far::Jcpp(jcpp), Far::Peaq(peaq)) = (&config.uplinks[2].far, &config.uplinks[3].far)
    else {
        panic!()
    };
    assert_eq!(jcpp.access.client_id, "sitepilot-3101150012-platform");
    assert!(jcpp.access.login.is_none());
    assert_eq!(jcpp.settings.topic_prefix, "jcpp/uplink");
    assert_eq!(
        (jcpp.settings.protocol_name.as_str(), jcpp.settings.heartbeat_ms),
        ("sitepilot", 60_000)
    );
    assert_eq!(
        (peaq.access.client_id.as_str(), peaq.settings.client_id.as_str()),
        ("SP-1", "SP-1")
    );
    assert_eq!(peaq.settings.topic_prefix, "peaq");

    let table = "kind = \"jcpp\"\nclient_id = \"c\"\nusername = \"u\"\npassword_file = \"DIR/cloud\"\n\
                 topic_prefix = \"/a/b\"\nprotocol_name = \"x\"\nheartbeat_s = 5\nmax_inflight = 7\n\
                 login_retry_s = 9\nkeep_alive_s = 8\nband_tags = { valley = [\"Night\", \"flat\"] }";
    let config = parse(&good().replace("kind = \"jcpp\"", table));
    let Far::Jcpp(jcpp) = &config.uplinks[2].far else { panic!() };
    let access = &jcpp.access;
    let (username, password) = access.login.as_ref().unwrap();
    assert_eq!((username.as_str(), password.expose()), ("u", "secret of this file"));
    assert_eq!((access.client_id.as_str(), access.pace.max_inflight), ("c", 7));
    let seconds = Duration::from_secs;
    assert_eq!((access.pace.login_retry, access.pace.keep_alive), (seconds(9), seconds(8)));
    assert_eq!((jcpp.settings.topic_prefix.as_str(), jcpp.settings.heartbeat_ms), ("/a/b", 5000));
    let tags = &jcpp.settings.tags;
    let bands = ["night", "flat", "tip"].map(|tag| tags.band(tag));
    assert_eq!(bands, [Some(Band::Valley), Some(Band::Valley), Some(Band::Sharp)]);
}

#[test]
fn orders_are_wanted_since_a_local_day_or_an_exact_moment() {
    let day_s = 1_793_462_400; // 2026-11-01T00:00:00+08:00
    for (written, wanted) in [
        ("2026-11-01", day_s),
        ("\"2026-11-01\"", day_s),
        ("2026-11-01T01:00:00", day_s + 3600),
        ("2026-11-01T00:00:00+08:00", day_s),
        ("\"2026-10-31T16:00:00Z\"", day_s),
    ] {
        let text =
            good().replace("kind = \"ec\"", &format!("kind = \"ec\"\norders_since = {written}"));
        let config = parse(&text);
        assert_eq!(config.uplinks[1].orders_since_s, Some(wanted), "{written}");
        assert_eq!(config.uplinks[0].orders_since_s, None);
    }
}

#[test]
fn what_a_confirmation_is_worth_is_said() {
    let tcp = good().replace("organisation = 1000", "organisation = 1000\nconfirm = \"tcp\"");
    let told = warnings(&parse(&tcp));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("uplink[2].confirm: an order counts as delivered as soon as"),
        "{told:?}"
    );

    let slow = good().replace("organisation = 1000", "organisation = 1000\nheartbeat_s = 120");
    let told = warnings(&parse(&slow));
    assert!(told[0].contains("uplink[2].heartbeat_s: may be too long: 120 s"), "{told:?}");

    let plain = good().replacen("url = \"mqtt:", "ca_file = \"/nothing\"\nurl = \"mqtt:", 1);
    let told = warnings(&parse(&plain));
    assert!(told[0].contains("ca_file: is not used: mqtt:// is without TLS"), "{told:?}");

    let unanswered = good().replace("primary = true", "primary = true\nrequired = false");
    let told = warnings(&parse(&unanswered));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("no required uplink answers orders"), "{told:?}");
}

#[test]
fn a_site_that_only_a_gateway_commands_is_not_called_uncommanded() {
    let text = good().replace("primary = true", "").replace("model", "commands = true\nmodel");
    let told = warnings(&parse(&text));
    assert!(told[0].contains("none is primary: nobody is asked about cards\n"), "{told:?}");
}

#[test]
fn what_piles_give_that_register_is_configured() {
    let registration = "[broker.registration]\ncode_file = \"DIR/code\"\n\
        username = \"register\"\npassword_file = \"DIR/cloud\"\n[http]";
    let text = GOOD.replace("[http]", registration);
    assert_eq!(parse(&text).broker.registration.unwrap().kind, PileKind::Dc);
    let ac = text.replace("username = \"register\"", "username = \"register\"\nkind = \"ac\"");
    assert_eq!(parse(&ac).broker.registration.unwrap().kind, PileKind::Ac);
    let wrong = text.replace("username = \"register\"", "username = \"register\"\nkind = \"x\"");
    Desk::new().refuses(&wrong, "broker.registration.kind: is not a kind of pile: x");
}

/// What is changed in the good config, and what must be said of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    // roles
    (
        "kind = \"ec\"",
        "kind = \"ec\"\nprimary = true",
        "uplink[2].primary: is true, but only kind \"charger\" is asked about cards",
    ),
    (
        "kind = \"peaq\"",
        "kind = \"peaq\"\nprimary = true",
        "uplink[4].primary: is true, but only kind \"charger\"",
    ),
    (
        "kind = \"peaq\"",
        "kind = \"peaq\"\nrequired = true",
        "uplink[4].required: is true, but peaq confirms no orders",
    ),
    (
        "kind = \"ec\"",
        "kind = \"ec\"\ncommands = true",
        "uplink[2].commands: is true, but a far side of this kind has no way to command",
    ),
    ("kind = \"jcpp\"", "kind = \"jcpp\"\ncommands = true", "uplink[3].commands: is true"),
    (
        "kind = \"peaq\"",
        "kind = \"peaq\"\norders_since = 2026-11-01",
        "uplink[4].orders_since: is about orders, and peaq has no message for them",
    ),
    (
        "kind = \"peaq\"",
        "kind = \"peaq\"\nmax_orders_per_s = 1",
        "uplink[4].max_orders_per_s: is about orders",
    ),
    (
        "kind = \"ec\"",
        "kind = \"ec\"\nmax_orders_per_s = 0",
        "uplink[2].max_orders_per_s: is out of range: 0\nhint: 1 to 1000",
    ),
    (
        "kind = \"ec\"",
        "kind = \"ec\"\norders_since = \"last week\"",
        "uplink[2].orders_since: is not a date: last week\nhint: such as 2026-11-01",
    ),
    (
        "kind = \"ec\"",
        "kind = \"ec\"\norders_since = 07:32:00",
        "orders_since: is not a date: 07:32",
    ),
    ("kind = \"ec\"", "kind = \"ec\"\norders_since = 7", "orders_since: has the wrong type"),
    // EC
    ("url = \"tcp://10.1.2.3\"\n", "", "uplink[2].url: is missing"),
    (
        "tcp://10.1.2.3",
        "mqtt://10.1.2.3",
        "uplink[2].url: is not a URL of a server: mqtt://10.1.2.3",
    ),
    ("tcp://10.1.2.3", "tcp://10.1.2.3:0", "uplink[2].url: is not a URL of a server"),
    ("organisation = 1000\n", "", "uplink[2].organisation: is missing"),
    ("organisation = 1000", "organisation = 4294967296", "uplink[2].organisation: is out of range"),
    (
        "organisation = 1000",
        "organisation = 1\nconfirm = \"hope\"",
        "uplink[2].confirm: is none of the words known here: hope\nhint: one of \"heartbeat\", \"tcp\"",
    ),
    (
        "organisation = 1000",
        "organisation = 1\nheartbeat_s = 0",
        "uplink[2].heartbeat_s: is out of",
    ),
    ("organisation = 1000", "organisation = 1\nrealtime_s = 0", "uplink[2].realtime_s: is out of"),
    (
        "organisation = 1000",
        "organisation = 1\nresend_minutes = 1441",
        "uplink[2].resend_minutes: is out of range: 1441\nhint: 0 to 1440",
    ),
    (
        "organisation = 1000",
        "organization = 1\norganisation = 1",
        "uplink[2].organization: is not a known key\nhint: did you mean organisation?",
    ),
    // queues
    ("mqtt://mq.example.com", "tcp://mq.example.com", "uplink[3].url: is not a URL of a broker"),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\ntopic_perfix = \"x\"",
        "uplink[3].topic_perfix: is not a known key\nhint: did you mean topic_prefix?",
    ),
    ("kind = \"jcpp\"", "kind = \"jcpp\"\norganisation = 1", ", topic_prefix, url, username"),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\ntopic_prefix = \"a/#\"",
        "uplink[3].topic_prefix: is not the begin of a topic: a/#\nhint: such as \"jcpp/uplink\"",
    ),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\ntopic_prefix = \"a/\"",
        "is not the begin of a topic: a/",
    ),
    ("kind = \"jcpp\"", "kind = \"jcpp\"\nusername = \"u\"", "uplink[3].password_file: is missing"),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\npassword_file = \"DIR/cloud\"",
        "uplink[3].username: is missing",
    ),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\nband_tags = { noon = [\"x\"] }",
        "uplink[3].band_tags.noon: is not a known key",
    ),
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\nband_tags = { peak = [\"Day\"], flat = [\"day\"] }",
        "uplink[3].band_tags.peak: names a tag of another band too: Day",
    ),
    ("client_id = \"SP-1\"\n", "", "uplink[4].client_id: is missing"),
    ("client_id = \"SP-1\"", "client_id = \"S/1\"", "uplink[4].client_id: has characters that"),
    ("model = \"S1\"\n", "", "uplink[4].model: is missing"),
    // two of the same name at a broker
    (
        "kind = \"jcpp\"",
        "kind = \"jcpp\"\nclient_id = \"SP-1\"",
        "uplink[4]: has the MQTT client id of uplink[3] at the same host: SP-1",
    ),
    (
        "url = \"mqtt://mq.example.com\"",
        "url = \"mqtt://MQTT.example.com:1884\"\nclient_id = \"SITEPILOT-1-SP-1\"",
        "uplink[3]: has the MQTT client id of uplink[1] at the same host: SITEPILOT-1-SP-1",
    ),
];

#[test]
fn every_mistake_is_told_with_its_place_and_a_hint() {
    let (desk, good) = (Desk::new(), good());
    for (from, to, wanted) in MISTAKES {
        assert!(good.contains(from), "the good config lacks {from:?}");
        desk.refuses(&good.replacen(from, to, 1), wanted);
    }
}
