//! `[broker.tls]`

use std::{net::SocketAddr, path::PathBuf};

use super::{
    fault::Faults,
    reader::{At, Section},
    secret::{self, Privacy},
    table,
};
use crate::broker::{Keys, KeysPart};

/// The door for TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the certificate came from, for people.
    pub certificate_file: PathBuf,
    /// What it shows, and whom it trusts.
    pub keys: Keys,
}

/// A bundle of all public authorities has 200 kB.
const MAX_PEM_BYTES: u64 = 1 << 20;

pub(super) fn read(mut section: Section<'_>, faults: &mut Faults<'_>) -> Option<At<Tls>> {
    let listen = section.text("listen", faults);
    let listen = section.required("listen", listen, faults, "such as \"0.0.0.0:8883\"");
    let listen = listen.and_then(|at| table::address(at, faults));
    let certificate = section.text("certificate_file", faults);
    let hint = "the site's certificate in PEM, followed by those between it and its authority";
    let certificate = section.required("certificate_file", certificate, faults, hint);
    let key = secret::locate(&mut section, "key_file", "key_credential", faults);
    let client_ca = section.text("client_ca_file", faults);
    section.finish(faults);

    let public = |at: At<String>, faults: &mut _| {
        secret::read_file(&at.map(PathBuf::from), Privacy::Given, MAX_PEM_BYTES, faults)
    };
    let certificate = certificate.and_then(|at| public(at, faults));
    let key = key.and_then(|(at, privacy)| secret::read_file(&at, privacy, MAX_PEM_BYTES, faults));
    let client_ca = match client_ca {
        Some(at) => Some(public(at, faults)?),
        None => None,
    };
    let pems = Pems { certificate: certificate?, key: key?, client_ca };
    let (listen, keys) = (listen?, pems.keys(faults)?);
    let certificate_file = pems.certificate.value.0;
    Some(listen.map(|listen| Tls { listen, certificate_file, keys }))
}

/// The files, as read.
struct Pems {
    certificate: At<(PathBuf, Vec<u8>)>,
    key: At<(PathBuf, Vec<u8>)>,
    client_ca: Option<At<(PathBuf, Vec<u8>)>>,
}

impl Pems {
    fn keys(&self, faults: &mut Faults<'_>) -> Option<Keys> {
        let client_ca = self.client_ca.as_ref().map(|at| at.value.1.as_slice());
        let parsed = Keys::parse(&self.certificate.value.1, &self.key.value.1, client_ca);
        let found = parsed.map_err(|found| {
            for fault in found {
                let (at, hint) = match fault.part {
                    KeysPart::Certificate => {
                        (&self.certificate, "a certificate of version 3 in PEM")
                    }
                    KeysPart::Key => (&self.key, "the key the certificate was made with, in PEM"),
                    KeysPart::ClientCa => (
                        self.client_ca.as_ref().unwrap_or(&self.certificate),
                        "certificates in PEM",
                    ),
                };
                let text = format!("{}: {}", fault.text, at.value.0.display());
                faults.add(&at.place, text, hint);
            }
        });
        found.ok()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::tests::{Desk, GOOD};

    const TLS: &str = r#"
[broker.tls]
listen = "0.0.0.0:8883"
certificate_file = "DIR/site.crt"
key_file = "DIR/site.key"
client_ca_file = "DIR/site.crt"
"#;

    /// A desk with a certificate that ends with 2029, and two keys of which one fits.
    fn desk() -> Desk {
        let desk = Desk::new();
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec!["site".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2030, 1, 1);
        desk.write("site.crt", &params.self_signed(&key).unwrap().pem(), 0o644);
        desk.write("site.key", &key.serialize_pem(), 0o640);
        desk.write("public.key", &key.serialize_pem(), 0o644);
        desk.write("other.key", &other.serialize_pem(), 0o640);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        desk.write("broken.crt", broken, 0o644);
        desk
    }

    /// The good config with TLS in the place of plain TCP, or beside it.
    fn with_tls(listen: &str, tls: &str) -> String {
        GOOD.replacen("listen = \"0.0.0.0:1883\"\n", &format!("{listen}{tls}"), 1)
    }

    #[test]
    fn tls_stands_alone_or_beside_plain_tcp() {
        let desk = desk();
        let config = desk.parse(&with_tls("", TLS)).unwrap();
        let tls = config.broker.tls.as_ref().unwrap();
        assert_eq!((config.broker.listen, tls.listen.port()), (None, 8883));
        let site = std::path::Path::new("site.toml");
        assert!(config.warnings(site, Some(1_800_000_000)).is_empty(), "in 2027");
        let warned = config.warnings(site, Some(1_893_000_000));
        assert_eq!(warned.len(), 1);
        let text = warned[0].to_string();
        assert!(text.contains("/site.crt: the doors' certificate expires in 5 days"), "{text}");
        let config = desk.parse(&with_tls("listen = \"0.0.0.0:1883\"\n", TLS)).unwrap();
        assert!(config.broker.listen.is_some() && config.broker.tls.is_some());
        assert!(!format!("{config:?}").contains("PRIVATE"));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let desk = desk();
        for (from, to, wanted) in [
            ("listen = \"0.0.0.0:8883\"\n", "", "broker.tls.listen: is missing"),
            ("0.0.0.0:8883", "0.0.0.0", "broker.tls.listen: is not an address to listen on"),
            ("0.0.0.0:8883", "0.0.0.0:8080", "http.listen: is taken by broker.tls.listen"),
            ("certificate_file", "certificate", "broker.tls.certificate_file: is missing"),
            ("DIR/site.crt", "DIR/nothing", "broker.tls.certificate_file: cannot be read"),
            ("DIR/site.crt", "DIR/site.key", "certificate_file: has no certificate in it"),
            ("DIR/site.crt", "DIR/broken.crt", "certificate_file: certificate cannot be parsed"),
            ("key_file = \"DIR/site.key\"\n", "", "broker.tls.key_file: is missing"),
            ("DIR/site.key", "DIR/public.key", "broker.tls.key_file: can be read by everybody"),
            ("DIR/site.key", "DIR/other.key", "key_file: does not belong to the certificate"),
            ("DIR/site.key", "DIR/empty", "broker.tls.key_file: has no private key"),
            ("key_file", "key_credential", "key_credential: names a credential, but there are"),
            (
                "client_ca_file = \"DIR/site.crt\"",
                "client_ca_file = \"DIR/empty\"",
                "tls.client_ca_file: has no",
            ),
            ("client_ca_file", "client_ca", "client_ca: is not a known key\nhint: known here: "),
        ] {
            assert!(TLS.contains(from), "{from}");
            let faults = desk.parse(&with_tls("", &TLS.replacen(from, to, 1))).unwrap_err();
            assert!(
                faults.iter().any(|fault| fault.contains(wanted)),
                "with {to:?} wanted {wanted:?}, found {faults:#?}"
            );
        }
        let taken = desk.parse(&with_tls("listen = \"0.0.0.0:8883\"\n", TLS)).unwrap_err();
        assert!(taken[0].contains("broker.tls.listen: is taken by broker.listen"), "{taken:?}");
        let neither = desk.parse(&with_tls("", "")).unwrap_err();
        assert!(neither[0].contains("broker.listen: is missing"), "{neither:?}");
    }
}
