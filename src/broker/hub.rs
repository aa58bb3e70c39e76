//! Seats: which sessions exist, and which connection holds each. No IO; behind one lock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::{Notify, watch};

use super::config::DoorsConfig;
use super::counters::Counters;
use super::event::GoneReason;
use super::filter::Filter;
use super::frame;
use super::pipe::Pipe;
use super::registry::{Identity, Route};
use super::retained::{Retained, Room};
use super::session::{Message, Reply, Session, SessionLimits};
use super::tree::{FilterTree, Grant, SeatNo};
use crate::domain::id::ConnectionId;
use crate::domain::time::Mono;

/// A writer collects packets up to about this size for one call of the system.
const WRITE_BYTES: usize = 16 * 1024;

/// Whose session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: Arc<str>,
    /// Empty for a host's client, which has one session whatever its client id.
    client: String,
}

/// A logged-in connection that wants a seat.
pub(super) struct Guest {
    pub connection: ConnectionId,
    pub name: Arc<str>,
    pub client_id: String,
    pub route: Route,
    pub clean: bool,
    pub wake: Arc<Notify>,
}

impl Guest {
    pub fn new(
        connection: ConnectionId,
        identity: &Identity,
        client_id: &str,
        clean: bool,
    ) -> Self {
        Self {
            connection,
            name: identity.name.as_str().into(),
            client_id: client_id.to_owned(),
            route: identity.route,
            clean: clean || identity.route == Route::Visitor,
            wake: Arc::new(Notify::new()),
        }
    }

    fn key(&self) -> Key {
        let client = match self.route {
            Route::Host | Route::Visitor => String::new(),
            Route::Router => self.client_id.clone(),
        };
        Key { name: Arc::clone(&self.name), client }
    }
}

/// Held by a connection as long as it has its seat.
pub(super) struct Seated {
    /// Set when the connection shall end.
    pub leave: watch::Receiver<Option<GoneReason>>,
    /// Dropped when the seat is free again; a successor waits for that.
    pub _gone: watch::Sender<()>,
}

/// Answer to a guest.
pub(super) enum Sit {
    /// The seat is taken; CONNACK is queued.
    Seated(Seated),
    /// Its holder was told to leave: ask again when the sender of this is dropped.
    Occupied(watch::Receiver<()>),
    /// A still newer connection wants the seat.
    Superseded,
    /// No seats left.
    Full,
}

/// A seat's connection.
pub(super) struct Link {
    pub connection: ConnectionId,
    pub wake: Arc<Notify>,
    pub leave: watch::Sender<Option<GoneReason>>,
    pub gone: watch::Receiver<()>,
    /// Said before the client has subscribed.
    pub early: VecDeque<Message>,
}

impl Link {
    fn ask_to_leave(&self, why: GoneReason) -> bool {
        self.leave.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(why);
            first
        })
    }
}

/// A session and its place.
pub(super) struct Seat {
    key: Key,
    client_id: String,
    route: Route,
    clean: bool,
    pub session: Session,
    pub filters: BTreeMap<Filter, Grant>,
    pub link: Option<Link>,
    /// The connection has ended, but its will or its `Gone` is still under way.
    parting: Option<watch::Receiver<()>>,
    /// The newest connection that wanted it.
    claim: ConnectionId,
    away_since: Mono,
}

impl Seat {
    fn is_away(&self) -> bool {
        self.link.is_none() && self.parting.is_none()
    }

    /// Whether something can be said now or kept for later.
    pub fn listens(&self) -> bool {
        self.link.is_some() || !self.clean
    }
}

/// All sessions.
pub(super) struct Hub {
    pub config: DoorsConfig,
    pub counters: Arc<Counters>,
    keys: BTreeMap<Key, SeatNo>,
    pub seats: BTreeMap<SeatNo, Seat>,
    seated: BTreeMap<ConnectionId, SeatNo>,
    pub tree: FilterTree,
    pub retained: Retained,
    next_seat: u64,
    /// Number of the next message to the router.
    pub sequence: u64,
    pub pipe: Pipe,
    closed: bool,
}

