//! The server against bytes computed by hand, on a port of its own.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{net::SocketAddr, sync::Arc};

use data_encoding::HEXLOWER_PERMISSIVE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    Faults, Message, Point, Reader, Realtime, Record, Server, Settings, What, frame::HEARTBEAT,
    serve::Tcp,
};
use crate::clock::Clock;

const PILE: &str = "3101150012000001";

/// Mark, length 79, command, organisation 1000, pile, gun 2, trade number, times, 12.34 kWh, 21.59
/// yuan, 12.34 of it for the service.
const RECORD: &str = "4543004f03ed 000003e8 0010 33313031313530303132303030303031 02 \
    0020 33313031313530303132303030303031 4142434445464748494a4b4c4d4e4f50 \
    6955b900 6955c710 00003034 0000086f 000004d2";

const REALTIME: &str = "4543003003e9 000003e8 0010 33313031313530303132303030303031 01 0e 0004 \
    0001 03 0003 0001 01 01 000a 02 02 0004 04 00003034";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).unwrap()
}

fn record() -> Record {
    Record {
        organisation: 1000,
        pile: PILE.to_owned(),
        gun: 2,
        trade: format!("{PILE}ABCDEFGHIJKLMNOP"),
        start_s: 1_767_225_600,
        end_s: 1_767_229_200,
        energy_wh: 12_340,
        amount_fen: 2_159,
        service_fen: 1_234,
    }
}

fn realtime() -> Realtime {
    let point = |(kind, address, value)| Point { address, kind, value };
    let points = [(3, 1, 3), (1, 1, 1), (2, 10, 2), (4, 4, 12_340)].map(point).to_vec();
    Realtime { organisation: 1000, pile: PILE.to_owned(), gun: 1, kind: 14, points }
}

/// What a stream says, fed in pieces of this size, and how much of it was skipped.
fn read(stream: &[u8], size: usize) -> (Vec<Message>, usize) {
    let (mut reader, mut said, mut skipped) = (Reader::default(), Vec::new(), 0);
    for chunk in stream.chunks(size) {
        reader.feed(chunk);
        said.extend(std::iter::from_fn(|| reader.take()).map(|frame| Message::of(&frame)));
        skipped += reader.skipped();
    }
    (said, skipped)
}

#[test]
fn frames_are_found_however_they_are_cut_and_whatever_is_between() {
    let noise = [&b"noiseE"[..], b"EC\xff\xff", b"EC\x00\x01"].concat();
    let stream = [
        bytes(RECORD),
        noise.clone(),
        bytes(REALTIME),
        HEARTBEAT.to_vec(),
        b"EC\x00\x0303e".to_vec(),
        b"EC\x00\x03\x03\xed?".to_vec(),
    ]
    .concat();
    let said = [
        Message::Record(record()),
        Message::Realtime(realtime()),
        Message::Heartbeat,
        Message::Unknown { command: 0x3033 },
        Message::Malformed { command: 1005 },
    ];
    for size in [1, 2, 3, 7, stream.len()] {
        assert_eq!(read(&stream, size), (said.to_vec(), noise.len()), "{size} bytes at once");
    }
}

#[test]
fn a_body_that_is_too_short_or_too_long_is_none_of_its_command() {
    let whole = bytes(RECORD);
    for length in 0..whole.len() - 6 {
        let mut frame = whole[..6 + length].to_vec();
        frame[3] = u8::try_from(2 + length).unwrap();
        assert_eq!(read(&frame, frame.len()).0, [Message::Malformed { command: 1005 }], "{length}");
    }
    let mut longer = [whole, vec![0]].concat();
    longer[3] += 1;
    assert_eq!(read(&longer, longer.len()).0, [Message::Malformed { command: 1005 }]);
}

#[test]
fn frames_are_said_in_words() {
    let words = Message::Realtime(realtime()).to_string();
    assert!(words.ends_with("gun 1, AC: 3/1=3 1/1=1 2/10=2 4/4=12340"), "{words}");
    let words = Message::Record(record()).to_string();
    assert!(words.contains("12340 Wh, 2159 fen, of these 1234 for the service"), "{words}");
}

