//! The slaves of one line, as they should be and as they are not. Each register's content tells
//! its meter, its place and the moment at which the request came, so that whatever is published
//! wrongly shows it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use sitepilot::serial::TimeSource;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    time::sleep,
};
use tokio_serial::{SerialPort as _, SerialStream};

use super::registers;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    NoAnswer,
    /// So many ms after the request.
    Late(u64),
    /// Just as the next request goes out, whoever that is for.
    LateIntoTheNext,
    HalfFrame,
    FlippedBit,
    WrongAddress,
    WrongFunction,
    WrongCount,
    NoiseBefore,
    NoiseAfter,
    TwoFrames,
    LocalEcho,
    /// The port, or the connection, is gone for a while.
    PortGone,
}

impl Fault {
    pub const NAMES: [(Self, &str); 13] = [
        (Self::NoAnswer, "no answer"),
        (Self::Late(0), "answer after the time-out"),
        (Self::LateIntoTheNext, "answer as the next request goes out"),
        (Self::HalfFrame, "half a frame"),
        (Self::FlippedBit, "one flipped bit"),
        (Self::WrongAddress, "wrong address"),
        (Self::WrongFunction, "wrong function"),
        (Self::WrongCount, "wrong count"),
        (Self::NoiseBefore, "noise before"),
        (Self::NoiseAfter, "noise after"),
        (Self::TwoFrames, "two frames at once"),
        (Self::LocalEcho, "local echo"),
        (Self::PortGone, "port gone and back"),
    ];

    pub fn name(self) -> &'static str {
        let kind = match self {
            Self::Late(_) => Self::Late(0),
            other => other,
        };
        Self::NAMES.iter().find(|(fault, _)| *fault == kind).map_or("", |(_, name)| name)
    }
}

/// Decides what is wrong with the answer to a request for this address.
pub type Plan = Arc<Mutex<dyn FnMut(u8) -> Option<Fault> + Send>>;

/// A request as the slaves saw it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub at_us: u64,
    pub address: u8,
    pub fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Rtu,
    Tcp,
}

/// One line of slaves.
pub struct Line {
    pub now: TimeSource,
    pub framing: Framing,
    /// Addresses that answer.
    pub slaves: Vec<u8>,
    pub plan: Plan,
    pub seen: flume::Sender<Seen>,
    pub random: fastrand::Rng,
}

/// Why a stream is not served any more.
enum End {
    Unplugged,
    Closed,
}

/// How long a port or connection stays away.
const AWAY: Duration = Duration::from_millis(50);

impl Line {
    /// On pseudo-terminals, under a path that stays the same.
    pub async fn on_terminals(mut self, path: PathBuf) {
        loop {
            let (mut ours, theirs) = SerialStream::pair().unwrap();
            point_to(&path, Path::new(&theirs.name().unwrap()));
            // The far side is held open: a controller that closes it must not end ours.
            while !matches!(self.serve(&mut ours).await, End::Unplugged) {}
            std::fs::remove_file(&path).unwrap();
            drop((ours, theirs));
            sleep(AWAY).await;
        }
    }

