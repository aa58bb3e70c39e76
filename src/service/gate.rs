//! From the doors to the site: presence and decoded messages. What does not decode is answered
//! here; the site never hears of it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use tracing::{debug, info, warn};

use super::{enrolment::Reception, roster::Roster};
use crate::{
    broker::{DoorEvent, Doors, GoneReason, InboxPlace, Outgoing, To},
    clock::Clock,
    domain::{
        event::PileEvent,
        id::{ConnectionId, PileCode},
        news::Parting,
        wire::Revision,
    },
    protocol::charger::{
        backend,
        error::DecodeError,
        topic::{Class, Topic},
    },
    site::Input,
};

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
    /// The piles.
    pub roster: Arc<Roster>,
    /// The site's inbox.
    pub inbox: flume::Sender<Input>,
    /// The time.
    pub clock: Arc<Clock>,
    /// What is counted.
    pub counters: Arc<GateCounters>,
    /// Takes those who are here to register.
    pub reception: Arc<Reception>,
}

/// How often places are given back while nothing comes.
const LOOK: Duration = Duration::from_millis(5);

impl Gate {
    /// Runs until the doors are closed or the site has ended.
    pub async fn run(self) {
        let mut places = VecDeque::new();
        while let Some(event) = self.next_event(&mut places).await {
            let place = match &event {
                DoorEvent::Published { place, .. } => Some(place.clone()),
                DoorEvent::Connected { .. } | DoorEvent::Gone { .. } => None,
            };
            let Some(event) = self.reception.hear(event, self.clock.mono()) else { continue };
            let Some((pile, event)) = self.read(event) else { continue };
            let input = Input::Pile { pile, event, known: Vec::new() };
            if self.inbox.send_async(input).await.is_err() {
                return;
            }
            places.extend(place);
        }
    }

    /// The next event. Meanwhile gives back the places of what the heart has taken: what it has
    /// not taken is among the inputs that wait.
    async fn next_event(&self, places: &mut VecDeque<InboxPlace>) -> Option<DoorEvent> {
        loop {
            let taken = places.len().saturating_sub(self.inbox.len());
            places.drain(..taken);
            if places.is_empty() {
                return self.events.recv_async().await.ok();
            }
            if let Ok(event) = timeout(LOOK, self.events.recv_async()).await {
                return event.ok();
            }
        }
    }

    fn read(&self, event: DoorEvent) -> Option<(PileCode, PileEvent)> {
        match event {
            DoorEvent::Connected { name, connection, address } => {
                let pile = pile_code(&name)?;
                info!(%pile, %address, "pile connected");
                let address = address.to_string();
                Some((pile, PileEvent::Connected { connection, address }))
            }
            DoorEvent::Gone { name, connection, reason } => {
                let pile = pile_code(&name)?;
                info!(%pile, %reason, "pile gone");
                let (parting, reason) = (parting(reason), reason.to_string());
                Some((pile, PileEvent::Gone { connection, parting, reason }))
            }
            DoorEvent::Published { name, connection, topic, payload, .. } => {
                let pile = pile_code(&name)?;
                let class = Topic::parse(&topic)?.class;
                match backend::decode(connection, class, &payload) {
                    Ok(said) => {
                        self.heard(pile, said.revision);
                        Some((pile, said.event))
                    }
                    Err(error) => {
                        self.reject(pile, connection, &error);
                        None
                    }
                }
            }
        }
    }

    fn heard(&self, pile: PileCode, spoken: Revision) {
        let Some(wanted) = self.roster.heard(pile, spoken) else { return };
        let (spoken, wanted) = (spoken.name(), wanted.name());
        warn!(%pile, spoken, wanted, "pile speaks another revision than it should, and is answered in it");
    }

    fn reject(&self, pile: PileCode, connection: ConnectionId, error: &DecodeError) {
        self.counters.undecodable.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        warn!(%pile, %error, "message of a pile cannot be read");
        let known = self.roster.revision_of(pile).unwrap_or(Revision::V1_10);
        let Some(payload) = error.answer(known, now.wall.known_s()) else { return };
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

/// How a connection ended, as the site is told.
const fn parting(reason: GoneReason) -> Parting {
    match reason {
        GoneReason::Kicked => Parting::Dismissed,
        GoneReason::Shutdown => Parting::Stopped,
        GoneReason::Disconnected
        | GoneReason::Lost
        | GoneReason::KeepAlive
        | GoneReason::TakenOver
        | GoneReason::Malformed
        | GoneReason::Stuck => Parting::Lost,
    }
}
