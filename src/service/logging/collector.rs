//! Events into lines.

use std::{fmt, sync::Arc};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{Layer, layer::Context};

use super::{State, line::Line};

/// Makes a line of each event. Spans are nothing to it: the router of the doors opens several, at
/// level ERROR, for every packet.
pub(super) struct Collector(pub(super) Arc<State>);

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        // Events that came through `log` carry their place in fields.
        let normal = event.normalized_metadata();
        let meta = normal.as_ref().unwrap_or_else(|| event.metadata());
        let place = meta.file().zip(meta.line()).map(|(file, line)| (file.to_owned(), line));
        let mut line = Line {
            level: *meta.level(),
            unix_ms: self.0.unix_ms(),
            target: meta.target().to_owned(),
            place,
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut Fields(&mut line));
        self.0.take(line);
    }
}

/// The fields of an event as text.
struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.add(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.add(field.name(), format!("{value:?}"));
    }
}
