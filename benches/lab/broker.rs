//! Brokers as processes of their own: our doors and mosquitto, with the same rights for the same
//! clients.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use sitepilot::{
    broker::{
        Access, Doors, DoorsConfig, Filter, Identity, Keys, Login, LoginRefused, Pace, Registry,
        Route, TlsDoor,
    },
    domain::time::{ClockQuality, Wall},
};

/// First argument of this program when it is to be our doors.
pub const SERVE: &str = "serve-doors";

/// A broker starts within this, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Certificate and key, as files.
#[derive(Clone)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A broker under load.
pub struct Broker {
    pub name: &'static str,
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    child: Child,
}

impl Broker {
    pub fn ours(pair: &Pair) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("our own file"))
            .arg(SERVE)
            .args([&pair.certificate, &pair.key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("our own program");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut address =
            || lines.next().expect("a line").expect("text").parse().expect("an address");
        let (plain, tls) = (address(), address());
        Self { name: "ours", plain, tls, child }
    }

    /// `None` where mosquitto is not installed.
    pub fn mosquitto(dir: &Path, pair: &Pair) -> Option<Self> {
        let program = super::mosquitto::program()?;
        let (plain, tls) = (super::free_port(), super::free_port());
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        let text = format!(
            "user root\nper_listener_settings false\nallow_anonymous true\nset_tcp_nodelay true\n\
             max_inflight_messages 0\nmax_queued_messages 0\npersistence false\n\
             listener {plain} 127.0.0.1\nlistener {tls} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n"
        );
        let file = dir.join("mosquitto.conf");
        fs::write(&file, text).expect("its config");
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let broker = Self { name: "mosquitto", plain: local(plain), tls: local(tls), child };
        // It says nothing when it listens.
        let begin = Instant::now();
        while TcpStream::connect(broker.tls).is_err() || TcpStream::connect(broker.plain).is_err() {
            assert!(begin.elapsed() < PATIENCE, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(broker)
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("it runs")
    }

    /// Processor time of all its threads so far, in ns.
    pub fn cpu_ns(&self) -> u64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let time = |thread: std::io::Result<fs::DirEntry>| {
            let file = thread.expect("an entry").path().join("schedstat");
            let text = fs::read_to_string(file).expect("it runs");
            let first = text.split_whitespace().next().expect("three numbers");
            first.parse::<u64>().expect("a number")
        };
        threads.map(time).sum()
    }

    pub fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `pile…` speaks to the site, everybody else to each other; all topics are free.
struct Anybody;

impl Registry for Anybody {
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        let name = login.username.unwrap_or_default().to_owned();
        let route = if name.starts_with("pile") { Route::Host } else { Route::Router };
        let all = || vec![Filter::new("#").expect("a filter")];
        Ok(Identity { name, route, access: Access { publish: all(), subscribe: all() } })
    }
}

/// Our doors, until the parent closes our input.
pub fn serve(pair: Pair) -> ! {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (sender, events) = flume::bounded(1024);
    std::thread::spawn(move || events.iter().for_each(drop));
    std::thread::spawn(|| {
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(async {
        let (doors, task) =
            Doors::bind(config(&pair), Arc::new(Anybody), sender).expect("the doors open");
        let addresses = [doors.plain_address(), doors.tls_address()];
        addresses.iter().flatten().for_each(|address| println!("{address}"));
        task.run().await.expect("the doors run");
    });
    std::process::exit(0)
}

/// Like mosquitto's settings above: neither queues nor windows are to be what is measured.
fn config(pair: &Pair) -> DoorsConfig {
    let local = || "127.0.0.1:0".parse().expect("an address");
    let read = |file| fs::read(file).expect("a file of the bench");
    let keys = Keys::parse(&read(&pair.certificate), &read(&pair.key), None);
    let wall = Wall { unix_ms: 0, quality: ClockQuality::Unset };
    DoorsConfig {
        tls: Some(TlsDoor {
            listen: local(),
            keys: keys.expect("the bench's own keys"),
            wall: Arc::new(move || wall),
        }),
        max_connections: 10_000,
        max_sessions: 10_000,
        max_inflight: 10_000,
        max_outbox_messages: 100_000,
        max_outbox_bytes: 64 * 1024 * 1024,
        pace: Pace::UNLIMITED,
        ..DoorsConfig::new(local())
    }
}
