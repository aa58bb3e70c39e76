//! TLS towards backends.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
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

/// Trusts the authorities in a PEM file, and nobody else.
///
/// # Errors
///
/// If the file has no usable certificate.
pub fn client_config(ca_file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
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
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
