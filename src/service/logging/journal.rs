//! The journal of systemd: each field of a line is a field there, in capital letters.

use std::io;

use systemd_journal_logger::JournalLog;
use tracing::Level;

use super::{line::Line, writer::Sink};

/// The journal.
pub(super) struct Journal(JournalLog);

impl Journal {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(JournalLog::new()?))
    }
}

impl Sink for Journal {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let pairs: Vec<_> = line.fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let mut record = log::Record::builder();
        record.level(level(line.level)).target(&line.target).key_values(&pairs);
        if let Some((file, number)) = &line.place {
            record.file(Some(file)).line(Some(*number));
        }
        // The message carries the fields too, for those who read nothing else.
        self.0.journal_send(&record.args(format_args!("{}", line.text())).build())
    }
}

const fn level(level: Level) -> log::Level {
    match level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}
