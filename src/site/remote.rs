//! Remote start and stop: done at most once, with a deadline, and never after a restart.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use sha2::{Digest, Sha256};

use super::{
    Site,
    alarm::AlarmKind,
    calls::{Asker, CallKind},
    entry::{Entry, OpenRemote},
    link::Link,
    news::Ruling,
    piles::Pile,
    turn::Turn,
};
use crate::domain::{
    card,
    connector::{ConnectorState, RunningOrder},
    event::RemoteStart,
    id::{
        CardNo, ConnectorNo, OrderSeq, PileCode, PlugNo, RequestId, Sequence, StartToken,
        TransactionId, UplinkName,
    },
    order::{Order, OrderState},
    reply::{PileCall, UplinkReply},
    time::Mono,
    wire::Original,
};

/// Why an uplink that has no `commands` in the config is refused.
pub(super) const MAY_NOT_COMMAND: &str = "this uplink may not command";

/// Why nothing new begins.
pub(super) const STORE_IS_FULL: &str = "the store is full";

/// Remote starts remembered by the backend's transaction id, also over restarts, so that a
/// repetition is recognised: more than a site with 200 connectors gets within the time a backend
/// repeats itself.
pub const REMOTES_LIMIT: u16 = 256;

/// How long a pile that has accepted a start may wait for a vehicle to be plugged in, before
/// another uplink may start there: piles wait for one to three minutes.
const WAITING_MS: u64 = 180_000;

/// What became of a remote start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    Accepted,
    Failed,
}

/// A remote start that was taken.
#[derive(Debug)]
struct Started {
    transaction: Option<TransactionId>,
    /// Who pays, where the wire of the asker has nothing else to say so; not over restarts.
    card: Option<CardNo>,
    fate: Fate,
}

/// A start at a connector whose order has not begun.
#[derive(Debug)]
struct Coming {
    uplink: UplinkName,
    token: StartToken,
    since: Mono,
}

/// Remote starts by token.
#[derive(Debug, Default)]
pub(super) struct Remotes {
    fates: BTreeMap<StartToken, Started>,
    order: VecDeque<StartToken>,
    coming: BTreeMap<ConnectorNo, Coming>,
    /// Remote starts of an earlier run that nobody answered.
    pub(super) orphans: Vec<OpenRemote>,
}

/// The token of a remote start: derived from the backend's id, so that it is known again after a
/// restart, and never that id itself.
fn token_of(transaction: &str) -> StartToken {
    let digest = Sha256::digest(transaction.as_bytes());
    let text = format!("R{}", data_encoding::BASE32_NOPAD.encode(&digest[..15]));
    StartToken::new(&text).expect("25 printable characters")
}

impl Remotes {
    pub(super) fn restore(orphans: Vec<OpenRemote>, known: &[TransactionId]) -> Self {
        let mut remotes = Self { orphans, ..Self::default() };
        for transaction in known {
            let unanswered = remotes
                .orphans
                .iter()
                .any(|orphan| orphan.transaction.as_ref() == Some(transaction));
            let fate = if unanswered { Fate::Failed } else { Fate::Accepted };
            let token = token_of(transaction.as_str());
            let transaction = Some(transaction.clone());
            remotes.keep(token, Started { transaction, card: None, fate });
        }
        remotes
    }

    fn keep(&mut self, token: StartToken, started: Started) {
        if self.order.len() >= usize::from(REMOTES_LIMIT)
            && let Some(oldest) = self.order.pop_front()
        {
            self.fates.remove(&oldest);
        }
        if self.fates.insert(token.clone(), started).is_none() {
            self.order.push_back(token);
        }
    }

    fn fate(&self, transaction: &TransactionId) -> Option<Fate> {
        self.fates.get(&token_of(transaction.as_str())).map(|started| started.fate)
    }

    pub(super) fn decide(&mut self, token: &StartToken, fate: Fate) {
        if let Some(entry) = self.fates.get_mut(token) {
            entry.fate = fate;
        }
        if fate == Fate::Failed {
            self.coming.retain(|_, coming| coming.token != *token);
        }
    }

    /// An order has begun at a connector: whatever start waited there is over.
    pub(super) fn begun(&mut self, connector: ConnectorNo) {
        self.coming.remove(&connector);
    }

    /// The uplink whose start waits at a connector.
    fn coming(&self, connector: ConnectorNo, now: Mono) -> Option<&UplinkName> {
        let coming = self.coming.get(&connector)?;
        (now.since_ms(coming.since) < WAITING_MS).then_some(&coming.uplink)
    }

