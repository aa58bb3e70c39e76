//! From the first byte to the seat: CONNECT, login, take-over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttd::protocol::ConnectReturnCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::certificate::CertificateName;
use super::connect::Connect;
use super::frame::{self, Incoming, Malformed, Publish};
use super::guard::Who;
use super::hub::{Guest, Seated, Sit};
use super::lobby::Patience;
use super::named::Named;
use super::registry::{Identity, Login};
use super::shared::Shared;
use crate::domain::id::ConnectionId;

/// Greatest CONNECT: ids and credentials are short, a will is a telegram. Strangers get no more
/// memory than this.
const MAX_CONNECT_BYTES: usize = 4096;

/// Characters of a stranger's user name in the log: twice a pile code.
const SHOWN_NAME: usize = 32;

/// Longest client id; a serial or a library's random name has 23 to 64.
const MAX_CLIENT_ID: usize = 128;

/// First byte of a TLS handshake.
const TLS_RECORD: u8 = 0x16;

/// How long a refused client is given to read its CONNACK before the socket is closed.
const LINGER: Duration = Duration::from_millis(250);

/// Bytes thrown away while it does.
const LINGER_BYTES: usize = 16 * 1024;

/// A connection whose login is still to come.
pub(super) struct Visitor {
    pub connection: ConnectionId,
    pub address: SocketAddr,
    /// Whom its certificate names.
    pub certificate: Option<CertificateName>,
}

/// A client that is in.
pub(super) struct Admitted {
    pub guest: Guest,
    pub identity: Identity,
    pub seated: Seated,
    pub will: Option<Publish>,
    /// Zero for none.
    pub keep_alive: Duration,
    /// What it sent behind CONNECT.
    pub buffer: BytesMut,
}

enum Outcome {
    Admitted(Box<Admitted>),
    Refused(ConnectReturnCode),
    Dropped,
}

/// Brings a connection in, or sees it off.
pub(super) async fn enter<S>(
    shared: &Arc<Shared>,
    mut patience: Patience,
    stream: &mut S,
    visitor: &Visitor,
) -> Option<Box<Admitted>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match patience.with(meet(shared, stream, visitor)).await? {
        Outcome::Admitted(admitted) => return Some(admitted),
        Outcome::Refused(code) => {
            let _gone_earlier = patience.with(refuse(stream, code)).await;
        }
        Outcome::Dropped => {}
    }
    None
}

async fn meet<S>(shared: &Arc<Shared>, stream: &mut S, visitor: &Visitor) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = BytesMut::new();
    let connect = match read_connect(stream, &mut buffer, shared.config.max_packet_bytes).await {
        Ok(Some(connect)) => connect,
        Ok(None) => return Outcome::Dropped,
        Err(error) => return turn_away(shared, error, visitor.address),
    };
    let (guest, identity) = match check(shared, &connect, visitor) {
        Ok(known) => known,
        Err(code) => return Outcome::Refused(code),
    };
    let keep_alive = Duration::from_secs(u64::from(connect.keep_alive)) * 3 / 2;
    match take_seat(shared, &guest).await {
        Ok(seated) => {
            let will = connect.will;
            let admitted = Admitted { guest, identity, seated, will, keep_alive, buffer };
            Outcome::Admitted(Box::new(admitted))
        }
        Err(outcome) => outcome,
    }
}

/// Another version is told so; what is no MQTT at all would not understand an answer.
fn turn_away(shared: &Shared, error: Malformed, address: SocketAddr) -> Outcome {
    if error == Malformed::Version {
        shared.counters.refused_logins.one();
        return Outcome::Refused(ConnectReturnCode::RefusedProtocolVersion);
    }
    shared.counters.malformed.one();
    let hint = (error == Malformed::Header(TLS_RECORD)).then_some("is it TLS?");
    tracing::warn!(%address, %error, hint, "connection closed before login");
    Outcome::Dropped
}

