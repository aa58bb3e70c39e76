//! A controller as a process, with what it needs around it: a directory, a config, a backend.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use sitepilot::{
    clock::Clock,
    peers::{
        backend::{Account, Backend},
        handle::Handle,
        hosted::Hosted,
        pile::Pile,
    },
};
use tokio::{task::JoinSet, time::sleep};

/// Generous: only a test that hangs gets there.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
pub const PILE: &str = "3101150012000001";
/// A pile that has no password before it registers.
pub const NEW_PILE: &str = "3101150012000002";
/// What registrations are allowed with.
pub const INSTALL_CODE: &str = "INSTALL-7";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn secret(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A directory with a config, and the controller that runs on it.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub doors: u16,
    pub http: u16,
    pub cloud: u16,
    pub child: Option<Child>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_site("")
    }

    /// With more lines in the section of the site.
    pub fn with_site(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (doors, http, cloud) = (free_port(), free_port(), free_port());
        for (name, text) in [("pile", "pile secret"), ("code", "SIMCODE"), ("cloud", "secret")] {
            secret(dir.path(), name, text);
        }
        let at = dir.path().display();
        let text = format!(
            r#"
            [site]
            code = "3101150012"
            name = "Bench"
            timezone = "UTC"
            data_dir = "{at}/data"
            {more}
            [broker]
            listen = "127.0.0.1:{doors}"
            [[pile]]
            code = "{PILE}"
            serial = "ZD1"
            revision = "1.10"
            connectors = [1, 2]
            password_file = "{at}/pile"
            [[uplink]]
            name = "cloud"
            kind = "charger"
            revision = "1.10"
            url = "mqtt://127.0.0.1:{cloud}"
            part_number = "PART"
            serial = "SERIAL"
            vendor = "ACME"
            registration_code_file = "{at}/code"
            username = "default"
            password_file = "{at}/cloud"
            primary = true
            login_retry_s = 1
            [http]
            listen = "127.0.0.1:{http}"
            [ledger]
            min_free_mb = 1
            [control]
            socket = "{at}/control.sock"
            "#
        );
        fs::write(dir.path().join("site.toml"), text).unwrap();
        Self { dir, doors, http, cloud, child: None }
    }

    /// Adds tables to the config; `DIR` becomes the directory.
    pub fn append(&self, tables: &str) {
        let mut text = fs::read_to_string(self.config()).unwrap();
        text.push_str(&tables.replace("DIR", self.dir.path().to_str().unwrap()));
        fs::write(self.config(), text).unwrap();
    }

    /// Changes a line of the config; `DIR` becomes the directory.
    pub fn replace(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        let to = to.replace("DIR", self.dir.path().to_str().unwrap());
        fs::write(self.config(), text.replace(from, &to)).unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Piles may register; a second one, with one connector, has no password until it does.
    pub fn let_register(&self, is_open: bool, revision: &str) {
        self.secret("install", INSTALL_CODE);
        self.secret("default", "default secret");
        self.append(&format!(
            r#"
            [broker.registration]
            open = {is_open}
            code_file = "DIR/install"
            username = "register"
            password_file = "DIR/default"
            [[pile]]
            code = "{NEW_PILE}"
            serial = "ZD-2"
            revision = "{revision}"
            connectors = [3]
            "#
        ));
    }

    /// Writes a file with a secret.
    pub fn secret(&self, name: &str, text: &str) {
        secret(self.dir.path(), name, text);
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("site.toml")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
        command.env_remove("NOTIFY_SOCKET").arg("--config").arg(self.config()).args(args);
        command
    }

    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub async fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log"));
        self.child = Some(self.command(&["run"]).stderr(log.unwrap()).spawn().unwrap());
        self.until("healthy", |bench| bench.get("/healthz").0 == 200).await;
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        let mut child = self.child.take().unwrap();
        child.wait().unwrap().code()
    }

    /// Status and body of a page; status 0 if nobody answers.
    pub fn get(&self, path: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.http)) else {
            return (0, String::new());
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub async fn until(&self, what: &str, check: impl Fn(&Self) -> bool) {
        let looks = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..looks {
            if check(self) {
                return;
            }
            sleep(LOOK).await;
        }
        panic!("waited in vain until {what}:\n{}", self.log());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn clock() -> sitepilot::peers::handle::Clock {
    let clock = Clock::passing();
    Arc::new(move || clock.now())
}

pub async fn host(backend: &Handle<Backend>, port: u16) -> JoinSet<()> {
    let default = Account { device: "default".to_owned(), password: "secret".to_owned() };
    let listen: SocketAddr = ([127, 0, 0, 1], port).into();
    let hosted = Hosted::bind(listen, backend.clone(), default).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { hosted.run().await.unwrap() });
    tasks
}

/// Until so many orders are recorded, one more than before.
pub async fn charge(bench: &Bench, pile: &Handle<Pile>, connector: u16, orders: usize) {
    begin(bench, pile, connector, "CARD1").await;
    assert!(pile.with(|pile, now| pile.stop(connector, now)));
    bench.until("it is recorded", |bench| recorded(bench) == orders).await;
}

/// Until the order runs.
pub async fn begin(bench: &Bench, pile: &Handle<Pile>, connector: u16, card: &str) {
    bench.until("the pile is ready", |_| pile.with(|pile, _| pile.is_ready())).await;
    assert!(pile.with(|pile, now| pile.start(connector, card, now)));
    // The ledger knows before the snapshot of `status` does.
    let running = |bench: &Bench| states(bench).len() == recorded(bench) + 1;
    bench.until("the order runs", running).await;
}

pub fn states(bench: &Bench) -> Vec<String> {
    let orders = bench.json(&["orders", "list"]);
    let states = orders.as_array().unwrap().iter().map(|order| order["state"].as_str().unwrap());
    states.map(ToOwned::to_owned).collect()
}

pub fn recorded(bench: &Bench) -> usize {
    let is_over = |state: &&String| matches!(state.as_str(), "recorded" | "settled");
    states(bench).iter().filter(is_over).count()
}
