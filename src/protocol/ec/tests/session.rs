//! Sessions in virtual time.

use bytes::Bytes;

use super::frozen::settings;
use crate::{
    domain::{id::Sequence, time::Mono},
    protocol::ec::{
        Confirm, Settings,
        message::HEARTBEAT_FRAME,
        session::{Event, IN_FLIGHT_LIMIT, SEND_ROOM_BYTES, Session},
    },
};

/// A session, the moment, and what the kernel has taken and not seen acknowledged.
struct Bench {
    session: Session,
    now: Mono,
    unacknowledged: u64,
}

impl Bench {
    fn new(confirm: Confirm) -> Self {
        let now = Mono(1_000_000);
        let session = Session::new(&Settings { confirm, ..settings() }, now);
        Self { session, now, unacknowledged: 0 }
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.session.handle_deadline(self.now);
    }

    fn record(&mut self, sequence: u64) {
        self.session.send(&Bytes::from_static(b"0123456789"), Some(Sequence(sequence)));
    }

    fn write(&mut self, bytes: usize) {
        self.session.handle_written(bytes, self.now);
        self.unacknowledged += u64::try_from(bytes).unwrap();
    }

    fn acknowledge(&mut self, bytes: u64) {
        self.unacknowledged -= bytes;
        self.session.handle_unacknowledged(self.unacknowledged, self.now);
    }

    /// The server sends heartbeats, and they come at once.
    fn heartbeats(&mut self, many: usize) {
        self.session.handle_bytes(&HEARTBEAT_FRAME.repeat(many), self.now);
    }

    /// The records that have been delivered since the last look.
    fn delivered(&mut self) -> Vec<u64> {
        let events = std::iter::from_fn(|| self.session.poll_event());
        events
            .filter_map(|event| match event {
                Event::Delivered(sequence) => Some(sequence.0),
                _ => None,
            })
            .collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }
}

#[test]
fn a_heartbeat_goes_out_only_when_nothing_was_sent_for_its_time() {
    let mut bench = Bench::new(Confirm::Tcp);
    assert_eq!(bench.session.deadline(), Some(bench.now.plus_ms(60_000)));
    bench.wait(40_000);
    bench.session.send(&Bytes::from_static(b"values"), None);
    bench.write(6);
    bench.wait(59_999);
    assert!(bench.session.poll_transmit().is_empty());
    bench.wait(1);
    assert_eq!(bench.session.poll_transmit(), &HEARTBEAT_FRAME[..]);
    // What waits to be written is as good as a heartbeat.
    bench.wait(200_000);
    assert_eq!(bench.session.poll_transmit(), &HEARTBEAT_FRAME[..]);
}

#[test]
fn a_record_is_delivered_when_its_last_byte_is_acknowledged() {
    let mut bench = Bench::new(Confirm::Tcp);
    bench.record(1);
    bench.record(2);
    assert!(!bench.session.is_unacknowledged(), "nothing is written");
    bench.write(9);
    assert!(!bench.session.is_unacknowledged(), "no record is written whole");
    bench.acknowledge(9);
    assert_eq!(bench.delivered(), [0; 0]);
    bench.write(2);
    assert!(bench.session.is_unacknowledged());
    bench.acknowledge(1);
    assert_eq!(bench.delivered(), [1]);
    assert!(!bench.session.is_unacknowledged());
    bench.write(9);
    bench.acknowledge(9);
    assert_eq!(bench.delivered(), [0; 0]);
    bench.acknowledge(1);
    assert_eq!(bench.delivered(), [2]);
}

#[test]
fn two_heartbeats_after_the_acknowledgement_deliver_a_record() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    bench.record(1);
    bench.write(10);
    bench.heartbeats(1);
    bench.wait(60_000);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [0; 0], "both came before the acknowledgement");
    bench.acknowledge(10);
    bench.wait(60_000);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [0; 0]);
    bench.wait(60_000);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [1]);
}

#[test]
fn heartbeats_that_come_in_one_burst_deliver_nothing() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    bench.record(1);
    bench.write(10);
    bench.acknowledge(10);
    bench.heartbeats(3);
    bench.wait(999);
    bench.heartbeats(2);
    assert_eq!(bench.delivered(), [0; 0], "less than the least round trip apart");
    bench.wait(1);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [1]);
}

