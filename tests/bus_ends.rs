//! A bus whose other end hangs: it can be told to stop all the same, and a connection on which
//! nobody answers is not held on to for ever.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sitepilot::{
    domain::{
        id::{BusName, MeterName},
        time::Mono,
    },
    metering::Micros,
    serial::{self, Framing, Health, MeterSettings, Order, Port, Settings, TimeSource},
    service::profiles::Shelf,
};

/// The longest that the config allows.
const LONGEST_TIMEOUT_MS: u32 = 5000;

#[expect(clippy::disallowed_methods, reason = "a test tells the time to what it tests")]
fn clock() -> TimeSource {
    let begin = Instant::now();
    Arc::new(move || {
        let us = u64::try_from(begin.elapsed().as_micros()).unwrap();
        (Mono(us / 1000), Micros(us))
    })
}

/// A bus with one meter, reached by RTU over TCP.
fn start(listener: &TcpListener, timeout_ms: u32) -> (flume::Sender<Order>, JoinHandle<()>) {
    let address = listener.local_addr().unwrap().to_string();
    let meter = MeterSettings {
        name: MeterName::new("meter").unwrap(),
        address: 1,
        interval_ms: 100,
        profile: Arc::new(Shelf::built_in().find("eastron-sdm120").unwrap()),
    };
    let settings = Settings {
        bus: BusName::new("bus").unwrap(),
        port: Port::Tcp { address, framing: Framing::Rtu },
        turnaround_ms: 1,
        timeout_ms,
        meters: vec![meter],
        now: clock(),
    };
    let (orders, theirs) = flume::bounded(8);
    let health = Arc::new(Health::default());
    (orders, thread::spawn(move || serial::run(settings, theirs, |_, _| {}, health)))
}

fn request(connection: &mut TcpStream) {
    let mut bytes = [0; 8];
    connection.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[..2], [1, 4]);
}

#[test]
fn it_stops_while_an_answer_is_awaited() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (orders, bus) = start(&listener, LONGEST_TIMEOUT_MS);
    let mut connection = listener.accept().unwrap().0;
    request(&mut connection);
    let began = clock();
    orders.send(Order::Stop).unwrap();
    bus.join().unwrap();
    let ms = began().0.0;
    assert!(ms < u64::from(LONGEST_TIMEOUT_MS) / 2, "it waited for the answer: {ms} ms");
}

#[test]
fn it_stops_while_nobody_takes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Whoever comes when the queue is full waits for an answer to the connect itself.
    let address = listener.local_addr().unwrap();
    let brief = Duration::from_millis(50);
    let waiting: Vec<TcpStream> =
        (0..5000).map_while(|_| TcpStream::connect_timeout(&address, brief).ok()).collect();
    assert!(waiting.len() < 5000, "the queue is never full here");
    let (orders, bus) = start(&listener, LONGEST_TIMEOUT_MS);
    thread::sleep(Duration::from_millis(200));
    let began = clock();
    orders.send(Order::Stop).unwrap();
    bus.join().unwrap();
    let ms = began().0.0;
    assert!(ms < 2000, "it waited for the connection: {ms} ms");
}

#[test]
fn a_connection_on_which_nobody_answers_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (orders, bus) = start(&listener, 20);
    let mut first = listener.accept().unwrap().0;
    request(&mut first);
    // It takes every request and says nothing, and would do so for ever.
    let mut second = listener.accept().unwrap().0;
    request(&mut second);
    orders.send(Order::Stop).unwrap();
    bus.join().unwrap();
}
