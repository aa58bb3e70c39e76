//! An uplink over EC TCP against a listener.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    io::Write as _,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use rustix::net::sockopt;
use sitepilot::{
    clock::Clock,
    domain::{
        connector::{ConnectorImage, ConnectorState, PileKind},
        event::{UplinkAnswer, UplinkEvent},
        gauge::Gauges,
        id::{ConnectorNo, PileCode, PlugNo, Sequence, UplinkName},
        reply::{ToUplink, UplinkMessage, Urgency},
    },
    protocol::ec::{
        Confirm, Settings,
        frame::{Cutter, Frame, LENGTH_LIMIT},
        message::{HEARTBEAT, HEARTBEAT_FRAME, Message, REAL_TIME, RECORD},
    },
    site::Input,
    uplink::{Counters, EcLink, EcSettings, Outbox, Ties},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Generous: only a test that hangs gets there.
const PATIENCE: Duration = Duration::from_secs(30);

const PILE: &str = "3101150012000001";

struct World {
    listener: TcpListener,
    site: flume::Receiver<Input>,
    outbox: Outbox,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl World {
    async fn new(confirm: Confirm, heartbeat_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::at(listener, confirm, heartbeat_ms)
    }

    fn at(listener: TcpListener, confirm: Confirm, heartbeat_ms: u64) -> Self {
        let (inbox, site) = flume::bounded(4096);
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(counters.clone());
        let clock = Clock::passing();
        let now = move || clock.now();
        let settings = EcSettings {
            name: UplinkName::new("parking").unwrap(),
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            wire: Settings {
                organisation: 1000,
                heartbeat_ms,
                realtime_ms: 60_000,
                confirm,
                resend_ms: 600_000,
                amount_includes_service: true,
            },
            now: Arc::new(now),
        };
        let ties =
            Ties { outbox: outbox.clone(), counters: counters.clone(), inbox, stop: stopped };
        let link = EcLink::new(settings, ties);
        #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
        let task = tokio::spawn(link.run());
        Self { listener, site, outbox, counters, stop, task }
    }

    /// The server's end of a connection that has come up.
    async fn accept(&self) -> Server {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.unwrap().unwrap();
        assert_eq!(self.site_hears().await, UplinkEvent::Connected);
        Server { stream, cutter: Cutter::new(LENGTH_LIMIT) }
    }

    async fn site_hears(&self) -> UplinkEvent {
        match timeout(PATIENCE, self.site.recv_async()).await.unwrap().unwrap() {
            Input::Uplink { event, .. } => event,
            other => panic!("{other:?}"),
        }
    }

    async fn site_hears_of(&self, sequence: u64) {
        let answer = UplinkAnswer::Delivered;
        let wanted = UplinkEvent::Answered { sequence: Sequence(sequence), answer, at_s: 0 };
        assert_eq!(self.site_hears().await, wanted);
    }

    async fn site_hears_why(&self) -> String {
        loop {
            match self.site_hears().await {
                UplinkEvent::Disconnected { reason } => return reason,
                UplinkEvent::Answered { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn push(&self, sequence: u64, message: UplinkMessage, urgency: Urgency) {
        self.outbox.push(ToUplink { sequence: Sequence(sequence), message, urgency }).unwrap();
    }

    fn record(&self, sequence: u64) {
        self.push(sequence, transaction(sequence), Urgency::Backlog);
    }

    /// Looks until a counter says so.
    async fn until(&self, is_so: impl Fn(&Counters) -> bool) {
        let look = async {
            while !is_so(&self.counters) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, look).await.unwrap();
    }
}

struct Server {
    stream: TcpStream,
    cutter: Cutter,
}

impl Server {
    async fn hears(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.cutter.cut() {
                return frame;
            }
            let mut bytes = [0; 4096];
            let read = timeout(PATIENCE, self.stream.read(&mut bytes)).await.unwrap().unwrap();
            assert!(read > 0, "the gate has closed");
            self.cutter.push(&bytes[..read]);
        }
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

/// A frozen record; here its number is all there is in it.
fn transaction(sequence: u64) -> UplinkMessage {
    let body = Bytes::copy_from_slice(&sequence.to_be_bytes().repeat(10));
    let payload = Frame { command: RECORD, body }.encode().unwrap();
    UplinkMessage::Transaction { pile: PileCode::new(PILE).unwrap(), payload }
}

fn image() -> ConnectorImage {
    ConnectorImage {
        pile: PileCode::new(PILE).unwrap(),
        kind: PileKind::Dc,
        plug: PlugNo(2),
        connector: ConnectorNo::new(12).unwrap(),
        is_reachable: true,
        state: Some(ConnectorState::Idle),
        warnings: BTreeSet::new(),
        gauges: Gauges { temperature_dc: Some(-1), ..Gauges::default() },
        meter: None,
        order: None,
    }
}

#[tokio::test]
async fn records_and_values_come_as_they_were_given_and_records_are_confirmed() {
    let world = World::new(Confirm::Tcp, 60_000).await;
    let mut server = world.accept().await;
    world.push(1, UplinkMessage::Heartbeat, Urgency::Live);
    world.push(2, UplinkMessage::Image(Box::new(image())), Urgency::Live);
    world.record(7);
    let values = server.hears().await;
    assert_eq!(values.command, REAL_TIME);
    let Some(Message::RealTime(values)) = Message::decode(&values).unwrap() else { panic!() };
    assert_eq!((values.organisation, values.pile.as_str(), values.gun), (1000, PILE, 2));
    let record = server.hears().await;
    assert_eq!((record.command, &record.body[..8]), (RECORD, &7_u64.to_be_bytes()[..]));
    world.site_hears_of(7).await;
    let counts = world.counters.counts();
    assert_eq!((counts.sent, counts.left_out), (2, 1), "a temperature below nought has no room");
}

#[tokio::test]
async fn a_server_that_floods_takes_no_time_from_what_shares_the_thread() {
    let world = World::new(Confirm::Heartbeat, 60_000).await;
    let mut stream = world.accept().await.stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let (stop, stopped) = mpsc::channel();
    let flood = thread::spawn(move || {
        let heartbeats = HEARTBEAT_FRAME.repeat(10_000);
        let clock = Clock::passing();
        let began = clock.now().mono;
        let is_in_time = || u128::from(clock.now().mono.since_ms(began)) < PATIENCE.as_millis();
        while stopped.try_recv().is_err() && is_in_time() {
            // Where the gate takes its time, the server waits.
            let _ = stream.write(&heartbeats);
        }
        is_in_time()
    });
    world.until(|counters| counters.counts().received > 1000).await;
    sleep(Duration::from_millis(1)).await;
    stop.send(()).unwrap();
    assert!(flood.join().unwrap(), "nobody else came by before the flood was over");
}

#[tokio::test]
async fn a_record_that_waits_for_heartbeats_is_confirmed_by_the_second() {
    let world = World::new(Confirm::Heartbeat, 60_000).await;
    let mut server = world.accept().await;
    world.record(7);
    server.hears().await;
    // What the kernel has got is known some looks later.
    sleep(Duration::from_millis(300)).await;
    server.says(&HEARTBEAT_FRAME.repeat(2)).await;
    world.until(|counters| counters.counts().received == 2).await;
    assert!(world.site.is_empty(), "two that come at once are as one");
    sleep(Duration::from_millis(1_100)).await;
    server.says(&HEARTBEAT_FRAME).await;
    world.site_hears_of(7).await;
}

#[tokio::test]
async fn a_quiet_gate_sends_heartbeats_and_survives_what_is_none() {
    let world = World::new(Confirm::Tcp, 300).await;
    let mut server = world.accept().await;
    server.says(b"noise EC\xff\xff EC\x00\x02\x00\x07").await;
    for _ in 0..3 {
        assert_eq!(server.hears().await.command, HEARTBEAT);
    }
    world.until(|counters| counters.counts().undecodable >= 2).await;
    world.record(1);
    world.site_hears_of(1).await;
    assert_eq!(world.counters.counts().connected, 1);
}

#[tokio::test]
async fn however_the_server_ends_a_connection_the_site_hears_why_and_the_gate_comes_back() {
    let world = World::new(Confirm::Tcp, 60_000).await;
    let server = world.accept().await;
    drop(server);
    assert_eq!(world.site_hears_why().await, "closed by the server");
    let mut half = world.accept().await;
    half.stream.shutdown().await.unwrap();
    assert_eq!(world.site_hears_why().await, "closed by the server");
    let reset = world.accept().await;
    sockopt::set_socket_linger(&reset.stream, Some(Duration::ZERO)).unwrap();
    drop(reset);
    assert!(world.site_hears_why().await.contains("reset"));
    world.accept().await;
}

#[tokio::test]
async fn why_a_link_does_not_come_up_is_told_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::at(listener, Confirm::Tcp, 60_000);
    drop(world.accept().await);
    assert_eq!(world.site_hears_why().await, "closed by the server");
    let World { listener, site, stop: _stop, .. } = world;
    drop(listener);
    let hears = async || timeout(PATIENCE, site.recv_async()).await.unwrap().unwrap();
    let Input::Uplink { event: UplinkEvent::Disconnected { reason }, .. } = hears().await else {
        panic!("nothing listens there any more")
    };
    assert!(reason.starts_with("cannot connect"), "{reason}");
    // It fails the same way again and again, and comes up: that is the next that is heard.
    sleep(Duration::from_secs(4)).await;
    let _listener = TcpListener::bind(address).await.unwrap();
    let Input::Uplink { event, .. } = hears().await else { panic!() };
    assert_eq!(event, UplinkEvent::Connected);
}

/// A listener whose connections take little before they are read.
async fn narrow() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
    listener
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_left_and_only_what_its_kernel_has_is_confirmed() {
    let world = World::at(narrow().await, Confirm::Tcp, 2_000);
    let mut server = world.accept().await;
    (0..1000).for_each(|sequence| world.record(sequence));
    let mut confirmed = 0;
    let reason = loop {
        match world.site_hears().await {
            UplinkEvent::Answered { sequence, .. } => {
                assert_eq!(sequence, Sequence(confirmed));
                confirmed += 1;
            }
            UplinkEvent::Disconnected { reason } => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(reason.contains("timed out"), "{reason}");
    assert!(confirmed > 0 && confirmed < 1000, "{confirmed}");
    // All that was confirmed is there to be read.
    for sequence in 0..confirmed {
        assert_eq!(server.hears().await.body[..8], sequence.to_be_bytes());
    }
}

#[tokio::test]
async fn what_happens_now_overtakes_the_backlog_on_a_slow_line() {
    const BACKLOG: u64 = 1000;
    let world = World::at(narrow().await, Confirm::Tcp, 60_000);
    let mut server = world.accept().await;
    (0..BACKLOG).for_each(|sequence| world.record(sequence));
    sleep(Duration::from_millis(500)).await;
    world.push(BACKLOG, UplinkMessage::Image(Box::new(image())), Urgency::Live);
    let mut before = 0;
    while server.hears().await.command != REAL_TIME {
        before += 1;
    }
    assert!(before < BACKLOG / 2, "{before} of the backlog came first");
}

#[tokio::test]
async fn a_stop_ends_the_connection_and_the_task_and_confirms_nothing() {
    let world = World::new(Confirm::Heartbeat, 60_000).await;
    let mut server = world.accept().await;
    world.record(1);
    server.hears().await;
    world.stop.send(true).unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, server.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    drop(server);
    timeout(PATIENCE, world.task).await.unwrap().unwrap();
    assert!(world.site.is_empty());
    assert!(
        world
            .outbox
            .push(ToUplink {
                sequence: Sequence(2),
                message: transaction(2),
                urgency: Urgency::Backlog,
            })
            .is_err()
    );
}
