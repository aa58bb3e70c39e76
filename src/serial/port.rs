//! Ports and connections, opened and read raw.

use std::{
    io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::{
    io::{Errno, read, retry_on_intr, write},
    net::{RecvFlags, recv},
    termios::{QueueSelector, tcflush},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, unix::AsyncFd},
    net::TcpStream,
    time::timeout,
};
use tokio_serial::{DataBits, FlowControl, SerialPortBuilderExt as _, SerialStream, StopBits};

use super::settings::{Framing, Port, Rs485};
use crate::{protocol::modbus::Parity, sys};

/// A meter or gateway of the same network answers a connect within milliseconds, one behind a
/// mobile link within seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a port cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The device is not there, is no serial port, or another program has it.
    #[error("cannot open {port}: {reason}")]
    Open {
        /// The port.
        port: String,
        /// What the system says.
        reason: String,
    },
    /// Its driver does not know the direction of RS-485.
    #[error(
        "the driver of {port} cannot switch the direction of RS-485: {reason}\nhint: most adapters \
         switch by themselves; leave `rs485` out of the bus's `serial`"
    )]
    Direction {
        /// The port.
        port: String,
        /// What the system says.
        reason: io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to {port}: {reason}")]
    Connect {
        /// The address.
        port: String,
        /// What the system says.
        reason: io::Error,
    },
}

/// An open port or connection.
#[derive(Debug)]
pub(super) enum Stream {
    Serial(AsyncFd<OwnedFd>),
    Tcp(TcpStream),
}

impl Stream {
    /// Opens it; a serial port is locked against other programs.
    pub(super) async fn open(port: &Port) -> Result<Self, PortError> {
        match port {
            Port::Serial { rs485, .. } => {
                let stream = serial(port)?;
                if let Some(rs485) = rs485 {
                    let level = match rs485 {
                        Rs485::SendHigh => sys::RtsLevel::High,
                        Rs485::SendLow => sys::RtsLevel::Low,
                    };
                    sys::switch_direction(&stream, level).map_err(|reason| {
                        PortError::Direction { port: port.to_string(), reason }
                    })?;
                }
                // The lock goes with the open file, whichever descriptor it has.
                let watched = sys::duplicate(&stream).and_then(sys::watched_for_reading);
                watched.map(Self::Serial).map_err(|error| PortError::Open {
                    port: port.to_string(),
                    reason: error.to_string(),
                })
            }
            Port::Tcp { address, framing: Framing::Tcp | Framing::Rtu } => {
                let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
                let stream = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                // A request must not wait for the acknowledgement of the one before.
                let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                stream
                    .map(Self::Tcp)
                    .map_err(|reason| PortError::Connect { port: address.clone(), reason })
            }
        }
    }

    /// Takes what has come, without waiting.
    pub(super) fn drain(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        // More than the buffer of a terminal in the kernel: what talks faster is not waited for.
        for _ in 0..32 {
            let mut bytes = [0; 256];
            let read = match self {
                Self::Serial(port) => read(&*port, &mut bytes).map_err(io::Error::from),
                Self::Tcp(stream) => {
                    let received = recv(&*stream, &mut bytes, RecvFlags::DONTWAIT);
                    received.map(|(read, _)| read).map_err(io::Error::from)
                }
            };
            match read {
                Ok(0) => return Err(hung_up()),
                Ok(read) => take(bytes.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Throws away what the driver has not handed on yet, and what it has not sent: sent late, it
    /// would be answered to another request.
    pub(super) fn flush(&self) -> io::Result<()> {
        match self {
            Self::Serial(port) => Ok(tcflush(port, QueueSelector::IOFlush)?),
            Self::Tcp(_) => Ok(()),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = match self {
            Self::Serial(port) => poll_read(port, cx, buffer),
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
        };
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => Poll::Ready(Err(hung_up())),
            read => read,
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Serial(port) => match retry_on_intr(|| write(&*port, bytes)) {
                // A driver with no room for a request is in trouble; its time-out ends that.
                Err(Errno::AGAIN) => Poll::Pending,
                written => Poll::Ready(written.map_err(io::Error::from)),
            },
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }
}

fn poll_read(
    port: &AsyncFd<OwnedFd>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let mut ready = std::task::ready!(port.poll_read_ready(cx))?;
        let room = buffer.initialize_unfilled();
        let read = ready.try_io(|port| Ok(retry_on_intr(|| read(port, &mut *room))?));
        if let Ok(read) = read {
            return Poll::Ready(read.map(|read| buffer.advance(read)));
        }
    }
}

/// A terminal gives nothing at all when its device was unplugged, a connection when it was closed.
fn hung_up() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "hung up")
}

fn serial(port: &Port) -> Result<SerialStream, PortError> {
    let refused = |reason: String| PortError::Open { port: port.to_string(), reason };
    let Port::Serial { path, baud, parity, stop_bits, .. } = port else {
        return Err(refused("no serial port".into()));
    };
    let path = path.to_str().ok_or_else(|| refused("its name is no UTF-8".into()))?;
    let parity = match parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if *stop_bits == 2 { StopBits::Two } else { StopBits::One };
    tokio_serial::new(path, *baud)
        .data_bits(DataBits::Eight)
        .parity(parity)
        .stop_bits(stop_bits)
        .flow_control(FlowControl::None)
        .open_native_async()
        .map_err(|error| refused(error.to_string()))
}
