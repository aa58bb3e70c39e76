//! The whole program: replay of a backlog over a slow link, memory, size.
//!
//! `cargo bench --bench site`, or one part: `cargo bench --bench site -- replay`. Times are given
//! in round trips of the line; machines differ, the line does not.

#![allow(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod lab;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use lab::{
    controller::{Lab, PASSWORD, REGISTRATION_CODE, pause, pile_code, pile_serial, stripped_bytes},
    line::SlowLine,
    mosquitto::Mosquitto,
};
use prost::Message;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use sitepilot::{
    broker::{DoorsConfig, Pace},
    domain::{
        id::{
            ConnectorNo, KeyTime, OrderKey, OrderSeq, PileCode, Place, PlugNo, RecordNo, Sequence,
            UplinkName,
        },
        order::{Delivery, Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
        reply::{ToUplink, UplinkMessage, Urgency},
        time::{ClockQuality, Mono, Now, Stamp, Wall},
        wire::{Original, Revision},
    },
    ledger::{Ledger, Options},
    peers::{
        backend::{Account, Backend, BackendConfig},
        handle::{Clock, Handle},
        hosted::Hosted,
        mqtt::{self, Broker},
        pile::{Pile, PileConfig},
    },
    protocol::charger::{
        station::{self, ELEC_DATA_UNIT, Settings},
        wire::v1_10 as wire,
    },
    site::entry::Entry,
};

const ORDERS: u64 = 10_000;
const ROUND_TRIP: Duration = Duration::from_millis(100);
const PILES: usize = 100;
const BEGIN_S: i64 = 1_767_225_600;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runs("replay") {
        runtime.block_on(replay(Far::Wide, MANY));
        runtime.block_on(replay(Far::Wide, AS_IT_COMES));
        runtime.block_on(replay(Far::Usual, MANY));
        runtime.block_on(replay_by_mosquitto());
        runtime.block_on(bridge());
    }
    if runs("memory") {
        runtime.block_on(memory());
    }
    if runs("size") {
        let scratch = tempfile::tempdir().expect("a directory");
        let bytes = stripped_bytes(scratch.path());
        println!("size: stripped release binary {:.2} MB", bytes as f64 / 1e6);
    }
}

fn clock() -> Clock {
    let begin = Instant::now();
    Arc::new(move || {
        let mono_ms = u64::try_from(begin.elapsed().as_millis()).expect("a short run");
        let unix_ms = i64::try_from(
            std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis(),
        )
        .expect("before the year 292 million");
        Now { mono: Mono(mono_ms), wall: Wall { unix_ms, quality: ClockQuality::Synced } }
    })
}

/// An order as a pile reports it whole.
fn order(number: u64) -> Order {
    let pile = PileCode::new(&pile_code(1)).expect("a code");
    let started = BEGIN_S + i64::try_from(number).expect("small") * 60;
    let record = RecordNo::new(&number.to_string()).expect("a record number");
    let key = OrderKey { pile, record, started: KeyTime(started) };
    let meter = 100_000 + number * 2_000;
    let bills = (0..4).map(|band| wire::CostBill {
        timestart: band * 360,
        timeend: band * 360 + 360,
        tag: "flat".to_owned(),
        electric: 50,
        electriccost: 35,
        servicecost: 50,
        occupycost: 0,
    });
    let body = wire::TransactionReq {
        record_id: number.to_string(),
        connector_id: "1".to_owned(),
        meter_start: meter as f64 / 10.0,
        meter_stop: (meter + 2_000) as f64 / 10.0,
        time_start: started,
        time_stop: started + 50,
        cost: Some(wire::Cost { bills: bills.collect(), totalcost: 340, ..Default::default() }),
        elec_data: Bytes::from_static(&[20, 20, 20, 20]),
        ..Default::default()
    };
    let wall = Wall { unix_ms: (started + 50) * 1000, quality: ClockQuality::Synced };
    let stamp = Stamp { wall, ..Stamp::default() };
    let ending = Ending {
        ended_s: Some(started + 50),
        meter_start: Some(Energy::from_wh(meter)),
        meter_stop: Some(Energy::from_wh(meter + 2_000)),
        energy: Energy::from_wh(2_000),
        cost: Some(Money::from_fen(340)),
        reason: 0,
        recorded: stamp,
        original: Some(Original {
            revision: Revision::V1_10,
            code: 49,
            body: body.encode_to_vec().into(),
        }),
    };
    Order {
        seq: OrderSeq(number),
        id: key.id(),
        key,
        connector: ConnectorNo::new(1),
        plug: Some(PlugNo(1)),
        state: OrderState::Recorded,
        flags: Flags { offline: true, ..Flags::default() },
        card: None,
        transaction: None,
        opened: stamp,
        started_s: Some(started),
        meter_start: Some(Energy::from_wh(meter)),
        progress: None,
        ending: Some(ending),
        start: None,
        metering: None,
        deliveries: vec![Delivery::queued(
            UplinkName::new("cloud").expect("a name"),
            Place(number),
        )],
    }
}

