//! A backlog drained to an EC server far away, beside the same bytes pushed raw over the same link.
//!
//! `cargo bench --bench ec`, as root, with python3 and iproute2. The link is a tunnel in a network
//! namespace of its own with a round trip of 100 ms, so that acknowledgements are those of the far
//! kernel; it has no other limit. Times are from the first SYN to the last acknowledgement.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a bench asks for the time and has no supervisor")]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use sitepilot::{
    clock::Clock,
    domain::{
        event::UplinkEvent,
        id::{PileCode, Sequence, UplinkName},
        reply::{ToUplink, UplinkMessage, Urgency},
    },
    protocol::ec::{Confirm, Settings, message},
    site::{DELIVERED_WINDOW, Input},
    sys,
    uplink::{Counters, EcLink, EcSettings, Outbox, Ties},
};
use tokio::sync::watch;

const RECORDS: u32 = 10_000;
const ROUNDS: usize = 5;
const HALF_ROUND_TRIP_S: &str = "0.05";
const HERE: &str = "10.9.0.1";
const THERE: &str = "10.9.0.2";
const WITHIN: &str = "SITEPILOT_BENCH_WITHIN";
const PILE: &str = "3101150012000001";

fn main() {
    if env::var_os(WITHIN).is_none() {
        let own = env::current_exe().unwrap();
        let status = Command::new("unshare").arg("-n").arg(own).env(WITHIN, "1").status();
        assert!(status.unwrap().success(), "needs root and a network namespace");
        return;
    }
    let far = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lab/far.py");
    let mut link = Command::new("python3")
        .args([far, HALF_ROUND_TRIP_S])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = String::new();
    BufReader::new(link.stdout.take().unwrap()).read_line(&mut up).unwrap();
    let frames: Vec<Bytes> = (0..RECORDS).map(frame).collect();
    let (mut raws, mut links) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raws.push(raw(&frames));
        links.push(drained(&frames));
    }
    link.kill().unwrap();
    link.wait().unwrap();
    let (raw_ms, link_ms) = (median_ms(raws), median_ms(links));
    let bytes: usize = frames.iter().map(Bytes::len).sum();
    println!(
        "{RECORDS} records, {bytes} bytes, round trip 100 ms: raw {raw_ms} ms, drained {link_ms} \
         ms, ratio {:.2}; {:.0} records/s",
        link_ms as f64 / raw_ms as f64,
        f64::from(RECORDS) * 1000.0 / link_ms as f64,
    );
}

fn median_ms(mut times: Vec<Duration>) -> u128 {
    times.sort();
    println!("{times:?}");
    times[times.len() / 2].as_millis()
}

fn frame(number: u32) -> Bytes {
    let record = message::Record {
        organisation: 1000,
        pile: PileCode::new(PILE).unwrap().into(),
        gun: 1,
        trade: message::Text::new("trade", &format!("{PILE}{number:016}")).unwrap(),
        start_s: 1_795_000_000 + number,
        end_s: 1_795_003_600 + number,
        energy_wh: 24_680,
        amount_fen: 4322,
        service_fen: 1200,
    };
    message::Message::Record(record).encode().unwrap()
}

/// A server that reads until the gate closes; gives the number of bytes.
fn server() -> (u16, thread::JoinHandle<usize>) {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let reads = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut bytes) = (0, vec![0; 65_536]);
        loop {
            match stream.read(&mut bytes) {
                Ok(0) | Err(_) => return all,
                Ok(read) => all += read,
            }
        }
    });
    (port, reads)
}

/// What the link takes by itself.
fn raw(frames: &[Bytes]) -> Duration {
    let (port, reads) = server();
    let all = frames.concat();
    let begun = Instant::now();
    let mut stream = TcpStream::connect((THERE, port)).unwrap();
    stream.write_all(&all).unwrap();
    while sys::unacknowledged_bytes(&stream).unwrap() > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let took = begun.elapsed();
    drop(stream);
    assert_eq!(reads.join().unwrap(), all.len());
    took
}

/// What the uplink takes, with the window that a site keeps.
fn drained(frames: &[Bytes]) -> Duration {
    let (port, reads) = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let took = runtime.block_on(async {
        let counters = Arc::new(Counters::default());
        let outbox = Outbox::new(counters.clone());
        let (inbox, site) = flume::bounded(4096);
        let (stop, stopped) = watch::channel(false);
        let clock = Clock::passing();
        let wire = Settings {
            organisation: 1000,
            heartbeat_ms: 60_000,
            realtime_ms: 60_000,
            confirm: Confirm::Tcp,
            resend_ms: 0,
            amount_includes_service: true,
        };
        let name = UplinkName::new("far").unwrap();
        let now = Arc::new(move || clock.now());
        let settings = EcSettings { name, host: THERE.to_owned(), port, wire, now };
        let begun = Instant::now();
        let ties = Ties { outbox: outbox.clone(), counters, inbox, stop: stopped };
        let link = EcLink::new(settings, ties);
        let task = tokio::spawn(link.run());
        feed(frames, &outbox, &site).await;
        let took = begun.elapsed();
        stop.send(true).unwrap();
        task.await.unwrap();
        took
    });
    assert_eq!(reads.join().unwrap(), frames.iter().map(Bytes::len).sum::<usize>());
    took
}

/// Keeps as many records under way as a site does, until all are delivered.
async fn feed(frames: &[Bytes], outbox: &Outbox, site: &flume::Receiver<Input>) {
    let (mut sent, mut delivered) = (0, 0);
    while delivered < frames.len() {
        match site.recv_async().await.unwrap() {
            Input::Uplink { event: UplinkEvent::Connected, .. } => {}
            Input::Uplink { event: UplinkEvent::Answered { .. }, .. } => delivered += 1,
            other => panic!("{other:?}"),
        }
        while sent < frames.len() && sent - delivered < DELIVERED_WINDOW {
            let pile = PileCode::new(PILE).unwrap();
            let message = UplinkMessage::Transaction { pile, payload: frames[sent].clone() };
            let sequence = Sequence(u64::try_from(sent).unwrap());
            outbox.push(ToUplink { sequence, message, urgency: Urgency::Backlog }).unwrap();
            sent += 1;
        }
    }
}
