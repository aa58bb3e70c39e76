//! One request at a time over an open port, and what came of it.

use std::{thread, time::Duration};

use tokio_modbus::{
    Request, Response, Slave,
    client::{Client as _, Context, rtu, tcp},
    slave::SlaveContext as _,
};

use super::{
    alarm::Alarm,
    frame::{Look, echo, judge},
    port::{PortError, Stream},
    settings::{Framing, Port, TimeSource},
    tap::{Exchange, Tap},
};
use crate::{
    domain::reading::ReadFault,
    metering::time::Micros,
    protocol::modbus::{Block, Table},
};

/// An open port, with the client of frames at work on it.
pub(super) struct Wire {
    tap: Tap,
    look: Look,
    /// How long after a frame something that follows belongs to it.
    linger: Duration,
    /// `None` after a fault: what the client then holds of a broken frame is not worth knowing.
    client: Option<Context>,
    alarm: Alarm,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Exchanged {
    pub answer: Result<Vec<u16>, ReadFault>,
    pub bytes_out: usize,
    /// All that came, echoes included.
    pub heard: Vec<u8>,
    /// When the last of it came.
    pub heard_at: Option<Micros>,
}

impl Wire {
    /// Opens a port. Behind a frame the line is listened to for `silence`, which must pass anyway
    /// before the next request.
    pub(super) async fn open(
        port: &Port,
        silence: Duration,
        now: TimeSource,
    ) -> Result<Self, PortError> {
        let stream = Stream::open(port).await?;
        let alarm = Alarm::new().map_err(|error| PortError::Open {
            port: port.to_string(),
            reason: error.to_string(),
        })?;
        let (look, linger) = match port {
            Port::Serial { .. } | Port::Tcp { framing: Framing::Rtu, .. } => (Look::Rtu, silence),
            // Frames have numbers, and what follows one is thrown away with the connection.
            Port::Tcp { framing: Framing::Tcp, .. } => (Look::Mbap, Duration::ZERO),
        };
        Ok(Self { tap: Tap::new(stream, look, now), look, linger, client: None, alarm })
    }

    /// Why the port cannot be used any more, if so.
    pub(super) fn gone(&self) -> Option<String> {
        self.tap.gone()
    }

    /// Takes what has come outside of an exchange, without waiting.
    pub(super) fn drain(&self) -> Vec<u8> {
        self.tap.drain()
    }

    /// Waits for bytes outside of an exchange; none when the port is gone.
    pub(super) async fn listen(&self) -> Vec<u8> {
        self.tap.listen().await
    }

    /// Asks a slave for a block, which it may take `patience` to send. Where frames have no
    /// numbers, what follows the answer within `linger` belongs to it. What came before must have
    /// been drained.
    pub(super) async fn ask(
        &mut self,
        address: u8,
        block: Block,
        patience: Duration,
        linger: Duration,
    ) -> Exchanged {
        self.tap.begin(address, block);
        let (tap, look) = (self.tap.clone(), self.look);
        let client = self.client.get_or_insert_with(|| match look {
            Look::Rtu => rtu::attach(tap),
            Look::Mbap => tcp::attach(tap),
        });
        client.set_slave(Slave(address));
        // `call`, because the methods that read registers assert the count that came.
        let called = tokio::select! {
            biased;
            called = client.call(request(block)) => Some(called),
            () = self.alarm.after(patience) => None,
        };
        let framed = match called {
            Some(Ok(Ok(
                Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words),
            ))) => Some(Ok(words)),
            Some(Ok(Err(exception))) => Some(Err(u8::from(exception))),
            // What it is exactly, the bytes tell.
            Some(Ok(Ok(_)) | Err(_)) | None => None,
        };
        if framed.is_some() {
            thread::sleep(match look {
                Look::Rtu => self.linger.max(linger),
                Look::Mbap => self.linger,
            });
        }
        self.tap.gather();
        self.closing(framed)
    }

    /// What is believed of an exchange that is over.
    fn closing(&mut self, framed: Option<Result<Vec<u16>, u8>>) -> Exchanged {
        let exchange = self.tap.end();
        let heard = &exchange.heard;
        let hidden = echo(self.look, exchange.asked(), heard).unwrap_or(0);
        let heard_behind = heard.get(hidden..).unwrap_or_default();
        let judged = judge(self.look, exchange.asked(), heard_behind);
        let answer = match (judged, framed, self.gone()) {
            (Ok(words), Some(Ok(framed)), _) if words == framed => Ok(words),
            (Err(ReadFault::Refused(code)), Some(Err(framed)), _) if code == framed => {
                Err(ReadFault::Refused(code))
            }
            (_, _, Some(why)) => Err(ReadFault::PortGone(why)),
            // Whole only after its time was over.
            (Ok(_) | Err(ReadFault::Refused(_)), _, None) => Err(ReadFault::Damaged),
            (Err(fault), _, None) => Err(fault),
        };
        if !matches!(answer, Ok(_) | Err(ReadFault::Refused(_))) {
            self.client = None;
        }
        let Exchange { heard, heard_at, sent, .. } = exchange;
        Exchanged { answer, bytes_out: sent.len(), heard, heard_at }
    }
}

fn request(block: Block) -> Request<'static> {
    match block.table {
        Table::Holding => Request::ReadHoldingRegisters(block.start, block.count),
        Table::Input => Request::ReadInputRegisters(block.start, block.count),
    }
}
