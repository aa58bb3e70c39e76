//! A client that keeps its half of QoS 2 over any number of connections, on a link that breaks
//! where it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::mqtt_raw::{Connect, House, Raw, ack, publish_flags};

const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const PING: [u8; 2] = [0xc0, 0];

/// Steps until all is quiet; more are needed only if it never is.
pub const STEPS: usize = 10_000;

/// How the link is cut at a packet, which goes either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Ours is not sent; theirs has come but is not seen.
    Before,
    /// Half of ours is sent; theirs is not seen, and the connection is reset.
    Torn,
    /// Ours is sent whole; theirs is seen; nothing after it.
    After,
    /// The same, and the connection is reset: what is not read yet is thrown away.
    Reset,
}

impl Cut {
    pub const ALL: [Self; 4] = [Self::Before, Self::Torn, Self::After, Self::Reset];

    fn resets(self) -> bool {
        matches!(self, Self::Torn | Self::Reset)
    }

    fn lets_through(self) -> bool {
        matches!(self, Self::After | Self::Reset)
    }
}

/// The order in which answers of one kind are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Straight,
    Reversed,
}

impl Order {
    pub const ALL: [Self; 2] = [Self::Straight, Self::Reversed];

    fn arrange<T>(self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        if self == Self::Reversed {
            items.reverse();
        }
        items
    }
}

/// The link was cut.
#[derive(Debug)]
pub struct Broken;

/// What the client knows of a message of its own.
#[derive(Debug, Clone)]
enum Sending {
    /// PUBREC has not come; whether it was sent before.
    Published { payload: String, dup: bool },
    /// PUBREC has come: only PUBREL may follow.
    Received,
}

/// One client with a session.
pub struct Client<'a> {
    house: &'a House,
    name: String,
    link: Option<Raw>,
    /// The packet to be cut at, counted down, and how.
    fuse: Option<(usize, Cut)>,
    next_id: u16,
    sending: BTreeMap<u16, Sending>,
    /// Ids of messages that are not released yet.
    held: BTreeSet<u16>,
    /// What has come, each message once by the rules of QoS 2.
    pub got: Vec<String>,
    /// Payloads of messages whose PUBREC has come.
    pub acknowledged: BTreeSet<String>,
}

