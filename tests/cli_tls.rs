//! The controller with doors for TLS only, where piles need certificates: a session, and new keys
//! while it runs.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{net::TcpStream, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use sitepilot::peers::{
    backend::{Backend, BackendConfig},
    handle::Handle,
    mqtt::{self, Broker},
    pile::{Pile, PileConfig},
};
use tokio::task::JoinSet;

#[path = "support/bench.rs"]
mod bench;
#[path = "support/pki.rs"]
mod pki;

use bench::{Bench, PILE, charge, clock, host, states, text};
use pki::{Authority, Papers, params};

const TLS: &str = r#"
            [broker.tls]
            certificate_file = "DIR/site.crt"
            key_file = "DIR/site.key"
            client_ca_file = "DIR/piles-ca.crt"
            "#;

/// Puts certificate and key where the controller looks for them.
fn lay_out(bench: &Bench, papers: &Papers) {
    bench.secret("site.crt", &papers.certificate);
    bench.secret("site.key", &papers.key);
}

/// A bench whose doors speak TLS only, to piles with a certificate of this authority.
fn tls_bench(papers: &Papers, piles: &Authority) -> Bench {
    let bench = Bench::new();
    let doors = format!("listen = \"127.0.0.1:{}\"\n", bench.doors);
    bench.replace(&doors, &format!("{TLS}{doors}"));
    bench.secret("piles-ca.crt", &piles.pem());
    lay_out(&bench, papers);
    bench
}

/// Papers of the doors that end within the month.
fn ending(site: &Authority) -> Papers {
    let end = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(10));
    let mut params = params("site", &["127.0.0.1"]);
    let (month, day) = (end.month().unsigned_abs(), end.day().unsigned_abs());
    params.not_after = rcgen::date_time_ymd(end.year().into(), month, day);
    site.sign(&params)
}

/// The certificate that the doors show.
fn shown(bench: &Bench, client: &Arc<ClientConfig>) -> CertificateDer<'static> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let session = ClientConnection::new(Arc::clone(client), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", bench.doors)).unwrap();
    let mut stream = StreamOwned::new(session, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn der(papers: &Papers) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(papers.certificate.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_pile_charges_over_tls_while_the_doors_get_new_keys() {
    let (site, piles) = (Authority::new("site CA"), Authority::new("piles CA"));
    let (old, new) = (ending(&site), site.site());
    let mut bench = tls_bench(&old, &piles);
    let checked = bench.cli(&["check"]);
    let told = text(&checked.stderr);
    assert!(checked.status.success() && told.contains("expires in "), "{told}");
    assert!(told.contains("site.crt") && told.contains("hint: renew it"), "{told}");

    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, bench.cloud).await;
    // Healthy, as the watchdog sees it: by the only way in there is.
    bench.start().await;
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let alarm = |bench: &Bench| bench.json(&["status"])["alarms"].to_string();
    bench.until("the alarm", |bench| alarm(bench).contains("certificate_ends")).await;

    let client = site.client(Some(&piles.pile(PILE)));
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.tls = Some(Arc::clone(&client));
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    let mut tasks = JoinSet::new();
    tasks.spawn(mqtt::run(pile.clone(), doors));
    charge(&bench, &pile, 1, 1).await;
    assert_eq!(shown(&bench, &client), der(&old));

    // A key that does not fit changes nothing.
    bench.secret("site.crt", &new.certificate);
    bench.signal("-HUP");
    bench.until("refused", |bench| bench.log().contains("config not read again")).await;
    assert!(bench.log().contains("does not belong to the certificate"), "{}", bench.log());
    assert_eq!(shown(&bench, &client), der(&old));

    lay_out(&bench, &new);
    bench.signal("-HUP");
    bench.until("taken over", |bench| bench.log().contains("certificates read again")).await;
    assert_eq!(shown(&bench, &client), der(&new));
    charge(&bench, &pile, 2, 2).await;
    bench.until("settled", |bench| states(bench).iter().all(|state| state == "settled")).await;

    // The pile was never gone, and the probe of the doors was none of those turned away.
    let metrics = bench.get("/metrics").1;
    assert!(metrics.contains("sitepilot_doors_tls_failed_total{} 0"), "{metrics}");
    assert!(metrics.contains("sitepilot_doors_take_overs_total{} 0"), "{metrics}");
    assert!(metrics.contains("sitepilot_doors_certificate_expiry_timestamp_seconds{} 4"));
    assert_eq!(bench.get("/healthz").0, 200);
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
}