    /// The backend's transaction id behind a token.
    pub(super) fn transaction(&self, token: Option<&StartToken>) -> Option<TransactionId> {
        self.fates.get(token?).and_then(|started| started.transaction.clone())
    }

    /// The card a start with this token was for.
    pub(super) fn card(&self, token: Option<&StartToken>) -> Option<CardNo> {
        self.fates.get(token?).and_then(|started| started.card.clone())
    }

    /// Whether the start with this token was reported as failed.
    pub(super) fn is_failed(&self, token: Option<&StartToken>) -> bool {
        let started = token.and_then(|token| self.fates.get(token));
        started.is_some_and(|started| started.fate == Fate::Failed)
    }
}

/// Where a start is to be, and for what order to come; or which order is to stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) connector: Option<ConnectorNo>,
    /// The backend's id for the order; `None`: its wire has none.
    pub(super) transaction: Option<&'a TransactionId>,
    /// Who pays, if known.
    pub(super) card: Option<&'a CardNo>,
}

impl Site {
    /// An uplink wants charging to start.
    pub(super) fn remote_start(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        remote: &RemoteStart,
        turn: &mut Turn,
    ) {
        let RemoteStart { connector, transaction, card, original } = remote;
        let (transaction, card) = (transaction.as_ref(), card.as_ref());
        let wish = Wish { connector: *connector, transaction, card };
        let (connector, (pile, plug)) = match self.may_start(name, &wish, turn.now.mono) {
            Ok(place) => place,
            Err(reason) => return self.refuse_start(name, sequence, *connector, reason, turn),
        };
        let at = turn.stamp();
        let token = match transaction {
            Some(transaction) => token_of(transaction.as_str()),
            // The primary will give its id in the answer to the start. Requests may be numbered
            // anew on every link; calls are not.
            None => token_of(&format!("{name}/{}/{}", at.boot.0, self.calls.next_id())),
        };
        // The order is the primary's, whoever starts it.
        let has_primary = self.links.values().any(|link| link.config.primary);
        let is_primary = self.links.get(name).is_some_and(|link| link.config.primary);
        let given = transaction.filter(|_| is_primary || !has_primary);
        let decides = self.links.get(name).is_some_and(Link::decides);
        let guest = card.filter(|_| !decides).cloned();
        if let Some(card) = &guest {
            self.guests.welcome(name, card.clone());
        }
        let started = Started { transaction: given.cloned(), card: guest, fate: Fate::Waiting };
        self.remotes.keep(token.clone(), started);
        let coming = Coming { uplink: name.clone(), token: token.clone(), since: at.mono };
        self.remotes.coming.insert(connector, coming);
        let transaction = transaction.cloned();
        turn.remember(Entry::RemoteOpened(OpenRemote {
            uplink: name.clone(),
            sequence,
            transaction,
            at,
        }));
        let asker = Asker { uplink: name.clone(), sequence, is_there: true };
        let what = CallKind::RemoteStart { asker, token: token.clone(), plug };
        let (card, backend) = (card.cloned(), original.clone());
        self.call(pile, PileCall::RemoteStart { plug, token, card, backend }, what, turn);
    }

