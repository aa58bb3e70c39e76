//! The whole program: replay of a backlog over a slow link, memory, size.
//!
//! `cargo bench --bench site`, or one part: `cargo bench --bench site -- replay`. Times are given
//! in round trips of the line; machines differ, the line does not.

#![allow(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "a bench measures real time")]

mod lab;

use std::{
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
    domain::{
        id::{
            ConnectorNo, KeyTime, OrderKey, OrderSeq, PileCode, Place, PlugNo, RecordNo, UplinkName,
        },
        order::{Delivery, Ending, Flags, Order, OrderState},
        quantity::{Energy, Money},
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
    protocol::charger::wire::v1_10 as wire,
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
        runtime.block_on(replay());
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
        deliveries: vec![Delivery::queued(
            UplinkName::new("cloud").expect("a name"),
            Place(number),
        )],
    }
}

fn fill(lab: &Lab) {
    let (mut ledger, _) = Ledger::open(&lab.data(), Options::default()).expect("the ledger opens");
    let orders: Vec<Entry> =
        (1..=ORDERS).map(|number| Entry::OrderRecorded(Box::new(order(number)))).collect();
    for batch in orders.chunks(500) {
        ledger.record(batch).expect("the ledger records");
    }
}

async fn backend() -> (Handle<Backend>, Hosted) {
    let mut config = BackendConfig::new(1);
    config.registration_code = REGISTRATION_CODE.to_owned();
    let backend = Handle::new(Backend::new(config), clock());
    let account = Account { device: "default".to_owned(), password: PASSWORD.to_owned() };
    let listen = "127.0.0.1:0".parse().expect("an address");
    let hosted = Hosted::bind(listen, backend.clone(), account).await.expect("the backend binds");
    (backend, hosted)
}

/// Ten thousand orders over a line with 100 ms round trip.
async fn replay() {
    let (backend, hosted) = backend().await;
    let (line, forward) = SlowLine::open(hosted.address(), ROUND_TRIP / 2).await;
    let lab = Lab::new(1, &format!("mqtt://{}", line.address));
    fill(&lab);
    let mut running = lab.start();
    let measure = async {
        let booted = |backend: &mut Backend, _: Now| backend.books().orders().next().is_some();
        while !backend.with(booted) {
            running.assert_running();
            pause(5).await;
        }
        let begin = Instant::now();
        loop {
            let settled = backend.with(|backend, _| backend.books().settled());
            if u64::try_from(settled).expect("few") == ORDERS {
                break;
            }
            pause(20).await;
        }
        begin.elapsed()
    };
    let elapsed = tokio::select! {
        elapsed = measure => elapsed,
        _ = hosted.run() => panic!("the backend ended"),
        () = forward => panic!("the line ended"),
    };
    let altered = backend.with(|backend, _| backend.books().altered().len());
    assert_eq!(altered, 0, "every copy of an order is the same");
    // From the first order's arrival: half a round trip less than the controller saw.
    println!(
        "replay: {ORDERS} orders confirmed in {:.1} round trips of {} ms; one order per round trip would take {ORDERS}",
        elapsed.as_secs_f64() / ROUND_TRIP.as_secs_f64(),
        ROUND_TRIP.as_millis(),
    );
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
        let mut begin = None;
        let mut seen = 0;
        while seen < ORDERS {
            match events.poll().await.expect("the far broker lives") {
                Event::Incoming(Packet::SubAck(_)) => {
                    line.is_up.send_replace(true);
                }
                Event::Incoming(Packet::Publish(_)) => {
                    begin.get_or_insert_with(Instant::now);
                    seen += 1;
                }
                _ => {}
            }
        }
        begin.expect("orders came").elapsed()
    };
    let elapsed = tokio::select! {
        elapsed = measure => elapsed,
        () = forward => panic!("the line ended"),
    };
    println!(
        "bridge: {ORDERS} payloads of the same size through mosquitto's bridge in {:.1} round trips, transport acknowledgement only",
        elapsed.as_secs_f64() / ROUND_TRIP.as_secs_f64(),
    );
}

async fn publish(port: u16) {
    let (client, mut events) = client(port, "source");
    let payload = order(1).ending.and_then(|ending| ending.original).expect("made so").body;
    for _ in 0..ORDERS {
        client.publish("orders", QoS::ExactlyOnce, false, payload.to_vec()).await.expect("queued");
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
    let (_backend, hosted) = backend().await;
    let lab = Lab::new(PILES, &format!("mqtt://{}", hosted.address()));
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
