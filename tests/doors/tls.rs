//! The TLS door: who gets in, who does not, and that neither holds anybody up.

use std::{net::TcpStream, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use sitepilot::{
    broker::{Keys, TlsDoor, WallClock},
    domain::time::{ClockQuality, Wall},
};

use crate::mqtt_raw::{Connect, House, Raw, ack, publish};
use crate::pki::{Authority, Papers};

/// 2026, as good as any.
const TODAY: Wall = Wall { unix_ms: 1_780_000_000_000, quality: ClockQuality::Synced };

fn keys(papers: &Papers, clients: Option<&Authority>) -> Keys {
    let clients = clients.map(Authority::pem);
    let clients = clients.as_ref().map(|pem| pem.as_bytes());
    Keys::parse(papers.certificate.as_bytes(), papers.key.as_bytes(), clients).unwrap()
}

fn door(keys: Keys, wall: Wall) -> TlsDoor {
    let wall: WallClock = Arc::new(move || wall);
    TlsDoor { listen: "127.0.0.1:0".parse().unwrap(), keys, wall }
}

/// A house with a door for TLS beside the plain one.
fn house(keys: Keys) -> House {
    House::with(1000, |config| config.tls = Some(door(keys, TODAY)))
}

type Secure = Raw<StreamOwned<ClientConnection, TcpStream>>;

/// A TCP connection to the TLS door.
fn tcp(house: &House) -> TcpStream {
    let raw = Raw::dial(house.doors.tls_address().unwrap());
    raw.stream
}

/// A TLS connection, its handshake done as far as the client can tell.
fn dial(house: &House, client: &Arc<ClientConfig>) -> std::io::Result<Secure> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = StreamOwned::new(session, tcp(house));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Raw::over(stream))
}

/// Logs in over TLS; the name is user and client id.
fn client(house: &House, client: &Arc<ClientConfig>, name: &str) -> Secure {
    let mut raw = dial(house, client).unwrap();
    raw.send(&Connect::new(name).bytes());
    assert_eq!(raw.packet(), (0x20, vec![0, 0]), "CONNACK for {name}");
    raw
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
