//! The board: what it is, and how it feels.

use std::fs;

use super::{
    super::facts::{Known, Machine},
    command, line, page,
};

pub(in crate::cli::doctor) fn look() -> Known<Machine> {
    let system = rustix::system::uname();
    let memory = page("/proc/meminfo")?;
    let mb = |name: &str| field(&memory, name) / 1000;
    Ok(Machine {
        kernel: system.release().to_string_lossy().into_owned(),
        architecture: system.machine().to_string_lossy().into_owned(),
        distribution: distribution(),
        board: board(),
        uptime_s: first(&line("/proc/uptime").unwrap_or_default()).unwrap_or_default(),
        total_mb: mb("MemTotal:"),
        available_mb: mb("MemAvailable:"),
        oom_kills: field(&page("/proc/vmstat").unwrap_or_default(), "oom_kill"),
        throttled: throttled(),
        celsius: celsius(),
        load_hundredths: load().unwrap_or_default(),
    })
}

/// The number behind a name, or nought.
fn field(text: &str, name: &str) -> u64 {
    let lines = text.lines().map(str::split_whitespace);
    let found = lines.filter_map(|mut words| (words.next() == Some(name)).then(|| words.next()));
    found.flatten().find_map(|number| number.parse().ok()).unwrap_or_default()
}

/// The whole part of the number that a text begins with.
fn first(text: &str) -> Option<u64> {
    text.split(['.', ' ']).next()?.parse().ok()
}

fn distribution() -> String {
    let text = page("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.unwrap_or_default().trim_matches('"').to_owned();
    // Between two point releases the file stays the same.
    match line("/etc/debian_version") {
        Some(version) => format!("{name} ({version})"),
        None => name,
    }
}

fn board() -> String {
    let pages = [
        "/proc/device-tree/model",
        "/sys/class/dmi/id/sys_vendor",
        "/sys/class/dmi/id/product_name",
    ];
    pages.into_iter().filter_map(line).collect::<Vec<_>>().join(" ")
}

/// What a Raspberry Pi's firmware says, by the kernel or by its own program.
fn throttled() -> Option<u32> {
    let bits = |text: &str| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
    let places = ["/sys/devices/platform/soc/soc:firmware/get_throttled"];
    let by_kernel = places.into_iter().find_map(line);
    by_kernel.as_deref().and_then(bits).or_else(|| {
        let said = command::run("vcgencmd", &["get_throttled"]).ok()?.done().ok()?;
        bits(said.trim().strip_prefix("throttled=")?)
    })
}

fn celsius() -> Option<i64> {
    let zones = fs::read_dir("/sys/class/thermal").ok()?.flatten();
    let millis = zones.filter_map(|zone| line(zone.path().join("temp"))?.parse::<i64>().ok());
    millis.max().map(|milli| milli / 1000)
}

/// The last of three averages.
fn load() -> Option<u64> {
    let text = line("/proc/loadavg")?;
    let (whole, part) = text.split(' ').nth(2)?.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 100 + part.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn this_machine_is_known() {
        let machine = look().unwrap();
        assert!(machine.total_mb > 0 && machine.available_mb <= machine.total_mb);
        assert!(!machine.kernel.is_empty() && !machine.architecture.is_empty());
        assert_eq!(field("a 1\nMemFree:  12 kB\n", "MemFree:"), 12);
        assert_eq!(field("", "MemFree:"), 0);
    }
}
