//! The facts behind the pages, and the commands of the control socket.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;

use super::{
    enrolment::{Reception, Task},
    gate::GateCounters,
    heart::Pulse,
    meters::Buses,
    outside::Tickets,
    reader::{Page, dossier, verified},
    roster::{Member, Origin, Roster, Use},
    watchdog::Watch,
};
use crate::{
    broker::Doors,
    clock::Clock,
    domain::{
        event::OperatorRequest,
        id::{BusName, MeterName, OrderId, PileCode, UplinkName},
        order::Order,
    },
    ledger::{self, Filter, LedgerError},
    site::{Input, snapshot::Snapshot},
    status::{
        Answer, Dossier, Facts, Health, LedgerFacts, OrdersQuery, PileFacts, ReadingView, Source,
        Trouble, UplinkFacts, Verified,
    },
    uplink::Counters,
};

/// Everything pages and commands need.
pub struct Desk {
    /// Station code and name, and the zone of its times.
    pub place: super::config::Place,
    /// The piles.
    pub roster: Arc<Roster>,
    /// Where piles register.
    pub reception: Arc<Reception>,
    /// Counters of the uplinks.
    pub uplinks: BTreeMap<UplinkName, Arc<Counters>>,
    /// The buses of meters.
    pub buses: Arc<Buses>,
    /// The heart.
    pub pulse: Arc<Pulse>,
    /// The time.
    pub clock: Arc<Clock>,
    /// The doors.
    pub doors: Doors,
    /// Counters of the gate.
    pub gate: Arc<GateCounters>,
    /// What did not reach a pile.
    pub unsaid: Arc<AtomicU64>,
    /// Where pages are read.
    pub pages: flume::Sender<Page>,
    /// Where operators' requests go.
    pub inbox: flume::Sender<Input>,
    /// Operators that wait.
    pub tickets: Arc<Tickets>,
    /// What the watchdog has seen.
    pub watch: Arc<Watch>,
    /// One import at a time.
    pub importing: Arc<Mutex<bool>>,
}

impl Desk {
    fn ask(&self) -> Asking {
        Asking { inbox: self.inbox.clone(), tickets: self.tickets.clone() }
    }

    fn counters(&self) -> Vec<(&'static str, &'static str, u64)> {
        let doors = self.doors.counters();
        vec![
            ("doors_accepted", "TCP connections accepted", doors.accepted),
            ("doors_tls_handshakes", "TLS connections established", doors.handshakes),
            ("doors_tls_resumed", "TLS connections resumed by ticket", doors.resumed_handshakes),
            ("doors_tls_failed", "TLS handshakes that failed", doors.failed_handshakes),
            ("doors_refused_logins", "Logins refused", doors.refused_logins),
            ("doors_throttled_logins", "Logins put off unheard", doors.throttled_logins),
            ("doors_throttled_connects", "Connections closed at once", doors.throttled_connects),
            ("doors_paused_packets", "Packets after which a client waited", doors.paused_packets),
            ("doors_floods", "Minutes for which a client sent too much", doors.floods),
            ("doors_refused_full", "Logins refused for want of room", doors.refused_full),
            ("doors_silent", "Connections without a login in time", doors.silent),
            ("doors_malformed", "Clients cut for bytes that are no MQTT", doors.malformed),
            ("doors_denied_publishes", "Publishes outside a pile's topics", doors.denied_publishes),
            ("doors_denied_subscriptions", "Filters refused", doors.denied_subscriptions),
            ("doors_dropped_messages", "Messages that found no room", doors.dropped_messages),
            ("doors_dropped_retained", "Retained messages not kept", doors.dropped_retained),
            ("doors_expired_messages", "Messages past their deadline", doors.expired_messages),
            ("doors_take_overs", "Connections ended by a newer one", doors.take_overs),
            ("doors_keep_alive_ends", "Connections ended for silence", doors.keep_alive_ends),
            ("doors_stuck_writers", "Clients cut for not reading", doors.stuck_writers),
            ("doors_published", "Messages handed to the site", doors.published),
            ("doors_inbox_waits", "Publishes that waited for the site", doors.inbox_waits),
            (
                "pile_messages_undecodable",
                "Messages of piles that were none",
                self.gate.undecodable.load(Ordering::Relaxed),
            ),
            (
                "pile_messages_unsaid",
                "Messages that did not reach a pile",
                self.unsaid.load(Ordering::Relaxed),
            ),
            (
                "registrations_issued",
                "Accounts issued to piles",
                self.reception.counters.issued.load(Ordering::Relaxed),
            ),
            (
                "registrations_refused",
                "Registrations of piles refused",
                self.reception.counters.refused.load(Ordering::Relaxed),
            ),
            ("heart_panics", "Panics inside a step", self.pulse.panics()),
        ]
    }
}

