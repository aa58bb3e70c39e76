//! The controller as a process: a pile and a backend around it, an outage, SIGKILL in the middle
//! of it, and the commands that look at what became of it.

#![expect(clippy::unwrap_used, reason = "tests")]

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
        backend::{Account, Backend, BackendConfig},
        handle::Handle,
        hosted::Hosted,
        mqtt::{self, Broker},
        pile::{Pile, PileConfig},
    },
};
use tokio::{task::JoinSet, time::sleep};

/// Generous: only a test that hangs gets there.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
const PILE: &str = "3101150012000001";

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A directory with a config, and the controller that runs on it.
struct Bench {
    dir: tempfile::TempDir,
    doors: u16,
    http: u16,
    cloud: u16,
    child: Option<Child>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (doors, http, cloud) = (free_port(), free_port(), free_port());
        for (name, text) in [("pile", "pile secret"), ("code", "SIMCODE"), ("cloud", "secret")] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let at = dir.path().display();
        let text = format!(
            r#"
            [site]
            code = "3101150012"
            name = "Bench"
            timezone = "UTC"
            data_dir = "{at}/data"
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

    fn config(&self) -> PathBuf {
        self.dir.path().join("site.toml")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitepilot"));
        command.env_remove("NOTIFY_SOCKET").arg("--config").arg(self.config()).args(args);
        command
    }

    fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    async fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.dir.path().join("log"));
        self.child = Some(self.command(&["run"]).stderr(log.unwrap()).spawn().unwrap());
        self.until("healthy", |bench| bench.get("/healthz").0 == 200).await;
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        child.wait().unwrap().code()
    }

    /// Status and body of a page; status 0 if nobody answers.
    fn get(&self, path: &str) -> (u16, String) {
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

    async fn until(&self, what: &str, check: impl Fn(&Self) -> bool) {
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn clock() -> sitepilot::peers::handle::Clock {
    let clock = Clock::passing();
    Arc::new(move || clock.now())
}

async fn host(backend: &Handle<Backend>, port: u16) -> JoinSet<()> {
    let default = Account { device: "default".to_owned(), password: "secret".to_owned() };
    let listen: SocketAddr = ([127, 0, 0, 1], port).into();
    let hosted = Hosted::bind(listen, backend.clone(), default).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { hosted.run().await.unwrap() });
    tasks
}

async fn charge(bench: &Bench, pile: &Handle<Pile>, orders: usize) {
    bench.until("the pile is ready", |_| pile.with(|pile, _| pile.is_ready())).await;
    assert!(pile.with(|pile, now| pile.start(1, "CARD1", now)));
    let running = |bench: &Bench| bench.json(&["status"])["ledger"]["open"] == 1;
    bench.until("the order runs", running).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    bench.until("it is recorded", |bench| recorded(bench) == orders).await;
}

fn states(bench: &Bench) -> Vec<String> {
    let orders = bench.json(&["orders", "list"]);
    let states = orders.as_array().unwrap().iter().map(|order| order["state"].as_str().unwrap());
    states.map(ToOwned::to_owned).collect()
}

fn recorded(bench: &Bench) -> usize {
    let is_over = |state: &&String| matches!(state.as_str(), "recorded" | "settled");
    states(bench).iter().filter(is_over).count()
}

fn all_settled(bench: &Bench) -> bool {
    states(bench).iter().all(|state| state == "settled")
}

#[tokio::test]
async fn orders_survive_an_outage_and_a_kill_and_the_commands_tell_of_them() {
    let mut bench = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
    let mut doors = Broker::plain("127.0.0.1", bench.doors);
    doors.back_off_ms = (100, 500);
    piles.spawn(mqtt::run(pile.clone(), doors));

    // On line: registered once, settled by the answer to the stop.
    bench.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    charge(&bench, &pile, 1).await;
    bench.until("settled", all_settled).await;

    // An outage; the order is recorded, and the controller dies.
    drop(cloud);
    bench.until("off line", |b| b.json(&["uplinks", "list"])[0]["state"] == "offline").await;
    charge(&bench, &pile, 2).await;
    bench.kill();
    check_stopped(&bench);

    // Everything comes back, and what was owed is delivered.
    let _cloud = host(&backend, bench.cloud).await;
    bench.start().await;
    bench.until("settled", all_settled).await;
    let books = backend.with(|backend, _| backend.books().clone());
    assert_eq!((books.settled(), books.orders().count()), (2, 2));
    assert_eq!((books.altered(), books.doubled()), (vec![], vec![]));
    assert_eq!(backend.with(|backend, _| backend.accounts().len()), 1, "registered once");

    check_running(&bench);
    assert_eq!(bench.terminate(), Some(0), "{}", bench.log());
    assert!(!bench.dir.path().join("control.sock").exists());
    check_stopped(&bench);
}

/// What the commands and pages say of a running controller with two settled orders.
fn check_running(bench: &Bench) {
    let orders = bench.json(&["orders", "list", "--pile", PILE, "--state", "settled"]);
    let id = orders[0]["id"].as_str().unwrap();
    assert_eq!(orders.as_array().unwrap().len(), 2);
    assert!(id.starts_with(PILE) && id.len() == 32);
    assert_eq!(orders[0]["deliveries"][0]["state"], "confirmed");
    assert_eq!(bench.json(&["orders", "show", id])["id"], id);
    assert_eq!(bench.json(&["piles", "list"])[0]["code"], PILE);
    assert_eq!(bench.json(&["orders", "verify"])["bad"], Value::Null);
    for args in [&["status"][..], &["piles", "list"], &["uplinks", "list"], &["orders", "list"]] {
        let output = bench.cli(args);
        assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}");
    }
    let csv = text(&bench.cli(&["orders", "export", "--format", "csv"]).stdout);
    assert_eq!((csv.lines().count(), csv.contains("cloud=confirmed")), (3, true), "{csv}");
    // A settled order cannot be sent again, nor an uplink of the config be retired.
    assert_eq!(bench.cli(&["orders", "retry", id]).status.code(), Some(1));
    assert_eq!(bench.cli(&["uplinks", "retire", "cloud"]).status.code(), Some(1));

    let (status, page) = bench.get("/api/v1/orders?limit=1");
    let first: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, first.as_array().unwrap().len()), (200, 1));
    let next = format!("/api/v1/orders?after={}", first[0]["position"]);
    let second: Value = serde_json::from_str(&bench.get(&next).1).unwrap();
    assert_eq!(second[0]["id"], orders[1]["id"]);
    assert_eq!(bench.get(&format!("/api/v1/orders/{id}")).0, 200);
    assert_eq!(bench.get("/api/v1/orders/nonsense").0, 400);
    assert_eq!(bench.get("/api/v1/orders?colour=red").0, 400);
    assert_eq!(bench.get("/nothing").0, 404);
    assert!(bench.get("/metrics").1.contains("sitepilot_orders{} 2"));
    assert!(bench.get("/").1.contains("Bench"));
}

