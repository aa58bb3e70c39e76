//! Packets from and to bytes.
//!
//! rumqttd's codec does the work, but for CONNECT. In front of it stands what it leaves open: the
//! flags and lengths every packet type prescribes, packet ids of 0, control characters, requests
//! without filters. The flags of PUBLISH are read and written here, because the codec keeps these
//! fields to itself.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::{
    ConnAck, ConnectReturnCode, Error, Packet, PingResp, Protocol, PubAck, PubAckReason, PubComp,
    PubCompReason, PubRec, PubRecReason, PubRel, PubRelReason, QoS, SubAck, SubscribeReasonCode,
    UnsubAck,
};

use super::connect::{self, Connect};
use super::filter::{FilterError, check_topic};
use super::session::{Reply, Transmit};

/// A packet from a client.
#[derive(Debug)]
pub(super) enum Incoming {
    /// CONNECT.
    Connect(Box<Connect>),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK.
    PubAck(u16),
    /// PUBREC.
    PubRec(u16),
    /// PUBREL.
    PubRel(u16),
    /// PUBCOMP.
    PubComp(u16),
    /// SUBSCRIBE: filters as sent, with the QoS asked for.
    Subscribe(u16, Vec<(String, u8)>),
    /// UNSUBSCRIBE.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ.
    Ping,
    /// DISCONNECT.
    Disconnect,
}

/// What a client publishes.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    /// Checked: no wildcards.
    pub topic: String,
    /// As sent.
    pub payload: Bytes,
    /// 0 to 2.
    pub qos: u8,
    /// Packet id; 0 with QoS 0 and in a will.
    pub id: u16,
    /// To be kept for later subscribers.
    pub retain: bool,
}

/// Why a client is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Another version of the protocol; the only fault that is answered.
    #[error("protocol version is not MQTT 3.1.1")]
    Version,
    /// Longer than the limit.
    #[error("packet too long: {0} bytes")]
    TooLong(usize),
    /// Flags, length or type that the standard does not know.
    #[error("bad fixed header: 0x{0:02x}")]
    Header(u8),
    /// Packet id 0.
    #[error("packet id 0")]
    PacketId,
    /// A request without a filter.
    #[error("no filter")]
    NoFilter,
    /// A topic that is none.
    #[error("bad topic: {0}")]
    Topic(#[from] FilterError),
    /// Text that is not UTF-8, or has U+0000.
    #[error("not UTF-8, or with U+0000")]
    Utf8,
    /// Fields that do not fill the packet, or go beyond it.
    #[error("fields and length do not agree")]
    Fields,
    /// CONNECT with flags that contradict each other.
    #[error("bad CONNECT flags")]
    ConnectFlags,
    /// Too many QoS 2 publishes without PUBREL.
    #[error("too many QoS 2 publishes without PUBREL")]
    Unreleased,
    /// The codec's own objections.
    #[error("{0}")]
    Codec(Error),
}

/// Fixed header: first byte, its own length, length of the rest.
struct Head {
    first: u8,
    length: usize,
    rest: usize,
}

fn head(buffer: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some((first, lengths)) = buffer.split_first() else { return Ok(None) };
    let mut rest = 0_usize;
    for (index, byte) in lengths.iter().take(4).enumerate() {
        rest |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(Head { first: *first, length: index + 2, rest }));
        }
    }
    if lengths.len() >= 4 { Err(Malformed::Header(*first)) } else { Ok(None) }
}

/// Flags and lengths by type (MQTT 3.1.1 §2.2.2). What only a server sends is refused.
fn check_head(head: &Head) -> Result<(), Malformed> {
    let flags = head.first & 0x0f;
    let good = match head.first >> 4 {
        // Shortest CONNECT: name, level, flags, keep-alive, empty client id.
        1 => flags == 0 && head.rest >= 12,
        // No QoS 3, no DUP with QoS 0.
        3 => flags & 0b0110 != 0b0110 && flags & 0b1110 != 0b1000 && head.rest >= 3,
        4 | 5 | 7 => flags == 0 && head.rest == 2,
        6 => flags == 2 && head.rest == 2,
        8 => flags == 2 && head.rest >= 2,
        10 => flags == 2 && head.rest >= 2,
        12 | 14 => flags == 0 && head.rest == 0,
        _ => false,
    };
    if good { Ok(()) } else { Err(Malformed::Header(head.first)) }
}

