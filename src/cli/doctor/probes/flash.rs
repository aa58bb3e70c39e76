//! The wear of flash memories that tell it.

use std::fs;

use super::{
    super::facts::{Flash, Known},
    line,
};

/// Memories that are looked at: a board has one or two.
const MAX_DEVICES: usize = 8;

pub(in crate::cli::doctor) fn look() -> Known<Vec<Flash>> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let names = devices.map(|device| device.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("mmcblk")).collect();
    names.sort();
    names.truncate(MAX_DEVICES);
    Ok(names.into_iter().filter_map(of).collect())
}

/// SD cards say nothing of it, eMMC does.
fn of(name: String) -> Option<Flash> {
    let said = |what: &str| line(format!("/sys/block/{name}/device/{what}"));
    let used = said("life_time")?.split_whitespace().filter_map(hex).max()?;
    let spare = said("pre_eol_info").as_deref().and_then(hex).unwrap_or_default();
    Some(Flash { name, used_tenths: used, spare })
}

fn hex(text: &str) -> Option<u8> {
    u8::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}
