//! One connection with a seat: a reader and a writer side by side in one task, and what is to be
//! done when it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::entrance::{Admitted, Visitor, enter};
use super::event::{DoorEvent, GoneReason};
use super::frame::{self, Incoming, Publish};
use super::hub::{Guest, Hub};
use super::inbox::Waiting;
use super::lobby::Patience;
use super::meter::Meter;
use super::porch::Met;
use super::registry::{Identity, Route};
use super::session::{Reply, WrongAck};
use super::shared::{Closing, Shared};
use crate::domain::id::ConnectionId;

/// Pause before a full inbox or router is tried again. Polling, because only an attempt that
/// takes effect at once keeps "handed over" and "remembered as handed over" one step.
const RETRY: Duration = Duration::from_millis(5);

/// Answers a client may leave unread before its own packets are left unread.
const MAX_REPLIES: usize = 128;

/// Least room for a read; an idle connection keeps no more.
const READ_BYTES: usize = 512;

/// A buffer that has grown beyond this is given back when it is empty.
const KEEP_BYTES: usize = 4096;

/// Packets of one connection in a row before others get their turn.
const TURN_PACKETS: u8 = 32;

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
            if shared.may_log() {
                tracing::warn!(%address, %error, "no TLS connection");
            }
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
        tracing::debug!(name = %desk.guest.name, %address, "connected");
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

/// What reader, writer and ending know of the client.
struct Desk {
    shared: Arc<Shared>,
    guest: Guest,
    identity: Identity,
    waiting: Waiting,
}

impl Desk {
    fn connection(&self) -> ConnectionId {
        self.guest.connection
    }

    /// Tells the site, waiting for room; `false` if it no longer listens. Only hosts' clients
    /// are announced.
    async fn announce(&self, event: DoorEvent) -> bool {
        if self.identity.route == Route::Router {
            return true;
        }
        let mut event = event;
        loop {
            event = match self.shared.inbox.try_send(event) {
                Ok(()) => return true,
                Err(flume::TrySendError::Full(event)) => event,
                Err(flume::TrySendError::Disconnected(_)) => {
                    self.shared.close(Closing::InboxClosed);
                    return false;
                }
            };
            sleep(RETRY).await;
        }
    }

    /// Gives a publish to the inbox or the router; `false` if there is no room.
    fn pass_on(&self, hub: &mut Hub, publish: &Publish) -> Result<bool, GoneReason> {
        let Publish { topic, payload, qos, retain, .. } = publish;
        if self.identity.route == Route::Router {
            return Ok(hub.route(&self.guest.name, publish).is_ok());
        }
        let inbox = &self.shared.inbox;
        if inbox.is_full() {
            return Ok(false);
        }
        let Some(place) = self.shared.places.take(&self.waiting) else { return Ok(false) };
        let event = DoorEvent::Published {
            name: Arc::clone(&self.guest.name),
            connection: self.connection(),
            topic: topic.clone(),
            payload: payload.clone(),
            qos: *qos,
            place,
        };
        match inbox.try_send(event) {
            Ok(()) => self.shared.counters.published.one(),
            Err(flume::TrySendError::Full(_)) => return Ok(false),
            Err(flume::TrySendError::Disconnected(_)) => return Err(GoneReason::Shutdown),
        }
        if hub.route(&self.guest.name, publish).is_err() {
            // Observers miss it; the site does not wait for them.
            self.shared.counters.dropped_messages.one();
            if *retain {
                hub.keep(&self.guest.name, publish);
            }
        }
        Ok(true)
    }

    /// Passes a will on, then tells that the client is gone.
    async fn part(&self, will: Option<Publish>, reason: GoneReason) {
        tracing::debug!(name = %self.guest.name, %reason, "gone");
        let silent = matches!(reason, GoneReason::Disconnected | GoneReason::Shutdown);
        if let Some(will) = will.filter(|_| !silent) {
            loop {
                let passed = self.pass_on(&mut self.shared.hub(), &will);
                match passed {
                    Ok(false) => sleep(RETRY).await,
                    Ok(true) | Err(_) => break,
                }
            }
        }
        let (name, connection) = (Arc::clone(&self.guest.name), self.connection());
        self.announce(DoorEvent::Gone { name, connection, reason }).await;
    }

