//! Findings from facts: a healthy site has none, and each trouble is told.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::{
    facts::{
        Answer, Config, Controller, Disk, Entry, Facts, Files, Flash, Holds, Listener, Machine,
        Orders, Port, Run, Time, Unit, Unknown,
    },
    findings::{Finding, Severity, findings},
};
use crate::service::config::Fault;

const SERVICE: u32 = 990;

fn entry(path: &str, uid: u32, mode: u32) -> Entry {
    let owner = if uid == SERVICE { "sitepilot:sitepilot" } else { "root:sitepilot" };
    Entry {
        path: path.into(),
        is_dir: !path.contains('.'),
        is_needed: true,
        uid,
        gid: SERVICE,
        owner: owner.to_owned(),
        mode,
        ..Entry::default()
    }
}

fn disk(holds: Holds, mount: &str) -> Disk {
    Disk {
        holds,
        path: mount.into(),
        mount: mount.into(),
        kind: "ext4".to_owned(),
        source: "/dev/mmcblk0p2".to_owned(),
        total_mb: 29_000,
        free_mb: 20_000,
        free_files_percent: Some(90),
        ..Disk::default()
    }
}

fn unit() -> Unit {
    Unit {
        load: "loaded".to_owned(),
        active: "active".to_owned(),
        sub: "running".to_owned(),
        result: "success".to_owned(),
        enabled: "enabled".to_owned(),
        user: "sitepilot".to_owned(),
        up_s: Some(86_400),
        ..Unit::default()
    }
}

fn answer() -> Answer {
    let status = json!({
        "version": "1.2.3",
        "alarms": [],
        "uplinks": [{ "name": "cloud", "state": "online", "backlog": 0, "oldest_unsent_s": null }],
        "piles": [{ "code": "3101150012000001", "state": "booted" }],
    });
    Answer { status, stuck: Vec::new() }
}

fn port(path: &str) -> Port {
    Port {
        path: path.into(),
        is_wanted: true,
        device: Some(path.into()),
        owner: "root:dialout".to_owned(),
        mode: 0o660,
        is_allowed: Some(true),
        ..Port::default()
    }
}

/// A site that is well.
fn healthy() -> Facts {
    Facts {
        run: Run {
            version: "1.2.3".to_owned(),
            config: "/etc/sitepilot/site.toml".into(),
            is_root: true,
        },
        config: Ok(Config { is_there: true, min_free_mb: 64, ..Config::default() }),
        unit: Ok(unit()),
        package: Ok(Some("1.2.3-1".to_owned())),
        controller: Ok(Controller::Answers(Box::new(answer()))),
        orders: Ok(Orders { orders: 12, open: 1, ..Orders::default() }),
        time: Ok(Time {
            unix_s: 1_790_000_000,
            is_synced: true,
            has_rtc: true,
            last_good_s: Some(1_789_999_900),
        }),
        disks: Ok(vec![
            disk(Holds::Data, "/"),
            disk(Holds::Config, "/"),
            disk(Holds::Logs, "/log"),
        ]),
        flash: Ok(vec![Flash { name: "mmcblk0".to_owned(), used_tenths: 2, spare: 1 }]),
        files: Ok(Files {
            config: vec![
                entry("/etc/sitepilot", 0, 0o750),
                entry("/etc/sitepilot/site.toml", 0, 0o640),
            ],
            data_dir: "/var/lib/sitepilot".into(),
            data: vec![
                entry("/var/lib/sitepilot", SERVICE, 0o750),
                entry("/var/lib/sitepilot/ledger.db", SERVICE, 0o640),
            ],
            service_uid: Some(SERVICE),
            service_gids: vec![SERVICE],
        }),
        ports: Ok(vec![port("/dev/ttyUSB0")]),
        listeners: Ok(Vec::new()),
        machine: Ok(Machine {
            total_mb: 1000,
            available_mb: 700,
            throttled: Some(0),
            celsius: Some(55),
            ..Machine::default()
        }),
    }
}