impl Hub {
    pub fn new(config: DoorsConfig, counters: Arc<Counters>, pipe: Pipe) -> Self {
        let in_all = Room { topics: config.max_retained_topics, bytes: config.max_retained_bytes };
        let of_one = Room {
            topics: config.max_retained_topics_per_name,
            bytes: config.max_retained_bytes_per_name,
        };
        let retained = Retained::new(in_all, of_one);
        Self {
            config,
            counters,
            keys: BTreeMap::new(),
            seats: BTreeMap::new(),
            seated: BTreeMap::new(),
            tree: FilterTree::default(),
            retained,
            next_seat: 0,
            sequence: 0,
            pipe,
            closed: false,
        }
    }

    /// Gives the guest its seat, or tells the holder to leave it.
    pub fn sit(&mut self, guest: &Guest, now: Mono) -> Sit {
        if self.closed {
            return Sit::Full;
        }
        let key = guest.key();
        if let Some(waiting) = self.claim(&key, guest) {
            return waiting;
        }
        if self.seated.len() >= self.config.max_connections || !self.has_room_for(&key, guest) {
            return Sit::Full;
        }
        let (no, session_present) = self.find_session(key, guest);
        let (leave, leave_rx) = watch::channel(None);
        let (gone_tx, gone) = watch::channel(());
        let seat = self.seats.get_mut(&no).expect("found or made above");
        seat.session.attach(now);
        seat.session.reply(Reply::ConnAck { session_present });
        seat.claim = guest.connection;
        seat.link = Some(Link {
            connection: guest.connection,
            wake: Arc::clone(&guest.wake),
            leave,
            gone,
            early: VecDeque::new(),
        });
        self.seated.insert(guest.connection, no);
        self.count();
        Sit::Seated(Seated { leave: leave_rx, _gone: gone_tx })
    }

    /// Whether the guest must wait for the holder, or yield to a newer guest.
    fn claim(&mut self, key: &Key, guest: &Guest) -> Option<Sit> {
        let seat = self.seats.get_mut(self.keys.get(key)?)?;
        if seat.claim > guest.connection {
            return Some(Sit::Superseded);
        }
        seat.claim = guest.connection;
        if let Some(gone) = &seat.parting {
            return Some(Sit::Occupied(gone.clone()));
        }
        let link = seat.link.as_ref()?;
        if link.ask_to_leave(GoneReason::TakenOver) {
            self.counters.take_overs.one();
        }
        Some(Sit::Occupied(link.gone.clone()))
    }

    fn find_session(&mut self, key: Key, guest: &Guest) -> (SeatNo, bool) {
        if let Some(no) = self.keys.get(&key).copied() {
            let resumes = self.seats.get(&no).is_some_and(|seat| {
                !guest.clean && !seat.clean && seat.client_id == guest.client_id
            });
            if resumes {
                return (no, true);
            }
            self.remove(no);
        }
        self.make_room();
        let no = SeatNo(self.next_seat);
        self.next_seat += 1;
        let limits = SessionLimits {
            messages: self.config.max_outbox_messages,
            bytes: self.config.max_outbox_bytes,
            inflight: self.config.max_inflight,
        };
        self.keys.insert(key.clone(), no);
        self.seats.insert(
            no,
            Seat {
                key,
                client_id: guest.client_id.clone(),
                route: guest.route,
                clean: guest.clean,
                session: Session::new(limits),
                filters: BTreeMap::new(),
                link: None,
                parting: None,
                claim: guest.connection,
                away_since: Mono::default(),
            },
        );
        (no, false)
    }

    /// Whether the name may have one session more; drops the one of its own that has been away
    /// longest for it, so that a name with many client ids is no burden to others.
    fn has_room_for(&mut self, key: &Key, guest: &Guest) -> bool {
        if self.keys.contains_key(key) {
            return true;
        }
        if guest.route == Route::Visitor {
            let visitors = self.seats.values().filter(|seat| seat.route == Route::Visitor);
            return visitors.count() < self.config.max_visitors;
        }
        let own: Vec<_> = self.seats_of(&key.name).collect();
        own.len() < self.config.max_sessions_per_name || self.drop_oldest(own)
    }

    /// Drops the session that has been away longest, if there are too many.
    fn make_room(&mut self) {
        if self.seats.len() >= self.config.max_sessions {
            self.drop_oldest(self.seats.keys().copied().collect());
        }
    }

