//! What an uplink is told at the start.

use std::{fmt, io, sync::Arc, time::Duration};

use tokio::sync::watch;

use super::life::TellNow;
use crate::{domain::id::UplinkName, protocol::charger::station};

/// Settings of one uplink.
#[derive(Clone)]
pub struct Settings {
    /// Its name.
    pub name: UplinkName,
    /// Settings of its wire, as they are now: piles may be admitted while the link is up.
    pub station: watch::Receiver<station::Settings>,
    /// Where its broker is.
    pub broker: Broker,
    /// The account to register with.
    pub default_login: Login,
    /// What a registration is allowed with.
    pub registration_code: String,
    /// Between attempts after a refused login.
    pub login_retry: Duration,
    /// Where issued accounts are kept.
    pub accounts: Arc<dyn Accounts>,
    /// Tells the moment.
    pub now: TellNow,
}

impl fmt::Debug for Settings {
    /// Leaves the secrets out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("broker", &self.broker)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The client id, before and after registration.
    #[must_use]
    pub fn client_id(&self) -> String {
        self.station.borrow().client_id()
    }
}

/// Where a broker is and how a connection to it is kept.
#[derive(Clone)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// With TLS; `None` is plain TCP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// Publishes that may be unfinished at the same time.
    pub max_inflight: u64,
}

impl fmt::Debug for Broker {
    /// Leaves the keys out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Login {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// An account that a backend issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Device code: the id in the topics.
    pub device: String,
    /// What to log in with.
    pub login: Login,
}

/// Keeps issued accounts.
pub trait Accounts: Send + Sync {
    /// The account of an uplink; `None` if it has to register.
    fn find(&self, uplink: &UplinkName) -> Option<Account>;

    /// Keeps an account; a backend issues it once.
    ///
    /// # Errors
    ///
    /// When it is not on disk.
    fn keep(&self, uplink: &UplinkName, account: &Account) -> io::Result<()>;
}
