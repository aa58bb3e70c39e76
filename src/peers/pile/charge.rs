//! What happens at the connectors.

use super::{
    Memory, Order, OrderPhase, Phase, Pile, PileNews, Store,
    order::{Beginning, band_at},
    talk::About,
};
use crate::{
    domain::{
        quantity::Energy,
        time::{Mono, Now},
    },
    peers::{
        Class, Effect,
        apdu::{Code, wire},
    },
};

/// Power of a simulated charge before `speed`, in W.
const POWER_W: u64 = 7_040;
/// What flows in, as the wire's doubles: volts and amperes.
const VOLTS: f64 = 220.0;
const AMPERES: f64 = 32.0;
/// Measurands of telemetry.
const CONNECTOR_STATUS: i32 = 144;
const VOLTAGE: i32 = 101;
const CURRENT: i32 = 103;

/// What the controller answered about a card.
pub(super) struct Authorization {
    pub status: i32,
    pub transaction_id: String,
}

/// Who starts and what the start hands back.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub card: String,
    pub mode: wire::AuthorizationMode,
    pub transaction_id: String,
}

#[derive(Debug, Clone)]
enum Plug {
    Idle,
    Authorizing {
        card: String,
    },
    /// Remotely started; the vehicle comes at `at`.
    Waiting {
        at: Mono,
        intent: Intent,
    },
    Charging {
        record: u64,
        info_at: Mono,
        stop_at: Option<Mono>,
    },
}

/// A connector of the pile.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    number: u16,
    plug: Plug,
    meter: Energy,
    auto_at: Option<Mono>,
}

impl Connector {
    pub(super) fn new(number: u16, rng: &mut fastrand::Rng) -> Self {
        let meter = Energy::from_wh(rng.u64(0..1_000_000) * 10);
        Self { number, plug: Plug::Idle, meter, auto_at: None }
    }

    pub(super) fn deadline(&self, ready: bool) -> Option<Mono> {
        match &self.plug {
            Plug::Idle => self.auto_at,
            Plug::Authorizing { .. } => None,
            Plug::Waiting { at, .. } => Some(*at),
            Plug::Charging { info_at, stop_at, .. } => {
                [ready.then_some(*info_at), *stop_at].into_iter().flatten().min()
            }
        }
    }

    /// Measurand 144.
    fn status(&self) -> f64 {
        match self.plug {
            Plug::Idle => 1.0,
            Plug::Authorizing { .. } | Plug::Waiting { .. } => 2.0,
            Plug::Charging { .. } => 3.0,
        }
    }
}

impl Pile {
    /// A card is held before a connector; `false` if it is taken, unknown, or the power is off.
    pub fn start(&mut self, connector: u16, card: &str, now: Now) -> bool {
        let ready = self.is_ready();
        let on = self.off_until.is_none();
        let Some(plug) = self.plug_mut(connector).filter(|p| on && matches!(p, Plug::Idle)) else {
            return false;
        };
        *plug = Plug::Authorizing { card: card.to_owned() };
        if ready {
            let id = wire::IdToken { id: card.to_owned(), ..Default::default() };
            let body = wire::AuthorizeReq { id_data: Some(id), ..Default::default() };
            self.ask(Code::IdAuthorizeReq, About::Connector(connector), &body, now);
        } else {
            self.authorized(connector, None, now);
        }
        true
    }

    /// The user stops; `false` if nothing charges there.
    pub fn stop(&mut self, connector: u16, now: Now) -> bool {
        self.finish(connector, wire::StopReason::SrLocalCard, now)
    }

    /// The power fails: running orders end, the connection drops, the pile is dark for so long.
    pub fn power_cut(&mut self, off_ms: u64, memory: Memory, now: Now) {
        self.go_dark(off_ms, wire::StopReason::SrPowerLoss, now);
        if memory == Memory::Lost {
            let lost = std::mem::take(&mut self.store);
            for order in lost.iter().filter(|o| o.phase != OrderPhase::Answered) {
                let (record, started_s) = (order.record, order.started_s);
                self.tell(PileNews::OrderForgotten { record, started_s });
            }
            self.store = Store::default();
        }
    }

