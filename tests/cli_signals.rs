//! The controller under a service manager: what it tells systemd, and what signals do.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    process::{Child, Command},
    time::Duration,
};

/// Generous: only a test that hangs gets there.
const PATIENCE: Duration = Duration::from_secs(60);

struct Service {
    dir: tempfile::TempDir,
    manager: UnixDatagram,
    child: Child,
}

fn config(dir: &str, level: &str) -> String {
    format!(
        r#"
        [site]
        code = "3101150012"
        name = "Bench"
        timezone = "UTC"
        data_dir = "{dir}/data"
        [broker]
        listen = "127.0.0.1:0"
        [[uplink]]
        name = "cloud"
        kind = "charger"
        revision = "1.10"
        url = "mqtt://127.0.0.1:9"
        part_number = "PART"
        serial = "SERIAL"
        vendor = "ACME"
        registration_code_file = "{dir}/secret"
        username = "default"
        password_file = "{dir}/secret"
        [ledger]
        min_free_mb = 1
        [control]
        socket = "{dir}/control.sock"
        [log]
        level = "{level}"
        "#
    )
}

impl Service {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().to_str().unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        fs::set_permissions(dir.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(dir.path().join("site.toml"), config(at, "info")).unwrap();
        let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_sitepilot"))
            .args(["run", "--config", &format!("{at}/site.toml")])
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .env("WATCHDOG_USEC", "1500000")
            .env_remove("WATCHDOG_PID")
            .stderr(File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let service = Self { dir, manager, child };
        service.wait_for("READY=1");
        service
    }

    /// Waits until the controller has told this.
    fn wait_for(&self, wanted: &str) {
        let mut message = [0; 256];
        loop {
            let length = self.manager.recv(&mut message).unwrap();
            let told = std::str::from_utf8(&message[..length]).unwrap();
            if told.lines().any(|line| line == wanted) {
                return;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    fn wait_for_log(&self, wanted: &str) {
        for _ in 0..600 {
            if self.log().contains(wanted) {
                return;
            }
            std::thread::sleep(PATIENCE / 600);
        }
        panic!("no {wanted:?} in:\n{}", self.log());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_manager_is_told_of_start_progress_and_stop() {
    let mut service = Service::start();
    service.wait_for("WATCHDOG=1");
    service.wait_for("WATCHDOG=1");
    service.signal("-INT");
    service.wait_for("STOPPING=1");
    assert_eq!(service.child.wait().unwrap().code(), Some(0), "{}", service.log());
}

#[test]
fn a_hangup_reads_the_log_level_again_and_a_wrong_config_changes_nothing() {
    let service = Service::start();
    let file = service.dir.path().join("site.toml");
    fs::write(&file, "[site]\n").unwrap();
    service.signal("-HUP");
    service.wait_for_log("config not read again");
    assert!(!service.log().contains("DEBUG"));
    fs::write(&file, config(service.dir.path().to_str().unwrap(), "debug")).unwrap();
    service.signal("-HUP");
    service.wait_for_log("log level read again");
    service.wait_for_log("DEBUG");
}