fn uplink_facts(counters: &Counters) -> UplinkFacts {
    let counts = counters.counts();
    UplinkFacts {
        counters: [
            ("uplink_connects", "Times the link came up", counts.connected),
            ("uplink_logins_refused", "Refused logins and registrations", counts.login_refused),
            ("uplink_messages_sent", "Messages sent", counts.sent),
            ("uplink_messages_received", "Messages received", counts.received),
            ("uplink_messages_undecodable", "Messages that were none", counts.undecodable),
            ("uplink_messages_unsendable", "Messages that could not be sent", counts.unsendable),
            ("uplink_messages_shed", "Messages dropped before their turn", counts.shed),
            ("uplink_values_left_out", "Values the wire has no room for", counts.left_out),
            ("uplink_silences", "Times the far side fell silent on a link", counts.silent),
        ],
    }
}

fn pile_facts(pile: &Member) -> PileFacts {
    let account = pile.account.as_ref();
    PileFacts {
        serial: pile.serial.clone(),
        revision: pile.heard.unwrap_or(pile.revision).name(),
        origin: match pile.origin {
            Origin::Configured { .. } => "config",
            Origin::Admitted { .. } => "registration",
        },
        account: match (account.map(|account| account.used), &pile.origin) {
            (Some(Use::Since(_)), _) => "used",
            (Some(Use::Never), _) => "issued",
            (None, Origin::Configured { password: Some(_) }) => "file",
            (None, _) => "none",
        },
        registered_s: account.and_then(|account| account.issued_s),
        logged_in_s: account.and_then(|account| match account.used {
            Use::Since(at_s) => at_s,
            Use::Never => None,
        }),
    }
}

impl Source for Desk {
    fn snapshot(&self) -> Arc<Snapshot> {
        self.pulse.snapshot().expect("pages open after the site is restored")
    }

    fn facts(&self) -> Facts {
        let chores = self.pulse.chores();
        let uplinks = self.uplinks.iter();
        Facts {
            code: self.place.code.clone(),
            name: self.place.name.clone(),
            zone: self.place.timezone.clone(),
            uptime_s: self.clock.mono().0 / 1000,
            ledger: LedgerFacts {
                bytes_written_today: chores.written_today_bytes,
                free_mb: chores.free_bytes >> 20,
            },
            uplinks: uplinks
                .map(|(name, counters)| (name.clone(), uplink_facts(counters)))
                .collect(),
            piles: self
                .roster
                .piles()
                .iter()
                .map(|(code, pile)| (*code, pile_facts(pile)))
                .collect(),
            meters: self.buses.meter_facts(),
            buses: self.buses.bus_facts(self.clock.fine()),
            counters: self.counters(),
            certificate_ends_s: self.doors.certificate_ends_s(),
        }
    }

    fn health(&self) -> Health {
        self.watch.health(&self.pulse, self.clock.mono())
    }

    fn orders(&self, query: OrdersQuery) -> Answer<Vec<Order>> {
        let (answer, receiver) = oneshot::channel();
        let filter = Filter {
            state: query.state,
            pile: query.pile,
            since_s: query.since_s,
            after: query.before,
        };
        let limit = u16::try_from(query.limit).unwrap_or(u16::MAX);
        let sent = self.pages.try_send(Page::List { filter, limit, answer });
        page(sent.is_ok(), receiver)
    }

    fn order(&self, id: OrderId) -> Answer<Option<Dossier>> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.pages.try_send(Page::One { id, answer });
        let found = page(sent.is_ok(), receiver);
        Box::pin(async move { Ok(found.await?.map(dossier)) })
    }

    fn verify(&self) -> Answer<Verified> {
        let (answer, receiver) = oneshot::channel();
        let sent = self.pages.try_send(Page::Verify { answer });
        let verdict = page(sent.is_ok(), receiver);
        Box::pin(async move { Ok(verified(&verdict.await?)) })
    }

    fn operate(&self, request: OperatorRequest) -> Answer<String> {
        let asking = self.ask();
        Box::pin(async move { asking.ask(request).await })
    }

    fn forget(&self, pile: PileCode) -> Answer<String> {
        let (answer, receiver) = oneshot::channel();
        let is_sent = self.reception.order(Task::Forget { pile, answer });
        Box::pin(async move {
            let unavailable = |text: &str| Trouble::Unavailable(text.to_owned());
            if !is_sent {
                return Err(unavailable("too many registrations wait"));
            }
            let done = receiver.await.map_err(|_| unavailable("the registration has ended"))?;
            done.map_err(Trouble::Refused)
        })
    }

    fn read_meter(&self, meter: MeterName) -> Answer<ReadingView> {
        let profile = self.buses.profile(&meter);
        let shown = self.buses.show(&meter);
        Box::pin(async move {
            let profile = profile.ok_or_else(|| missing("meter", &meter))?;
            let shown = shown.ok_or_else(|| Trouble::Unavailable(BUSY.to_owned()))?.await;
            let shown = shown.map_err(|_| Trouble::Unavailable(BUSY.to_owned()))?;
            Ok(ReadingView::of(&meter, &profile, &shown.readout, &shown.values))
        })
    }

    fn lend(&self, bus: BusName, for_ms: u32) -> Answer<String> {
        let is_there = self.buses.has(&bus);
        let closed = self.buses.lend(&bus, for_ms);
        Box::pin(async move {
            if !is_there {
                return Err(missing("bus", &bus));
            }
            let busy = || Trouble::Unavailable(BUSY.to_owned());
            closed.ok_or_else(busy)?.await.map_err(|_| busy())?;
            Ok("lent".to_owned())
        })
    }

    fn take_back(&self, bus: BusName) -> Answer<String> {
        let is_told = self.buses.take_back(&bus);
        let answer = match (self.buses.has(&bus), is_told) {
            (false, _) => Err(missing("bus", &bus)),
            (true, false) => Err(Trouble::Unavailable(BUSY.to_owned())),
            (true, true) => Ok("taken back".to_owned()),
        };
        Box::pin(async { answer })
    }

    fn import(&self, file: PathBuf) -> Answer<u64> {
        let asking = self.ask();
        let importing = self.importing.clone();
        Box::pin(async move {
            let _alone = Alone::enter(importing)?;
            asking.import(&file).await
        })
    }
}

