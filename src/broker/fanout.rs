//! Who gets what: subscriptions, the site's own messages, retained messages, and what comes back
//! from the router.
//!
//! A full outbox refuses the newest message: what was promised first is kept, and the counter
//! `dropped_messages` tells. Only QoS 0 messages of a client that is away are dropped unseen, as
//! the standard allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::event::{Outgoing, SendError, To};
use super::filter::{Filter, FilterError, check_topic};
use super::frame::Publish;
use super::hub::{Hub, Seat};
use super::pipe::Parcel;
use super::registry::Access;
use super::retained::Kept;
use super::session::{Message, Reply};
use super::tree::{Grant, SeatNo};
use crate::domain::id::ConnectionId;
use crate::domain::time::Mono;

/// Messages that wait for a client's first SUBSCRIBE. A pile is told a handful of things after
/// its boot message, and subscribes at once or never.
const MAX_EARLY: usize = 16;

/// The router has no room; try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Hub {
    /// SUBSCRIBE: answers it, and sends the retained messages. A filter that is none cuts the
    /// client, as with mosquitto; one it may not have is refused.
    pub fn subscribe(
        &mut self,
        connection: ConnectionId,
        id: u16,
        asked: &[(String, u8)],
        access: &Access,
    ) -> Result<(), FilterError> {
        let Some(no) = self.seat_no(connection) else { return Ok(()) };
        let mut granted = Vec::with_capacity(asked.len());
        // Of each filter once: whoever repeats one a thousand times in a packet must not have the
        // retained messages searched as often.
        let mut accepted = BTreeMap::new();
        for (text, qos) in asked {
            let filter = Filter::new(text)?;
            let allowed = !text.starts_with('$') && access.may_subscribe(&filter);
            let answer = (allowed && self.add_filter(no, &filter, *qos)).then_some(*qos);
            match answer {
                Some(qos) => {
                    accepted.insert(filter, qos);
                }
                None => self.counters.denied_subscriptions.one(),
            }
            granted.push(answer);
        }
        self.with_session(connection, |session| session.reply(Reply::SubAck { id, granted }));
        self.send_early(no);
        self.send_retained(no, &accepted);
        Ok(())
    }

    fn add_filter(&mut self, no: SeatNo, filter: &Filter, qos: u8) -> bool {
        let Some(seat) = self.seats.get_mut(&no) else { return false };
        let held = seat.filters.get(filter).copied();
        if held.is_none() && seat.filters.len() >= self.config.max_subscriptions {
            return false;
        }
        // A subscription made anew does not interrupt the flow (MQTT-3.8.4-3).
        let since = held.map_or(self.sequence, |grant| grant.since);
        let grant = Grant { qos, since };
        seat.filters.insert(filter.clone(), grant);
        self.tree.insert(filter, no, grant);
        true
    }

    /// UNSUBSCRIBE: always answered, known or not.
    pub fn unsubscribe(
        &mut self,
        connection: ConnectionId,
        id: u16,
        filters: &[String],
    ) -> Result<(), FilterError> {
        let Some(no) = self.seat_no(connection) else { return Ok(()) };
        for text in filters {
            let filter = Filter::new(text)?;
            if let Some(seat) = self.seats.get_mut(&no) {
                seat.filters.remove(&filter);
            }
            self.tree.remove(&filter, no);
        }
        self.with_session(connection, |session| session.reply(Reply::UnsubAck(id)));
        Ok(())
    }

    /// What was said before the SUBSCRIBE and fits a filter now.
    fn send_early(&mut self, no: SeatNo) {
        let Some(seat) = self.seats.get_mut(&no) else { return };
        let Some(link) = seat.link.as_mut() else { return };
        for mut message in std::mem::take(&mut link.early) {
            match best_qos(&seat.filters, &message.topic) {
                Some(qos) => {
                    message.qos = message.qos.min(qos);
                    if seat.session.push(message).is_err() {
                        self.counters.dropped_messages.one();
                    }
                }
                None => link.early.push_back(message),
            }
        }
        link.wake.notify_one();
    }

    fn send_retained(&mut self, no: SeatNo, accepted: &BTreeMap<Filter, u8>) {
        let mut found: BTreeMap<&str, (u8, &Kept)> = BTreeMap::new();
        for (filter, qos) in accepted {
            for (topic, kept) in self.retained.iter() {
                if filter.matches(topic) {
                    let entry = found.entry(topic).or_insert((*qos, kept));
                    entry.0 = entry.0.max(*qos);
                }
            }
        }
        let messages: Vec<_> = found
            .into_iter()
            .map(|(topic, (qos, kept))| Message {
                topic: topic.into(),
                payload: kept.payload.clone(),
                qos: kept.qos.min(qos),
                retain: true,
                expires: None,
                bound: false,
            })
            .collect();
        for message in messages {
            self.offer(no, message);
        }
    }

    /// Queues a message for a session; counts it if there is no room.
    fn offer(&mut self, no: SeatNo, message: Message) {
        let Some(seat) = self.seats.get_mut(&no) else { return };
        if seat.link.is_none() && message.qos == 0 {
            return;
        }
        if push(seat, message).is_err() {
            self.counters.dropped_messages.one();
        }
    }

    /// Says something to a client.
    pub fn send(&mut self, to: &To, outgoing: Outgoing, now: Mono) -> Result<(), SendError> {
        let Outgoing { topic, payload, qos, expires_in } = outgoing;
        if check_topic(&topic).is_err() || u16::try_from(topic.len()).is_err() || qos > 2 {
            return Err(SendError::Invalid);
        }
        let (no, bound) = match to {
            To::Connection(connection) => (self.seat_no(*connection), true),
            To::Name(name) => (self.find_name(name), false),
        };
        let seat = no
            .and_then(|no| self.seats.get_mut(&no))
            .filter(|seat| if bound { seat.link.is_some() } else { seat.listens() })
            .ok_or(SendError::NotConnected)?;
        let expires =
            expires_in.map(|time| now.plus_ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)));
        let topic = topic.into();
        let message = Message { topic, payload, qos, retain: false, expires, bound };
        let result = say(seat, message);
        if result == Err(SendError::Full) {
            self.counters.dropped_messages.one();
        }
        result
    }

    /// Passes a publish on to whoever has subscribed, by way of the router, if it may be shown;
    /// `author` is the name of whoever said it.
    pub fn route(&mut self, author: &Arc<str>, publish: &Publish) -> Result<(), Busy> {
        let Publish { topic, payload, qos, retain, .. } = publish;
        if !self.config.shown.iter().any(|filter| filter.matches(topic)) {
            return Ok(());
        }
        // A message nobody waits for need not travel: later subscribers would not get it.
        if !self.tree.matches(topic).is_empty() {
            let parcel = Parcel { sequence: self.sequence, qos: *qos, topic, payload };
            if !self.pipe.push(&parcel) {
                return Err(Busy);
            }
            self.sequence += 1;
        }
        if *retain {
            self.keep(author, publish);
        }
        Ok(())
    }

    /// Keeps a message for later subscribers; an empty payload clears it.
    pub fn keep(&mut self, author: &Arc<str>, publish: &Publish) {
        let Publish { topic, payload, qos, .. } = publish;
        if self.retained.keep(author, topic, payload, *qos).is_err() {
            self.counters.dropped_retained.one();
        }
    }

    /// A parcel has come back from the router.
    pub fn dispatch(&mut self, sequence: u64, qos: u8, topic: &str, payload: &Bytes) {
        let topic: Arc<str> = topic.into();
        for (no, grant) in self.tree.matches(&topic) {
            if sequence >= grant.since {
                let message = Message {
                    topic: Arc::clone(&topic),
                    payload: payload.clone(),
                    qos: qos.min(grant.qos),
                    retain: false,
                    expires: None,
                    bound: false,
                };
                self.offer(no, message);
            }
        }
    }
}

fn best_qos(filters: &BTreeMap<Filter, Grant>, topic: &str) -> Option<u8> {
    filters.iter().filter(|(filter, _)| filter.matches(topic)).map(|(_, grant)| grant.qos).max()
}

fn push(seat: &mut Seat, message: Message) -> Result<(), SendError> {
    seat.session.push(message).map_err(|_| SendError::Full)?;
    if let Some(link) = &seat.link {
        link.wake.notify_one();
    }
    Ok(())
}

fn say(seat: &mut Seat, mut message: Message) -> Result<(), SendError> {
    match (best_qos(&seat.filters, &message.topic), &mut seat.link) {
        (Some(qos), link) => {
            message.qos = message.qos.min(qos);
            if link.is_none() && message.qos == 0 {
                return Err(SendError::NotConnected);
            }
            push(seat, message)
        }
        (None, Some(link)) if link.early.len() < MAX_EARLY => {
            link.early.push_back(message);
            Ok(())
        }
        (None, Some(_)) => Err(SendError::Full),
        (None, None) => Err(SendError::NotSubscribed),
    }
}

#[cfg(test)]
#[path = "fanout_tests.rs"]
mod tests;
