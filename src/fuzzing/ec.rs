//! Any bytes as what the far side of EC TCP sends, in pieces of any size.

use bytes::Bytes;

use crate::{
    domain::{id::Sequence, time::Mono},
    protocol::ec::{
        Confirm, Settings,
        frame::{Cutter, FROM_SERVER_LIMIT, Frame, HEADER_BYTES, LENGTH_LIMIT},
        message::Message,
        readable,
        session::{Event, Session},
    },
};

/// A record in the making of the gate: only its length matters.
const RECORD: Bytes = Bytes::from_static(&[0; 83]);

/// Reads the bytes behind the first two as a stream: at a server and at a gate, which goes on with
/// its own work meanwhile. The first byte is how long the pieces are, the second what the gate
/// waits for and how fast its line is.
///
/// # Panics
///
/// If a promise is broken.
pub fn ec(data: &[u8]) {
    let [piece, choice, stream @ ..] = data else { return };
    let piece = usize::from(*piece).max(1);
    for limit in [FROM_SERVER_LIMIT, LENGTH_LIMIT] {
        let frames = cut(stream, piece, limit);
        assert_eq!(frames, cut(stream, stream.len().max(1), limit), "in pieces or whole");
        frames.iter().for_each(check);
    }
    if let Ok(text) = readable::decode(stream) {
        assert!(text.contains("EC "), "{text}");
    }
    gate(stream, piece, *choice);
}

/// The frames of a stream that comes in pieces; what is held meanwhile is less than one.
fn cut(stream: &[u8], piece: usize, limit: usize) -> Vec<Frame> {
    let mut cutter = Cutter::new(limit);
    let (mut frames, mut framed, mut pushed) = (Vec::new(), 0, 0);
    for piece in stream.chunks(piece) {
        cutter.push(piece);
        pushed += piece.len();
        while let Some(frame) = cutter.cut() {
            framed += HEADER_BYTES + 2 + frame.body.len();
            frames.push(frame);
        }
        let discarded = usize::try_from(cutter.discarded()).expect("no more than was pushed");
        let held = pushed - framed - discarded;
        assert!(held < HEADER_BYTES + limit, "{held} bytes are held");
        assert_eq!(cutter.is_amid(), held > 0);
    }
    frames
}

/// What is read is written the same.
fn check(frame: &Frame) {
    let bytes = frame.encode().expect("it was cut from a stream");
    if let Ok(Some(message)) = Message::decode(frame) {
        let written = message.encode().expect("it was read from a frame");
        assert_eq!(written, bytes);
    }
}

/// A gate that sends a record for each piece it hears.
fn gate(stream: &[u8], piece: usize, choice: u8) {
    let confirm = if choice & 1 == 0 { Confirm::Tcp } else { Confirm::Heartbeat };
    let settings = Settings {
        organisation: 1000,
        heartbeat_ms: 60_000,
        realtime_ms: 60_000,
        confirm,
        resend_ms: 0,
        amount_includes_service: true,
    };
    let mut now = Mono(0);
    let mut session = Session::new(&settings, now);
    let (mut sent, mut delivered, mut written, mut ends) = (0, 0, 0_u64, Vec::new());
    for piece in stream.chunks(piece) {
        if session.has_room() {
            session.send(&RECORD, Some(Sequence(sent)));
            sent += 1;
            ends.push(written + long(session.poll_transmit().len()));
        }
        let bytes = session.poll_transmit().len().min(usize::from(choice));
        session.handle_written(bytes, now);
        written += long(bytes);
        now = now.plus_ms(u64::from(piece[0]) * 100);
        let open = u64::from(choice).min(written);
        session.handle_unacknowledged(open, now);
        session.handle_bytes(piece, now);
        session.handle_deadline(now);
        assert!(session.deadline().is_none_or(|at| at > now), "a deadline that stays");
        while let Some(event) = session.poll_event() {
            let Event::Delivered(sequence) = event else { continue };
            assert_eq!(sequence, Sequence(delivered), "in order, each once");
            assert!(ends[usize::try_from(delivered).expect("an index")] <= written - open);
            delivered += 1;
        }
    }
}

fn long(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length")
}
