//! The one who answers.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

/// Longest line that is read; a secret is as long at the most.
const MAX_LINE_BYTES: u64 = 8192;

/// How an answer is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Shown,
    /// The terminal does not show it.
    Hidden,
}

/// Who answers questions.
pub(super) trait Person {
    /// Asks once; `None`: there will be no answer.
    fn ask(&mut self, question: &str, manner: Manner) -> anyhow::Result<Option<String>>;

    /// Says something.
    fn tell(&mut self, text: &str);
}

/// Somebody at a terminal.
pub(super) struct Typist {
    scene: Scene,
}

impl Typist {
    /// `None`: nobody is there.
    pub(super) fn at_terminal(scene: &Scene) -> Option<Self> {
        io::stdin().is_terminal().then(|| Self { scene: scene.clone() })
    }
}

impl Person for Typist {
    fn ask(&mut self, question: &str, manner: Manner) -> anyhow::Result<Option<String>> {
        // Before the question is there to be answered.
        let hidden = match manner {
            Manner::Hidden => Some(self.scene.hide()?),
            Manner::Shown => None,
        };
        eprint!("{question} ");
        io::stderr().flush()?;
        let mut line = Vec::new();
        let read = io::stdin().lock().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if hidden.is_some() || !line.ends_with(b"\n") {
            eprintln!();
        }
        drop(hidden);
        read?;
        // Nothing at all, not even an empty line: the terminal is closed, or Ctrl-D was pressed.
        let is_end = line.is_empty();
        Ok((!is_end).then(|| String::from_utf8_lossy(&line).trim().to_owned()))
    }

    fn tell(&mut self, text: &str) {
        eprintln!("{text}");
    }
}

/// What an interrupt finds: whoever presses Ctrl-C, hangs up or ends the program gets the
/// terminal back as it was, and either all files or none.
#[derive(Clone, Default)]
pub(super) struct Scene(Arc<Mutex<Stage>>);

#[derive(Default)]
struct Stage {
    /// How the terminal was before it hid what is typed.
    shown: Option<Termios>,
    is_written: bool,
}

impl Scene {
    /// Heeds interrupts from its return on.
    pub(super) fn guarded() -> anyhow::Result<Self> {
        let scene = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [mut pressed, mut ended, mut gone] = {
            let _in = runtime.enter();
            let [one, two, three] = kinds.map(signal);
            [one?, two?, three?]
        };
        let seen = scene.clone();
        thread::Builder::new().name("ctrl-c".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = pressed.recv() => {}
                    _ = ended.recv() => {}
                    _ = gone.recv() => {}
                }
            });
            // Waits for files that are being written.
            let stage = seen.stage();
            show(stage.shown.as_ref());
            let told = if stage.is_written { "everything" } else { "nothing" };
            // Whoever hung up reads nothing.
            let _ = writeln!(io::stderr(), "\nstopped: {told} was written");
            process::exit(1);
        })?;
        Ok(scene)
    }

    /// Does something that no interrupt may cut in two; it is all or nothing by itself.
    pub(super) fn whole<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut stage = self.stage();
        let done = work();
        stage.is_written = done.is_ok();
        done
    }

    fn hide(&self) -> io::Result<Hidden> {
        let shown = tcgetattr(io::stdin())?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        self.stage().shown = Some(shown);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Hidden(self.clone()))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the terminal does not show what is typed.
struct Hidden(Scene);

impl Drop for Hidden {
    fn drop(&mut self) {
        show(self.0.stage().shown.take().as_ref());
    }
}

fn show(terminal: Option<&Termios>) {
    if let Some(terminal) = terminal {
        // A terminal that is gone shows nothing either way.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, terminal);
    }
}
