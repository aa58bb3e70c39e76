//! The meters of one line, and what is under way on a wire to them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    frame::{Asked, Framing},
    slave::{Exchange, Sending, Slave},
};
use crate::{domain::time::Mono, peers::handle::Clock};

/// News waiting to be taken; a listener slower than this loses the newest.
const NEWS_MAX: usize = 4_096;

/// Bytes that may wait for the rest of a request; what comes on top is noise.
const INLET_MAX: usize = 1_024;

/// A beginning that is older than this is not the beginning of what comes now.
const FRAGMENT_MS: u64 = 50;

/// What a converter says of a unit that does not answer it.
const GATEWAY_TARGET_SILENT: u8 = 0x0B;

/// The meters of one line, shared between whoever serves them and whoever directs them.
#[derive(Clone)]
pub struct Meters {
    slaves: Arc<Mutex<BTreeMap<u8, Slave>>>,
    clock: Clock,
    news: (flume::Sender<Exchange>, flume::Receiver<Exchange>),
}

impl Meters {
    /// The meters of a line; of two with the same address, the line has the last.
    #[must_use]
    pub fn new(slaves: Vec<Slave>, clock: Clock) -> Self {
        let slaves = slaves.into_iter().map(|slave| (slave.address(), slave)).collect();
        Self { slaves: Arc::new(Mutex::new(slaves)), clock, news: flume::bounded(NEWS_MAX) }
    }

    /// Directs or asks the meter at an address; `None` if there is none.
    pub fn with<R>(&self, address: u8, act: impl FnOnce(&mut Slave, Mono) -> R) -> Option<R> {
        let now = (self.clock)().mono;
        self.lock().get_mut(&address).map(|slave| act(slave, now))
    }

    /// Where they tell what they were asked; every clone takes from the same queue.
    #[must_use]
    pub fn news(&self) -> flume::Receiver<Exchange> {
        self.news.1.clone()
    }

    pub(super) fn now(&self) -> Mono {
        (self.clock)().mono
    }

    fn answer(&self, asked: &Asked, framing: Framing, now: Mono) -> Vec<Sending> {
        let answered = match self.lock().get_mut(&asked.address) {
            Some(slave) => slave.answer(asked, framing, now),
            None => return nobody(asked, framing, now),
        };
        let Some((sendings, exchange)) = answered else { return Vec::new() };
        // A full queue sheds: nobody listens.
        let _ = self.news.0.try_send(exchange);
        sendings
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u8, Slave>> {
        // A panic in another holder leaves meters that are still good enough to ask.
        self.slaves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of an address where no meter is.
fn nobody(asked: &Asked, framing: Framing, now: Mono) -> Vec<Sending> {
    match framing {
        Framing::Rtu => Vec::new(),
        Framing::Tcp => {
            let function = asked.pdu.first().copied().unwrap_or(0) | 0x80;
            let pdu = [function, GATEWAY_TARGET_SILENT];
            vec![Sending { at: now, bytes: framing.frame(asked, asked.address, &pdu) }]
        }
    }
}

/// One wire to the meters: a serial line, or one of several connections; pure.
pub struct Wire {
    meters: Meters,
    framing: Framing,
    inlet: Vec<u8>,
    heard: Mono,
    /// In the order in which they go out.
    outlet: VecDeque<Sending>,
}

impl Wire {
    /// A wire on which nothing is under way.
    #[must_use]
    pub fn new(meters: Meters, framing: Framing) -> Self {
        Self { meters, framing, inlet: Vec::new(), heard: Mono(0), outlet: VecDeque::new() }
    }

    /// Bytes came.
    pub fn hear(&mut self, bytes: &[u8], now: Mono) {
        let is_old = self.framing == Framing::Rtu && now.since_ms(self.heard) > FRAGMENT_MS;
        if is_old || self.inlet.len() > INLET_MAX {
            self.inlet.clear();
        }
        self.heard = now;
        self.inlet.extend(bytes);
        while let Some(asked) = self.framing.take(&mut self.inlet) {
            self.outlet.extend(self.meters.answer(&asked, self.framing, now));
        }
        // Stable: what is due at once goes out in the order in which it was said.
        self.outlet.make_contiguous().sort_by_key(|sending| sending.at);
    }

    /// When the next bytes go out.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.outlet.front().map(|sending| sending.at)
    }

    /// Bytes that are to go out by now.
    pub fn take(&mut self, now: Mono) -> Option<Vec<u8>> {
        self.deadline().filter(|at| *at <= now)?;
        self.outlet.pop_front().map(|sending| sending.bytes)
    }
}