/// The bytes the site sends of an order.
fn delivery(number: u64) -> Bytes {
    let pile = PileCode::new(&pile_code(1)).expect("a code");
    let settings = Settings {
        revision: Revision::V1_10,
        part_number: String::new(),
        serial: String::new(),
        vendor: String::new(),
        elec_data_unit: ELEC_DATA_UNIT,
        connectors: [(1, 1), (2, 2)]
            .map(|(site, own)| (ConnectorNo::new(site).expect("a number"), (pile, own)))
            .into(),
    };
    let payload = station::freeze_transaction(&order(number), &settings);
    let message = UplinkMessage::Transaction { pile, payload };
    let message = ToUplink { sequence: Sequence(number), message, urgency: Urgency::Backlog };
    station::encode(&message, &settings, Some(BEGIN_S))
        .expect("a good order")
        .expect("1.10 says it")
        .1
}

fn fill(lab: &Lab) {
    let (mut ledger, _) = Ledger::open(&lab.data(), Options::default()).expect("the ledger opens");
    let orders: Vec<Entry> =
        (1..=ORDERS).map(|number| Entry::OrderRecorded(Box::new(order(number)))).collect();
    for batch in orders.chunks(500) {
        ledger.record(batch).expect("the ledger records");
    }
}

/// `max_inflight` of an uplink whose broker bears it.
const MANY: u16 = 1000;

/// `max_inflight` of an uplink nobody has said more of.
const AS_IT_COMES: u16 = 20;

/// How many answers the far broker has under way to the site at once.
#[derive(Clone, Copy)]
enum Far {
    /// More than are ever asked for: the controller is measured, not the far side.
    Wide,
    /// 32 at QoS 2, the default of our doors and of many a broker.
    Usual,
}

impl Far {
    fn doors(self) -> DoorsConfig {
        let mut doors = DoorsConfig::new(([127, 0, 0, 1], 0).into());
        doors.pace = Pace::UNLIMITED;
        if let Self::Wide = self {
            doors.max_inflight = 10_000;
            doors.max_outbox_messages = 20_000;
            doors.max_outbox_bytes = 64 << 20;
        }
        doors
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Wide => "far side without a limit",
            Self::Usual => "far side with 32 answers in flight",
        }
    }
}

fn cloud() -> Handle<Backend> {
    let mut config = BackendConfig::new(1);
    config.registration_code = REGISTRATION_CODE.to_owned();
    Handle::new(Backend::new(config), clock())
}

async fn backend(far: Far) -> (Handle<Backend>, Hosted) {
    let backend = cloud();
    let account = Account { device: "default".to_owned(), password: PASSWORD.to_owned() };
    let hosted =
        Hosted::bind_with(far.doors(), backend.clone(), account).expect("the backend binds");
    (backend, hosted)
}

async fn replay(far: Far, max_inflight: u16) {
    let (backend, hosted) = backend(far).await;
    let target = hosted.address();
    let run = async {
        let _ = hosted.run().await;
    };
    let name = format!("{}, max_inflight {max_inflight}", far.name());
    replay_to(&name, max_inflight, &backend, target, run).await;
}

/// The backend at a broker that is not ours, as most are.
async fn replay_by_mosquitto() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some(broker) = Mosquitto::start(scratch.path(), None) else {
        println!("replay, far side mosquitto: SKIPPED, mosquitto is not installed");
        return;
    };
    pause(500).await;
    let backend = cloud();
    let target = ([127, 0, 0, 1], broker.port).into();
    let run = mqtt::run(backend.clone(), Broker::plain("127.0.0.1", broker.port));
    replay_to("far side mosquitto without a limit", MANY, &backend, target, run).await;
}