/// Said of a bus whose thread takes no more orders.
const BUSY: &str = "the bus has too much to do";

fn missing(what: &str, name: &dyn std::fmt::Display) -> Trouble {
    Trouble::Refused(format!("there is no {what} of that name: {name}"))
}

fn page<T: Send + 'static>(
    is_sent: bool,
    receiver: oneshot::Receiver<Result<T, LedgerError>>,
) -> Answer<T> {
    Box::pin(async move {
        let unavailable = |text: &str| Trouble::Unavailable(text.to_owned());
        if !is_sent {
            return Err(unavailable("too many readers"));
        }
        let read = receiver.await.map_err(|_| unavailable("the reader has ended"))?;
        read.map_err(|error| Trouble::Unavailable(error.to_string()))
    })
}

/// Holds off a second import.
struct Alone(Arc<Mutex<bool>>);

impl Alone {
    fn enter(is_taken: Arc<Mutex<bool>>) -> Result<Self, Trouble> {
        let mut taken = is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return Err(Trouble::Refused("an import is under way".to_owned()));
        }
        *taken = true;
        drop(taken);
        Ok(Self(is_taken))
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// A way to the site for operators.
struct Asking {
    inbox: flume::Sender<Input>,
    tickets: Arc<Tickets>,
}

impl Asking {
    async fn ask(&self, request: OperatorRequest) -> Result<String, Trouble> {
        let unavailable = |text: &str| Trouble::Unavailable(text.to_owned());
        let (ticket, answer) =
            self.tickets.draw().ok_or_else(|| unavailable("too many requests wait already"))?;
        let input = Input::Operator { ticket, request, known: Vec::new() };
        self.inbox.send_async(input).await.map_err(|_| unavailable("the site has ended"))?;
        let outcome = answer.await.map_err(|_| unavailable("the request was dropped"))?;
        outcome.map_err(Trouble::Refused)
    }

    /// Takes orders over one by one: each is answered once it is committed.
    async fn import(&self, file: &Path) -> Result<u64, Trouble> {
        let (sender, orders) = flume::bounded(IMPORT_QUEUE);
        let reading = std::thread::Builder::new().name("import".to_owned()).spawn({
            let file = file.to_owned();
            move || read_other(&file, &sender)
        });
        reading.map_err(|error| Trouble::Unavailable(error.to_string()))?;
        let (mut count, mut left) = (0, 0_u64);
        while let Ok(order) = orders.recv_async().await {
            let order = order.map_err(|error| Trouble::Refused(unreadable(file, &error)))?;
            match self.ask(OperatorRequest::Import { order: Box::new(order) }).await {
                Ok(_) => count += 1,
                // One that is there already, or is still running, does not stop the rest.
                Err(Trouble::Refused(_)) => left += 1,
                Err(other) => return Err(other),
            }
        }
        let file = file.display();
        tracing::info!(%file, count, on_record_already = left, "orders taken over");
        Ok(count)
    }
}

/// Why another ledger cannot be taken over; it is read by the controller's user, in its own view
/// of the file system.
fn unreadable(file: &Path, error: &LedgerError) -> String {
    let hint = match error {
        LedgerError::Io(_) => "\nhint: put it into data_dir, readable by the user sitepilot",
        LedgerError::Locked(_) => "\nhint: another controller runs on it; stop that one first",
        _ => "",
    };
    format!("{}: {error}{hint}", file.display())
}

/// Orders read ahead of the site's commits.
const IMPORT_QUEUE: usize = 64;

type Read = Result<Order, LedgerError>;

fn read_other(file: &Path, orders: &flume::Sender<Read>) {
    // Whoever asked may have gone; then the reading ends.
    let read = ledger::open_salvaged_copy(file).and_then(|reader| {
        reader.export(&Filter::default(), |order| {
            orders.send(Ok(order.clone())).map_err(|_| LedgerError::Io("nobody listens".to_owned()))
        })
    });
    if let Err(error) = read {
        let _ = orders.send(Err(error));
    }
}
