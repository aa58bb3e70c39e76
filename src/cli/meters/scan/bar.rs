//! How far a scan is.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on a terminal; elsewhere only what is tried and what is found.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(super) fn new(steps: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX));
        let style =
            ProgressStyle::with_template("{bar:40.cyan} {percent:>3} %  {msg}  {eta} to go");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
        Self(Some(bar))
    }

    pub(super) fn setting(&self, written: &str) {
        match &self.0 {
            Some(bar) => bar.set_message(written.to_owned()),
            None => eprintln!("trying {written}"),
        }
    }

    pub(super) fn step(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }

    pub(super) fn say(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
