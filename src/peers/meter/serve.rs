//! Serves simulated meters on a serial port, by TCP, or on any stream of bytes.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_serial::{SerialPortBuilderExt, SerialStream, StopBits};

use super::{Framing, Meters, Wire};
use crate::{domain::time::Mono, protocol::modbus::Parity};

/// Read at once; no request is longer.
const CHUNK_BYTES: usize = 260;

/// Connections at once; converters have about so many.
const CALLS_MAX: usize = 8;

/// After a connection that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a serial port is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bits per second.
    pub baud: u32,
    /// The parity bit.
    pub parity: Parity,
    /// 1 or 2.
    pub stop_bits: u8,
}

/// Answers whatever comes on a stream, until it ends.
///
/// # Errors
/// If it cannot be read or written.
pub async fn serve<S>(mut stream: S, meters: &Meters, framing: Framing) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = Wire::new(meters.clone(), framing);
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        while let Some(bytes) = wire.take(meters.now()) {
            stream.write_all(&bytes).await?;
        }
        tokio::select! {
            read = stream.read(&mut chunk) => match read? {
                0 => return Ok(()),
                count => wire.hear(&chunk[..count], meters.now()),
            },
            () = until(wire.deadline(), meters.now()) => {}
        }
    }
}

async fn until(deadline: Option<Mono>, now: Mono) {
    match deadline {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since_ms(now))).await,
        None => std::future::pending().await,
    }
}

/// Serves meters on a serial port, until it is gone.
///
/// # Errors
/// If it cannot be opened, read or written.
pub async fn on_serial(path: &Path, settings: Settings, meters: &Meters) -> io::Result<()> {
    serve(open(path, settings)?, meters, Framing::Rtu).await
}

fn open(path: &Path, settings: Settings) -> io::Result<SerialStream> {
    let parity = match settings.parity {
        Parity::None => tokio_serial::Parity::None,
        Parity::Even => tokio_serial::Parity::Even,
        Parity::Odd => tokio_serial::Parity::Odd,
    };
    let stop_bits = if settings.stop_bits == 2 { StopBits::Two } else { StopBits::One };
    let builder = tokio_serial::new(path.to_string_lossy(), settings.baud);
    Ok(builder.parity(parity).stop_bits(stop_bits).open_native_async()?)
}

/// Meters behind a port of TCP: Modbus TCP, or a converter that passes RTU on.
pub struct Tcp {
    listener: TcpListener,
    meters: Meters,
    framing: Framing,
}

impl Tcp {
    /// Binds the port.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn bind(listen: SocketAddr, meters: Meters, framing: Framing) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { listener, meters, framing })
    }

    /// Where it is.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until dropped.
    pub async fn run(self) {
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if calls.len() < CALLS_MAX => match accepted {
                    Ok((stream, _)) => {
                        calls.spawn(call(stream, self.meters.clone(), self.framing));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = calls.join_next(), if !calls.is_empty() => {}
            }
        }
    }
}

async fn call(stream: TcpStream, meters: Meters, framing: Framing) {
    // Answers are not to wait for one another; a connection that ends is not a fault of ours.
    let _ = stream.set_nodelay(true);
    let _ = serve(stream, &meters, framing).await;
}
