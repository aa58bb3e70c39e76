//! Output: aligned tables for people, one JSON document for programs.

use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use serde::Serialize;

/// Prints a table; nothing but the heading if there are no rows.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    print(&aligned(heading, rows));
}

/// A table as a text.
pub(super) fn aligned<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut text = line(&heading.map(str::to_uppercase), &widths);
    for row in rows {
        text.push_str(&line(row, &widths));
    }
    text
}

/// Prints one JSON document.
pub(super) fn json(document: &impl Serialize) {
    match serde_json::to_string_pretty(document) {
        Ok(text) => print(&format!("{text}\n")),
        Err(error) => eprintln!("cannot write JSON: {error}"),
    }
}

/// Whether data was lost on its way out.
static IS_LOST: AtomicBool = AtomicBool::new(false);

/// Prints data; a reader that closed the pipe has seen enough. That anything else keeps it from
/// being written is told once, and the command has failed then: half an export is none.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && !IS_LOST.swap(true, Relaxed)
    {
        eprintln!("cannot write the output: {error}");
    }
}

/// Whether something that was printed is not where it was to go.
pub(super) fn is_lost() -> bool {
    IS_LOST.load(Relaxed)
}

/// What stands in a table where there is no value.
pub(super) const NOTHING: &str = "-";

/// A cell of a JSON value.
pub(super) fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => NOTHING.to_owned(),
        serde_json::Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time as it is written, with its offset.
pub(super) fn time(value: &serde_json::Value) -> String {
    cell(value).replacen('T', " ", 1)
}

/// A time by the site's clock on the wall, for tables.
pub(super) fn local(value: &serde_json::Value) -> String {
    const DATE_AND_TIME: usize = "2026-11-20 08:00:00".len();
    time(value).chars().take(DATE_AND_TIME).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let mut line = padded.collect::<Vec<_>>().join("  ");
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}