/// Ten thousand orders over a line with 100 ms round trip, while `far_side` runs.
async fn replay_to(
    name: &str,
    max_inflight: u16,
    backend: &Handle<Backend>,
    target: SocketAddr,
    far_side: impl Future<Output = ()>,
) {
    let (line, forward) = SlowLine::open(target, ROUND_TRIP / 2).await;
    let lab = Lab::new(1, &format!("mqtt://{}", line.address), max_inflight);
    fill(&lab);
    let mut running = lab.start();
    let measure = async {
        loop {
            running.assert_running();
            let settled = backend.with(|backend, _| backend.books().settled());
            if u64::try_from(settled).expect("few") == ORDERS {
                break;
            }
            pause(20).await;
        }
        round_trips(&line)
    };
    let trips = tokio::select! {
        trips = measure => trips,
        () = far_side => panic!("the backend ended"),
        () = forward => panic!("the line ended"),
    };
    let (altered, copies) = backend.with(|backend, _| {
        let books = backend.books();
        (books.altered().len(), books.orders().map(|order| order.copies.len()).sum::<usize>())
    });
    assert_eq!(altered, 0, "every copy of an order is the same");
    println!(
        "replay, {name}: {ORDERS} orders confirmed in {trips:.1} round trips, {copies} copies sent; one order per round trip would take {ORDERS}",
    );
}

/// Round trips of the line since it was first used: everything from the TCP connection on.
fn round_trips(line: &SlowLine) -> f64 {
    let since = line.used_since.borrow().expect("the line was used");
    since.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64()
}

fn client(port: u16, id: &str) -> (AsyncClient, rumqttc::EventLoop) {
    let mut options = MqttOptions::new(id, "127.0.0.1", port);
    options.set_inflight(1_000).set_max_packet_size(1 << 20, 1 << 20);
    AsyncClient::new(options, 20_000)
}

/// The same payloads through mosquitto's bridge over the same line.
async fn bridge() {
    let scratch = tempfile::tempdir().expect("a directory");
    let Some(far) = Mosquitto::start(scratch.path(), None) else {
        println!("bridge: SKIPPED, mosquitto is not installed");
        return;
    };
    pause(500).await;
    let target = ([127, 0, 0, 1], far.port).into();
    let (line, forward) = SlowLine::open(target, ROUND_TRIP / 2).await;
    line.is_up.send_replace(false);
    let near = Mosquitto::start(scratch.path(), Some(line.address.port())).expect("installed");
    pause(500).await;
    let measure = async {
        publish(near.port).await;
        let (client, mut events) = client(far.port, "sink");
        client.subscribe("orders", QoS::ExactlyOnce).await.expect("queued");
        let mut seen = 0;
        while seen < ORDERS {
            match events.poll().await.expect("the far broker lives") {
                Event::Incoming(Packet::SubAck(_)) => {
                    line.is_up.send_replace(true);
                }
                Event::Incoming(Packet::Publish(_)) => {
                    seen += 1;
                }
                _ => {}
            }
        }
        round_trips(&line)
    };
    let trips = tokio::select! {
        trips = measure => trips,
        () = forward => panic!("the line ended"),
    };
    println!(
        "bridge: the same {ORDERS} payloads through mosquitto's bridge in {trips:.1} round trips, arrived at the far broker; no answer is waited for"
    );
}

async fn publish(port: u16) {
    let (client, mut events) = client(port, "source");
    for number in 1..=ORDERS {
        let payload = delivery(number);
        client.publish_bytes("orders", QoS::ExactlyOnce, false, payload).await.expect("queued");
    }
    let mut done = 0;
    while done < ORDERS {
        if let Event::Incoming(Packet::PubComp(_)) = events.poll().await.expect("the broker lives")
        {
            done += 1;
        }
    }
}

/// Resident memory with idle piles.
async fn memory() {
    let (_backend, hosted) = backend(Far::Usual).await;
    let lab = Lab::new(PILES, &format!("mqtt://{}", hosted.address()), AS_IT_COMES);
    let mut running = lab.start();
    pause(2_000).await;
    running.assert_running();
    let bare = running.resident_kib();
    let mut piles = tokio::task::JoinSet::new();
    let mut handles = Vec::new();
    for number in 1..=PILES {
        let seed = u64::try_from(number).expect("few");
        let config = PileConfig::new(&pile_code(number), &pile_serial(number), PASSWORD, seed);
        let handle = Handle::new(Pile::new(config), clock());
        handles.push(handle.clone());
        piles.spawn(mqtt::run(handle, Broker::plain("127.0.0.1", lab.piles_port)));
    }
    let measure = async {
        while !handles.iter().all(|handle| handle.with(|pile, _| pile.is_ready())) {
            pause(100).await;
        }
        pause(10_000).await;
        running.resident_kib()
    };
    let full = tokio::select! {
        full = measure => full,
        _ = hosted.run() => panic!("the backend ended"),
    };
    println!(
        "memory: {:.1} MB resident with {PILES} idle piles, {:.1} MB without",
        full as f64 * 1024.0 / 1e6,
        bare as f64 * 1024.0 / 1e6,
    );
}
