//! The controller under a service manager: what it tells it and when, and that it calls itself
//! alive only while every room makes progress.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    time::Duration,
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
#[path = "notify/ear.rs"]
mod ear;
#[path = "notify/stall.rs"]
mod stall;

use bench::{Bench, PILE, begin, clock, host, recorded, text};
use ear::{Ear, status};
use stall::Stalls;

/// Longer than several times the interval in which the controllers below are fed.
const SEVERAL_MEALS: Duration = Duration::from_secs(3);

/// What systemd would ask for: a sign of life in this time.
const WATCHDOG_US: &str = "1500000";

/// A controller that tells somebody.
struct Service {
    bench: Bench,
    ear: Ear,
    stalls: Option<Stalls>,
}

impl Service {
    fn new() -> Self {
        let bench = Bench::new();
        let ear = Ear::new(&bench.dir.path().join("notify"));
        Self { bench, ear, stalls: None }
    }

    /// With places that can be made to hang.
    fn with_stalls() -> Self {
        Self { stalls: Some(Stalls::new()), ..Self::new() }
    }

    fn stalls(&self) -> &Stalls {
        self.stalls.as_ref().unwrap()
    }

    /// Starts it and waits for nothing.
    fn launch(&mut self) {
        let bench = &mut self.bench;
        let log = File::options().create(true).append(true).open(bench.dir.path().join("log"));
        let mut command = bench.command(&["run"]);
        command
            .env("NOTIFY_SOCKET", bench.dir.path().join("notify"))
            .env("WATCHDOG_USEC", WATCHDOG_US)
            .env_remove("WATCHDOG_PID")
            .stderr(log.unwrap());
        if let Some(stalls) = &self.stalls {
            command.envs(stalls.environment(bench.doors));
        }
        bench.child = Some(command.spawn().unwrap());
    }

    /// Starts it; all it says until it is ready.
    async fn start(&mut self) -> Vec<String> {
        self.launch();
        self.ear.until_line("READY=1").await
    }

    /// It stops, and gives its exit status.
    fn end(&mut self) -> Option<i32> {
        self.bench.child.take().unwrap().wait().unwrap().code()
    }

    /// A pile that comes to the doors.
    fn pile(&self, piles: &mut JoinSet<()>) -> Handle<Pile> {
        let pile = Handle::new(Pile::new(PileConfig::new(PILE, "ZD1", "pile secret", 7)), clock());
        let mut doors = Broker::plain("127.0.0.1", self.bench.doors);
        doors.back_off_ms = (100, 500);
        piles.spawn(mqtt::run(pile.clone(), doors));
        pile
    }

    /// It says that these rooms are stuck, and then does not call itself alive.
    async fn is_given_up(&self, room: &str) {
        self.ear.until_status(&["NO PROGRESS", room]).await;
        while let Some(message) = self.ear.within(SEVERAL_MEALS).await {
            assert!(!message.contains("WATCHDOG"), "{message}");
        }
        assert!(self.bench.log().contains("no progress"), "{}", self.bench.log());
    }

    /// It calls itself alive again, and says no more that anything is stuck.
    async fn is_well_again(&self) {
        self.ear.until_line("WATCHDOG=1").await;
        let well = |message: &str| status(message).is_some_and(|told| !told.contains("PROGRESS"));
        self.ear.until("a good status", well).await;
        self.ear.until_line("WATCHDOG=1").await;
    }
}

#[tokio::test]
async fn a_start_says_what_it_does_and_is_ready_when_doors_and_commands_answer() {
    let mut service = Service::new();
    for is_new in [true, false] {
        let heard = service.start().await;
        let (ready, before) = heard.split_last().unwrap();
        assert!(before.iter().all(|message| status(message).is_some()), "{before:?}");
        assert_eq!(before.concat().contains("STATUS=checking the ledger, 1 MB"), !is_new);
        assert!(before.concat().contains("STATUS=restoring the ledger, 0 orders"), "{before:?}");
        let told = status(ready).unwrap();
        assert_eq!(told, "0 of 1 pile connected, 0 charging; cloud offline", "{heard:?}");

        // Nothing is waited for here: at this moment all of them are there.
        let mut pile = TcpStream::connect(("127.0.0.1", service.bench.doors)).unwrap();
        pile.write_all(b"\x10\x0e\0\x04MQTT\x04\x02\0\x0a\0\x02ZD").unwrap();
        let mut answer = [0; 4];
        pile.read_exact(&mut answer).unwrap();
        assert_eq!(answer[0], 0x20, "an answer to a login");
        assert_eq!(service.bench.json(&["status"])["uplinks"][0]["state"], "offline");
        assert_eq!(service.bench.get("/healthz").0, 200);

        // Fed though the uplink is away and nothing happens.
        for _ in 0..3 {
            service.ear.until_line("WATCHDOG=1").await;
        }
        service.bench.signal("-TERM");
        let heard = service.ear.until_status(&["stopped"]).await;
        assert_eq!(heard, "stopped");
        assert_eq!(service.end(), Some(0), "{}", service.bench.log());
    }
}

