//! The demo's place: a directory of its own with config and secrets, gone afterwards.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};

use super::{
    cast::{CAST, Entry, Role},
    story::PLUGS,
};
use crate::service::config::Config;

/// Every password of a demo; its doors are on loopback and gone in a minute.
pub const PASSWORD: &str = "demo";

/// The account the site registers with.
pub const DEFAULT_USER: &str = "default";

/// The account the piles register with.
pub const REGISTRATION_USER: &str = "register";

/// The code that site and piles register with.
pub const REGISTRATION_CODE: &str = "DEMO-CODE";

/// The uplink of EC TCP.
pub const REGULATOR: &str = "regulator";

/// Where the far sides of the uplinks are.
#[derive(Debug, Clone, Copy)]
pub struct Far {
    /// The cloud.
    pub cloud: SocketAddr,
    /// The regulator's server.
    pub regulator: SocketAddr,
}

/// Code of a pile that is in the config.
pub fn pile_code(index: usize) -> String {
    format!("31011500120{:05}", index + 1)
}

/// The site's number of a pile's connector.
pub fn connector(pile: usize, plug: u16) -> usize {
    pile * usize::from(PLUGS) + usize::from(plug)
}

/// Directory and config.
pub struct Place {
    dir: PathBuf,
    /// As read from the directory's `site.toml`.
    pub config: Config,
    /// Port of the doors in it.
    pub doors: u16,
}

impl Place {
    /// Makes the directory and reads the config back, as a controller does; `meters` are the
    /// tables of the bus.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn make(far: Far, meters: &str) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("sitepilot-demo-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| format!("cannot make a directory: {}", dir.display()))?;
        let file = dir.join("site.toml");
        let doors = free_port()?;
        let written = write(&dir.join("password"), PASSWORD)
            .and_then(|()| write(&dir.join("code"), REGISTRATION_CODE))
            .and_then(|()| write(&file, &(toml(&dir, doors, far) + meters)));
        let config = written.and_then(|()| {
            Config::load(&file).map_err(|faults| anyhow!("the demo's own config: {faults:?}"))
        });
        match config {
            Ok(config) => Ok(Self { dir, config, doors }),
            Err(error) => {
                remove(&dir);
                Err(error)
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

fn remove(dir: &Path) {
    if let Err(error) = fs::remove_dir_all(dir) {
        eprintln!("cannot remove {}: {error}", dir.display());
    }
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(file)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Nobody else takes it in the moment until the doors bind it, short of bad luck.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

fn toml(dir: &Path, port: u16, far: Far) -> String {
    let Far { cloud, regulator } = far;
    let dir = dir.display();
    let mut text = format!(
        r#"
[site]
code = "3101150012"
name = "Demo"
timezone = "Asia/Shanghai"
data_dir = "{dir}/data"
interrupted_grace_s = 5

[broker]
listen = "127.0.0.1:{port}"

[broker.registration]
open = true
code_file = "{dir}/code"
username = "{REGISTRATION_USER}"
password_file = "{dir}/password"

[control]
socket = "{dir}/control.sock"

[[uplink]]
name = "cloud"
kind = "charger"
revision = "1.10"
url = "mqtt://{cloud}"
part_number = "SITEPILOT-DEMO"
serial = "DEMO-1"
vendor = "ACME"
registration_code_file = "{dir}/code"
username = "{DEFAULT_USER}"
password_file = "{dir}/password"
primary = true
answer_timeout_ms = 1500

[[uplink]]
name = "{REGULATOR}"
kind = "ec"
url = "tcp://{regulator}"
organisation = 1000
heartbeat_s = 1
realtime_s = 5
resend_minutes = 1
"#
    );
    let known = CAST.iter().enumerate().filter(|(_, role)| role.entry != Entry::Unknown);
    text.extend(known.map(|(index, role)| pile_table(&dir.to_string(), index, role)));
    text
}

fn pile_table(dir: &str, index: usize, role: &Role) -> String {
    let connectors: Vec<usize> = (1..=PLUGS).map(|plug| connector(index, plug)).collect();
    let password = match role.entry {
        Entry::Configured => format!("password_file = \"{dir}/password\""),
        Entry::Expected | Entry::Unknown => String::new(),
    };
    format!(
        r#"
[[pile]]
code = "{}"
serial = "{}"
revision = "{}"
kind = "dc"
connectors = {connectors:?}
{password}
"#,
        pile_code(index),
        role.serial(),
        role.revision.name(),
    )
}
