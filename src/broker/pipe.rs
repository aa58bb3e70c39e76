//! The road through rumqttd's router: one link in, one link out, for all clients together.
//!
//! The router keeps a ring for every filter and a table entry for every topic, and frees neither
//! (both measured); its QoS is that of the subscription; it drops what a slow link does not
//! fetch. So it is given one topic and one filter. The real topic, the publisher's QoS and a
//! number travel in a small header in front of the payload, and only as much is under way at a
//! time as the ring holds for certain: nothing is lost in it.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{Disconnect, DisconnectReasonCode, Packet};
use rumqttd::{Notification, Router, RouterConfig};

use super::config::DoorsError;

/// The one topic the router knows.
const TOPIC: &str = "doors";

/// Bytes of a segment of the router's ring.
const SEGMENT_BYTES: usize = 64 * 1024;

/// Segments of the ring. When one is full the oldest goes, so three are there for certain.
const SEGMENTS: usize = 4;

/// Bytes under way at once; less than three segments. One message alone may be longer, because
/// nothing comes after it that could push it out.
const MAX_BYTES: usize = 2 * SEGMENT_BYTES;

/// Messages under way at once: far fewer than the 1000 events the router's inbox takes, so that
/// sending to it does not block.
const MAX_PARCELS: usize = 256;

/// A message on its way through the router.
pub(super) struct Parcel<'a> {
    pub sequence: u64,
    pub qos: u8,
    pub topic: &'a str,
    pub payload: &'a Bytes,
}

impl Parcel<'_> {
    fn pack(&self) -> Option<Bytes> {
        let topic_length = u16::try_from(self.topic.len()).ok()?;
        let mut bytes = BytesMut::with_capacity(11 + self.topic.len() + self.payload.len());
        bytes.put_u64(self.sequence);
        bytes.put_u8(self.qos);
        bytes.put_u16(topic_length);
        bytes.extend_from_slice(self.topic.as_bytes());
        bytes.extend_from_slice(self.payload);
        Some(bytes.freeze())
    }
}

/// What comes out at the other end.
pub(super) struct Unpacked {
    pub sequence: u64,
    pub qos: u8,
    pub topic: String,
    pub payload: Bytes,
}

impl Unpacked {
    fn new(mut bytes: Bytes) -> Option<Self> {
        if bytes.len() < 11 {
            return None;
        }
        let (sequence, qos) = (bytes.get_u64(), bytes.get_u8());
        let topic_length = usize::from(bytes.get_u16());
        if bytes.len() < topic_length {
            return None;
        }
        let topic = String::from_utf8(bytes.split_to(topic_length).to_vec()).ok()?;
        Some(Self { sequence, qos, topic, payload: bytes })
    }
}

/// The entrance.
pub(super) struct Pipe {
    link: Option<LinkTx>,
    /// Number and size of what is under way, oldest first.
    under_way: VecDeque<(u64, usize)>,
    bytes: usize,
}

/// The exit; its calls block, so it belongs to a thread.
pub(super) struct PipeEnd {
    link: LinkRx,
}

/// Starts a router and joins both ends to it. Blocks for a moment.
pub(super) fn open() -> Result<(Pipe, PipeEnd), DoorsError> {
    let config = RouterConfig {
        max_connections: 2,
        max_outgoing_packet_count: 100,
        max_segment_size: SEGMENT_BYTES,
        max_segment_count: SEGMENTS,
        ..RouterConfig::default()
    };
    let router = Router::new(0, config).spawn();
    let failed = |error: rumqttd::local::LinkError| DoorsError::Router(error.to_string());
    let (mut tx, rx, _) = LinkBuilder::new("doors", router).build().map_err(failed)?;
    tx.try_subscribe(TOPIC).map_err(failed)?;
    let pipe = Pipe { link: Some(tx), under_way: VecDeque::new(), bytes: 0 };
    Ok((pipe, PipeEnd { link: rx }))
}

impl Pipe {
    /// Sends a parcel off; `false` if there is no room now. Does not block.
    pub fn push(&mut self, parcel: &Parcel<'_>) -> bool {
        let Some(bytes) = parcel.pack() else { return false };
        let size = bytes.len() + TOPIC.len();
        let room = self.under_way.is_empty()
            || (self.bytes + size <= MAX_BYTES && self.under_way.len() < MAX_PARCELS);
        let Some(link) = self.link.as_mut().filter(|_| room) else { return false };
        if link.try_publish(TOPIC, bytes).is_err() {
            return false;
        }
        self.bytes += size;
        self.under_way.push_back((parcel.sequence, size));
        true
    }

