//! Lines for people: time, level, message, fields.

use std::{
    env,
    fmt::Write as _,
    fs::File,
    io::{self, IsTerminal as _, Write as _},
    os::fd::AsFd as _,
};

use jiff::{Timestamp, tz::TimeZone};
use tracing::Level;

use super::{
    line::{Line, Value, harmless},
    writer::Sink,
};

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Plain,
    Coloured,
}

impl Looks {
    /// Colours are for a terminal whose user has not said no: <https://no-color.org>.
    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").is_some_and(|value| value == "dumb");
        if is_terminal && !is_refused && !is_dumb { Self::Coloured } else { Self::Plain }
    }

    const fn dim(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Coloured => "\x1b[2m",
        }
    }

    const fn level(self, level: Level) -> &'static str {
        match (self, level) {
            (Self::Plain, _) => "",
            (Self::Coloured, Level::ERROR) => "\x1b[31m",
            (Self::Coloured, Level::WARN) => "\x1b[33m",
            (Self::Coloured, Level::INFO) => "\x1b[32m",
            (Self::Coloured, Level::DEBUG) => "\x1b[34m",
            (Self::Coloured, Level::TRACE) => "\x1b[35m",
        }
    }

    const fn end(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Coloured => "\x1b[0m",
        }
    }
}

/// A terminal, or the file or pipe that stands for it.
pub(super) struct Terminal {
    /// A handle of its own: whoever else writes to stderr must not wait for this one.
    out: File,
    looks: Looks,
    zone: TimeZone,
}

impl Terminal {
    /// Whatever stderr is, in the time zone of the machine.
    pub(super) fn stderr() -> io::Result<Self> {
        let stderr = io::stderr();
        let out = File::from(stderr.as_fd().try_clone_to_owned()?);
        let looks = Looks::of(stderr.is_terminal(), |name| env::var(name).ok());
        Ok(Self { out, looks, zone: TimeZone::system() })
    }
}

impl Sink for Terminal {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        // In one piece: others write to stderr too.
        self.out.write_all(shown(line, self.looks, &self.zone).as_bytes())
    }
}

fn shown(line: &Line, looks: Looks, zone: &TimeZone) -> String {
    let time = Timestamp::from_millisecond(line.unix_ms).unwrap_or_default();
    let time = time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
    let (dim, colour, end) = (looks.dim(), looks.level(line.level), looks.end());
    // Lines below the first one are set in, so that none looks like a line of the log.
    let message = harmless(&line.message).replace('\n', "\n    ");
    let mut text = format!("{dim}{time}{end} {colour}{:>5}{end} {message}", line.level.as_str());
    for (name, value) in &line.fields {
        // Writing into a string does not fail.
        let _ = write!(text, " {dim}{name}={end}{}", Value(value));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn line() -> Line {
        let message = "config not read again:\nsite.toml:3: \u{7}wrong".to_owned();
        let mut line = Line::own(Level::WARN, 1_767_225_600_123, message);
        line.add("pile", "3101150012000001".to_owned());
        line.add("reason", "it left".to_owned());
        line
    }

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let wanted = "2026-01-01T08:00:00.123+08:00  WARN config not read again:\n    \
            site.toml:3: \\u{7}wrong pile=3101150012000001 reason=\"it left\"\n";
        assert_eq!(shown(&line(), Looks::Plain, &zone), wanted);
    }

    #[test]
    fn colours_add_nothing_that_can_be_seen_without_them() {
        let coloured = shown(&line(), Looks::Coloured, &TimeZone::UTC);
        let mut parts = coloured.split('\x1b');
        let mut plain = parts.next().unwrap().to_owned();
        parts.for_each(|part| plain.push_str(part.split_once('m').unwrap().1));
        assert_eq!(plain, shown(&line(), Looks::Plain, &TimeZone::UTC));
        assert!(coloured.contains("\x1b[33m WARN\x1b[0m "), "{coloured:?}");
    }

    #[test]
    fn there_are_colours_only_on_a_terminal_whose_user_wants_them() {
        let looks = |is_terminal, set: &[(&str, &str)]| {
            let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Looks::of(is_terminal, |name| {
                set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        assert_eq!(looks(true, &[("TERM", "xterm")]), Looks::Coloured);
        assert_eq!(looks(true, &[("NO_COLOR", "")]), Looks::Coloured);
        assert_eq!(looks(true, &[("NO_COLOR", "1")]), Looks::Plain);
        assert_eq!(looks(true, &[("TERM", "dumb")]), Looks::Plain);
        assert_eq!(looks(false, &[("TERM", "xterm")]), Looks::Plain);
    }
}