#[test]
fn a_flood_of_heartbeats_delivers_nothing_until_it_pauses() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    bench.record(1);
    bench.write(10);
    bench.acknowledge(10);
    for _ in 0..500 {
        bench.heartbeats(100);
        bench.wait(20);
    }
    assert_eq!(bench.delivered(), [0; 0], "they may all be older than the record");
    bench.wait(1_000);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [1]);
}

#[test]
fn heartbeats_have_to_be_the_longest_round_trip_apart() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    for (sequence, trip_ms) in [(1, 100), (2, 7_000), (3, 100)] {
        bench.record(sequence);
        bench.write(10);
        bench.wait(trip_ms);
        bench.acknowledge(10);
    }
    bench.heartbeats(1);
    bench.wait(6_999);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [0; 0]);
    bench.wait(1);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [1, 2, 3]);
}

#[test]
fn each_record_waits_for_its_own_two_heartbeats() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    for sequence in [1, 2, 3] {
        bench.record(sequence);
        bench.write(bench.session.poll_transmit().len());
        bench.acknowledge(bench.unacknowledged);
        bench.wait(60_000);
        bench.heartbeats(1);
    }
    assert_eq!(bench.delivered(), [1, 2]);
    bench.wait(60_000);
    bench.heartbeats(1);
    assert_eq!(bench.delivered(), [3]);
}

#[test]
fn the_silence_of_the_server_is_told_once_and_ends_a_link_that_waits_for_heartbeats() {
    for (confirm, wanted) in
        [(Confirm::Tcp, Event::Silent(180_000)), (Confirm::Heartbeat, Event::Mute(180_000))]
    {
        let mut bench = Bench::new(confirm);
        bench.wait(179_999);
        assert_eq!(bench.events(), []);
        bench.wait(1);
        assert_eq!(bench.events(), [wanted]);
        bench.wait(500_000);
        assert_eq!(bench.events(), []);
        bench.heartbeats(1);
        bench.wait(180_000);
        assert_eq!(bench.events(), [Event::Heartbeat, wanted]);
    }
}

#[test]
fn what_is_nothing_to_a_gate_is_told_and_survived() {
    let mut bench = Bench::new(Confirm::Tcp);
    bench.session.handle_bytes(b"EC\x00\x03\x03\xe9!junkEC\xff\xffEC\x00\x02\x00\x65", bench.now);
    let wanted = [Event::Ignored(1001), Event::Heartbeat, Event::OutOfStep(8)];
    assert_eq!(bench.events(), wanted);
}

#[test]
fn noise_that_looks_like_a_frame_hides_heartbeats_for_ten_seconds_only() {
    let mut bench = Bench::new(Confirm::Tcp);
    bench.session.handle_bytes(b"EC\x00\xf0", bench.now);
    bench.heartbeats(1);
    bench.wait(9_999);
    assert_eq!(bench.events(), []);
    bench.wait(1);
    assert_eq!(bench.events(), [Event::Heartbeat, Event::OutOfStep(4)]);
    // Nothing is left of it: the heartbeat of the gate is next.
    bench.heartbeats(1);
    assert_eq!(bench.session.deadline(), Some(Mono(1_060_000)));
}

#[test]
fn there_is_room_until_enough_waits_or_too_much_is_under_way() {
    let mut bench = Bench::new(Confirm::Heartbeat);
    bench.session.send(&vec![0; SEND_ROOM_BYTES - 1].into(), None);
    assert!(bench.session.has_room());
    bench.session.send(&Bytes::from_static(b"!"), None);
    assert!(!bench.session.has_room());
    bench.write(SEND_ROOM_BYTES);
    for sequence in 0..u64::try_from(IN_FLIGHT_LIMIT).unwrap() {
        assert!(bench.session.has_room());
        bench.record(sequence);
        bench.write(10);
    }
    assert!(!bench.session.has_room());
    bench.acknowledge(bench.unacknowledged);
    assert!(!bench.session.has_room(), "acknowledged is not delivered");
    bench.heartbeats(1);
    bench.wait(60_000);
    bench.heartbeats(1);
    assert!(bench.session.has_room());
}
