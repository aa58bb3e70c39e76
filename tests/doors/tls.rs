//! The TLS door: who gets in, who does not, and that neither holds anybody up.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{CertificateParams, DnType};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use sitepilot::{
    broker::{Keys, TlsDoor, WallClock},
    domain::time::{ClockQuality, Wall},
};

use crate::mqtt_raw::{Connect, House, Raw, ack, publish};
use crate::pki::{Authority, Papers, params};

/// 2026, as good as any.
const TODAY: Wall = Wall { unix_ms: 1_780_000_000_000, quality: ClockQuality::Synced };

/// 2036.
const LATER: Wall = Wall { unix_ms: 2_095_000_000_000, quality: ClockQuality::Synced };

const UNSET: Wall = Wall { unix_ms: 0, quality: ClockQuality::Unset };

fn keys(papers: &Papers, clients: Option<&Authority>) -> Keys {
    let clients = clients.map(Authority::pem);
    let clients = clients.as_ref().map(String::as_bytes);
    Keys::parse(papers.certificate.as_bytes(), papers.key.as_bytes(), clients).unwrap()
}

fn door(keys: Keys, wall: WallClock) -> TlsDoor {
    TlsDoor { listen: "127.0.0.1:0".parse().unwrap(), keys, wall }
}

/// A house with a door for TLS beside the plain one.
fn house(keys: Keys) -> House {
    let door = door(keys, Arc::new(|| TODAY));
    House::with(1000, |config| config.tls = Some(door))
}

type Secure = Raw<StreamOwned<ClientConnection, TcpStream>>;

/// A TCP connection to the TLS door.
fn tcp(house: &House) -> Raw {
    Raw::dial(house.doors.tls_address().unwrap())
}

fn session(client: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    ClientConnection::new(Arc::clone(client), name).unwrap()
}

/// A TLS connection, its handshake done as far as the client can tell.
fn dial(house: &House, client: &Arc<ClientConfig>) -> std::io::Result<Secure> {
    let mut stream = StreamOwned::new(session(client), tcp(house).stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Raw::over(stream))
}

/// Logs in over TLS; the name is user and client id.
fn client(house: &House, client: &Arc<ClientConfig>, name: &str) -> Secure {
    enter(house, client, &Connect::new(name))
}

fn enter(house: &House, client: &Arc<ClientConfig>, connect: &Connect) -> Secure {
    let mut raw = dial(house, client).unwrap();
    raw.send(&connect.bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]), "CONNACK for {}", connect.client_id);
    raw
}

/// Logs in with a certificate alone.
fn certified(house: &House, client: &Arc<ClientConfig>) -> Secure {
    let mut connect = Connect::new("x");
    (connect.username, connect.password) = (None, None);
    enter(house, client, &connect)
}

/// What a client hears that is not met; TLS 1.3 tells it after the client's last word.
fn refusal(house: &House, client: &Arc<ClientConfig>) -> String {
    let heard = dial(house, client).and_then(|mut raw| {
        raw.stream.write_all(&Connect::new("any").bytes())?;
        raw.stream.read(&mut [0; 64])
    });
    heard.expect_err("a refusal").to_string()
}

/// What is sent first: a whole ClientHello.
fn hello(client: &Arc<ClientConfig>) -> Vec<u8> {
    let mut bytes = Vec::new();
    session(client).write_tls(&mut bytes).unwrap();
    bytes
}

/// The ClientHello of TLS 1.1.
fn old_hello() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    let length = u8::try_from(body.len()).unwrap();
    let mut bytes = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    bytes.extend(body);
    bytes
}

/// All that comes until the end.
fn rest(mut raw: Raw) -> Vec<u8> {
    let mut bytes = Vec::new();
    match raw.stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not the end: {error}"),
    }
    bytes
}