    fn count(&self, reason: GoneReason) {
        let counters = &self.shared.counters;
        match reason {
            GoneReason::KeepAlive => counters.keep_alive_ends.one(),
            GoneReason::Stuck => counters.stuck_writers.one(),
            GoneReason::Disconnected
            | GoneReason::Lost
            | GoneReason::TakenOver
            | GoneReason::Kicked
            | GoneReason::Malformed
            | GoneReason::Shutdown => {}
        }
    }
}

struct Reader<'a, S> {
    desk: &'a Desk,
    half: ReadHalf<S>,
    buffer: BytesMut,
    /// One and a half times the client's; zero for none.
    keep_alive: Duration,
    drained: &'a Notify,
    meter: Meter,
    /// Packets since others had their turn.
    turn: u8,
}

impl<S: AsyncRead> Reader<'_, S>
where
    S: Unpin + AsyncWrite,
{
    async fn run(&mut self) -> GoneReason {
        loop {
            if let Err(reason) = self.take_packets().await {
                return reason;
            }
            if let Err(reason) = self.read_more().await {
                return reason;
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), GoneReason> {
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP_BYTES {
            self.buffer = BytesMut::new();
        }
        self.buffer.reserve(READ_BYTES);
        let read = self.half.read_buf(&mut self.buffer);
        // Only the wait for the client counts: while we make it wait, it cannot speak.
        let read = if self.keep_alive.is_zero() {
            read.await
        } else {
            timeout(self.keep_alive, read).await.map_err(|_| GoneReason::KeepAlive)?
        };
        match read {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(GoneReason::Lost),
        }
    }

    async fn take_packets(&mut self) -> Result<(), GoneReason> {
        let limit = self.desk.shared.config.max_packet_bytes;
        loop {
            let before = self.buffer.len();
            match frame::read(&mut self.buffer, limit) {
                Ok(Some(packet)) => self.take(packet).await?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.malformed(&error)),
            }
            self.wait_for_replies().await;
            self.keep_pace(before - self.buffer.len()).await;
        }
    }

    /// Lets a client that sends too much wait, and one that sends much give way.
    async fn keep_pace(&mut self, bytes: usize) {
        let shared = &self.desk.shared;
        if let Some(pause) = self.meter.count(bytes, shared.now()) {
            shared.counters.paused_packets.one();
            if pause.is_flood {
                shared.counters.floods.one();
                if shared.may_log() {
                    tracing::warn!(name = %self.desk.guest.name, "client sends too much");
                }
            }
            self.turn = 0;
            return sleep(Duration::from_millis(pause.ms)).await;
        }
        self.turn += 1;
        if self.turn >= TURN_PACKETS {
            self.turn = 0;
            yield_now().await;
        }
    }

    /// A client that does not read its answers is not listened to either.
    async fn wait_for_replies(&self) {
        loop {
            let waiting = {
                let mut hub = self.desk.shared.hub();
                hub.session(self.desk.connection()).map_or(0, |session| session.replies_waiting())
            };
            if waiting <= MAX_REPLIES {
                return;
            }
            self.drained.notified().await;
        }
    }

    fn malformed(&self, error: &dyn std::error::Error) -> GoneReason {
        self.desk.shared.counters.malformed.one();
        if self.desk.shared.may_log() {
            tracing::warn!(name = %self.desk.guest.name, %error, "client cut");
        }
        GoneReason::Malformed
    }

    async fn take(&self, packet: Incoming) -> Result<(), GoneReason> {
        let connection = self.desk.connection();
        if let Incoming::Publish(publish) = packet {
            return self.take_publish(&publish).await;
        }
        let mut hub = self.desk.shared.hub();
        let done = match packet {
            Incoming::PubAck(id) => {
                self.right(hub.with_session(connection, |s| s.on_puback(id)))?
            }
            Incoming::PubRec(id) => {
                self.right(hub.with_session(connection, |s| s.on_pubrec(id)))?
            }
            Incoming::PubRel(id) => hub.with_session(connection, |s| s.on_pubrel(id)),
            Incoming::PubComp(id) => {
                self.right(hub.with_session(connection, |s| s.on_pubcomp(id)))?
            }
            Incoming::Ping => hub.with_session(connection, |s| s.reply(Reply::PingResp)),
            Incoming::Subscribe(id, filters) => {
                let access = &self.desk.identity.access;
                let result = hub.subscribe(connection, id, &filters, access);
                Some(result.map_err(|error| self.malformed(&error))?)
            }
            Incoming::Unsubscribe(id, filters) => {
                let result = hub.unsubscribe(connection, id, &filters);
                Some(result.map_err(|error| self.malformed(&error))?)
            }
            Incoming::Disconnect => return Err(GoneReason::Disconnected),
            Incoming::Connect(_) => {
                return Err(self.malformed(&frame::Malformed::Header(0x10)));
            }
            Incoming::Publish(_) => None,
        };
        done.ok_or(GoneReason::Lost)
    }

    fn right(&self, done: Option<Result<(), WrongAck>>) -> Result<Option<()>, GoneReason> {
        done.transpose().map_err(|wrong| self.malformed(&wrong))
    }

    /// A publish outside the client's topics is acknowledged and goes nowhere, as with
    /// mosquitto: MQTT 3.1.1 knows no other answer, and cutting the client would stop its
    /// rightful messages too.
    async fn take_publish(&self, publish: &Publish) -> Result<(), GoneReason> {
        let allowed = self.desk.identity.access.may_publish(&publish.topic);
        if !allowed {
            self.desk.shared.counters.denied_publishes.one();
            if self.desk.shared.may_log() {
                let name = &self.desk.guest.name;
                tracing::warn!(%name, topic = publish.topic, "publish denied");
            }
        }
        let mut waited = false;
        while !self.hand_over(publish, allowed)? {
            if !waited {
                self.desk.shared.counters.inbox_waits.one();
                waited = true;
            }
            sleep(RETRY).await;
        }
        Ok(())
    }

    /// Hands over, remembers and acknowledges in one step; `false` if there is no room.
    fn hand_over(&self, publish: &Publish, allowed: bool) -> Result<bool, GoneReason> {
        let (connection, id) = (self.desk.connection(), publish.id);
        let mut hub = self.desk.shared.hub();
        let session = hub.session(connection).ok_or(GoneReason::Lost)?;
        let repeated = publish.qos == 2 && session.is_handed_over(id);
        if publish.qos == 2 && !repeated && !session.may_hand_over() {
            return Err(self.malformed(&frame::Malformed::Unreleased));
        }
        if allowed && !repeated && !self.desk.pass_on(&mut hub, publish)? {
            return Ok(false);
        }
        hub.with_session(connection, |session| match publish.qos {
            1 => session.reply(Reply::PubAck(id)),
            2 => {
                session.hand_over(id);
                session.reply(Reply::PubRec(id));
            }
            _ => {}
        });
        Ok(true)
    }
}

struct Writer<'a, S> {
    desk: &'a Desk,
    half: WriteHalf<S>,
    buffer: BytesMut,
    drained: &'a Notify,
}

