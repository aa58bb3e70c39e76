//! Where a far side is: `url` and `ca_file`.

use std::path::PathBuf;

use super::super::{fault::Faults, reader::Section};

/// Where a far side is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// With TLS: who signs the far side's certificate; `None` is plain TCP.
    pub ca_file: Option<PathBuf>,
}

/// Where the system keeps the certificates it trusts.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What a URL may begin with, and what follows from it.
struct Scheme {
    name: &'static str,
    is_secure: bool,
    port: u16,
}

const MQTT: [Scheme; 2] = [
    Scheme { name: "mqtt", is_secure: false, port: 1883 },
    Scheme { name: "mqtts", is_secure: true, port: 8883 },
];

const TCP: [Scheme; 1] = [Scheme { name: "tcp", is_secure: false, port: 8003 }];

/// A broker.
pub(super) fn broker(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Endpoint> {
    let url = section.text("url", faults);
    let url = section.required("url", url, faults, "such as \"mqtts://mqtt.example.com:8883\"");
    let ca_file = section.text("ca_file", faults);
    let url = url?;
    let Some((is_secure, host, port)) = split(&url.value, &MQTT) else {
        let hint =
            "mqtt://HOST:PORT or mqtts://HOST:PORT; account and topic have keys of their own";
        faults.add(&url.place, format!("is not a URL of a broker: {}", url.value), hint);
        return None;
    };
    if !is_secure {
        if let Some(at) = ca_file {
            let text = "is not used: mqtt:// is without TLS";
            faults.warn(&at.place, text, "mqtts:// in url, or leave it out");
        }
        return Some(Endpoint { host, port, ca_file: None });
    }
    let place = ca_file.as_ref().map_or_else(|| url.place.clone(), |at| at.place.clone());
    let file = ca_file.map_or_else(|| PathBuf::from(SYSTEM_CA_FILE), |at| PathBuf::from(at.value));
    if let Err(error) = std::fs::File::open(&file) {
        let text = format!("needs certificates that cannot be read: {}: {error}", file.display());
        faults.add(&place, text, "name them with ca_file, or install ca-certificates");
    }
    Some(Endpoint { host, port, ca_file: Some(file) })
}

/// A server of EC TCP, which has no TLS.
pub(super) fn server(section: &mut Section<'_>, faults: &mut Faults<'_>) -> Option<Endpoint> {
    let url = section.text("url", faults);
    let url = section.required("url", url, faults, "such as \"tcp://10.1.2.3:8003\"")?;
    let Some((_, host, port)) = split(&url.value, &TCP) else {
        let text = format!("is not a URL of a server: {}", url.value);
        faults.add(&url.place, text, "tcp://HOST:PORT; this wire has neither TLS nor a login");
        return None;
    };
    Some(Endpoint { host, port, ca_file: None })
}

/// Whether with TLS, host and port.
fn split(url: &str, schemes: &[Scheme]) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = schemes.iter().find(|known| known.name == scheme)?;
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (rest, scheme.port),
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    (port != 0 && !host.is_empty() && host.chars().all(plain))
        .then(|| (scheme.is_secure, host.to_owned(), port))
}
