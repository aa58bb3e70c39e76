//! A session and a server with a line between them that moves any number of bytes at any moment.

use bytes::Bytes;
use proptest::prelude::*;

use super::frozen::settings;
use crate::{
    domain::{id::Sequence, time::Mono},
    protocol::ec::{
        Confirm, Settings,
        frame::{Cutter, FROM_SERVER_LIMIT, Frame, LENGTH_LIMIT},
        message::{HEARTBEAT, HEARTBEAT_FRAME},
        session::{Event, Session},
    },
};

#[derive(Debug, Clone)]
enum Step {
    /// The gate has a record of that many bytes in the body.
    Record(usize),
    /// The kernel takes bytes.
    Write(usize),
    /// The server's kernel gets bytes.
    Carry(usize),
    /// The gate asks how many have not been acknowledged.
    Ask,
    /// The server's process sends a heartbeat.
    Beat,
    /// The server's process sends something else.
    Say(u16, Vec<u8>),
    /// The gate gets bytes of the server.
    Hear(usize),
    /// Time passes.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_usize).prop_map(Step::Record),
        (1..200_usize).prop_map(Step::Write),
        (1..200_usize).prop_map(Step::Carry),
        Just(Step::Ask),
        Just(Step::Beat),
        (0..2000_u16, prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(command, body)| Step::Say(command, body)),
        (1..30_usize).prop_map(Step::Hear),
        (0..70_000_u64).prop_map(Step::Wait),
    ]
}

/// Both ends and what is between them.
struct World {
    confirm: Confirm,
    session: Session,
    now: Mono,
    records: u64,
    /// Bytes the gate's kernel has, and then those the server's kernel has got.
    up: Vec<u8>,
    taken: usize,
    carried: usize,
    /// Bytes of the server, and how many the gate has heard.
    down: Vec<u8>,
    heard: usize,
    /// Ends of the records in the stream.
    ends: Vec<usize>,
    /// By record: the heartbeats heard since it was seen to be acknowledged.
    beats: Vec<Option<Vec<Mono>>>,
    delivered: u64,
}

impl World {
    fn new(confirm: Confirm) -> Self {
        let session = Session::new(&Settings { confirm, ..settings() }, Mono(0));
        Self {
            confirm,
            session,
            now: Mono(0),
            records: 0,
            up: Vec::new(),
            taken: 0,
            carried: 0,
            down: Vec::new(),
            heard: 0,
            ends: Vec::new(),
            beats: Vec::new(),
            delivered: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Record(bytes) if self.session.has_room() => {
                let frame = Frame { command: 1005, body: vec![b'E'; bytes].into() };
                self.session.send(&frame.encode().unwrap(), Some(Sequence(self.records)));
                self.records += 1;
                self.ends.push(self.taken + self.session.poll_transmit().len());
                self.beats.push(None);
            }
            Step::Record(_) => {}
            Step::Write(most) => {
                let there = self.session.poll_transmit();
                let bytes = most.min(there.len());
                self.up.extend_from_slice(&there[..bytes]);
                self.taken += bytes;
                self.session.handle_written(bytes, self.now);
            }
            Step::Carry(most) => self.carried = (self.carried + most).min(self.taken),
            Step::Ask => {
                let unacknowledged = u64::try_from(self.taken - self.carried).unwrap();
                self.session.handle_unacknowledged(unacknowledged, self.now);
                for (end, beats) in self.ends.iter().zip(&mut self.beats) {
                    if *end <= self.carried {
                        beats.get_or_insert_default();
                    }
                }
            }
            Step::Beat => self.down.extend_from_slice(&HEARTBEAT_FRAME),
            Step::Say(command, body) => {
                self.down
                    .extend_from_slice(&Frame { command, body: body.into() }.encode().unwrap());
            }
            Step::Hear(most) => {
                let end = (self.heard + most).min(self.down.len());
                self.session.handle_bytes(&self.down[self.heard..end], self.now);
                self.heard = end;
            }
            Step::Wait(ms) => {
                self.now = self.now.plus_ms(ms);
                self.session.handle_deadline(self.now);
            }
        }
        self.look();
    }