#[tokio::test]
async fn a_stop_is_told_phase_by_phase() {
    let mut service = Service::new();
    service.start().await;
    service.bench.signal("-INT");
    let heard = service.ear.until_line("STOPPING=1").await;
    assert_eq!(status(heard.last().unwrap()), Some("stopping"));
    let phases = service.ear.until("the end", |message| status(message) == Some("stopped")).await;
    let phases: Vec<_> = phases.iter().filter_map(|message| status(message)).collect();
    let wanted = [
        "stopping: closing the doors",
        "stopping: delivering what is under way",
        "stopping: leaving uplinks and meters",
        "stopping: closing the ledger",
        "stopped",
    ];
    assert_eq!(phases, wanted);
    assert_eq!(service.end(), Some(0), "{}", service.bench.log());
}

#[tokio::test]
async fn a_reload_ends_ready_whether_or_not_the_new_config_is_taken() {
    let mut service = Service::new();
    service.start().await;
    let good = fs::read_to_string(service.bench.config()).unwrap();
    for (config, note) in [
        (good.as_str(), None),
        ("[site]\n", Some("the config has faults (sitepilot check), the old one goes on")),
        (good.as_str(), None),
    ] {
        fs::write(service.bench.config(), config).unwrap();
        service.bench.signal("-HUP");
        let heard = service.ear.until_line("RELOADING=1").await;
        let reload: Vec<_> = heard.last().unwrap().lines().collect();
        let at: u64 = reload[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(at > 0, "{reload:?}");
        let heard = service.ear.until_line("READY=1").await;
        let told = status(heard.last().unwrap()).unwrap();
        let wanted = "0 of 1 pile connected, 0 charging; cloud offline".to_owned();
        let wanted = note.map_or(wanted.clone(), |note| format!("{wanted}; {note}"));
        assert_eq!(told, wanted);
    }
    service.ear.until_line("WATCHDOG=1").await;
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let mut service = Service::new();
    fs::write(service.bench.config(), "[site]\n").unwrap();
    service.launch();
    service.ear.until_status(&["the config has faults: ", "site.toml", " more"]).await;
    assert_eq!(service.end(), Some(78));

    let mut service = Service::new();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", service.bench.doors)).unwrap();
    service.launch();
    service.ear.until_status(&["stopped: ", "already in use"]).await;
    assert_eq!(service.end(), Some(1));
}

#[tokio::test]
async fn the_status_follows_piles_orders_and_the_uplink() {
    let mut service = Service::new();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let cloud = host(&backend, service.bench.cloud).await;
    service.start().await;
    let mut piles = JoinSet::new();
    let pile = service.pile(&mut piles);
    service.ear.until_status(&["1 of 1 pile connected, 0 charging; cloud online"]).await;
    begin(&service.bench, &pile, 1, "CARD1").await;
    service.ear.until_status(&["1 of 1 pile connected, 1 charging; cloud online"]).await;
    drop(cloud);
    service.ear.until_status(&["1 charging; cloud offline"]).await;
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    service.ear.until_status(&["0 charging; cloud offline, 1 order to deliver"]).await;
    // An outage is no reason to be restarted.
    service.ear.until_line("WATCHDOG=1").await;
    let _cloud = host(&backend, service.bench.cloud).await;
    let settled =
        |message: &str| status(message).is_some_and(|told| told.ends_with("cloud online"));
    service.ear.until("the order is delivered", settled).await;
    piles.shutdown().await;
    service.ear.until_status(&["0 of 1 pile connected"]).await;
    service.ear.until_line("WATCHDOG=1").await;
}

#[tokio::test]
async fn a_manager_that_does_not_read_does_not_stop_the_site() {
    let mut service = Service::new();
    service.start().await;
    // Much more than the socket holds is said in this time.
    tokio::time::sleep(4 * SEVERAL_MEALS).await;
    assert_eq!(service.bench.get("/healthz").0, 200);
    assert!(service.bench.cli(&["status"]).status.success());
    service.bench.signal("-TERM");
    assert_eq!(service.end(), Some(0), "{}", service.bench.log());
}

#[tokio::test]
async fn a_heart_that_does_not_turn_is_not_called_alive() {
    let mut service = Service::with_stalls();
    service.start().await;
    service.ear.until_line("WATCHDOG=1").await;
    service.stalls().begin("heart");
    service.stalls().until_hanging("heart").await;
    service.is_given_up("heart").await;
    assert_eq!(service.bench.get("/healthz").0, 503);
    service.stalls().end("heart");
    service.is_well_again().await;
    assert_eq!(service.bench.get("/healthz").0, 200);
}

#[tokio::test]
async fn a_commit_that_does_not_end_is_not_called_alive_and_its_order_is_not_lost() {
    let mut service = Service::with_stalls();
    let backend = Handle::new(Backend::new(BackendConfig::new(1)), clock());
    let _cloud = host(&backend, service.bench.cloud).await;
    service.start().await;
    let mut piles = JoinSet::new();
    let pile = service.pile(&mut piles);
    service.ear.until_status(&["1 of 1 pile connected, 0 charging; cloud online"]).await;
    begin(&service.bench, &pile, 1, "CARD1").await;
    service.stalls().begin("commit");
    assert!(pile.with(|pile, now| pile.stop(1, now)));
    service.stalls().until_hanging("commit").await;
    service.is_given_up("ledger").await;
    service.stalls().end("commit");
    service.is_well_again().await;
    service.bench.until("it is recorded", |bench| recorded(bench) == 1).await;
}

#[tokio::test]
async fn doors_that_let_nobody_in_are_not_called_alive() {
    let mut service = Service::with_stalls();
    service.start().await;
    service.ear.until_line("WATCHDOG=1").await;
    service.stalls().begin("doors");
    service.is_given_up("doors").await;
    let (code, page) = service.bench.get("/healthz");
    assert!(code == 503 && page.contains("doors"), "{code} {page}");
    service.stalls().end("doors");
    service.is_well_again().await;
}

#[tokio::test]
async fn a_runtime_that_hangs_is_not_called_alive() {
    let mut service = Service::with_stalls();
    service.start().await;
    service.ear.until_line("WATCHDOG=1").await;
    service.stalls().begin("runtime");
    service.stalls().until_hanging("runtime").await;
    // What was said before it hung.
    while service.ear.within(Duration::from_millis(1)).await.is_some() {}
    assert_eq!(service.ear.within(SEVERAL_MEALS).await, None);
    service.stalls().end("runtime");
    service.ear.until_line("WATCHDOG=1").await;
}

#[tokio::test]
async fn a_start_that_hangs_gets_no_more_time_and_one_that_gets_on_does() {
    let mut service = Service::with_stalls();
    service.stalls().begin("start");
    service.launch();
    service.stalls().until_hanging("start").await;
    while service.ear.within(Duration::from_millis(1)).await.is_some() {}
    // One look may still find what was done before. The time is that of several looks.
    let mut looks = 0;
    while let Some(message) = service.ear.within(2 * SEVERAL_MEALS).await {
        looks += 1;
        assert!(message.contains("EXTEND") && looks == 1, "{message}");
    }
    service.stalls().end("start");
    let heard = service.ear.until_line("READY=1").await;
    assert!(!heard.concat().contains("WATCHDOG"), "{heard:?}");
    service.bench.signal("-TERM");
    assert_eq!(service.end(), Some(0));

    service.stalls().begin("slow");
    let heard = service.start().await;
    let (ready, before) = heard.split_last().unwrap();
    let more = before.iter().filter(|message| *message == "EXTEND_TIMEOUT_USEC=30000000");
    assert!(more.count() > 0, "{before:?}");
    assert!(!ready.contains("EXTEND"));
    service.stalls().end("slow");
}

#[test]
fn a_secret_is_read_from_a_credential() {
    let bench = Bench::new();
    bench.replace(
        "password_file = \"DIR/cloud\"".replace("DIR", bench.dir.path().to_str().unwrap()).as_str(),
        "password_credential = \"cloud.password\"",
    );
    let without = bench.command(&["check"]).env_remove("CREDENTIALS_DIRECTORY").output().unwrap();
    assert_eq!(without.status.code(), Some(78));
    let told = text(&without.stderr);
    assert!(told.contains("names a credential, but there are none: cloud.password"), "{told}");
    assert!(told.contains("LoadCredential="), "{told}");

    let credentials = bench.dir.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    let check =
        || bench.command(&["check"]).env("CREDENTIALS_DIRECTORY", &credentials).output().unwrap();
    let missing = check();
    assert_eq!(missing.status.code(), Some(78), "{}", text(&missing.stderr));
    fs::write(credentials.join("cloud.password"), "secret").unwrap();
    // As systemd makes them, whatever its version.
    for mode in [0o400, 0o440] {
        let file = credentials.join("cloud.password");
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let good = check();
        assert!(good.status.success(), "{}", text(&good.stderr));
    }
}
