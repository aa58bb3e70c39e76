//! Between everybody who logs and the one thread that writes: a journal or a terminal that does
//! not read holds up nobody else.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::Level;

use super::line::Line;

/// Lines that wait: some minutes of a busy site.
const PLACES: usize = 2048;

/// Places that only warnings and errors get.
const KEPT_FOR_FAULTS: usize = 256;

/// What there is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A line.
    Line(Line),
    /// So many lines found no place, here.
    Lost(u64),
    /// Nothing came for a while.
    Nothing,
}

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    news: Condvar,
    idle: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the number of lines that found no place before it.
    waiting: VecDeque<(u64, Line)>,
    /// Found no place since the last one that did.
    lost: u64,
    is_writing: bool,
}

impl State {
    fn take(&mut self) -> Next {
        let lost = match self.waiting.front_mut() {
            Some((lost, _)) => std::mem::take(lost),
            None => std::mem::take(&mut self.lost),
        };
        if lost > 0 {
            return Next::Lost(lost);
        }
        self.waiting.pop_front().map_or(Next::Nothing, |(_, line)| Next::Line(line))
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0 && !self.is_writing
    }
}

impl Queue {
    /// Takes a line if there is a place for it, else counts it. Never waits for the writing.
    pub(super) fn push(&self, line: Line) {
        let is_fault = matches!(line.level, Level::ERROR | Level::WARN);
        let places = if is_fault { PLACES } else { PLACES - KEPT_FOR_FAULTS };
        let mut state = self.state();
        if state.waiting.len() < places {
            let lost = std::mem::take(&mut state.lost);
            state.waiting.push_back((lost, line));
            self.news.notify_one();
        } else {
            state.lost = state.lost.saturating_add(1);
        }
    }

    /// What to write next; what was given before is taken as written. Waits that long for it.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let mut state = self.state();
        state.is_writing = false;
        if state.is_idle() {
            self.idle.notify_all();
            let waited = self.news.wait_timeout_while(state, patience, |state| state.is_idle());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let next = state.take();
        state.is_writing = next != Next::Nothing;
        next
    }

    /// Waits until all is written, or the time is over; gives whether it is.
    pub(super) fn flush(&self, budget: Duration) -> bool {
        let state = self.state();
        let waited = self.idle.wait_timeout_while(state, budget, |state| !state.is_idle());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_idle()
    }

    /// What is held under the lock stays whole through a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    fn line(level: Level, message: &str) -> Line {
        Line::own(level, 0, message.to_owned())
    }

    fn messages(queue: &Queue) -> Vec<String> {
        let told = |next| match next {
            Next::Line(line) => Some(line.message),
            Next::Lost(lost) => Some(format!("{lost} lost")),
            Next::Nothing => None,
        };
        std::iter::from_fn(|| told(queue.next(NO_TIME))).collect()
    }

    #[test]
    fn what_finds_no_place_is_counted_where_it_is_missing() {
        let queue = Queue::default();
        for _ in 0..PLACES + 7 {
            queue.push(line(Level::INFO, "news"));
        }
        for _ in 0..KEPT_FOR_FAULTS + 3 {
            queue.push(line(Level::WARN, "fault"));
        }
        let found = messages(&queue);
        let news = PLACES - KEPT_FOR_FAULTS;
        assert_eq!(found[..news], vec!["news"; news]);
        assert_eq!(found[news], format!("{} lost", KEPT_FOR_FAULTS + 7));
        assert_eq!(found[news + 1..=PLACES], vec!["fault"; KEPT_FOR_FAULTS]);
        assert_eq!(found[PLACES + 1..], ["3 lost"]);
        queue.push(line(Level::INFO, "goes on"));
        assert_eq!(messages(&queue), ["goes on"]);
    }

    #[test]
    fn flushing_waits_for_the_line_that_is_being_written() {
        let queue = Arc::new(Queue::default());
        assert!(queue.flush(NO_TIME), "nothing waits");
        queue.push(line(Level::INFO, "last words"));
        assert!(!queue.flush(NO_TIME), "nobody writes");
        assert!(matches!(queue.next(NO_TIME), Next::Line(_)));
        assert!(!queue.flush(NO_TIME), "it is being written");
        let writer = queue.clone();
        let writing = thread::spawn(move || writer.next(Duration::from_millis(1)));
        assert!(queue.flush(Duration::from_secs(60)));
        assert_eq!(writing.join().ok(), Some(Next::Nothing));
    }

    #[test]
    fn a_writer_that_waits_is_woken() {
        let queue = Arc::new(Queue::default());
        let writer = queue.clone();
        let writing = thread::spawn(move || writer.next(Duration::from_secs(60)));
        queue.push(line(Level::INFO, "news"));
        assert_eq!(writing.join().ok(), Some(Next::Line(line(Level::INFO, "news"))));
    }
}
