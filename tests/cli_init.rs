//! `init` from outside: by flags, by answers at a terminal, and given up in the middle.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sitepilot");

/// A directory to write a config in, and secrets of a cloud beside it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path("given.code"), "CODE-1\n").unwrap();
        fs::write(desk.path("given.password"), "password 1\n").unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `init` into the directory `etc`, with these flags and nobody to ask, by a careful caller.
    fn init(&self, flags: &[&str]) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh", PROGRAM]);
        command.args(["init", "--config"]).arg(self.path("etc/site.toml")).args(flags);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The same with all that has to be given.
    fn whole(&self, code: &str, flags: &[&str]) -> Output {
        let [secret, password] = ["given.code", "given.password"].map(|name| self.path(name));
        let needed = ["--code", code, "--timezone", "Asia/Shanghai", "--cloud-url", "mqtt://h"];
        let secrets = ["--cloud-code-file", secret.to_str().unwrap()];
        let password = ["--cloud-password-file", password.to_str().unwrap()];
        self.init(&[&needed[..], &secrets, &password, flags].concat())
    }

    fn names(&self, dir: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(dir)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const WRITTEN: [&str; 5] =
    ["cloud.code", "cloud.password", "registration.code", "registration.password", "site.toml"];

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn flags_alone_make_a_config_that_check_takes_and_that_only_its_readers_read() {
    let desk = Desk::new();
    let data = desk.path("data");
    let flags = ["--pile", "ZD1", "--pile", "ZD2", "--data-dir", data.to_str().unwrap(), "--json"];
    let done = desk.whole("3101150012", &flags);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(desk.names("etc"), WRITTEN);
    assert_eq!(told["piles"][1]["serial"], "ZD2");
    assert_eq!(told["piles"][1]["connectors"], serde_json::json!([3, 4]));
    assert_eq!(told["registration"]["port"], 1883);
    for (key, file) in [("password", "registration.password"), ("code", "registration.code")] {
        assert_eq!(told["registration"][key], desk.text(&format!("etc/{file}")).trim_end());
    }
    assert_eq!(desk.text("etc/cloud.password"), "password 1\n");
    for name in WRITTEN {
        let mode = fs::metadata(desk.path("etc").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{name} {mode:o}");
    }
    let mode = fs::metadata(desk.path("etc")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    let mut check = Command::new(PROGRAM);
    let check = check.args(["check", "--config"]).arg(desk.path("etc/site.toml")).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", self::told(&check));
}

#[test]
fn without_anybody_to_ask_whatever_is_missing_is_named() {
    let desk = Desk::new();
    let done = desk.init(&["--code", "42"]);
    assert_eq!(done.status.code(), Some(64));
    let told = told(&done);
    for flag in ["--timezone", "--cloud-url", "--cloud-code-file", "--cloud-password-file"] {
        assert!(told.contains(flag), "{told}");
    }
    assert!(!told.contains("--code ") && !told.contains("--pile"), "{told}");
    assert_eq!(desk.names("etc"), [""; 0]);
}

#[test]
fn what_the_config_would_not_take_is_refused_with_its_flag() {
    let desk = Desk::new();
    for (flags, wanted) in [
        (&["--pile", "a/b"][..], "--pile: cannot stand in a topic"),
        (&["--pile", "A", "--pile", "A"], "--pile: is used by pile[1] too: A"),
        (&["--port", "ttyUSB0"], "--port: is not the path of a serial port: ttyUSB0"),
        (&["--vendor", "A/S"], "--vendor: has characters that are not allowed"),
        (&["--connectors", "17"], "17 is not in 1..=16"),
    ] {
        let done = desk.whole("42", flags);
        assert_eq!(done.status.code(), Some(64), "{flags:?}: {}", told(&done));
        assert!(told(&done).contains(wanted), "{flags:?}: {}", told(&done));
    }
    let done = desk.whole("no code", &[]);
    assert!(told(&done).starts_with("--code: is not a station code: no code\nhint: "));
    fs::remove_file(desk.path("given.code")).unwrap();
    let done = desk.whole("42", &[]);
    assert_eq!(done.status.code(), Some(1));
    assert!(told(&done).contains("given.code: No such file"), "{}", told(&done));
    assert_eq!(desk.names("etc"), [""; 0]);
}

#[test]
fn a_config_is_only_replaced_by_force_and_the_account_of_the_piles_outlives_it() {
    let desk = Desk::new();
    assert_eq!(desk.whole("1", &["--pile", "ZD1"]).status.code(), Some(0));
    let before = desk.text("etc/site.toml");
    let password = desk.text("etc/registration.password");

    let again = desk.whole("2", &[]);
    assert_eq!(again.status.code(), Some(1));
    let there = "there is a config already";
    assert!(told(&again).contains(there) && told(&again).contains("station 1, 1 pile(s)"));
    assert_eq!(desk.text("etc/site.toml"), before);

    fs::write(desk.path("given.password"), "password 2\n").unwrap();
    for (code, old) in [("2", "site.toml.old"), ("3", "site.toml.old.2")] {
        let forced = desk.whole(code, &["--force"]);
        assert_eq!(forced.status.code(), Some(0), "{}", told(&forced));
        assert!(String::from_utf8(forced.stdout).unwrap().contains(old));
    }
    assert_eq!(desk.text("etc/site.toml.old"), before);
    assert!(desk.text("etc/site.toml.old.2").contains("code = \"2\""));
    assert_eq!(desk.text("etc/registration.password"), password);
    assert_eq!(desk.text("etc/cloud.password"), "password 2\n");
    assert_eq!(desk.text("etc/cloud.password.old"), "password 1\n");
}

#[test]
fn secrets_that_lie_there_are_used_and_not_replaced() {
    let desk = Desk::new();
    fs::create_dir(desk.path("etc")).unwrap();
    fs::write(desk.path("etc/cloud.code"), "BY-HAND\n").unwrap();
    fs::write(desk.path("etc/cloud.password"), "by hand\n").unwrap();
    let flags = ["--code", "42", "--timezone", "UTC", "--cloud-url", "mqtt://h"];
    // Everybody could read them.
    let done = desk.init(&flags);
    assert_eq!(done.status.code(), Some(78), "{}", told(&done));
    assert!(told(&done).contains("nothing was written") && told(&done).contains("chmod 0640"));
    assert_eq!(desk.names("etc"), ["cloud.code", "cloud.password"]);
    for name in ["etc/cloud.code", "etc/cloud.password"] {
        fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Another one is not written over them.
    let done = desk.whole("42", &[]);
    assert_eq!(done.status.code(), Some(1));
    assert!(told(&done).contains("cloud.code: File exists"), "{}", told(&done));
    assert_eq!(desk.names("etc"), ["cloud.code", "cloud.password"]);
    let done = desk.init(&flags);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    assert_eq!((desk.text("etc/cloud.code"), desk.names("etc").len()), ("BY-HAND\n".to_owned(), 5));
    let said = String::from_utf8(done.stdout).unwrap();
    for kept in ["etc/cloud.code", "etc/cloud.password"] {
        let line = format!("kept as it was: {}\n", desk.path(kept).display());
        assert!(said.contains(&line), "{said}");
    }
}

/// A terminal with `init` at it.
struct Terminal {
    screen: File,
    child: Child,
    /// All that was shown.
    shown: String,
    read: usize,
}

impl Terminal {
    fn start(config: &Path) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = PathBuf::from(ptsname(&screen, Vec::new()).unwrap().into_string().unwrap());
        let keyboard = File::options().read(true).write(true).open(name).unwrap();
        let copy = || Stdio::from(keyboard.try_clone().unwrap());
        // A session of its own, whose terminal this is: Ctrl-C goes to it.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", PROGRAM, "init", "--config"]).arg(config);
        let child = command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().unwrap();
        Self { screen: screen.into(), child, shown: String::new(), read: 0 }
    }

    /// Waits for a text after the last one; `false`: the program has ended before.
    fn until(&mut self, text: &str) -> bool {
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return true;
            }
            let mut bytes = [0; 4096];
            match self.screen.read(&mut bytes) {
                Ok(count) if count > 0 => {
                    self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
                }
                // The terminal's last user is gone.
                _ => return false,
            }
        }
    }

    #[track_caller]
    fn answer(&mut self, question: &str, keys: &str) {
        assert!(self.until(question), "no {question:?} in:\n{}", self.shown);
        self.screen.write_all(keys.as_bytes()).unwrap();
    }

    fn ends(&mut self) -> Option<i32> {
        let _ = self.until("\0");
        self.child.wait().unwrap().code()
    }
}

#[test]
fn answers_at_a_terminal_make_a_config_and_secrets_are_not_shown() {
    let desk = Desk::new();
    let mut terminal = Terminal::start(&desk.path("etc/site.toml"));
    for (question, keys) in [
        ("Station code", "3101 150012\n"),
        ("is not a station code", ""),
        ("Station code", "3101150012\n"),
        ("Time zone", "Asia/Shanghai\n"),
        ("Address of the cloud", "mqtt://mqtt.example.com\n"),
        ("Registration code of the cloud", "hidden code\n"),
        ("Password of the cloud's account \"default\"", "hidden password\n"),
        ("Serial number of pile 1", "ZD1\n"),
        ("Serial number of pile 2", "\n"),
        ("registration code", ""),
    ] {
        terminal.answer(question, keys);
    }
    assert_eq!(terminal.ends(), Some(0), "{}", terminal.shown);
    assert!(!terminal.shown.contains("hidden"), "{}", terminal.shown);
    assert_eq!(desk.names("etc"), WRITTEN);
    assert_eq!(desk.text("etc/cloud.code"), "hidden code\n");
    assert_eq!(desk.text("etc/cloud.password"), "hidden password\n");
    let password = desk.text("etc/registration.password");
    assert!(terminal.shown.contains(password.trim_end()), "{}", terminal.shown);
}

#[test]
fn an_interrupt_leaves_nothing_behind_and_the_terminal_as_it_was() {
    let desk = Desk::new();
    for (last, keys) in [("Time zone", "Asia\x03"), ("Registration code", "hid\x03")] {
        let mut terminal = Terminal::start(&desk.path("etc/site.toml"));
        terminal.answer("Station code", "42\n");
        if last != "Time zone" {
            terminal.answer("Time zone", "UTC\n");
            terminal.answer("Address of the cloud", "mqtt://h\n");
        }
        terminal.answer(last, keys);
        assert!(terminal.until("nothing was written"), "{}", terminal.shown);
        assert_eq!(terminal.ends(), Some(1), "{}", terminal.shown);
        let modes = tcgetattr(&terminal.screen).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO), "{last}");
        assert_eq!(desk.names("etc"), [""; 0]);
    }
}
