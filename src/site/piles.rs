//! Piles: presence, boot, and everything they say that is not about an order.

use std::collections::BTreeMap;

use super::{PileConfig, Site, panel::Panel, turn::Turn};
use crate::domain::{
    connector::Nameplate,
    event::{PileEvent, PileNotice, PileRequest},
    id::{ConnectionId, ConnectorNo, PileCode, PlugNo, RequestId},
    news::{Happening, Parting},
    order::Order,
    reply::{PileReply, UplinkMessage, Urgency},
    time::{Mono, Stamp},
    wire::{ErrorCode, Original},
};

/// Measurand and status number of a connector that nothing is plugged into.
const STATUS_IDLE: i32 = 1;

/// Connectors of one pile whose state is kept; real ones have at most a few dozen.
const PLUGS_LIMIT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Pile {
    pub(super) connection: Option<ConnectionId>,
    /// Where that comes from, for people.
    pub(super) address: String,
    /// Has booted in this run of the controller.
    pub(super) is_booted: bool,
    /// Asked for the tariff while there was none.
    pub(super) wants_tariff: bool,
    /// Since when it is connected or gone; `None`: not heard of in this run.
    pub(super) since: Option<Stamp>,
    pub(super) firmware: String,
    pub(super) gone_because: String,
    pub(super) status: BTreeMap<PlugNo, i32>,
    pub(super) telemetry: BTreeMap<Option<PlugNo>, Original>,
    pub(super) panel: Panel,
}

impl Pile {
    /// Connected and booted: may be called.
    pub(super) fn is_ready(&self) -> bool {
        self.connection.is_some() && self.is_booted
    }
}

impl Site {
    pub(super) fn admit(&mut self, code: PileCode, config: PileConfig, now: Mono) {
        for link in self.links.values_mut() {
            link.config.wire.place(code, &config.connectors);
        }
        self.piles.entry(code).or_default();
        self.config.admit(code, config);
        self.follow_config(now);
        self.rhythm.touch(code);
    }

    pub(super) fn pile_event(
        &mut self,
        pile: PileCode,
        event: PileEvent,
        known: &[Order],
        turn: &mut Turn,
    ) {
        if !self.piles.contains_key(&pile) {
            self.counters.unknown_piles += 1;
            return;
        }
        self.rhythm.touch(pile);
        match event {
            PileEvent::Connected { connection, address } => {
                self.pile_came(pile, connection, address, turn);
            }
            PileEvent::Gone { connection, parting, reason } => {
                self.pile_went(pile, connection, (parting, reason), turn);
            }
            PileEvent::Requested { id, request } => self.asked(pile, id, request, known, turn),
            PileEvent::Told(PileNotice::Progress(report)) => self.progressed(pile, &report, turn),
            PileEvent::Told(PileNotice::Telemetry { plug, status, gauges, original }) => {
                self.telemetry(pile, plug, status, original.clone(), turn);
                self.measured(pile, plug, &gauges, &original, turn);
            }
            PileEvent::Told(PileNotice::Pass(pass)) => {
                self.pass_to_backend(pile, None, pass, turn);
            }
            PileEvent::Answered { call, answer } => self.call_answered(pile, call, &answer, turn),
        }
    }

    fn pile_came(
        &mut self,
        code: PileCode,
        connection: ConnectionId,
        address: String,
        turn: &mut Turn,
    ) {
        if let Some(pile) = self.piles.get_mut(&code) {
            pile.connection = Some(connection);
            pile.address = address;
            pile.since = Some(turn.stamp());
            pile.gone_because.clear();
        }
    }

    fn pile_went(
        &mut self,
        code: PileCode,
        connection: ConnectionId,
        (parting, reason): (Parting, String),
        turn: &mut Turn,
    ) {
        // A take-over: the newer connection is the pile's.
        if self.piles.get(&code).is_none_or(|pile| pile.connection != Some(connection)) {
            return;
        }
        let what = Happening::Gone { parting, reason: reason.clone() };
        self.news(code, None, what, turn);
        if let Some(pile) = self.piles.get_mut(&code) {
            pile.connection = None;
            pile.address.clear();
            pile.since = Some(turn.stamp());
            pile.gone_because = reason;
        }
        self.suspect_all(code, turn);
    }

    /// From now on the pile's orders have to be heard of again, or count as interrupted.
    fn suspect_all(&mut self, pile: PileCode, turn: &Turn) {
        for order in self.book.open_of(pile) {
            self.suspects.entry(order.seq).or_insert(turn.now.mono);
        }
    }

    fn asked(
        &mut self,
        pile: PileCode,
        id: RequestId,
        request: PileRequest,
        known: &[Order],
        turn: &mut Turn,
    ) {
        match request {
            PileRequest::Boot { nameplate, original } => {
                self.boot_pile(pile, id, nameplate, &original, turn);
            }
            PileRequest::Heartbeat => turn.answer(pile, id, PileReply::Heartbeat),
            PileRequest::Tariff => self.tariff_wanted(pile, turn),
            PileRequest::Authorize { card, original } => {
                // The pile does not say where.
                let shown = Happening::CardShown { plug: None, card: card.clone() };
                self.news(pile, Some(&original), shown, turn);
                self.authorize(pile, id, card, original, turn);
            }
            PileRequest::Start(report) => self.started(pile, id, &report, known, turn),
            PileRequest::End(report) => self.ended(pile, id, &report, known, turn),
            PileRequest::Warning { plug, code, cleared, original } => {
                turn.answer(pile, id, PileReply::Warning { code, cleared });
                self.note_warning(pile, plug, (code, cleared));
                let what = Happening::Warning { plug, code, cleared };
                self.news(pile, Some(&original), what, turn);
                self.warning(pile, plug, &original, turn);
            }
            PileRequest::Status { plug, state, .. } => {
                turn.answer(pile, id, PileReply::Status { plug });
                self.status(pile, plug, state, turn);
            }
            PileRequest::Pass(pass) => self.pass_to_backend(pile, Some(id), pass, turn),
            PileRequest::Unsupported { code } => {
                let text = format!("message code {code} is not supported");
                let reply = PileReply::Error { code: ErrorCode::NotSupported, text };
                turn.answer(pile, id, reply);
            }
        }
    }

