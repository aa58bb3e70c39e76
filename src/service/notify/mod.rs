//! The line to systemd; nobody else talks to it.
//!
//! Nothing here waits. A service manager that does not read must not stop the site: what it has
//! to know is said again later, the rest is dropped.

use std::{
    collections::VecDeque,
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sd_notify::NotifyState;

mod line;
mod patience;
mod teller;

pub use patience::Patience;
pub use teller::Teller;

/// Where systemd listens: a path, or with `@` in front an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Longest text of a status; it is one line on a terminal.
const MAX_STATUS_BYTES: usize = 400;

/// The line to the service manager, or to nobody.
#[derive(Debug, Default)]
pub struct Manager {
    line: Option<Line>,
    said: Mutex<Said>,
}

#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    to: SocketAddr,
}

/// What was said, and what is still to be said.
#[derive(Debug, Default)]
struct Said {
    status: String,
    /// Three at the most: [`Said::wait`].
    waiting: VecDeque<(Turn, String)>,
}

/// What the manager must not miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Ready,
    Reloading,
    Stopping,
}

impl Said {
    /// A turn waits for a manager that does not read. One that is waited with already is said
    /// with the newer text; a reload that nobody has heard the beginning of is not said at all.
    fn wait(&mut self, turn: Turn, text: String) {
        match self.waiting.back_mut() {
            Some((last, waiting)) if *last == turn => *waiting = text,
            Some(_) if turn == Turn::Reloading => {}
            _ => self.waiting.push_back((turn, text)),
        }
    }
}

impl Manager {
    /// The manager that has started this program, if one has.
    ///
    /// # Errors
    ///
    /// If it waits at an address that is none, or there is no socket to be had.
    pub fn of_environment() -> io::Result<Self> {
        match env::var_os(SOCKET) {
            Some(address) => Self::at(&address),
            None => Ok(Self::default()),
        }
    }

    fn at(address: &OsStr) -> io::Result<Self> {
        let to = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { line: Some(Line { socket, to }), said: Mutex::default() })
    }

    /// Within which time it wants to hear of progress; `None`: it does not watch.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.line.as_ref().and_then(|_| sd_notify::watchdog_enabled())
    }

    /// All is restored and everybody listens; so it is again after a reload.
    pub fn ready(&self, status: &str) {
        self.turn(Turn::Ready, &[NotifyState::Ready], status);
    }

    /// The config is being read again, until the next [`Self::ready`].
    pub fn reloading(&self) {
        // systemd tells by the time which reload is meant.
        let now = NotifyState::monotonic_usec_now().ok();
        let states: Vec<_> = [NotifyState::Reloading].into_iter().chain(now).collect();
        self.turn(Turn::Reloading, &states, "reading the config again");
    }

    /// The rooms are being closed.
    pub fn stopping(&self, status: &str) {
        self.turn(Turn::Stopping, &[NotifyState::Stopping], status);
    }

    /// Every room makes progress.
    pub fn alive(&self) {
        let mut said = self.said();
        if self.catch_up(&mut said) {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// What is going on, in a line for people; the same line is not said twice.
    pub fn status(&self, text: &str) {
        let mut said = self.said();
        let text = one_line(text);
        if self.catch_up(&mut said)
            && said.status != text
            && self.send(&[NotifyState::Status(&text)])
        {
            said.status = text;
        }
    }

    /// The start takes longer: it is not to be given up within that time.
    fn extend(&self, by: Duration) {
        let by_us = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        let mut said = self.said();
        if self.catch_up(&mut said) {
            self.send(&[NotifyState::ExtendTimeoutUsec(by_us)]);
        }
    }

    /// Says what must not be lost.
    fn turn(&self, turn: Turn, states: &[NotifyState<'_>], status: &str) {
        let status = one_line(status);
        let text = message(states) + &message(&[NotifyState::Status(&status)]);
        let mut said = self.said();
        said.wait(turn, text);
        said.status = status;
        self.catch_up(&mut said);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what waits, in its order; whether nothing waits any more.
    fn catch_up(&self, said: &mut Said) -> bool {
        while let Some((_, first)) = said.waiting.front() {
            if !self.send_text(first) {
                return false;
            }
            said.waiting.pop_front();
        }
        true
    }

    fn send(&self, states: &[NotifyState<'_>]) -> bool {
        self.send_text(&message(states))
    }

    /// Whether it is said, or never will be.
    fn send_text(&self, text: &str) -> bool {
        let Some(Line { socket, to }) = &self.line else { return true };
        match socket.send_to_addr(text.as_bytes(), to) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }
}

fn message(states: &[NotifyState<'_>]) -> String {
    states.iter().map(|state| format!("{state}\n")).collect()
}

/// A text without line ends, which would begin another message, and not too long.
fn one_line(text: &str) -> String {
    let mut line = text.replace(char::is_control, " ");
    let end = (0..=MAX_STATUS_BYTES).rev().find(|end| line.is_char_boundary(*end));
    line.truncate(end.unwrap_or_default());
    line
}

#[cfg(test)]
mod tests;
