//! Looks at the machine. Each probe is alone: one that fails, breaks or hangs takes no other along.

use std::{fs::File, io::Read as _, path::Path, sync::mpsc, thread, time::Duration};

use super::facts::{Known, Unknown};
use crate::clock::Clock;

pub(super) mod command;
pub(super) mod config;
pub(super) mod controller;
pub(super) mod disks;
pub(super) mod files;
pub(super) mod flash;
pub(super) mod journal;
pub(super) mod listeners;
pub(super) mod machine;
pub(super) mod names;
pub(super) mod orders;
pub(super) mod package;
pub(super) mod ports;
pub(super) mod processes;
pub(super) mod secrets;
pub(super) mod time;
pub(super) mod unit;

/// How long the probes of one round may take together.
const PATIENCE: Duration = Duration::from_secs(15);

/// However late it is, an answer that is there is taken.
const LEAST: Duration = Duration::from_millis(10);

/// Probes that look at the same time.
pub(super) struct Round(Clock);

impl Round {
    pub(super) fn start() -> Self {
        Self(Clock::passing())
    }

    /// What a probe has found, or why not.
    pub(super) fn finish<T>(&self, probe: &Probe<T>) -> Known<T> {
        let left = PATIENCE.saturating_sub(Duration::from_millis(self.0.mono().0)).max(LEAST);
        match probe.0.recv_timeout(left) {
            Ok(found) => found,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Unknown("it takes too long".to_owned())),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(Unknown("looking for it broke off; this is a fault of the program".to_owned()))
            }
        }
    }
}

/// Something that is being looked for in a thread of its own.
pub(super) struct Probe<T>(mpsc::Receiver<Known<T>>);

impl<T: Send + 'static> Probe<T> {
    pub(super) fn start(look: impl FnOnce() -> Known<T> + Send + 'static) -> Self {
        let (tell, told) = mpsc::sync_channel(1);
        thread::spawn(move || {
            // Nobody listens any more where it took too long.
            let _ = tell.send(look());
        });
        Self(told)
    }
}

/// Longest text that is read of the kernel's pages: the connections of a busy machine.
const MAX_PAGE_BYTES: u64 = 4 << 20;

/// A page of the kernel, or a small file.
fn page(path: impl AsRef<Path>) -> Known<String> {
    let path = path.as_ref();
    let unknown = |error| Unknown(format!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unknown)?;
    file.take(MAX_PAGE_BYTES).read_to_end(&mut bytes).map_err(unknown)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The only line of such a page, if it is there.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = page(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_breaks_or_hangs_takes_no_other_along() {
        let round = Round::start();
        let broken: Probe<u8> = Probe::start(|| panic!("as a test wants"));
        let (_keep, never) = mpsc::channel::<()>();
        let hanging: Probe<u8> = Probe::start(move || {
            let _ = never.recv();
            Ok(1)
        });
        let good = Probe::start(|| Ok(7));
        assert!(round.finish(&broken).is_err_and(|Unknown(why)| why.contains("broke off")));
        assert_eq!(round.finish(&good), Ok(7));
        assert!(hanging.0.recv_timeout(LEAST).is_err(), "it hangs, and nobody waits for it");
    }

    #[test]
    fn pages_are_read_as_far_as_they_are_there() {
        assert!(line("/proc/self/comm").is_some());
        assert_eq!(line("/nonexistent/page"), None);
        assert!(page("/nonexistent").is_err_and(|Unknown(why)| why.starts_with("/nonexistent: ")));
    }
}
