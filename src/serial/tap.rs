//! Between a port and the client of frames: keeps what passes, and outlives the client.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frame::{Asked, Look, echo},
    port::Stream,
    settings::TimeSource,
};
use crate::{metering::time::Micros, protocol::modbus::Block};

/// Bytes kept of one exchange: a frame has at most 260, and one more as an echo. A line that says
/// more than this is not answering.
const MAX_HEARD: usize = 1024;

/// A port, shared between its owner and the client of frames at work on it.
#[derive(Clone)]
pub(super) struct Tap(Arc<Mutex<Inner>>);

struct Inner {
    stream: Stream,
    look: Look,
    now: TimeSource,
    exchange: Exchange,
    /// Why the port cannot be used any more.
    gone: Option<String>,
}

/// What passed since the request's begin.
#[derive(Debug)]
pub(super) struct Exchange {
    pub address: u8,
    pub block: Block,
    /// The request.
    pub sent: Vec<u8>,
    /// All that came since.
    pub heard: Vec<u8>,
    /// When the last of it came.
    pub heard_at: Option<Micros>,
    /// How much of it the client was given, or was kept from it.
    passed: usize,
}

impl Exchange {
    pub(super) const fn new(address: u8, block: Block) -> Self {
        Self { address, block, sent: Vec::new(), heard: Vec::new(), heard_at: None, passed: 0 }
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked { address: self.address, block: self.block, sent: &self.sent }
    }
}

impl Tap {
    pub(super) fn new(stream: Stream, look: Look, now: TimeSource) -> Self {
        let nothing = Block { table: crate::protocol::modbus::Table::Holding, start: 0, count: 0 };
        let exchange = Exchange::new(0, nothing);
        Self(Arc::new(Mutex::new(Inner { stream, look, now, exchange, gone: None })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the port cannot be used any more, if so.
    pub(super) fn gone(&self) -> Option<String> {
        self.inner().gone.clone()
    }

    /// Begins an exchange: what comes from now on belongs to it.
    pub(super) fn begin(&self, address: u8, block: Block) {
        self.inner().exchange = Exchange::new(address, block);
    }

    /// Takes what has come, without waiting, and leaves nothing in the driver.
    /// That goes for a request, too, that a stuck port has not sent.
    pub(super) fn drain(&self) -> Vec<u8> {
        let mut inner = self.inner();
        let drained = inner.drain();
        if let Err(error) = inner.stream.flush() {
            inner.lose(&error);
        }
        drained
    }

    /// Takes what has come without waiting, as part of the exchange.
    pub(super) fn gather(&self) {
        let mut inner = self.inner();
        let more = inner.drain();
        if !more.is_empty() {
            inner.exchange.heard.extend(more);
            inner.exchange.heard_at = Some(inner.micros());
        }
    }

    /// What passed, at the end of it.
    pub(super) fn end(&self) -> Exchange {
        let mut inner = self.inner();
        let next = Exchange::new(inner.exchange.address, inner.exchange.block);
        std::mem::replace(&mut inner.exchange, next)
    }

    /// Waits for bytes outside of an exchange; none when the port is gone.
    pub(super) async fn listen(&self) -> Vec<u8> {
        std::future::poll_fn(|cx| {
            let mut bytes = [0; 256];
            let mut buffer = ReadBuf::new(&mut bytes);
            match self.inner().read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => Poll::Ready(buffer.filled().to_vec()),
                Poll::Ready(Err(_)) => Poll::Ready(Vec::new()),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Inner {
    fn micros(&self) -> Micros {
        (self.now)().1
    }

    fn lose(&mut self, error: &io::Error) {
        self.gone.get_or_insert_with(|| error.to_string());
    }

    /// At most as much as is kept of an exchange; the rest is thrown away.
    fn drain(&mut self) -> Vec<u8> {
        let mut drained = Vec::new();
        let result = self.stream.drain(|bytes| {
            let room = MAX_HEARD.saturating_sub(drained.len());
            drained.extend(bytes.iter().take(room));
        });
        if let Err(error) = result {
            self.lose(&error);
        }
        drained
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.stream.poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &read {
            self.lose(error);
        }
        read
    }

    /// Bytes the client may see and has not seen yet.
    fn pass(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let Exchange { heard, passed, .. } = &self.exchange;
        let Some(hidden) = echo(self.look, self.exchange.asked(), heard) else { return false };
        let from = hidden.max(*passed);
        let rest = heard.get(from..).unwrap_or_default();
        let fitting = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..fitting]);
        if fitting > 0 {
            self.exchange.passed = from + fitting;
        }
        fitting > 0
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        while !inner.pass(buffer) {
            if inner.exchange.heard.len() >= MAX_HEARD {
                let babble = io::Error::new(io::ErrorKind::InvalidData, "too much was heard");
                return Poll::Ready(Err(babble));
            }
            let mut bytes = [0; 256];
            let mut raw = ReadBuf::new(&mut bytes);
            std::task::ready!(inner.read(cx, &mut raw))?;
            inner.exchange.heard.extend_from_slice(raw.filled());
            inner.exchange.heard_at = Some(inner.micros());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.inner();
        match std::task::ready!(inner.stream.poll_write(cx, bytes)) {
            Ok(written) => {
                inner.exchange.sent.extend_from_slice(bytes.get(..written).unwrap_or_default());
                Poll::Ready(Ok(written))
            }
            Err(error) => {
                inner.lose(&error);
                Poll::Ready(Err(error))
            }
        }
    }

    /// Does not wait until the bytes are on the line: for a serial port that would hold the
    /// thread, on a driver in trouble for ever. How long they take follows from their number.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The port stays open: it is not the client's.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}