    /// A parcel has arrived: it and everything before it is no longer under way.
    pub fn arrived(&mut self, sequence: u64) {
        while let Some((first, size)) = self.under_way.front().copied() {
            if first > sequence {
                return;
            }
            self.bytes -= size;
            self.under_way.pop_front();
        }
    }

    /// Signs off at the router, which ends the thread at the exit. The router's own thread has
    /// no end; it sleeps.
    pub fn close(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        let goodbye = link.send(Packet::Disconnect(Disconnect { reason_code }, None));
        // The call is asynchronous in name only: it is ready at the first poll.
        let _ready = pin!(goodbye).poll(&mut Context::from_waker(Waker::noop()));
    }
}

impl PipeEnd {
    /// The next message; blocks. `None` when the router has let go of the link.
    pub fn next(&mut self) -> Option<Unpacked> {
        loop {
            match self.link.recv() {
                Ok(Some(Notification::Forward(forward))) => {
                    if let Some(unpacked) = Unpacked::new(forward.publish.payload) {
                        return Some(unpacked);
                    }
                }
                // The router stops serving a link after a burst until it is told to go on.
                Ok(Some(Notification::Unschedule)) => self.link.ready().ok()?,
                Ok(Some(Notification::Disconnect(..))) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_is_lost_in_a_long_burst() {
        const PARCELS: u64 = 5_000;
        let (mut pipe, mut end) = open().unwrap();
        let payload = Bytes::from(vec![7; 1_000]);
        let (mut sent, mut got, mut refused) = (0, 0, 0);
        while got < PARCELS {
            let parcel = Parcel { sequence: sent, qos: 1, topic: "a/b", payload: &payload };
            if sent < PARCELS && pipe.push(&parcel) {
                sent += 1;
                continue;
            }
            refused += 1;
            let unpacked = end.next().unwrap();
            assert_eq!(unpacked.sequence, got);
            assert_eq!((unpacked.qos, unpacked.topic.as_str()), (1, "a/b"));
            assert_eq!(unpacked.payload, payload);
            pipe.arrived(unpacked.sequence);
            got += 1;
        }
        assert!(refused > 0, "the limit was never met");
        assert_eq!(pipe.bytes, 0);
    }

    #[test]
    fn a_link_that_falls_behind_goes_on() {
        const ROUNDS: usize = 8;
        let (mut pipe, mut end) = open().unwrap();
        // Hands over one parcel at a time, so that the router's buffer fills meanwhile.
        let (give, take) = std::sync::mpsc::sync_channel(0);
        let exit = std::thread::spawn(move || {
            while let Some(unpacked) = end.next() {
                give.send(unpacked.sequence).unwrap();
            }
        });
        let payload = Bytes::from_static(b"x");
        let mut sequence = 0;
        for _ in 0..ROUNDS {
            let first = sequence;
            while pipe.push(&Parcel { sequence, qos: 0, topic: "t", payload: &payload }) {
                sequence += 1;
            }
            assert!(sequence > first);
            std::thread::sleep(Duration::from_millis(20));
            for want in first..sequence {
                assert_eq!(take.recv_timeout(Duration::from_secs(20)), Ok(want));
                pipe.arrived(want);
            }
        }
        pipe.close();
        exit.join().unwrap();
    }

    #[test]
    fn one_message_longer_than_the_ring_passes() {
        let (mut pipe, mut end) = open().unwrap();
        let payload = Bytes::from(vec![1; 10 * MAX_BYTES]);
        for sequence in 0..3 {
            let parcel = Parcel { sequence, qos: 0, topic: "t", payload: &payload };
            assert!(pipe.push(&parcel));
            assert!(!pipe.push(&parcel));
            assert_eq!(end.next().unwrap().payload.len(), payload.len());
            pipe.arrived(sequence);
        }
    }

    #[test]
    fn closing_ends_the_exit() {
        let (mut pipe, mut end) = open().unwrap();
        pipe.close();
        assert!(end.next().is_none());
    }
}
