//! One client's MQTT session without any IO: packet ids, the hand-shakes of QoS 1 and 2 in both
//! directions, redelivery, de-duplication, a bounded outbox.
//!
//! **Inbound QoS 2** is handed over at the first PUBLISH and remembered by its packet id until
//! PUBREL (method B of MQTT 3.1.1 §4.3.3). Handing over at PUBREL would need a store for
//! payloads in every session, and would delay an order by a round trip in which the link may
//! break; this way a session keeps two bytes per hand-shake.
//!
//! **Outbound**: a message gets its packet id when it is first given to the writer, and keeps it
//! over reconnects (DUP set) until it is acknowledged. A message that is bound to a connection,
//! or whose time has passed, is not sent again on a later connection: what moves something in
//! the world must not arrive late. Its QoS 2 packet id is then *retired*, not reused, because
//! the client may still hold it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::time::Mono;

/// Greatest number of QoS 2 publishes a client may leave without PUBREL. Client libraries stay
/// below 100; one that does not is broken.
pub(super) const MAX_UNRELEASED: usize = 1024;

/// Greatest number of packet ids kept out of use; each is a command that was lost with its link,
/// and the client forgets them with its session.
const MAX_RETIRED: usize = 256;

/// Places an empty outbox keeps after a burst.
const KEEP_MESSAGES: usize = 16;

/// Something to be told to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Where.
    pub topic: Arc<str>,
    /// What.
    pub payload: Bytes,
    /// 0 to 2, already the lesser of publish and subscription.
    pub qos: u8,
    /// Set only on what is delivered from the retained messages.
    pub retain: bool,
    /// Not given to the client after this moment.
    pub expires: Option<Mono>,
    /// Only for the connection it was said to.
    pub bound: bool,
}

impl Message {
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }

    fn is_expired(&self, now: Mono) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}

/// A packet for the client other than PUBLISH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The connection is accepted.
    ConnAck {
        /// Whether a session was found.
        session_present: bool,
    },
    /// QoS 1 received.
    PubAck(u16),
    /// QoS 2 received.
    PubRec(u16),
    /// QoS 2 sent, second half.
    PubRel(u16),
    /// QoS 2 received, end.
    PubComp(u16),
    /// Answer to SUBSCRIBE.
    SubAck {
        /// Packet id of the SUBSCRIBE.
        id: u16,
        /// The granted QoS of each filter; `None` is a refusal.
        granted: Vec<Option<u8>>,
    },
    /// Answer to UNSUBSCRIBE.
    UnsubAck(u16),
    /// Answer to PINGREQ.
    PingResp,
}

/// The next packet for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transmit {
    /// Anything but PUBLISH.
    Reply(Reply),
    /// PUBLISH.
    Publish {
        /// Packet id; 0 with QoS 0.
        id: u16,
        /// Whether it may have been sent before.
        dup: bool,
        /// The message.
        message: Message,
    },
}

/// The outbox has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

/// An acknowledgement of another kind than the message under that id is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an acknowledgement of another kind than the message waits for")]
pub(super) struct WrongAck;

/// Limits of one session.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionLimits {
    /// Messages waiting and in flight.
    pub messages: usize,
    /// Bytes of these.
    pub bytes: usize,
    /// QoS 1 and 2 messages in flight.
    pub inflight: usize,
}

/// A QoS 1 or 2 message on its way.
#[derive(Debug)]
struct Flight {
    id: u16,
    /// `None` once PUBREC has come: only PUBREL is left to be sent.
    message: Option<Message>,
    /// To be sent on this connection.
    pending: bool,
    /// Sent on an earlier connection.
    dup: bool,
}

/// The acknowledgement that a flight waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Ack,
    Rec,
    Comp,
}

impl Flight {
    fn due(&self) -> Due {
        match &self.message {
            None => Due::Comp,
            Some(message) if message.qos == 2 => Due::Rec,
            Some(_) => Due::Ack,
        }
    }
}

/// State of one client, over as many connections as it makes.
#[derive(Debug)]
pub(super) struct Session {
    limits: SessionLimits,
    replies: VecDeque<Reply>,
    unreleased: BTreeSet<u16>,
    queue: VecDeque<Message>,
    flights: VecDeque<Flight>,
    retired: VecDeque<u16>,
    last_id: u16,
    bytes: usize,
    expired: u64,
}

