//! TLS towards a broker, as its client.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("cannot read certificates: {0}")]
    Read(rustls::pki_types::pem::Error),
    /// There is no usable certificate among them.
    #[error("no usable certificate in the file")]
    Empty,
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// A client's own certificate and its key, in PEM.
#[derive(Debug, Clone, Copy)]
pub struct OwnFiles<'a> {
    /// The certificate, followed by those between it and its authority.
    pub certificate: &'a Path,
    /// Its private key.
    pub key: &'a Path,
}

/// Trusts the authorities in a PEM file, and nobody else; shows a certificate if it has one.
///
/// # Errors
///
/// If a file has nothing usable, or certificate and key do not fit together.
pub fn client_config(
    ca_file: &Path,
    own: Option<OwnFiles<'_>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca_file).map_err(TlsError::Read)? {
        let certificate = certificate.map_err(TlsError::Read)?;
        // A bundle of the system may hold certificates the library finds malformed.
        if let Err(error) = roots.add(certificate) {
            tracing::debug!(file = %ca_file.display(), %error, "certificate left out");
        }
    }
    if roots.is_empty() {
        return Err(TlsError::Empty);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let Some(own) = own else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(own.certificate).and_then(Iterator::collect);
    let key = PrivateKeyDer::from_pem_file(own.key).map_err(TlsError::Read)?;
    Ok(Arc::new(builder.with_client_auth_cert(chain.map_err(TlsError::Read)?, key)?))
}