    /// Whether an uplink may start charging somewhere now, and where that is.
    pub(super) fn may_start(
        &self,
        name: &UplinkName,
        wish: &Wish<'_>,
        now: Mono,
    ) -> Result<(ConnectorNo, (PileCode, PlugNo)), &'static str> {
        let link = self.links.get(name).filter(|link| link.config.commands);
        let link = link.ok_or(MAY_NOT_COMMAND)?;
        match wish.transaction.and_then(|id| self.remotes.fate(id)) {
            Some(Fate::Waiting | Fate::Accepted) => return Err("this start was executed before"),
            Some(Fate::Failed) => return Err("this start has failed before"),
            None => {}
        }
        if self.is_storage_full {
            return Err(STORE_IS_FULL);
        }
        let connector = wish.connector.ok_or("no such connector")?;
        let place = self.config.place(connector).ok_or("no such connector")?;
        let pile = self.piles.get(&place.0).filter(|pile| pile.is_ready());
        let pile = pile.ok_or("the pile is not connected")?;
        if self.running_at_connector(connector).is_some() {
            return Err("the connector is charging");
        }
        // A backend that names the order to come knows what it repeats; nobody else does.
        let is_own = |of: &UplinkName| of == name && wish.transaction.is_some();
        if self.remotes.coming(connector, now).is_some_and(|of| !is_own(of)) {
            return Err("another start waits there");
        }
        // A backend decides on these by what it is told of them.
        if !link.decides() {
            fits(pile.panel.state(place.1))?;
            self.may_pay(wish.card)?;
        }
        Ok((connector, place))
    }

    /// A card that the primary does not let charge is not started with.
    pub(super) fn may_pay(&self, card: Option<&CardNo>) -> Result<(), &'static str> {
        let verdict = card.and_then(|card| self.cards.get(card));
        let is_refused = verdict.is_some_and(|verdict| !verdict.is_accepted());
        if is_refused { Err("the card is refused") } else { Ok(()) }
    }

    fn refuse_start(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        connector: Option<ConnectorNo>,
        reason: &str,
        turn: &mut Turn,
    ) {
        let text = reason.to_owned();
        let reply = UplinkReply::RemoteStart { accepted: false, reason: text, pile: None };
        self.reply_to(name, sequence, reply, turn);
        if let Some(place) = connector.and_then(|connector| self.config.place(connector)) {
            let verdict = Ruling { accepted: false, reason, cause: None };
            self.start_decided(place, &verdict, turn);
        }
    }

    /// An uplink wants charging to stop.
    pub(super) fn remote_stop(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        wish: &Wish<'_>,
        original: Option<&Original>,
        turn: &mut Turn,
    ) {
        let order = self.to_be_stopped(name, wish);
        let target = order.map(|order| (order.seq, order.id, order.key.pile, order.plug));
        match self.may_stop(name, order, wish.card) {
            Err(reason) => {
                let seq = target.map(|(seq, ..)| seq);
                self.refuse_stop(name, sequence, seq, reason, turn);
                let place = match target {
                    Some((_, id, pile, plug)) => Some((pile, plug, Some(id))),
                    None => wish
                        .connector
                        .and_then(|connector| self.config.place(connector))
                        .map(|(pile, plug)| (pile, Some(plug), None)),
                };
                if let Some((pile, plug, id)) = place {
                    let verdict = Ruling { accepted: false, reason, cause: None };
                    self.stop_decided((pile, plug), id, &verdict, turn);
                }
            }
            Ok(()) => {
                let Some((seq, id, pile, plug)) = target else { return };
                let asker = Asker { uplink: name.clone(), sequence, is_there: true };
                let what = CallKind::RemoteStop { asker, seq, id, plug };
                self.call_stop(seq, pile, original.cloned(), what, turn);
            }
        }
    }

    /// The order an uplink means. The ids of the primary are no names of another wire's.
    fn to_be_stopped(&self, name: &UplinkName, wish: &Wish<'_>) -> Option<&Order> {
        let Some(transaction) = wish.transaction else {
            return wish.connector.and_then(|no| self.book.open_at(no));
        };
        let decides = self.links.get(name).is_some_and(Link::decides);
        let order = self.book.by_transaction(transaction)?;
        (decides || order.id.as_str() == transaction.as_str()).then_some(order)
    }

    fn may_stop(
        &self,
        name: &UplinkName,
        order: Option<&Order>,
        card: Option<&CardNo>,
    ) -> Result<(), &'static str> {
        if !self.links.get(name).is_some_and(|link| link.config.commands) {
            return Err(MAY_NOT_COMMAND);
        }
        let order = order.ok_or("no such order runs")?;
        if card.is_some_and(|card| order.card.as_ref() != Some(card)) {
            return Err("the order is not of this card");
        }
        let is_ready = self.piles.get(&order.key.pile).is_some_and(Pile::is_ready);
        if is_ready { Ok(()) } else { Err("the pile is not connected") }
    }

    fn refuse_stop(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        seq: Option<OrderSeq>,
        reason: &str,
        turn: &mut Turn,
    ) {
        let order = self.stopping(seq, turn);
        let reason = reason.to_owned();
        let reply = UplinkReply::RemoteStop { accepted: false, reason, order };
        self.reply_to(name, sequence, reply, turn);
    }

    /// The order that is to stop, for those who show it.
    fn stopping(&self, seq: Option<OrderSeq>, turn: &Turn) -> Option<Box<RunningOrder>> {
        let order = self.book.get(seq?)?;
        Some(Box::new(self.running(order, turn.stamp())))
    }

    /// The site itself wants an order to stop.
    pub(super) fn stop_order(&mut self, seq: OrderSeq, turn: &mut Turn) {
        let Some(pile) = self.book.get(seq).map(|order| order.key.pile) else { return };
        self.call_stop(seq, pile, None, CallKind::Other, turn);
    }

    fn call_stop(
        &mut self,
        seq: OrderSeq,
        pile: PileCode,
        backend: Option<Original>,
        what: CallKind,
        turn: &mut Turn,
    ) {
        let Some(order) = self.book.get_mut(seq) else { return };
        if order.state == OrderState::Charging {
            order.state = OrderState::Stopping;
        }
        let call = PileCall::RemoteStop { order: order.id, plug: order.plug, backend };
        self.call(pile, call, what, turn);
    }

    /// A remote start has its outcome.
    pub(super) fn close_start(
        &mut self,
        asker: &Asker,
        place: (PileCode, PlugNo),
        verdict: &Ruling<'_>,
        turn: &mut Turn,
    ) {
        self.end_start(asker, verdict, turn);
        self.start_decided(place, verdict, turn);
    }

    fn end_start(&mut self, asker: &Asker, verdict: &Ruling<'_>, turn: &mut Turn) {
        let Asker { uplink, sequence, is_there } = asker;
        let Some(link) = self.links.get_mut(uplink) else { return };
        turn.remember(Entry::RemoteClosed { uplink: uplink.clone(), sequence: *sequence });
        if link.is_online() && *is_there {
            let (accepted, reason) = (verdict.accepted, verdict.reason.to_owned());
            let pile = verdict.cause.cloned();
            link.reply(turn, *sequence, UplinkReply::RemoteStart { accepted, reason, pile });
        }
    }

    /// A remote stop has its outcome.
    pub(super) fn close_stop(
        &mut self,
        asker: &Asker,
        seq: OrderSeq,
        verdict: &Ruling<'_>,
        turn: &mut Turn,
    ) {
        if !verdict.accepted
            && let Some(order) = self.book.get_mut(seq)
            && order.state == OrderState::Stopping
        {
            order.state = OrderState::Charging;
        }
        let order = self.stopping(Some(seq), turn);
        let link = self.links.get_mut(&asker.uplink).filter(|link| link.is_online());
        if let Some(link) = link.filter(|_| asker.is_there) {
            let (accepted, reason) = (verdict.accepted, verdict.reason.to_owned());
            let reply = UplinkReply::RemoteStop { accepted, reason, order };
            link.reply(turn, asker.sequence, reply);
        }
    }

    /// Remote starts of an earlier run get their definite failure. Where they were is not known any
    /// more, so that it is no news of any pile.
    pub(super) fn fail_orphans(&mut self, name: &UplinkName, turn: &mut Turn) {
        let (mine, others): (Vec<OpenRemote>, Vec<OpenRemote>) =
            mem::take(&mut self.remotes.orphans).into_iter().partition(|o| o.uplink == *name);
        self.remotes.orphans = others;
        // Whoever numbers anew on every link would take it for the answer to another request.
        let is_there = self.links.get(name).is_some_and(Link::decides);
        let reason = "the controller restarted";
        let verdict = Ruling { accepted: false, reason, cause: None };
        for orphan in mine {
            let asker = Asker { uplink: name.clone(), sequence: orphan.sequence, is_there };
            self.end_start(&asker, &verdict, turn);
        }
    }

    /// A start whose failure was reported: it is recorded, refused and stopped.
    pub(super) fn refuse_late_start(
        &mut self,
        order: &Order,
        pile: PileCode,
        id: RequestId,
        plug: PlugNo,
        turn: &mut Turn,
    ) {
        let text = format!("order {} began after its remote start had failed", order.id);
        self.alarms.raise(AlarmKind::LateStart(pile), turn.stamp(), text);
        turn.answer(
            pile,
            id,
            super::reports::start_reply(order, plug, card::Verdict::Invalid, None),
        );
        self.stop_order(order.seq, turn);
    }
}

/// Whether charging can begin at a connector in this state, as far as the pile says.
const fn fits(state: Option<ConnectorState>) -> Result<(), &'static str> {
    match state {
        Some(ConnectorState::Unavailable | ConnectorState::Fault) => {
            Err("the connector is out of service")
        }
        Some(ConnectorState::Reserved) => Err("the connector is reserved"),
        Some(_) | None => Ok(()),
    }
}
