//! A link that can be cut: TCP forwarding between two loopback ports.

use std::{io, net::SocketAddr};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Connections through one proxy; a demo has one, a test a few.
const CONNECTIONS_MAX: usize = 64;

/// A link through which others connect; starts up.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    is_up: watch::Sender<bool>,
}

impl Link {
    /// Listens on a free loopback port. The future forwards to `target` until it is dropped.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn open(target: SocketAddr) -> io::Result<(Self, impl Future<Output = ()>)> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (is_up, state) = watch::channel(true);
        Ok((Self { address, is_up }, forward(listener, target, state)))
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link: connections end, and new ones are closed at once.
    pub fn cut(&self) {
        self.is_up.send_replace(false);
    }

    /// Heals the link.
    pub fn heal(&self) {
        self.is_up.send_replace(true);
    }

    /// Whether it is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.is_up.borrow()
    }
}

async fn forward(listener: TcpListener, target: SocketAddr, state: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((near, _)) = accepted else { continue };
                if *state.borrow() && connections.len() < CONNECTIONS_MAX {
                    connections.spawn(join(near, target, state.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn join(mut near: TcpStream, target: SocketAddr, mut state: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // What is lost with a connection is what a cut costs; the ends find out by themselves.
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = state.wait_for(|is_up| !is_up) => {}
    }
}