/// What is found when something is not well.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = healthy();
    change(&mut facts);
    findings(&facts)
}

/// Exactly one thing is found, of this severity, in these words.
fn only(severity: Severity, words: &str, change: impl FnOnce(&mut Facts)) {
    let found = found(change);
    let is_it = |finding: &Finding| finding.severity == severity && finding.text.contains(words);
    assert!(found.len() == 1 && is_it(&found[0]), "wanted {severity:?} {words:?}, got {found:#?}");
    assert!(!found[0].hint.is_empty(), "{found:#?}");
}

use Severity::{Note, Severe, Wrong};

#[test]
fn a_healthy_site_has_no_findings() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn what_is_not_known_is_no_trouble() {
    let unknown = || Unknown("nobody says".to_owned());
    let found = found(|facts| {
        facts.config = Err(unknown());
        facts.unit = Err(unknown());
        facts.package = Err(unknown());
        facts.orders = Err(unknown());
        facts.time = Err(unknown());
        facts.disks = Err(unknown());
        facts.flash = Err(unknown());
        facts.files = Err(unknown());
        facts.ports = Err(unknown());
        facts.listeners = Err(unknown());
        facts.machine = Err(unknown());
    });
    assert_eq!(found, []);
    only(Note, "is not known: nobody says", |facts| facts.controller = Err(unknown()));
}

fn stopped(facts: &mut Facts, active: &str, sub: &str, result: &str, status: &str) {
    facts.controller = Ok(Controller::Absent);
    let unit = facts.unit.as_mut().unwrap();
    (unit.active, unit.sub) = (active.to_owned(), sub.to_owned());
    (unit.result, unit.status) = (result.to_owned(), status.to_owned());
}

#[test]
fn a_service_that_does_not_run_is_told_with_the_reason() {
    for (state, words) in [
        (["failed", "failed", "exit-code", "78"], "has failed after 7 restarts: wrong config"),
        (
            ["failed", "failed", "exit-code", "1"],
            "has failed after 7 restarts: it ended with status 1",
        ),
        (
            ["activating", "auto-restart", "watchdog", "6"],
            "again and again after 7 restarts: it made no",
        ),
        (
            ["activating", "auto-restart", "oom-kill", "9"],
            "the kernel has killed it for want of memory",
        ),
        (["activating", "auto-restart", "signal", "11"], "signal 11"),
        (["inactive", "dead", "success", "0"], "the service is stopped"),
        (["active", "running", "success", "0"], "nobody answers at its control socket"),
    ] {
        only(Severe, words, |facts| {
            stopped(facts, state[0], state[1], state[2], state[3]);
            facts.unit.as_mut().unwrap().restarts = 7;
        });
    }
    only(Severe, "has ended, and starts again: signal 9", |facts| {
        stopped(facts, "activating", "auto-restart", "signal", "9");
    });
    only(Wrong, "is starting", |facts| stopped(facts, "activating", "start", "success", "0"));
    only(Severe, "a condition of its unit is not met", |facts| {
        stopped(facts, "inactive", "dead", "success", "0");
        facts.unit.as_mut().unwrap().is_held_back = true;
    });
    only(Severe, "masked", |facts| {
        stopped(facts, "inactive", "dead", "success", "0");
        facts.unit.as_mut().unwrap().load = "masked".to_owned();
    });
    only(Severe, "the controller does not run", |facts| {
        stopped(facts, "inactive", "dead", "success", "0");
        facts.unit.as_mut().unwrap().load = "not-found".to_owned();
    });
    // The unit is about another config.
    only(Severe, "the controller does not run", |facts| {
        stopped(facts, "failed", "failed", "exit-code", "78");
        facts.run.config = "/srv/other.toml".into();
    });
}

