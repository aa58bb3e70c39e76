//! Puts a simulated EC server on a port of TCP.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Server, What,
    frame::HEARTBEAT,
    session::{Due, Session},
};

/// Read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// Links at once; a gate has one, and one that it has given up.
const LINKS_MAX: usize = 64;

/// After a link that could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server on its port.
pub struct Tcp {
    listener: TcpListener,
    server: Server,
}

impl Tcp {
    /// Binds the port.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn bind(listen: SocketAddr, server: Server) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(listen).await?, server })
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
        let mut links = JoinSet::new();
        let mut number = 0;
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if links.len() < LINKS_MAX => match accepted {
                    Ok((stream, _)) => {
                        number += 1;
                        links.spawn(link(stream, self.server.clone(), number));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = links.join_next(), if !links.is_empty() => {}
            }
        }
    }
}

async fn link(mut stream: TcpStream, server: Server, number: u64) {
    // Heartbeats are not to wait for one another; a system that cannot say so works as well.
    let _ = stream.set_nodelay(true);
    server.tell(number, What::Connected);
    // A link that fails has ended.
    let _ = talk(&mut stream, &server, number).await;
    server.tell(number, What::Ended);
}

async fn talk(stream: &mut TcpStream, server: &Server, number: u64) -> io::Result<()> {
    let mut orders = server.orders.subscribe();
    let life = orders.borrow_and_update().life;
    let mut session = Session::new(&server.settings, server.now());
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let now_ordered = *orders.borrow_and_update();
        if now_ordered.life != life {
            return Ok(());
        }
        let due_ms = session.deadline(&server.settings).since_ms(server.now());
        tokio::select! {
            // What was ordered is done before what has come is read.
            biased;
            _ = orders.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(due_ms)) => {
                match session.due(&server.settings, now_ordered.faults, server.now()) {
                    Due::Nothing => {}
                    Due::Heartbeat => stream.write_all(&HEARTBEAT).await?,
                    Due::Silence => {
                        server.tell(number, What::Silent);
                        return Ok(());
                    }
                }
            }
            read = stream.read(&mut chunk), if !now_ordered.faults.deaf => match read? {
                0 => return Ok(()),
                count => server.hear(number, &mut session, &chunk[..count]),
            },
        }
    }
}
