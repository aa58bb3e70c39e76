//! `kind = "jcpp"` and `kind = "peaq"`: brokers whose readers are told and do not answer.

use std::time::Duration;

use super::{
    super::{
        fault::Faults,
        pile::MAX_CONNECTORS,
        reader::Section,
        secret::{self, Secret},
    },
    endpoint::{self, Endpoint},
    needed, plain,
};
use crate::{
    domain::bill::{Band, Tags},
    protocol::{jcpp, peaq},
    service::roster::CONNECTORS_LIMIT,
};

/// How a broker is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What the site calls itself there.
    pub client_id: String,
    /// User name and password; `None`: the broker wants none.
    pub login: Option<(String, Secret)>,
    /// How a connection to it is kept.
    pub pace: Pace,
}

/// The queue of a JCPP application.
#[derive(Debug, Clone)]
pub struct Jcpp {
    /// Its broker.
    pub access: Access,
    /// Settings of the wire.
    pub settings: jcpp::Settings,
}

/// A gateway of peaq.
#[derive(Debug, Clone)]
pub struct Peaq {
    /// Its broker.
    pub access: Access,
    /// Settings of the wire.
    pub settings: peaq::Settings,
}

/// A connector has two digits on the wire of JCPP.
const _: () = assert!(MAX_CONNECTORS <= 99 && CONNECTORS_LIMIT <= 99);

/// Longest prefix of topics, in bytes; with all that follows it stays far below MQTT's 65,535.
const MAX_PREFIX_BYTES: usize = 128;

/// How a connection to a broker is kept.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between attempts after a refused login.
    pub login_retry: Duration,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// Publishes of QoS 1 and 2 that may be unfinished at the same time.
    pub max_inflight: u64,
}

pub(super) fn pace(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Pace {
    // A refused login is a matter for people; five minutes neither floods nor forgets.
    let login_retry_s = section.number_or("login_retry_s", 1..=86_400, 300, faults);
    // MQTT 3.1.1 has no way to say how much a broker bears. With more than 20 unfinished publishes
    // mosquitto 2.0.11 was seen to cut the client, or to pass on fewer than it took.
    let max_inflight = section.number_or("max_inflight", 1..=1000, 20, faults);
    let keep_alive_s = section.number_or("keep_alive_s", 5..=3600, 30, faults);
    Pace {
        login_retry: Duration::from_secs(login_retry_s),
        keep_alive: Duration::from_secs(keep_alive_s),
        max_inflight,
    }
}

/// `client_id`: where the config names none.
pub(super) fn jcpp(
    section: &mut Section<'_>,
    client_id: Option<String>,
    faults: &mut Faults<'_>,
) -> Option<Jcpp> {
    let client_id = match section.text("client_id", faults) {
        Some(at) => plain(at, faults),
        None => client_id,
    };
    let access = access(section, client_id, faults);
    let topic_prefix = prefix(section, "jcpp/uplink", faults);
    let protocol_name = match section.text("protocol_name", faults) {
        Some(at) => plain(at, faults),
        None => Some("sitepilot".to_owned()),
    };
    let heartbeat_s = section.number_or("heartbeat_s", 1..=3600, 60, faults);
    let tags = tags(section, faults);
    Some(Jcpp {
        access: access?,
        settings: jcpp::Settings {
            topic_prefix: topic_prefix?,
            protocol_name: protocol_name?,
            heartbeat_ms: heartbeat_s * 1000,
            tags,
        },
    })
}

pub(super) fn peaq(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Peaq> {
    let hint = "what the gateway knows the site by, also in its topics";
    let client_id = needed(section, "client_id", hint, faults);
    let access = access(section, client_id.clone(), faults);
    let topic_prefix = prefix(section, "peaq", faults);
    let model = needed(section, "model", "as the gateway is told at a boot", faults);
    let vendor = needed(section, "vendor", "as the gateway is told at a boot", faults);
    Some(Peaq {
        access: access?,
        settings: peaq::Settings {
            topic_prefix: topic_prefix?,
            client_id: client_id?,
            model: model?,
            vendor: vendor?,
        },
    })
}

fn access(
    section: &mut Section<'_>,
    client_id: Option<String>,
    faults: &mut Faults<'_>,
) -> Option<Access> {
    let endpoint = endpoint::broker(section, faults);
    let login = login(section, faults);
    let pace = pace(section, faults);
    Some(Access { endpoint: endpoint?, client_id: client_id?, login: login?, pace })
}

/// Name and password, or neither; `None` if something is wrong with them.
fn login(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Option<(String, Secret)>> {
    let (file, credential) = ("password_file", "password_credential");
    let keys = ["username", file, credential];
    if !keys.into_iter().any(|key| section.has(key)) {
        // Asked for all the same: whoever writes another key wrongly is told which there are.
        for key in keys {
            let _ = section.text(key, faults);
        }
        return Some(None);
    }
    let username = needed(section, "username", "the account at the broker", faults);
    let password = secret::read(section, file, credential, faults);
    Some(Some((username?, password?)))
}

fn prefix(section: &mut Section<'_>, default: &str, faults: &mut Faults<'_>) -> Option<String> {
    let Some(at) = section.text("topic_prefix", faults) else { return Some(default.to_owned()) };
    let text = at.value.as_str();
    let is_good = text.len() <= MAX_PREFIX_BYTES
        && !text.starts_with('$')
        && text.split('/').skip(1).all(|level| !level.is_empty())
        && !text.chars().any(|c| c.is_control() || matches!(c, '+' | '#'));
    if !is_good {
        let hint = format!("such as {default:?}: levels with slashes between, none of + # in them");
        faults.add(&at.place, format!("is not the begin of a topic: {text}"), hint);
    }
    is_good.then_some(at.value)
}

/// The keys of `band_tags`.
const BANDS: [(&str, Band); 5] = [
    ("sharp", Band::Sharp),
    ("peak", Band::Peak),
    ("flat", Band::Flat),
    ("valley", Band::Valley),
    ("deep", Band::Deep),
];

/// What the tags of tariff periods mean, beside what is known of them.
fn tags(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Tags {
    let mut tags = Tags::default();
    let Some(mut table) = section.section("band_tags", faults) else { return tags };
    let mut given = Vec::new();
    for (key, band) in BANDS {
        let Some(at) = table.texts(key, faults) else { continue };
        for tag in at.value {
            tags.set(&tag, band);
            given.push((tag, band, at.place.clone()));
        }
    }
    for (tag, band, place) in given {
        // The later one has won.
        if tags.band(&tag) != Some(band) {
            faults.add(&place, format!("names a tag of another band too: {tag}"), "keep one");
        }
    }
    table.finish(faults);
    tags
}
