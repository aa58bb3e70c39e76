//! One line of the log, made where the event happens and written elsewhere.

use std::fmt::{self, Write as _};

use tracing::Level;

/// Longest message, in bytes: all faults of a config fit into it.
const MESSAGE_LIMIT: usize = 8 * 1024;

/// Longest value of a field, in bytes: what peers say is quoted shorter.
const VALUE_LIMIT: usize = 1024;

/// What stands where something was cut off.
const CUT: char = '…';

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How bad it is.
    pub level: Level,
    /// Unix ms of the event, by the machine's clock.
    pub unix_ms: i64,
    /// Where it comes from: the room, or the library.
    pub target: String,
    /// File and line of the source, where they are known.
    pub place: Option<(String, u32)>,
    /// What happened; may have several lines.
    pub message: String,
    /// What it is about, by the names of the fields.
    pub fields: Vec<(&'static str, String)>,
}

impl Line {
    /// A line of this room's own.
    pub(super) fn own(level: Level, unix_ms: i64, message: String) -> Self {
        let target = module_path!().to_owned();
        Self { level, unix_ms, target, place: None, message, fields: Vec::new() }
    }

    /// Adds a field, or a part of the message.
    pub(super) fn add(&mut self, name: &'static str, value: String) {
        match name {
            "message" => self.message = bounded(value, MESSAGE_LIMIT),
            // The place of a record that came through `log`.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name, bounded(value, VALUE_LIMIT))),
        }
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Message and fields in one, for readers who see nothing else: `pile gone pile=… reason="…"`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = harmless(&self.message);
        for (name, value) in &self.fields {
            // Writing into a string does not fail.
            let _ = write!(text, " {name}={}", Value(value));
        }
        text
    }
}

/// The value of a field beside others: in quotation marks where it would run into them.
pub(super) struct Value<'a>(pub(super) &'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs_on = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=');
        if self.0.is_empty() || self.0.contains(runs_on) {
            write!(f, "{:?}", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

/// A message without what would steer a terminal; line breaks stay.
pub(super) fn harmless(message: &str) -> String {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !message.contains(steers) {
        return message.to_owned();
    }
    let mut text = String::with_capacity(message.len());
    for c in message.chars() {
        if steers(c) { text.extend(c.escape_debug()) } else { text.push(c) }
    }
    text
}

/// A text of that many bytes at most.
fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let room = limit - CUT.len_utf8();
        let end =
            text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room);
        text.truncate(end.last().unwrap_or(0));
        text.push(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, fields: &[(&'static str, &str)]) -> Line {
        let mut line = Line::own(Level::INFO, 0, String::new());
        line.add("message", message.to_owned());
        fields.iter().for_each(|(name, value)| line.add(name, (*value).to_owned()));
        line
    }

    #[test]
    fn fields_follow_the_message_and_do_not_run_into_each_other() {
        let fields = [("pile", "3101150012000001"), ("reason", "it left"), ("error", "a=\"b\"")];
        let said = line("pile gone", &fields).text();
        assert_eq!(said, r#"pile gone pile=3101150012000001 reason="it left" error="a=\"b\"""#);
        assert_eq!(line("", &[("topic", "")]).text(), r#" topic="""#);
    }

    #[test]
    fn what_a_stranger_says_forges_no_line_and_steers_no_terminal() {
        let said = line("topic\u{1b}[2J", &[("topic", "a\n2026 ERROR forged\u{7}")]).text();
        assert_eq!(said, r#"topic\u{1b}[2J topic="a\n2026 ERROR forged\u{7}""#);
        assert_eq!(line("two\nlines", &[]).text(), "two\nlines");
    }

    #[test]
    fn nothing_is_longer_than_its_limit() {
        let said = line(&"车".repeat(MESSAGE_LIMIT), &[("error", &"é".repeat(VALUE_LIMIT))]);
        assert!(said.message.len() <= MESSAGE_LIMIT && said.message.ends_with("车…"));
        let error = said.field("error").unwrap_or_default();
        assert!(error.len() <= VALUE_LIMIT && error.len() > VALUE_LIMIT - 4, "{}", error.len());
        assert!(error.ends_with("é…"));
    }

    #[test]
    fn the_place_of_a_record_of_a_library_is_no_field() {
        let said = line("x", &[("log.file", "/home/somebody/lib.rs"), ("log.line", "7")]);
        assert_eq!(said.fields, []);
    }
}
