//! What a client sends: read as fast as it may come, and done.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::KEEP_BYTES;
use super::desk::{Desk, RETRY};
use crate::broker::event::GoneReason;
use crate::broker::frame::{self, Incoming, Publish};
use crate::broker::meter::Meter;
use crate::broker::named::Named;
use crate::broker::session::{Reply, WrongAck};

/// Answers a client may leave unread before its own packets are left unread.
const MAX_REPLIES: usize = 128;

/// Least room for a read; an idle connection keeps no more.
const READ_BYTES: usize = 512;

/// Packets of one connection in a row before others get their turn.
const TURN_PACKETS: u8 = 32;

pub(super) struct Reader<'a, S> {
    pub(super) desk: &'a Desk,
    pub(super) half: ReadHalf<S>,
    pub(super) buffer: BytesMut,
    /// One and a half times the client's; zero for none.
    pub(super) keep_alive: Duration,
    pub(super) drained: &'a Notify,
    pub(super) meter: Meter,
    /// Packets since others had their turn.
    pub(super) turn: u8,
}

impl<S: AsyncRead> Reader<'_, S>
where
    S: Unpin + AsyncWrite,
{
    pub(super) async fn run(&mut self) -> GoneReason {
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
                let Named { pile, client } = Named::of(&self.desk.guest.name);
                tracing::warn!(pile, client, "client sends too much");
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
        let Named { pile, client } = Named::of(&self.desk.guest.name);
        tracing::warn!(pile, client, %error, "client cut");
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
            let Named { pile, client } = Named::of(&self.desk.guest.name);
            tracing::warn!(pile, client, topic = publish.topic, "publish denied");
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
