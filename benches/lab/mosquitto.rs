//! mosquitto, as a broker and as a bridge.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

pub struct Mosquitto {
    child: Child,
    pub port: u16,
}

pub fn program() -> Option<&'static str> {
    ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists())
}

impl Mosquitto {
    /// `None` where mosquitto is not installed. `bridge_to`: forwards everything to that port.
    pub fn start(dir: &Path, bridge_to: Option<u16>) -> Option<Self> {
        let port = super::free_port();
        // 0 means no limit: neither its queue nor its window is to be what is measured.
        let mut config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\npersistence false\n"
        );
        if let Some(to) = bridge_to {
            config += &format!(
                "connection bridge\naddress 127.0.0.1:{to}\ntopic # out 2\ncleansession false\nrestart_timeout 1\nmax_inflight_messages 0\n"
            );
        }
        let file = dir.join(format!("mosquitto-{port}.conf"));
        fs::write(&file, config).expect("its config");
        let child = Command::new(program()?)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port })
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