#[test]
fn piles_speak_over_either_version_and_beside_plain_ones() {
    let site = Authority::new("site CA");
    let house = house(keys(&site.site(), None));
    for (number, version) in [(1, &TLS12), (2, &TLS13)] {
        let name = format!("P{number}");
        let mut pile = client(&house, &site.client_of(None, &[version]), &name);
        assert_eq!(house.event(), format!("connected {name}"));
        let topic = format!("U/{name}/x");
        // Longer than a record of TLS.
        let payload = vec![b'x'; 40_000];
        pile.ask(&publish(&topic, &payload, 1, 7), &ack(0x40, 7));
        assert!(house.event().starts_with(&format!("{name} {topic} q1 xxx")));
        pile.send(&[0xe0, 0]);
        assert_eq!(house.event(), format!("gone {name}: disconnected"));
    }
    house.client("any").expect_quiet();
    assert_eq!(house.doors.counters().handshakes, 2);
    house.close().unwrap();
}

#[test]
fn tls_alone_opens_no_plain_door() {
    let site = Authority::new("site CA");
    let door = door(keys(&site.site(), None), Arc::new(|| TODAY));
    let house = House::with(1000, |config| (config.listen, config.tls) = (None, Some(door)));
    assert_eq!(house.doors.plain_address(), None);
    client(&house, &site.client(None), "any").expect_quiet();
    house.close().unwrap();
}

#[test]
fn whoever_stalls_or_floods_before_the_login_holds_nobody_up() {
    let site = Authority::new("site CA");
    let trusting = site.client(None);
    let door = door(keys(&site.site(), None), Arc::new(|| TODAY));
    let house = House::with(1000, |config| {
        config.tls = Some(door);
        config.connect_timeout = Duration::from_millis(1500);
    });
    let mut early = client(&house, &trusting, "any1");
    let mut stalled: Vec<Raw> = Vec::new();
    for part in ["silent", "half a hello", "a hello and no more"] {
        let hello = hello(&trusting);
        let length = match part {
            "silent" => 0,
            "half a hello" => hello.len() / 2,
            _ => hello.len(),
        };
        for _ in 0..300 {
            let mut raw = tcp(&house);
            raw.send(&hello[..length]);
            stalled.push(raw);
        }
        early.expect_quiet();
        client(&house, &trusting, "any2").expect_quiet();
        house.client("any3").expect_quiet();
    }
    // One whose handshake is done, and who says nothing more, has the same time for all of it.
    let mut mute = dial(&house, &trusting).unwrap();
    mute.expect_end();
    for raw in stalled {
        rest(raw);
    }
    house.wait_for(|counters| counters.silent == 901);
    early.expect_quiet();
    house.close().unwrap();
}

#[test]
fn what_is_no_tls_is_turned_away_with_an_alert() {
    let site = Authority::new("site CA");
    let house = house(keys(&site.site(), None));
    let page = b"GET / HTTP/1.1\r\n\r\n".to_vec();
    for bytes in [Connect::new("any").bytes(), vec![0; 600], page, old_hello()] {
        let mut raw = tcp(&house);
        raw.send(&bytes);
        let heard = rest(raw);
        // One record with a fatal alert.
        assert_eq!((heard[0], heard[5], heard.len()), (0x15, 2, 7), "{heard:02x?}");
    }
    drop(tcp(&house));
    house.wait_for(|counters| counters.failed_handshakes == 5);
    client(&house, &site.client(None), "any").expect_quiet();
    // TLS at the plain door.
    let mut raw = Raw::dial(house.address());
    raw.send(&hello(&site.client(None)));
    raw.expect_end();
    assert_eq!(house.doors.counters().malformed, 1);
    house.close().unwrap();
}

#[test]
fn a_client_that_does_not_trust_the_doors_leaves() {
    let site = Authority::new("site CA");
    let house = house(keys(&site.site(), None));
    let stranger = Authority::new("another CA").client(None);
    assert!(refusal(&house, &stranger).contains("UnknownIssuer"));
    house.wait_for(|counters| counters.failed_handshakes == 1);
    house.close().unwrap();
}

