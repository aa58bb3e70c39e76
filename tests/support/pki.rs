//! A site's own authority, made for a test.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, not all used by each")]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Who signs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Papers {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Papers of the doors, reached by loopback.
    pub fn site(&self) -> Papers {
        self.sign(&params("site", &["127.0.0.1", "localhost"]))
    }

    /// Papers of a pile.
    pub fn pile(&self, name: &str) -> Papers {
        self.sign(&params(name, &[]))
    }

    /// Papers whose time is over.
    pub fn expired(&self, name: &str) -> Papers {
        let mut params = params(name, &["127.0.0.1"]);
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(&params)
    }

    /// Papers with this subject.
    pub fn sign(&self, params: &CertificateParams) -> Papers {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Papers { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority, with papers or without.
    pub fn client(&self, papers: Option<&Papers>) -> Arc<ClientConfig> {
        self.client_of(papers, rustls::ALL_VERSIONS)
    }

    /// The same, of these versions of TLS only.
    pub fn client_of(
        &self,
        papers: Option<&Papers>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match papers {
            None => builder.with_no_client_auth(),
            Some(papers) => {
                let chain = CertificateDer::from_pem_slice(papers.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        })
    }
}

/// A subject with this common name, good until 2099.
pub fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}
