//! The thread that writes, and may be held up.

use std::{io, sync::Arc, time::Duration};

use tracing::Level;

use super::{State, journal::Journal, line::Line, queue::Next, terminal::Terminal};

/// How often floods are looked after.
const LOOK: Duration = Duration::from_secs(1);

/// Where lines go.
pub(super) trait Sink {
    /// Writes a line; may take as long as it likes.
    fn write(&mut self, line: &Line) -> io::Result<()>;
}

/// Where the lines of this program go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// The journal of systemd.
    Journal,
    /// Whatever stderr is.
    Stderr,
}

impl Destination {
    /// Opens it; asking the journal may take as long as writing to it. Without a journal there is
    /// stderr, which systemd reads too.
    pub(super) fn open(self, state: &State) -> io::Result<Box<dyn Sink>> {
        if self == Self::Journal {
            match Journal::open() {
                Ok(journal) => return Ok(Box::new(journal)),
                Err(error) => {
                    let text = format!("no journal, lines go to stderr: {error}");
                    state.queue.push(Line::own(Level::WARN, state.unix_ms(), text));
                }
            }
        }
        Ok(Box::new(Terminal::stderr()?))
    }
}

/// Writes what comes, for ever.
pub(super) fn run(state: &Arc<State>, sink: &mut dyn Sink) -> ! {
    let mut writer = Writer { state, sink, lost: 0 };
    let mut looked = state.mono();
    loop {
        writer.one(LOOK);
        let now = state.mono();
        if u128::from(now.since_ms(looked)) >= LOOK.as_millis() {
            looked = now;
            state.tell_floods();
        }
    }
}

struct Writer<'a> {
    state: &'a State,
    sink: &'a mut dyn Sink,
    /// Lines that are missing where the next one is written.
    lost: u64,
}

impl Writer<'_> {
    /// Waits that long for a line, and writes it.
    fn one(&mut self, patience: Duration) -> Next {
        let next = self.state.queue.next(patience);
        match &next {
            Next::Line(line) => {
                let is_written = self.confess() && self.sink.write(line).is_ok();
                // There is nobody left to tell of it, until writing works again.
                self.lost = self.lost.saturating_add(u64::from(!is_written));
            }
            Next::Lost(lost) => self.lost = self.lost.saturating_add(*lost),
            Next::Nothing => {
                self.confess();
            }
        }
        next
    }

    /// Says how many lines are missing, if any; whether that is written.
    fn confess(&mut self) -> bool {
        if self.lost == 0 {
            return true;
        }
        let text = format!("{} lines were dropped, the log did not keep up", self.lost);
        let mut line = Line::own(Level::WARN, self.state.unix_ms(), text);
        line.add("dropped", self.lost.to_string());
        let is_written = self.sink.write(&line).is_ok();
        if is_written {
            self.lost = 0;
        }
        is_written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes lines, or does not.
    #[derive(Default)]
    struct Pad {
        lines: Vec<String>,
        refuses: usize,
    }

    impl Sink for Pad {
        fn write(&mut self, line: &Line) -> io::Result<()> {
            if self.refuses > 0 {
                self.refuses -= 1;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            self.lines.push(line.text());
            Ok(())
        }
    }

    #[test]
    fn lines_that_could_not_be_written_are_counted_and_told_when_it_works_again() {
        let state = State::new();
        for message in ["one", "two", "three", "four"] {
            state.queue.push(Line::own(Level::INFO, 0, message.to_owned()));
        }
        let mut pad = Pad { refuses: 3, ..Pad::default() };
        let mut writer = Writer { state: &state, sink: &mut pad, lost: 0 };
        while writer.one(Duration::ZERO) != Next::Nothing {}
        assert_eq!(writer.lost, 0);
        // Three refusals: the first line, and the confession before the second and the third.
        let told = "3 lines were dropped, the log did not keep up dropped=3";
        assert_eq!(pad.lines, [told, "four"]);
    }

    #[test]
    fn what_is_lost_at_the_end_is_told_too() {
        let state = State::new();
        let mut pad = Pad { refuses: 1, ..Pad::default() };
        state.queue.push(Line::own(Level::INFO, 0, "one".to_owned()));
        let mut writer = Writer { state: &state, sink: &mut pad, lost: 0 };
        while writer.one(Duration::ZERO) != Next::Nothing {}
        assert_eq!(pad.lines, ["1 lines were dropped, the log did not keep up dropped=1"]);
    }
}
