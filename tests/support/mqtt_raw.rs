//! A client that speaks MQTT 3.1.1 byte by byte, and a house with doors to speak to.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, not all used by each")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sitepilot::broker::{
    Access, CertificateName, DoorEvent, Doors, DoorsConfig, DoorsError, Filter, Identity, Login,
    LoginRefused, Outgoing, Registry, Route, To,
};

/// Long enough for any machine; nothing waits for it when all is well.
pub const GUARD: Duration = Duration::from_secs(20);

/// The right password of everybody.
pub const PASSWORD: &str = "secret";

/// A certificate stands for the password of the name in it. `P…`: a pile; `V…`: a visitor; `any…`: may do all; `display`: reads below `U`.
pub struct Guests;

fn filters(texts: &[&str]) -> Vec<Filter> {
    texts.iter().map(|text| Filter::new(text).unwrap()).collect()
}

impl Registry for Guests {
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        let certified = login.certificate.map(CertificateName::as_str);
        let name = login.username.or(certified).unwrap_or_default();
        if certified != Some(name) && login.password != Some(PASSWORD.as_bytes()) {
            return Err(LoginRefused("wrong password".to_owned()));
        }
        let (route, publish, subscribe) = if name.starts_with('P') {
            (Route::Host, vec![format!("U/{name}/#")], vec![format!("D/{name}/#")])
        } else if name.starts_with('V') {
            (Route::Visitor, vec![format!("U/{name}/#")], vec![format!("D/{name}/#")])
        } else if name.starts_with("any") {
            (Route::Router, vec!["#".to_owned()], vec!["#".to_owned()])
        } else if name == "display" {
            (Route::Router, vec![], vec!["U/#".to_owned()])
        } else {
            return Err(LoginRefused("unknown".to_owned()));
        };
        let list =
            |texts: Vec<String>| filters(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let access = Access { publish: list(publish), subscribe: list(subscribe) };
        Ok(Identity { name: name.to_owned(), route, access })
    }
}

/// Open doors on a loopback port, served by a thread of their own.
pub struct House {
    pub doors: Doors,
    pub events: flume::Receiver<DoorEvent>,
    thread: Option<JoinHandle<Result<(), DoorsError>>>,
}

impl House {
    /// With the defaults and a roomy inbox.
    pub fn open() -> Self {
        Self::with(1000, |_| {})
    }