/// Takes the next complete packet from the buffer; `None` asks for more bytes.
pub(super) fn read(buffer: &mut BytesMut, limit: usize) -> Result<Option<Incoming>, Malformed> {
    // The type is known from the first byte: nothing is collected for a packet nobody wants.
    let Some(head) = head(buffer)? else { return Ok(None) };
    check_head(&head)?;
    if head.rest > limit {
        return Err(Malformed::TooLong(head.rest));
    }
    if buffer.len() < head.length + head.rest {
        return Ok(None);
    }
    let mut frame = buffer.split_to(head.length + head.rest);
    if head.first >> 4 == 1 {
        frame.advance(head.length);
        let connect = connect::read(frame.freeze())?;
        return Ok(Some(Incoming::Connect(Box::new(connect))));
    }
    let facts = Facts::peek(&head, &frame)?;
    let packet = V4.read_mut(&mut frame, limit).map_err(codec_error)?;
    translate(packet, facts).map(Some)
}

fn codec_error(error: Error) -> Malformed {
    match error {
        Error::PacketIdZero => Malformed::PacketId,
        Error::PayloadNotUtf8(_) | Error::TopicNotUtf8 => Malformed::Utf8,
        other => Malformed::Codec(other),
    }
}

/// What the codec does not tell.
struct Facts {
    flags: u8,
    publish_id: u16,
}

impl Facts {
    fn peek(head: &Head, frame: &[u8]) -> Result<Self, Malformed> {
        let body = frame.get(head.length..).unwrap_or_default();
        let mut facts = Self { flags: head.first & 0x0f, publish_id: 0 };
        match head.first >> 4 {
            8 => check_subscribe(body.get(2..).unwrap_or_default())?,
            3 if facts.flags & 0b0110 != 0 => facts.publish_id = publish_id(body)?,
            _ => {}
        }
        Ok(facts)
    }
}

fn text_end(body: &[u8]) -> Result<usize, Malformed> {
    let Some([high, low]) = body.first_chunk() else {
        return Err(Malformed::Codec(Error::MalformedPacket));
    };
    Ok(2 + usize::from(u16::from_be_bytes([*high, *low])))
}

fn publish_id(body: &[u8]) -> Result<u16, Malformed> {
    let end = text_end(body)?;
    match body.get(end..end + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(Malformed::Codec(Error::MalformedPacket)),
    }
}

/// The upper bits of a QoS asked for are reserved (MQTT-3.8.3-4).
fn check_subscribe(mut filters: &[u8]) -> Result<(), Malformed> {
    while !filters.is_empty() {
        let end = text_end(filters)?;
        match filters.get(end) {
            Some(0..=2) => filters = &filters[end + 1..],
            _ => return Err(Malformed::Codec(Error::MalformedPacket)),
        }
    }
    Ok(())
}

fn translate(packet: Packet, facts: Facts) -> Result<Incoming, Malformed> {
    Ok(match packet {
        Packet::Publish(packet, _) => {
            let (qos, retain) = ((facts.flags >> 1) & 3, facts.flags & 1 != 0);
            Incoming::Publish(publish(
                &packet.topic,
                packet.payload,
                qos,
                facts.publish_id,
                retain,
            )?)
        }
        Packet::PubAck(ack, _) => Incoming::PubAck(check_id(ack.pkid)?),
        Packet::PubRec(ack, _) => Incoming::PubRec(check_id(ack.pkid)?),
        Packet::PubRel(ack, _) => Incoming::PubRel(check_id(ack.pkid)?),
        Packet::PubComp(ack, _) => Incoming::PubComp(check_id(ack.pkid)?),
        Packet::Subscribe(subscribe, _) => {
            let filters = subscribe.filters.into_iter().map(|f| (f.path, f.qos as u8));
            Incoming::Subscribe(check_id(subscribe.pkid)?, filters.collect())
        }
        Packet::Unsubscribe(unsubscribe, _) if unsubscribe.filters.is_empty() => {
            return Err(Malformed::NoFilter);
        }
        Packet::Unsubscribe(unsubscribe, _) => {
            Incoming::Unsubscribe(check_id(unsubscribe.pkid)?, unsubscribe.filters)
        }
        Packet::PingReq(_) => Incoming::Ping,
        Packet::Disconnect(..) => Incoming::Disconnect,
        // CONNECT does not come here.
        Packet::Connect(..)
        | Packet::ConnAck(..)
        | Packet::SubAck(..)
        | Packet::UnsubAck(..)
        | Packet::PingResp(_) => {
            return Err(Malformed::Codec(Error::IncorrectPacketFormat));
        }
    })
}