/// What the commands say of a stopped controller: reading works, and leaves nothing behind.
fn check_stopped(bench: &Bench) {
    let files = || -> Vec<_> {
        let entries = fs::read_dir(bench.dir.path().join("data")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    assert_eq!(bench.json(&["orders", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(bench.json(&["orders", "verify"])["bad"], Value::Null);
    let lines = bench.cli(&["orders", "export", "--format", "jsonl"]).stdout;
    assert_eq!(text(&lines).lines().count(), 2);
    assert_eq!(files(), before);
    for args in [&["status"][..], &["piles", "list"], &["uplinks", "retire", "x"]] {
        assert_eq!(bench.cli(args).status.code(), Some(69), "{args:?}");
    }
}

#[tokio::test]
async fn a_second_controller_on_the_same_data_does_not_start() {
    let mut bench = Bench::new();
    bench.start().await;
    let second = bench.cli(&["run"]);
    assert_eq!(second.status.code(), Some(1), "{}", text(&second.stderr));
    assert_eq!(bench.get("/healthz").0, 200, "the first is not disturbed");
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn orders_of_another_ledger_are_taken_over() {
    let mut bench = Bench::new();
    let mut other = Bench::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(2)), clock());
    let _cloud = host(&backend, other.cloud).await;
    other.start().await;
    // Only a backend knows the card.
    other.until("on line", |b| b.json(&["uplinks", "list"])[0]["state"] == "online").await;
    let mut piles = JoinSet::new();
    let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 9)), clock());
    piles.spawn(mqtt::run(pile.clone(), Broker::plain("127.0.0.1", other.doors)));
    charge(&other, &pile, 1).await;
    assert_eq!(other.terminate(), Some(0));

    bench.start().await;
    let old: &Path = &other.dir.path().join("data/ledger.db");
    let old = old.to_str().unwrap();
    for _ in 0..2 {
        let output = bench.cli(&["orders", "import", old]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(bench.json(&["orders", "list"]).as_array().unwrap().len(), 1);
    }
    assert_eq!(bench.cli(&["orders", "import", "/nonexistent"]).status.code(), Some(1));
    assert_eq!(bench.terminate(), Some(0));
}

#[tokio::test]
async fn a_damaged_ledger_raises_an_alarm_and_what_is_no_ledger_is_named() {
    let mut bench = Bench::new();
    bench.start().await;
    assert_eq!(bench.terminate(), Some(0));
    assert!(!bench.log().contains("ERROR"), "an orderly stop is no fault: {}", bench.log());
    let file = bench.dir.path().join("data/ledger.db");
    fs::write(&file, [0x5a; 8192]).unwrap();
    // The log would put the good pages back.
    let _ = fs::remove_file(file.with_extension("db-wal"));

    bench.start().await;
    bench
        .until("the alarm", |b| b.json(&["status"])["alarms"][0]["name"] == "ledger_damaged")
        .await;
    let alarm = bench.json(&["status"])["alarms"][0]["text"].to_string();
    let aside = bench.dir.path().join("data/ledger.damaged-1.db");
    assert!(alarm.contains(aside.to_str().unwrap()), "{alarm}");
    let output = bench.cli(&["orders", "import", aside.to_str().unwrap()]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with(aside.to_str().unwrap()) && told.contains("not a database"), "{told}");
    assert_eq!(bench.terminate(), Some(0));
}
