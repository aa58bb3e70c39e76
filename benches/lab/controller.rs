//! The built program as a process, with a config of its own.

use std::{
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub const PASSWORD: &str = "bench";
pub const REGISTRATION_CODE: &str = "SIMCODE";

pub fn pile_code(number: usize) -> String {
    format!("31011500120{number:05}")
}

pub fn pile_serial(number: usize) -> String {
    format!("BENCH{number:05}")
}

pub struct Lab {
    pub dir: tempfile::TempDir,
    pub piles_port: u16,
    pub http_port: u16,
}

impl Lab {
    /// Files of a site with so many piles of two connectors, and an uplink to `cloud`.
    pub fn new(piles: usize, cloud: &str, max_inflight: u16) -> Self {
        Self::with_broker(piles, cloud, max_inflight, |_| String::new())
    }

    /// The same, with more lines for `[broker]`; `broker` is given the directory to put files in.
    pub fn with_broker(
        piles: usize,
        cloud: &str,
        max_inflight: u16,
        broker: impl FnOnce(&Path) -> String,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let lab = Self { dir, piles_port: super::free_port(), http_port: super::free_port() };
        lab.secret("secret", PASSWORD);
        lab.secret("code", REGISTRATION_CODE);
        fs::create_dir(lab.data()).expect("the data directory");
        let broker = broker(lab.dir.path());
        fs::write(lab.config(), lab.toml(piles, cloud, max_inflight, &broker)).expect("the config");
        lab
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("site.toml")
    }

    fn secret(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }

    fn toml(&self, piles: usize, cloud: &str, max_inflight: u16, broker: &str) -> String {
        let dir = self.dir.path().display();
        let mut text = format!(
            r#"
[site]
code = "3101150012"
name = "Bench"
timezone = "Asia/Shanghai"
data_dir = "{dir}/data"
[broker]
listen = "127.0.0.1:{piles_port}"
{broker}
[http]
listen = "127.0.0.1:{http_port}"
[control]
socket = "{dir}/control.sock"
[[uplink]]
name = "cloud"
kind = "charger"
revision = "1.10"
url = "{cloud}"
part_number = "BENCH"
serial = "BENCH-1"
vendor = "ACME"
registration_code_file = "{dir}/code"
username = "default"
password_file = "{dir}/secret"
primary = true
max_inflight = {max_inflight}
"#,
            piles_port = self.piles_port,
            http_port = self.http_port,
        );
        for number in 1..=piles {
            write!(
                text,
                r#"
[[pile]]
code = "{}"
serial = "{}"
revision = "1.10"
kind = "dc"
connectors = [{}, {}]
password_file = "{dir}/secret"
"#,
                pile_code(number),
                pile_serial(number),
                2 * number - 1,
                2 * number
            )
            .expect("writing to a string");
        }
        text
    }

    pub fn start(&self) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
            .args(["run", "--config"])
            .arg(self.config())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the controller starts");
        Running(child)
    }
}

/// A running controller, killed when dropped.
pub struct Running(Child);

impl Running {
    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    }

    pub fn assert_running(&mut self) {
        assert!(self.0.try_wait().expect("its state").is_none(), "the controller ended");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Size of a copy of the built program without symbols, in bytes.
pub fn stripped_bytes(scratch: &Path) -> u64 {
    let copy = scratch.join("stripped");
    fs::copy(env!("CARGO_BIN_EXE_sitepilot"), &copy).expect("a copy");
    let _ = Command::new("strip").arg(&copy).status();
    fs::metadata(&copy).expect("its size").len()
}

pub async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
