//! Certificate, key and the authorities of clients, read and checked as one.

use std::{fmt, sync::Arc};

use rustls::{
    Error, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

use super::certificate::Facts;

/// The keys of TLS doors: they fit together.
#[derive(Clone)]
pub struct Keys {
    pub(super) own: Arc<CertifiedKey>,
    /// Who signs the clients' certificates, if these are required.
    pub(super) authorities: Option<Arc<RootCertStore>>,
    ends_s: u64,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("ends_s", &self.ends_s).finish_non_exhaustive()
    }
}

/// One of the files that keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysPart {
    /// The certificate, followed by those between it and its authority.
    Certificate,
    /// The certificate's private key.
    Key,
    /// The authorities of clients.
    ClientCa,
}

/// What is wrong with one of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct KeysFault {
    /// Where.
    pub part: KeysPart,
    /// What, for people.
    pub text: String,
}

impl Keys {
    /// Reads the three from PEM. With `client_ca`, clients must show a certificate of one of
    /// these authorities.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(
        certificate: &[u8],
        key: &[u8],
        client_ca: Option<&[u8]>,
    ) -> Result<Self, Vec<KeysFault>> {
        let chain = chain(certificate);
        let key = signing_key(key);
        let authorities = client_ca.map(authorities).transpose();
        let (Ok((chain, ends_s)), Ok(key), Ok(authorities)) = (&chain, &key, &authorities) else {
            let faults = [chain.err(), key.err(), authorities.err()];
            return Err(faults.into_iter().flatten().collect());
        };
        let own = CertifiedKey::new(chain.clone(), Arc::clone(key));
        own.keys_match().map_err(|error| vec![mismatch(&error)])?;
        Ok(Self { own: Arc::new(own), authorities: authorities.clone(), ends_s: *ends_s })
    }

    /// Until when the certificate is valid, unix seconds.
    #[must_use]
    pub const fn ends_s(&self) -> u64 {
        self.ends_s
    }
}

/// The only cryptography there is.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

const fn fault(part: KeysPart, text: String) -> KeysFault {
    KeysFault { part, text }
}

fn mismatch(error: &Error) -> KeysFault {
    match error {
        Error::InconsistentKeys(_) => {
            fault(KeysPart::Key, "does not belong to the certificate".to_owned())
        }
        // Such as one of version 1, which has no place for the names of hosts.
        other => fault(KeysPart::Certificate, format!("cannot be used: {other}")),
    }
}

type Chain = Vec<CertificateDer<'static>>;

fn certificates(part: KeysPart, pem: &[u8]) -> Result<Chain, KeysFault> {
    let all: Result<Chain, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| fault(part, format!("is not PEM: {error}")))?;
    if all.is_empty() {
        return Err(fault(part, "has no certificate in it".to_owned()));
    }
    Ok(all)
}

fn chain(pem: &[u8]) -> Result<(Chain, u64), KeysFault> {
    let part = KeysPart::Certificate;
    let chain = certificates(part, pem)?;
    let facts = Facts::read(&chain[0]).map_err(|error| fault(part, error.to_string()))?;
    Ok((chain, facts.ends_s))
}

fn signing_key(pem: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, KeysFault> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => "has no private key without a passphrase in it".to_owned(),
        error => format!("is not PEM: {error}"),
    });
    let key = key.map_err(|text| fault(KeysPart::Key, text))?;
    let loaded = provider().key_provider.load_private_key(key);
    loaded.map_err(|_| fault(KeysPart::Key, "is a key of an unknown kind".to_owned()))
}

fn authorities(pem: &[u8]) -> Result<Arc<RootCertStore>, KeysFault> {
    let part = KeysPart::ClientCa;
    let mut roots = RootCertStore::empty();
    for authority in certificates(part, pem)? {
        let added = roots.add(authority);
        added.map_err(|error| fault(part, format!("has an unusable certificate: {error}")))?;
    }
    Ok(Arc::new(roots))
}
