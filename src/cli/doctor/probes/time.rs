//! The calendar, and who keeps it.

use std::path::Path;

use super::{
    super::facts::{Known, Time},
    line,
};
use crate::{clock::Clock, sys};

pub(in crate::cli::doctor) fn look(data_dir: &Path) -> Known<Time> {
    let last = line(data_dir.join("clock")).and_then(|text| text.parse::<i64>().ok());
    Ok(Time {
        unix_s: Clock::passing().now().wall.unix_s(),
        is_synced: sys::is_clock_synced(),
        has_rtc: Path::new("/sys/class/rtc/rtc0").exists(),
        last_good_s: last.map(|ms| ms / 1000),
    })
}