    /// By TCP, one connection at a time.
    pub async fn on_connections(mut self, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            self.serve(&mut stream).await;
        }
    }

    async fn serve(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> End {
        let mut inbox = Vec::new();
        // What goes out later, by moment; and with the next request.
        let (mut later, mut held) = (BTreeMap::<u64, Vec<u8>>::new(), Vec::new());
        loop {
            let mut bytes = [0; 512];
            let now = (self.now)().1.0;
            let wait = later.keys().next().map(|at| at.saturating_sub(now));
            let due = sleep(Duration::from_micros(wait.unwrap_or(3_600_000_000)));
            let read = tokio::select! {
                read = stream.read(&mut bytes) => read,
                () = due => {
                    if let Some((_, frame)) = later.pop_first() {
                        let _ = stream.write_all(&frame).await;
                    }
                    continue;
                }
            };
            match read {
                Ok(0) | Err(_) => return End::Closed,
                Ok(read) => inbox.extend_from_slice(&bytes[..read]),
            }
            while let Some(request) = Request::take(self.framing, &mut inbox) {
                if write(stream, &std::mem::take(&mut held)).await.is_err() {
                    return End::Closed;
                }
                let now = (self.now)().1.0;
                let fault = (self.plan.lock().unwrap())(request.address);
                let fault = fault.filter(|_| self.slaves.contains(&request.address));
                let seen = Seen { at_us: now, address: request.address, fault };
                self.seen.send(seen).unwrap();
                if !self.slaves.contains(&request.address) {
                    continue;
                }
                let right = request.answer((self.now)().0.0);
                match fault {
                    Some(Fault::PortGone) => return End::Unplugged,
                    Some(Fault::Late(ms)) => {
                        let mut at = now + ms * 1000;
                        while later.contains_key(&at) {
                            at += 1;
                        }
                        later.insert(at, right);
                    }
                    Some(Fault::LateIntoTheNext) => held = right,
                    fault => {
                        let said = self.spoilt(&request, right, fault);
                        if write(stream, &said).await.is_err() {
                            return End::Closed;
                        }
                    }
                }
            }
        }
    }

    /// The answer with its fault.
    fn spoilt(&mut self, request: &Request, mut right: Vec<u8>, fault: Option<Fault>) -> Vec<u8> {
        let tick = (self.now)().0.0;
        let random = &mut self.random;
        match fault {
            None => right,
            Some(Fault::NoAnswer | Fault::Late(_) | Fault::LateIntoTheNext | Fault::PortGone) => {
                Vec::new()
            }
            Some(Fault::HalfFrame) => {
                right.truncate(random.usize(1..right.len()));
                right
            }
            Some(Fault::FlippedBit) => {
                // TCP has a check sum of its own for the words.
                let bytes = if self.framing == Framing::Tcp { 9 } else { right.len() };
                right[random.usize(0..bytes)] ^= 1 << random.u32(0..8);
                right
            }
            Some(Fault::WrongAddress) => {
                let others = self.slaves.iter().filter(|slave| **slave != request.address);
                let other = others.copied().nth(random.usize(0..self.slaves.len() - 1)).unwrap();
                Request { address: other, ..request.clone() }.answer(tick)
            }
            Some(Fault::WrongFunction) => {
                Request { function: 7 - request.function, ..request.clone() }.answer(tick)
            }
            Some(Fault::WrongCount) => {
                let by = [-1, 1, 2][random.usize(0..3)];
                let count = request.count.saturating_add_signed(by);
                Request { count, ..request.clone() }.answer(tick)
            }
            Some(Fault::NoiseBefore) => [noise(random), right].concat(),
            Some(Fault::NoiseAfter) => [right, noise(random)].concat(),
            Some(Fault::TwoFrames) => [right.clone(), right].concat(),
            Some(Fault::LocalEcho) => [request.bytes.clone(), right].concat(),
        }
    }
}

fn noise(random: &mut fastrand::Rng) -> Vec<u8> {
    (0..random.usize(1..12)).map(|_| random.u8(..)).collect()
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() { Ok(()) } else { stream.write_all(bytes).await }
}

fn point_to(path: &Path, terminal: &Path) {
    let new = path.with_extension("new");
    std::os::unix::fs::symlink(terminal, &new).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[derive(Debug, Clone)]
struct Request {
    address: u8,
    function: u8,
    start: u16,
    count: u16,
    number: [u8; 2],
    framing: Framing,
    bytes: Vec<u8>,
}

impl Request {
    /// The first one of these bytes; bytes in front of it are dropped.
    fn take(framing: Framing, inbox: &mut Vec<u8>) -> Option<Self> {
        let length = if framing == Framing::Rtu { 8 } else { 12 };
        while inbox.len() >= length {
            let bytes = inbox[..length].to_vec();
            let is_whole = match framing {
                Framing::Rtu => crc(&bytes[..6]).to_le_bytes() == bytes[6..],
                Framing::Tcp => bytes[2..6] == [0, 0, 0, 6],
            };
            if is_whole {
                inbox.drain(..length);
                let body = if framing == Framing::Rtu { &bytes[..6] } else { &bytes[6..] };
                return Some(Self {
                    address: body[0],
                    function: body[1],
                    start: u16::from_be_bytes([body[2], body[3]]),
                    count: u16::from_be_bytes([body[4], body[5]]),
                    number: [bytes[0], bytes[1]],
                    framing,
                    bytes,
                });
            }
            inbox.remove(0);
        }
        None
    }

    /// The right answer at a moment.
    fn answer(&self, tick: u64) -> Vec<u8> {
        let words = (0..self.count).map(|i| registers::word(self.address, self.start + i, tick));
        let words: Vec<u8> = words.flat_map(u16::to_be_bytes).collect();
        let mut pdu = vec![self.function, u8::try_from(words.len()).unwrap()];
        pdu.extend(words);
        match self.framing {
            Framing::Rtu => {
                let mut frame = [vec![self.address], pdu].concat();
                frame.extend(crc(&frame).to_le_bytes());
                frame
            }
            Framing::Tcp => {
                let length = u8::try_from(pdu.len() + 1).unwrap();
                let [high, low] = self.number;
                [vec![high, low, 0, 0, 0, length, self.address], pdu].concat()
            }
        }
    }
}

fn crc(bytes: &[u8]) -> u16 {
    let mut crc = 0xFFFF;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1;
            crc >>= 1;
            if carry == 1 {
                crc ^= 0xA001;
            }
        }
    }
    crc
}
