//! The handle and the accepting task.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::config::{DoorsConfig, DoorsError};
use super::connection::{Caller, serve_plain, serve_tls};
use super::counters::{Counters, DoorsCounters};
use super::event::{DoorEvent, Outgoing, SendError, To};
use super::filter::check_topic;
use super::frame::Publish;
use super::guard::Who;
use super::hub::Hub;
use super::keys::Keys;
use super::pipe::{self, PipeEnd};
use super::porch::Porch;
use super::registry::Registry;
use super::shared::{Closing, Shared};

/// Time for all connections to end at shutdown; longer than one connection's farewell.
const DRAIN: Duration = Duration::from_secs(2);

/// Connections the kernel holds until they are accepted. With its usual 128, half the piles of a
/// large site that all come back at once would wait a second for the repetition of their SYN.
const BACKLOG: u32 = 1024;

/// Pause after a failed accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After this long without a byte the kernel asks whether the peer is still there; for clients
/// without keep-alive.
const TCP_IDLE: Duration = Duration::from_secs(60);

/// Handle to the doors; cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Doors {
    shared: Arc<Shared>,
    plain_address: Option<SocketAddr>,
    tls_address: Option<SocketAddr>,
    ended: watch::Receiver<()>,
}

/// The accepting task. Dropping it closes the doors.
pub struct DoorsTask {
    shared: Arc<Shared>,
    plain: Option<TcpListener>,
    tls: Option<TcpListener>,
    _ended: watch::Sender<()>,
}

impl Doors {
    /// Binds the listeners, on the runtime it is called in, and starts the router;
    /// [`DoorsTask::run`] then serves. Events of hosts' clients go to `inbox`; while it is full,
    /// their connections are not read.
    ///
    /// # Errors
    ///
    /// If an address cannot be bound or the router does not start.
    pub fn bind(
        config: DoorsConfig,
        registry: Arc<dyn Registry>,
        inbox: flume::Sender<DoorEvent>,
    ) -> Result<(Self, DoorsTask), DoorsError> {
        let (plain, plain_address) = bind(config.listen)?;
        let (tls, tls_address) = bind(config.tls.as_ref().map(|door| door.listen))?;
        let porch = config.tls.as_ref().map(Porch::new).transpose()?;
        let (pipe, end) = pipe::open()?;
        let hub = Hub::new(config, Arc::new(Counters::default()), pipe);
        let shared = Arc::new(Shared::new(hub, porch, registry, inbox));
        spawn_exit(Arc::clone(&shared), end)?;
        let (sender, ended) = watch::channel(());
        let doors = Self { shared: Arc::clone(&shared), plain_address, tls_address, ended };
        Ok((doors, DoorsTask { shared, plain, tls, _ended: sender }))
    }

    /// Where the doors listen for plain TCP.
    #[must_use]
    pub const fn plain_address(&self) -> Option<SocketAddr> {
        self.plain_address
    }

    /// Where the doors listen for TLS.
    #[must_use]
    pub const fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// How the controller itself comes in by TLS, to see whether the doors answer: it trusts
    /// their certificate only, and shows the same. `None` without TLS.
    #[must_use]
    pub fn tls_probe(&self) -> Option<Arc<ClientConfig>> {
        self.shared.porch.as_ref().map(Porch::probe)
    }

    /// Last second of the certificate they show, unix. `None` without TLS.
    #[must_use]
    pub fn certificate_ends_s(&self) -> Option<u64> {
        self.shared.porch.as_ref().map(Porch::ends_s)
    }

    /// New TLS connections are met with these keys; those that stand are left alone. Without TLS
    /// there is nothing to do.
    ///
    /// # Errors
    /// If the library refuses them; the old ones go on.
    pub fn renew(&self, keys: &Keys) -> Result<(), DoorsError> {
        self.shared.porch.as_ref().map_or(Ok(()), |porch| porch.renew(keys)).map_err(Into::into)
    }

    /// Says something to a client. Never blocks. Delivered if and when the client has subscribed
    /// to the topic, with the lesser QoS; a connected client may subscribe later.
    ///
    /// # Errors
    /// If it was not taken; nothing is kept then.
    pub fn send(&self, to: &To, message: Outgoing) -> Result<(), SendError> {
        let now = self.shared.now();
        let mut hub = self.shared.hub();
        if hub.is_closed() { Err(SendError::Closed) } else { hub.send(to, message, now) }
    }

    /// Publishes to whoever has subscribed, with QoS 1 at the most. With `retain`, later
    /// subscribers get it too, and an empty payload clears it.
    ///
    /// # Errors
    /// If the router has no room; observers miss the message, and a retained one is not kept.
    pub fn publish(&self, topic: &str, payload: &Bytes, retain: bool) -> Result<(), SendError> {
        if check_topic(topic).is_err() || u16::try_from(topic.len()).is_err() {
            return Err(SendError::Invalid);
        }
        let mut hub = self.shared.hub();
        if hub.is_closed() {
            return Err(SendError::Closed);
        }
        let (topic, payload) = (topic.to_owned(), payload.clone());
        let publish = Publish { topic, payload, qos: 1, id: 0, retain };
        // No client has an empty name.
        hub.route(&"".into(), &publish).map_err(|_| {
            self.shared.counters.dropped_messages.one();
            SendError::Full
        })
    }

