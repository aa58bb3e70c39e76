//! Where a client's publishes, its coming and its going are handed over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::broker::event::{DoorEvent, GoneReason};
use crate::broker::frame::Publish;
use crate::broker::hub::{Guest, Hub};
use crate::broker::inbox::Waiting;
use crate::broker::named::Named;
use crate::broker::registry::{Identity, Route};
use crate::broker::shared::{Closing, Shared};
use crate::domain::id::ConnectionId;

/// Pause before a full inbox or router is tried again. Polling, because only an attempt that
/// takes effect at once keeps "handed over" and "remembered as handed over" one step.
pub(super) const RETRY: Duration = Duration::from_millis(5);

/// What reader, writer and ending know of the client.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) guest: Guest,
    pub(super) identity: Identity,
    pub(super) waiting: Waiting,
}

impl Desk {
    pub(super) fn connection(&self) -> ConnectionId {
        self.guest.connection
    }

    /// Tells the site, waiting for room; `false` if it no longer listens. Only hosts' clients
    /// are announced.
    pub(super) async fn announce(&self, event: DoorEvent) -> bool {
        if self.identity.route == Route::Router {
            return true;
        }
        let mut event = event;
        loop {
            event = match self.shared.inbox.try_send(event) {
                Ok(()) => return true,
                Err(flume::TrySendError::Full(event)) => event,
                Err(flume::TrySendError::Disconnected(_)) => {
                    self.shared.close(Closing::InboxClosed);
                    return false;
                }
            };
            sleep(RETRY).await;
        }
    }

    /// Gives a publish to the inbox or the router; `false` if there is no room.
    pub(super) fn pass_on(&self, hub: &mut Hub, publish: &Publish) -> Result<bool, GoneReason> {
        let Publish { topic, payload, qos, retain, .. } = publish;
        if self.identity.route == Route::Router {
            return Ok(hub.route(&self.guest.name, publish).is_ok());
        }
        let inbox = &self.shared.inbox;
        if inbox.is_full() {
            return Ok(false);
        }
        let Some(place) = self.shared.places.take(&self.waiting) else { return Ok(false) };
        let event = DoorEvent::Published {
            name: Arc::clone(&self.guest.name),
            connection: self.connection(),
            topic: topic.clone(),
            payload: payload.clone(),
            qos: *qos,
            place,
        };
        match inbox.try_send(event) {
            Ok(()) => self.shared.counters.published.one(),
            Err(flume::TrySendError::Full(_)) => return Ok(false),
            Err(flume::TrySendError::Disconnected(_)) => return Err(GoneReason::Shutdown),
        }
        if hub.route(&self.guest.name, publish).is_err() {
            // Observers miss it; the site does not wait for them.
            self.shared.counters.dropped_messages.one();
            if *retain {
                hub.keep(&self.guest.name, publish);
            }
        }
        Ok(true)
    }

    /// Passes a will on, then tells that the client is gone.
    pub(super) async fn part(&self, will: Option<Publish>, reason: GoneReason) {
        let Named { pile, client } = Named::of(&self.guest.name);
        tracing::debug!(pile, client, %reason, "gone");
        let silent = matches!(reason, GoneReason::Disconnected | GoneReason::Shutdown);
        if let Some(will) = will.filter(|_| !silent) {
            loop {
                let passed = self.pass_on(&mut self.shared.hub(), &will);
                match passed {
                    Ok(false) => sleep(RETRY).await,
                    Ok(true) | Err(_) => break,
                }
            }
        }
        let (name, connection) = (Arc::clone(&self.guest.name), self.connection());
        self.announce(DoorEvent::Gone { name, connection, reason }).await;
    }

    pub(super) fn count(&self, reason: GoneReason) {
        let counters = &self.shared.counters;
        match reason {
            GoneReason::KeepAlive => counters.keep_alive_ends.one(),
            GoneReason::Stuck => counters.stuck_writers.one(),
            GoneReason::Disconnected
            | GoneReason::Lost
            | GoneReason::TakenOver
            | GoneReason::Kicked
            | GoneReason::Malformed
            | GoneReason::Shutdown => {}
        }
    }
}
