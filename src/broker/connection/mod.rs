//! One connection with a seat: a reader and a writer side by side in one task, and what is to be
//! done when it ends.

mod desk;
mod reader;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::desk::Desk;
use self::reader::Reader;
use self::writer::Writer;
use super::entrance::{Admitted, Visitor, enter};
use super::event::{DoorEvent, GoneReason};
use super::inbox::Waiting;
use super::lobby::Patience;
use super::meter::Meter;
use super::named::Named;
use super::porch::Met;
use super::shared::Shared;
use crate::domain::id::ConnectionId;

/// A buffer that has grown beyond this is given back when it is empty.
const KEEP_BYTES: usize = 4096;

/// Time for the last packets at shutdown.
const FAREWELL: Duration = Duration::from_secs(1);

/// A TCP connection.
pub(super) struct Caller {
    pub stream: TcpStream,
    pub connection: ConnectionId,
    pub address: SocketAddr,
}

/// Serves one plain connection from its first byte to its end.
pub(super) async fn serve_plain(shared: Arc<Shared>, caller: Caller) {
    let Caller { stream, connection, address } = caller;
    let patience = Patience::begin(&shared, connection, address.ip());
    let visitor = Visitor { connection, address, certificate: None };
    serve(shared, patience, stream, visitor).await;
}

/// Serves one TLS connection from its first byte to its end.
pub(super) async fn serve_tls(shared: Arc<Shared>, caller: Caller) {
    let Caller { stream, connection, address } = caller;
    let Some(porch) = &shared.porch else { return };
    // Boxed, for the hand-shake takes ten times the room of the connection after it.
    let mut patience = Patience::begin(&shared, connection, address.ip());
    match patience.with(Box::pin(porch.meet(stream))).await {
        None => {}
        Some(Ok(Met { stream, certificate, is_resumed })) => {
            shared.counters.handshakes.one();
            if is_resumed {
                shared.counters.resumed_handshakes.one();
            }
            let visitor = Visitor { connection, address, certificate };
            serve(Arc::clone(&shared), patience, stream, visitor).await;
        }
        Some(Err(error)) => {
            shared.counters.failed_handshakes.one();
            tracing::warn!(%address, %error, "no TLS connection");
        }
    }
}

/// Serves a connection from CONNECT to its end.
async fn serve<S>(shared: Arc<Shared>, patience: Patience, mut stream: S, visitor: Visitor)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(admitted) = enter(&shared, patience, &mut stream, &visitor).await else { return };
    let Visitor { connection, address, .. } = visitor;
    let Admitted { guest, identity, seated, will, keep_alive, buffer } = *admitted;
    let mut leave = seated.leave.clone();
    let desk = Arc::new(Desk { shared, guest, identity, waiting: Waiting::default() });
    let coming = DoorEvent::Connected { name: Arc::clone(&desk.guest.name), connection, address };
    let announced = tokio::select! {
        biased;
        _ = told(&mut leave) => false,
        announced = desk.announce(coming) => announced,
    };
    if announced {
        let Named { pile, client } = Named::of(&desk.guest.name);
        tracing::debug!(pile, client, %address, "connected");
        let reason = converse(&desk, stream, buffer, keep_alive, &mut leave).await;
        let now = desk.shared.now();
        desk.shared.hub().part(connection, now);
        desk.part(will, reason).await;
    }
    let now = desk.shared.now();
    desk.shared.hub().leave(connection, now);
    // Only now may a successor sit down.
    drop(seated);
}

async fn told(leave: &mut watch::Receiver<Option<GoneReason>>) -> GoneReason {
    match leave.wait_for(Option::is_some).await {
        Ok(reason) => reason.unwrap_or(GoneReason::Shutdown),
        Err(_) => GoneReason::Shutdown,
    }
}

async fn converse<S>(
    desk: &Arc<Desk>,
    stream: S,
    buffer: BytesMut,
    keep_alive: Duration,
    leave: &mut watch::Receiver<Option<GoneReason>>,
) -> GoneReason
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (read, write) = tokio::io::split(stream);
    let drained = Notify::new();
    let meter = Meter::new(desk.shared.config.pace);
    let mut reader =
        Reader { desk, half: read, buffer, keep_alive, drained: &drained, meter, turn: 0 };
    let mut writer = Writer { desk, half: write, buffer: BytesMut::new(), drained: &drained };
    let reason = tokio::select! {
        biased;
        reason = told(leave) => reason,
        reason = reader.run() => reason,
        reason = writer.run() => reason,
    };
    desk.count(reason);
    if reason == GoneReason::Shutdown {
        // What the site has just said should still arrive.
        let _in_time = timeout(FAREWELL, writer.finish()).await;
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a future takes that is made of two things, without making it.
    fn size<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_little_room_with_tls_too() {
        assert!(size(serve_plain) <= 2560, "{} bytes", size(serve_plain));
        assert!(size(serve_tls) <= 2560, "{} bytes", size(serve_tls));
    }
}
