//! The calendar, and who keeps it.

use std::path::Path;

use super::super::facts::{Known, Time};
use crate::{
    clock::Clock,
    sys::{self, file::read_small_text},
};

/// Longest text of the last good time.
const MAX_BYTES: u64 = 64;

pub(in crate::cli::doctor) fn look(data_dir: &Path) -> Known<Time> {
    let last = read_small_text(&data_dir.join("clock"), MAX_BYTES).ok();
    let last = last.and_then(|text| text.trim().parse::<i64>().ok());
    Ok(Time {
        unix_s: Clock::passing().now().wall.unix_s(),
        is_synced: sys::is_clock_synced(),
        has_rtc: Path::new("/sys/class/rtc/rtc0").exists(),
        last_good_s: last.map(|ms| ms / 1000),
    })
}