#[test]
fn a_service_that_runs_but_not_well_is_told() {
    let unit =
        |change: fn(&mut Unit)| move |facts: &mut Facts| change(facts.unit.as_mut().unwrap());
    only(Severe, "again and again: 5 restarts", unit(|u| (u.restarts, u.up_s) = (5, Some(20))));
    only(Note, "times: 2, the last 1 d ago", unit(|u| u.restarts = 2));
    only(Wrong, "will not start with the machine", unit(|u| u.enabled = "disabled".to_owned()));
    only(Wrong, "for want of memory: 3", unit(|u| u.oom_kills = 3));
    only(Wrong, "was replaced while it runs", unit(|u| u.is_replaced = true));
    only(Note, "has changed on disk", unit(|u| u.needs_reload = true));
    only(Severe, "does not answer: no answer within 5 s", |facts| {
        facts.controller = Ok(Controller::Silent("no answer within 5 s".to_owned()));
    });
    only(Severe, "is stuck: heart, doors", |facts| {
        let stuck = ["heart", "doors"].map(ToOwned::to_owned).into();
        let answer = Answer { stuck, ..answer() };
        facts.controller = Ok(Controller::Answers(Box::new(answer)));
    });
    only(Wrong, "another version: 1.2.2, installed is 1.2.3", |facts| {
        let mut answer = answer();
        answer.status["version"] = "1.2.2".into();
        facts.controller = Ok(Controller::Answers(Box::new(answer)));
    });
    only(Note, "the package is 1.2.4-1", |facts| facts.package = Ok(Some("1.2.4-1".to_owned())));
}

#[test]
fn faults_of_the_config_are_told() {
    let fault = |text: &str| Fault {
        file: "/etc/sitepilot/site.toml".into(),
        line: Some(7),
        key: "site.code".to_owned(),
        text: text.to_owned(),
        hint: Some("a hint".to_owned()),
    };
    let config = |change: &dyn Fn(&mut Config)| {
        let mut config = Config { is_there: true, ..Config::default() };
        change(&mut config);
        Ok(config)
    };
    only(Severe, "site.toml:7: site.code: is missing", |facts| {
        facts.config = config(&|config| config.faults = vec![fault("is missing")]);
    });
    only(Wrong, "expires in 5 days", |facts| {
        facts.config = config(&|config| config.warnings = vec![fault("expires in 5 days")]);
    });
    assert_eq!(
        found(|facts| {
            let at_port = Fault { key: "bus[1].serial.port".to_owned(), ..fault("is not there") };
            facts.config = config(&|config| config.warnings = vec![at_port.clone()]);
        }),
        [],
        "what was found of the port is told"
    );
    only(Note, "may not read all of it", |facts| {
        facts.config = config(&|config| config.unjudged = 2);
    });
    only(Note, "2 secret(s) of systemd", |facts| {
        facts.config = config(&|config| config.credentials = 2);
    });
    only(Severe, "there is no config", |facts| facts.config = config(&|c| c.is_there = false));
}

#[test]
fn a_clock_nobody_can_believe_is_told() {
    let time =
        |change: fn(&mut Time)| move |facts: &mut Facts| change(facts.time.as_mut().unwrap());
    only(Severe, "the clock is not set", time(|t| (t.unix_s, t.last_good_s) = (3600, None)));
    only(Severe, "has shown before: 2 d", time(|t| t.unix_s -= 3 * 86_400));
    only(Wrong, "not kept by NTP", time(|t| t.is_synced = false));
    only(Note, "no clock of its own", time(|t| t.has_rtc = false));
}

