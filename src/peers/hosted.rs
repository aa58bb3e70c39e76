//! A simulated backend behind MQTT doors of our own, without a broker of anybody else.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Class, Outgoing,
    backend::{Account, Backend},
    handle::Handle,
    inproc::{self, Incoming},
};
use crate::broker::{
    self, Access, DoorEvent, Doors, DoorsConfig, DoorsError, DoorsTask, Filter, Identity, Login,
    LoginRefused, Pace, Registry, Route, To,
};
use crate::domain::id::ConnectionId;

/// Messages between the doors and the machine; while full, the doors do not read.
const INBOX_MAX: usize = 1024;

/// Who the cloud lets in: the default account, to register, and every account it has issued.
struct Accounts {
    backend: Handle<Backend>,
    default: Account,
}

impl Registry for Accounts {
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused> {
        let refuse = |why: &str| Err(LoginRefused(why.to_owned()));
        let (Some(user), Some(password)) = (login.username, login.password) else {
            return refuse("no account");
        };
        if self.backend.quietly(|b, _| b.faults.logins_refused) {
            return refuse("the fault is on");
        }
        let is = |a: &Account| a.device == user && a.password.as_bytes() == password;
        if is(&self.default) {
            return identity(login.client_id, "R", "+");
        }
        if self.backend.quietly(|b, _| b.accounts().values().any(is)) {
            return identity(user, "+", user);
        }
        refuse("unknown account")
    }
}

fn identity(name: &str, class: &str, id: &str) -> Result<Identity, LoginRefused> {
    let filters = |way: &str| {
        [format!("/{way}/{class}/{id}"), format!("/{way}/{class}/{id}/#")]
            .iter()
            .map(|text| Filter::new(text).map_err(|error| LoginRefused(error.to_string())))
            .collect::<Result<Vec<_>, _>>()
    };
    let access = Access { publish: filters("U")?, subscribe: filters("D")? };
    Ok(Identity { name: name.to_owned(), route: Route::Host, access })
}

/// The cloud's doors and its backend, ready to run.
pub struct Hosted {
    doors: Doors,
    task: DoorsTask,
    backend: Handle<Backend>,
    events: flume::Receiver<DoorEvent>,
}

/// Why a hosted backend ended.
#[derive(Debug, thiserror::Error)]
pub enum HostedError {
    /// Its doors failed.
    #[error(transparent)]
    Doors(#[from] DoorsError),
    /// Its doors ended without a fault.
    #[error("the doors of the simulated backend closed")]
    Closed,
}

impl Hosted {
    /// Binds the doors; `default` is the account stations register with.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind(
        listen: SocketAddr,
        backend: Handle<Backend>,
        default: Account,
    ) -> Result<Self, HostedError> {
        let mut config = DoorsConfig::new(listen);
        // A site says more than a pile.
        config.pace = Pace::UNLIMITED;
        Self::bind_with(config, backend, default)
    }

    /// As [`Hosted::bind`], with other limits of the doors.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub fn bind_with(
        config: DoorsConfig,
        backend: Handle<Backend>,
        default: Account,
    ) -> Result<Self, HostedError> {
        let (inbox, events) = flume::bounded(INBOX_MAX);
        let registry = Arc::new(Accounts { backend: backend.clone(), default });
        let (doors, task) = Doors::bind(config, registry, inbox)?;
        Ok(Self { doors, task, backend, events })
    }

    /// Where stations connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let address = self.doors.plain_address().or_else(|| self.doors.tls_address());
        address.expect("doors that nobody can find are of no use to a simulation")
    }

    /// Serves until the doors fail or the future is dropped.
    ///
    /// # Errors
    /// Why the doors ended.
    pub async fn run(self) -> Result<(), HostedError> {
        let (messages, inlet) = flume::bounded(INBOX_MAX);
        let stations = Arc::new(Stations::default());
        let (doors, callers) = (self.doors, Arc::clone(&stations));
        let outlet = move |outgoing| send(&doors, &callers, outgoing);
        tokio::select! {
            ended = self.task.run() => ended.map_err(HostedError::from),
            () = forward(self.events, &stations, messages) => Err(HostedError::Closed),
            () = inproc::run(self.backend, inlet, outlet) => Err(HostedError::Closed),
        }
    }
}

/// Stations remembered; more than any site in a simulation has.
const STATIONS_MAX: usize = 1024;

/// Which connection spoke last under a serial or device code: answers go there.
#[derive(Default)]
struct Stations(Mutex<BTreeMap<String, ConnectionId>>);

impl Stations {
    fn spoke(&self, topic: &str, connection: ConnectionId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = tail(topic);
        if known.len() < STATIONS_MAX || known.contains_key(id) {
            known.insert(id.to_owned(), connection);
        }
    }

    fn connection(&self, topic: &str) -> Option<ConnectionId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tail(topic)).copied()
    }
}

fn tail(topic: &str) -> &str {
    topic.rsplit('/').next().unwrap_or_default()
}

async fn forward(
    events: flume::Receiver<DoorEvent>,
    stations: &Stations,
    messages: flume::Sender<Incoming>,
) {
    while let Ok(event) = events.recv_async().await {
        if let DoorEvent::Published { topic, payload, connection, .. } = event {
            stations.spoke(&topic, connection);
            if messages.send_async(Incoming { topic, payload }).await.is_err() {
                return;
            }
        }
    }
}

/// A station that is away misses it, as at a real broker.
fn send(doors: &Doors, stations: &Stations, outgoing: Outgoing) {
    let Outgoing { topic, payload, class } = outgoing;
    let qos = match class {
        Class::Command => 2,
        Class::Telemetry => 0,
    };
    let Some(connection) = stations.connection(&topic) else { return };
    let message = broker::Outgoing { topic, payload, qos, expires_in: None };
    if let Err(error) = doors.send(&To::Connection(connection), message) {
        tracing::debug!(%error, "not delivered; the station asks again");
    }
}
