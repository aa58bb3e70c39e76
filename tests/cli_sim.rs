//! The simulated peers as programs: the pile at the TLS door of a controller, where it registers,
//! keeps its account, comes back with it, or shows a certificate; the meter on a pseudo-terminal
//! and by TCP, well and with faults; the EC server, which says what it is told.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
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
        command.current_dir(&self.bench.dir);
        Program::start(command)
    }
}

struct Program {
    child: Child,
    said: flume::Receiver<String>,
    line: ChildStdin,
}

impl Program {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, said) = flume::unbounded();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A thread, so that the backend of the test goes on.
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| sender.send(l)));
        let line = child.stdin.take().unwrap();
        Self { child, said, line }
    }

    /// `sim meter` with a line's worth of options.
    fn meter(options: &str) -> Self {
        Self::alone("meter", options)
    }

    /// A peer that needs no site.
    fn alone(peer: &str, options: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
        command.args(["sim", peer, "--seconds", "120"]).args(options.split(' '));
        Self::start(command)
    }

    /// Where it is, as it says first.
    async fn port(&mut self) -> String {
        self.until("port ").await.pop().unwrap()["port ".len()..].to_owned()
    }

    /// Gives a line and waits until it says that it has obeyed.
    async fn obeys(&mut self, line: &str, said: &str) {
        self.order(line);
        self.until(said).await;
    }

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

/// Longer than any machine takes over an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough for an answer that comes at once, short enough to wait for one that does not.
const A_MOMENT: Duration = Duration::from_millis(300);

/// What a meter at this address says by Modbus TCP to a request for two input registers.
fn read_two(port: &str, unit: u8, start: u8) -> Vec<u8> {
    let mut stream = TcpStream::connect(port).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&[0, 9, 0, 0, 0, 6, unit, 4, 0, start, 0, 2]).unwrap();
    let mut header = [0; 6];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[..5], [0, 9, 0, 0, 0], "transaction, protocol, length");
    let mut rest = vec![0; usize::from(header[5])];
    stream.read_exact(&mut rest).unwrap();
    assert_eq!(rest.remove(0), unit);
    rest
}

fn float(value: f32) -> Vec<u8> {
    [&[4, 4][..], &value.to_be_bytes()].concat()
}

#[tokio::test]
async fn meters_by_modbus_tcp_count_and_fail_as_told() {
    let mut meter = Program::meter(
        "--profile eastron-sdm630 --profile eastron-sdm630@2 --tcp 127.0.0.1:0 --energy 123400 --load 6900",
    );
    let port = meter.port().await;
    // Voltage of L1 and current of L1, and the energy of the import register in kWh.
    assert_eq!(read_two(&port, 1, 0), float(230.0));
    assert_eq!(read_two(&port, 1, 6), float(10.0));
    meter.obeys("load 0", "1: load 0").await;
    meter.obeys("energy 500", "1: energy 500 Wh").await;
    assert_eq!(read_two(&port, 1, 72), float(0.5));
    meter.obeys("replace", "1: another meter").await;
    assert_eq!(read_two(&port, 1, 72), float(0.0));
    assert_ne!(read_two(&port, 2, 72), float(0.0), "the other one goes on");
    assert_eq!(read_two(&port, 3, 72), [0x84, 0x0B], "nobody there");

    meter.obeys("exception 6 1", "1: exception 6 1").await;
    assert_eq!(read_two(&port, 1, 0), [0x84, 6]);
    meter.until("1: function 4, 2 registers at 0: answered, [Exception(6)]").await;
    assert_eq!(read_two(&port, 1, 0), float(230.0));
    meter.obeys("@2 count 1", "2: count 1").await;
    assert_eq!(read_two(&port, 2, 0).len(), 2 + 3 * 2);
    assert_eq!(read_two(&port, 1, 0), float(230.0), "the other one is well");
    meter.obeys("@2 well", "2: well").await;
    assert_eq!(read_two(&port, 2, 0), float(230.0));
}

/// Whether the meter of the port says its voltage within the time.
async fn speaks(path: &str, within: Duration) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_serial::SerialPortBuilderExt as _;
    let Ok(mut port) = tokio_serial::new(path, 9_600).open_native_async() else { return false };
    // Slave 1, function 4, start 0, count 2; the answer begins with address, function, length.
    AsyncWriteExt::write_all(&mut port, &[1, 4, 0, 0, 0, 2, 0x71, 0xCB]).await.unwrap();
    let mut answer = [0; 9];
    let read = AsyncReadExt::read_exact(&mut port, &mut answer);
    let read = tokio::time::timeout(within, read).await;
    read.is_ok_and(|read| read.is_ok()) && answer[..7] == [1, 4, 4, 0x43, 0x66, 0, 0]
}