#[test]
fn disks_that_are_full_unfit_or_worn_are_told() {
    let data = |change: fn(&mut Disk)| {
        move |facts: &mut Facts| change(&mut facts.disks.as_mut().unwrap()[0])
    };
    only(Severe, "gone with the power: / is on tmpfs", data(|d| d.kind = "tmpfs".to_owned()));
    only(Wrong, "not made for it: / is on vfat", data(|d| d.kind = "vfat".to_owned()));
    only(Wrong, "is on an overlay", data(|d| d.kind = "overlay".to_owned()));
    only(Severe, "is read-only: /", data(|d| d.is_read_only = true));
    only(Severe, "is full, new charging is refused: /: 63 MB", data(|d| d.free_mb = 63));
    only(Wrong, "nearly full: /: 200 MB of 29000", data(|d| d.free_mb = 200));
    only(Wrong, "hardly any more files", data(|d| d.free_files_percent = Some(1)));
    only(Wrong, "noted errors: 4", data(|d| d.errors = 4));
    only(Wrong, "nearly full: /log: 3 MB", |facts| facts.disks.as_mut().unwrap()[2].free_mb = 3);
    let worn = |used_tenths, spare| {
        move |facts: &mut Facts| {
            facts.flash = Ok(vec![Flash { name: "mmcblk1".to_owned(), used_tenths, spare }]);
        }
    };
    only(Wrong, "mmcblk1 comes to its end: 90 %", worn(10, 1));
    only(Wrong, "mmcblk1 comes to its end", worn(1, 2));
    only(Severe, "mmcblk1 is worn out", worn(11, 1));
    only(Severe, "mmcblk1 is worn out", worn(3, 3));
}

#[test]
fn owners_and_modes_that_keep_the_service_out_are_told() {
    let files =
        |change: fn(&mut Files)| move |facts: &mut Facts| change(facts.files.as_mut().unwrap());
    only(Severe, "belongs to another user: /var/lib/sitepilot", files(|f| f.data[0].uid = 0));
    only(Severe, "cannot write them: /var/lib/sitepilot/ledger.db", files(|f| f.data[1].uid = 0));
    only(
        Wrong,
        "by everybody: /var/lib/sitepilot/ledger.db",
        files(|f| {
            (f.data[0].mode, f.data[1].mode) = (0o755, 0o644);
        }),
    );
    only(Wrong, "may not read: /etc/sitepilot/site.toml", files(|f| f.config[1].mode = 0o600));
    only(Wrong, "may not read: /etc/sitepilot and 1 more", files(|f| f.service_gids.clear()));
    only(
        Note,
        "was set aside: /var/lib/sitepilot/ledger.damaged-1.db",
        files(|f| {
            f.data.push(entry("/var/lib/sitepilot/ledger.damaged-1.db", SERVICE, 0o640));
        }),
    );
    only(Note, "no data directory yet", files(|f| f.data.clear()));
    // Nobody who cannot get into the directory reads what is in it.
    assert_eq!(found(files(|f| f.data[1].mode = 0o644)), []);
    assert_eq!(found(files(|f| (f.config[1].mode, f.config[1].is_needed) = (0o600, false))), []);
}

#[test]
fn ports_that_cannot_be_used_are_told() {
    let of_port = |change: fn(&mut Port)| {
        move |facts: &mut Facts| change(&mut facts.ports.as_mut().unwrap()[0])
    };
    only(Wrong, "is not there: /dev/ttyUSB0", of_port(|p| p.device = None));
    only(Wrong, "may not use /dev/ttyUSB0", of_port(|p| p.is_allowed = Some(false)));
    only(
        Wrong,
        "another program uses /dev/ttyUSB0: ModemManager (7)",
        of_port(|p| {
            p.holders.push("ModemManager (7)".to_owned());
        }),
    );
    only(Wrong, "the kernel writes its messages to", of_port(|p| p.is_console = true));
    assert_eq!(found(of_port(|p| (p.is_wanted, p.is_console) = (false, true))), []);
    let taken = |facts: &mut Facts| {
        let key = "broker.listen".to_owned();
        let who = Some("mosquitto (812)".to_owned());
        facts.listeners = Ok(vec![Listener { key, port: 1883, who }]);
    };
    assert_eq!(found(taken), [], "the controller that runs listens there itself");
    let both = found(|facts| {
        taken(facts);
        stopped(facts, "failed", "failed", "exit-code", "1");
    });
    let words = "port 1883 (broker.listen) is taken: mosquitto (812) listens there";
    assert!(both.iter().any(|finding| finding.severity == Severe && finding.text == words));
}