impl<S> Writer<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self) -> GoneReason {
        loop {
            if let Err(reason) = self.write_all().await {
                return reason;
            }
            self.desk.guest.wake.notified().await;
        }
    }

    /// Writes until nothing waits.
    async fn write_all(&mut self) -> Result<(), GoneReason> {
        let patience = self.desk.shared.config.write_timeout;
        loop {
            if self.buffer.is_empty() && !self.fill() {
                let flushed = timeout(patience, self.half.flush()).await;
                return flushed.map_err(|_| GoneReason::Stuck)?.map_err(|_| GoneReason::Lost);
            }
            match timeout(patience, self.half.write_buf(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(GoneReason::Lost),
                Err(_) => return Err(GoneReason::Stuck),
            }
        }
    }

    fn fill(&mut self) -> bool {
        let (shared, connection) = (&self.desk.shared, self.desk.connection());
        let now = shared.now();
        if self.buffer.capacity() > KEEP_BYTES {
            self.buffer = BytesMut::new();
        }
        shared.hub().transmit(connection, now, &mut self.buffer);
        self.drained.notify_one();
        !self.buffer.is_empty()
    }

    async fn finish(&mut self) {
        if self.write_all().await.is_ok() {
            // The client may have closed already.
            let _closed = self.half.shutdown().await;
        }
    }
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