impl Session {
    /// A session that nothing has happened in.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            replies: VecDeque::new(),
            unreleased: BTreeSet::new(),
            queue: VecDeque::new(),
            flights: VecDeque::new(),
            retired: VecDeque::new(),
            last_id: 0,
            bytes: 0,
            expired: 0,
        }
    }

    /// The link is gone: forgets what belonged to it, and what QoS 0 leaves to chance.
    pub fn detach(&mut self) {
        self.replies = VecDeque::new();
        self.queue.retain(|message| message.qos > 0 && !message.bound);
        for flight in &mut self.flights {
            // What was never given to the writer is not a duplicate.
            flight.dup |= !flight.pending;
            flight.pending = true;
        }
        self.drop_flights(|message| message.bound);
        self.shrink();
    }

    /// A new link: everything unacknowledged is due again, in its first order.
    pub fn attach(&mut self, now: Mono) {
        let before = self.flights.len();
        self.drop_flights(|message| message.is_expired(now));
        self.expired += u64::try_from(before - self.flights.len()).unwrap_or(u64::MAX);
        self.shrink();
    }

    fn drop_flights(&mut self, gone: impl Fn(&Message) -> bool) {
        let retired = &mut self.retired;
        self.flights.retain(|flight| {
            let Some(message) = flight.message.as_ref().filter(|message| gone(message)) else {
                return true;
            };
            if message.qos == 2 && flight.dup {
                retired.push_back(flight.id);
            }
            false
        });
        while self.retired.len() > MAX_RETIRED {
            self.retired.pop_front();
        }
    }

    /// Frees what a burst has left, and counts anew what is held.
    fn shrink(&mut self) {
        self.queue.shrink_to_fit();
        self.flights.shrink_to_fit();
        let waiting = self.queue.iter().map(Message::size).sum::<usize>();
        let flying = self.flights.iter().filter_map(|flight| flight.message.as_ref());
        self.bytes = waiting + flying.map(Message::size).sum::<usize>();
    }

    /// Queues a message; the newest is refused when there is no room.
    pub fn push(&mut self, message: Message) -> Result<(), Full> {
        let count = self.queue.len() + self.flights.len();
        if count >= self.limits.messages || self.bytes + message.size() > self.limits.bytes {
            return Err(Full);
        }
        self.bytes += message.size();
        self.queue.push_back(message);
        Ok(())
    }

    /// Queues an answer.
    pub fn reply(&mut self, reply: Reply) {
        self.replies.push_back(reply);
    }

    /// Answers that the client has not taken yet.
    pub fn replies_waiting(&self) -> usize {
        self.replies.len()
    }

    /// Messages dropped because their time had passed, since the last call.
    pub fn take_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// The next packet for the wire, if any.
    pub fn transmit(&mut self, now: Mono) -> Option<Transmit> {
        if let Some(reply) = self.replies.pop_front() {
            return Some(Transmit::Reply(reply));
        }
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.pending) {
            flight.pending = false;
            return Some(match &flight.message {
                Some(message) => {
                    Transmit::Publish { id: flight.id, dup: flight.dup, message: message.clone() }
                }
                None => Transmit::Reply(Reply::PubRel(flight.id)),
            });
        }
        self.transmit_new(now)
    }

    fn transmit_new(&mut self, now: Mono) -> Option<Transmit> {
        while self.queue.front().is_some_and(|message| message.is_expired(now)) {
            self.pop();
            self.expired += 1;
        }
        if self.queue.front()?.qos == 0 {
            let message = self.pop()?;
            return Some(Transmit::Publish { id: 0, dup: false, message });
        }
        if self.flights.len() >= self.limits.inflight {
            return None;
        }
        let id = self.free_id()?;
        let message = self.pop()?;
        self.bytes += message.size();
        let flight = Flight { id, message: Some(message.clone()), pending: false, dup: false };
        self.flights.push_back(flight);
        Some(Transmit::Publish { id, dup: false, message })
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.size();
        if self.queue.is_empty() && self.queue.capacity() > KEEP_MESSAGES {
            self.queue = VecDeque::new();
        }
        Some(message)
    }

    /// The next id that is neither in flight nor retired; these are a few hundred at the most.
    fn free_id(&mut self) -> Option<u16> {
        for _ in 0..=u16::MAX {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            let used = self.flights.iter().any(|flight| flight.id == id);
            if !used && !self.retired.contains(&id) {
                return Some(id);
            }
        }
        None
    }

    fn land(&mut self, id: u16, due: Due) -> Result<(), WrongAck> {
        let Some(index) = self.flights.iter().position(|flight| flight.id == id) else {
            return Ok(());
        };
        if self.flights[index].due() != due {
            return Err(WrongAck);
        }
        if let Some(Flight { message: Some(message), .. }) = self.flights.remove(index) {
            self.bytes -= message.size();
        }
        Ok(())
    }

    /// PUBACK; one nobody waits for is ignored.
    pub fn on_puback(&mut self, id: u16) -> Result<(), WrongAck> {
        self.land(id, Due::Ack)
    }

    /// PUBREC: the payload can be forgotten. A repeated or unknown one is answered too, so that
    /// the client can end its half.
    pub fn on_pubrec(&mut self, id: u16) -> Result<(), WrongAck> {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.id == id) {
            if flight.due() == Due::Ack {
                return Err(WrongAck);
            }
            self.bytes -= flight.message.take().map_or(0, |message| message.size());
            flight.pending = false;
        }
        self.replies.push_back(Reply::PubRel(id));
        Ok(())
    }

    /// PUBCOMP; one nobody waits for frees a retired id or is ignored.
    pub fn on_pubcomp(&mut self, id: u16) -> Result<(), WrongAck> {
        self.retired.retain(|retired| *retired != id);
        self.land(id, Due::Comp)
    }

    /// Whether this QoS 2 publish was handed over before.
    pub fn is_handed_over(&self, id: u16) -> bool {
        self.unreleased.contains(&id)
    }

    /// Whether another QoS 2 publish may be taken.
    pub fn may_hand_over(&self) -> bool {
        self.unreleased.len() < MAX_UNRELEASED
    }

    /// Remembers that a QoS 2 publish was handed over.
    pub fn hand_over(&mut self, id: u16) {
        self.unreleased.insert(id);
    }

    /// PUBREL: the id is free again. An unknown one is answered all the same; its PUBCOMP was
    /// lost, or the session.
    pub fn on_pubrel(&mut self, id: u16) {
        self.unreleased.remove(&id);
        self.replies.push_back(Reply::PubComp(id));
    }
}

#[cfg(any(test, fuzzing))]
#[path = "session_fuzzing.rs"]
pub(super) mod fuzzing;

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
