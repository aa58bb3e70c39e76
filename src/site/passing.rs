//! Messages that are passed on between a backend and a pile: at most once, with a deadline, and
//! never after a restart.

use std::collections::{BTreeMap, VecDeque};

use super::{Site, entry::Entry, questions::Purpose, turn::Turn};
use crate::{
    domain::{
        id::{OrderId, PileCode, RequestId, Sequence, TransactionId, UplinkName},
        order::Order,
        passing::{Address, Deposit, Names, Pass, Passed},
        reply::{PileReply, UplinkMessage, UplinkReply, Urgency},
        wire::{ErrorCode, Original, Revision},
    },
    protocol::charger::table,
};

/// Messages that wait for one peer's answer at the same time, in each direction: a pile does one
/// thing after another, so that more would only wait for their deadline.
const OF_PILE_LIMIT: usize = 16;

/// Messages of one uplink that wait for piles, and of piles that wait for one uplink: a site of
/// 100 connectors being asked for its variables all at once.
const OF_UPLINK_LIMIT: usize = 256;

/// Reservations and profiles remembered with their pile: several for each connector of a large
/// site. The oldest is forgotten first.
const DEPOSITS_LIMIT: usize = 1024;

/// Why a message is not passed on.
type Refusal = (ErrorCode, &'static str);

/// Which pile a backend gave a reservation or a profile to, in this run.
#[derive(Debug, Default)]
pub(super) struct Deposits {
    piles: BTreeMap<Deposit, PileCode>,
    order: VecDeque<Deposit>,
}

impl Deposits {
    fn keep(&mut self, deposit: Deposit, pile: PileCode) {
        if self.piles.insert(deposit, pile).is_none() {
            self.order.push_back(deposit);
        }
        if self.order.len() > DEPOSITS_LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.piles.remove(&oldest);
        }
    }
}

impl Site {
    /// A backend wants something of a pile.
    pub(super) fn pass_to_pile(
        &mut self,
        name: &UplinkName,
        sequence: Sequence,
        pass: &Pass,
        turn: &mut Turn,
    ) {
        let (pile, names) = match self.may_pass(name, pass) {
            Ok(addressed) => addressed,
            Err((code, text)) => {
                let reply = UplinkReply::Error { code, text: text.to_owned() };
                return self.reply_to(name, sequence, reply, turn);
            }
        };
        for deposit in &pass.address.deposits {
            self.deposits.keep(*deposit, pile);
        }
        let passed = Passed { original: pass.original.clone(), names };
        let code = passed.original.code;
        if table::answer_to(self.revision_of(pile), code).is_some() {
            let waiting = (name.clone(), sequence, code);
            return self.call_passed(pile, passed, Some(waiting), turn);
        }
        let reply = answer_in_place(code, passed.names.clone()).map(UplinkReply::Passed);
        self.call_passed(pile, passed, None, turn);
        if let Some(reply) = reply {
            self.reply_to(name, sequence, reply, turn);
        }
    }

    fn may_pass(&self, name: &UplinkName, pass: &Pass) -> Result<(PileCode, Names), Refusal> {
        let commands = self.links.get(name).is_some_and(|link| link.config.commands);
        if !commands {
            return Err((ErrorCode::NotSupported, "this uplink may not command"));
        }
        if pass.address.begins_charging && self.is_storage_full {
            return Err((ErrorCode::Internal, "the store is full"));
        }
        let orders = self.orders_of_backend(&pass.address)?;
        let pile = self.addressed(&pass.address, &orders)?;
        if !table::has(self.revision_of(pile), pass.original.code) {
            return Err((ErrorCode::NotSupported, "the pile's revision has no such message"));
        }
        if !self.piles.get(&pile).is_some_and(|pile| pile.is_ready()) {
            return Err((ErrorCode::Internal, "the pile is not connected"));
        }
        if self.calls.passed_to(pile) >= OF_PILE_LIMIT
            || self.calls.passed_for(name) >= OF_UPLINK_LIMIT
        {
            return Err((ErrorCode::Internal, "too much waits for an answer"));
        }
        let ids = orders.iter().map(|order| (order.id, order.transaction.clone()));
        Ok((pile, self.names(pile, ids.collect())))
    }

    fn orders_of_backend(&self, address: &Address) -> Result<Vec<&Order>, Refusal> {
        let found = address.orders.iter().map(|id| self.book.by_transaction(id));
        found.collect::<Option<_>>().ok_or((ErrorCode::Generic, "no such order"))
    }

