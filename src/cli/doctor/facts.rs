//! What was found on the machine: data, from which findings are made.

use std::path::PathBuf;

use serde_json::Value;

use crate::service::config::Fault;

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown(pub(super) String);

/// Something that can only be found out if the machine lets us.
pub(super) type Known<T> = Result<T, Unknown>;

/// All of it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) run: Run,
    pub(super) config: Known<Config>,
    pub(super) unit: Known<Unit>,
    /// Version of the installed package; `None`: none is installed.
    pub(super) package: Known<Option<String>>,
    pub(super) controller: Known<Controller>,
    pub(super) orders: Known<Orders>,
    pub(super) time: Known<Time>,
    pub(super) disks: Known<Vec<Disk>>,
    pub(super) flash: Known<Vec<Flash>>,
    pub(super) files: Known<Files>,
    pub(super) ports: Known<Vec<Port>>,
    pub(super) listeners: Known<Vec<Listener>>,
    pub(super) machine: Known<Machine>,
}

/// This run of the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Version of the program.
    pub(super) version: String,
    /// The config that is looked at.
    pub(super) config: PathBuf,
    pub(super) is_root: bool,
}

/// The config: its faults, and where things are as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) is_there: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
    /// Faults of what this user may not read, and so cannot judge.
    pub(super) unjudged: usize,
    /// Secrets that systemd hands to the service only.
    pub(super) credentials: usize,
    /// What is told of those who listen, with the key that says so.
    pub(super) listen: Vec<(String, std::net::SocketAddr)>,
    /// Megabytes that have to be free for new charging.
    pub(super) min_free_mb: u64,
}

/// The unit, as systemd knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// `loaded`, `not-found`, ...
    pub(super) load: String,
    /// `active`, `activating`, `failed`, `inactive`, ...
    pub(super) active: String,
    /// `running`, `auto-restart`, ...
    pub(super) sub: String,
    /// `success`, `exit-code`, `watchdog`, `oom-kill`, ...
    pub(super) result: String,
    /// Exit status or signal of the last run.
    pub(super) status: String,
    /// Restarts by systemd since somebody started it.
    pub(super) restarts: u64,
    /// `enabled`, `disabled`, ...
    pub(super) enabled: String,
    /// The conditions of the last start were not met.
    pub(super) is_held_back: bool,
    /// The file of the unit is newer than what systemd works with.
    pub(super) needs_reload: bool,
    /// Whom it runs as.
    pub(super) user: String,
    /// What it starts.
    pub(super) command: String,
    /// Seconds since it last began to run.
    pub(super) up_s: Option<u64>,
    /// Times the kernel has killed in it for want of memory.
    pub(super) oom_kills: u64,
    /// The program it runs was replaced on disk.
    pub(super) is_replaced: bool,
}

impl Unit {
    pub(super) fn is_installed(&self) -> bool {
        self.load == "loaded" || self.load == "masked"
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }
}

/// Who answers at the control socket.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Controller {
    /// Nobody.
    Absent,
    /// Somebody who takes the question and gives no good answer.
    Silent(String),
    /// A controller.
    Answers(Box<Answer>),
}

/// What a controller says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// As `status` has it.
    pub(super) status: Value,
    /// Rooms that make no progress.
    pub(super) stuck: Vec<String>,
}

/// The ledger in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Orders {
    pub(super) orders: u64,
    pub(super) unsettled: u64,
    pub(super) open: u64,
    pub(super) oldest_unsettled_s: Option<i64>,
    pub(super) schema: i64,
    pub(super) bytes: u64,
    /// Number and hash of the last row of the journal.
    pub(super) head: String,
}

/// The calendar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) unix_s: i64,
    /// Kept by NTP or PTP.
    pub(super) is_synced: bool,
    /// A clock that goes on without power.
    pub(super) has_rtc: bool,
    /// The last time the controller believed.
    pub(super) last_good_s: Option<i64>,
}

/// A file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Disk {
    /// What of ours is on it.
    pub(super) holds: Holds,
    pub(super) path: PathBuf,
    pub(super) mount: PathBuf,
    pub(super) kind: String,
    pub(super) source: String,
    pub(super) is_read_only: bool,
    pub(super) total_mb: u64,
    pub(super) free_mb: u64,
    /// Files that it still has room for, in percent; `None` where it does not count them.
    pub(super) free_files_percent: Option<u64>,
    /// Errors that the file system has noted.
    pub(super) errors: u64,
}

/// What a file system holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Holds {
    /// Ledger and credentials.
    #[default]
    Data,
    /// The config.
    Config,
    /// The journal.
    Logs,
    /// Files that live for a moment.
    Passing,
}

/// A flash memory that tells its wear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flash {
    pub(super) name: String,
    /// Tenths of its life that are used, 1 to 11; the worse of its two kinds of memory.
    pub(super) used_tenths: u8,
    /// 1 normal, 2 most of its spare blocks used, 3 almost all.
    pub(super) spare: u8,
}

/// Files of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) config: Vec<Entry>,
    pub(super) data_dir: PathBuf,
    /// The data directory first; empty if it is not there.
    pub(super) data: Vec<Entry>,
    /// Number of the user that the service runs as; `None`: there is none.
    pub(super) service_uid: Option<u32>,
    /// The numbers of the groups that the service has; empty where there is no such user.
    pub(super) service_gids: Vec<u32>,
}

/// A file or directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) is_dir: bool,
    /// The service has to read it.
    pub(super) is_needed: bool,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Names of user and group, or their numbers.
    pub(super) owner: String,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) bytes: u64,
    pub(super) modified_s: i64,
}

/// A serial port, of the config or of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) path: PathBuf,
    /// The config names it.
    pub(super) is_wanted: bool,
    /// What it really is; `None`: it is not there.
    pub(super) device: Option<PathBuf>,
    /// What is known of the hardware.
    pub(super) hardware: String,
    pub(super) owner: String,
    pub(super) mode: u32,
    /// Whether the service's groups let it in; `None`: there is no such user.
    pub(super) is_allowed: Option<bool>,
    /// Who has it open beside the controller.
    pub(super) holders: Vec<String>,
    /// The kernel writes its own messages to it.
    pub(super) is_console: bool,
}

/// Somebody who listens at a port that the config wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listener {
    /// Key of the config.
    pub(super) key: String,
    pub(super) port: u16,
    /// Who, if that can be seen.
    pub(super) who: Option<String>,
}

/// The board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) architecture: String,
    pub(super) distribution: String,
    pub(super) board: String,
    pub(super) uptime_s: u64,
    pub(super) total_mb: u64,
    pub(super) available_mb: u64,
    /// Times the kernel has killed anything for want of memory.
    pub(super) oom_kills: u64,
    /// What a Raspberry Pi says of its supply and temperature.
    pub(super) throttled: Option<u32>,
    /// The hottest place, in degrees.
    pub(super) celsius: Option<i64>,
    /// Processes that want to run, in hundredths, over a quarter of an hour.
    pub(super) load_hundredths: u64,
}