    /// With an inbox of `inbox` events and changed settings.
    pub fn with(inbox: usize, change: impl FnOnce(&mut DoorsConfig)) -> Self {
        let mut config = DoorsConfig::new("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let (sender, events) = flume::bounded(inbox);
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let (doors, task) = Doors::bind(config, Arc::new(Guests), sender)?;
                tell.send(doors).unwrap();
                task.run().await
            })
        });
        let doors = told.recv().unwrap();
        Self { doors, events, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.doors.plain_address().unwrap()
    }

    /// The next event, in short form.
    pub fn event(&self) -> String {
        describe(&self.events.recv_timeout(GUARD).expect("an event"))
    }

    /// Closes the doors and hands back what `run` ended with.
    pub fn close(mut self) -> Result<(), DoorsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(self.doors.shutdown());
        self.thread.take().unwrap().join().unwrap()
    }

    /// Hands back what `run` ends with by itself.
    pub fn end(mut self) -> Result<(), DoorsError> {
        self.thread.take().unwrap().join().unwrap()
    }

    /// A connected pile or client: name as user and client id.
    pub fn client(&self, name: &str) -> Raw {
        let mut raw = Raw::dial(self.address());
        raw.send(&Connect::new(name).bytes());
        assert_eq!(raw.packet(), (0x20, vec![0, 0]), "CONNACK for {name}");
        raw
    }

    /// A connected pile, its event taken.
    pub fn pile(&self, name: &str) -> Raw {
        let raw = self.client(name);
        assert_eq!(self.event(), format!("connected {name}"));
        raw
    }

    /// Waits until a counter has come to a value.
    pub fn wait_for(&self, what: impl Fn(&sitepilot::broker::DoorsCounters) -> bool) {
        for _ in 0..2000 {
            if what(&self.doors.counters()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never came: {:?}", self.doors.counters());
    }
}

/// Something to say to a pile.
pub fn say(topic: &str, payload: &str, qos: u8) -> Outgoing {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Outgoing { topic: topic.to_owned(), payload, qos, expires_in: None }
}

/// Whoever has that name.
pub fn name(name: &str) -> To {
    To::Name(name.to_owned())
}

/// An event as one line.
pub fn describe(event: &DoorEvent) -> String {
    match event {
        DoorEvent::Connected { name, .. } => format!("connected {name}"),
        DoorEvent::Gone { name, reason, .. } => format!("gone {name}: {reason}"),
        DoorEvent::Published { name, topic, payload, qos, .. } => {
            format!("{name} {topic} q{qos} {}", String::from_utf8_lossy(payload))
        }
    }
}

/// CONNECT in the making.
#[derive(Clone)]
pub struct Connect {
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<String>,
    pub clean: bool,
    pub keep_alive: u16,
    /// Topic, payload, QoS, retain.
    pub will: Option<(String, String, u8, bool)>,
    pub protocol: (&'static str, u8),
    /// Bits set in addition.
    pub flags: u8,
}

impl Connect {
    pub fn new(name: &str) -> Self {
        Self {
            client_id: name.to_owned(),
            username: Some(name.to_owned()),
            password: Some(PASSWORD.to_owned()),
            clean: true,
            keep_alive: 0,
            will: None,
            protocol: ("MQTT", 4),
            flags: 0,
        }
    }

    pub fn persistent(name: &str) -> Self {
        Self { clean: false, ..Self::new(name) }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = self.flags | u8::from(self.clean) << 1;
        let mut tail = text(&self.client_id);
        if let Some((topic, payload, qos, retain)) = &self.will {
            flags |= 0x04 | qos << 3 | u8::from(*retain) << 5;
            tail.extend(text(topic));
            tail.extend(text(payload));
        }
        if let Some(username) = &self.username {
            flags |= 0x80;
            tail.extend(text(username));
        }
        if let Some(password) = &self.password {
            flags |= 0x40;
            tail.extend(text(password));
        }
        let mut body = text(self.protocol.0);
        body.extend([self.protocol.1, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        body.extend(tail);
        packet(0x10, &body)
    }
}

/// A string with its length.
pub fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// Fixed header and body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length % 128).unwrap();
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// PUBLISH; `id` only counts with QoS 1 and 2.
pub fn publish(topic: &str, payload: &[u8], qos: u8, id: u16) -> Vec<u8> {
    publish_flags(topic, payload, qos << 1, id)
}

/// PUBLISH with all its flags.
pub fn publish_flags(topic: &str, payload: &[u8], flags: u8, id: u16) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 6 != 0 {
        body.extend(id.to_be_bytes());
    }
    body.extend(payload);
    packet(0x30 | flags, &body)
}

/// SUBSCRIBE.
pub fn subscribe(id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        body.extend(text(filter));
        body.push(*qos);
    }
    packet(0x82, &body)
}

/// UNSUBSCRIBE.
pub fn unsubscribe(id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    filters.iter().for_each(|filter| body.extend(text(filter)));
    packet(0xa2, &body)
}

/// PUBACK 0x40, PUBREC 0x50, PUBREL 0x62, PUBCOMP 0x70.
pub fn ack(first: u8, id: u16) -> Vec<u8> {
    packet(first, &id.to_be_bytes())
}

/// A PUBLISH that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub dup: bool,
    pub retain: bool,
    pub id: u16,
}

impl Got {
    /// Reads a PUBLISH.
    pub fn read(first: u8, body: &[u8]) -> Self {
        assert_eq!(first >> 4, 3, "PUBLISH expected, got {first:02x} {body:02x?}");
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
        let qos = first >> 1 & 3;
        let (id, rest) = if qos > 0 {
            (u16::from_be_bytes([body[end], body[end + 1]]), end + 2)
        } else {
            (0, end)
        };
        let payload = body[rest..].to_vec();
        Self { topic, payload, qos, dup: first & 8 != 0, retain: first & 1 != 0, id }
    }
}

/// One connection.
pub struct Raw<S = TcpStream> {
    pub stream: S,
    buffer: Vec<u8>,
}

impl Raw {
    pub fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // Small packets one after the other would wait for each other's acknowledgement.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Raw<S> {
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next packet: first byte and body.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        self.next().expect("a packet, not the end")
    }

    /// The next packet, or `None` at the end of the connection.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(packet) = self.take() {
                return Some(packet);
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend(&chunk[..count]),
                // The latter is TLS without a farewell.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("waited for a packet: {error}"),
            }
        }
    }

    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut length = 0;
        for index in 1..5 {
            let byte = *self.buffer.get(index)?;
            length |= usize::from(byte & 0x7f) << (7 * (index - 1));
            if byte & 0x80 == 0 {
                let end = index + 1 + length;
                if self.buffer.len() < end {
                    return None;
                }
                let packet = self.buffer.drain(..end).collect::<Vec<_>>();
                return Some((packet[0], packet[index + 1..].to_vec()));
            }
        }
        panic!("bad length from the doors");
    }

    /// The next packet must be a PUBLISH.
    pub fn publish(&mut self) -> Got {
        let (first, body) = self.packet();
        Got::read(first, &body)
    }

    /// Sends a packet and expects exactly this answer.
    pub fn ask(&mut self, question: &[u8], answer: &[u8]) {
        self.send(question);
        let (first, body) = self.packet();
        assert_eq!(packet(first, &body), answer, "answer to {question:02x?}");
    }

    /// Subscribes and expects these codes.
    pub fn subscribe(&mut self, filters: &[(&str, u8)], codes: &[u8]) {
        let mut answer = vec![0, 9];
        answer.extend(codes);
        self.ask(&subscribe(9, filters), &packet(0x90, &answer));
    }

    /// Whether nothing but the answer to a PINGREQ comes.
    pub fn expect_quiet(&mut self) {
        self.ask(&[0xc0, 0], &[0xd0, 0]);
    }

    /// The connection must end without another packet.
    pub fn expect_end(&mut self) {
        assert_eq!(self.next(), None);
    }
}

/// Sends bytes on a new connection and gives what comes back.
pub fn first_answer(address: SocketAddr, bytes: &[u8]) -> Option<(u8, Vec<u8>)> {
    let mut raw = Raw::dial(address);
    raw.send(bytes);
    raw.next()
}