    /// Ends running orders for this reason, drops the connection and is dark for so long.
    pub(super) fn go_dark(&mut self, off_ms: u64, reason: wire::StopReason, now: Now) {
        self.off_until = Some(now.mono.plus_ms(off_ms));
        self.phase = Phase::Down;
        for connector in 1..=self.config.connectors {
            self.finish(connector, reason, now);
            if let Some(plug) = self.plug_mut(connector) {
                *plug = Plug::Idle;
            }
        }
        self.open.clear();
        self.tariff = None;
        self.heartbeat_at = None;
        self.telemetry_at = None;
        self.reset_at = None;
        self.effects.push_back(Effect::Cut { away_ms: off_ms });
    }

    /// What its own meter at a connector shows now, and the power that flows there in W; `None` if
    /// it has no such connector.
    pub fn flow(&mut self, connector: u16, now: Now) -> Option<(Energy, u64)> {
        let idle = self.connectors.iter().find(|c| c.number == connector)?.meter;
        let Some(record) = self.charging(connector) else { return Some((idle, 0)) };
        self.meter(record, now);
        let shown = self.store.get(record)?.meter_stop();
        Some((shown, POWER_W.saturating_mul(u64::from(self.config.speed))))
    }

    /// Begins no more sessions by itself; running ones end in their time.
    pub fn rest(&mut self) {
        if let Some(plan) = &mut self.config.auto {
            plan.cards.clear();
        }
        for connector in &mut self.connectors {
            connector.auto_at = None;
        }
    }

