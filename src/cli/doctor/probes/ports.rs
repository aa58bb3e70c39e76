//! Serial ports: those of the config, and those that are there.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{
    super::{
        facts::{Known, Port},
        tolerant::Assignment,
    },
    line,
    names::Names,
    processes,
};
use crate::sys::user::User;

/// Ports that are listed: a gateway has eight, an adapter up to sixteen.
const MAX_PORTS: usize = 64;

/// Where ports have names that stay.
const NAMED: [&str; 2] = ["/dev/serial/by-id", "/dev/serial/by-path"];

/// Begins of the names of ports below `/dev`, as the unit lets the service use them.
const KINDS: [&str; 9] =
    ["rs485-", "ttyUSB", "ttyACM", "ttyAMA", "ttymxc", "ttySC", "ttyO", "ttyXR", "ttyS"];

pub(in crate::cli::doctor) fn look(
    assigned: &[Assignment],
    service: Option<User>,
) -> Known<Vec<Port>> {
    let is_port = |a: &&Assignment| !a.is_comment && a.key == "port" && a.value.starts_with('/');
    let wanted: BTreeSet<PathBuf> =
        assigned.iter().filter(is_port).map(|a| PathBuf::from(&a.value)).collect();
    let all = wanted.iter().cloned().chain(there()).collect::<BTreeSet<_>>();
    let groups = service.map(|user| (user, user.groups().unwrap_or_default()));
    let mut names = Names::new();
    let mut ports: Vec<Port> = all
        .into_iter()
        .take(MAX_PORTS)
        .map(|path| port(wanted.contains(&path), path, groups.as_ref(), &mut names))
        .collect();
    holders(&mut ports);
    Ok(ports)
}

/// Names of the ports of this machine.
fn there() -> impl Iterator<Item = PathBuf> {
    let below = |dir: &str| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    };
    let is_port = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        KINDS.iter().any(|kind| name.starts_with(kind)) && is_real(&name)
    };
    NAMED.into_iter().flat_map(below).chain(below("/dev").filter(is_port))
}

/// Of the ports on the board's chips some are only names: their driver found nothing there.
fn is_real(name: &str) -> bool {
    let kind = line(format!("/sys/class/tty/{name}/type"));
    !name.starts_with("ttyS") || kind.is_some_and(|kind| kind != "0")
}

fn port(
    is_wanted: bool,
    path: PathBuf,
    service: Option<&(User, Vec<u32>)>,
    names: &mut Names,
) -> Port {
    let device = path.canonicalize().ok();
    let mut port = Port { path, is_wanted, ..Port::default() };
    let Some(meta) = device.as_deref().and_then(|device| fs::metadata(device).ok()) else {
        return port;
    };
    let device = device.unwrap_or_default();
    port.owner = names.owner(meta.uid(), meta.gid());
    port.mode = meta.mode() & 0o7777;
    port.is_allowed = service.map(|(user, groups)| {
        let shift = match &meta {
            meta if meta.uid() == user.uid => 6,
            meta if groups.contains(&meta.gid()) => 3,
            _ => 0,
        };
        user.uid == 0 || port.mode >> shift & 0o6 == 0o6
    });
    if meta.file_type().is_char_device() {
        port.hardware = hardware(&device);
        port.is_console = is_console(&device);
    } else {
        port.hardware = "no serial port".to_owned();
    }
    port.device = Some(device);
    port
}

/// Driver, maker and product of a port, as far as the system tells.
fn hardware(device: &Path) -> String {
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Ok(place) = Path::new("/sys/class/tty").join(&name).join("device").canonicalize() else {
        return String::new();
    };
    let driver = fs::read_link(place.join("driver")).ok();
    let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    // The adapter is a parent of the port.
    let adapter = place.ancestors().take(4).find(|place| place.join("idVendor").exists());
    let of_adapter = |what: &str| adapter.and_then(|place| line(place.join(what)));
    let known = ["manufacturer", "product", "idVendor", "idProduct", "serial"].map(of_adapter);
    driver.into_iter().chain(known.into_iter().flatten()).collect::<Vec<_>>().join(" ")
}

/// Whether the kernel's own messages go there.
fn is_console(device: &Path) -> bool {
    let name = device.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let active = line("/sys/class/tty/console/active").unwrap_or_default();
    active.split(' ').any(|console| console == name)
}

fn holders(ports: &mut [Port]) {
    let devices: BTreeSet<PathBuf> = ports.iter().filter_map(|port| port.device.clone()).collect();
    if devices.is_empty() {
        return;
    }
    for open in processes::open(|target| devices.contains(target)) {
        let held = ports.iter_mut().filter(|port| port.device.as_ref() == Some(&open.target));
        for port in held.filter(|_| !open.is_ours) {
            if !port.holders.contains(&open.who) {
                port.holders.push(open.who.clone());
            }
        }
    }
}