    fn look(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Delivered(Sequence(record)) => self.check(record),
                Event::Heartbeat => {
                    let heard = self.beats.iter_mut().flatten();
                    heard.for_each(|beats| beats.push(self.now));
                }
                Event::Ignored(_) | Event::OutOfStep(_) | Event::Silent(_) | Event::Mute(_) => {}
            }
        }
    }

    fn check(&mut self, record: u64) {
        assert_eq!(record, self.delivered, "in the order of the stream, each once");
        self.delivered += 1;
        let index = usize::try_from(record).unwrap();
        assert!(self.ends[index] <= self.carried, "not all of it has come");
        if self.confirm == Confirm::Heartbeat {
            let beats = self.beats[index].as_ref().unwrap();
            let (first, last) = (beats[0], *beats.last().unwrap());
            assert!(last.since_ms(first) >= 1_000, "{beats:?}");
        }
    }

    /// Everything moves, and the server goes on sending heartbeats: until they are as far apart
    /// as the longest time that an acknowledgement took.
    fn heal(&mut self) {
        for _ in 0..300 {
            for step in [
                Step::Write(usize::MAX),
                Step::Carry(1 << 20),
                Step::Ask,
                Step::Beat,
                Step::Hear(1 << 20),
                Step::Wait(60_000),
            ] {
                self.take(step);
            }
        }
    }
}

fn commands(bytes: &[u8], limit: usize) -> (Vec<u16>, u64) {
    let mut cutter = Cutter::new(limit);
    cutter.push(bytes);
    let commands = std::iter::from_fn(|| cutter.cut()).map(|frame| frame.command).collect();
    (commands, cutter.discarded())
}

proptest! {
    #[test]
    fn whatever_the_line_does_records_come_whole_and_are_delivered_once_in_order(
        steps in prop::collection::vec(step(), 0..200),
        waits_for_heartbeats in any::<bool>(),
    ) {
        let confirm = if waits_for_heartbeats { Confirm::Heartbeat } else { Confirm::Tcp };
        let mut world = World::new(confirm);
        steps.into_iter().for_each(|step| world.take(step));
        world.heal();
        prop_assert_eq!(world.delivered, world.records);
        let (sent, discarded) = commands(&world.up, LENGTH_LIMIT);
        prop_assert_eq!(discarded, 0);
        let records = sent.iter().filter(|command| **command != HEARTBEAT).count();
        prop_assert_eq!(u64::try_from(records).unwrap(), world.records);
    }

    #[test]
    fn any_chunking_of_a_stream_gives_the_same_frames(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                prop::collection::vec(prop::sample::select(b"EC\0\x02\x65".to_vec()), 0..40),
                (0..2000_u16, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(command, body)| {
                    Frame { command, body: body.into() }.encode().unwrap().to_vec()
                }),
            ],
            0..20,
        ),
        chunk in 1..70_usize,
    ) {
        let stream = parts.concat();
        let mut whole = Cutter::new(FROM_SERVER_LIMIT);
        whole.push(&stream);
        let at_once: Vec<Frame> = std::iter::from_fn(|| whole.cut()).collect();
        let mut pieces = Cutter::new(FROM_SERVER_LIMIT);
        let mut in_pieces = Vec::new();
        for piece in stream.chunks(chunk) {
            pieces.push(piece);
            in_pieces.extend(std::iter::from_fn(|| pieces.cut()));
        }
        prop_assert_eq!(in_pieces, at_once);
        prop_assert_eq!(pieces.discarded(), whole.discarded());
        let framed = Bytes::from(stream);
        prop_assert!(whole.discarded() <= u64::try_from(framed.len()).unwrap());
    }
}
