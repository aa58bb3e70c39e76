//! The simulated pile as a program, at the TLS door of a controller: it registers, keeps its
//! account, comes back with it, or shows a certificate.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{Child, ChildStdin, Stdio},
};

#[path = "support/bench.rs"]
mod bench;
#[path = "support/pki.rs"]
mod pki;

use bench::{Bench, INSTALL_CODE, NEW_PILE, clock, host, states};
use pki::Authority;
use sitepilot::peers::{
    backend::{Backend, BackendConfig},
    handle::Handle,
};

/// A controller with a TLS door, at which `NEW_PILE` may register.
struct Site {
    bench: Bench,
    door: String,
}

impl Site {
    /// With `clients`, a pile must show a certificate.
    fn new(authority: &Authority, revision: &str, clients: Option<&Authority>) -> Self {
        let bench = Bench::new();
        let site = authority.site();
        bench.secret("ca.pem", &authority.pem());
        bench.secret("site.pem", &site.certificate);
        bench.secret("site.key", &site.key);
        bench.let_register(false, revision);
        let client_ca = clients.map_or(String::new(), |clients| {
            bench.secret("clients.pem", &clients.pem());
            "client_ca_file = \"DIR/clients.pem\"".to_owned()
        });
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        bench.append(&format!(
            r#"
            [broker.tls]
            listen = "127.0.0.1:{port}"
            certificate_file = "DIR/site.pem"
            key_file = "DIR/site.key"
            {client_ca}
            "#
        ));
        Self { bench, door: format!("mqtts://127.0.0.1:{port}") }
    }

    /// `sim pile` in the directory of the site, with a line's worth of options.
    fn pile(&self, options: &str) -> Program {
        let general = format!("sim pile --broker {} --seconds 120 --ca-file ca.pem", self.door);
        let words: Vec<&str> = general.split(' ').chain(options.split(' ')).collect();
        let mut command = self.bench.command(&words);
        command.current_dir(&self.bench.dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, said) = flume::unbounded();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A thread, so that the backend of the test goes on.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| sender.send(l)));
        let line = child.stdin.take().unwrap();
        Program { child, said, line }
    }
}

struct Program {
    child: Child,
    said: flume::Receiver<String>,
    line: ChildStdin,
}

impl Program {
    /// What it says, up to the line that begins with this.
    async fn until(&mut self, wanted: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while !lines.last().is_some_and(|line| line.starts_with(wanted)) {
            let line = self.said.recv_async().await;
            lines.push(line.unwrap_or_else(|_| panic!("no {wanted} in {lines:#?}")));
        }
        lines
    }

    fn order(&mut self, line: &str) {
        writeln!(self.line, "{line}").unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has(lines: &[String], beginning: &str) -> bool {
    lines.iter().any(|line| line.starts_with(beginning))
}

#[tokio::test]
async fn a_pile_registers_over_tls_and_comes_back_with_its_account() {
    let authority = Authority::new("site authority");
    for revision in ["1.0", "1.10"] {
        let mut site = Site::new(&authority, revision, None);
        let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
        let _cloud = host(&backend, site.bench.cloud).await;
        site.bench.start().await;
        let is_on_line = |b: &Bench| b.json(&["uplinks", "list"])[0]["state"] == "online";
        site.bench.until("on line", is_on_line).await;
        let options = format!(
            "--revision {revision} --serial ZD-2 --connectors 1 --username register --password-file default \
             --registration-code {INSTALL_CODE} --account-file account.toml"
        );
        let mut pile = site.pile(&options);
        assert!(has(&pile.until("Booted").await, "Registered"));
        pile.order("start 1 CARD1");
        pile.until("OrderAnnounced").await;
        pile.order("stop 1");
        pile.until("OrderAnswered").await;
        site.bench.until("settled", |bench| states(bench) == ["settled"]).await;
        drop(pile);

        let mut pile = site.pile(&options);
        assert!(!has(&pile.until("Booted").await, "Registered"), "it has an account");
        let piles = site.bench.json(&["piles", "list"]);
        let pile = piles.as_array().unwrap().iter().find(|pile| pile["code"] == NEW_PILE).unwrap();
        assert_eq!((&pile["account"], &pile["revision"]), (&"used".into(), &revision.into()));
        let kept = std::fs::read_to_string(site.bench.dir.path().join("account.toml")).unwrap();
        assert!(kept.contains(NEW_PILE), "{kept}");
    }
}

#[tokio::test]
async fn a_pile_shows_its_certificate_in_place_of_a_password() {
    let authority = Authority::new("site authority");
    let mut site = Site::new(&authority, "1.10", Some(&authority));
    let papers = authority.pile(NEW_PILE);
    site.bench.secret("pile.pem", &papers.certificate);
    site.bench.secret("pile.key", &papers.key);
    site.bench.start().await;
    let own = format!("--code {NEW_PILE} --serial ZD-2");
    site.pile(&format!("{own} --certificate-file pile.pem --key-file pile.key"))
        .until("Booted")
        .await;

    let stranger = Authority::new("another authority").pile(NEW_PILE);
    site.bench.secret("other.pem", &stranger.certificate);
    site.bench.secret("other.key", &stranger.key);
    let _stranger = site.pile(&format!("{own} --certificate-file other.pem --key-file other.key"));
    let failed = |bench: &Bench| bench.log().contains("no TLS connection");
    site.bench.until("a handshake that fails", failed).await;
}

#[test]
fn a_certificate_without_its_key_is_wrong_usage() {
    let bench = Bench::new();
    let output = bench.cli(&["sim", "pile", "--certificate-file", "pile.pem"]);
    assert_eq!(output.status.code(), Some(64));
    let output = bench.cli(&["sim", "pile", "--revision", "1.9"]);
    assert_eq!(output.status.code(), Some(64));
}
