//! From a TCP connection to a TLS one: which keys are shown, which clients' certificates count.
//!
//! What a handshake costs is computed beside the doors, one at a time and in order of arrival: a
//! signature takes milliseconds on a small board, and the doors have piles to serve meanwhile.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, HandshakeKind,
    ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        Acceptor, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{net::TcpStream, sync::Semaphore, task::spawn_blocking};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::certificate::{CertificateFault, CertificateName, Facts};
use super::config::TlsDoor;
use super::entrance::see_off;
use super::keys::{Keys, provider};
use crate::domain::time::Wall;

/// Handshakes that are computed at the same time: one core is left to the piles that are in.
const COMPUTED_AT_ONCE: usize = 1;

/// Tickets for a client that comes again: it comes once.
const TICKETS: usize = 1;

/// Tells the time of day.
pub type WallClock = Arc<dyn Fn() -> Wall + Send + Sync>;

/// One generation of keys in use.
struct Terms {
    server: Arc<ServerConfig>,
    probe: Arc<ClientConfig>,
    ends_s: u64,
}

/// Where TLS clients are met.
pub(super) struct Porch {
    terms: Mutex<Arc<Terms>>,
    wall: WallClock,
    turns: Arc<Semaphore>,
}

/// A client that was met.
pub(super) struct Met {
    /// Boxed: its kilobyte would stand several times in the task that carries it.
    pub stream: Box<TlsStream<TcpStream>>,
    /// Whom its certificate names, if certificates are required.
    pub certificate: Option<CertificateName>,
    /// It came again with a ticket, which spares both sides the signatures.
    pub is_resumed: bool,
}

/// Why a client was not met.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It went away.
    #[error("the client hung up")]
    HungUp,
    /// What it sent is no TLS.
    #[error("no TLS; is it plain MQTT?")]
    NoTls,
    /// It showed no certificate.
    #[error("no client certificate")]
    NoCertificate,
    /// Its certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// It does not want the doors, most often for their certificate.
    #[error("the client refuses: {0}")]
    Alert(String),
    /// Anything else that TLS refuses.
    #[error("{0}")]
    Refused(String),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidMessage(_)) => Self::NoTls,
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::InvalidCertificate(why)) => Self::Refused(judgement(why)),
            Some(Error::AlertReceived(alert)) => Self::Alert(format!("{alert:?}")),
            Some(other) => Self::Refused(other.to_string()),
            None => Self::HungUp,
        }
    }
}

/// What is wrong with a client's certificate, for whoever installs it.
fn judgement(why: &CertificateError) -> String {
    let text = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::UnknownIssuer => "is of an unknown authority",
        CertificateError::BadSignature => "has a wrong signature",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not made for clients"
        }
        other => return format!("client certificate cannot be used: {other}"),
    };
    format!("client certificate {text}")
}

impl Porch {
    pub fn new(door: &TlsDoor) -> Result<Self, Error> {
        let terms = Mutex::new(Arc::new(Terms::new(&door.keys, &door.wall)?));
        let turns = Arc::new(Semaphore::new(COMPUTED_AT_ONCE));
        Ok(Self { terms, wall: Arc::clone(&door.wall), turns })
    }

    /// From now on these keys. Connections that stand are left alone; tickets of before no longer
    /// count, so that nobody comes in by an authority that is no longer trusted.
    pub fn renew(&self, keys: &Keys) -> Result<(), Error> {
        let terms = Arc::new(Terms::new(keys, &self.wall)?);
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = terms;
        Ok(())
    }

