//! The session against a client that keeps to MQTT, on a link that breaks at any moment: what is
//! promised is checked after every step, and once more when the link has healed.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Full, MAX_RETIRED, MAX_UNRELEASED, Message, Reply, Session, SessionLimits, Transmit};
use crate::domain::time::Mono;

/// Small, so that a few bytes of input reach them.
const LIMITS: SessionLimits = SessionLimits { messages: 12, bytes: 256, inflight: 4 };

/// More steps show nothing new and make an input slow.
const MAX_STEPS: usize = 4096;

/// Packet ids a client publishes with.
const CLIENT_IDS: u8 = 6;

/// Steps of one exchange; more are needed only if it never ends.
const HEALING_STEPS: usize = 10_000;

/// Plays a script of bytes, two for each step.
///
/// # Panics
///
/// If the session breaks a promise.
pub fn session(script: &[u8]) {
    let mut play = Play::new();
    for step in script.chunks_exact(2).take(MAX_STEPS) {
        play.step(step[0], step[1]);
        play.check_bounds();
    }
    play.heal();
}

/// What the client knows of a publish of its own, by packet id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// Not acknowledged.
    Published,
    /// PUBREC has come: only PUBREL may follow.
    Received,
    /// PUBREL was sent on this connection.
    Released,
}

/// What was asked of the session about one message.
#[derive(Debug, Clone, Copy)]
struct Asked {
    qos: u8,
    /// May be dropped: bound to a connection, or with an end of its time.
    is_passing: bool,
    delivered: u32,
}

struct Play {
    session: Session,
    now: Mono,
    /// On the way to the client, in order.
    wire: Vec<Transmit>,
    /// What the client has still to send, in any order.
    answers: Vec<Reply>,
    /// QoS 2 packet ids the client holds.
    held: BTreeMap<u16, u32>,
    asked: BTreeMap<u32, Asked>,
    sending: BTreeMap<u16, Sending>,
    /// By packet id: how often the publish under way was handed over.
    handed: BTreeMap<u16, u32>,
    /// The client has broken the rules: only bounds are still promised to it.
    is_lawless: bool,
}

impl Play {
    fn new() -> Self {
        let mut session = Session::new(LIMITS);
        session.attach(Mono(0));
        Self {
            session,
            now: Mono(0),
            wire: Vec::new(),
            answers: Vec::new(),
            held: BTreeMap::new(),
            asked: BTreeMap::new(),
            sending: BTreeMap::new(),
            handed: BTreeMap::new(),
            is_lawless: false,
        }
    }

    fn step(&mut self, what: u8, how: u8) {
        match what % 10 {
            0 | 1 => self.push(how),
            2 | 3 => self.transmit(),
            4 | 5 => self.arrive(),
            6 => self.answer(usize::from(how)),
            7 => self.publish(u16::from(how % CLIENT_IDS) + 1),
            8 if how < 4 => self.break_rules(how),
            8 => self.release(u16::from(how % CLIENT_IDS) + 1),
            9 if how > 0xf0 => self.wrap(),
            _ => self.reconnect(u64::from(how)),
        }
    }

    /// The site says something.
    fn push(&mut self, how: u8) {
        let number = u32::try_from(self.asked.len()).expect("bounded by the steps");
        let qos = how % 3;
        let expires = (how & 0x40 != 0).then(|| Mono(self.now.0 + u64::from(how & 0x0f)));
        let bound = how & 0x80 != 0;
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        let message = Message { topic: "t".into(), payload, qos, retain: false, expires, bound };
        let is_passing = expires.is_some() || bound || qos == 0;
        match self.session.push(message) {
            Ok(()) => drop(self.asked.insert(number, Asked { qos, is_passing, delivered: 0 })),
            Err(Full) => {
                let held = self.session.queue.len() + self.session.flights.len();
                let is_full = held >= LIMITS.messages || self.session.bytes + 5 > LIMITS.bytes;
                assert!(is_full, "refused with room");
            }
        }
    }

    fn transmit(&mut self) {
        if let Some(packet) = self.session.transmit(self.now) {
            if let Transmit::Publish { message, .. } = &packet {
                assert!(message.expires.is_none_or(|at| at > self.now) || self.is_repeat(&packet));
            }
            self.wire.push(packet);
        }
    }

    /// Only what was given to the writer in time may be repeated on the same connection.
    fn is_repeat(&self, packet: &Transmit) -> bool {
        matches!(packet, Transmit::Publish { id, .. } if *id != 0)
    }

    /// The next packet reaches the client.
    fn arrive(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        match self.wire.remove(0) {
            Transmit::Publish { id, dup, message } => self.delivered(id, dup, &message),
            Transmit::Reply(Reply::PubRel(id)) => {
                self.held.remove(&id);
                self.answers.push(Reply::PubComp(id));
            }
            Transmit::Reply(Reply::PubRec(id)) => {
                if let Some(state @ Sending::Published) = self.sending.get_mut(&id) {
                    *state = Sending::Received;
                }
            }
            Transmit::Reply(Reply::PubComp(id)) => {
                self.sending.remove(&id);
                self.handed.remove(&id);
            }
            Transmit::Reply(_) => {}
        }
    }