    /// Whether anything charges, or is about to.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.connectors.iter().all(|c| matches!(c.plug, Plug::Idle))
    }

    /// Sends the last answered order once more; `false` if there is none or no line.
    pub fn repeat_last_order(&mut self, now: Now) -> bool {
        self.again(|_| {}, now)
    }

    /// Sends the last answered order once more with another meter and another price.
    pub fn dispute_last_order(&mut self, now: Now) -> bool {
        self.again(
            |body| {
                body.meter_stop += 100.0;
                if let Some(cost) = &mut body.cost {
                    cost.totalelec += 100;
                    cost.totalcost += 120;
                }
            },
            now,
        )
    }

    /// Reports a warning of a connector.
    pub fn warn(&mut self, connector: u16, code: i64, now: Now) {
        let body = wire::WarningReq {
            code,
            level: wire::WarningLevel::WlWarning.into(),
            component: wire::Components::CpConnector.into(),
            connector_id: connector.to_string(),
            time: now.wall.unix_s(),
            ..Default::default()
        };
        self.ask(Code::IdWarningReq, About::Connector(connector), &body, now);
    }

    fn again(&mut self, alter: impl FnOnce(&mut wire::TransactionReq), now: Now) -> bool {
        let last = self.store.iter().rfind(|o| o.phase == OrderPhase::Answered);
        let Some(order) = last.cloned().filter(|_| self.is_ready()) else { return false };
        let mut body = self.transaction_request(&order);
        alter(&mut body);
        self.ask(Code::IdTransactionReq, About::Again(order.record), &body, now);
        true
    }

    fn plug_mut(&mut self, connector: u16) -> Option<&mut Plug> {
        self.connectors.iter_mut().find(|c| c.number == connector).map(|c| &mut c.plug)
    }

    pub(super) fn charging(&self, connector: u16) -> Option<u64> {
        self.connectors.iter().find_map(|c| match c.plug {
            Plug::Charging { record, .. } if c.number == connector => Some(record),
            _ => None,
        })
    }

    /// Takes a remote start; `false` unless the connector is idle.
    pub(super) fn wait_for_plug(&mut self, connector: u16, intent: Intent, now: Now) -> bool {
        let at = now.mono.plus_ms(self.config.timing.plug_ms);
        match self.plug_mut(connector) {
            Some(plug @ Plug::Idle) => {
                *plug = Plug::Waiting { at, intent };
                true
            }
            _ => false,
        }
    }

    /// Whether a remote start with this transaction id is under way here already.
    pub(super) fn is_started_as(&self, connector: u16, transaction_id: &str) -> bool {
        self.connectors.iter().filter(|c| c.number == connector).any(|c| match &c.plug {
            Plug::Waiting { intent, .. } => intent.transaction_id == transaction_id,
            Plug::Charging { record, .. } => {
                self.store.get(*record).is_some_and(|o| o.transaction_id == transaction_id)
            }
            Plug::Idle | Plug::Authorizing { .. } => false,
        })
    }

    /// A card was decided upon, by the pile itself if there is no decision.
    pub(super) fn authorized(&mut self, connector: u16, decision: Option<Authorization>, now: Now) {
        let Some(Plug::Authorizing { card }) = self.plug_mut(connector).cloned() else { return };
        let accepted = i32::from(wire::AuthorizationStatus::AsAccepted);
        let status = decision.as_ref().map(|d| d.status);
        let transaction_id = decision.map(|d| d.transaction_id).unwrap_or_default();
        self.tell(PileNews::Authorized { card: card.clone(), status });
        let mode = match status {
            Some(refused) if refused != accepted => {
                self.idle(connector, now);
                return;
            }
            Some(_) => wire::AuthorizationMode::AmOnlineIdentityCard,
            None => wire::AuthorizationMode::AmLocalIdentityCard,
        };
        self.begin(connector, Intent { card, mode, transaction_id }, now);
    }

    fn begin(&mut self, connector: u16, intent: Intent, now: Now) {
        let Some(at) = self.connectors.iter().position(|c| c.number == connector) else { return };
        let beginning = Beginning {
            record: self.store.next_record(),
            connector,
            card: intent.card,
            mode: intent.mode,
            transaction_id: intent.transaction_id,
            meter_start: self.connectors[at].meter,
            offline: !self.is_ready(),
            mark: format!("{:016X}", self.rng.u64(..)),
        };
        let order = Order::begin(beginning, self.tariff.as_ref().map_or(0, |t| t.tariffid), now);
        let (record, started_s) = (order.record, order.started_s);
        let stop_at = self.config.auto.as_ref().map(|plan| plan.charge_ms);
        let stop_at = stop_at.map(|(least, most)| now.mono.plus_ms(self.rng.u64(least..=most)));
        let info_at = now.mono.plus_ms(self.config.timing.info_ms);
        self.connectors[at].plug = Plug::Charging { record, info_at, stop_at };
        self.store.insert(order);
        self.tell(PileNews::OrderStarted { record, connector, started_s });
        self.telemetry(connector, now);
        self.report(now);
    }

    pub(super) fn finish(&mut self, connector: u16, reason: wire::StopReason, now: Now) -> bool {
        let Some(record) = self.charging(connector) else { return false };
        self.meter(record, now);
        let Some(order) = self.store.get_mut(record) else { return false };
        order.phase = OrderPhase::Finished;
        order.reason = reason;
        let (energy, meter, announced) = (order.energy(), order.meter_stop(), order.announced);
        let order = order.clone();
        if let Some(c) = self.connectors.iter_mut().find(|c| c.number == connector) {
            c.meter = meter;
        }
        self.idle(connector, now);
        self.tell(PileNews::OrderFinished { record, energy });
        // A start that is still unanswered says nothing any more.
        self.open.retain(|_, open| open.about != About::Order(record));
        if announced && self.is_ready() {
            let body = self.stop_request(&order);
            self.ask(Code::IdStopTransactionReq, About::Order(record), &body, now);
        }
        self.telemetry(connector, now);
        self.report(now);
        true
    }

    fn idle(&mut self, connector: u16, now: Now) {
        let plan = self.config.auto.as_ref().filter(|plan| !plan.cards.is_empty());
        let pause = plan.map(|plan| plan.idle_ms);
        let auto_at = pause.map(|(least, most)| now.mono.plus_ms(self.rng.u64(least..=most)));
        if let Some(c) = self.connectors.iter_mut().find(|c| c.number == connector) {
            c.plug = Plug::Idle;
            c.auto_at = auto_at;
        }
    }

    fn meter(&mut self, record: u64, now: Now) {
        let offset = self.config.utc_offset_minutes;
        let charge = band_at(self.tariff.as_ref(), now.wall.unix_s(), offset);
        let power_w = POWER_W.saturating_mul(u64::from(self.config.speed));
        if let Some(order) = self.store.get_mut(record) {
            order.meter(power_w, &charge, now);
        }
    }

    /// Does at the connectors what is due.
    pub(super) fn charge_on(&mut self, now: Now) {
        for at in 0..self.connectors.len() {
            let number = self.connectors[at].number;
            match self.connectors[at].plug.clone() {
                Plug::Idle => self.auto_start(at, now),
                Plug::Authorizing { .. } => {}
                Plug::Waiting { at, intent } if at <= now.mono => self.begin(number, intent, now),
                Plug::Waiting { .. } => {}
                Plug::Charging { stop_at: Some(stop_at), .. } if stop_at <= now.mono => {
                    self.finish(number, wire::StopReason::SrSocFull, now);
                }
                Plug::Charging { record, info_at, stop_at } if info_at <= now.mono => {
                    let info_at = now.mono.plus_ms(self.config.timing.info_ms);
                    self.connectors[at].plug = Plug::Charging { record, info_at, stop_at };
                    self.meter(record, now);
                    self.charging_info(record, now);
                }
                Plug::Charging { .. } => {}
            }
        }
    }

    fn auto_start(&mut self, at: usize, now: Now) {
        let Some(plan) = self.config.auto.clone().filter(|p| !p.cards.is_empty()) else { return };
        let number = self.connectors[at].number;
        match self.connectors[at].auto_at {
            Some(due) if due <= now.mono => {
                self.connectors[at].auto_at = None;
                let card = plan.cards[self.rng.usize(..plan.cards.len())].clone();
                self.start(number, &card, now);
            }
            Some(_) => {}
            None => self.idle(number, now),
        }
    }

    fn charging_info(&mut self, record: u64, now: Now) {
        let Some(order) = self.store.get(record).filter(|o| o.announced) else { return };
        let body = wire::ChargingInfoReq {
            record_id: record.to_string(),
            connector_id: order.connector.to_string(),
            evse_id: self.config.code.clone(),
            current_a: AMPERES,
            voltage_a: VOLTS,
            consumed_time: order.stopped_s - order.started_s,
            consumed_electric: order.bill().totalelec,
            cost: Some(order.bill()),
            status: wire::ChargerStatus::ChsCharging.into(),
            timestamp: now.wall.unix_s(),
            id_data: Some(order.id_token()),
            ..Default::default()
        };
        if self.is_ready() {
            self.say(Class::Telemetry, Code::IdChargingInfoReq, &body, now);
        }
    }

    pub(super) fn inform(&mut self, connector: u16, now: Now) {
        if let Some(record) = self.charging(connector) {
            self.meter(record, now);
            self.charging_info(record, now);
        }
    }

    /// Heartbeat and telemetry at their intervals.
    pub(super) fn beat(&mut self, now: Now) {
        if self.heartbeat_at.is_some_and(|at| at <= now.mono) {
            self.heartbeat_at = Some(now.mono.plus_ms(self.heartbeat_ms));
            self.heartbeat(now);
        }
        if self.telemetry_at.is_some_and(|at| at <= now.mono) {
            self.telemetry_at = Some(now.mono.plus_ms(self.config.timing.telemetry_ms));
            for connector in 1..=self.config.connectors {
                self.telemetry(connector, now);
            }
        }
    }

    pub(super) fn heartbeat(&mut self, now: Now) {
        let body = wire::HeartbeatReq { current_time: now.wall.unix_s(), ..Default::default() };
        self.say(Class::Command, Code::IdHeartbeatReq, &body, now);
    }

    pub(super) fn telemetry(&mut self, connector: u16, now: Now) {
        let Some(c) = self.connectors.iter().find(|c| c.number == connector) else { return };
        if !self.is_ready() {
            return;
        }
        let current = if matches!(c.plug, Plug::Charging { .. }) { AMPERES * 10.0 } else { 0.0 };
        let sample = |measurand, value| wire::SampledValue {
            measurand,
            value,
            rate: 1,
            ..Default::default()
        };
        let body = wire::TelemetryReq {
            component: wire::Components::CpConnector.into(),
            connector_id: connector.to_string(),
            evse_id: self.config.code.clone(),
            values: vec![
                sample(CONNECTOR_STATUS, c.status()),
                sample(VOLTAGE, VOLTS * 10.0),
                sample(CURRENT, current),
            ],
            record_id: self.charging(connector).map_or_else(String::new, |r| r.to_string()),
            ..Default::default()
        };
        self.say(Class::Telemetry, Code::IdTelemetryReq, &body, now);
    }
}