/// A server on a port, for as long as the set is kept.
async fn server(settings: Settings) -> (Server, SocketAddr, JoinSet<()>) {
    let clock = Clock::passing();
    let server = Server::new(settings, Arc::new(move || clock.now()));
    let tcp = Tcp::bind(([127, 0, 0, 1], 0).into(), server.clone()).await.unwrap();
    let address = tcp.address().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(tcp.run());
    (server, address, tasks)
}

async fn until(server: &Server, wanted: impl Fn(&What) -> bool) {
    while !wanted(&server.news().recv_async().await.unwrap().what) {}
}

async fn is_closed(gate: &mut TcpStream) -> bool {
    let mut chunk = [0; 64];
    loop {
        match gate.read(&mut chunk).await {
            Ok(0) | Err(_) => return true,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn records_are_kept_by_trade_number_and_the_senseless_dropped() {
    let (server, address, _tasks) = server(Settings::default()).await;
    let mut gate = TcpStream::connect(address).await.unwrap();
    let (one, mut other, mut empty) = (bytes(RECORD), bytes(RECORD), bytes(RECORD));
    let energy = one.len() - 12;
    other[energy + 3] += 1;
    // Of another order, without energy.
    empty[energy..energy + 4].fill(0);
    empty[energy - 9] = b'X';
    gate.write_all(&[one.clone(), one, empty].concat()).await.unwrap();
    until(&server, |what| matches!(what, What::Told { record, .. } if record.energy_wh == 0)).await;
    let books = server.books();
    assert_eq!(books.records().collect::<Vec<_>>(), [&record()]);
    assert_eq!((books.copies(), books.dropped().count(), books.altered().len()), (3, 1, 0));
    gate.write_all(&other).await.unwrap();
    until(&server, |what| matches!(what, What::Told { copy: 3, .. })).await;
    let books = server.books();
    assert_eq!(books.altered(), [record().trade]);
    let kept = books.record(&record().trade).unwrap();
    assert_eq!(kept.energy_wh, record().energy_wh + 1, "the last copy wins");
}

#[tokio::test]
async fn a_restart_loses_what_is_read_and_not_stored() {
    let settings = Settings { store_ms: 60_000, ..Settings::default() };
    let (server, address, _tasks) = server(settings).await;
    let mut gate = TcpStream::connect(address).await.unwrap();
    gate.write_all(&bytes(RECORD)).await.unwrap();
    until(&server, |what| matches!(what, What::Told { .. })).await;
    server.restart();
    assert!(is_closed(&mut gate).await);
    assert_eq!(server.books().records().count(), 0);
    assert_eq!(server.books().copies(), 1, "what was read stays known to the test");
}

#[tokio::test]
async fn heartbeats_go_out_and_a_silent_gate_is_cut_off() {
    let settings = Settings { heartbeat_ms: 20, silence_ms: 200, store_ms: 0 };
    let (server, address, _tasks) = server(settings).await;
    let mut gate = TcpStream::connect(address).await.unwrap();
    let mut heard = [0; 12];
    gate.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard[..6], HEARTBEAT);
    assert_eq!(heard[6..], HEARTBEAT);
    until(&server, |what| *what == What::Silent).await;
    assert!(is_closed(&mut gate).await);
}

#[tokio::test]
async fn a_deaf_server_accepts_and_reads_when_it_is_well_again() {
    let (server, address, _tasks) =
        server(Settings { heartbeat_ms: 20, ..Settings::default() }).await;
    let mut gate = TcpStream::connect(address).await.unwrap();
    until(&server, |what| *what == What::Connected).await;
    server.fail(Faults { deaf: true, mute: true });
    // A heartbeat may be on its way; after what was ordered there is none.
    gate.write_all(&bytes(RECORD)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(server.books().copies(), 0);
    server.fail(Faults::default());
    until(&server, |what| matches!(what, What::Told { copy: 1, .. })).await;
    server.cut();
    assert!(is_closed(&mut gate).await);
}
