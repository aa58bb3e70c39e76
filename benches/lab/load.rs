//! A load generator that speaks MQTT 3.1.1 byte by byte, the same for every broker.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Buf, BufMut, BytesMut};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, interval, sleep_until, timeout},
};
use tokio_rustls::TlsConnector;

/// Bytes of a payload; a message of a pile has a few hundred.
const PAYLOAD: usize = 200;

/// Nothing on loopback takes this long unless it is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a broker is reached.
#[derive(Clone)]
pub struct Link {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// One connection.
pub struct Client {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

/// First byte and body.
struct Packet(u8, BytesMut);

fn text(out: &mut BytesMut, text: &str) {
    out.put_u16(text.len() as u16);
    out.extend_from_slice(text.as_bytes());
}

fn framed(first: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(body.len() + 5);
    out.put_u8(first);
    let mut length = body.len();
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        out.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

fn short(first: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}

fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64
}

impl Client {
    /// Connects and logs in; name, client id and user are one.
    pub async fn connect(link: &Link, name: &str) -> Self {
        let tcp = TcpStream::connect(link.address).await.expect("the broker listens");
        tcp.set_nodelay(true).expect("an option of every socket");
        let stream: Box<dyn Stream> = match &link.tls {
            None => Box::new(tcp),
            Some(config) => {
                let host = ServerName::try_from("localhost").expect("a name");
                let connector = TlsConnector::from(config.clone());
                Box::new(connector.connect(host, tcp).await.expect("a handshake"))
            }
        };
        let mut client = Self { stream, buffer: BytesMut::new() };
        let mut body = BytesMut::new();
        text(&mut body, "MQTT");
        body.extend_from_slice(&[4, 0xc2, 0, 0]);
        for part in [name, name, "bench"] {
            text(&mut body, part);
        }
        client.write(&framed(0x10, &body)).await;
        let Packet(first, body) = client.packet().await.expect("an answer to CONNECT");
        assert_eq!((first, &body[..]), (0x20, &[0, 0][..]), "CONNACK");
        client
    }

    pub async fn subscribe(&mut self, filters: &[&str], qos: u8) {
        let mut body = BytesMut::new();
        body.put_u16(1);
        for filter in filters {
            text(&mut body, filter);
            body.put_u8(qos);
        }
        self.write(&framed(0x82, &body)).await;
        let Packet(first, body) = self.packet().await.expect("an answer to SUBSCRIBE");
        assert!(first == 0x90 && body[2..].iter().all(|code| *code <= 2), "SUBACK {body:?}");
    }

    pub async fn disconnect(mut self) {
        self.write(&[0xe0, 0]).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the broker reads");
        self.stream.flush().await.expect("the broker reads");
    }

    fn take(&mut self) -> Option<Packet> {
        let mut length = 0;
        for index in 1..5 {
            let byte = *self.buffer.get(index)?;
            length |= usize::from(byte & 0x7f) << (7 * (index - 1));
            if byte & 0x80 == 0 {
                if self.buffer.len() < index + 1 + length {
                    return None;
                }
                let first = self.buffer[0];
                self.buffer.advance(index + 1);
                return Some(Packet(first, self.buffer.split_to(length)));
            }
        }
        None
    }

    async fn packet(&mut self) -> Option<Packet> {
        timeout(PATIENCE, self.next()).await.ok().flatten()
    }

    async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.take() {
                return Some(packet);
            }
            self.buffer.reserve(16 * 1024);
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
        }
    }
}

/// How fast a publisher goes.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As fast as so many unanswered messages allow; with QoS 0, as the broker reads.
    Window(usize),
    /// One message each time.
    Every(Duration),
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    pub sent: u64,
    pub acknowledged: u64,
    pub received: u64,
    /// From publish to acknowledgement, in µs.
    pub ack_us: Vec<u64>,
    /// From publish to the subscriber, in µs.
    pub transit_us: Vec<u64>,
}

pub type Shared = Rc<RefCell<Seen>>;

