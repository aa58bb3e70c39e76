//! An uplink to a queue against a broker that is played packet by packet.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::ErrorKind,
    net::TcpListener,
    sync::Arc,
    thread::{JoinHandle, sleep},
    time::Duration,
};

use bytes::Bytes;
use sitepilot::{
    clock::Clock,
    domain::{
        event::{UplinkAnswer, UplinkEvent, UplinkRequest},
        id::{PileCode, Sequence, UplinkName},
        news::SiteImage,
        reply::{ToUplink, UplinkMessage, Urgency},
        time::Now,
    },
    protocol::dialect::{Dialect, Heard, NotOfWire, Publication, Unfit},
    site::Input,
    uplink::{Broker, Counters, Login, Outbox, QueueLink, QueueSettings, Ties},
};
use tokio::sync::watch;

#[path = "support/mqtt_raw.rs"]
mod mqtt_raw;

use mqtt_raw::{GUARD, Got, Raw, ack, packet, publish, publish_flags};

const PILE: &str = "3101150012000001";
const DOWN: &str = "down/site";

/// A wire as simple as can be.
struct Plain {
    filters: Vec<String>,
}

impl Dialect for Plain {
    fn filters(&self) -> Vec<String> {
        self.filters.clone()
    }

    fn encode(&mut self, message: &ToUplink, _: Now) -> Result<Vec<Publication>, Unfit> {
        let publication = |topic: &str, payload: &[u8]| Publication {
            topic: topic.to_owned(),
            payload: Bytes::copy_from_slice(payload),
            retain: false,
            confirms: None,
        };
        match &message.message {
            UplinkMessage::Transaction { pile, payload } => Ok(vec![Publication {
                confirms: Some(message.sequence),
                ..publication(&format!("up/{pile}"), payload)
            }]),
            UplinkMessage::Snapshot(_) => {
                Ok(vec![Publication { retain: true, ..publication("state", b"all") }])
            }
            UplinkMessage::Boot => Ok(vec![publication("up", b"one"), publication("up", b"two")]),
            _ => Err(Unfit::Range { field: "message", found: "unsayable".to_owned() }),
        }
    }

    fn decode(&mut self, topic: &str, payload: &[u8], _: Now) -> Result<Heard, NotOfWire> {
        assert_eq!(topic, DOWN);
        match payload {
            b"ask" => Ok(Heard::Event(Box::new(asked()))),
            b"nonsense" => Ok(Heard::Answer(Publication {
                topic: "up".to_owned(),
                payload: Bytes::from_static(b"refused"),
                retain: false,
                confirms: None,
            })),
            other => {
                let found = String::from_utf8_lossy(other).into_owned();
                Err(NotOfWire { at: "payload", wanted: "a word", found })
            }
        }
    }
}

fn asked() -> UplinkEvent {
    let request = UplinkRequest::Availability { connector: None };
    UplinkEvent::Requested { sequence: Sequence(1), digest: 1, request }
}

