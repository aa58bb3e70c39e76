//! From the doors to the site: presence and decoded messages. What does not decode is answered
//! here; the site never hears of it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
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
        time::Mono,
        wire::Revision,
    },
    protocol::charger::{
        backend,
        error::DecodeError,
        topic::{Class, Topic},
    },
    site::Input,
};

/// A pile that sends nonsense, or comes and goes, does it all day.
const LOG_WINDOW_MS: u64 = 10 * 60_000;

/// Lines about one pile in that time; then one that says so, and silence.
const LOG_LINES: u32 = 20;

/// Lines of the log about one thing.
#[derive(Debug, Default)]
pub struct Budget {
    since: Mono,
    lines: u32,
}

impl Budget {
    /// Whether one more line may be written.
    pub(super) fn may_tell(&mut self, about: &dyn Display, now: Mono) -> bool {
        if now.since_ms(self.since) >= LOG_WINDOW_MS {
            (self.since, self.lines) = (now, 0);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines == LOG_LINES {
            let window_min = LOG_WINDOW_MS / 60_000;
            warn!(%about, window_min, "restless, further lines are left out for a while");
        }
        self.lines < LOG_LINES
    }
}

/// Keeps a restless pile from wearing out the flash by its log.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<PileCode, Budget>);

impl Lines {
    /// Whether one more line about this pile may be written.
    pub(super) fn may_tell(&mut self, pile: PileCode, now: Mono) -> bool {
        self.0.entry(pile).or_default().may_tell(&pile, now)
    }
}

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
        let mut lines = Lines::default();
        let mut places = VecDeque::new();
        while let Some(event) = self.next_event(&mut places).await {
            let place = match &event {
                DoorEvent::Published { place, .. } => Some(place.clone()),
                DoorEvent::Connected { .. } | DoorEvent::Gone { .. } => None,
            };
            let Some(event) = self.reception.hear(event, self.clock.mono()) else { continue };
            let Some((pile, event)) = self.read(event, &mut lines) else { continue };
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

    fn read(&self, event: DoorEvent, lines: &mut Lines) -> Option<(PileCode, PileEvent)> {
        match event {
            DoorEvent::Connected { name, connection, address } => {
                let pile = pile_code(&name)?;
                if lines.may_tell(pile, self.clock.mono()) {
                    info!(%pile, %address, "pile connected");
                }
                let address = address.to_string();
                Some((pile, PileEvent::Connected { connection, address }))
            }
            DoorEvent::Gone { name, connection, reason } => {
                let pile = pile_code(&name)?;
                if lines.may_tell(pile, self.clock.mono()) {
                    info!(%pile, %reason, "pile gone");
                }
                let (parting, reason) = (parting(reason), reason.to_string());
                Some((pile, PileEvent::Gone { connection, parting, reason }))
            }
            DoorEvent::Published { name, connection, topic, payload, .. } => {
                let pile = pile_code(&name)?;
                let class = Topic::parse(&topic)?.class;
                match backend::decode(connection, class, &payload) {
                    Ok(said) => {
                        self.heard(pile, said.revision, lines);
                        Some((pile, said.event))
                    }
                    Err(error) => {
                        self.reject(pile, connection, &error, lines);
                        None
                    }
                }
            }
        }
    }

    fn heard(&self, pile: PileCode, spoken: Revision, lines: &mut Lines) {
        let Some(wanted) = self.roster.heard(pile, spoken) else { return };
        if lines.may_tell(pile, self.clock.mono()) {
            let (spoken, wanted) = (spoken.name(), wanted.name());
            warn!(%pile, spoken, wanted, "pile speaks another revision than it should, and is answered in it");
        }
    }

    fn reject(
        &self,
        pile: PileCode,
        connection: ConnectionId,
        error: &DecodeError,
        lines: &mut Lines,
    ) {
        self.counters.undecodable.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        if lines.may_tell(pile, now.mono) {
            warn!(%pile, %error, "message of a pile cannot be read");
        }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_restless_pile_does_not_flood_the_log() {
        let (mut lines, pile) = (Lines::default(), PileCode::new("3101150012000001").unwrap());
        let told = (0..10_000).filter(|ms| lines.may_tell(pile, Mono(*ms))).count();
        assert_eq!(told, 19);
        let other = PileCode::new("3101150012000002").unwrap();
        assert!(lines.may_tell(other, Mono(10_000)));
        assert!(lines.may_tell(pile, Mono(LOG_WINDOW_MS)), "told again later");
    }
}
