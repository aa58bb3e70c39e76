//! What systemd says of the unit.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{command, line};
use crate::cli::doctor::facts::{Known, Unit, Unknown};

/// The unit of the package.
pub(super) const NAME: &str = "sitepilot.service";

/// What is asked for: nothing that may have a secret in it, such as the environment.
const WANTED: [&str; 27] = [
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NRestarts",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
    "ExecMainExitTimestamp",
    "ActiveEnterTimestamp",
    "ActiveEnterTimestampMonotonic",
    "InactiveEnterTimestamp",
    "ConditionResult",
    "ConditionTimestamp",
    "NeedDaemonReload",
    "StatusText",
    "MainPID",
    "User",
    "SupplementaryGroups",
    "ExecStart",
    "FragmentPath",
    "DropInPaths",
    "ControlGroup",
    "MemoryCurrent",
    "MemoryMax",
    "WatchdogUSec",
];

/// The unit, and the text it is made from.
#[derive(Debug, Clone, Default)]
pub(in crate::cli::doctor) struct Seen {
    pub(in crate::cli::doctor) unit: Unit,
    pub(in crate::cli::doctor) text: String,
    /// Its files.
    pub(in crate::cli::doctor) files: Vec<PathBuf>,
}

pub(in crate::cli::doctor) fn look() -> Known<Seen> {
    let wanted = WANTED.join(",");
    let text = command::run("systemctl", &["show", NAME, "--no-pager", "-p", &wanted])?.done()?;
    if text.trim().is_empty() {
        return Err(Unknown("systemd says nothing".to_owned()));
    }
    let said = Said::of(&text);
    let mut unit = said.unit();
    unit.up_s = said.number("ActiveEnterTimestampMonotonic").and_then(since_s);
    unit.oom_kills = oom_kills(said.get("ControlGroup"));
    unit.is_replaced = is_replaced(said.get("MainPID"));
    let files = [said.get("FragmentPath"), said.get("DropInPaths")].join(" ");
    let files = files.split_whitespace().map(PathBuf::from).collect();
    Ok(Seen { unit, text, files })
}

/// Properties by name.
struct Said<'t>(BTreeMap<&'t str, &'t str>);

impl<'t> Said<'t> {
    fn of(text: &'t str) -> Self {
        Self(text.lines().filter_map(|line| line.split_once('=')).collect())
    }

    fn get(&self, name: &str) -> &'t str {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    fn unit(&self) -> Unit {
        let text = |name: &str| self.get(name).to_owned();
        Unit {
            load: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            result: text("Result"),
            status: text("ExecMainStatus"),
            restarts: self.number("NRestarts").unwrap_or_default(),
            enabled: text("UnitFileState"),
            is_held_back: self.get("ConditionResult") == "no"
                && !self.get("ConditionTimestamp").is_empty(),
            needs_reload: self.get("NeedDaemonReload") == "yes",
            user: text("User"),
            command: text("ExecStart"),
            ..Unit::default()
        }
    }
}

/// Seconds since a moment on the clock that begins with the machine.
fn since_s(at_us: u64) -> Option<u64> {
    let uptime = line("/proc/uptime")?;
    let now_s: u64 = uptime.split('.').next()?.parse().ok()?;
    (at_us > 0).then(|| now_s.saturating_sub(at_us / 1_000_000))
}

/// Times the kernel has killed in the unit, by the page of its control group in either layout.
fn oom_kills(group: &str) -> u64 {
    let pages = [
        format!("/sys/fs/cgroup{group}/memory.events"),
        format!("/sys/fs/cgroup/memory{group}/memory.oom_control"),
    ];
    let counts = pages.iter().filter(|_| !group.is_empty()).filter_map(line);
    let counts = counts.filter_map(|page| {
        page.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    });
    counts.max().unwrap_or_default()
}

/// Whether the program that runs is not on disk any more.
fn is_replaced(pid: &str) -> bool {
    let is_running = pid.parse::<u32>().is_ok_and(|pid| pid > 0);
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    is_running && program.is_ok_and(|path| path.to_string_lossy().ends_with(" (deleted)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_says_is_read() {
        let text = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n\
                    Result=exit-code\nExecMainStatus=78\nNRestarts=12\nUser=sitepilot\n\
                    ExecStart={ path=/usr/bin/sitepilot ; argv[]=/usr/bin/sitepilot run }\n\
                    ConditionResult=no\nConditionTimestamp=\nNeedDaemonReload=yes\n";
        let unit = Said::of(text).unit();
        assert!(unit.is_installed() && !unit.is_running() && unit.needs_reload);
        assert!(!unit.is_held_back, "it was never tried");
        assert_eq!((unit.restarts, unit.status.as_str()), (12, "78"));
        assert!(unit.command.contains("argv[]=/usr/bin/sitepilot run"));
        assert!(WANTED.iter().all(|name| !name.contains("Credential") && *name != "Environment"));
    }
}
