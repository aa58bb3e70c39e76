//! From the doors to the site: presence and decoded messages. What does not decode is answered
//! here; the site never hears of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{debug, info, warn};

use crate::{
    broker::{DoorEvent, Doors, Outgoing, To},
    clock::Clock,
    domain::{
        event::PileEvent,
        id::{ConnectionId, PileCode},
        time::Mono,
    },
    protocol::charger::{
        backend,
        topic::{Class, Topic},
    },
    site::Input,
};

/// A pile that sends nonsense does it all day; one line in that time tells enough.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Counted at the gate.
#[derive(Debug, Default)]
pub struct GateCounters {
    /// Messages of piles that were none.
    pub undecodable: AtomicU64,
}

/// Reads the doors' events and fills the site's inbox; a full inbox stops the reading.
pub struct Gate {
    /// To answer what does not decode.
    pub doors: Doors,
    /// What the doors tell.
    pub events: flume::Receiver<DoorEvent>,
    /// The site's inbox.
    pub inbox: flume::Sender<Input>,
    /// The time.
    pub clock: Arc<Clock>,
    /// What is counted.
    pub counters: Arc<GateCounters>,
}

impl Gate {
    /// Runs until the doors are closed or the site has ended.
    pub async fn run(self) {
        let mut told: Option<Mono> = None;
        while let Ok(event) = self.events.recv_async().await {
            let Some((pile, event)) = self.read(event, &mut told) else { continue };
            let input = Input::Pile { pile, event, known: Vec::new() };
            if self.inbox.send_async(input).await.is_err() {
                return;
            }
        }
    }

    fn read(&self, event: DoorEvent, told: &mut Option<Mono>) -> Option<(PileCode, PileEvent)> {
        match event {
            DoorEvent::Connected { name, connection, address } => {
                info!(pile = %name, %address, "pile connected");
                Some((pile_code(&name)?, PileEvent::Connected { connection }))
            }
            DoorEvent::Gone { name, connection, reason } => {
                info!(pile = %name, %reason, "pile gone");
                let reason = reason.to_string();
                Some((pile_code(&name)?, PileEvent::Gone { connection, reason }))
            }
            DoorEvent::Published { name, connection, topic, payload, .. } => {
                let pile = pile_code(&name)?;
                let class = Topic::parse(&topic)?.class;
                match backend::decode(connection, class, &payload) {
                    Ok(event) => Some((pile, event)),
                    Err(error) => {
                        self.reject(pile, connection, &error, told);
                        None
                    }
                }
            }
        }
    }

    fn reject(
        &self,
        pile: PileCode,
        connection: ConnectionId,
        error: &crate::protocol::charger::error::DecodeError,
        told: &mut Option<Mono>,
    ) {
        self.counters.undecodable.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let interval_ms = u64::try_from(LOG_INTERVAL.as_millis()).unwrap_or(u64::MAX);
        if told.is_none_or(|told| now.mono.since_ms(told) >= interval_ms) {
            *told = Some(now.mono);
            warn!(%pile, %error, "message of a pile cannot be read");
        }
        let Some(payload) = error.answer(now.wall.known_s()) else { return };
        let topic = Topic::down(Class::Command, pile.as_str()).to_string();
        let qos = Class::Command.qos();
        let outgoing = Outgoing { topic, payload, qos, expires_in: None };
        if let Err(reason) = self.doors.send(&To::Connection(connection), outgoing) {
            debug!(%pile, %reason, "error not told to the pile");
        }
    }
}

/// Names at the doors are pile codes, but for those that have no site to talk to.
fn pile_code(name: &str) -> Option<PileCode> {
    PileCode::new(name).ok()
}
