//! Who has what open, as far as this user may see it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::line;

/// A program of ours, which is not told of as another.
const OURS: &str = "sitepilot";

/// An open file and who has it: name and number of the process.
pub(super) struct Open {
    pub(super) target: PathBuf,
    pub(super) who: String,
    pub(super) is_ours: bool,
}

/// Open files of a kind. Root sees those of all, others their own.
pub(super) fn open(is_wanted: impl Fn(&Path) -> bool) -> Vec<Open> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        for target in targets.filter(|target| is_wanted(target)) {
            let program = line(process.path().join("comm")).unwrap_or_default();
            let is_ours = program == OURS;
            found.push(Open { target, who: format!("{program} ({name})"), is_ours });
        }
    }
    found
}
