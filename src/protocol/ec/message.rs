//! Messages: what frames say, in both directions.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    body::Body,
    frame::Frame,
    points::{Kind, Value},
};
use crate::{
    domain::{
        connector::PileKind,
        id::{OrderId, PileCode},
    },
    protocol::dialect::{NotOfWire, Unfit},
};

/// Command of a heartbeat.
pub const HEARTBEAT: u16 = 101;

/// Command of real-time data.
pub const REAL_TIME: u16 = 1001;

/// Command of a consumption record.
pub const RECORD: u16 = 1005;

/// A heartbeat as it is sent.
pub const HEARTBEAT_FRAME: Bytes = Bytes::from_static(b"EC\x00\x02\x00\x65");

/// Greatest length of a pile code in ASCII characters.
pub const PILE_LIMIT: usize = 16;

/// Greatest length of a trade number in ASCII characters.
pub const TRADE_LIMIT: usize = 32;

/// A text of at most `LIMIT` printable ASCII characters; a longer one is refused, not cut.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<const LIMIT: usize>(String);

impl<const LIMIT: usize> Text<LIMIT> {
    /// Checks length and characters; `field` is what the text is for.
    ///
    /// # Errors
    ///
    /// If it is too long, or has a character that is not printable ASCII.
    pub fn new(field: &'static str, text: &str) -> Result<Self, Unfit> {
        let is_plain = text.chars().all(|c| c.is_ascii() && !c.is_ascii_control());
        if text.len() > LIMIT || !is_plain {
            return Err(Unfit::Range { field, found: format!("{text:?}") });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn put(&self, body: &mut BytesMut) {
        let length = u16::try_from(self.0.len()).expect("a limit far below 65536 was checked");
        body.put_u16(length);
        body.put_slice(self.0.as_bytes());
    }
}

impl<const LIMIT: usize> fmt::Display for Text<LIMIT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<PileCode> for Text<PILE_LIMIT> {
    /// A pile code has exactly the characters there is room for.
    fn from(pile: PileCode) -> Self {
        Self(pile.as_str().to_owned())
    }
}

impl From<OrderId> for Text<TRADE_LIMIT> {
    /// An order id has exactly the characters there is room for.
    fn from(order: OrderId) -> Self {
        Self(order.as_str().to_owned())
    }
}

/// A message of either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The sender lives.
    Heartbeat,
    /// Values of a connector, from a gate.
    RealTime(RealTime),
    /// An order that has ended, from a gate.
    Record(Record),
}

/// Values of a connector at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealTime {
    /// Number of the organisation.
    pub organisation: u32,
    /// Code of the pile.
    pub pile: Text<PILE_LIMIT>,
    /// The connector, as the pile numbers it.
    pub gun: u8,
    /// What the pile gives.
    pub kind: PileKind,
    /// The values; no more than a 16-bit number can count.
    pub points: Vec<PointValue>,
}

/// One value of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointValue {
    /// Of which point, together with the value's kind.
    pub address: u16,
    /// The value, scaled.
    pub value: Value,
}

/// An order that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of the organisation.
    pub organisation: u32,
    /// Code of the pile.
    pub pile: Text<PILE_LIMIT>,
    /// The connector, as the pile numbers it.
    pub gun: u8,
    /// The key of the record at the far side.
    pub trade: Text<TRADE_LIMIT>,
    /// Begin in unix seconds.
    pub start_s: u32,
    /// End in unix seconds.
    pub end_s: u32,
    /// Energy in Wh.
    pub energy_wh: u32,
    /// Total amount in fen.
    pub amount_fen: u32,
    /// Service fee in fen.
    pub service_fen: u32,
}

impl Message {
    /// The frame as it is sent, mark included.
    ///
    /// # Errors
    ///
    /// If there are more points than a frame can carry.
    pub fn encode(&self) -> Result<Bytes, Unfit> {
        match self {
            Self::Heartbeat => Ok(HEARTBEAT_FRAME),
            Self::RealTime(data) => Frame { command: REAL_TIME, body: data.body()? }.encode(),
            Self::Record(record) => Frame { command: RECORD, body: record.body() }.encode(),
        }
    }

