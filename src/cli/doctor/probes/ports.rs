//! Serial ports: those of the config, and those that are there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
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
use crate::{cli::init::ports::Places, sys::user::User};

/// Ports that are listed: a gateway has eight, an adapter up to sixteen.
const MAX_PORTS: usize = 64;

pub(in crate::cli::doctor) fn look(
    assigned: &[Assignment],
    service: Option<User>,
) -> Known<Vec<Port>> {
    let is_port = |a: &&Assignment| !a.is_comment && a.key == "port" && a.value.starts_with('/');
    let wanted: BTreeSet<PathBuf> =
        assigned.iter().filter(is_port).map(|a| PathBuf::from(&a.value)).collect();
    let there = Places::of_system().ports(&[]);
    let about: BTreeMap<PathBuf, String> = there
        .iter()
        .filter_map(|port| Some((fs::canonicalize(&port.path).ok()?, port.about.clone())))
        .collect();
    let there = there.into_iter().map(|port| PathBuf::from(port.path));
    let all = wanted.iter().cloned().chain(there).collect::<BTreeSet<_>>();
    let groups = service.map(|user| (user, user.groups().unwrap_or_default()));
    let mut names = Names::new();
    let mut ports: Vec<Port> = all
        .into_iter()
        .take(MAX_PORTS)
        .map(|path| port(wanted.contains(&path), path, groups.as_ref(), &mut names))
        .collect();
    for port in &mut ports {
        let known = port.device.as_ref().and_then(|device| about.get(device));
        port.hardware = known.cloned().unwrap_or_default();
    }
    holders(&mut ports);
    Ok(ports)
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
    port.is_console = is_console(&device);
    port.device = Some(device);
    port
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
