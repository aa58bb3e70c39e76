//! A TCP line with somebody at the plug: forwards a port of its own to an address, until it is
//! cut or stalled.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// Read at once in each direction.
const CHUNK_BYTES: usize = 16 * 1024;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes.
    Good,
    /// Connections stay and nothing passes.
    Stalled,
    /// Connections are closed, and new ones at once.
    Cut,
}

/// The hand at the plug; cheap to clone.
#[derive(Debug, Clone)]
pub struct Line {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
}

/// The line's work; dropping its future closes everything.
pub struct LineTask {
    listener: TcpListener,
    to: SocketAddr,
    weather: watch::Receiver<Weather>,
}

impl Line {
    /// A line from a free loopback port to `to`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn to(to: SocketAddr) -> io::Result<(Self, LineTask)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, weather) = watch::channel(Weather::Good);
        Ok((Self { address, weather: sender }, LineTask { listener, to, weather }))
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl LineTask {
    /// Forwards until dropped.
    pub async fn run(self) {
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    if let Ok((near, _)) = accepted {
                        calls.spawn(call(near, self.to, self.weather.clone()));
                    }
                }
                Some(_) = calls.join_next(), if !calls.is_empty() => {}
            }
        }
    }
}

/// One connection; ends with either side, or with a cut.
async fn call(near: TcpStream, to: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let copying = weather.clone();
    tokio::select! {
        () = connect_and_copy(near, to, copying) => {}
        // An error is a line that is gone.
        _ = weather.wait_for(|w| *w == Weather::Cut) => {}
    }
}

async fn connect_and_copy(near: TcpStream, to: SocketAddr, weather: watch::Receiver<Weather>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    // Small messages are not to wait for one another; a line that cannot say so works as well.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::select! {
        () = copy(near_in, far_out, weather.clone()) => {}
        () = copy(far_in, near_out, weather) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let passes = weather.wait_for(|w| *w == Weather::Good).await.is_ok();
        if !passes || to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}