    /// The one pile that a message is meant for.
    fn addressed(&self, address: &Address, orders: &[&Order]) -> Result<PileCode, Refusal> {
        const STRANGER: Refusal = (ErrorCode::Generic, "no such pile or connector");
        if address.names_strangers {
            return Err(STRANGER);
        }
        let mut named = address.piles.clone();
        named.extend(orders.iter().map(|order| order.key.pile));
        for connector in &address.connectors {
            named.insert(self.config.place(*connector).ok_or(STRANGER)?.0);
        }
        if named.iter().any(|pile| !self.piles.contains_key(pile)) {
            return Err(STRANGER);
        }
        if named.is_empty() {
            let known = address.deposits.iter().filter_map(|id| self.deposits.piles.get(id));
            named.extend(known);
        }
        if named.is_empty() && self.piles.len() == 1 {
            named.extend(self.piles.keys());
        }
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some(pile), None) => Ok(pile),
            (Some(_), Some(_)) => Err((ErrorCode::NotSupported, "meant for several piles")),
            (None, _) => Err((ErrorCode::NotSupported, "names none of the site's piles")),
        }
    }

    /// The answer of a pile to a message of a backend.
    pub(super) fn passed_answer(
        &self,
        pile: PileCode,
        code: u8,
        answer: Result<Option<&Original>, ErrorCode>,
    ) -> UplinkReply {
        let text = match answer {
            Ok(Some(original)) if is_answer_to(original, code) => {
                let names = self.names(pile, Vec::new());
                return UplinkReply::Passed(Passed { original: original.clone(), names });
            }
            Ok(_) => "the pile answered something else",
            Err(code) => {
                return UplinkReply::Error { code, text: "the pile refused".to_owned() };
            }
        };
        UplinkReply::Error { code: ErrorCode::Internal, text: text.to_owned() }
    }

    /// Whoever asked is told, and the message is over.
    pub(super) fn close_pass(
        &mut self,
        uplink: &UplinkName,
        sequence: Sequence,
        reply: UplinkReply,
        turn: &mut Turn,
    ) {
        turn.remember(Entry::PassClosed { uplink: uplink.clone(), sequence });
        if let Some(link) = self.links.get_mut(uplink)
            && link.is_online()
        {
            link.reply(turn, sequence, reply);
        }
    }

    /// Messages passed in an earlier run get their definite failure.
    pub(super) fn fail_lost_passes(&mut self, name: &UplinkName, turn: &mut Turn) {
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.lost_passes).into_iter().partition(|(of, _)| of == name);
        self.lost_passes = others;
        for (name, sequence) in mine {
            let text = "the controller restarted".to_owned();
            let reply = UplinkReply::Error { code: ErrorCode::Internal, text };
            self.close_pass(&name, sequence, reply, turn);
        }
    }

    /// A pile wants something of the backend, or tells it something.
    pub(super) fn pass_to_backend(
        &mut self,
        pile: PileCode,
        id: Option<RequestId>,
        pass: Pass,
        turn: &mut Turn,
    ) {
        let reply = match self.ask_backend(pile, id, pass, turn) {
            Ok(reply) => reply.map(PileReply::Passed),
            Err((code, text)) => Some(PileReply::Error { code, text: text.to_owned() }),
        };
        if let (Some(id), Some(reply)) = (id, reply) {
            turn.answer(pile, id, reply);
        }
    }

    /// Asks; gives an answer if the backend will not.
    fn ask_backend(
        &mut self,
        pile: PileCode,
        id: Option<RequestId>,
        pass: Pass,
        turn: &mut Turn,
    ) -> Result<Option<Passed>, Refusal> {
        let names = self.names(pile, self.orders_of_pile(pile, &pass.address));
        let code = pass.original.code;
        let link = self.primary_mut().ok_or((ErrorCode::NotSupported, "no backend takes this"))?;
        let station = link.config.wire.station();
        let revision = station.ok_or((ErrorCode::NotSupported, "no backend takes this"))?.revision;
        if !table::has(revision, code) {
            return Err((ErrorCode::NotSupported, "the backend's revision has no such message"));
        }
        if !link.is_online() {
            return Err((ErrorCode::Internal, "the backend is away"));
        }
        let passed = Passed { original: pass.original, names: names.clone() };
        let waiting = id.filter(|_| table::answer_to(revision, code).is_some());
        let Some(id) = waiting else {
            link.tell(turn, UplinkMessage::Passed(passed), Urgency::Live);
            return Ok(answer_in_place(code, names));
        };
        let purpose = Purpose::Pass { pile, id, code };
        if link.questions.waits_for(&purpose) {
            // Repeated: the answer is on its way.
            return Ok(None);
        }
        let (of_pile, all) = link.questions.passes(pile);
        if of_pile >= OF_PILE_LIMIT || all >= OF_UPLINK_LIMIT {
            return Err((ErrorCode::Internal, "too much waits for an answer"));
        }
        let deadline = turn.now.mono.plus_ms(link.config.answer_timeout_ms);
        link.ask(turn, UplinkMessage::Passed(passed), Urgency::Live, purpose, Some(deadline));
        Ok(None)
    }

    /// The pile's own orders; nobody speaks of another's.
    fn orders_of_pile(
        &self,
        pile: PileCode,
        address: &Address,
    ) -> Vec<(OrderId, Option<TransactionId>)> {
        let ids = address.orders.iter().filter_map(|id| OrderId::new(id.as_str()).ok());
        let orders = ids.filter_map(|id| self.book.get(self.book.by_id(id)?));
        let own = orders.filter(|order| order.key.pile == pile);
        own.map(|order| (order.id, order.transaction.clone())).collect()
    }

    /// The answer of the backend to a message of a pile.
    pub(super) fn backend_answered(
        &self,
        pile: PileCode,
        id: RequestId,
        original: Original,
        turn: &mut Turn,
    ) {
        let names = self.names(pile, Vec::new());
        turn.answer(pile, id, PileReply::Passed(Passed { original, names }));
    }

    fn names(&self, pile: PileCode, orders: Vec<(OrderId, Option<TransactionId>)>) -> Names {
        let config = self.config.piles.get(&pile);
        let connectors = config.map(|pile| pile.connectors.clone()).unwrap_or_default();
        Names { pile, connectors, orders }
    }

    fn revision_of(&self, pile: PileCode) -> Revision {
        self.config.piles.get(&pile).map_or(Revision::V1_10, |pile| pile.revision)
    }
}