/// The uplink in a thread of its own, and its broker.
struct World {
    listener: TcpListener,
    site: flume::Receiver<Input>,
    outbox: Outbox,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl World {
    fn new(max_inflight: u64) -> Self {
        Self::with(max_inflight, None, &[DOWN])
    }

    fn with(max_inflight: u64, login: Option<Login>, filters: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        let settings = QueueSettings {
            name: UplinkName::new("platform").unwrap(),
            broker: Broker {
                host: "127.0.0.1".to_owned(),
                port: listener.local_addr().unwrap().port(),
                tls: None,
                keep_alive: Duration::from_secs(60),
                max_inflight,
            },
            client_id: "site".to_owned(),
            login,
            login_retry: Duration::from_millis(100),
            dialect: Arc::new(move || Box::new(Plain { filters: filters.clone() })),
            now: Arc::new(Now::default),
        };
        let (inbox, site) = flume::bounded(64);
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(counters.clone());
        let ties =
            Ties { outbox: outbox.clone(), counters: counters.clone(), inbox, stop: stopped };
        let link = QueueLink::new(settings, ties);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(link.run());
        });
        Self { listener, site, outbox, counters, stop, thread: Some(thread) }
    }

    /// The next connection, with its CONNECT.
    fn accept(&self) -> (Raw, Vec<u8>) {
        let looks = GUARD.as_millis() / 10;
        for _ in 0..looks {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(GUARD)).unwrap();
                    let mut raw = Raw::over(stream);
                    let (first, connect) = raw.packet();
                    assert_eq!(first, 0x10, "CONNECT");
                    return (raw, connect);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    sleep(Duration::from_millis(10));
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("nobody connects");
    }

    /// A connection that is logged in and subscribed; the site has heard of it.
    fn welcome(&self) -> Raw {
        let (mut raw, connect) = self.accept();
        // Behind the protocol's name and level: only the flag of a clean session.
        assert_eq!(connect[7], 0x02, "a clean session without will and login");
        raw.send(&packet(0x20, &[0, 0]));
        let (first, subscribe) = raw.packet();
        assert_eq!((first, subscribe.last()), (0x82, Some(&1)), "SUBSCRIBE with QoS 1");
        raw.send(&packet(0x90, &[subscribe[0], subscribe[1], 1]));
        assert_eq!(self.hears(), UplinkEvent::Connected);
        raw
    }

    fn hears(&self) -> UplinkEvent {
        match self.site.recv_timeout(GUARD).unwrap() {
            Input::Uplink { event, .. } => event,
            other => panic!("{other:?}"),
        }
    }

    fn push(&self, sequence: u64, payload: &'static str, urgency: Urgency) {
        let message = UplinkMessage::Transaction {
            pile: PileCode::new(PILE).unwrap(),
            payload: Bytes::from_static(payload.as_bytes()),
        };
        self.push_any(sequence, message, urgency);
    }

    fn push_any(&self, sequence: u64, message: UplinkMessage, urgency: Urgency) {
        self.outbox.push(ToUplink { sequence: Sequence(sequence), message, urgency }).unwrap();
    }

    /// Everything that went before has been dealt with when the site hears of this.
    fn fence(&self, raw: &mut Raw) {
        raw.send(&publish(DOWN, b"ask", 1, 77));
        assert_eq!(self.hears(), asked());
        assert_eq!(raw.packet(), (0x40, vec![0, 77]), "acknowledged");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

fn delivered(sequence: u64) -> UplinkEvent {
    let answer = UplinkAnswer::Delivered;
    UplinkEvent::Answered { sequence: Sequence(sequence), answer, at_s: 0 }
}

fn words(got: &Got) -> (&str, &str, u8, bool) {
    (&got.topic, std::str::from_utf8(&got.payload).unwrap(), got.qos, got.retain)
}

#[test]
fn an_order_is_delivered_when_the_broker_acknowledges_it_and_not_before() {
    let world = World::new(20);
    let mut raw = world.welcome();
    for (sequence, payload) in [(11, "a"), (12, "b"), (13, "c")] {
        world.push(sequence, payload, Urgency::Backlog);
    }
    let got: Vec<Got> = (0..3).map(|_| raw.publish()).collect();
    let topic = format!("up/{PILE}");
    let wanted = ["a", "b", "c"].map(|payload| (topic.as_str(), payload, 1, false));
    assert_eq!(got.iter().map(words).collect::<Vec<_>>(), wanted);
    world.fence(&mut raw);
    raw.send(&ack(0x40, got[2].id));
    raw.send(&ack(0x40, got[0].id));
    assert_eq!(world.hears(), delivered(13));
    assert_eq!(world.hears(), delivered(11));
    world.fence(&mut raw);
}

#[test]
fn what_was_not_acknowledged_is_not_delivered_and_goes_again_with_the_same_bytes() {
    let world = World::new(20);
    let mut raw = world.welcome();
    world.push(1, "order", Urgency::Backlog);
    let first = raw.publish();
    drop(raw);
    assert!(matches!(world.hears(), UplinkEvent::Disconnected { .. }), "and nothing delivered");
    let late =
        ToUplink { sequence: Sequence(2), message: UplinkMessage::Boot, urgency: Urgency::Backlog };
    assert!(world.outbox.push(late).is_err(), "nothing is taken while the link is down");

    // A new session: nothing of the old one comes by itself, and an old id confirms nothing.
    let mut raw = world.welcome();
    world.push(9, "order", Urgency::Backlog);
    let again = raw.publish();
    assert_eq!((words(&again), again.dup), (words(&first), false));
    raw.send(&ack(0x40, again.id));
    assert_eq!(world.hears(), delivered(9));
}

#[test]
fn each_acknowledgement_makes_room_and_what_is_urgent_takes_it() {
    let world = World::new(2);
    let mut raw = world.welcome();
    for (sequence, payload) in [(1, "a"), (2, "b"), (3, "c")] {
        world.push(sequence, payload, Urgency::Backlog);
    }
    let first = raw.publish();
    let _second = raw.publish();
    world.push(4, "live", Urgency::Live);
    world.fence(&mut raw);
    assert_eq!(world.counters.counts().sent, 2, "no place is free");
    raw.send(&ack(0x40, first.id));
    assert_eq!(world.hears(), delivered(1));
    assert_eq!(words(&raw.publish()).1, "live");
    assert!(!world.outbox.is_drained());
}

#[test]
fn a_message_may_be_several_publications_each_with_a_place() {
    let world = World::new(1);
    let mut raw = world.welcome();
    world.push_any(1, UplinkMessage::Boot, Urgency::Live);
    let one = raw.publish();
    assert_eq!(words(&one).1, "one");
    world.fence(&mut raw);
    assert_eq!(world.counters.counts().sent, 1);
    raw.send(&ack(0x40, one.id));
    assert_eq!(words(&raw.publish()).1, "two");
}

#[test]
fn what_shall_be_kept_is_published_so_and_what_was_kept_is_not_carried_out() {
    let world = World::new(20);
    let mut raw = world.welcome();
    let image = Box::new(SiteImage::default());
    world.push_any(1, UplinkMessage::Snapshot(image), Urgency::Live);
    assert_eq!(words(&raw.publish()), ("state", "all", 1, true));
    raw.send(&publish_flags(DOWN, b"ask", 1 | 2, 5));
    assert_eq!(raw.packet(), (0x40, vec![0, 5]));
    world.fence(&mut raw);
    assert_eq!(world.counters.counts().undecodable, 1);
}

#[test]
fn what_cannot_be_said_or_read_disturbs_nothing() {
    let world = World::new(20);
    let mut raw = world.welcome();
    world.push_any(1, UplinkMessage::Heartbeat, Urgency::Live);
    world.push(2, "order", Urgency::Live);
    assert_eq!(words(&raw.publish()).1, "order");
    raw.send(&publish(DOWN, b"gibberish", 0, 0));
    raw.send(&publish(DOWN, b"nonsense", 0, 0));
    assert_eq!(words(&raw.publish()), ("up", "refused", 1, false));
    world.fence(&mut raw);
    let counts = world.counters.counts();
    assert_eq!((counts.unsendable, counts.undecodable, counts.received), (1, 1, 3));
}

#[test]
fn requests_in_a_flood_come_one_after_the_other_and_orders_go_on() {
    let world = World::new(20);
    let mut raw = world.welcome();
    let clock = Clock::passing();
    let began = clock.now().mono;
    raw.send(&publish(DOWN, b"ask", 0, 0).repeat(1000));
    for _ in 0..26 {
        assert_eq!(world.hears(), asked());
    }
    let took_ms = clock.now().mono.since_ms(began);
    assert!(took_ms >= 500, "a fiftieth of a second apart, {took_ms} ms");
    world.push(2, "order", Urgency::Live);
    assert_eq!(words(&raw.publish()).1, "order");
}

#[test]
fn a_broker_that_says_too_much_before_it_answers_the_subscription_is_left() {
    let world = World::new(20);
    let (mut raw, _) = world.accept();
    raw.send(&packet(0x20, &[0, 0]));
    let (_, subscribe) = raw.packet();
    raw.send(&publish(DOWN, &vec![b'x'; 900_000], 0, 0).repeat(3));
    raw.send(&packet(0x90, &[subscribe[0], subscribe[1], 1]));
    let UplinkEvent::Disconnected { reason } = world.hears() else { panic!() };
    assert_eq!(reason, "more than 2097152 bytes came before the subscription was answered");
    let _again = world.welcome();
    assert_eq!(world.counters.counts().connected, 1);
}

#[test]
fn a_refused_login_is_told_and_tried_again() {
    let login = Login { username: "user".to_owned(), password: "word".to_owned() };
    let world = World::with(20, Some(login), &[]);
    let (mut raw, connect) = world.accept();
    assert_eq!(connect[7], 0xc2, "user name and password");
    assert!(String::from_utf8_lossy(&connect).ends_with("user\0\u{4}word"), "{connect:?}");
    raw.send(&packet(0x20, &[0, 5]));
    let UplinkEvent::LoginRefused { reason } = world.hears() else { panic!() };
    assert_eq!(reason, "not authorised");
    let (mut raw, _) = world.accept();
    raw.send(&packet(0x20, &[0, 0]));
    assert_eq!(world.hears(), UplinkEvent::Connected);
    assert_eq!(world.counters.counts().login_refused, 1);

    // Nothing comes down on this wire: there is no subscription. Asked to stop, it takes its leave.
    world.stop.send(true).unwrap();
    assert_eq!(raw.packet(), (0xe0, vec![]), "DISCONNECT");
}
