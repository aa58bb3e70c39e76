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
                    KeysPart::Certificate => (&self.certificate, "a certificate in PEM"),
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