    fn delivered(&mut self, id: u16, dup: bool, message: &Message) {
        let number = message.payload.as_ref().try_into().map(u32::from_be_bytes);
        let number = number.expect("our own payload");
        let asked = self.asked.get_mut(&number).expect("nothing is made up");
        assert_eq!(asked.qos, message.qos, "the QoS is as asked");
        let is_new = match message.qos {
            2 => self.held.insert(id, number).is_none(),
            _ => true,
        };
        if is_new {
            asked.delivered += 1;
        } else if !self.is_lawless {
            assert!(dup, "an id in use is given to another message");
            assert_eq!(self.held.get(&id), Some(&number), "an id in use means another message");
        }
        let limit = if message.qos == 1 { u32::MAX } else { 1 };
        assert!(self.is_lawless || asked.delivered <= limit, "delivered twice: {message:?}");
        match message.qos {
            1 => self.answers.push(Reply::PubAck(id)),
            2 => self.answers.push(Reply::PubRec(id)),
            _ => {}
        }
    }

    /// The client sends one of the answers it owes.
    fn answer(&mut self, which: usize) {
        if self.answers.is_empty() {
            return;
        }
        let taken = match self.answers.remove(which % self.answers.len()) {
            Reply::PubAck(id) => self.session.on_puback(id),
            Reply::PubRec(id) => self.session.on_pubrec(id),
            Reply::PubComp(id) => self.session.on_pubcomp(id),
            other => unreachable!("a client does not say {other:?}"),
        };
        if taken.is_err() {
            assert!(self.is_lawless, "what the client owes is refused");
            self.reconnect(0);
        }
    }

    /// The client publishes with QoS 2, or does so again.
    fn publish(&mut self, id: u16) {
        if matches!(self.sending.get(&id), Some(Sending::Received | Sending::Released)) {
            return;
        }
        self.sending.insert(id, Sending::Published);
        if !self.session.is_handed_over(id) {
            if !self.session.may_hand_over() {
                return;
            }
            let times = self.handed.entry(id).or_insert(0);
            *times += 1;
            assert!(self.is_lawless || *times == 1, "handed over twice");
            self.session.hand_over(id);
        }
        self.session.reply(Reply::PubRec(id));
    }

    fn release(&mut self, id: u16) {
        if self.sending.get(&id) == Some(&Sending::Received) {
            let times = self.handed.get(&id);
            assert!(self.is_lawless || times == Some(&1), "acknowledged, handed over: {times:?}");
            self.session.on_pubrel(id);
            self.sending.insert(id, Sending::Released);
        }
    }

    fn break_rules(&mut self, how: u8) {
        self.is_lawless = true;
        let id = u16::from(how) + 1;
        let session = &mut self.session;
        let taken = session.on_puback(id).and(session.on_pubrec(id)).and(session.on_pubcomp(id));
        session.on_pubrel(id);
        // As the doors do with such a client.
        if taken.is_err() {
            self.reconnect(0);
        }
    }

    /// As after 65,535 messages: packet ids begin anew. Ids that rest are only promised to as many
    /// as are kept.
    fn wrap(&mut self) {
        if self.session.retired.len() < MAX_RETIRED {
            self.session.last_id = 0;
        }
    }

    /// The link breaks, with all that is on it.
    fn reconnect(&mut self, later_ms: u64) {
        self.wire.clear();
        self.answers.clear();
        for state in self.sending.values_mut().filter(|state| **state == Sending::Released) {
            *state = Sending::Received;
        }
        self.session.detach();
        self.now = Mono(self.now.0 + later_ms);
        self.session.attach(self.now);
    }

    fn check_bounds(&self) {
        let session = &self.session;
        let waiting = session.queue.iter().map(Message::size).sum::<usize>();
        let flying = session.flights.iter().filter_map(|flight| flight.message.as_ref());
        assert_eq!(session.bytes, waiting + flying.map(Message::size).sum::<usize>());
        assert!(session.bytes <= LIMITS.bytes);
        assert!(session.queue.len() + session.flights.len() <= LIMITS.messages);
        assert!(session.flights.len() <= LIMITS.inflight);
        assert!(session.retired.len() <= MAX_RETIRED);
        assert!(session.unreleased.len() <= MAX_UNRELEASED);
        let ids: std::collections::BTreeSet<u16> =
            session.flights.iter().map(|flight| flight.id).collect();
        assert_eq!(ids.len(), session.flights.len(), "an id is in flight twice");
        assert!(!ids.contains(&0));
    }

    /// The link stays up and everybody answers: all comes to its end.
    fn heal(&mut self) {
        self.reconnect(1);
        for _ in 0..HEALING_STEPS {
            self.transmit();
            self.resume_sending();
            let is_quiet = self.wire.is_empty() && self.answers.is_empty();
            if is_quiet && self.session.queue.is_empty() {
                break;
            }
            self.arrive();
            self.answer(0);
            self.check_bounds();
        }
        if self.is_lawless {
            return;
        }
        assert!(self.session.flights.is_empty() && self.session.queue.is_empty(), "never quiet");
        assert!(self.session.unreleased.is_empty() && self.sending.is_empty());
        for (number, asked) in &self.asked {
            assert!(
                asked.is_passing || asked.delivered >= 1,
                "message {number} is lost: {asked:?}"
            );
        }
    }

    /// What the client has under way goes on: a PUBLISH without PUBREC again, then its PUBREL.
    fn resume_sending(&mut self) {
        if !self.wire.is_empty() {
            return;
        }
        let under_way: Vec<_> = self.sending.iter().map(|(id, state)| (*id, *state)).collect();
        for (id, state) in under_way {
            match state {
                Sending::Published => self.publish(id),
                Sending::Received => self.release(id),
                Sending::Released => {}
            }
        }
        self.transmit();
    }
}
