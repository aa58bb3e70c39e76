//! `tracing` is the only facade; under systemd each field becomes a field of the journal.
//!
//! An event becomes a [`Line`] where it happens; what repeats is held back and counted
//! (`flood.rs`), the rest is put into a bounded queue (`queue.rs`), and one thread writes it
//! (`writer.rs`) to the journal or to stderr. So nobody ever waits for either of them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use systemd_journal_logger::connected_to_journal;
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    reload,
};

mod collector;
mod flood;
mod journal;
mod line;
mod queue;
mod terminal;
mod writer;

use collector::Collector;
use flood::Flood;
use line::Line;
use queue::Queue;
use writer::Destination;

use crate::{clock::Clock, domain::time::Mono};

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

/// Last words are waited for that long; whoever does not read by then does not get them.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What those who log and the one that writes share.
struct State {
    queue: Queue,
    flood: Mutex<Flood>,
    clock: Clock,
}

impl State {
    fn new() -> Self {
        Self { queue: Queue::default(), flood: Mutex::default(), clock: Clock::passing() }
    }

    fn mono(&self) -> Mono {
        self.clock.mono()
    }

    fn unix_ms(&self) -> i64 {
        self.clock.now().wall.unix_ms
    }

    /// A panic while it is held leaves it whole enough to go on.
    fn flood(&self) -> MutexGuard<'_, Flood> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line to be written, unless it is held back.
    fn take(&self, line: Line) {
        let passed = self.flood().take(line, self.mono());
        if let Some(line) = passed {
            self.queue.push(line);
        }
    }

    fn tell_floods(&self) {
        let told = self.flood().tell(self.mono());
        told.into_iter().for_each(|line| self.queue.push(line));
    }
}

/// Running logging. What waits is written when it is dropped.
pub struct Logging {
    filter: reload::Handle<Targets, Registry>,
    state: Arc<State>,
}

impl Logging {
    /// From now on this level, or filter.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn set_level(&self, level: &str) -> anyhow::Result<()> {
        self.filter.reload(filter(level)?).context("the log filter is gone")
    }

    /// Writes what waits and what was held back, within a second; for programs that leave without
    /// dropping this.
    pub fn finish(&self) {
        let held = self.state.flood().end();
        held.into_iter().for_each(|line| self.state.queue.push(line));
        // Whoever does not read cannot be told.
        let _ = self.state.queue.flush(LAST_WORDS);
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Starts logging: to the journal under systemd, else to stderr. Panics are logged too.
///
/// # Errors
///
/// If the level is none, or logging has been started already.
pub fn start(level: &str) -> anyhow::Result<Logging> {
    let (layer, filter) = reload::Layer::new(filter(level)?);
    let state = Arc::new(State::new());
    let subscriber = tracing_subscriber::registry().with(layer).with(Collector(state.clone()));
    tracing_log::LogTracer::init().context("a logger is installed already")?;
    tracing::subscriber::set_global_default(subscriber).context("logging runs already")?;
    let to = if connected_to_journal() { Destination::Journal } else { Destination::Stderr };
    let written = state.clone();
    let thread = thread::Builder::new().name("log".to_owned());
    let write = move || {
        if let Ok(mut sink) = to.open(&written) {
            writer::run(&written, &mut *sink);
        }
    };
    thread.spawn(write).context("cannot start the thread that logs")?;
    // The usual hook writes to stderr and would wait for it, whichever thread panics.
    std::panic::set_hook(Box::new(tell_panic));
    Ok(Logging { filter, state })
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("something that is no text");
    let place = panic.location().map(tracing::field::display);
    let trace = Backtrace::capture();
    let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
    tracing::error!(thread, place, backtrace = trace, "panic: {what}");
}

/// Filters by module and level only; by values of fields it would take a machine for regular
/// expressions, half a megabyte of a small board's flash.
fn filter(level: &str) -> anyhow::Result<Targets> {
    let wanted: Targets = level.parse().with_context(|| format!("not a log level: {level}"))?;
    // A filter that names the crate itself has the last word.
    let quiet = QUIET.into_iter().filter(|(name, _)| !level.contains(name));
    Ok(wanted.with_targets(quiet))
}