fn check_id(id: u16) -> Result<u16, Malformed> {
    if id == 0 { Err(Malformed::PacketId) } else { Ok(id) }
}

/// A publish or a will, its topic checked.
pub(super) fn publish(
    topic: &[u8],
    payload: Bytes,
    qos: u8,
    id: u16,
    retain: bool,
) -> Result<Publish, Malformed> {
    let topic = std::str::from_utf8(topic).map_err(|_| Malformed::Utf8)?;
    check_topic(topic)?;
    Ok(Publish { topic: topic.to_owned(), payload, qos, id, retain })
}

/// Appends a packet for the client.
pub(super) fn write(transmit: Transmit, buffer: &mut BytesMut) {
    match transmit {
        Transmit::Reply(reply) => encode(reply_packet(reply), buffer),
        Transmit::Publish { id, dup, message } => {
            let flags = u8::from(dup) << 3
                | if id == 0 { 0 } else { message.qos << 1 }
                | u8::from(message.retain);
            let id_length = if id == 0 { 0 } else { 2 };
            buffer.put_u8(0x30 | flags);
            put_length(buffer, 2 + message.topic.len() + id_length + message.payload.len());
            let topic_length = u16::try_from(message.topic.len());
            buffer.put_u16(topic_length.expect("checked when the message was taken"));
            buffer.extend_from_slice(message.topic.as_bytes());
            if id != 0 {
                buffer.put_u16(id);
            }
            buffer.extend_from_slice(&message.payload);
        }
    }
}

fn put_length(buffer: &mut BytesMut, mut length: usize) {
    loop {
        let low = u8::try_from(length % 128).expect("a remainder of 128 fits");
        length /= 128;
        buffer.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

/// Appends the answer that refuses a connection.
pub(super) fn write_refusal(code: ConnectReturnCode, buffer: &mut BytesMut) {
    encode(Packet::ConnAck(ConnAck { session_present: false, code }, None), buffer);
}

fn encode(packet: Packet, buffer: &mut BytesMut) {
    V4.write(packet, buffer).expect("answers are short and have packet ids");
}

fn reply_packet(reply: Reply) -> Packet {
    match reply {
        Reply::ConnAck { session_present } => {
            let code = ConnectReturnCode::Success;
            Packet::ConnAck(ConnAck { session_present, code }, None)
        }
        Reply::PubAck(pkid) => Packet::PubAck(PubAck { pkid, reason: PubAckReason::Success }, None),
        Reply::PubRec(pkid) => Packet::PubRec(PubRec { pkid, reason: PubRecReason::Success }, None),
        Reply::PubRel(pkid) => Packet::PubRel(PubRel { pkid, reason: PubRelReason::Success }, None),
        Reply::PubComp(pkid) => {
            Packet::PubComp(PubComp { pkid, reason: PubCompReason::Success }, None)
        }
        Reply::SubAck { id, granted } => {
            let return_codes = granted.into_iter().map(|granted| match granted {
                Some(0) => SubscribeReasonCode::Success(QoS::AtMostOnce),
                Some(1) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
                Some(_) => SubscribeReasonCode::Success(QoS::ExactlyOnce),
                None => SubscribeReasonCode::Failure,
            });
            Packet::SubAck(SubAck { pkid: id, return_codes: return_codes.collect() }, None)
        }
        Reply::UnsubAck(pkid) => Packet::UnsubAck(UnsubAck { pkid, reasons: Vec::new() }, None),
        Reply::PingResp => Packet::PingResp(PingResp),
    }
}

#[cfg(any(test, fuzzing))]
#[path = "frame_fuzzing.rs"]
pub(super) mod fuzzing;

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
