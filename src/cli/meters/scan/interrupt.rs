//! Ctrl-C.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody has pressed Ctrl-C: the scan ends in order, with what it has found. A second
/// time ends it at once; then the controller takes its bus back by itself.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From its return on nobody is cut off in the middle.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let pressed = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut presses = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
        let seen = pressed.clone();
        thread::Builder::new().name("ctrl-c".to_owned()).spawn(move || {
            runtime.block_on(async {
                while presses.recv().await.is_some() {
                    if seen.swap(true, Relaxed) {
                        process::exit(1);
                    }
                }
            });
        })?;
        Ok(Self(pressed))
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.0.load(Relaxed)
    }
}