#[test]
fn a_certificate_is_required_and_tells_the_name() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let house = house(keys(&site.site(), Some(&piles)));
    for version in [&TLS12, &TLS13] {
        let papers = piles.pile("P7");
        let mut pile = certified(&house, &site.client_of(Some(&papers), &[version]));
        assert_eq!(house.event(), "connected P7");
        pile.send(&[0xe0, 0]);
        assert_eq!(house.event(), "gone P7: disconnected");
    }
    let nameless = {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "P7");
        piles.sign(&params)
    };
    for (papers, alert) in [
        (None, "CertificateRequired"),
        (Some(Authority::new("piles CA").pile("P7")), "DecryptError"),
        (Some(site.pile("P7")), "UnknownCA"),
        (Some(piles.expired("P7")), "CertificateExpired"),
        (Some(nameless), ""),
        (Some(piles.pile("")), ""),
        (Some(piles.pile(&"P".repeat(65))), ""),
        (Some(piles.pile("P\n7")), ""),
    ] {
        let heard = refusal(&house, &site.client(papers.as_ref()));
        assert!(heard.contains(alert), "wanted {alert}, heard {heard}");
    }
    house.wait_for(|counters| counters.failed_handshakes == 8);
    // The plain door asks for the password, as ever.
    house.pile("P8").expect_quiet();
    house.close().unwrap();
}

#[test]
fn while_the_clock_is_unset_only_the_validity_of_certificates_is_not_judged() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let door = door(keys(&site.site(), Some(&piles)), Arc::new(|| UNSET));
    let house = House::with(1000, |config| config.tls = Some(door));
    for papers in [piles.pile("P1"), piles.expired("P1")] {
        certified(&house, &site.client(Some(&papers))).expect_quiet();
    }
    let wrong = Authority::new("another CA").pile("P1");
    assert!(refusal(&house, &site.client(Some(&wrong))).contains("UnknownCA"));
    house.close().unwrap();
}

#[test]
fn a_client_that_comes_again_is_known_by_its_ticket_until_its_certificate_ends() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let wall = Arc::new(Mutex::new(TODAY));
    let clock: WallClock = Arc::new({
        let wall = Arc::clone(&wall);
        move || *wall.lock().unwrap()
    });
    let door = door(keys(&site.site(), Some(&piles)), clock);
    let house = House::with(1000, |config| config.tls = Some(door));
    let mut limited = params("P1", &[]);
    limited.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let papers = piles.sign(&limited);
    for version in [&TLS12, &TLS13] {
        let pile = site.client_of(Some(&papers), &[version]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let mut raw = certified(&house, &pile);
            raw.expect_quiet();
            assert_eq!(raw.stream.conn.handshake_kind(), Some(kind), "{version:?}");
        }
        *wall.lock().unwrap() = LATER;
        refusal(&house, &pile);
        *wall.lock().unwrap() = TODAY;
    }
    // A client hears of its refusal before it is counted.
    house.wait_for(|counters| counters.failed_handshakes == 2);
    let counters = house.doors.counters();
    assert_eq!((counters.handshakes, counters.resumed_handshakes), (6, 4));
    house.close().unwrap();
}

#[test]
fn new_keys_meet_new_clients_and_leave_the_others_alone() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let (old, new) = (site.site(), site.site());
    let shown = |raw: &Secure| raw.stream.conn.peer_certificates().unwrap()[0].clone();
    let der = |papers: &Papers| CertificateDer::from_pem_slice(papers.certificate.as_bytes());
    let house = house(keys(&old, Some(&piles)));
    let pile = site.client(Some(&piles.pile("P1")));
    let mut early = certified(&house, &pile);
    assert_eq!(shown(&early), der(&old).unwrap());

    house.doors.renew(&keys(&new, Some(&piles))).unwrap();
    early.expect_quiet();
    // The ticket of before counts no more: it would spare a look at the new authorities.
    let late = certified(&house, &pile);
    assert_eq!(late.stream.conn.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(shown(&late), der(&new).unwrap());
    early.expect_end();

    house.doors.renew(&keys(&new, Some(&Authority::new("another CA")))).unwrap();
    assert!(refusal(&house, &pile).contains("UnknownCA"));
    house.close().unwrap();
}

#[test]
fn the_controller_comes_in_by_its_own_door_where_others_need_a_certificate() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let house = house(keys(&site.site(), Some(&piles)));
    let probe = house.doors.tls_probe().unwrap();
    client(&house, &probe, "any").expect_quiet();
    house.doors.renew(&keys(&site.site(), Some(&piles))).unwrap();
    // It trusts what the doors show now, and nothing else.
    assert!(dial(&house, &probe).is_err());
    client(&house, &house.doors.tls_probe().unwrap(), "any").expect_quiet();
    house.close().unwrap();
}
