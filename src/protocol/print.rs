//! Messages of Protocol Buffers as text, for people and for golden vectors.

use std::fmt::Debug;

/// A message with one field in a line. Fields that are empty or zero are left out, as on the wire.
pub(super) fn pretty(message: &impl Debug) -> String {
    tidy(&format!("{message:#?}\n"))
}

/// Leaves out the lines of fields that are empty or zero.
fn tidy(text: &str) -> String {
    const EMPTY: [&str; 8] =
        [": 0,", ": 0.0,", ": \"\",", ": b\"\",", ": None,", ": [],", ": {},", ": false,"];
    // Strings are printed with their line ends escaped, so each line is one field.
    let is_told = |line: &&str| !EMPTY.iter().any(|empty| is_field(line, empty));
    let mut tidied = String::with_capacity(text.len());
    for line in text.lines().filter(is_told) {
        let name = line.trim_start();
        tidied.push_str(&line[..line.len() - name.len()]);
        // Rust's mark of a name that is also a word of Rust.
        tidied.push_str(name.strip_prefix("r#").unwrap_or(name));
        tidied.push('\n');
    }
    tidied
}

/// Whether a line is a field name and then exactly this; not a string that happens to end so.
fn is_field(line: &str, value: &str) -> bool {
    line.trim_start().strip_suffix(value).is_some_and(|name| {
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '#'))
    })
}