    /// How the controller itself comes in.
    pub fn probe(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.terms().probe)
    }

    /// Last second of the certificate that is shown, unix.
    pub fn ends_s(&self) -> u64 {
        self.terms().ends_s
    }

    fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shakes hands. Takes as long as the client takes.
    pub async fn meet(&self, stream: TcpStream) -> Result<Met, HandshakeError> {
        let mut greeting = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let start = match (&mut greeting).await {
            Ok(start) => start,
            Err(error) => return Err(turn_away(error, greeting.take_io()).await),
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.expect("the semaphore is never closed");
        let server = Arc::clone(&self.terms().server);
        let computed = spawn_blocking(move || {
            let accept = start.into_stream(server);
            drop(turn);
            accept
        });
        // The runtime ends, or the library panicked: this connection is over either way.
        let accept = computed.await.map_err(|error| HandshakeError::Refused(error.to_string()))?;
        let stream = match accept.into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => return Err(turn_away(error, Some(stream)).await),
        };
        let session = stream.get_ref().1;
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| self.name(shown)).transpose()?;
        Ok(Met { stream: Box::new(stream), certificate, is_resumed })
    }

    /// Whom a certificate names. With a ticket its validity has not been looked at again.
    fn name(&self, shown: &CertificateDer<'_>) -> Result<CertificateName, CertificateFault> {
        let facts = Facts::read(shown)?;
        if known_s(&self.wall).is_some_and(|now_s| now_s > facts.ends_s) {
            return Err(CertificateFault::Expired);
        }
        facts.name()
    }
}

/// The alert that says why is written; it must not be lost with the socket.
async fn turn_away(error: io::Error, stream: Option<TcpStream>) -> HandshakeError {
    let error = HandshakeError::from(error);
    if let Some(mut stream) = stream.filter(|_| !matches!(error, HandshakeError::HungUp)) {
        see_off(&mut stream).await;
    }
    error
}

/// Unix seconds; `None` while nobody knows them.
fn known_s(wall: &WallClock) -> Option<u64> {
    wall().known_s().and_then(|now_s| u64::try_from(now_s).ok())
}

impl Terms {
    fn new(keys: &Keys, wall: &WallClock) -> Result<Self, Error> {
        let server = Arc::new(server(keys, wall)?);
        Ok(Self { server, probe: Arc::new(probe(keys)?), ends_s: keys.ends_s() })
    }
}

fn server(keys: &Keys, wall: &WallClock) -> Result<ServerConfig, Error> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &keys.authorities {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let inner = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
            let inner = inner.build().map_err(|error| Error::General(error.to_string()))?;
            let own = Arc::clone(&keys.own);
            builder.with_client_cert_verifier(Arc::new(Clients {
                inner,
                own,
                wall: Arc::clone(wall),
            }))
        }
    };
    let own = SingleCertAndKey::from(Arc::clone(&keys.own));
    let mut config = builder.with_cert_resolver(Arc::new(own));
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS;
    Ok(config)
}

/// The controller looks whether its own doors answer: it trusts nothing but its own certificate,
/// and shows the same.
fn probe(keys: &Keys) -> Result<ClientConfig, Error> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let this = OnlyThis { own: Arc::clone(&keys.own), provider: provider() };
    let own = SingleCertAndKey::from(Arc::clone(&keys.own));
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(this));
    Ok(builder.with_client_cert_resolver(Arc::new(own)))
}

fn is_own(own: &CertifiedKey, shown: &CertificateDer<'_>) -> bool {
    own.end_entity_cert().is_ok_and(|own| own == shown)
}

/// Which certificates of clients count: those of the authorities, and the controller's own.
struct Clients {
    inner: Arc<dyn ClientCertVerifier>,
    own: Arc<CertifiedKey>,
    wall: WallClock,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if is_own(&self.own, shown) {
            // Who has its key could be the site itself; it may still log in with an account only.
            return Ok(ClientCertVerified::assertion());
        }
        // A site whose clock is unset goes on charging: the begin of its validity is then as good
        // a time as any to check the rest of a certificate.
        let now_s = match known_s(&self.wall) {
            Some(now_s) => now_s,
            None => Facts::read(shown).map_err(|error| Error::General(error.to_string()))?.begins_s,
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
        self.inner.verify_client_cert(shown, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, shown, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Trusts the controller's own certificate and no other.
#[derive(Debug)]
struct OnlyThis {
    own: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if is_own(&self.own, shown) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("not the doors' own certificate".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, shown, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, shown, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