#[tokio::test]
async fn a_meter_on_a_pseudo_terminal_falls_silent_and_is_unplugged() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("ttyMETER").display().to_string();
    let mut meter = Program::meter(&format!("--profile eastron-sdm630 --quiet --pty {link}"));
    assert_eq!(meter.port().await, link);
    assert!(speaks(&link, PATIENCE).await);
    meter.obeys("silent", "1: silent").await;
    assert!(!speaks(&link, A_MOMENT).await);
    meter.obeys("well", "1: well").await;
    assert!(speaks(&link, PATIENCE).await);
    meter.obeys("unplug", "unplugged").await;
    let gone = async {
        while std::fs::symlink_metadata(&link).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the port goes away");
    meter.obeys("plug", "port ").await;
    let back = async {
        while !speaks(&link, A_MOMENT).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the port comes back");
}

#[test]
fn a_meter_needs_one_place_an_address_and_a_known_profile() {
    let exit = |options: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
        let words = options.split(' ').filter(|word| !word.is_empty());
        let output =
            command.args(["sim", "meter", "--seconds", "10"]).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let known = "--profile eastron-sdm630";
    assert_eq!(exit(known).0, Some(64), "nowhere");
    assert_eq!(exit(&format!("{known} --pty --tcp 127.0.0.1:0")).0, Some(64), "two places");
    assert_eq!(exit(&format!("{known} --pty --address 248")).0, Some(64), "no such address");
    assert_eq!(exit(&format!("{known} --tcp 127.0.0.1:0 --baud 9600")).0, Some(64));
    let (code, told) = exit("--profile eastron-sdm360 --pty");
    assert_eq!(code, Some(1));
    assert!(told.contains("eastron-sdm360") && told.contains("eastron-sdm630"), "{told}");
    let (code, told) = exit(&format!("{known} {known} --pty"));
    assert_eq!(code, Some(1));
    assert!(told.contains("two meters have the address 1"), "{told}");
    let (code, told) = exit(&format!("{known} --serial /dev/none-such"));
    assert_eq!(code, Some(1));
    assert!(told.contains("/dev/none-such"), "{told}");
}

/// A record of EC TCP: order `ABC`, 2026-01-01 00:00:00 to 01:00:00 UTC, 12.34 kWh, 21.59 yuan.
const EC_RECORD: &[u8] = b"EC\x00\x32\x03\xed\x00\x00\x03\xe8\x00\x103101150012000001\x02\
    \x00\x03ABC\x69\x55\xb9\x00\x69\x55\xc7\x10\x00\x00\x30\x34\x00\x00\x08\x6f\x00\x00\x04\xd2";

/// A heartbeat of EC TCP.
const EC_HEARTBEAT: &[u8] = b"EC\x00\x02\x00\x65";

#[tokio::test]
async fn an_ec_server_says_what_it_is_told_and_fails_as_told() {
    let options = "--listen 127.0.0.1:0 --heartbeat-s 1 --store-ms 60000";
    let mut server = Program::alone("ec-server", options);
    let port = server.port().await;
    let mut gate = TcpStream::connect(&port).unwrap();
    gate.set_read_timeout(Some(PATIENCE)).unwrap();
    server.until("1: connected").await;
    gate.write_all(&[EC_HEARTBEAT, b"noise", EC_RECORD, EC_RECORD, b"EC\0\x02\0\x07"].concat())
        .unwrap();
    let said = server.until("1: command 7, ignored").await;
    assert!(has(&said, "1: heartbeat"), "{said:#?}");
    assert!(has(&said, "1: 5 bytes skipped"), "{said:#?}");
    let record = "1: record ABC of organisation 1000, pile 3101150012000001, gun 2: 1767225600 to \
                  1767229200, 12340 Wh, 2159 fen, of these 1234 for the service; copy";
    assert!(has(&said, &format!("{record} 1")) && has(&said, &format!("{record} 2")), "{said:#?}");
    let mut heard = [0; 6];
    gate.read_exact(&mut heard).unwrap();
    assert_eq!(heard, EC_HEARTBEAT);

    server.obeys("books", "records 0, copies 2, dropped 0, altered []").await;
    server.obeys("deaf", "deaf").await;
    gate.write_all(EC_RECORD).unwrap();
    server.obeys("restart", "restart").await;
    server.until("1: ended").await;
    server.obeys("records", "no records").await;
    server.obeys("books", "records 0, copies 2, dropped 0, altered []").await;
}
