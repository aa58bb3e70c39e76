//! A simulated EC server, which keeps books of what gates tell it.
//!
//! It does as the known one does: the last copy of a record wins, records that begin no earlier
//! than they end or have no energy are dropped in silence, other commands are passed over, and a
//! gate that says nothing for long is cut off. It reads with a hand of its own and shares no codec
//! with the gate it tests. [`Server`] is what others hold; [`serve`] puts it on a port.

mod books;
mod frame;
mod message;
pub mod serve;
mod session;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use self::session::Session;
pub use self::{
    books::Books,
    frame::{Frame, Reader},
    message::{Message, Point, Realtime, Record},
};
use super::handle::Clock;
use crate::domain::time::Mono;

/// News waiting to be taken; a listener slower than this loses the newest. The books are complete.
const NEWS_MAX: usize = 65_536;

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Between its heartbeats, in ms.
    pub heartbeat_ms: u64,
    /// A link is closed on which nothing was heard for so long, in ms.
    pub silence_ms: u64,
    /// From reading a record to storing it, in ms; a restart in between loses it.
    pub store_ms: u64,
}

impl Default for Settings {
    /// As the known server.
    fn default() -> Self {
        Self { heartbeat_ms: 60_000, silence_ms: 120_000, store_ms: 0 }
    }
}

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// It reads no more, while its kernel goes on to accept.
    pub deaf: bool,
    /// It sends no heartbeats.
    pub mute: bool,
}

/// Something that happened at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The link, numbered from 1.
    pub link: u64,
    /// What.
    pub what: What,
}

/// What happened on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A gate connected.
    Connected,
    /// It said something that is no record.
    Heard(Message),
    /// It told of an order.
    Told {
        /// Which.
        record: Record,
        /// So many copies of it have come.
        copy: u64,
    },
    /// Bytes that belong to no frame.
    Skipped {
        /// How many.
        count: usize,
    },
    /// It has said nothing for too long, and the link is closed.
    Silent,
    /// The link ended.
    Ended,
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.link)?;
        match &self.what {
            What::Connected => f.write_str("connected"),
            What::Told { record, copy } => {
                let fate = if record.is_dropped() { ", dropped" } else { "" };
                write!(f, "{record}; copy {copy}{fate}")
            }
            What::Heard(message) => message.fmt(f),
            What::Skipped { count } => write!(f, "{count} bytes skipped to the next mark"),
            What::Silent => f.write_str("silent for too long, closed"),
            What::Ended => f.write_str("ended"),
        }
    }
}

/// What the links obey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Orders {
    faults: Faults,
    /// Links of an earlier life end.
    life: u64,
}

/// A server as others hold it; cheap to clone.
#[derive(Clone)]
pub struct Server {
    settings: Settings,
    clock: Clock,
    books: Arc<Mutex<Books>>,
    orders: watch::Sender<Orders>,
    news: (flume::Sender<News>, flume::Receiver<News>),
}

impl Server {
    /// A server with empty books.
    #[must_use]
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let books = Arc::default();
        let orders = watch::Sender::new(Orders::default());
        Self { settings, clock, books, orders, news: flume::bounded(NEWS_MAX) }
    }

    /// Where its news arrive; every clone takes from the same queue.
    #[must_use]
    pub fn news(&self) -> flume::Receiver<News> {
        self.news.1.clone()
    }

    /// The books as they are now.
    #[must_use]
    pub fn books(&self) -> Books {
        self.with_books(|books, _| books.clone())
    }

    /// Switches faults on and off.
    pub fn fail(&self, faults: Faults) {
        self.orders.send_modify(|orders| orders.faults = faults);
    }

    /// Ends all links; the server goes on.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.life += 1);
    }

    /// Ends all links, loses what is not stored, and comes back well.
    pub fn restart(&self) {
        // The links end first: what they still read belongs to the old life.
        self.orders.send_modify(|orders| {
            *orders = Orders { life: orders.life + 1, faults: Faults::default() };
        });
        self.with_books(|books, _| books.forget());
    }

    fn now(&self) -> Mono {
        (self.clock)().mono
    }

    fn with_books<R>(&self, act: impl FnOnce(&mut Books, Mono) -> R) -> R {
        let now = self.now();
        // A panic in another holder leaves books that are still good enough to be read.
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.store(now);
        act(&mut books, now)
    }

    /// Takes in what was read on a link.
    fn hear(&self, link: u64, session: &mut Session, bytes: &[u8]) {
        session.hear(bytes, self.now());
        while let Some(frame) = session.reader.take() {
            self.tell_skipped(link, session);
            let what = match Message::of(&frame) {
                Message::Record(record) => {
                    let copy = self.note(&record, &frame);
                    What::Told { record, copy }
                }
                other => What::Heard(other),
            };
            self.tell(link, what);
        }
        self.tell_skipped(link, session);
    }

    fn note(&self, record: &Record, frame: &Frame) -> u64 {
        self.with_books(|books, now| {
            let stored_at = now.plus_ms(self.settings.store_ms);
            let copy = books.note(record.clone(), &frame.bytes, stored_at);
            books.store(now);
            copy
        })
    }

    fn tell_skipped(&self, link: u64, session: &mut Session) {
        match session.reader.skipped() {
            0 => {}
            count => self.tell(link, What::Skipped { count }),
        }
    }

    fn tell(&self, link: u64, what: What) {
        // A full queue sheds.
        let _ = self.news.0.try_send(News { link, what });
    }
}
