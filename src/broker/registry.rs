//! Who may come in, and what it may do.

use std::fmt;
use std::net::SocketAddr;

use super::certificate::CertificateName;
use super::filter::Filter;

/// What a client shows at the door.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// Checked for characters and length; made up by the doors if the client sent none.
    pub client_id: &'a str,
    /// User name, if any.
    pub username: Option<&'a str>,
    /// Password, if any.
    pub password: Option<&'a [u8]>,
    /// Whom its certificate names; `None` where none is required.
    pub certificate: Option<&'a CertificateName>,
    /// Where it comes from.
    pub address: SocketAddr,
}

impl fmt::Debug for Login<'_> {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Login");
        shown.field("client_id", &self.client_id).field("username", &self.username);
        shown.field("address", &self.address).finish_non_exhaustive()
    }
}

/// The login is refused: CONNACK 5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoginRefused(
    /// The reason, for the log; the client is not told.
    pub String,
);

/// Decides about logins. Must not block: it is asked on the doors' own thread.
pub trait Registry: Send + Sync + 'static {
    /// Who this is, or no.
    fn login(&self, login: &Login<'_>) -> Result<Identity, LoginRefused>;
}

/// A client that was let in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name inside, such as the pile code.
    pub name: String,
    /// Where its publishes go.
    pub route: Route,
    /// What it may do.
    pub access: Access,
}

/// Where a client's publishes go, and whom its session belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// To the site's inbox, with a copy for observers. One connection and one session per name,
    /// whatever the client id; the site is told of its coming and going.
    Host,
    /// As [`Host`](Self::Host), for somebody the site does not know yet: few at a time, and nothing
    /// is kept of the session when the connection ends.
    Visitor,
    /// Through the router to other clients only. One session per name and client id, so that
    /// nobody takes over the session of another login.
    Router,
}

/// What a client may do.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// A publish or will must match one of these.
    pub publish: Vec<Filter>,
    /// A subscription must be covered by one of these.
    pub subscribe: Vec<Filter>,
}

impl Access {
    pub(super) fn may_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|filter| filter.matches(topic))
    }

    pub(super) fn may_subscribe(&self, filter: &Filter) -> bool {
        self.subscribe.iter().any(|allowed| allowed.covers(filter))
    }
}
