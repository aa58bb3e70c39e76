//! The last lines of the journal.

use super::{command, unit};
use crate::cli::doctor::facts::{Known, Unknown};

/// Lines of ours: with the rate limits of the controller those of hours to days.
const LINES: &str = "600";

/// Warnings of the kernel: cards that fail, adapters that come and go.
const KERNEL_LINES: &str = "80";

/// Older ones say nothing of today's trouble.
const SINCE: &str = "-14d";

pub(in crate::cli::doctor) fn of_service() -> Known<String> {
    read(&["-u", unit::NAME, "-n", LINES])
}

pub(in crate::cli::doctor) fn of_kernel() -> Known<String> {
    read(&["-k", "-p", "warning", "-n", KERNEL_LINES])
}

fn read(what: &[&str]) -> Known<String> {
    let how = ["--no-pager", "-q", "-o", "short-iso", "--since", SINCE];
    let said = command::run("journalctl", &[&how, what].concat())?;
    if said.is_done && said.output.trim().is_empty() {
        let why = said.errors.lines().next().unwrap_or("there is nothing in the journal");
        return Err(Unknown(why.to_owned()));
    }
    said.done()
}