async fn read_connect<S>(
    stream: &mut S,
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<Option<Connect>, Malformed>
where
    S: AsyncRead + Unpin,
{
    loop {
        match frame::read(buffer, limit.min(MAX_CONNECT_BYTES))? {
            Some(Incoming::Connect(connect)) => return Ok(Some(*connect)),
            Some(_) => return Err(Malformed::Header(0)),
            None => {}
        }
        buffer.reserve(512);
        if !matches!(stream.read_buf(buffer).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

/// The rules for client ids, the login, the will.
fn check(
    shared: &Shared,
    connect: &Connect,
    visitor: &Visitor,
) -> Result<(Guest, Identity), ConnectReturnCode> {
    let Visitor { connection, address, certificate } = visitor;
    let refused = |code| {
        shared.counters.refused_logins.one();
        code
    };
    let client_id = client_id(connect, *connection).map_err(refused)?;
    let login = Login {
        client_id: &client_id,
        username: connect.username.as_deref(),
        password: connect.password.as_deref(),
        certificate: certificate.as_ref(),
        address: *address,
    };
    let identity = try_login(shared, &login)?;
    if let Some(will) = &connect.will
        && !identity.access.may_publish(&will.topic)
    {
        let Named { pile, client } = Named::of(&identity.name);
        tracing::warn!(%address, pile, client, topic = will.topic, "will refused");
        return Err(refused(ConnectReturnCode::NotAuthorized));
    }
    let guest = Guest::new(*connection, &identity, &client_id, connect.clean);
    Ok((guest, identity))
}

/// Asks the registry, unless too many have failed before. Whoever is put off is told to come
/// later: "not authorised" would make a rightful pile doubt its password.
fn try_login(shared: &Shared, login: &Login<'_>) -> Result<Identity, ConnectReturnCode> {
    let Login { client_id, address, .. } = *login;
    let certified = login.certificate.map(CertificateName::as_str);
    let name = login.username.or(certified).unwrap_or_default();
    let who = Who { name, client_id, address: address.ip() };
    let now = shared.now();
    if !shared.guard().may_try(&who, now) {
        shared.counters.throttled_logins.one();
        return Err(ConnectReturnCode::ServiceUnavailable);
    }
    match shared.registry.login(login) {
        Ok(identity) => {
            shared.guard().succeeded(&who, now);
            Ok(identity)
        }
        Err(refused) => {
            shared.guard().failed(&who, now);
            shared.counters.refused_logins.one();
            // The password is never told; the name is what an installer mistypes.
            let username: String = name.chars().take(SHOWN_NAME).collect();
            tracing::warn!(%address, client_id, username, reason = %refused, "login refused");
            Err(ConnectReturnCode::NotAuthorized)
        }
    }
}

/// An empty id asks for one of ours, for this connection only (MQTT 3.1.1 §3.1.3.1). Characters
/// that mean something in topics are refused: ids end up in topics, logs and file names.
fn client_id(connect: &Connect, connection: ConnectionId) -> Result<String, ConnectReturnCode> {
    let id = connect.client_id.as_str();
    if id.is_empty() && connect.clean {
        return Ok(format!("auto-{}", connection.0));
    }
    let bad = |c: char| c.is_control() || matches!(c, '/' | '+' | '#' | '$');
    if id.is_empty() || id.len() > MAX_CLIENT_ID || id.contains(bad) {
        return Err(ConnectReturnCode::ClientIdentifierNotValid);
    }
    Ok(id.to_owned())
}

/// Waits until the old connection of the session has left, its will and its `Gone` included.
async fn take_seat(shared: &Shared, guest: &Guest) -> Result<Seated, Outcome> {
    loop {
        let now = shared.now();
        let sit = shared.hub().sit(guest, now);
        match sit {
            Sit::Seated(seated) => return Ok(seated),
            Sit::Occupied(mut gone) => while gone.changed().await.is_ok() {},
            Sit::Superseded => return Err(Outcome::Dropped),
            Sit::Full => {
                shared.counters.refused_full.one();
                return Err(Outcome::Refused(ConnectReturnCode::ServiceUnavailable));
            }
        }
    }
}

/// Says no, and waits a moment for the client to hear it: closing a socket with unread bytes
/// would take the answer away again.
async fn refuse<S>(stream: &mut S, code: ConnectReturnCode)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut answer = BytesMut::new();
    frame::write_refusal(code, &mut answer);
    // A client that does not take four bytes does not hear them either.
    if let Ok(Ok(())) = timeout(LINGER, stream.write_all(&answer)).await {
        see_off(stream).await;
    }
}

/// Closes our side and waits a moment until the client has read what was said last.
pub(super) async fn see_off<S>(stream: &mut S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = async {
        stream.shutdown().await?;
        let mut waste = BytesMut::with_capacity(512);
        let mut total = 0;
        while total < LINGER_BYTES {
            waste.clear();
            match stream.read_buf(&mut waste).await? {
                0 => break,
                count => total += count,
            }
        }
        Ok::<_, std::io::Error>(())
    };
    // Whether it heard is its own affair.
    let _heard = timeout(LINGER, farewell).await;
}