impl<'a> Client<'a> {
    /// Not connected; a name is used once.
    pub fn new(house: &'a House, name: String) -> Self {
        Self {
            house,
            name,
            link: None,
            fuse: None,
            next_id: 1,
            sending: BTreeMap::new(),
            held: BTreeSet::new(),
            got: Vec::new(),
            acknowledged: BTreeSet::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether all hand-shakes are over, as far as the client knows.
    pub fn is_idle(&self) -> bool {
        self.sending.is_empty() && self.held.is_empty()
    }

    /// Connects to a session that is kept, and subscribes if it is new.
    pub fn connect(&mut self, session_present: bool) {
        self.open(&Connect::persistent(&self.name), session_present);
    }

    /// Begins anew: both sides forget. What follows is kept again, under the same packet ids.
    pub fn connect_anew(&mut self) {
        self.sending.clear();
        self.held.clear();
        self.next_id = 1;
        self.open(&Connect::new(&self.name), false);
        self.link = None;
        self.connect(false);
    }

    fn open(&mut self, connect: &Connect, session_present: bool) {
        let mut raw = Raw::dial(self.house.address());
        raw.send(&connect.bytes());
        assert_eq!(raw.packet(), (0x20, vec![u8::from(session_present), 0]), "{}", self.name);
        if !session_present && !connect.clean {
            raw.subscribe(&[(&format!("D/{}/#", self.name), 2)], &[2]);
        }
        self.link = Some(raw);
    }

    /// The link will be cut at the packet with this number, counted from now and from 0.
    pub fn set_fuse(&mut self, at: usize, how: Cut) {
        self.fuse = Some((at, how));
    }

    /// The link holds from now on.
    pub fn drop_fuse(&mut self) {
        self.fuse = None;
    }

    /// Whether this packet is where the link is cut.
    fn burns(&mut self) -> Option<Cut> {
        let (left, how) = self.fuse.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let how = *how;
        self.fuse = None;
        Some(how)
    }

    /// Cuts the link.
    pub fn cut(&mut self, how: Cut) -> Broken {
        if let Some(raw) = self.link.take()
            && how.resets()
        {
            let linger = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(&raw.stream, linger).unwrap();
        }
        Broken
    }

    fn raw(&mut self) -> &mut Raw {
        self.link.as_mut().expect("connected")
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), Broken> {
        let Some(how) = self.burns() else {
            self.raw().send(packet);
            return Ok(());
        };
        match how {
            Cut::Before => {}
            Cut::Torn => self.raw().send(&packet[..packet.len() / 2]),
            Cut::After | Cut::Reset => self.raw().send(packet),
        }
        Err(self.cut(how))
    }

    /// Takes a packet, if it is seen.
    fn read(&mut self) -> Result<(u8, Vec<u8>), Broken> {
        let packet = self.raw().packet();
        if packet.0 == 0xd0 {
            return Ok(packet);
        }
        match self.burns() {
            None => Ok(packet),
            Some(how) => {
                if how.lets_through() {
                    self.take(&packet);
                }
                Err(self.cut(how))
            }
        }
    }

    /// Takes note of a packet; the answer to it, if there is one.
    fn take(&mut self, (first, body): &(u8, Vec<u8>)) -> Option<Vec<u8>> {
        let id_at = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        match *first {
            PUBREC => {
                let id = id_at(0);
                let state = self.sending.get_mut(&id)?;
                let before = std::mem::replace(state, Sending::Received);
                if let Sending::Published { payload, .. } = before {
                    self.acknowledged.insert(payload);
                }
                Some(ack(PUBREL, id))
            }
            PUBCOMP => {
                self.sending.remove(&id_at(0));
                None
            }
            PUBREL => {
                self.held.remove(&id_at(0));
                Some(ack(PUBCOMP, id_at(0)))
            }
            _ => Some(self.receive(*first, body)),
        }
    }

    fn receive(&mut self, first: u8, body: &[u8]) -> Vec<u8> {
        assert_eq!(first & 0xf6, 0x34, "PUBLISH with QoS 2 expected, got {first:02x}");
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = u16::from_be_bytes([body[end], body[end + 1]]);
        if self.held.insert(id) {
            self.got.push(String::from_utf8(body[end + 2..].to_vec()).unwrap());
        }
        ack(PUBREC, id)
    }

    /// Wants a message published.
    pub fn say(&mut self, payload: String) -> u16 {
        let id = self.next_id;
        self.next_id += 1;
        self.sending.insert(id, Sending::Published { payload, dup: false });
        id
    }

    /// Sends what this message needs next; nothing if it has come to its end.
    pub fn push(&mut self, id: u16) -> Result<(), Broken> {
        let topic = format!("U/{}/x", self.name);
        let packet = match self.sending.get_mut(&id) {
            None => return Ok(()),
            Some(Sending::Received) => ack(PUBREL, id),
            Some(Sending::Published { payload, dup }) => {
                let flags = 0x04 | u8::from(std::mem::replace(dup, true)) << 3;
                publish_flags(&topic, payload.as_bytes(), flags, id)
            }
        };
        self.send(&packet)
    }

    /// Ids of messages under way.
    pub fn under_way(&self) -> Vec<u16> {
        self.sending.keys().copied().collect()
    }

    /// Publishes what is under way, step by step: all PUBLISH, all PUBREL.
    pub fn speak(&mut self, order: Order) -> Result<(), Broken> {
        while !self.sending.is_empty() {
            let (published, received): (Vec<u16>, Vec<u16>) = self
                .under_way()
                .iter()
                .partition(|id| matches!(self.sending[id], Sending::Published { .. }));
            let ids = if published.is_empty() { order.arrange(received) } else { published };
            for id in &ids {
                self.push(*id)?;
            }
            for _ in &ids {
                let packet = self.read()?;
                self.take(&packet);
            }
        }
        Ok(())
    }

    /// All that has come by now; the answers to it.
    pub fn hear(&mut self) -> Result<Vec<Vec<u8>>, Broken> {
        self.raw().send(&PING);
        let mut answers = Vec::new();
        loop {
            let packet = self.read()?;
            if packet.0 == 0xd0 {
                return Ok(answers);
            }
            answers.extend(self.take(&packet));
        }
    }

    /// Gives an answer.
    pub fn answer(&mut self, answer: &[u8]) -> Result<(), Broken> {
        self.send(answer)
    }

    /// Takes messages until so many have come and all their hand-shakes are over.
    pub fn listen(&mut self, want: usize, order: Order) -> Result<(), Broken> {
        for _ in 0..STEPS {
            let answers = self.hear()?;
            if answers.is_empty() && self.is_idle() && self.got.len() >= want {
                return Ok(());
            }
            for answer in order.arrange(answers) {
                self.send(&answer)?;
            }
        }
        panic!("{want} wanted, never quiet: {:?} of {} has {:?}", self.held, self.name, self.got);
    }
}