    fn boot_pile(
        &mut self,
        code: PileCode,
        id: RequestId,
        nameplate: Box<Nameplate>,
        original: &Original,
        turn: &mut Turn,
    ) {
        self.suspect_all(code, turn);
        if let Some(pile) = self.piles.get_mut(&code) {
            pile.is_booted = true;
            pile.firmware.clone_from(&nameplate.firmware);
            pile.panel.booted();
        }
        let (accepted, time_s) = (true, turn.now.wall.known_s());
        let interval_s = self.config.heartbeat_interval_s;
        turn.answer(code, id, PileReply::Boot { accepted, time_s, interval_s });
        self.news(code, Some(original), Happening::Booted(nameplate), turn);
        if let Some(unix_s) = time_s {
            self.news(code, Some(original), Happening::TimeGiven { unix_s }, turn);
        }
    }

    fn tariff_wanted(&mut self, code: PileCode, turn: &mut Turn) {
        let tariff = self.tariff.as_ref().map(|(id, _)| *id);
        self.news(code, None, Happening::TariffWanted { tariff }, turn);
        if tariff.is_some() {
            return self.call_tariff(code, turn);
        }
        if let Some(pile) = self.piles.get_mut(&code) {
            pile.wants_tariff = true;
        }
        if let Some(link) = self.primary_mut().filter(|link| link.is_online()) {
            link.tell(turn, UplinkMessage::TariffRequest, Urgency::Live);
        }
    }

    /// The tariff in force is new: every pile gets it.
    pub(super) fn spread_tariff(&mut self, turn: &mut Turn) {
        let ready: Vec<PileCode> =
            self.piles.iter().filter(|(_, pile)| pile.is_ready()).map(|(code, _)| *code).collect();
        for code in ready {
            self.call_tariff(code, turn);
        }
        for pile in self.piles.values_mut() {
            pile.wants_tariff = false;
        }
    }

    fn warning(
        &mut self,
        pile: PileCode,
        plug: Option<PlugNo>,
        original: &Original,
        turn: &mut Turn,
    ) {
        let connector = plug.and_then(|plug| self.config.connector(pile, plug));
        let order = connector.and_then(|no| self.book.open_at(no)).map(|order| order.id);
        for link in self.links.values_mut().filter(|link| link.decides()) {
            let original = original.clone();
            let message = UplinkMessage::Warning { pile, connector, order, original };
            link.warn(turn, message);
        }
    }

    fn status(&mut self, code: PileCode, plug: PlugNo, state: i32, turn: &mut Turn) {
        self.note_status(code, plug, state, turn);
        let Some(connector) = self.config.connector(code, plug) else { return };
        for link in self.stations_mut() {
            let message = UplinkMessage::Status { pile: code, connector, state };
            link.tell(turn, message, Urgency::Live);
        }
    }

    /// Keeps the state of a connector. An idle one frees itself: whatever ran there has ended
    /// without being reported.
    fn note_status(&mut self, code: PileCode, plug: PlugNo, state: i32, turn: &mut Turn) {
        let Some(pile) = self.piles.get_mut(&code) else { return };
        if pile.status.len() >= PLUGS_LIMIT && !pile.status.contains_key(&plug) {
            return;
        }
        pile.status.insert(plug, state);
        self.note_state_number(code, plug, state);
        let idle = self.config.connector(code, plug).filter(|_| state == STATUS_IDLE);
        let suspect = idle
            .and_then(|no| self.book.open_at(no))
            .map(|order| order.seq)
            .filter(|seq| self.suspects.contains_key(seq));
        if let Some(seq) = suspect {
            self.book.interrupt(seq, "the pile says the connector is free", turn);
        }
    }

    fn telemetry(
        &mut self,
        code: PileCode,
        plug: Option<PlugNo>,
        status: Option<i32>,
        original: Original,
        turn: &mut Turn,
    ) {
        if let (Some(plug), Some(status)) = (plug, status) {
            self.note_status(code, plug, status, turn);
        }
        if let Some(pile) = self.piles.get_mut(&code)
            && (pile.telemetry.len() < PLUGS_LIMIT || pile.telemetry.contains_key(&plug))
        {
            pile.telemetry.insert(plug, original.clone());
        }
        self.pass_telemetry(code, plug, &original, turn);
    }

    pub(super) fn pass_telemetry(
        &mut self,
        pile: PileCode,
        plug: Option<PlugNo>,
        original: &Original,
        turn: &mut Turn,
    ) {
        let connector: Option<ConnectorNo> =
            plug.and_then(|plug| self.config.connector(pile, plug));
        let order = connector.and_then(|no| self.book.open_at(no)).map(|order| order.id);
        for link in self.stations_mut() {
            let original = original.clone();
            let message = UplinkMessage::Telemetry { pile, connector, order, original };
            link.tell(turn, message, Urgency::Telemetry);
        }
    }
}
