//! What a client is sent: whatever its session has for it, in order.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::KEEP_BYTES;
use super::desk::Desk;
use crate::broker::event::GoneReason;

pub(super) struct Writer<'a, S> {
    pub(super) desk: &'a Desk,
    pub(super) half: WriteHalf<S>,
    pub(super) buffer: BytesMut,
    pub(super) drained: &'a Notify,
}

impl<S> Writer<'_, S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) async fn run(&mut self) -> GoneReason {
        loop {
            if let Err(reason) = self.write_all().await {
                return reason;
            }
            self.desk.guest.wake.notified().await;
        }
    }

    /// Writes until nothing waits.
    async fn write_all(&mut self) -> Result<(), GoneReason> {
        let patience = self.desk.shared.config.write_timeout;
        loop {
            if self.buffer.is_empty() && !self.fill() {
                let flushed = timeout(patience, self.half.flush()).await;
                return flushed.map_err(|_| GoneReason::Stuck)?.map_err(|_| GoneReason::Lost);
            }
            match timeout(patience, self.half.write_buf(&mut self.buffer)).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return Err(GoneReason::Lost),
                Err(_) => return Err(GoneReason::Stuck),
            }
        }
    }

    fn fill(&mut self) -> bool {
        let (shared, connection) = (&self.desk.shared, self.desk.connection());
        let now = shared.now();
        if self.buffer.capacity() > KEEP_BYTES {
            self.buffer = BytesMut::new();
        }
        shared.hub().transmit(connection, now, &mut self.buffer);
        self.drained.notify_one();
        !self.buffer.is_empty()
    }

    pub(super) async fn finish(&mut self) {
        if self.write_all().await.is_ok() {
            // The client may have closed already.
            let _closed = self.half.shutdown().await;
        }
    }
}