    /// Drops the session that has been away longest; `false` if none is away.
    fn drop_oldest(&mut self, of: Vec<SeatNo>) -> bool {
        let seats = of.into_iter().filter_map(|no| Some((no, self.seats.get(&no)?)));
        let away = seats.filter(|(_, seat)| seat.is_away());
        let oldest = away.min_by_key(|(_, seat)| seat.away_since).map(|(no, _)| no);
        oldest.inspect(|no| self.remove(*no)).is_some()
    }

    fn remove(&mut self, no: SeatNo) {
        let Some(seat) = self.seats.remove(&no) else { return };
        for filter in seat.filters.keys() {
            self.tree.remove(filter, no);
        }
        self.keys.remove(&seat.key);
    }

    /// The connection has ended: nothing more can be said to it. Its seat stays taken until
    /// [`leave`](Self::leave).
    pub fn part(&mut self, connection: ConnectionId, now: Mono) {
        let Some(no) = self.seat_no(connection) else { return };
        let Some(seat) = self.seats.get_mut(&no) else { return };
        let Some(link) = seat.link.take() else { return };
        let early = u64::try_from(link.early.len()).unwrap_or(u64::MAX);
        self.counters.dropped_messages.add(early);
        seat.parting = Some(link.gone);
        seat.away_since = now;
        seat.session.detach();
        if seat.clean {
            for filter in std::mem::take(&mut seat.filters).keys() {
                self.tree.remove(filter, no);
            }
        }
    }

    /// The seat is free; the session stays if it is persistent.
    pub fn leave(&mut self, connection: ConnectionId, now: Mono) {
        // One that leaves before it was announced has not parted.
        self.part(connection, now);
        let Some(no) = self.seated.remove(&connection) else { return };
        if let Some(seat) = self.seats.get_mut(&no) {
            seat.parting = None;
            if seat.clean {
                self.remove(no);
            }
        }
        self.count();
    }

    fn count(&self) {
        self.counters.connections.set(self.seated.len());
        self.counters.sessions.set(self.seats.len());
    }

    /// The seat of a connection.
    pub fn seat_no(&self, connection: ConnectionId) -> Option<SeatNo> {
        self.seated.get(&connection).copied()
    }

    /// The session of a connection.
    pub fn session(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        let no = self.seat_no(connection)?;
        self.seats.get_mut(&no).map(|seat| &mut seat.session)
    }

    /// Does something to the session of a connection, then wakes its writer.
    pub fn with_session<T>(
        &mut self,
        connection: ConnectionId,
        act: impl FnOnce(&mut Session) -> T,
    ) -> Option<T> {
        let no = self.seat_no(connection)?;
        let seat = self.seats.get_mut(&no)?;
        let result = act(&mut seat.session);
        if let Some(link) = &seat.link {
            link.wake.notify_one();
        }
        Some(result)
    }

    /// The seats of a name: the connected one that came last, else any.
    pub fn find_name(&self, name: &str) -> Option<SeatNo> {
        self.seats_of(name).max_by_key(|no| {
            self.seats.get(no).and_then(|seat| seat.link.as_ref()).map(|link| link.connection)
        })
    }

    fn seats_of<'a>(&'a self, name: &str) -> impl Iterator<Item = SeatNo> + use<'a> {
        let first = Key { name: name.into(), client: String::new() };
        let name = Arc::clone(&first.name);
        self.keys.range(first..).take_while(move |(key, _)| key.name == name).map(|(_, no)| *no)
    }

    /// Tells the connections of a name to end; how many there were.
    pub fn kick(&self, name: &str) -> usize {
        self.seats_of(name)
            .filter_map(|no| self.seats.get(&no)?.link.as_ref())
            .filter(|link| link.ask_to_leave(GoneReason::Kicked))
            .count()
    }

    /// Tells every connection to end, and admits no more.
    pub fn close(&mut self) {
        self.closed = true;
        for link in self.seats.values().filter_map(|seat| seat.link.as_ref()) {
            link.ask_to_leave(GoneReason::Shutdown);
        }
        self.pipe.close();
    }

    /// Whether the doors are closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Fills the buffer with what the connection shall write next.
    pub fn transmit(&mut self, connection: ConnectionId, now: Mono, buffer: &mut BytesMut) {
        let Some(session) = self.session(connection) else { return };
        while buffer.len() < WRITE_BYTES {
            match session.transmit(now) {
                Some(transmit) => frame::write(transmit, buffer),
                None => break,
            }
        }
        let expired = session.take_expired();
        self.counters.expired_messages.add(expired);
    }
}