/// Whether a message is the answer to one of this code.
pub(super) fn is_answer_to(answer: &Original, code: u8) -> bool {
    table::answer_to(answer.revision, code) == Some(answer.code)
}

/// What a peer is answered whose message got a peer that answers it nothing: an empty answer,
/// which is a yes. `None` if no revision has one.
fn answer_in_place(code: u8, names: Names) -> Option<Passed> {
    let revision = Revision::V1_10;
    let code = table::answer_to(revision, code)?;
    let original = Original { revision, code, body: Default::default() };
    Some(Passed { original, names })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{
        super::{Input, PileConfig, SiteConfig, restore::Image},
        *,
    };
    use crate::domain::{
        connector::PileKind,
        event::{PileEvent, PileRequest},
        id::{ConnectionId, ConnectorNo, PlugNo, RecordNo},
        order::StartReport,
        time::{Now, PileTime},
    };

    fn pile(number: u16) -> PileCode {
        PileCode::new(&format!("31011500120{number:05}")).unwrap()
    }

    fn site() -> Site {
        let connectors = |number| vec![ConnectorNo::new(number).unwrap()];
        let config = |number| PileConfig {
            revision: Revision::V1_10,
            kind: PileKind::Dc,
            connectors: connectors(number),
        };
        let config = SiteConfig {
            piles: [1, 2].map(|number| (pile(number), config(number))).into(),
            uplinks: Vec::new(),
            meters: Vec::new(),
            heartbeat_interval_s: 60,
            interrupted_grace_ms: 1,
            undated_hold_ms: 1,
            stop_refused: false,
        };
        Site::restore(Image::default(), config, Now::default()).0
    }

    /// The first pile begins an order.
    fn begin(site: &mut Site) {
        let original = Original { revision: Revision::V1_10, code: 0, body: Default::default() };
        let boot = PileRequest::Boot { nameplate: Box::default(), original: original.clone() };
        let start = PileRequest::Start(StartReport {
            record: RecordNo::new("1").unwrap(),
            plug: PlugNo(1),
            card: None,
            token: None,
            meter: None,
            at: PileTime::Known(1_767_225_600),
            original,
        });
        let connection = ConnectionId(1);
        let asks = |sequence, request| PileEvent::Requested {
            id: RequestId { connection, sequence },
            request,
        };
        let address = String::new();
        for event in [PileEvent::Connected { connection, address }, asks(1, boot), asks(2, start)] {
            let _step =
                site.step(Input::Pile { pile: pile(1), event, known: Vec::new() }, Now::default());
        }
    }

    #[test]
    fn a_pile_speaks_of_its_own_orders_only() {
        let mut site = site();
        begin(&mut site);
        let id = site.book.open().next().unwrap().id;
        let orders = [TransactionId::new(id.as_str()).unwrap()].into();
        let address = Address { orders, ..Address::default() };
        assert_eq!(site.orders_of_pile(pile(1), &address), [(id, None)]);
        assert_eq!(site.orders_of_pile(pile(2), &address), []);
    }
}
