//! Uplinks: to backends of the charging-station protocol ([`Link`]) and to queues ([`QueueLink`]),
//! both over MQTT, and to servers of EC TCP ([`EcLink`]).
//!
//! One task per uplink connects, registers once where it has to and has no account, subscribes,
//! tells the site that it is connected, and then carries messages both ways until the link fails.
//! Every connection is a new client with a clean session: what is unsent is what the ledger says,
//! so nothing of an old connection is worth resuming.

mod backoff;
mod counters;
mod flight;
mod life;
mod link;
mod mqtt;
mod outbox;
mod queue;
mod settings;
mod tcp;
mod tls;

pub use counters::{Counters, Counts};
pub use life::{TellNow, Ties};
pub use link::Link;
pub use outbox::{Outbox, Refused};
pub use queue::{MakeDialect, QueueLink, QueueSettings};
pub use settings::{Account, Accounts, Broker, Login, Settings};
pub use tcp::{EcLink, EcSettings};
pub use tls::{OwnFiles, TlsError, client_config};