#[test]
fn what_the_controller_tells_of_the_site_is_told() {
    let status = |change: fn(&mut serde_json::Value)| {
        move |facts: &mut Facts| {
            let mut answer = answer();
            change(&mut answer.status);
            facts.controller = Ok(Controller::Answers(Box::new(answer)));
        }
    };
    only(
        Severe,
        "alarm storage_full since -: no room",
        status(|s| {
            s["alarms"] = json!([{ "name": "storage_full", "text": "no room", "since": null }]);
        }),
    );
    only(
        Wrong,
        "alarm meter_silent since 2026",
        status(|s| {
            s["alarms"] = json!([{ "name": "meter_silent", "text": "main", "since": "2026" }]);
        }),
    );
    only(
        Wrong,
        "cloud is offline since 2026: refused; it is owed 3 orders",
        status(|s| {
            s["uplinks"] = json!([{
                "name": "cloud", "state": "offline", "since": "2026", "reason": "refused", "backlog": 3,
            }]);
        }),
    );
    only(
        Wrong,
        "cloud is owed 3 orders, the oldest for 2 d",
        status(|s| {
            s["uplinks"][0]["backlog"] = 3.into();
            s["uplinks"][0]["oldest_unsent_s"] = 200_000.into();
        }),
    );
    only(
        Note,
        "1 of 1 piles are not connected: 3101150012000001",
        status(|s| {
            s["piles"][0]["state"] = "gone".into();
        }),
    );
    let stopped = found(|facts| {
        stopped(facts, "inactive", "dead", "success", "0");
        facts.orders.as_mut().unwrap().unsettled = 5;
    });
    assert_eq!(stopped.len(), 2);
    assert!(stopped[1].text.starts_with("5 orders are not settled"), "{stopped:?}");
}

#[test]
fn a_board_that_is_not_well_is_told() {
    let machine =
        |change: fn(&mut Machine)| move |facts: &mut Facts| change(facts.machine.as_mut().unwrap());
    only(Severe, "too little voltage now", machine(|m| m.throttled = Some(0x1_0001)));
    only(Wrong, "has had too little voltage", machine(|m| m.throttled = Some(0x1_0000)));
    only(Wrong, "is slowed down", machine(|m| m.throttled = Some(0x4)));
    only(Note, "was slowed down", machine(|m| m.throttled = Some(0x8_0000)));
    only(Wrong, "memory is low: 20 MB of 1000", machine(|m| m.available_mb = 20));
    only(Note, "killed programs for want of memory: 2", machine(|m| m.oom_kills = 2));
    only(Wrong, "is hot: 85", machine(|m| m.celsius = Some(85)));
}

#[test]
fn the_worst_is_told_first_and_no_topic_fills_the_page() {
    let found = found(|facts| {
        facts.time.as_mut().unwrap().has_rtc = false;
        facts.machine.as_mut().unwrap().available_mb = 1;
        facts.disks.as_mut().unwrap()[0].is_read_only = true;
        let mut answer = answer();
        let alarms: Vec<_> =
            (0..500).map(|n| json!({ "name": "order_disputed", "text": n.to_string() })).collect();
        answer.status["alarms"] = alarms.into();
        facts.controller = Ok(Controller::Answers(Box::new(answer)));
    });
    assert!(found.is_sorted_by_key(|finding| finding.severity));
    assert_eq!((found[0].severity, found.len()), (Severe, 24));
    assert!(found.iter().any(|finding| finding.text == "480 more of this kind"));
}