    /// What a frame says; `None`: a command this version of the wire does not have.
    ///
    /// # Errors
    ///
    /// If the body is not that of its command.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, NotOfWire> {
        let mut body = Body::new(&frame.body);
        let message = match frame.command {
            HEARTBEAT => Self::Heartbeat,
            REAL_TIME => Self::RealTime(RealTime::read(&mut body)?),
            RECORD => Self::Record(Record::read(&mut body)?),
            _ => return Ok(None),
        };
        body.end()?;
        Ok(Some(message))
    }
}

impl RealTime {
    fn body(&self) -> Result<Bytes, Unfit> {
        let count = u16::try_from(self.points.len()).map_err(|_| Unfit::Range {
            field: "point count",
            found: self.points.len().to_string(),
        })?;
        let mut body = BytesMut::new();
        body.put_u32(self.organisation);
        self.pile.put(&mut body);
        body.put_u8(self.gun);
        body.put_u8(match self.kind {
            PileKind::Ac => 14,
            PileKind::Dc => 5,
        });
        body.put_u16(count);
        for point in &self.points {
            body.put_u16(point.address);
            body.put_u8(point.value.kind().number());
            match point.value {
                Value::Single(value) | Value::Double(value) => body.put_u8(value),
                Value::Measured(value) => body.put_u16(value),
                Value::Long(value) => body.put_u32(value),
            }
        }
        Ok(body.freeze())
    }

    fn read(body: &mut Body<'_>) -> Result<Self, NotOfWire> {
        let organisation = body.u32("organisation")?;
        let pile = body.text("pile code")?;
        let gun = body.u8("gun")?;
        let kind = match body.u8("pile type")? {
            5 => PileKind::Dc,
            14 => PileKind::Ac,
            other => return Err(not("pile type", "5 or 14", other)),
        };
        let count = body.u16("point count")?;
        // The count is the far side's word: nothing is set aside for it.
        let points = (0..count).map(|_| PointValue::read(body)).collect::<Result<_, _>>()?;
        Ok(Self { organisation, pile, gun, kind, points })
    }
}

impl PointValue {
    fn read(body: &mut Body<'_>) -> Result<Self, NotOfWire> {
        let address = body.u16("point address")?;
        let number = body.u8("point type")?;
        let value = match Kind::from_number(number) {
            Some(Kind::Single) => Value::Single(body.u8("value")?),
            Some(Kind::Double) => Value::Double(body.u8("value")?),
            Some(Kind::Measured) => Value::Measured(body.u16("value")?),
            Some(Kind::Long) => Value::Long(body.u32("value")?),
            None => return Err(not("point type", "1 to 4", number)),
        };
        Ok(Self { address, value })
    }
}

impl Record {
    fn body(&self) -> Bytes {
        let mut body = BytesMut::new();
        body.put_u32(self.organisation);
        self.pile.put(&mut body);
        body.put_u8(self.gun);
        self.trade.put(&mut body);
        for number in [self.start_s, self.end_s, self.energy_wh, self.amount_fen, self.service_fen]
        {
            body.put_u32(number);
        }
        body.freeze()
    }

    fn read(body: &mut Body<'_>) -> Result<Self, NotOfWire> {
        Ok(Self {
            organisation: body.u32("organisation")?,
            pile: body.text("pile code")?,
            gun: body.u8("gun")?,
            trade: body.text("trade number")?,
            start_s: body.u32("start")?,
            end_s: body.u32("end")?,
            energy_wh: body.u32("energy")?,
            amount_fen: body.u32("amount")?,
            service_fen: body.u32("service fee")?,
        })
    }
}

fn not(at: &'static str, wanted: &'static str, found: u8) -> NotOfWire {
    NotOfWire { at, wanted, found: found.to_string() }
}