    /// Ends the connections of a name, wills included; how many there were.
    pub fn kick(&self, name: &str) -> usize {
        self.shared.hub().kick(name)
    }

    /// Whether a secret that a client shows in a message may be looked at, such as a registration
    /// code: those who guess it are slowed down like those who guess the password of `name`.
    #[must_use]
    pub fn may_try(&self, name: &str, address: IpAddr) -> bool {
        let may = self.shared.guard().may_try(&guesser(name, address), self.shared.now());
        if !may {
            self.shared.counters.throttled_logins.one();
        }
        may
    }

    /// It was wrong.
    pub fn failed(&self, name: &str, address: IpAddr) {
        self.shared.guard().failed(&guesser(name, address), self.shared.now());
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> DoorsCounters {
        self.shared.counters.snapshot()
    }

    /// Closes the doors in order: no new connections, what waits in outboxes is written for a
    /// moment, no wills, a `Gone` for each client as far as the inbox has room. Returns when
    /// [`DoorsTask::run`] has ended.
    pub async fn shutdown(&self) {
        self.shared.close(Closing::Asked);
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }
}

fn bind(
    address: Option<SocketAddr>,
) -> Result<(Option<TcpListener>, Option<SocketAddr>), DoorsError> {
    let Some(address) = address else { return Ok((None, None)) };
    let failed = |source| DoorsError::Bind { address, source };
    let listener = listen(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((Some(listener), Some(bound)))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The next connection; without a listener there is none, ever.
async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Whoever it is, whatever client id it chose.
const fn guesser(name: &str, address: IpAddr) -> Who<'_> {
    Who { name, client_id: "", address }
}

/// The thread that takes what comes out of the router.
fn spawn_exit(shared: Arc<Shared>, mut end: PipeEnd) -> Result<(), DoorsError> {
    let work = move || {
        while let Some(parcel) = end.next() {
            let mut hub = shared.hub();
            hub.pipe.arrived(parcel.sequence);
            hub.dispatch(parcel.sequence, parcel.qos, &parcel.topic, &parcel.payload);
        }
        shared.close(Closing::RouterGone);
    };
    let thread = std::thread::Builder::new().name("doors-exit".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| DoorsError::Router(error.to_string()))
}

impl DoorsTask {
    /// Serves until [`Doors::shutdown`].
    ///
    /// # Errors
    /// If the doors had to close by themselves: the inbox is closed, the router has ended, a
    /// connection panicked.
    pub async fn run(self) -> Result<(), DoorsError> {
        let mut connections = JoinSet::new();
        let mut closing = self.shared.closing();
        let mut result = Ok(());
        loop {
            tokio::select! {
                () = async { drop(closing.wait_for(|closing| *closing != Closing::Not).await) } => break,
                accepted = accept(self.plain.as_ref()) => {
                    if let Some(caller) = self.admit(accepted).await {
                        connections.spawn(serve_plain(Arc::clone(&self.shared), caller));
                    }
                }
                accepted = accept(self.tls.as_ref()) => {
                    if let Some(caller) = self.admit(accepted).await {
                        connections.spawn(serve_tls(Arc::clone(&self.shared), caller));
                    }
                }
                Some(ended) = connections.join_next() => {
                    if let Err(error) = check_ended(ended) {
                        result = Err(error);
                        break;
                    }
                }
            }
        }
        self.shared.close(Closing::Asked);
        // What has not ended by then is cut off with the set.
        let drain = async { while connections.join_next().await.is_some() {} };
        let _in_time = timeout(DRAIN, drain).await;
        let why = *closing.borrow();
        result.and(match why {
            Closing::Not | Closing::Asked => Ok(()),
            Closing::InboxClosed => Err(DoorsError::InboxClosed),
            Closing::RouterGone => Err(DoorsError::Router("it has ended".to_owned())),
        })
    }

    /// A connection that the kernel has accepted, or a pause.
    async fn admit(&self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<Caller> {
        match accepted {
            Ok((stream, address)) => {
                self.shared.counters.accepted.one();
                let now = self.shared.now();
                if !self.shared.guard().may_connect(address.ip(), now) {
                    self.shared.counters.throttled_connects.one();
                    return None;
                }
                // Options the kernel does not know are no reason to refuse a client.
                let _no_delay = stream.set_nodelay(true);
                let _alive = rustix::net::sockopt::set_socket_keepalive(&stream, true);
                let _idle = rustix::net::sockopt::set_tcp_keepidle(&stream, TCP_IDLE);
                let connection = self.shared.next_connection();
                Some(Caller { stream, connection, address })
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

impl Drop for DoorsTask {
    fn drop(&mut self) {
        self.shared.close(Closing::Asked);
    }
}

fn check_ended(ended: Result<(), JoinError>) -> Result<(), DoorsError> {
    match ended {
        Err(error) if error.is_panic() => Err(DoorsError::Panicked(error.to_string())),
        _ => Ok(()),
    }
}
