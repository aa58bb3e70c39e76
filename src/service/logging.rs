//! `tracing` is the only facade; under systemd each field becomes a field of the journal.

use std::{
    fmt::{self, Write as _},
    io::IsTerminal as _,
};

use anyhow::Context as _;
use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt as _},
    reload,
};

/// What is always added: the router opens a span at level ERROR for every packet, and its
/// library tells of every lost link what we tell once. That of TLS warns of what any stranger sends,
/// that of Modbus of every disturbed frame.
const QUIET: [(&str, LevelFilter); 5] = [
    ("rumqttd", LevelFilter::WARN),
    ("rumqttc", LevelFilter::ERROR),
    ("hyper", LevelFilter::WARN),
    ("rustls", LevelFilter::ERROR),
    ("tokio_modbus", LevelFilter::OFF),
];

/// Changes the level while the program runs.
#[derive(Debug, Clone)]
pub struct LevelSwitch(reload::Handle<Targets, Registry>);

impl LevelSwitch {
    /// From now on this level, or filter.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn set(&self, level: &str) -> anyhow::Result<()> {
        self.0.reload(filter(level)?).context("the log filter is gone")
    }
}

/// Starts logging: to the journal under systemd, else to stderr.
///
/// # Errors
///
/// If the level is none, or logging has been started already.
pub fn start(level: &str) -> anyhow::Result<LevelSwitch> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let journal = if connected_to_journal() {
        Some(Journal(JournalLog::new().context("cannot reach the journal")?))
    } else {
        None
    };
    let terminal = journal.is_none().then(|| {
        let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        layer.with_target(false).with_ansi(std::io::stderr().is_terminal())
    });
    let subscriber = tracing_subscriber::registry().with(filter).with(journal).with(terminal);
    tracing_log::LogTracer::init().context("a logger is installed already")?;
    tracing::subscriber::set_global_default(subscriber).context("logging runs already")?;
    Ok(LevelSwitch(handle))
}

/// Filters by module and level only; by values of fields it would take a machine for regular
/// expressions, half a megabyte of a small board's flash.
fn filter(level: &str) -> anyhow::Result<Targets> {
    let wanted: Targets = level.parse().with_context(|| format!("not a log level: {level}"))?;
    // A filter that names the crate itself has the last word.
    let quiet = QUIET.into_iter().filter(|(name, _)| !level.contains(name));
    Ok(wanted.with_targets(quiet))
}

/// Writes events to the journal.
struct Journal(JournalLog);

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        // Events that came through `log` carry their place in fields.
        let normal = event.normalized_metadata();
        let meta = normal.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let pairs: Vec<_> = fields.pairs.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let mut record = log::Record::builder();
        record
            .level(level(*meta.level()))
            .target(meta.target())
            .module_path(meta.module_path())
            .file(meta.file())
            .line(meta.line())
            .key_values(&pairs);
        // There is nobody left to tell of a failure.
        let _ = self.0.journal_send(&record.args(format_args!("{}", fields.message)).build());
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

/// The fields of an event as text; the message also carries them, for `journalctl -f`.
#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message.insert_str(0, &value),
            name if name.starts_with("log.") => {}
            name => {
                // Writing into a string does not fail.
                let _ = write!(self.message, " {name}={value}");
                self.pairs.push((name, value));
            }
        }
    }
}
