//! What frames of EC TCP say, read by the server's own hand from the protocol's tables.

use std::fmt;

use super::frame::Frame;

/// Commands the server knows.
const HEARTBEAT: u16 = 101;
const REALTIME: u16 = 1001;
const RECORD: u16 = 1005;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The gate lives.
    Heartbeat,
    /// Values of a connector.
    Realtime(Realtime),
    /// An order.
    Record(Record),
    /// A command the server does not know.
    Unknown {
        /// Which.
        command: u16,
    },
    /// A known command with a body that is none of it.
    Malformed {
        /// Which.
        command: u16,
    },
}

/// Values of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realtime {
    /// Organisation.
    pub organisation: u32,
    /// Pile code.
    pub pile: String,
    /// Gun.
    pub gun: u8,
    /// 14 AC, 5 DC.
    pub kind: u8,
    /// Its points.
    pub points: Vec<Point>,
}

/// A measuring point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Address within the type.
    pub address: u16,
    /// 1 single-bit, 2 double-bit, 3 measured value, 4 long measured value.
    pub kind: u8,
    /// The value, scaled.
    pub value: u32,
}

/// A consumption record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Organisation.
    pub organisation: u32,
    /// Pile code.
    pub pile: String,
    /// Gun.
    pub gun: u8,
    /// Trade number: the id of the order.
    pub trade: String,
    /// Unix seconds.
    pub start_s: u32,
    /// Unix seconds.
    pub end_s: u32,
    /// Energy in Wh.
    pub energy_wh: u32,
    /// Total amount in fen.
    pub amount_fen: u32,
    /// Service fee in fen.
    pub service_fen: u32,
}

impl Record {
    /// Whether the known server drops it without a word.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.start_s >= self.end_s || self.energy_wh == 0
    }
}

impl Message {
    /// What a frame says.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let command = frame.command;
        let mut body = Body(frame.body());
        let read = match command {
            HEARTBEAT => Some(Self::Heartbeat),
            REALTIME => body.realtime().map(Self::Realtime),
            RECORD => body.record().map(Self::Record),
            _ => return Self::Unknown { command },
        };
        read.filter(|_| body.0.is_empty()).unwrap_or(Self::Malformed { command })
    }
}

/// What is left of a body.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn text(&mut self) -> Option<String> {
        let count = usize::from(self.short()?);
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let text = str::from_utf8(taken).ok()?;
        text.is_ascii().then(|| text.to_owned())
    }

    fn record(&mut self) -> Option<Record> {
        Some(Record {
            organisation: self.long()?,
            pile: self.text()?,
            gun: self.byte()?,
            trade: self.text()?,
            start_s: self.long()?,
            end_s: self.long()?,
            energy_wh: self.long()?,
            amount_fen: self.long()?,
            service_fen: self.long()?,
        })
    }

    fn realtime(&mut self) -> Option<Realtime> {
        let (organisation, pile) = (self.long()?, self.text()?);
        let (gun, kind, count) = (self.byte()?, self.byte()?, self.short()?);
        let points = (0..count).map(|_| self.point()).collect::<Option<_>>()?;
        Some(Realtime { organisation, pile, gun, kind, points })
    }

    fn point(&mut self) -> Option<Point> {
        let (address, kind) = (self.short()?, self.byte()?);
        let value = match kind {
            1 | 2 => self.byte()?.into(),
            3 => self.short()?.into(),
            4 => self.long()?,
            _ => return None,
        };
        Some(Point { address, kind, value })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heartbeat => f.write_str("heartbeat"),
            Self::Realtime(realtime) => realtime.fmt(f),
            Self::Record(record) => record.fmt(f),
            Self::Unknown { command } => write!(f, "command {command}, ignored"),
            Self::Malformed { command } => write!(f, "command {command} with a body that is none"),
        }
    }
}

impl fmt::Display for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            5 => "DC".to_owned(),
            14 => "AC".to_owned(),
            other => format!("type {other}"),
        };
        let Self { organisation, pile, gun, .. } = self;
        write!(
            f,
            "real-time data of organisation {organisation}, pile {pile}, gun {gun}, {kind}:"
        )?;
        self.points.iter().try_for_each(|point| write!(f, " {point}"))
    }
}

impl fmt::Display for Point {
    /// As the protocol's table names it: type, address, value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}", self.kind, self.address, self.value)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { organisation, pile, gun, trade, start_s, end_s, .. } = self;
        let Self { energy_wh, amount_fen, service_fen, .. } = self;
        write!(
            f,
            "record {trade} of organisation {organisation}, pile {pile}, gun {gun}: \
             {start_s} to {end_s}, {energy_wh} Wh, {amount_fen} fen, of these {service_fen} for \
             the service"
        )
    }
}