/// Publishes until `end`, then waits for the last acknowledgements.
pub async fn publish(
    mut client: Client,
    topic: String,
    qos: u8,
    pace: Pace,
    end: Instant,
    seen: Shared,
) {
    let mut open: std::collections::HashMap<u16, u64> = std::collections::HashMap::new();
    let mut last_id = 0_u16;
    let mut ticks = interval(match pace {
        Pace::Window(_) => Duration::from_millis(1),
        Pace::Every(each) => each,
    });
    loop {
        let over = Instant::now() >= end;
        if over && open.is_empty() {
            break;
        }
        let may_send = !over
            && match pace {
                Pace::Window(window) => open.len() < window,
                Pace::Every(_) => false,
            };
        if may_send {
            let count = if qos == 0 { 16 } else { 1 };
            send(&mut client, &topic, qos, count, &mut last_id, &mut open, &seen).await;
            if qos == 0 {
                tokio::task::yield_now().await;
            } else if let Some(packet) = client.take() {
                answered(&mut client, packet, &mut open, &seen).await;
            }
            continue;
        }
        tokio::select! {
            packet = client.next(), if !open.is_empty() => {
                let Some(packet) = packet else { break };
                answered(&mut client, packet, &mut open, &seen).await;
            }
            _ = ticks.tick(), if matches!(pace, Pace::Every(_)) && !over => {
                send(&mut client, &topic, qos, 1, &mut last_id, &mut open, &seen).await;
            }
            () = sleep_until(end + PATIENCE) => break,
        }
    }
    client.disconnect().await;
}

async fn send(
    client: &mut Client,
    topic: &str,
    qos: u8,
    count: usize,
    last_id: &mut u16,
    open: &mut std::collections::HashMap<u16, u64>,
    seen: &Shared,
) {
    let mut out = BytesMut::new();
    for _ in 0..count {
        let at = nanos();
        let mut body = BytesMut::with_capacity(PAYLOAD + 40);
        text(&mut body, topic);
        if qos > 0 {
            *last_id = last_id.checked_add(1).unwrap_or(1);
            body.put_u16(*last_id);
            open.insert(*last_id, at);
        }
        body.put_u64(at);
        body.put_bytes(b'x', PAYLOAD - 8);
        out.extend_from_slice(&framed(0x30 | qos << 1, &body));
        seen.borrow_mut().sent += 1;
    }
    client.write(&out).await;
}

async fn answered(
    client: &mut Client,
    Packet(first, body): Packet,
    open: &mut std::collections::HashMap<u16, u64>,
    seen: &Shared,
) {
    let id = u16::from_be_bytes([body[0], body[1]]);
    match first & 0xf0 {
        0x50 => client.write(&short(0x62, id)).await,
        0x40 | 0x70 => {
            let at = open.remove(&id).expect("answers what was sent");
            let mut seen = seen.borrow_mut();
            seen.acknowledged += 1;
            seen.ack_us.push((nanos() - at) / 1000);
        }
        other => panic!("unexpected packet {other:#x}"),
    }
}

/// Receives and acknowledges for ever.
pub async fn receive(mut client: Client, seen: Shared) {
    while let Some(Packet(first, mut body)) = client.next().await {
        match first & 0xf0 {
            0x30 => {
                let qos = (first >> 1) & 3;
                let topic = usize::from(body.get_u16());
                body.advance(topic);
                let id = if qos > 0 { body.get_u16() } else { 0 };
                {
                    let mut seen = seen.borrow_mut();
                    seen.received += 1;
                    seen.transit_us.push(nanos().saturating_sub(body.get_u64()) / 1000);
                }
                match qos {
                    1 => client.write(&short(0x40, id)).await,
                    2 => client.write(&short(0x50, id)).await,
                    _ => {}
                }
            }
            0x60 => {
                let id = body.get_u16();
                client.write(&short(0x70, id)).await;
            }
            _ => {}
        }
    }
}
